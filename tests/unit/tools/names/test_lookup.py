from __future__ import annotations

import socket
import threading
from ipaddress import ip_address
from pathlib import Path

import pytest

from jackfield.errors import ConnectTimeout, NameNotFound
from jackfield.tools.names import lookup
from jackfield.tools.names.lookup import addresses_of, all_within, candidate, resolve, within
from tests.live import PATIENCE


def test_what_a_function_gives_or_raises_comes_back() -> None:
    assert within(PATIENCE, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(PATIENCE, lambda: 1 // 0)


def test_what_takes_too_long_is_left_behind() -> None:
    end = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            within(0.05, end.wait)
        done = all_within(0.3, [end.wait, lambda: True])
        assert isinstance(done[0], TimeoutError)
        assert done[1] is True
    finally:
        end.set()


def test_the_system_finds_addresses() -> None:
    assert ("127.0.0.1", 0) in addresses_of("localhost", 4, PATIENCE)
    found = resolve("::1", 0, PATIENCE)
    assert found.addresses == [("::1", 0, 0, 0)]
    assert found.seconds >= 0


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("127.0.0.1", 6, "127.0.0.1: it has no IPv6 address (EAI_"),
        ("a" * 64 + ".example", 0, "it cannot be a name"),
    ],
)
def test_a_name_without_an_address_is_told(name: str, version: int, words: str) -> None:
    with pytest.raises(NameNotFound) as raised:
        resolve(name, version, PATIENCE)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "x.example: it has no address (EAI_NONAME)"),
        (socket.EAI_AGAIN, "x.example: no name server has an answer (EAI_AGAIN)"),
        (socket.EAI_FAIL, "x.example: reason (EAI_FAIL)"),
    ],
)
def test_what_the_system_says_is_told(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "reason")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameNotFound) as raised:
        resolve("x.example", 0, PATIENCE)
    assert str(raised.value).startswith(words)


def test_a_system_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait())
    try:
        with pytest.raises(ConnectTimeout, match=r"has not found out its addresses in 0\.05 s"):
            resolve("x.example", 0, 0.05)
    finally:
        end.set()


def test_addresses_have_a_bound_and_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.{n // 256}.{n % 256}", 0))
        for n in range(500)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows[:1] * 3 + rows)
    found = addresses_of("x.example", 0, PATIENCE)
    assert len(found) == len(set(found)) == lookup.MOST_ADDRESSES


def test_the_way_to_an_address_is_told() -> None:
    found = candidate(("127.0.0.1", 0))
    assert found.source == ip_address("127.0.0.1")
    assert found.prefix == 8
    assert not found.deprecated
    assert found.native


def test_an_address_without_a_way_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported")

    monkeypatch.setattr(socket, "socket", none)
    assert candidate(("127.0.0.1", 0)).source is None


def test_flags_of_addresses_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "if_inet6"
    path.write_text("garbage\n" + "0" * 31 + "1 01 80 10 a0       lo\n")
    monkeypatch.setattr(lookup, "_IF_INET6", path)
    assert lookup._flags("0" * 31 + "1") == 0xA0
    assert lookup._flags("0" * 32) == 0
    assert candidate(("::1", 0, 0, 0)).deprecated


def test_names_of_addresses_are_asked_for_at_once() -> None:
    names = lookup.reverse([("127.0.0.1", 0), ("203.0.113.77", 0)], PATIENCE)
    assert names[0]
    assert len(names) == 2
    assert lookup.reverse([("127.0.0.1", 0)], 0.0)[0] in {"", names[0]}
