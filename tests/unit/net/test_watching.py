from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield import connect
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Events,
    MessageReceived,
    MessageSent,
)
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.sessions import SessionConnection
from jackfield.net.tls import TLSLayer
from jackfield.net.watching import WatchedSocket, WatchedTLS
from jackfield.service import Service, find
from tests import handlers
from tests.certificates import Certificates
from tests.live import ALL, SEVERAL, Live, Peer, until
from tests.seen import ALL_WAYS, Bytes, all_ways, all_ways_blocking

STREAMS = ["tcp://127.0.0.1:0", "tls://127.0.0.1:0", "unix:@PID"]
UNITS = ["udp://127.0.0.1:0", "unix+dgram:@PID", "unix+seqpacket:@PID"]

echo: Service[Any] = find("echo")


def placed(url: str, certificates: Certificates) -> str:
    return certificates.url(url) if url.startswith("tls") else url


def live_of(live: Live) -> list[Any]:
    """The connections of a server."""
    return live.call(lambda: list(live.server._live.values()))


def dialed(live: Live, certificates: Certificates) -> Peer:
    return Peer(live.endpoints[0], ca=certificates.ca)


def swapped(peer: Peer, parts: list[bytes]) -> bytes:
    """Send all of these, and read as much at the same time."""
    total = b"".join(parts)

    def send() -> None:
        for part in parts:
            peer.sock.sendall(part)

    sender = threading.Thread(target=send)
    if peer.endpoint.transport == "tls":  # no two threads at one TLS socket
        read = b""
        for part in parts:
            peer.sock.sendall(part)
            read += exactly(peer, len(part))
        return read
    sender.start()
    read = exactly(peer, len(total))
    sender.join()
    return read


def exactly(peer: Peer, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        data = peer.sock.recv(1 << 16)
        assert data
        read += data
    return bytes(read)


def ended(live: Live, seen: Bytes, number: int) -> tuple[list[bytes], list[bytes]]:
    """What was seen of a connection, once it is over."""
    live.await_events(ConnectionEnded, number)
    return seen.received.get(number, []), seen.sent.get(number, [])


cuts = st.lists(
    st.one_of(st.binary(min_size=1, max_size=50), st.integers(1, 40_000).map(bytes)),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("url", STREAMS)
@pytest.mark.parametrize("model", ALL)
def test_of_a_stream_all_is_told(model: ModelName, url: str, certificates: Certificates) -> None:
    """What was watched is what both ends saw, byte for byte, however it is cut."""
    seen = Bytes()
    if model == "inline":
        service: Service[Any] = Service.reply("same", bytes, Raw())
    else:
        service = echo
    times = 0
    with Live(service, placed(url, certificates), model=model, events=seen.events) as live:

        @settings(max_examples=5, suppress_health_check=list(HealthCheck))
        @given(cuts)
        def law(parts: list[bytes]) -> None:
            nonlocal times
            times += 1
            with dialed(live, certificates) as peer:
                assert swapped(peer, parts) == b"".join(parts)
                peer.sock.shutdown(socket.SHUT_WR)
                received, sent = ended(live, seen, times)
            assert b"".join(received) == b"".join(sent) == b"".join(parts)
            assert b"" not in received + sent

        law()


units = st.lists(st.binary(max_size=20), min_size=1, max_size=10)


@pytest.mark.parametrize("url", UNITS)
@pytest.mark.parametrize("model", ALL)
def test_of_units_each_is_told_as_it_is(model: ModelName, url: str) -> None:
    """What was watched is what both ends saw, unit for unit, empty datagrams too."""
    seen = Bytes()
    times = 0
    with Live(Service.reply("same", bytes, Raw()), url, model=model, events=seen.events) as live:

        @settings(max_examples=5, suppress_health_check=list(HealthCheck))
        @given(units)
        def law(parts: list[bytes]) -> None:
            nonlocal times
            times += 1
            if "seqpacket" in url:
                parts = [part for part in parts if part] or [b"x"]  # an empty one means the end
            # of one peer at a time; with the port of an earlier one it may be in that one's session
            seen.sent.clear()
            seen.received.clear()
            with live.connect() as peer:
                for part in parts:
                    peer.sock.send(part)
                    assert peer.sock.recv(100) == part
                until(lambda: sum(map(len, seen.sent.values())) == len(parts))
                until(lambda: sum(map(len, seen.received.values())) == len(parts))
            if "seqpacket" in url:
                live.await_events(ConnectionEnded, times)
            assert list(seen.received.values()) == list(seen.sent.values()) == [parts]

        law()


@pytest.mark.some(2)
@pytest.mark.parametrize("url", STREAMS)
@pytest.mark.parametrize(
    ("service", "model"),
    [
        *((all_ways, model) for model in SEVERAL),
        *((all_ways_blocking, model) for model in SEVERAL if model != "asyncio"),
    ],
)
def test_files_and_chunks_are_seen_too(
    service: Service[bytes], model: ModelName, url: str, certificates: Certificates
) -> None:
    seen = Bytes()
    with Live(service, placed(url, certificates), model=model, events=seen.events) as live:
        with dialed(live, certificates) as peer:
            peer.sock.sendall(b"go")
            assert exactly(peer, len(ALL_WAYS)) == ALL_WAYS
        received, sent = ended(live, seen, 1)
        assert (b"".join(received), b"".join(sent)) == (b"go", ALL_WAYS)


def test_in_memory() -> None:
    seen = Bytes()
    with Live(echo, "memory://watched", events=seen.events) as live:
        with connect("memory://watched", framing=Raw()) as conn:
            conn.send(b"hello")
            assert conn.receive() == b"hello"
        assert ended(live, seen, 1) == ([b"hello"], [b"hello"])


def test_a_unit_of_every_size_crosses_from_a_process_in_order() -> None:
    seen = Bytes()
    with Live(echo, "unix+seqpacket:@PID", model="processes", events=seen.events) as live:
        unit = bytes(range(256)) * 150
        with live.connect() as peer:
            peer.sock.send(unit)
            assert peer.sock.recv(1 << 17) == unit
        received, sent = ended(live, seen, 1)
    assert b"".join(received) == b"".join(sent) == unit


def test_what_is_said_to_a_peer_that_is_turned_away_has_no_number() -> None:
    seen = Bytes()
    limits = Limits(connections=1)
    with (
        Live(handlers.native, "tcp://127.0.0.1:0", limits=limits, events=seen.events) as live,
        live.connect() as one,
    ):
        assert one.ask("echo 1") == "1"
        with live.connect() as other:
            line = other.line()
        until(lambda: b"".join(seen.sent.get(0, [])) == line.encode() + b"\n")


# Nobody subscribes


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("url", [*STREAMS, *UNITS])
def test_while_nobody_asks_nothing_is_put_around_a_connection(
    url: str, by_name: bool, certificates: Certificates
) -> None:
    """Being told of messages is not asking for bytes, and neither is being told of all else."""
    events = Events()
    if by_name:
        events.subscribe(MessageReceived, lambda _: None)
        events.subscribe(MessageSent, lambda _: None)
    with (
        Live(handlers.native, placed(url, certificates), events=events) as live,
        dialed(live, certificates) as peer,
    ):
        assert peer.ask("echo hello") == "hello"
        (conn,) = live_of(live)
        if isinstance(conn, SessionConnection):
            assert conn._watcher is None
        else:
            assert not isinstance(conn._sock, WatchedSocket)
        assert type(conn.tls_layer) is (TLSLayer if url.startswith("tls") else type(None))
        assert {type(event) for event in live.told} & {BytesReceived, BytesSent} == set()


@pytest.mark.parametrize("kind", [BytesReceived, BytesSent])
@pytest.mark.parametrize("url", [*STREAMS, *UNITS])
def test_one_of_the_two_is_enough(
    url: str, kind: type[BytesReceived | BytesSent], certificates: Certificates
) -> None:
    told: list[Any] = []
    events = Events()
    events.subscribe(kind, told.append)
    with (
        Live(handlers.native, placed(url, certificates), events=events) as live,
        dialed(live, certificates) as peer,
    ):
        assert peer.ask("echo hello") == "hello"
        until(lambda: told)
        assert {type(event) for event in told} == {kind}
        (conn,) = live_of(live)
        assert told[0].number == live.await_event(ConnectionOpened).number == conn.number
        assert told[0].peer == live.await_event(ConnectionOpened).peer == str(conn.peer)
        layer = conn.tls_layer
        watched = isinstance(layer, WatchedTLS) if layer else True
        if not layer and not isinstance(conn, SessionConnection):
            watched = isinstance(conn._sock, WatchedSocket)
        assert watched
