from __future__ import annotations

import pytest

from jackfield.tools.names import lookup
from jackfield.tools.pinging.targets import KEPT, Sent, Target, targets_of


def test_a_host_has_its_address_and_each_host_is_asked_once() -> None:
    first, second, third = targets_of(
        ["127.0.0.1", "::1", "127.0.0.1", "localhost"], version=0, timeout=20
    )
    assert (first.address, first.version, first.shown) == ("127.0.0.1", 4, "127.0.0.1")
    assert (second.address, second.version) == ("::1", 6)
    assert third.shown == f"localhost ({third.address})"
    assert first.at(80) == ("127.0.0.1", 80)
    assert second.at(80) == ("::1", 80, 0, 0)
    assert first.token != second.token


@pytest.mark.parametrize(
    ("host", "version", "why"),
    [
        ("127.0.0.1", 6, "127.0.0.1: it has no IPv6 address"),
        ("a..b", 0, "a..b: label 2 is empty"),
        ("224.0.0.1", 0, "224.0.0.1: 224.0.0.1 stands for many hosts"),
        ("ff02::1", 0, "ff02::1: ff02::1 stands for many hosts"),
        ("255.255.255.255", 0, "stands for many hosts"),
    ],
)
def test_a_host_that_cannot_be_asked_says_why(host: str, version: int, why: str) -> None:
    target = Target(host, version=version, timeout=20)
    assert why in target.why
    assert (target.address, target.shown) == ("", host)


def test_an_error_that_nobody_expects_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("jackfield.tools.pinging.targets.addresses_of", fail)
    with pytest.raises(ZeroDivisionError):
        targets_of(["127.0.0.1"], version=0, timeout=20)


def test_numbers_go_on_where_sequence_numbers_begin_anew() -> None:
    target = Target("127.0.0.1")
    target.tally.sent = 70_000
    assert target.number_of(70_000 & 0xFFFF) == 70_000
    assert target.number_of(69_990 & 0xFFFF) == 69_990
    assert target.number_of((70_001) & 0xFFFF) == 70_001 - 65_536
    target.tally.sent = 3
    assert target.number_of(9) == 0  # never sent


def test_what_is_known_of_probes_that_are_over_has_a_bound() -> None:
    target = Target("127.0.0.1")
    for number in range(1, 3 * KEPT):
        target.waiting[number] = Sent(float(number), number)
        assert target.end(number, answered=number % 2 == 0) is not None
    assert target.end(1) is None
    assert target.ended(1) is None
    last = target.ended(3 * KEPT - 1)
    assert last == Sent(3.0 * KEPT - 1, 3 * KEPT - 1, answered=False)
    target.mark_answered(3 * KEPT - 1)
    target.mark_answered(1)
    assert target.ended(3 * KEPT - 1) == Sent(3.0 * KEPT - 1, 3 * KEPT - 1, answered=True)
    assert len(target._over) == KEPT


def test_a_name_that_nobody_finds_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(lookup, "within", never)
    assert "has not found out its addresses in 0.1 s" in Target("x.example", timeout=0.1).why
