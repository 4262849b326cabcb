"""Peers that vanish, reset, half-close, send garbage, promise 4 GiB, or come in floods."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack

import pytest

from jackfield import admission
from jackfield.events import ConnectionEnded, ConnectionOpened, HandlerFailed, Refused
from jackfield.framing import length_prefixed, lines
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.service import Service, find
from tests import handlers
from tests.live import ALL, PATIENCE, SEVERAL, Live, Peer, until

TCP = "tcp://127.0.0.1:0"

models = pytest.mark.parametrize("model", ALL)
services = pytest.mark.parametrize("service", [handlers.native, handlers.blocking])


def reset(peer: Peer) -> None:
    """Leave as a machine does that has crashed and come back."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def well(live: Live) -> None:
    """See that others are served, and that what happened was nobody's failure here."""
    with live.connect() as other:
        assert other.ask("echo well") == "well"
    assert live.of(HandlerFailed) == []


@services
@models
def test_one_that_vanishes_in_the_middle_of_a_message(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            assert peer.ask("echo hello") == "hello"
            peer.sock.sendall(b"echo unfini")
        assert live.await_event(ConnectionEnded).messages_received == 1
        (event,) = live.of(Refused)
        assert event.reason == "the stream ended 11 bytes into a message (framing lines)"
        well(live)


@services
@models
def test_one_that_resets(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            assert peer.ask("echo hello") == "hello"
            peer.sock.sendall(b"echo unfini")
            reset(peer)
        assert "ECONNRESET" in live.await_event(ConnectionEnded).reason
        assert live.of(Refused) == []
        well(live)


@services
@models
def test_one_that_resets_while_it_is_answered(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            peer.send(*["echo " + "x" * 30_000] * 20)
            reset(peer)
        assert live.await_event(ConnectionEnded).reason
        well(live)


@services
@models
def test_one_that_ends_its_side_gets_all_answers(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as peer:
        peer.send(*(f"echo {number}" for number in range(1000)))
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.rest() == b"".join(b"%d\n" % number for number in range(1000))
        assert live.await_event(ConnectionEnded).reason == ""


@services
@models
def test_one_that_sends_garbage_is_told_so_once(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            peer.sock.sendall(b"echo good\n" + bytes(range(128, 256)) * 100 + b"\n")
            assert peer.line() == "good"
            assert peer.line().startswith("error: a message that is not utf-8")
            assert peer.line() == ""
        live.await_event(ConnectionEnded)
        assert len(live.of(Refused)) == 1
        well(live)


@models
def test_one_that_promises_4_gib_is_told_so_before_it_sends_any(model: ModelName) -> None:
    service = find("echo", framing=length_prefixed(4))
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            peer.sock.sendall(b"\xff\xff\xff\xff")
            assert b"4294967295" in peer.rest()
        live.await_event(ConnectionEnded)
        (event,) = live.of(Refused)
        assert "4294967295" in event.reason
        with live.connect() as other:
            other.sock.sendall(b"\0\0\0\x04well")
            assert other.sock.recv(100) == b"\0\0\0\x04well"


@models
def test_a_message_without_end_is_refused_at_its_bound(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model, framing=lines(max_message=1000)) as live:
        with live.connect() as peer:
            peer.sock.sendall(b"x" * 1_000_000)
            assert peer.rest().startswith(b"error: a message of more than 1000 bytes")
        live.await_event(ConnectionEnded)
        assert len(live.of(Refused)) == 1
        well(live)


def from_source(live: Live, source: str) -> socket.socket:
    """Connect from an address of loopback, which has many."""
    at = live.endpoints[0]
    return socket.create_connection((at.host, at.port), PATIENCE, (source, 0))


@pytest.mark.parametrize("model", SEVERAL)
def test_a_flood_of_connections_from_one_source_leaves_room_for_another(model: ModelName) -> None:
    limits = Limits(connections_per_source=3)
    with Live(handlers.native, TCP, model=model, limits=limits) as live, ExitStack() as flood:
        first = [flood.enter_context(from_source(live, "127.0.0.2")) for _ in range(3)]
        live.await_events(ConnectionOpened, 3)
        for _ in range(50):
            flood.enter_context(from_source(live, "127.0.0.2"))
        live.await_events(Refused, 50)
        well(live)
        for sock in first:
            sock.sendall(b"echo here\n")
            assert sock.recv(100) == b"here\n"
        assert {event.limit for event in live.of(Refused)} == {"connections_per_source"}
        assert len(live.of(Refused)) == 50


@pytest.mark.parametrize("model", SEVERAL)
def test_a_flood_from_many_sources_ends_at_the_total(model: ModelName) -> None:
    limits = Limits(connections=5)
    with Live(handlers.native, TCP, model=model, limits=limits) as live, ExitStack() as flood:
        first = [flood.enter_context(from_source(live, f"127.0.1.{n}")) for n in range(1, 6)]
        live.await_events(ConnectionOpened, 5)
        others = [flood.enter_context(from_source(live, f"127.0.2.{n}")) for n in range(1, 51)]
        live.await_events(Refused, 50)
        assert others[0].recv(100) == b"error: the server is full; try again later\n"
        for sock in first:
            sock.sendall(b"echo here\n")
            assert sock.recv(100) == b"here\n"
        first[0].close()
        live.await_event(ConnectionEnded)
        well(live)
        assert {event.limit for event in live.of(Refused)} == {"connections"}


def test_of_those_who_are_told_that_they_are_refused_there_are_only_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MOST_REFUSED", 3)
    limits = Limits(connections_per_source=1, linger_time=3600)
    with Live(handlers.native, TCP, limits=limits) as live, ExitStack() as flood:
        flood.enter_context(from_source(live, "127.0.0.2"))
        live.await_event(ConnectionOpened)
        told = [flood.enter_context(from_source(live, "127.0.0.2")) for _ in range(3)]
        live.await_events(Refused, 3)
        with pytest.raises(ConnectionResetError):  # as early as in connecting, it may be
            flood.enter_context(from_source(live, "127.0.0.2")).recv(100)
        for sock in told:
            assert sock.recv(100) == b"error: too many connections from your address\n"
            sock.close()
        until(lambda: live.call(lambda: not live.server._admission.refused))


@models
@pytest.mark.parametrize("size", [4096])
def test_writes_that_are_cut_short_lose_nothing(model: ModelName, size: int) -> None:
    """Over a real socket: its buffers are small, and its peer reads bit by bit."""
    at = f"tcp://127.0.0.1:0?sndbuf={size}&rcvbuf={size}"
    with Live(handlers.native, at, model=model) as live, live.connect() as peer:
        peer.send(*(f"echo {number:04}" + "x" * 5000 for number in range(100)))
        for number in range(100):
            assert peer.line() == f"{number:04}" + "x" * 5000
