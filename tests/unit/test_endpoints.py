from __future__ import annotations

import dataclasses
import pickle

import pytest

from jackfield.endpoints import DEFAULT_OPTIONS, Endpoint, Options, Transport, parse
from jackfield.errors import EndpointError

KNOWN = "known are tcp, tls, ws, wss, udp, unix, unix+dgram, unix+seqpacket, fd, memory"
IN_A_LABEL = "1 to 63 letters, digits, underscores or, inside, hyphens"
IN_A_ZONE = "an interface, 1 to 15 of A-Z a-z 0-9 . _ ~ -"
FOUR = "an IPv4 address of four decimal numbers"
OCTAL = "begins with a 0, which some programs take for octal"
BRACKETS = "host:port, where an IPv6 address goes in brackets"
BEGINS = "begins neither with / nor, as an abstract name does, with @"


def refusal(url: str) -> str:
    """Give the one line that says why `url` is refused."""
    with pytest.raises(EndpointError) as caught:
        parse(url)
    return str(caught.value)


def check(url: str, what: str, example: str) -> None:
    assert refusal(url) == f"{url}: {what}; for example {example}"


@pytest.mark.parametrize(
    ("url", "what", "example"),
    [
        ("127.0.0.1:9999", "the scheme is missing", "tcp://127.0.0.1:9999"),
        ("[::1]:9999", "the scheme is missing", "tcp://[::1]:9999"),
        ("localhost:80", "the scheme is missing", "tcp://localhost:80"),
        ("tls1:443", "the scheme is missing", "tcp://tls1:443"),
        ("/run/x.sock", "the scheme is missing", "unix:///run/x.sock"),
        ("@unix", "the scheme is missing", "unix:@unix"),
        (":80", "the scheme is missing", "tcp://localhost:80"),
        ("9999", "the scheme is missing", "tcp://127.0.0.1:9999"),
        (
            "tpc://10.0.0.1:80",
            f"scheme tpc is unknown (did you mean tcp?); {KNOWN}",
            "tcp://10.0.0.1:80",
        ),
        ("unxi:@a", f"scheme unxi is unknown (did you mean unix?); {KNOWN}", "unix:@a"),
        ("http://a.test/", f"scheme http is unknown; {KNOWN}", "tcp://127.0.0.1:9999"),
        ("://a:80", f"scheme '' is unknown; {KNOWN}", "tcp://127.0.0.1:9999"),
        ("tcp", "the // after tcp: is missing", "tcp://127.0.0.1:9999"),
        ("udp:[::1]:80", "the // after udp: is missing", "udp://[::1]:80"),
        ("fd:3", "the // after fd: is missing", "fd://3"),
        ("memory:a", "the // after memory: is missing", "memory://a"),
    ],
)
def test_scheme_that_is_wrong(url: str, what: str, example: str) -> None:
    check(url, what, example)


@pytest.mark.parametrize(
    ("url", "what", "example"),
    [
        ("tcp://127.0.0.1:99999", "port 99999 is past 65535", "tcp://127.0.0.1:9999"),
        ("udp://[::1]:65536", "port 65536 is past 65535", "udp://[::1]:9999"),
        ("tcp://a.test:http", "port http is not a number", "tcp://a.test:9999"),
        ("tcp://a.test:+80", "port +80 is not a number", "tcp://a.test:9999"),
        ("tcp://a.test:-1", "port -1 is not a number", "tcp://a.test:9999"),
        ("tcp://a.test:1_0", "port 1_0 is not a number", "tcp://a.test:9999"),
        ("tcp://a.test:٨٠", "port ٨٠ is not a number", "tcp://a.test:9999"),
        ("tcp://a.test", "the port is missing", "tcp://a.test:9999"),
        ("tls://a.test:", "the port is missing", "tls://a.test:9999"),
        ("tcp://[fe80::1%eth0]", "the port is missing", "tcp://[fe80::1%25eth0]:9999"),
        ("tcp://", "the port is missing", "tcp://localhost:9999"),
    ],
)
def test_port_that_is_wrong(url: str, what: str, example: str) -> None:
    check(url, what, example)


def test_port_of_more_digits_than_python_reads() -> None:
    """Python reads numbers up to a length that its user sets; ours does not depend on it."""
    line = refusal("tcp://a.test:" + "9" * 4000)
    assert line.endswith("99… is past 65535; for example tcp://a.test:9999")
    assert parse("tcp://a.test:" + "0" * 4000 + "80").port == 80


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("tcp://127.1:80", f"host 127.1 is not {FOUR}"),
        ("tcp://0:80", f"host 0 is not {FOUR}"),
        ("tcp://0x7f.0.0.1:80", f"host 0x7f.0.0.1 is not {FOUR}"),
        ("tcp://1.2.3.0XA:80", f"host 1.2.3.0xa is not {FOUR}"),
        ("tcp://1.2.3.4.5:80", f"host 1.2.3.4.5 is not {FOUR}"),
        ("tcp://1.2.3.4.:80", f"host 1.2.3.4. is not {FOUR}"),
        ("tcp://a.b.c.1:80", f"host a.b.c.1 is not {FOUR}"),
        ("tcp://1.2.3.256:80", "256 in host 1.2.3.256 is past 255"),
        ("tcp://１.２.３.２５６:80", "256 in host 1.2.3.256 is past 255"),
        ("tcp://127.0.0.010:80", f"010 in host 127.0.0.010 {OCTAL}"),
        ("tcp://00.0.0.0:80", f"00 in host 00.0.0.0 {OCTAL}"),
        ("tcp://*:80", f"label * of host * is not {IN_A_LABEL}"),
        ("tcp://-a.test:80", f"label -a of host -a.test is not {IN_A_LABEL}"),
        ("tcp://a-.test:80", f"label a- of host a-.test is not {IN_A_LABEL}"),
        ("tcp://a..test:80", f"label '' of host a..test is not {IN_A_LABEL}"),
        ("tcp://.:80", f"label '' of host . is not {IN_A_LABEL}"),
        ("tcp://a%41:80", f"label a%41 of host a%41 is not {IN_A_LABEL}"),
        ("tcp://例：子:80", f"label xn--:-kb7aq09a of host 例：子 is not {IN_A_LABEL}"),
        ("tcp://例。。子:80", "host 例。。子 is not a name that IDNA (RFC 3490) can put in ASCII"),
        ("tcp://[127.0.0.1]:80", "host 127.0.0.1 is in brackets but is not an IPv6 address"),
        ("tcp://[]:80", "host '' is in brackets but is not an IPv6 address"),
        ("tcp://[1::2::3]:80", "host 1::2::3 is in brackets but is not an IPv6 address"),
        ("tcp://[fe80::1%]:80", f"zone '' of host fe80::1% is not {IN_A_ZONE}"),
        ("tcp://[fe80::1%25]:80", f"zone '' of host fe80::1%25 is not {IN_A_ZONE}"),
        ("tcp://[fe80::1%a%b]:80", f"zone a%b of host fe80::1%a%b is not {IN_A_ZONE}"),
        (
            "tcp://[::1%sixteen-letters-]:80",
            f"zone sixteen-letters- of host ::1%sixteen-letters- is not {IN_A_ZONE}",
        ),
    ],
)
def test_host_that_is_wrong(url: str, what: str) -> None:
    check(url, what, "tcp://127.0.0.1:9999")


@pytest.mark.parametrize(
    ("url", "what", "example"),
    [
        ("tcp://::1:80", f"::1:80 is not {BRACKETS}", "tcp://[::1]:80"),
        (
            "tcp://fe80::1%eth0:80",
            f"fe80::1%eth0:80 is not {BRACKETS}",
            "tcp://[fe80::1%25eth0]:80",
        ),
        ("tcp://[::1", f"[::1 is not {BRACKETS}", "tcp://[::1]:9999"),
        ("tcp://[::1]80", f"[::1]80 is not {BRACKETS}", "tcp://[::180]:9999"),
        ("tcp://a.test:80:90", f"a.test:80:90 is not {BRACKETS}", "tcp://127.0.0.1:9999"),
        (
            "tcp://me:secret@a.test:80",
            "user info me:secret@ has no place in an endpoint",
            "tcp://a.test:80",
        ),
        ("tcp://@a.test:80", "user info @ has no place in an endpoint", "tcp://a.test:80"),
        ("tcp://a.test:80/", "path / has no place after host:port", "tcp://a.test:80"),
        ("udp://[::1]:80/a/b", "path /a/b has no place after host:port", "udp://[::1]:80"),
        ("tcp://a.test/b", "path /b has no place after host:port", "tcp://127.0.0.1:9999"),
        (
            "tcp://a.test:80#top",
            "fragment #top has no place in an endpoint (in a path # is %23)",
            "tcp://a.test:80",
        ),
        (
            "unix:///run/x#1",
            "fragment #1 has no place in an endpoint (in a path # is %23)",
            "unix:///run/x",
        ),
    ],
)
def test_part_that_does_not_belong(url: str, what: str, example: str) -> None:
    check(url, what, example)


@pytest.mark.parametrize(
    ("url", "what", "example"),
    [
        ("unix://run/x.sock", f"path run/x.sock {BEGINS}", "unix:///run/x.sock"),
        ("unix+dgram:x", f"path x {BEGINS}", "unix+dgram:///x"),
        ("unix://", f"path '' {BEGINS}", "unix:///run/x.sock"),
        ("unix:%20", f"path ' ' {BEGINS}", "unix:///%20"),
        ("unix:@", "path @ has no name at its end", "unix:///run/x.sock"),
        ("unix+seqpacket:///", "path / has no name at its end", "unix+seqpacket:///run/x.sock"),
        ("unix:///run/", "path /run/ has no name at its end", "unix:///run/x.sock"),
        ("unix:///a%00b", "/a%00b holds a NUL byte, which no path has", "unix:///run/x.sock"),
        (
            "unix:///a%2",
            "%2 is not a percent-encoded byte (the sign % itself is %25)",
            "unix:///run/x.sock",
        ),
        (
            "unix:///100%sure",
            "%su is not a percent-encoded byte (the sign % itself is %25)",
            "unix:///run/x.sock",
        ),
        ("fd://x", "x is not the number of a descriptor, 0 to 2147483647", "fd://3"),
        ("fd://", "'' is not the number of a descriptor, 0 to 2147483647", "fd://3"),
        (
            "fd://2147483648",
            "2147483648 is not the number of a descriptor, 0 to 2147483647",
            "fd://3",
        ),
        (
            "memory://a/b",
            "name a/b is not made of letters, digits and . _ ~ - alone",
            "memory://x",
        ),
        ("memory://", "name '' is not made of letters, digits and . _ ~ - alone", "memory://x"),
    ],
)
def test_path_descriptor_or_memory_name_that_is_wrong(url: str, what: str, example: str) -> None:
    check(url, what, example)


@pytest.mark.parametrize("path", ["/" + "a" * 107, "@" + "a" * 108, "/" + "中" * 36])
def test_path_that_does_not_fit_a_unix_address(path: str) -> None:
    assert parse(f"unix:{path[:-1]}").path == path[:-1]
    size = len(path.removeprefix("@").encode())
    what = f"path {path} has {size} bytes, past the 107 of a UNIX socket"
    check(f"unix:{path}", what, "unix:///run/x.sock")


def test_name_that_is_too_long() -> None:
    label = "a" * 63
    longest = ".".join([label, label, label, "a" * 61])
    assert parse(f"tcp://{longest}:80").host == longest
    assert parse(f"tcp://{longest}.:80").host == f"{longest}."
    assert "has 254 characters, past the 253 of a name" in refusal(f"tcp://{longest}a:80")
    assert f"label {label}a of host {label}a is not" in refusal(f"tcp://{label}a:80")
    assert f"host {'é' * 60} is not a name that IDNA" in refusal(f"tcp://{'é' * 60}:80")


@pytest.mark.parametrize(
    ("url", "odd", "example"),
    [
        (" tcp://[::1]:80", "' '", "tcp://[::1]:80"),
        ("tcp://[::1]:80\n", r"'\n'", "tcp://[::1]:80"),
        ("unix:///my file", "' '", "unix:///my%20file"),
        ("tcp://[::1]:80\0", r"'\x00'", "tcp://127.0.0.1:9999"),
        ("unix:///\udcff", r"'\udcff'", "unix:///run/x.sock"),
        ("unix:///\u202e", r"'\u202e'", "unix:///run/x.sock"),
    ],
)
def test_character_that_cannot_stand_in_a_url(url: str, odd: str, example: str) -> None:
    what = f"{odd} cannot stand in a URL (in a path it is percent-encoded)"
    assert refusal(url) == f"{url!r}: {what}; for example {example}"


def test_nothing_at_all() -> None:
    assert refusal("") == "'': the scheme is missing; for example tcp://127.0.0.1:9999"


def test_url_that_is_too_long() -> None:
    start = "tls://a.test:80?ca=/"
    url = start + "a" * (4096 - len(start))
    assert str(parse(url)) == url
    line = refusal(url + "a")
    assert line.startswith(f"{url[:200]}…: 4097 characters are more than the 4096 a URL may have;")
    assert line.endswith("; for example tls://127.0.0.1:9999")
    line = refusal(url.replace("a.test", ""))  # which stands for localhost
    assert "its canonical form has more than the 4096 characters a URL may have" in line


@pytest.mark.parametrize(
    ("url", "resource", "canonical"),
    [
        ("ws://a.test:80", "", "ws://a.test:80"),
        ("ws://a.test:80/", "", "ws://a.test:80"),
        ("wss://a.test:80/chat/", "/chat/", "wss://a.test:80/chat/"),
        ("ws://a.test:80//", "//", "ws://a.test:80//"),
        (
            "ws://a.test:80/%7e%2f%c3%bc?deflate=off",
            "/~%2F%C3%BC",
            "ws://a.test:80/~%2F%C3%BC?deflate=off",
        ),
        ("ws://a.test:80/中@:", "/%E4%B8%AD@:", "ws://a.test:80/%E4%B8%AD@:"),
        ("ws://[fe80::1%25eth0]:80/a", "/a", "ws://[fe80::1%25eth0]:80/a"),
    ],
)
def test_resource_of_websocket(url: str, resource: str, canonical: str) -> None:
    endpoint = parse(url)
    assert (endpoint.resource, endpoint.path, str(endpoint)) == (resource, "", canonical)
    assert endpoint.address == canonical.partition("//")[2].partition("?")[0].replace("%25e", "%e")
    assert (endpoint.is_websocket, endpoint.keeps_boundaries, endpoint.is_stream) == (
        True,
        True,
        False,
    )


def test_resource_that_is_wrong() -> None:
    percent = "%zz is not a percent-encoded byte (the sign % itself is %25)"
    check("ws://a.test:80/%zz", percent, "ws://127.0.0.1:9999")
    assert "cannot stand in a URL" in refusal("ws://a.test:80/\udcff")


TAKES = {
    "tcp://127.0.0.1:9999": "backlog, nodelay, keepalive, rcvbuf, sndbuf",
    "tls://127.0.0.1:9999": "backlog, nodelay, keepalive, rcvbuf, sndbuf, cert, key, ca, alpn",
    "ws://127.0.0.1:9999": "backlog, nodelay, keepalive, rcvbuf, sndbuf, query, origin, deflate",
    "wss://127.0.0.1:9999": "backlog, nodelay, keepalive, rcvbuf, sndbuf, cert, key, ca, alpn, "
    "query, origin, deflate",
    "udp://127.0.0.1:9999": "rcvbuf, sndbuf, broadcast, group, interface, ttl",
    "unix:///run/x.sock": "backlog, sndbuf",
    "unix+dgram:///run/x.sock": "sndbuf",
    "unix+seqpacket:///run/x.sock": "backlog, sndbuf",
    "fd://3": "no options",
    "memory://x": "no options",
}
CANONICAL = {
    "backlog": "128",
    "nodelay": "on",
    "keepalive": "30",
    "rcvbuf": "65536",
    "sndbuf": "65536",
    "broadcast": "on",
    "group": "239.1.2.3",
    "interface": "eth0",
    "ttl": "1",
    "cert": "cert.pem",
    "key": "key.pem",
    "ca": "ca.pem",
    "alpn": "h2,http/1.1",
    "query": "room=1%26as=ann",
    "origin": "https://a.example",
    "deflate": "on",
}


def test_options_named_here_are_all_there_are() -> None:
    assert [field.name for field in dataclasses.fields(Options)] == list(CANONICAL)


@pytest.mark.parametrize("name", CANONICAL)
@pytest.mark.parametrize("place", TAKES)
def test_option_works_where_it_applies_and_is_refused_elsewhere(place: str, name: str) -> None:
    url = f"{place}?{name}={CANONICAL[name]}"
    if name in TAKES[place].split(", "):
        assert str(parse(url)) == url
    else:
        transport = place.partition(":")[0]
        what = f"option {name} does not apply; {transport} takes {TAKES[place]}"
        check(url, what, place)


@pytest.mark.parametrize(
    ("url", "what", "example"),
    [
        (
            "unix:@a?baklog=5",
            "option baklog is unknown (did you mean backlog?); unix takes backlog, sndbuf",
            "unix:@a?backlog=5",
        ),
        (
            "unix:@a?baklog=x",
            "option baklog is unknown (did you mean backlog?); unix takes backlog, sndbuf",
            "unix:@a",
        ),
        (
            "unix:@a?Backlog=5&x",
            "option Backlog is unknown (did you mean backlog?); unix takes backlog, sndbuf",
            "unix:@a?backlog=5",
        ),
        ("unix:@a?color=red", "option color is unknown; unix takes backlog, sndbuf", "unix:@a"),
        ("unix:@a?&", "option '' is unknown; unix takes backlog, sndbuf", "unix:@a"),
        ("fd://3?x=1", "option x is unknown; fd takes no options", "fd://3"),
        ("unix:@a?backlog=5&backlog=6", "option backlog is given twice", "unix:@a?backlog=6"),
        ("unix:@a?backlog=5&backlog=x", "option backlog is given twice", "unix:@a?backlog=128"),
        (
            "tls://a.test:1?ca=%zz",
            "%zz is not a percent-encoded byte (the sign % itself is %25)",
            "tls://127.0.0.1:9999",
        ),
        (
            "tls://a.test:1?ca=a%00",
            "a%00 holds a NUL byte, which no path has",
            "tls://127.0.0.1:9999",
        ),
    ],
)
def test_query_that_is_wrong(url: str, what: str, example: str) -> None:
    check(url, what, example)


SIZE = "a size from 1 to 1073741823 bytes, such as 65536, 64K or 1M"
TIME = "off or whole seconds from 1 to 32767, such as 30, 30s, 2000ms or 2m"


@pytest.mark.parametrize(
    ("place", "name", "values", "rule"),
    [
        (
            "tcp://a.test:1",
            "backlog",
            ["", "x", "0", "65536", "-1", "٣"],
            "a number from 1 to 65535",
        ),
        ("tcp://a.test:1", "nodelay", ["", "yes", "1", "ON"], "on or off"),
        (
            "tcp://a.test:1",
            "keepalive",
            ["", "on", "500ms", "1500ms", "0s", "32768", "547m", "1h", "1.5s", "s"],
            TIME,
        ),
        ("udp://a.test:1", "rcvbuf", ["", "0", "1G", "1024M", "64KB", "K", "1.5M", "-1"], SIZE),
        ("unix:@a", "sndbuf", ["", "0K", "9" * 50], SIZE),
        ("udp://a.test:1", "broadcast", ["", "true"], "on or off"),
        (
            "udp://a.test:1",
            "group",
            ["", "a.test", "223.255.255.255", "240.0.0.0", "fe80::1", "ff02::1%eth0"],
            "an address in 224.0.0.0/4 or ff00::/8",
        ),
        ("udp://a.test:1", "interface", ["", "a/b", "sixteen-letters-"], IN_A_ZONE),
        ("udp://a.test:1", "ttl", ["", "0", "256"], "a number from 1 to 255"),
        ("tls://a.test:1", "cert", [""], "the name of a file"),
        ("tls://a.test:1", "key", [""], "the name of a file"),
        ("tls://a.test:1", "ca", [""], "the name of a file"),
        (
            "ws://a.test:1",
            "origin",
            ["", "a.example", "https://A.example", "https://a.example/", "https://a:0", "any,null"],
            "any, or such as https://a.example with commas",
        ),
        ("ws://a.test:1", "query", ["", "[a]", "ü", "50%"], "percent-encoded ASCII"),
        ("ws://a.test:1/chat", "deflate", ["", "yes"], "on or off"),
    ],
)
def test_value_that_does_not_fit(place: str, name: str, values: list[str], rule: str) -> None:
    for value in values:
        url = f"{place}?{name}={value.replace('%', '%25')}"
        example = f"{place}?{name}={CANONICAL[name]}"
        check(url, f"{name} {value or repr('')} is not {rule}", example)
    check(f"{place}?{name}", f"{name} '' is not {rule}", f"{place}?{name}={CANONICAL[name]}")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("tcp://a.test:1?backlog=65535", Options(backlog=65535)),
        ("tcp://a.test:1?nodelay=on&backlog=1", Options(backlog=1, nodelay=True)),
        ("tcp://a.test:1?nodelay=off", Options(nodelay=False)),
        ("tcp://a.test:1?keepalive=off", Options(keepalive=0)),
        ("tcp://a.test:1?keepalive=0", Options(keepalive=0)),
        ("tcp://a.test:1?keepalive=32767", Options(keepalive=32767)),
        ("tcp://a.test:1?keepalive=30s", Options(keepalive=30)),
        ("tcp://a.test:1?keepalive=2000ms", Options(keepalive=2)),
        ("tcp://a.test:1?keepalive=2m", Options(keepalive=120)),
        ("tcp://a.test:1?rcvbuf=1&sndbuf=1073741823", Options(rcvbuf=1, sndbuf=2**30 - 1)),
        ("tcp://a.test:1?rcvbuf=64K&sndbuf=1m", Options(rcvbuf=65536, sndbuf=1048576)),
        ("udp://a.test:1?broadcast=on", Options(broadcast=True)),
        (
            "udp://a.test:1?group=FF02:0::FB&interface=br-0.1&ttl=255",
            Options(group="ff02::fb", interface="br-0.1", ttl=255),
        ),
        ("udp://a.test:1?group=224.0.0.0", Options(group="224.0.0.0")),
        ("udp://a.test:1?group=239.255.255.255", Options(group="239.255.255.255")),
        (
            "tls://a.test:1?cert=a%26b%20%25.pem&key=/%E9%92%A5%FF&ca=c:\\d?=+",
            Options(cert="a&b %.pem", key="/钥\udcff", ca="c:\\d?=+"),
        ),
    ],
)
def test_options(url: str, options: Options) -> None:
    endpoint = parse(url)
    assert endpoint.options == options
    assert parse(str(endpoint)) == endpoint


def test_options_in_canonical_form() -> None:
    assert str(DEFAULT_OPTIONS) == ""
    assert str(Options(nodelay=False, keepalive=0)) == "?nodelay=off&keepalive=off"
    assert str(Options(backlog=1, broadcast=True)) == "?backlog=1&broadcast=on"
    assert str(Options(ca="a&b#%\udcff 中\n")) == "?ca=a%26b%23%25%FF%20中%0A"


@pytest.mark.parametrize(
    ("url", "canonical", "endpoint", "address"),
    [
        (
            "tcp://127.0.0.1:9999",
            "tcp://127.0.0.1:9999",
            Endpoint(Transport.TCP, "127.0.0.1", 9999),
            "127.0.0.1:9999",
        ),
        (
            "TLS://Example.TEST.:0?",
            "tls://example.test.:0",
            Endpoint(Transport.TLS, "example.test.", 0),
            "example.test.:0",
        ),
        (
            "tcp://:80",
            "tcp://localhost:80",
            Endpoint(Transport.TCP, "localhost", 80),
            "localhost:80",
        ),
        ("tcp://a_b-c:0080", "tcp://a_b-c:80", Endpoint(Transport.TCP, "a_b-c", 80), "a_b-c:80"),
        ("udp://[0:0::1]:1", "udp://[::1]:1", Endpoint(Transport.UDP, "::1", 1), "[::1]:1"),
        (
            "tcp://[::]:65535",
            "tcp://[::]:65535",
            Endpoint(Transport.TCP, "::", 65535),
            "[::]:65535",
        ),
        (
            "tcp://[::FFFF:7f00:1]:1",
            "tcp://[::ffff:127.0.0.1]:1",
            Endpoint(Transport.TCP, "::ffff:127.0.0.1", 1),
            "[::ffff:127.0.0.1]:1",
        ),
        (
            "tcp://[FE80::1%eth0]:9",
            "tcp://[fe80::1%25eth0]:9",
            Endpoint(Transport.TCP, "fe80::1%eth0", 9),
            "[fe80::1%eth0]:9",
        ),
        (
            "tcp://[fe80::1%25251]:9",
            "tcp://[fe80::1%25251]:9",
            Endpoint(Transport.TCP, "fe80::1%251", 9),
            "[fe80::1%251]:9",
        ),
        (
            "tcp://例子.Test:1",
            "tcp://例子.Test:1",
            Endpoint(Transport.TCP, "例子.Test", 1),
            "例子.Test:1",
        ),
        (
            "tcp://１２７。0.0.1:1",
            "tcp://127.0.0.1:1",
            Endpoint(Transport.TCP, "127.0.0.1", 1),
            "127.0.0.1:1",
        ),
        (
            "unix:/run/x.sock",
            "unix:///run/x.sock",
            Endpoint(Transport.UNIX, path="/run/x.sock"),
            "/run/x.sock",
        ),
        (
            "unix:///a%20%3F%23%25%FF%0a中&=",
            "unix:///a%20%3F%23%25%FF%0A中&=",
            Endpoint(Transport.UNIX, path="/a ?#%\udcff\n中&="),
            "/a ?#%\udcff\n中&=",
        ),
        ("unix:////a", "unix:////a", Endpoint(Transport.UNIX, path="//a"), "//a"),
        ("unix://@a/", "unix:@a/", Endpoint(Transport.UNIX, path="@a/"), "@a/"),
        (
            "unix+dgram:%40a",
            "unix+dgram:@a",
            Endpoint(Transport.UNIX_DATAGRAM, path="@a"),
            "@a",
        ),
        (
            "unix+seqpacket:///p",
            "unix+seqpacket:///p",
            Endpoint(Transport.UNIX_SEQPACKET, path="/p"),
            "/p",
        ),
        ("fd://003", "fd://3", Endpoint(Transport.FD, fd=3), "3"),
        (
            "memory://a.B_1~-中",
            "memory://a.B_1~-中",
            Endpoint(Transport.MEMORY, path="a.B_1~-中"),
            "a.B_1~-中",
        ),
    ],
)
def test_url_is_read_and_written(
    url: str, canonical: str, endpoint: Endpoint, address: str
) -> None:
    assert parse(url) == endpoint
    assert parse(url).options is DEFAULT_OPTIONS
    assert str(endpoint) == canonical
    assert endpoint.address == address
    assert parse(canonical) == endpoint


@pytest.mark.parametrize(
    ("url", "stream", "datagram", "boundaries"),
    [
        ("tcp://a.test:1", True, False, False),
        ("tls://a.test:1", True, False, False),
        ("udp://a.test:1", False, True, True),
        ("unix:@a", True, False, False),
        ("unix+dgram:@a", False, True, True),
        ("unix+seqpacket:@a", False, False, True),
        ("fd://3", True, False, False),
        ("memory://a", True, False, False),
    ],
)
def test_what_a_transport_keeps(url: str, stream: bool, datagram: bool, boundaries: bool) -> None:
    endpoint = parse(url)
    found = endpoint.is_stream, endpoint.is_datagram, endpoint.keeps_boundaries
    assert found == (stream, datagram, boundaries)


@pytest.mark.parametrize(
    ("url", "loopback", "every"),
    [
        ("tcp://0.0.0.0:1", False, True),
        ("udp://[0::0]:1", False, True),
        ("tcp://10.0.0.1:1", False, False),
        ("tcp://128.0.0.1:1", False, False),
        ("tcp://127.example.test:1", False, False),
        ("tcp://127.0.0.0.test:1", False, False),
        ("tcp://127.0.0.٣:1", False, False),  # a name: IDNA keeps these digits as they are
        ("tcp://localhost.test:1", False, False),
        ("tcp://[::1:1]:1", False, False),
        ("tcp://[::ffff:10.0.0.1]:1", False, False),
        ("tcp://[fe80::1%25lo]:1", False, False),
        ("tcp://127.255.255.254:1", True, False),
        ("tls://LOCALHOST:1", True, False),
        ("udp://:1", True, False),
        ("tcp://[::1]:1", True, False),
        ("tcp://[::1%25lo]:1", True, False),
        ("tcp://[::ffff:7f12:3456]:1", True, False),
        ("unix:@0.0.0.0", True, False),
        ("unix+dgram:///a", True, False),
        ("fd://3", True, False),
        ("memory://a", True, False),
    ],
)
def test_who_can_reach_it(url: str, loopback: bool, every: bool) -> None:
    endpoint = parse(url)
    assert (endpoint.is_loopback, endpoint.is_any) == (loopback, every)


def test_unnamed_unix_peer_can_be_written() -> None:
    assert str(Endpoint(Transport.UNIX)) == "unix:"


def test_with_port_changes_nothing_else() -> None:
    endpoint = parse("tcp://[::1]:0?backlog=5")
    assert str(endpoint.with_port(4711)) == "tcp://[::1]:4711?backlog=5"
    assert endpoint.port == 0


def test_endpoint_is_a_frozen_value() -> None:
    endpoint = parse("tls://[fe80::1%25eth0]:1?ca=x")
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint  # noqa: S301  # made right here
    assert {endpoint: 1}[parse(str(endpoint))] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        endpoint.port = 2  # type: ignore[misc]  # that is the point
    assert not hasattr(endpoint, "__dict__")
    assert not hasattr(endpoint.options, "__dict__")


def test_refusal_is_the_callers_own_error_and_can_be_pickled() -> None:
    with pytest.raises(ValueError, match="the port is missing") as caught:
        parse("tcp://a.test")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # made right here
    assert (type(copy), str(copy)) == (EndpointError, str(caught.value))
