"""Peers that are not to connect, or that send more than their source may."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from jackfield.events import ConnectionOpened, DatagramsDropped, Refused
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net import datagrams, sessions
from jackfield.net.datagrams import DatagramListener
from tests import handlers
from tests.live import ALL, PATIENCE, Live, until

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"


def dropped(live: Live, count: int = 1) -> dict[str, int]:
    """How many datagrams were dropped for each reason, once there are so many."""

    def found() -> dict[str, int]:
        by_reason: dict[str, int] = {}
        for event in live.of(DatagramsDropped):
            by_reason[event.reason] = by_reason.get(event.reason, 0) + event.count
        return by_reason

    until(lambda: sum(found().values()) >= count)
    return found()


@pytest.mark.parametrize("model", ALL)
def test_an_address_that_may_not_connect_is_told_so(model: ModelName) -> None:
    limits = Limits(deny=("127.0.0.0/8",))
    with Live(handlers.native, TCP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.rest() == b"error: your address may not connect here\n"
        event = live.await_event(Refused)
        assert (event.limit, event.reason) == ("deny", "your address may not connect here")
        assert not live.of(ConnectionOpened)


@pytest.mark.parametrize("model", ALL)
def test_its_datagrams_are_dropped_and_those_of_others_are_not(model: ModelName) -> None:
    limits = Limits(allow=("127.0.0.1",))
    with Live(handlers.native, UDP, model=model, limits=limits) as live, live.connect() as welcome:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", 0))
            other.sendto(b"echo hello", ("127.0.0.1", live.endpoints[0].port))
            assert dropped(live) == {"its sender's address may not connect here": 1}
        assert welcome.ask("echo hello") == "hello"


@pytest.mark.parametrize("model", ALL)
def test_a_source_that_floods_does_not_take_the_turn_of_another(model: ModelName) -> None:
    limits = Limits(datagrams_per_source=1)
    with Live(handlers.native, UDP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        for _ in range(50):
            peer.send("echo more")
        reason = "more from one source than datagrams_per_source allows"
        assert list(dropped(live, 40)) == [reason]  # a second may have ended in between
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.settimeout(PATIENCE)
            other.bind(("127.0.0.2", 0))
            other.sendto(b"echo hello", ("127.0.0.1", live.endpoints[0].port))
            assert other.recv(100) == b"hello"


def test_sources_beyond_number_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "MOST_SOURCES", 3)
    with Live(handlers.native, UDP) as live:
        (listener,) = live.server._listeners
        assert isinstance(listener, DatagramListener)
        for number in range(1, 8):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.settimeout(PATIENCE)
                other.bind((f"127.0.0.{number}", 0))
                other.sendto(b"echo hello", ("127.0.0.1", live.endpoints[0].port))
                assert other.recv(100) == b"hello"
            assert len(listener._counts) <= 3


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("amplifies", [False, True])
def test_whose_address_may_be_false_gets_no_more_than_it_sent(
    model: ModelName, amplifies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback has no false addresses, so it is taken for a network here."""
    monkeypatch.setattr(sessions, "may_be_false", bool)
    service = replace(handlers.native, amplifies=amplifies)
    with Live(service, UDP, model=model) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        peer.send("thread")  # which is answered by more
        if amplifies:
            assert "Connection " in peer.line()
        else:
            assert dropped(live) == {sessions.AMPLIFIED: 1}
        assert peer.ask("echo again") == "again"
