from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.services.web.names import names_of, path_of


@pytest.mark.parametrize(
    ("path", "names", "is_folder"),
    [
        ("/", [], True),
        ("/a", [b"a"], False),
        ("/a/", [b"a"], True),
        ("/a/b.txt", [b"a", b"b.txt"], False),
        ("/%61%20b", [b"a b"], False),
        ("/%e4%bd%a0", ["你".encode()], False),
        ("/%ff", [b"\xff"], False),
        ("/%2541", [b"%41"], False),
        ("/a%3Fb%23c", [b"a?b#c"], False),
        ("/...", [b"..."], False),
        ("/a.", [b"a."], False),
        ("/.well-known/x", [b".well-known", b"x"], False),
        ("/a+b", [b"a+b"], False),
        ("/a;b=c", [b"a;b=c"], False),
        ("/\\", [b"\\"], False),
        ("/\xe4", [b"\xe4"], False),
    ],
)
def test_names(path: str, names: list[bytes], is_folder: bool) -> None:
    found = names_of(path, hidden=True)
    assert found == (names, is_folder)
    if path != "/...":
        assert names_of(path) == found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "*",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/..",
        "/a/../",
        "/%2e",
        "/%2E%2e/a",
        "/.%2e",
        "/a%2fb",
        "/a%2Fb",
        "/%2f",
        "/a%00",
        "/\0",
        "/%",
        "/%4",
        "/a%4",
        "/%zz",
        "/%+1",
        "/% 1",
        "/%u0041",
    ],
)
def test_what_leads_nowhere(path: str) -> None:
    assert names_of(path, hidden=True) is None


@pytest.mark.parametrize("path", ["/.a", "/a/.b", "/%2ea", "/...", "/.well-known/.a", "/..a"])
def test_what_is_hidden(path: str) -> None:
    assert names_of(path) is None
    assert names_of(path, hidden=True) is not None


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=4), st.booleans())
def test_what_is_written_is_read(names: list[bytes], is_folder: bool) -> None:
    """A path made of names leads to those very names, decoded once."""
    good = all(name not in {b".", b".."} and not set(b"/\0") & set(name) for name in names)
    path = path_of(names, is_folder=is_folder)
    assert path.isascii()
    assert names_of(path, hidden=True) == ((names, is_folder or not names) if good else None)
