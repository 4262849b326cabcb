from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from jackfield.errors import ConfigurationError
from jackfield.tools.pinging import pinging, probers, ways
from jackfield.tools.pinging.pinging import Event, Pinger, Plan, _between
from jackfield.tools.pinging.probers import Heard
from jackfield.tools.pinging.targets import Sent, Target
from jackfield.tools.pinging.ways import Way, choose

KNOCK = Way("tcp", 9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": -1}, "a count is from 0"),
        ({"count": pinging.MOST_COUNT + 1}, "a count is from 0"),
        ({"size": -1}, "a packet carries 0 to 65507 bytes, not -1"),
        ({"timeout": 0.0}, "an answer is waited for up to 60 s, not 0"),
        ({"interval": 0.0}, "would be a flood"),
    ],
)
def test_a_plan_has_bounds(options: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Plan(**options)  # type: ignore[arg-type]  # as they are


def test_others_than_root_may_ask_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "is_privileged", lambda: True)
    assert Plan(interval=0.002).interval == 0.002
    monkeypatch.setattr(pinging, "is_privileged", lambda: False)
    assert Plan(interval=0.2).interval == 0.2
    with pytest.raises(ConfigurationError, match="only root may ask more often"):
        Plan(interval=0.199)


def test_all_hosts_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "is_privileged", lambda: True)
    target = Target("127.0.0.1")
    with pytest.raises(ConfigurationError, match="257 hosts are too many at once; 256 is the most"):
        Pinger([target] * 257, Plan(), {4: KNOCK})
    with pytest.raises(ConfigurationError, match=r"for 20 hosts the least interval is 0\.02 s"):
        Pinger([target] * 20, Plan(interval=0.01), {4: KNOCK})


def test_a_run_ends_when_all_have_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Way("tcp", listener.getsockname()[1])
        targets = [Target("127.0.0.1"), Target("a..b"), Target("127.0.0.2")]
        events = list(Pinger(targets, Plan(count=2, interval=0.2), {4: way}).run())
    assert sorted((event.target.host, event.number, event.refused) for event in events) == [
        ("127.0.0.1", 1, False),
        ("127.0.0.1", 2, False),
        ("127.0.0.2", 1, True),  # which is another address, where nobody listens
        ("127.0.0.2", 2, True),
    ]
    assert {event.what for event in events} == {"answer"}
    assert [target.tally.answered for target in targets] == [2, 0, 2]


@pytest.mark.long
def test_connections_under_way_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one allowed at a time and nobody who answers, the others wait until it is given up."""
    monkeypatch.setattr(pinging, "MOST_CONNECTING", 1)
    most = 0

    class Counted(probers.Knocks):
        def send(self, target: Target, number: int) -> Iterator[Heard]:
            nonlocal most
            yield from super().send(target, number)
            most = max(most, self.under_way)

    monkeypatch.setattr(pinging, "Knocks", Counted)
    with socket.socket() as full:  # bound, listening, and its queue full: SYNs are dropped
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            targets = [Target("127.0.0.1")]
            plan = Plan(count=3, interval=0.2, timeout=0.5)
            events = list(Pinger(targets, plan, {4: Way("tcp", port)}).run())
    assert len(events) == 3
    assert most == 1


@pytest.mark.long
def test_too_few_descriptors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(probers, "opened", none)
    pinger = Pinger([Target("127.0.0.1")], Plan(count=1), {4: Way("icmp datagram")})
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1: no socket for it: Too many open"):
        list(pinger.run())
    monkeypatch.setattr(socket, "socket", none)
    (event,) = Pinger([Target("127.0.0.1")], Plan(count=1), {4: KNOCK}).run()
    assert (event.what, event.text) == ("trouble", "too many open files in this process (EMFILE)")


def pinger_of_one() -> tuple[Pinger, Target]:
    target = Target("127.0.0.1")
    return Pinger([target], Plan(timeout=1.0), {4: KNOCK}), target


def take(pinger: Pinger, target: Target, at: float, **more: object) -> list[Event]:
    return list(pinger._take(Heard(target, 1, at, **more)))  # type: ignore[arg-type]  # as they are


def test_an_answer_after_its_time_is_late_however_late_it_is_read() -> None:
    pinger, target = pinger_of_one()
    target.waiting[1] = Sent(10.0, 0)
    (event,) = take(pinger, target, 11.5)
    assert (event.what, event.seconds) == ("late", 1.5)
    assert (target.tally.lost, target.tally.late, target.tally.answered) == (1, 1, 0)
    (event,) = take(pinger, target, 11.6)
    assert event.what == "duplicate"


def test_what_is_heard_of_no_probe_of_ours_is_nothing() -> None:
    pinger, target = pinger_of_one()
    assert take(pinger, target, 1.0) == []
    assert take(pinger, target, 1.0, trouble="no route") == []


def test_trouble_ends_a_probe_once() -> None:
    pinger, target = pinger_of_one()
    target.waiting[1] = Sent(10.0, 0)
    (event,) = take(pinger, target, 10.1, trouble="no route", by="192.0.2.1")
    assert (event.what, event.text, event.by) == ("trouble", "no route", "192.0.2.1")
    assert take(pinger, target, 10.2, trouble="no route") == []
    assert target.tally.lost == 1


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        (1_400_000_000, 0.4),  # the system's stamp
        (0, 0.5),  # it has none
        (999_000_000, 0.5),  # the clock was set back meanwhile
        (9_000_000_000, 0.5),  # or forward
    ],
)
def test_a_time_is_by_the_systems_stamp_where_it_can_be(stamp: int, seconds: float) -> None:
    heard = Heard(SimpleNamespace(), 1, 10.5, stamp)  # type: ignore[arg-type]  # nobody looks
    assert _between(Sent(10.0, 1_000_000_000), heard) == pytest.approx(seconds)


# Ways


def refused(number: int) -> OSError:
    return OSError(number, "no")


@pytest.mark.parametrize(
    ("allowed", "kind"),
    [("icmp datagram", "icmp datagram"), ("icmp raw", "icmp raw"), ("", "tcp")],
)
def test_the_least_right_is_tried_first(
    allowed: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def opened(version: int, what: str) -> socket.socket:
        tried.append(what)
        if what != allowed:
            raise refused(errno.EACCES if what == "icmp datagram" else errno.EPERM)
        return socket.socket()

    monkeypatch.setattr(ways, "opened", opened)
    way = choose(4)
    assert way.kind == kind
    assert tried == ["icmp datagram", "icmp raw"][: 1 if allowed == "icmp datagram" else 2]
    assert ("no datagram socket (EACCES" in way.why) == (kind == "tcp")


def test_where_the_system_has_no_such_rule_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "_RANGE", Path("/nowhere"))
    assert ways._range() == ""


def test_a_system_that_tells_too_little_gets_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", SimpleNamespace())
    assert choose(6).kind == "tcp"


def test_where_there_are_no_users_nobody_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    assert not ways.is_privileged()
