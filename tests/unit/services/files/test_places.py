from __future__ import annotations

import pytest

from jackfield.errors import EndpointError
from jackfield.services.files.places import is_place, place


@pytest.mark.parametrize(
    ("text", "endpoint", "names", "again"),
    [
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9", [], None),
        ("tcp://127.0.0.1:9/", "tcp://127.0.0.1:9", [], "tcp://127.0.0.1:9"),
        ("tcp://127.0.0.1:9/a/b/", "tcp://127.0.0.1:9", [b"a", b"b"], "tcp://127.0.0.1:9/a/b"),
        ("tls://[::1]:9/a?ca=x.pem", "tls://[::1]:9?ca=x.pem", [b"a"], None),
        (
            "tcp://h.example:9/100%25 小明/%3F%23.txt",
            "tcp://h.example:9",
            [b"100% \xe5\xb0\x8f\xe6\x98\x8e", b"?#.txt"],
            None,
        ),
        ("tcp://h.example:9/%0a", "tcp://h.example:9", [b"\n"], "tcp://h.example:9/%0A"),
        ("unix:///run/x.sock", "unix:///run/x.sock", [], None),
        ("unix:///run/x.sock:/a/b", "unix:///run/x.sock", [b"a", b"b"], None),
        ("unix:@name:/a", "unix:@name", [b"a"], None),
        ("memory://x/a", "memory://x", [b"a"], None),
    ],
)
def test_a_place_is_an_endpoint_and_a_name(
    text: str, endpoint: str, names: list[bytes], again: str | None
) -> None:
    found = place(text)
    assert (str(found.endpoint), list(found.names)) == (endpoint, names)
    assert str(found) == (again or text)
    assert place(str(found)) == found
    assert is_place(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tcp://h.example/a", "the port is missing"),
        ("h.example:9/a", "scheme"),
        ("udp://h.example:9/a", "over a stream"),
        ("ws://h.example:9/a", "over a stream"),
        ("fd://3/a", "over a stream"),
        ("unix+dgram:///run/x", "over a stream"),
        ("tcp://h.example:9/a/../b", ".."),
        ("tcp://h.example:9/%2e%2e", ".."),
        ("tcp://h.example:9/a%00", "NUL"),
        ("tcp://h.example:9/a%zz", "percent-encoded"),
        ("tcp://h.example:9/%ff", "no UTF-8"),
        ("tcp://h.example:9/\udcff", "no UTF-8"),
        ("tcp://h.example:9/.jackfield-x", "begins with"),
        ("tcp:", "missing"),
        ("", "scheme"),
    ],
)
def test_what_is_no_place(text: str, says: str) -> None:
    with pytest.raises(EndpointError, match=says) as caught:
        place(text)
    assert "\n" not in str(caught.value)


def test_files_here_are_no_places() -> None:
    assert not any(map(is_place, ["a", "/a/b", "-", "a:b", "C:\\a", "unix"]))
