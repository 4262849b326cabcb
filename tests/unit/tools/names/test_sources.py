from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.tools.names import sources
from jackfield.tools.names.sources import Entry, Resolvers


def test_a_hosts_file_is_read_line_by_line() -> None:
    text = (
        "127.0.0.1\tlocalhost\n# 10.0.0.1 no\n\nfe80::1%eth0 Router r # ours\n"
        "nonsense x\n10.0.0.1\n"
    )
    found = sources.hosts(text)
    assert found == [
        Entry(1, "127.0.0.1", ("localhost",)),
        Entry(4, "fe80::1%eth0", ("Router", "r")),
    ]
    assert sources.entries_of(found, "ROUTER.") == [found[1]]
    assert sources.entries_of(found, "route") == []


def test_a_resolv_conf_is_read_as_far_as_the_c_library_does() -> None:
    text = (
        "; comment\nnameserver 192.0.2.53\nnameserver nonsense\nnameserver ::1\n"
        "nameserver 192.0.2.54\nnameserver 192.0.2.55\ndomain first.example\n"
        "search a.example b.example\noptions ndots:2 rotate ndots:x\nnameserver\n"
    )
    assert sources.resolvers(text) == Resolvers(
        ("192.0.2.53", "::1", "192.0.2.54"), ("a.example", "b.example"), 2
    )
    assert sources.resolvers("") == Resolvers(("127.0.0.1",), (), 1)
    assert sources.resolvers("options ndots:999999").ndots == 15
    assert sources.resolvers("domain a.example b.example").search == ("a.example",)
    many = "search " + " ".join(f"s{number}" for number in range(20))
    assert len(sources.resolvers(many).search) == sources.MOST_SEARCH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("passwd: files\nhosts: files [!UNAVAIL=return] dns # so\n", "files [!UNAVAIL=return] dns"),
        ("# hosts: x\n", "files dns"),
        ("", "files dns"),
    ],
)
def test_where_the_system_looks(text: str, words: str) -> None:
    assert sources.order(text) == words.split()


@pytest.mark.parametrize(
    ("name", "ndots", "tried"),
    [
        ("www", 1, ["www.a.example", "www.b", "www"]),
        ("www.x", 1, ["www.x", "www.x.a.example", "www.x.b"]),
        ("www.x", 2, ["www.x.a.example", "www.x.b", "www.x"]),
        ("www.", 1, ["www"]),
    ],
)
def test_a_short_name_stands_for_longer_ones(name: str, ndots: int, tried: list[str]) -> None:
    assert sources.candidates(name, Resolvers((), ("a.example", "b.", "."), ndots)) == tried


def test_a_file_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert sources.text_of(tmp_path / "none") == ""
    assert sources.text_of(tmp_path) == ""
    path = tmp_path / "some"
    path.write_bytes(b"a\xffb")
    assert sources.text_of(path) == "a\ufffdb"


def test_a_file_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_FILE", 10)
    path = tmp_path / "long"
    path.write_text("x" * 100)
    assert sources.text_of(path) == "x" * 10
