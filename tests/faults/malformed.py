"""Requests that are broken, odd or two-faced, and the one right answer to each.

The server has these files: `a.txt`, `smuggled`, `last.txt`, `d/b.txt`; a POST gets its body back.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Then = Literal["closed", "open", "at the end"]


class Row(NamedTuple):
    """One case.

    answers: the statuses that come back, in order, and no other.
    then: "closed" by the server, of its own; "open" for one more request; "at the end": closed once
    the peer has ended its side, in the middle of something.
    """

    name: str
    data: bytes
    answers: tuple[int, ...]
    then: Then


HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
"""What nobody has asked for where it comes hidden in, or behind, another request."""

SIZE = b"%d" % len(SMUGGLED)


def head(first: bytes, *fields: bytes, host: bytes = HOST) -> bytes:
    """A whole head."""
    return first + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def get(target: bytes, *fields: bytes, host: bytes = HOST) -> bytes:
    return head(b"GET " + target + b" HTTP/1.1", *fields, host=host)


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return head(b"POST /a.txt HTTP/1.1", *fields) + body


def chunks(body: bytes, *fields: bytes) -> bytes:
    """A POST in chunks."""
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


def good(name: str, data: bytes, *answers: int) -> Row:
    """One that is odd, but right: the connection goes on."""
    return Row(name, data, answers or (200,), "open")


def bad(name: str, data: bytes, *answers: int) -> Row:
    """One after which the server closes; 400 unless told otherwise."""
    return Row(name, data, answers or (400,), "closed")


def cut(name: str, data: bytes, *answers: int) -> Row:
    """One that the peer leaves unfinished, and ends its side."""
    return Row(name, data, answers or (400,), "at the end")


LINES = [
    good("plain", get(b"/a.txt")),
    good("empty lines before it", b"\r\n\r\n" + get(b"/a.txt")),
    # What ends an empty line between requests is not looked at: it belongs to none of them.
    good("a line feed before it", b"\n" + get(b"/a.txt")),
    good("a CR before it", b"\r" + get(b"/a.txt")),
    good("two spaces after the method", head(b"GET  /a.txt HTTP/1.1")),
    good("two spaces after the target", head(b"GET /a.txt  HTTP/1.1")),
    bad("a space before the method", head(b" GET /a.txt HTTP/1.1")),
    bad("a tab after the method", head(b"GET\t/a.txt HTTP/1.1")),
    bad("a tab after the target", head(b"GET /a.txt\tHTTP/1.1")),
    bad("a vertical tab after the target", head(b"GET /a.txt\x0bHTTP/1.1")),
    bad("a space after the version", head(b"GET /a.txt HTTP/1.1 ")),
    bad("a CR after the version", head(b"GET /a.txt HTTP/1.1\r")),
    bad("no target", head(b"GET HTTP/1.1")),
    bad("an empty target", head(b"GET  HTTP/1.1")),
    bad("no method", head(b"/a.txt HTTP/1.1")),
    bad("no space before the version", head(b"GET /a.txtHTTP/1.1"), 505),
    bad("a space in the target", head(b"GET /a .txt HTTP/1.1")),
    bad("no version, and fields", head(b"GET /a.txt"), 505),
    bad("HTTP/0.9", b"GET /a.txt\r\n\r\n", 505),
    cut("HTTP/0.9, one line", b"GET /a.txt\r\n"),
    bad("HTTP/0.9, named", head(b"GET /a.txt HTTP/0.9"), 505),
    bad("HTTP/1.2", head(b"GET /a.txt HTTP/1.2"), 505),
    bad("HTTP/2.0", head(b"GET /a.txt HTTP/2.0"), 505),
    bad("HTTP/3.0", head(b"GET /a.txt HTTP/3.0"), 505),
    bad("HTTP/9.9", head(b"GET /a.txt HTTP/9.9"), 505),
    bad("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    bad("HTTP/1", head(b"GET /a.txt HTTP/1")),
    bad("HTTP/1.", head(b"GET /a.txt HTTP/1.")),
    bad("HTTP/11", head(b"GET /a.txt HTTP/11")),
    bad("HTTP/1.10", head(b"GET /a.txt HTTP/1.10")),
    bad("HTTP/01.1", head(b"GET /a.txt HTTP/01.1")),
    bad("HTTP/1,1", head(b"GET /a.txt HTTP/1,1")),
    bad("HTTP/+1.1", head(b"GET /a.txt HTTP/+1.1")),
    bad("HTTP 1.1", head(b"GET /a.txt HTTP 1.1")),
    bad("http/1.1", head(b"GET /a.txt http/1.1")),
    bad("Http/1.1", head(b"GET /a.txt Http/1.1")),
    bad("HTTPS/1.1", head(b"GET /a.txt HTTPS/1.1")),
    bad("FTP/1.1", head(b"GET /a.txt FTP/1.1")),
    bad("an answer", head(b"HTTP/1.1 200 OK")),
    bad("no letters at all", b"\0\0\0\0\r\n\r\n"),
    bad("nothing but empty lines", b"\r\n" * 2000),
    bad("a TLS hello", bytes.fromhex("16030100a5010000a10303") + bytes(160)),
    bad("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    bad("SMTP", b"EHLO example.org\r\n"),
    bad("Redis", b"*1\r\n$4\r\nPING\r\n"),
    bad("JSON", b'{"id": 1}\n'),
    cut("half a method", b"GE"),
    cut("half a request line", b"GET /a.t"),
    cut("a request line alone", b"GET /a.txt HTTP/1.1\r\n"),
    cut("half a field", b"GET /a.txt HTTP/1.1\r\nHost: 127.0."),
    cut("no empty line", b"GET /a.txt HTTP/1.1\r\n" + HOST),
    Row("nothing", b"", (), "at the end"),
    Row("empty lines alone", b"\r\n\r\n", (), "at the end"),
]

METHODS = [
    good("HEAD", head(b"HEAD /a.txt HTTP/1.1")),
    good("OPTIONS", head(b"OPTIONS /a.txt HTTP/1.1"), 204),
    good("OPTIONS *", head(b"OPTIONS * HTTP/1.1"), 204),
    good("OPTIONS of a host", head(b"OPTIONS http://127.0.0.1 HTTP/1.1"), 204),
    good("PUT", head(b"PUT /a.txt HTTP/1.1", b"Content-Length: 0"), 405),
    good("PUT with a body", head(b"PUT /a.txt HTTP/1.1", b"Content-Length: 3") + b"abc", 405),
    good("DELETE", head(b"DELETE /a.txt HTTP/1.1"), 405),
    good("PATCH", head(b"PATCH /a.txt HTTP/1.1"), 405),
    good("TRACE", head(b"TRACE /a.txt HTTP/1.1"), 405),
    good("PROPFIND", head(b"PROPFIND / HTTP/1.1"), 405),
    good("DELETE of what is not there", head(b"DELETE /none HTTP/1.1"), 405),
    bad("CONNECT", head(b"CONNECT 127.0.0.1:80 HTTP/1.1")),
    bad("CONNECT with a path", head(b"CONNECT /a.txt HTTP/1.1")),
    bad("get", head(b"get /a.txt HTTP/1.1")),
    bad("Get", head(b"Get /a.txt HTTP/1.1")),
    bad("GETS", head(b"GETS /a.txt HTTP/1.1")),
    bad("BREW", head(b"BREW /a.txt HTTP/1.1")),
    bad("G@T", head(b"G@T /a.txt HTTP/1.1")),
    bad("a quoted method", head(b'"GET" /a.txt HTTP/1.1')),
    bad("a method that never ends", b"X" * 5000),
    bad("an 8-bit method", head(b"G\xc3\x89T /a.txt HTTP/1.1")),
    bad("a method of RTSP", head(b"DESCRIBE /a.txt HTTP/1.1")),
    bad("a method of ICE", head(b"GET /a.txt ICE/1.0")),
    # The parser knows RTSP by its name, and it is answered as HTTP/1.0 is.
    bad("RTSP/1.0", head(b"GET /a.txt RTSP/1.0"), 200),
]

TARGETS = [
    good("a query", get(b"/a.txt?b=c")),
    good("an empty query", get(b"/a.txt?")),
    good("a query with slashes", get(b"/a.txt?../../x")),
    good("percent-encoded letters", get(b"/%61.txt")),
    good("of a host", get(b"http://127.0.0.1/a.txt")),
    good("of a host, in capitals", get(b"HTTP://127.0.0.1/a.txt")),
    good("of a host, in place of another", get(b"http://127.0.0.1/a.txt", host=b"Host: b\r\n")),
    good("of a host, without a path", get(b"http://127.0.0.1"), 200),
    good("of a host, a query alone", get(b"http://127.0.0.1?x"), 200),
    good("of another host", get(b"http://example.org/a.txt"), 421),
    bad("of an empty host", get(b"http:///a.txt")),
    bad("of a user", get(b"http://user@127.0.0.1/a.txt")),
    bad("of another scheme", get(b"ftp://127.0.0.1/a.txt")),
    bad("a file's", get(b"file:///etc/passwd")),
    bad("of no scheme", get(b"127.0.0.1/a.txt")),
    bad("a star", get(b"*")),
    bad("a name alone", get(b"a.txt")),
    bad("dots alone", get(b"../../etc/passwd")),
    bad("a host's port out of range", get(b"http://127.0.0.1:999999/a.txt")),
    good("dot-segments up", get(b"/../../etc/passwd"), 404),
    good("dot-segments within", get(b"/d/../a.txt"), 404),
    good("a dot-segment", get(b"/./a.txt"), 404),
    good("a dot at the end", get(b"/d/."), 404),
    good("encoded dot-segments", get(b"/%2e%2e/%2e%2e/etc/passwd"), 404),
    good("half-encoded dot-segments", get(b"/.%2e/a.txt"), 404),
    good("an encoded slash", get(b"/d%2fb.txt"), 404),
    good("an encoded slash in capitals", get(b"/d%2Fb.txt"), 404),
    good("a backslash", get(b"/d\\b.txt"), 404),
    good("an encoded backslash", get(b"/d%5cb.txt"), 404),
    good("backslashes up", get(b"/..%5c..%5ca.txt"), 404),
    good("an encoded NUL", get(b"/a.txt%00"), 404),
    good("an encoded NUL before an ending", get(b"/a.txt%00.html"), 404),
    good("an encoded line feed", get(b"/a.txt%0a"), 404),
    good("an encoded CR LF", get(b"/a.txt%0d%0aX:%20y"), 404),
    good("encoded twice", get(b"/%2561.txt"), 404),
    good("dots encoded twice", get(b"/%252e%252e/a.txt"), 404),
    good("half an escape", get(b"/a.txt%"), 404),
    good("an escape too short", get(b"/a.txt%4"), 404),
    good("an escape that is none", get(b"/%zz"), 404),
    good("an escape with a sign", get(b"/%+61.txt"), 404),
    good("an escape of IIS", get(b"/%u0061.txt"), 404),
    good("overlong UTF-8, a slash", get(b"/..%c0%af..%c0%afetc"), 404),
    good("overlong UTF-8, dots", get(b"/%c0%ae%c0%ae/a.txt"), 404),
    good("invalid UTF-8", get(b"/%ff%fe"), 404),
    good("two slashes", get(b"//a.txt"), 404),
    good("slashes alone", get(b"////"), 404),
    good("two slashes within", get(b"/d//b.txt"), 404),
    good("two slashes and a host", get(b"//example.org/"), 404),
    good("a file as a folder", get(b"/a.txt/"), 404),
    good("below a file", get(b"/a.txt/b"), 404),
    good("a folder without its slash", get(b"/d"), 301),
    good("the same with a query", get(b"/d?x=//y"), 301),
    good("a hidden name", get(b"/.git/config"), 404),
    good("a hidden name, encoded", get(b"/%2egit/config"), 404),
    good("a semicolon", get(b"/a.txt;v=1"), 404),
    good("a colon", get(b"/a.txt::$DATA"), 404),
    good("a tilde", get(b"/~root"), 404),
    good("a fragment", get(b"/a.txt#b"), 404),
    good("a name that is too long", get(b"/" + b"a" * 256), 404),
    good("a path that is too deep", get(b"/d" * 65), 404),
    good("a path of thousands", get(b"/a" * 3000), 404),
    bad("a target that is too long", get(b"/" + b"a" * 8001), 414),
    bad("a query that is too long", get(b"/?" + b"a" * 8001), 414),
    bad("a target that never ends", b"GET /" + b"a" * 60_000, 414),
    bad("a NUL", get(b"/a.txt\0")),
    bad("a control character", get(b"/a\x01.txt")),
    bad("a DEL", get(b"/a\x7f.txt")),
    bad("an 8-bit character", get(b"/\xff")),
    bad("UTF-8", get("/ä".encode())),
    bad("a CR", get(b"/a\r.txt")),
    bad("a line feed", get(b"/a\n.txt")),
]

HOSTS = [
    good("localhost", get(b"/a.txt", host=b"Host: localhost\r\n")),
    good("a port", get(b"/a.txt", host=b"Host: 127.0.0.1:80\r\n")),
    good("an empty port", get(b"/a.txt", host=b"Host: 127.0.0.1:\r\n")),
    good("IPv6", get(b"/a.txt", host=b"Host: [::1]:80\r\n")),
    good("in capitals", get(b"/a.txt", host=b"HOST: LOCALHOST\r\n")),
    good("a dot at the end of the host", get(b"/a.txt", host=b"Host: localhost.\r\n")),
    good("empty", get(b"/a.txt", host=b"Host:\r\n")),
    good("another", get(b"/a.txt", host=b"Host: example.org\r\n"), 421),
    good("one that begins like ours", get(b"/a.txt", host=b"Host: 127.0.0.1.example.org\r\n"), 421),
    good("one that ends like ours", get(b"/a.txt", host=b"Host: xlocalhost\r\n"), 421),
    bad("none", get(b"/a.txt", host=b"")),
    bad("two", get(b"/a.txt", host=HOST + HOST)),
    bad("two that differ", get(b"/a.txt", host=HOST + b"Host: example.org\r\n")),
    bad("two in one", get(b"/a.txt", host=b"Host: 127.0.0.1, example.org\r\n")),
    bad("a space within", get(b"/a.txt", host=b"Host: a b\r\n")),
    bad("with a user", get(b"/a.txt", host=b"Host: user@127.0.0.1\r\n")),
    bad("with a path", get(b"/a.txt", host=b"Host: 127.0.0.1/x\r\n")),
    bad("with a scheme", get(b"/a.txt", host=b"Host: http://127.0.0.1\r\n")),
    bad("with a port that is none", get(b"/a.txt", host=b"Host: 127.0.0.1:a\r\n")),
    bad("with a port too long", get(b"/a.txt", host=b"Host: 127.0.0.1:999999\r\n")),
    bad("IPv6 without brackets", get(b"/a.txt", host=b"Host: ::1\r\n")),
    bad("half a bracket", get(b"/a.txt", host=b"Host: [::1\r\n")),
    bad("with 8-bit characters", get(b"/a.txt", host=b"Host: \xe4\r\n")),
    bad("with a percent-encoding", get(b"/a.txt", host=b"Host: %31\r\n")),
    bad("too long", get(b"/a.txt", host=b"Host: " + b"a" * 300 + b"\r\n")),
    bad("a bad one beside a good target", get(b"http://127.0.0.1/a.txt", host=b"Host: a b\r\n")),
    bad("HTTP/1.0 has a bad one", head(b"GET /a.txt HTTP/1.0", host=b"Host: a b\r\n")),
    bad("HTTP/1.0 needs none", head(b"GET /a.txt HTTP/1.0", host=b""), 200),
]

FIELDS = [
    good("an empty value", get(b"/a.txt", b"X:")),
    good("spaces around a value", get(b"/a.txt", b"X: \t y \t ")),
    good("no space before a value", get(b"/a.txt", b"X:y")),
    good("a colon in a value", get(b"/a.txt", b"X: y: z")),
    good("8-bit values", get(b"/a.txt", b"X: \x80\xff")),
    good("an underscore in a name", get(b"/a.txt", b"X_Y: z")),
    good("odd characters of a token", get(b"/a.txt", b"!#$%&'*+-.^_`|~: x")),
    good("a hundred fields", get(b"/a.txt", *[b"X: y"] * 99)),
    bad("more than a hundred", get(b"/a.txt", *[b"X: y"] * 100), 431),
    bad("a long value", get(b"/a.txt", b"X: " + b"y" * 33_000), 431),
    bad("a long name", get(b"/a.txt", b"X" * 33_000 + b": y"), 431),
    bad("many long ones", get(b"/a.txt", *[b"X: " + b"y" * 1000] * 40), 431),
    bad("a value that never ends", b"GET / HTTP/1.1\r\nX: " + b"y" * 60_000, 431),
    bad("a name that never ends", b"GET / HTTP/1.1\r\n" + b"y" * 60_000, 431),
    bad("a space before the colon", get(b"/a.txt", b"X : y")),
    bad("a tab before the colon", get(b"/a.txt", b"X\t: y")),
    bad("a space in a name", get(b"/a.txt", b"X Y: z")),
    bad("no colon", get(b"/a.txt", b"X")),
    bad("no name", get(b"/a.txt", b": y")),
    bad("a space before a name", get(b"/a.txt", b" X: y")),
    bad("a space before the first name", b"GET /a.txt HTTP/1.1\r\n " + HOST + b"\r\n"),
    bad("a folded line", get(b"/a.txt", b"X: y\r\n z")),
    bad("a line folded by a tab", get(b"/a.txt", b"X: y\r\n\tz")),
    bad("a folded Host", get(b"/a.txt", host=b"Host:\r\n 127.0.0.1\r\n")),
    bad("a NUL in a value", get(b"/a.txt", b"X: y\0z")),
    bad("a NUL in a name", get(b"/a.txt", b"X\0: y")),
    bad("a control character in a value", get(b"/a.txt", b"X: \x01")),
    bad("a DEL in a value", get(b"/a.txt", b"X: \x7f")),
    bad("a vertical tab before a value", get(b"/a.txt", b"X:\x0by")),
    bad("an 8-bit name", get(b"/a.txt", b"X\xe4: y")),
    bad("a bracket in a name", get(b"/a.txt", b"X(: y")),
    bad("a quote in a name", get(b"/a.txt", b'"X": y')),
    bad("a CR in a value", get(b"/a.txt", b"X: y\rz")),
    bad("a CR before a value's end", get(b"/a.txt", b"X: y\r")),
    bad("a line feed at the end of a field", b"GET /a.txt HTTP/1.1\r\n" + HOST + b"X: y\n\r\n"),
    bad("line feeds alone", b"GET /a.txt HTTP/1.1\nHost: 127.0.0.1\n\n"),
    bad("CRs alone", b"GET /a.txt HTTP/1.1\rHost: 127.0.0.1\r\r"),
    bad("a line feed for the empty line", b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\n"),
    bad("a CR for the empty line", b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\r\r"),
    bad("LF CR", b"GET /a.txt HTTP/1.1\n\rHost: 127.0.0.1\n\r\n\r"),
    good("a good Expect with no body", get(b"/a.txt", b"Expect: 100-continue")),
    good("an Expect of its own", get(b"/a.txt", b"Expect: wonders"), 417),
    good("two kinds of Expect", get(b"/a.txt", b"Expect: 100-continue, wonders"), 417),
    bad(
        "an Expect of its own, and a body",
        post(b"Expect: wonders", b"Content-Length: 3", body=b"abc"),
        417,
    ),
    good(
        "a body that was expected",
        post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"),
        100,
        200,
    ),
    bad(
        "a body that nobody wants",
        head(b"PUT / HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 3") + b"abc",
        405,
    ),
    bad(
        "HTTP/1.0 expects nothing",
        head(b"POST / HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 3") + b"abc",
        200,
    ),
]

CONDITIONS = [
    good("a range", get(b"/a.txt", b"Range: bytes=1-2"), 206),
    good("a range to the end", get(b"/a.txt", b"Range: bytes=1-"), 206),
    good("the last bytes", get(b"/a.txt", b"Range: bytes=-2"), 206),
    good("more last bytes than there are", get(b"/a.txt", b"Range: bytes=-99"), 206),
    good("a range past the end", get(b"/a.txt", b"Range: bytes=1-99999999"), 206),
    good("a range in capitals", get(b"/a.txt", b"RANGE: BYTES=1-2"), 206),
    good("a range that begins past the end", get(b"/a.txt", b"Range: bytes=999-"), 416),
    good("no last bytes", get(b"/a.txt", b"Range: bytes=-0"), 416),
    good("a reversed range", get(b"/a.txt", b"Range: bytes=3-1"), 200),
    good("several ranges", get(b"/a.txt", b"Range: bytes=0-0,2-2"), 200),
    good("a thousand ranges", get(b"/a.txt", b"Range: bytes=" + b"0-0," * 1000 + b"1-1"), 200),
    good("a range of nothing", get(b"/a.txt", b"Range: bytes=-"), 200),
    good("a range without a unit", get(b"/a.txt", b"Range: 1-2"), 200),
    good("another unit", get(b"/a.txt", b"Range: lines=1-2"), 200),
    good("a negative range", get(b"/a.txt", b"Range: bytes=-1-2"), 200),
    good("a hexadecimal range", get(b"/a.txt", b"Range: bytes=0x1-0x2"), 200),
    good("a huge range", get(b"/a.txt", b"Range: bytes=" + b"9" * 400 + b"-"), 200),
    good("a range beyond 64 bits", get(b"/a.txt", b"Range: bytes=0-18446744073709551616"), 200),
    good("Arabic digits", get(b"/a.txt", "Range: bytes=١-٢".encode()), 200),
    good("two Range fields", get(b"/a.txt", b"Range: bytes=0-0", b"Range: bytes=1-1"), 200),
    good("a range of what is not there", get(b"/none", b"Range: bytes=0-0"), 404),
    good("a range of a folder", get(b"/d/", b"Range: bytes=0-0"), 200),
    good("If-None-Match *", get(b"/a.txt", b"If-None-Match: *"), 304),
    good("If-None-Match of another", get(b"/a.txt", b'If-None-Match: "x"'), 200),
    good("If-None-Match without quotes", get(b"/a.txt", b"If-None-Match: x"), 200),
    good("If-None-Match of many", get(b"/a.txt", b"If-None-Match: " + b'"x",' * 2000), 200),
    good("If-Match *", get(b"/a.txt", b"If-Match: *"), 200),
    good("If-Match of another", get(b"/a.txt", b'If-Match: "x"'), 412),
    good("If-Match of half a tag", get(b"/a.txt", b'If-Match: "'), 412),
    good("If-Match of nothing", get(b"/a.txt", b"If-Match:"), 412),
    good(
        "modified since the future",
        get(b"/a.txt", b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
        304,
    ),
    good("modified since nonsense", get(b"/a.txt", b"If-Modified-Since: yesterday"), 200),
    good(
        "modified since the 35th",
        get(b"/a.txt", b"If-Modified-Since: Fri, 35 Jan 2100 00:00:00 GMT"),
        200,
    ),
    good(
        "modified since year 99999",
        get(b"/a.txt", b"If-Modified-Since: Fri, 01 Jan 99999 00:00:00 GMT"),
        200,
    ),
    good("modified since a number", get(b"/a.txt", b"If-Modified-Since: " + b"9" * 500), 200),
    good(
        "unmodified since long ago",
        get(b"/a.txt", b"If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
        412,
    ),
    good("unmodified since nonsense", get(b"/a.txt", b"If-Unmodified-Since: \xff"), 200),
    good("If-Range of another", get(b"/a.txt", b"Range: bytes=0-0", b'If-Range: "x"'), 200),
    good("If-Range of nonsense", get(b"/a.txt", b"Range: bytes=0-0", b"If-Range: x"), 200),
    good("If-Range alone", get(b"/a.txt", b'If-Range: "x"'), 200),
    good("codings that are none", get(b"/a.txt", b"Accept-Encoding: ;;q=,*;q=x,,gzip;q"), 200),
    good("an Authorization of nobody", get(b"/a.txt", b"Authorization: Basic ="), 200),
]

LENGTHS = [
    good("a length", post(b"Content-Length: 3", body=b"abc")),
    good("a length with zeros", post(b"Content-Length: 0003", body=b"abc")),
    good("a length and spaces", post(b"Content-Length: \t3 \t", body=b"abc")),
    good("a length of 0", post(b"Content-Length: 0")),
    good("a GET with a body", get(b"/a.txt", b"Content-Length: 3") + b"abc"),
    good("a HEAD with a body", head(b"HEAD /a.txt HTTP/1.1", b"Content-Length: 3") + b"abc"),
    good("no length, no body", post()),
    bad("a sign", post(b"Content-Length: +3", body=b"abc")),
    bad("negative", post(b"Content-Length: -3", body=b"abc")),
    bad("hexadecimal", post(b"Content-Length: 0x3", body=b"abc")),
    bad("with an exponent", post(b"Content-Length: 3e0", body=b"abc")),
    bad("with a point", post(b"Content-Length: 3.0", body=b"abc")),
    bad("with an underscore", post(b"Content-Length: 0_3", body=b"abc")),
    bad("of full width", post("Content-Length: ３".encode(), body=b"abc")),
    bad("an empty length", post(b"Content-Length:", body=b"abc")),
    bad("words", post(b"Content-Length: three", body=b"abc")),
    bad("a length in quotes", post(b'Content-Length: "3"', body=b"abc")),
    bad("a length and a semicolon", post(b"Content-Length: 3;", body=b"abc")),
    bad("2 to the 64th", post(b"Content-Length: 18446744073709551616")),
    bad("2 to the 64th, and 3", post(b"Content-Length: 18446744073709551619", body=b"abc")),
    bad("a thousand digits", post(b"Content-Length: " + b"9" * 1000)),
    bad("a body that is too large", post(b"Content-Length: 1048577"), 413),
    bad("a body of 2 to the 64th, less 1", post(b"Content-Length: 18446744073709551615"), 413),
    bad("a GET whose body is too large", get(b"/a.txt", b"Content-Length: 9999999999"), 413),
    bad("more than was said", post(b"Content-Length: 3", body=b"abcdef"), 200, 400),
    bad("garbage after a request", get(b"/a.txt") + b"garbage\r\n\r\n", 200, 400),
    bad("NULs after a request", get(b"/a.txt") + b"\0\0\0", 200, 400),
    cut("less than was said", post(b"Content-Length: 30", body=b"abc")),
    cut("less than was said to a GET", get(b"/a.txt", b"Content-Length: 30") + b"abc", 200),
]

CHUNKS = [
    good("chunks", chunks(b"3\r\nabc\r\n0\r\n\r\n")),
    good("none but the last", chunks(b"0\r\n\r\n")),
    good("in capitals", post(b"TRANSFER-ENCODING: CHUNKED", body=b"A\r\n0123456789\r\n0\r\n\r\n")),
    good("zeros before a size", chunks(b"000003\r\nabc\r\n0\r\n\r\n")),
    good("many zeros before a size", chunks(b"0" * 40 + b"3\r\nabc\r\n0\r\n\r\n")),
    good("many zeros for the last", chunks(b"3\r\nabc\r\n000000\r\n\r\n")),
    good("an extension", chunks(b"3;a=b\r\nabc\r\n0\r\n\r\n")),
    good("an extension without a value", chunks(b"3;a\r\nabc\r\n0\r\n\r\n")),
    good("an extension in quotes", chunks(b'3;a="b c"\r\nabc\r\n0;d\r\n\r\n')),
    good("a long extension", chunks(b"3;a=" + b"b" * 4000 + b"\r\nabc\r\n0\r\n\r\n")),
    good("a trailer", chunks(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")),
    good("a Host in a trailer", chunks(b"0\r\nHost: example.org\r\n\r\n")),
    good("a GET in chunks", get(b"/a.txt", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    bad("an extension that never ends", chunks(b"3;a=" + b"b" * 200_000)),
    bad("zeros that never end", chunks(b"0" * 200_000)),
    bad("very many extensions", chunks(b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 9000)),
    bad("a trailer that is too long", chunks(b"0\r\nX: " + b"y" * 33_000 + b"\r\n\r\n"), 431),
    bad("too many trailers", chunks(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n"), 431),
    bad("a length in a trailer", chunks(b"0\r\nContent-Length: 3\r\n\r\n")),
    bad("a coding in a trailer", chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    bad("a folded trailer", chunks(b"0\r\nX: y\r\n z\r\n\r\n")),
    bad("a trailer without a colon", chunks(b"0\r\nX\r\n\r\n")),
    bad("a line feed in a trailer", chunks(b"0\r\nX: y\n\r\n")),
    bad("a line feed for the last line", chunks(b"0\r\n\n")),
    bad("line feeds in chunks", chunks(b"3\nabc\n0\n\n")),
    bad("a line feed after a size", chunks(b"3\nabc\r\n0\r\n\r\n")),
    bad("a line feed after a chunk", chunks(b"3\r\nabc\n0\r\n\r\n")),
    bad("a CR after a size", chunks(b"3\rabc\r\n0\r\n\r\n")),
    bad("two CRs after a size", chunks(b"3\r\rabc\r\n0\r\n\r\n")),
    bad("nothing after a chunk", chunks(b"3\r\nabc0\r\n\r\n")),
    bad("a chunk longer than its size", chunks(b"3\r\nabcd\r\n0\r\n\r\n")),
    bad("a chunk shorter than its size", chunks(b"3\r\nab\r\n0\r\n\r\n")),
    bad("no size", chunks(b"\r\nabc\r\n0\r\n\r\n")),
    bad("a size of words", chunks(b"three\r\nabc\r\n0\r\n\r\n")),
    bad("0x before a size", chunks(b"0x3\r\nabc\r\n0\r\n\r\n")),
    bad("a sign before a size", chunks(b"+3\r\nabc\r\n0\r\n\r\n")),
    bad("a negative size", chunks(b"-3\r\nabc\r\n0\r\n\r\n")),
    bad("an underscore in a size", chunks(b"0_3\r\nabc\r\n0\r\n\r\n")),
    bad("a space before a size", chunks(b" 3\r\nabc\r\n0\r\n\r\n")),
    bad("a space after a size", chunks(b"3 \r\nabc\r\n0\r\n\r\n")),
    bad("a space before an extension", chunks(b"3 ;a\r\nabc\r\n0\r\n\r\n")),
    bad("a size past 64 bits", chunks(b"10000000000000003\r\nabc\r\n0\r\n\r\n")),
    bad("a size of many digits", chunks(b"F" * 40 + b"\r\nabc")),
    bad("an extension without a name", chunks(b"3;\r\nabc\r\n0\r\n\r\n")),
    bad("a quote left open", chunks(b'3;a="b\r\nabc\r\n0\r\n\r\n')),
    bad("a NUL in an extension", chunks(b"3;a\0\r\nabc\r\n0\r\n\r\n")),
    bad("a line feed in an extension", chunks(b"3;a\nabc\r\n0\r\n\r\n")),
    bad("a CR in an extension", chunks(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    bad("chunks past the bound", chunks(b"100001\r\n" + b"x" * 1048577), 413),
    bad("HTTP/1.0", head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    bad("chunked twice", post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    bad("not chunked at last", post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n")),
    bad("no coding", post(b"Transfer-Encoding:", body=b"0\r\n\r\n")),
    bad("gzip and chunked", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    bad("gzip", post(b"Transfer-Encoding: gzip", body=b"x"), 501),
    bad("identity", post(b"Transfer-Encoding: identity", body=b"x"), 501),
    bad("chunked with a weight", post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"), 501),
    bad("an error behind an answer", get(b"/a.txt", b"Transfer-Encoding: chunked") + b"x", 200),
    cut("half a chunk", chunks(b"A\r\nabc")),
    cut("half a size", chunks(b"A")),
    cut("no last chunk", chunks(b"3\r\nabc\r\n")),
    cut("no last line", chunks(b"3\r\nabc\r\n0\r\n")),
]


def pair(name: str, first: bytes, *answers: int) -> Row:
    """A request with another behind it that must not be seen; 400 unless told otherwise."""
    return Row(name, first + SMUGGLED, answers or (400,), "closed")


CL, TE = b"Content-Length: ", b"Transfer-Encoding: chunked"

PAIRS = [
    pair("CL.TE", post(CL + b"5", TE, body=b"0\r\n\r\n")),
    pair("TE.CL", post(TE, CL + b"5", body=b"0\r\n\r\n")),
    pair("CL.TE, hidden by the length", post(CL + SIZE, TE)),
    pair("CL 0 with TE", post(CL + b"0", TE, body=b"0\r\n\r\n")),
    pair("GET, CL.TE", get(b"/a.txt", CL + b"5", TE) + b"0\r\n\r\n"),
    pair("two lengths, 0 first", post(CL + b"0", CL + SIZE)),
    pair("two lengths, 0 last", post(CL + SIZE, CL + b"0")),
    pair("two lengths alike", post(CL + b"0", CL + b"0")),
    pair("two lengths in one", post(CL + b"0, " + SIZE)),
    pair("two lengths alike in one", post(CL + b"0, 0")),
    pair("two lengths, one in small letters", post(b"content-length: 0", CL + SIZE)),
    pair("a length with a sign", post(CL + b"+0")),
    pair("a length and a NUL", post(CL + b"0\0")),
    pair("a length and a vertical tab", post(CL + b"0\x0b")),
    pair("a space before the length's colon", post(b"Content-Length : " + SIZE)),
    pair("a folded length", post(b"Content-Length:\r\n " + SIZE)),
    pair("a folded length behind", post(CL + b"0\r\n 1")),
    pair("a length behind a line feed", post(b"X: y\nContent-Length: " + SIZE)),
    pair("a length behind a CR", post(b"X: y\rContent-Length: " + SIZE)),
    pair("TE.TE, twice", post(TE, TE, body=b"0\r\n\r\n")),
    pair("TE.TE, another last", post(TE, b"Transfer-Encoding: x", body=b"0\r\n\r\n")),
    pair("TE.TE, another first", post(b"Transfer-Encoding: x", TE, body=b"0\r\n\r\n"), 501),
    pair("TE.TE, identity last", post(TE, b"Transfer-encoding: identity", body=b"0\r\n\r\n")),
    pair("a coding like chunked", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 501),
    pair("a coding in quotes", post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 501),
    pair("a coding in brackets", post(b"Transfer-Encoding: [chunked]", body=b"0\r\n\r\n"), 501),
    pair("a comma before the coding", post(b"Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"), 501),
    pair("a comma after the coding", post(TE + b",", body=b"0\r\n\r\n")),
    pair("a tab after the coding", post(TE + b"\t", body=b"0\r\n\r\n")),
    pair("a vertical tab before it", post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n")),
    pair("a NUL after it", post(TE + b"\0", body=b"0\r\n\r\n")),
    pair("an 8-bit character after it", post(TE + b"\xff", body=b"0\r\n\r\n"), 501),
    pair("a space before its colon", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    pair("a space before its name", post(b" Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    pair("a folded coding", post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n")),
    pair("a coding behind a line feed", post(b"X: y\nTransfer-Encoding: chunked", CL + SIZE)),
    pair("a coding behind a CR", post(b"X: y\rTransfer-Encoding: chunked", CL + SIZE)),
    pair("HTTP/1.0 with chunks", head(b"POST / HTTP/1.0", TE) + b"0\r\n\r\n"),
    pair("HTTP/1.0 with both", head(b"POST / HTTP/1.0", TE, CL + b"5") + b"0\r\n\r\n"),
    pair("a chunk's size ended by LF", chunks(b"0\n\r\n")),
    pair("a chunk's size past 64 bits", chunks(b"10000000000000000\r\n\r\n")),
    pair("a chunk's extension ended by LF", chunks(b"2;\nxx\r\n" + SIZE + b"\r\n0\r\n\r\n")),
    pair("a chunk's data ended by LF", chunks(b"1\r\nx\n0\r\n\r\n")),
    pair("a chunk's data ended by two", chunks(b"1\r\nxyz\r\n0\r\n\r\n")),
    pair("a chunk's size in two", chunks(b"0 0\r\n\r\n")),
    pair("an empty chunk's line", chunks(b"\r\n0\r\n\r\n")),
    pair("a length in a trailer, too", chunks(b"0\r\n" + CL + SIZE + b"\r\n\r\n")),
    pair("a trailer ended by LF", chunks(b"0\r\nX: y\n\r\n")),
    pair("a bad chunk to a GET", get(b"/a.txt", TE) + b"x\r\n", 200),
    pair("two Hosts", get(b"/a.txt", b"Host: b")),
    pair("a bad line", b"GET /a.txt\r\n" + HOST + b"\r\n", 505),
    pair("a head ended by LF", b"GET /a.txt HTTP/1.1\r\n" + HOST + b"\n"),
    pair("CONNECT, a tunnel", head(b"CONNECT 127.0.0.1:1 HTTP/1.1")),
    pair("h2c", get(b"/a.txt", b"Connection: Upgrade", b"Upgrade: h2c"), 200),
    pair("WebSocket", get(b"/a.txt", b"Connection: Upgrade", b"Upgrade: websocket"), 200),
    pair("WebSocket, and a body", post(b"Connection: Upgrade", b"Upgrade: websocket", CL + b"5")),
    pair("close", get(b"/a.txt", b"Connection: close"), 200),
    pair("close among others", get(b"/a.txt", b"Connection: keep-alive, close"), 200),
    pair("HTTP/1.0", head(b"GET /a.txt HTTP/1.0"), 200),
    pair("Expect of its own", post(b"Expect: x 100-continue", CL + SIZE), 417),
    pair("Expect, and 405", head(b"PUT / HTTP/1.1", b"Expect: 100-continue", CL + b"5"), 405),
    good("a body that looks like a request", post(CL + SIZE) + SMUGGLED),
    good("such a body of a GET", get(b"/a.txt", CL + SIZE) + SMUGGLED),
    good("such a body of a PUT", head(b"PUT / HTTP/1.1", CL + SIZE) + SMUGGLED, 405),
    good("a chunk that looks like one", chunks(b"%x\r\n%b\r\n0\r\n\r\n" % (int(SIZE), SMUGGLED))),
    good("a long body of a GET", get(b"/a.txt", CL + b"200000") + (SMUGGLED * 5000)[:200000]),
    bad("a longer one", get(b"/a.txt", CL + b"400000") + (SMUGGLED * 9000)[:400000], 200),
    good("pipelined", get(b"/a.txt") + get(b"/none") + get(b"/d") + post(), 200, 404, 301, 200),
    good("pipelined behind bodies", (post(CL + b"1") + b"x") * 3, 200, 200, 200),
    good("pipelined behind chunks", chunks(b"0\r\n\r\n") * 3, 200, 200, 200),
    bad("pipelined, the last one bad", get(b"/a.txt") * 2 + b"\0", 200, 200, 400),
]

GROUPS = {
    "line": LINES,
    "method": METHODS,
    "target": TARGETS,
    "host": HOSTS,
    "field": FIELDS,
    "condition": CONDITIONS,
    "length": LENGTHS,
    "chunk": CHUNKS,
    "pair": PAIRS,
}

ROWS = [row._replace(name=f"{group}: {row.name}") for group, rows in GROUPS.items() for row in rows]
