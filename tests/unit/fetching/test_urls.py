from __future__ import annotations

import pytest

from jackfield.endpoints import Transport
from jackfield.errors import EndpointError
from jackfield.fetching.urls import MOST, URL, credentials, parse


@pytest.mark.parametrize(
    ("text", "canonical", "authority"),
    [
        ("http://example.org", "http://example.org/", "example.org"),
        ("HTTP://EXAMPLE.org:80/A", "http://example.org/A", "example.org"),
        ("https://example.org:443", "https://example.org/", "example.org"),
        ("https://example.org:80/", "https://example.org:80/", "example.org:80"),
        ("http://[::1]:8000/", "http://[::1]:8000/", "[::1]:8000"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/", "[fe80::1]"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://a/ü?ü=1", "http://a/%C3%BC?%C3%BC=1", "a"),
        ("http://a/a b%20c%zz", "http://a/a%20b%20c%25zz", "a"),
        ("http://a?x=1&y=/?", "http://a/?x=1&y=/?", "a"),
        ("http://a/x#y?z", "http://a/x", "a"),
        ("http://a/b/../c/./d/..", "http://a/c/", "a"),
        ("http://a/%2e%2E/b", "http://a/b", "a"),
        ('http://a/<>"{}|\\^`', "http://a/%3C%3E%22%7B%7D%7C%5C%5E%60", "a"),
        ("http://u:p%40@a:8080/", "http://a:8080/", "a:8080"),
        ("  http://a/ ", "http://a/", "a"),
    ],
)
def test_a_url_has_one_canonical_form(text: str, canonical: str, authority: str) -> None:
    url = parse(text)
    assert (str(url), url.authority) == (canonical, authority)
    assert str(parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the scheme is missing"),
        ("example.org/x", "the scheme is missing; for example https://example.org/x"),
        ("ftp://a/x", "scheme 'ftp' is neither http nor https; for example https://a/x"),
        ("http:/a", "the // after http: is missing"),
        ("http://", "the host is missing"),
        ("http:///x", "the host is missing"),
        ("http://:80/", "is not host or host:port"),
        ("http://a:x/", "is not host or host:port"),
        ("http://a:70000/", "port 70000 is past 65535"),
        ("http://a:0/", "port 0 is no port"),
        ("http://::1/", "IPv6 address goes in brackets"),
        ("http://[1.2.3.4]/", "is not an IPv6 address"),
        ("http://127.1/", "not an IPv4 address of four decimal numbers"),
        ("http://0177.0.0.1/", "begins with a 0"),
        ("http://0x7f000001/", "not an IPv4 address"),
        ("http://a_b!/", "label a_b! of host"),
        ("http://evil\\@good/", "cannot stand in a host"),
        ("http://a/\r\nX: y", "'\\r' cannot stand in a URL"),
        ("http://a/\x1b[2J", "cannot stand in a URL"),
        ("http://a/" + "x" * MOST, "are more than the 8000"),
        ("http://a/" + "ü" * (MOST // 2), "percent-encoded"),
    ],
)
def test_what_is_no_url_is_said_in_one_line(text: str, says: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse(text)
    words = str(caught.value)
    assert says in words
    assert words.isprintable()
    assert len(words) < 1000


@pytest.mark.parametrize("text", ["http://me:secret@a:x/", "me:secret@a", "ftp://me:secret@a/"])
def test_a_password_is_in_no_error(text: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://me:secret@a/", "https://me:s%65cret@a:99/x"])
def test_a_password_is_not_shown(text: str) -> None:
    url = parse(text)
    assert (url.user, url.password) == ("me", "secret")
    assert "cret" not in str(url)


# RFC 3986, section 5.4
BASE = "http://a/b/c/d;p?q"
RESOLVED = {
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g/",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q",
    "g#s": "http://a/b/c/g",
    "g?y#s": "http://a/b/c/g?y",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../g": "http://a/g",
    "../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/../h": "http://a/b/c/h",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/../x": "http://a/b/c/g?y/../x",
    "https://h:99/x": "https://h:99/x",
}


@pytest.mark.parametrize("reference", list(RESOLVED))
def test_a_reference_is_resolved(reference: str) -> None:
    assert str(parse(BASE).join(reference)) == RESOLVED[reference]


def test_a_reference_of_bytes_beyond_ascii_keeps_them() -> None:
    as_a_field = "/ü".encode().decode("latin-1")
    assert parse(BASE).join(as_a_field).target == "/%C3%BC"
    assert parse(BASE).join("/\xfc").target == "/%FC"


@pytest.mark.parametrize("reference", ["ftp://a/", "http:", "//", "//u:p@:1/", "mailto:x"])
def test_some_references_lead_nowhere(reference: str) -> None:
    with pytest.raises(EndpointError):
        parse(BASE).join(reference)


def test_credentials_do_not_go_along_by_themselves() -> None:
    base = parse("http://me:secret@a/")
    assert base.join("/x").user is None
    assert base.join("http://you:there@a/").user is None


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/a/film.mkv?x=/y", "film.mkv"),
        ("/%E4%BD%A0", "你"),
        ("/a%20b", "a b"),
        ("/", ""),
        ("/a/", ""),
        ("/..%2fetc%2fpasswd", ""),
        ("/%2e%2e", ""),
        ("/a%00b", ""),
        ("/a%5cb", ""),
    ],
)
def test_the_name_of_a_file_stays_in_its_folder(target: str, name: str) -> None:
    assert URL("http", "a", 80, target).name == name


def test_where_to_connect_to() -> None:
    plain = parse("http://a:81/").endpoint()
    assert (plain.transport, plain.host, plain.port) == (Transport.TCP, "a", 81)
    safe = parse("https://a/").endpoint(ca="ca.pem", cert="c", key="k")
    assert (safe.transport, safe.port) == (Transport.TLS, 443)
    assert (safe.options.ca, safe.options.cert, safe.options.key) == ("ca.pem", "c", "k")
    assert safe.options.alpn == "http/1.1"


def test_credentials() -> None:
    assert credentials("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert credentials("ü", "") == "Basic w7w6"
    for user, password in (("a:b", "c"), ("a", "b\n")):
        with pytest.raises(EndpointError, match="no colon"):
            credentials(user, password)
