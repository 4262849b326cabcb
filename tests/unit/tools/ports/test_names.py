from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import NotationError
from jackfield.tools.ports import names as module
from jackfield.tools.ports.known import KNOWN
from jackfield.tools.ports.names import (
    MOST_NAME,
    OURS,
    SYSTEM,
    Service,
    by_name,
    by_port,
    joined,
    read,
    read_list,
    services,
)


@pytest.mark.skipif(shutil.which("getent") is None, reason="there is no getent here")
def test_the_system_s_names_are_those_that_getent_tells() -> None:
    done = subprocess.run(
        ["getent", "services"], capture_output=True, text=True, timeout=30, check=False
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    if not rows:
        pytest.skip("this system has no list of services")
    for name, place, *aliases in rows:
        port, kind = place.split("/")
        if kind not in {"tcp", "udp"}:
            continue
        found = [one for one in by_port(int(port)) if name in one.names and kind in one.protocols]
        assert len(found) == 1, name
        assert (found[0].source, {*aliases} - {*found[0].names}) == (SYSTEM, set())
        assert found[0] in by_name(name)
        assert all(found[0] in by_name(alias.upper()) for alias in aliases)


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("sshd", 22),
        ("redis", 6379),
        ("mysql", 3306),
        ("postgres", 5432),
        ("mongodb", 27017),
        ("memcached", 11211),
        ("https", 443),
        ("DNS", 53),
    ],
)
@pytest.mark.parametrize("here", [True, False], ids=["with a list", "without a list"])
def test_common_names_are_known(
    name: str, port: int, here: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services.cache_clear()
    if not here:
        monkeypatch.setattr(module, "_LIST", tmp_path / "nothing")
    try:
        assert port in {one.port for one in by_name(name)}
        assert name.lower() in {one for found in by_port(port) for one in found.names}
    finally:
        services.cache_clear()


def test_our_list_names_no_port_twice() -> None:
    places = [(one.port, kind) for one in KNOWN for kind in one.protocols]
    assert len(places) == len(set(places))
    for one in KNOWN:
        assert one.words
        assert set(one.protocols) <= {"tcp", "udp"}
        assert [name.lower() for name in (one.name, *one.aliases)] == [one.name, *one.aliases]


def test_what_the_system_knows_beside_its_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a directory of the network."""

    def by_number(port: int, kind: str) -> str:
        if (port, kind) == (60999, "udp"):
            return "ours-alone"
        raise OSError

    def by_word(name: str, kind: str) -> int:
        if (name, kind) == ("ours-alone", "udp"):
            return 60999
        raise OSError

    monkeypatch.setattr(socket, "getservbyport", by_number)
    monkeypatch.setattr(socket, "getservbyname", by_word)
    wanted = Service("ours-alone", 60999, ("udp",), (), "", SYSTEM)
    assert by_port(60999) == (wanted,)
    assert by_name("ours-alone") == (wanted,)


def test_lines_are_read() -> None:
    lines = [
        "# Network services",
        "domain\t\t53/tcp\t\t\t\t# Domain Name Server",
        "domain\t\t53/udp",
        "http 80/tcp www httpd # World Wide Web\n",
        "sctp-only 99/sctp",
        "too-high 65536/tcp",
        "no-port tcp",
        "x 1/tcp#comment",
        "",
    ]
    assert list(read_list(lines)) == [
        Service("domain", 53, ("tcp", "udp"), (), "Domain Name Server", SYSTEM),
        Service("http", 80, ("tcp",), ("www", "httpd"), "World Wide Web", SYSTEM),
        Service("x", 1, ("tcp",), (), "comment", SYSTEM),
    ]


@given(st.lists(st.text(max_size=60) | st.from_regex(r"\w+ [0-9]+/(tcp|udp) .*"), max_size=9))
def test_any_lines_are_read(lines: list[str]) -> None:
    """Whatever a list holds, reading it gives services with ports, and never an exception."""
    for one in read_list(lines):
        assert 0 <= one.port <= 65535
        assert one.protocols


def test_two_lists_are_one() -> None:
    system = [
        Service("ssh", 22, ("tcp",), ("old",), "", SYSTEM),
        Service("a", 1, ("tcp",), (), "x", SYSTEM),
    ]
    ours = [
        Service("sshd", 22, ("tcp", "udp"), ("ssh", "old"), "remote login", OURS),
        Service("b", 1, ("tcp",), (), "other", OURS),
    ]
    assert list(joined(system, ours)) == [
        Service("ssh", 22, ("tcp",), ("old", "sshd"), "remote login", SYSTEM),
        Service("a", 1, ("tcp",), (), "x", SYSTEM),
        Service("sshd", 22, ("udp",), ("ssh", "old"), "remote login", OURS),
        Service("b", 1, ("tcp",), (), "other", OURS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "first", "last", "protocols"),
    [
        ("22", 22, 22, ("tcp", "udp")),
        ("0", 0, 0, ("tcp", "udp")),
        ("65535/udp", 65535, 65535, ("udp",)),
        ("8000-8100", 8000, 8100, ("tcp", "udp")),
        ("8000-8000/tcp", 8000, 8000, ("tcp",)),
        ("ssh", 22, 22, ("tcp", "udp")),
        ("domain/udp", 53, 53, ("udp",)),
    ],
)
def test_what_is_asked_is_read(
    text: str, first: int, last: int, protocols: tuple[str, ...]
) -> None:
    found = read(text)
    assert (found.first, found.last, found.protocols) == (first, last, protocols)
    assert bool(found.services) == text[0].isalpha()


@pytest.mark.parametrize(
    ("text", "part", "why"),
    [
        ("65536", "65536", "a port is 0 to 65535"),
        ("1-99999999999", "99999999999", "a port is 0 to 65535"),
        ("90-80", "80", "the range ends before it begins; write 80-90"),
        ("22/sctp", "sctp", "ports of tcp and udp are told, not of sctp"),
        ("ssh/", "", "ports of tcp and udp are told"),
        ("htpp", "htpp", "did you mean http"),
        ("qqqqqqqqqq", "qqqqqqqqqq", "write a port, as 22, or a range, as 8000-8100"),
        ("ssh/udp", "ssh", "no service of this name is known"),
        ("", "", "(nothing): no service"),
        ("22-", "22-", "no service of this name"),
        ("-1", "-1", "no service of this name"),
        ("a\0b", "a\0b", "no service of this name"),
        ("x" * (MOST_NAME + 1), "", "has 101 characters: that is no name of a service"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, part: str, why: str) -> None:
    with pytest.raises(NotationError) as caught:
        read(text)
    assert why in str(caught.value)
    assert text[caught.value.start : caught.value.end] == part
