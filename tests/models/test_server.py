from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    AddressInUse,
    BindError,
    ConfigurationError,
    EndOfStream,
    EndpointError,
    JackfieldError,
)
from jackfield.events import (
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    Draining,
    Event,
    Events,
    HandlerFailed,
    Listening,
    MessageReceived,
    MessageSent,
    Refused,
    Stopped,
)
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.rooms import Room
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.certificates import Certificates
from tests.live import (
    ALL,
    PATIENCE,
    SEVERAL,
    Live,
    Peer,
    all_closed,
    children_of,
    free_port,
    in_loop,
    runs,
    sockets_of,
    until,
)
from tests.unit.net.machine import needs_ipv6

STREAMS = ["tcp://127.0.0.1:0", "unix:@PID", "unix+seqpacket:@PID"]
TCP = "tcp://127.0.0.1:0"
FULL = "error: the server is full; try again later"


# What is asked for


def test_a_server_needs_an_endpoint() -> None:
    with pytest.raises(ConfigurationError, match=r"needs an endpoint, for example tcp://127"):
        Server(handlers.native)


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Server(handlers.native, TCP, model="fork")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "there is no model 'fork'; there are asyncio, threads, processes, inline"
    )


def test_a_url_that_is_no_endpoint_is_refused_at_once() -> None:
    with pytest.raises(EndpointError):
        Server(handlers.native, "127.0.0.1:9999")


def test_a_server_takes_limits_and_framing_in_place_of_the_services() -> None:
    limits = Limits(connections=3)
    service = handlers.lines_of(handlers.obey, limits=limits)
    assert Server(service, TCP).limits is limits
    assert Server(service, TCP, limits=Limits()).limits == Limits()
    with Live(service, TCP, framing=lines("gbk")) as live, live.connect() as peer:
        peer.sock.sendall("echo 你好\n".encode("gbk"))
        assert peer.sock.recv(100) == "你好\n".encode("gbk")


# Starting


def test_port_0_becomes_the_one_the_system_has_chosen() -> None:
    with Live(handlers.native, TCP) as live:
        (endpoint,) = live.endpoints
        assert endpoint.port > 0
        assert live.of(Listening) == [Listening(endpoint)]
        with live.connect() as peer:
            assert peer.ask("local") == str(endpoint)
    assert live.endpoints == []


@needs_ipv6
def test_a_name_is_served_at_all_its_addresses() -> None:
    with Live(handlers.native, "tcp://localhost:0") as live:
        assert [endpoint.host for endpoint in live.endpoints] == ["127.0.0.1", "::1"]
        assert len({endpoint.port for endpoint in live.endpoints}) == 1
        for number in range(2):
            with live.connect(number) as peer:
                assert peer.ask("local") == str(live.endpoints[number])


@pytest.mark.parametrize("model", SEVERAL)
def test_one_server_serves_every_transport_at_once(model: ModelName, tmp_path: Path) -> None:
    urls = [
        TCP,
        f"unix://{tmp_path}/s",
        f"unix+seqpacket://{tmp_path}/q",
        "udp://127.0.0.1:0",
        f"unix+dgram://{tmp_path}/d",
    ]
    with Live(handlers.native, *urls, model=model) as live:
        peers = [live.connect(number) for number in range(len(urls))]
        with all_closed(peers):
            assert [peer.ask("echo hello") for peer in peers] == ["hello"] * len(urls)
            assert [peer.ask("local") for peer in peers] == [str(e) for e in live.endpoints]
            assert live.server.connections == len(urls)
    assert list(tmp_path.iterdir()) == []  # the files are gone with the server


@pytest.mark.parametrize("model", ALL)
def test_the_same_port_serves_tcp_and_udp(model: ModelName) -> None:
    port = free_port()
    urls = [f"tcp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}"]
    with (
        Live(handlers.native, *urls, model=model) as live,
        live.connect(0) as stream,
        live.connect(1) as datagrams,
    ):
        assert stream.ask("echo stream") == "stream"
        assert datagrams.ask("echo datagram") == "datagram"


@pytest.mark.some(2)
@pytest.mark.parametrize("model", ALL)
def test_when_one_endpoint_cannot_be_bound_none_stays_bound_and_it_can_be_retried(
    model: ModelName, tmp_path: Path
) -> None:
    before = sockets_of(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        held = before | sockets_of(os.getpid())
        urls = ["tcp://localhost:0", f"unix://{tmp_path}/s", f"tcp://127.0.0.1:{port}"]
        live = Live(handlers.native, *urls, model=model)
        with pytest.raises(AddressInUse, match=f":{port}: in use by this process"), live:
            pass
        assert sockets_of(os.getpid()) <= held  # one of an earlier test may be closed by now
        assert list(tmp_path.iterdir()) == []
        assert live.endpoints == []
        assert live.told == []
    with live, live.connect() as peer:
        assert peer.ask("echo again") == "again"


@pytest.mark.parametrize(
    ("urls", "model", "says"),
    [
        (["tls://localhost:0?cert=/nowhere"], "asyncio", "/nowhere"),
        (["tls://localhost:0?cert=/none"], "asyncio", "No such file"),
        ([TCP, "memory://x"], "processes", "choose another model"),
        (["memory://x", "memory://x"], "asyncio", "served already"),
    ],
)
def test_what_cannot_be_served_leaves_nothing_bound(
    urls: list[str], model: ModelName, says: str
) -> None:
    before = sockets_of(os.getpid())
    live = Live(handlers.native, *urls, model=model)
    with pytest.raises((ConfigurationError, BindError), match=says), live:
        pass
    assert sockets_of(os.getpid()) <= before  # as above
    with Live(handlers.native, "memory://x"):
        pass


@in_loop
async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    before, others = sockets_of(os.getpid()), children_of(os.getpid())
    server = Server(handlers.native, TCP, model="processes")
    start = asyncio.create_task(server.start())
    await asyncio.sleep(0)  # one turn: it waits for its helper now
    (helper,) = set(children_of(os.getpid())) - set(others)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not runs(helper)
    assert sockets_of(os.getpid()) <= before  # as above
    async with server, connect(server.endpoints[0], lines()) as conn:
        await conn.send("echo well")
        assert await conn.receive() == "well"


def time_wait(port: int) -> bool:
    """Whether the system holds a connection of this port in TIME_WAIT, as the one who closed."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "06" for row in rows)


@pytest.mark.parametrize("model", SEVERAL)
def test_a_restart_right_after_closing_binds_at_once(model: ModelName) -> None:
    port = free_port()
    with Live(handlers.native, f"tcp://127.0.0.1:{port}", model=model) as first:
        with first.connect() as peer:
            peer.ask("quit")
            assert peer.rest() == b""
        first.await_event(ConnectionEnded)
    until(lambda: time_wait(port))
    with (
        Live(handlers.native, f"tcp://127.0.0.1:{port}", model=model) as second,
        second.connect() as peer,
    ):
        assert peer.ask("echo again") == "again"


def test_a_server_that_was_stopped_can_be_started_again() -> None:
    live = Live(handlers.native, TCP)
    for _ in range(2):
        with live, live.connect() as peer:
            assert peer.ask("echo on") == "on"
    assert len(live.of(Stopped)) == 2


@in_loop
async def test_a_server_is_an_async_context_manager() -> None:
    told: list[Event] = []
    events = Events()
    events.subscribe(Event, told.append)
    async with (
        Server(handlers.native, "memory://here", events=events) as server,
        connect(server.endpoints[0], lines()) as conn,
    ):
        await conn.send("echo hello")
        assert await conn.receive() == "hello"
    assert isinstance(told[-1], Stopped)


# Limits on connections


@pytest.mark.parametrize("url", STREAMS)
@pytest.mark.parametrize("model", SEVERAL)
def test_past_the_limit_a_peer_is_told_so_and_closed(model: ModelName, url: str) -> None:
    with Live(handlers.native, url, model=model, limits=Limits(connections=1)) as live:
        with live.connect() as first:
            assert first.ask("echo one") == "one"
            for count in (1, 2):
                with live.connect() as second:
                    assert second.line() == FULL
                    assert second.line() == ""
                    refused = live.await_events(Refused, count)
            assert [event.reason for event in refused] == [FULL.removeprefix("error: ")] * 2
            assert refused[0].endpoint == live.endpoints[0]
            assert first.ask("echo still here") == "still here"
            assert live.server.connections == 1
        live.await_event(ConnectionEnded)
        with live.connect() as third:
            assert third.ask("echo three") == "three"
    assert len(live.of(Refused)) == 2
    assert len(live.of(ConnectionOpened)) == len(live.of(ConnectionEnded)) == 2


@pytest.mark.parametrize("model", SEVERAL)
def test_an_address_has_so_many_connections_and_others_have_theirs(model: ModelName) -> None:
    limits = Limits(connections_per_source=2)
    with Live(handlers.native, TCP, model=model, limits=limits) as live:
        peers = [live.connect(), live.connect()]
        with all_closed(peers):
            assert [peer.ask("echo in") for peer in peers] == ["in", "in"]
            with live.connect() as third:
                assert third.line() == "error: too many connections from your address"
                refused = live.await_event(Refused)
                assert refused.peer == third.name
            there = (live.endpoints[0].host, live.endpoints[0].port)
            with socket.create_connection(there, source_address=("127.0.0.2", 0)) as other:
                other.settimeout(PATIENCE)
                other.sendall(b"echo from elsewhere\n")
                assert other.recv(100) == b"from elsewhere\n"
            peers[0].close()
            live.await_events(ConnectionEnded, 2)
            with live.connect() as third:
                assert third.ask("echo now") == "now"
        live.await_events(ConnectionEnded, 4)
        assert live.call(lambda: dict(live.server._admission._sources)) == {}


@needs_ipv6
def test_an_ipv4_address_counts_as_itself_on_a_dual_stack_socket() -> None:
    limits = Limits(connections_per_source=1)
    with Live(handlers.native, "tcp://[::]:0", limits=limits) as live:
        port = live.endpoints[0].port
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("::1", port)):
            live.await_events(ConnectionOpened, 2)
            assert live.call(lambda: dict(live.server._admission._sources)) == {
                "127.0.0.1": 1,
                "::1": 1,
            }


@pytest.mark.parametrize("model", SEVERAL)
def test_a_refusal_reaches_a_peer_that_is_still_sending(model: ModelName) -> None:
    """A close with unread input would reset the connection and destroy the reason."""
    with (
        Live(handlers.native, TCP, model=model, limits=Limits(connections=1)) as live,
        live.connect() as first,
    ):
        first.ask("echo first")
        with live.connect() as second:
            second.sock.setblocking(False)
            for _ in range(12):
                with contextlib.suppress(BlockingIOError):
                    second.sock.send(b"x" * 64 * 1024)
            second.sock.settimeout(PATIENCE)
            live.await_event(Refused)
            second.sock.sendall(b"y" * 64 * 1024)
            assert second.rest() == FULL.encode() + b"\n"


def test_a_refused_peer_that_never_stops_sending_is_cut_off() -> None:
    limits = Limits(connections=1, linger_bytes=100_000)
    with Live(handlers.native, TCP, limits=limits) as live, live.connect() as first:
        first.ask("echo first")
        with live.connect() as second, pytest.raises(ConnectionError):
            second.sock.sendall(b"x" * 64 * 1024 * 1024)


def test_over_tls_a_peer_past_the_limit_is_refused_without_a_handshake(
    certificates: Certificates,
) -> None:
    with (
        Live(handlers.native, certificates.url(), limits=Limits(connections=1)) as live,
        Peer(live.endpoints[0], ca=certificates.ca) as first,
    ):
        assert first.ask("echo first") == "first"
        with pytest.raises(ConnectionError), Peer(plain(live.endpoints[0])) as second:
            second.rest()
        assert live.await_event(Refused).reason == "the server is full; try again later"


# The model's capacity


CAPPED: list[tuple[ModelName, Service[str], Limits]] = [
    ("asyncio", handlers.blocking, Limits(threads=1)),
    ("threads", handlers.native, Limits(threads=1)),
    ("threads", handlers.blocking, Limits(threads=1)),
    ("processes", handlers.native, Limits(processes=1)),
    ("inline", handlers.native, Limits()),
    ("inline", handlers.blocking, Limits()),
    ("inline", handlers.replying, Limits()),
]


@pytest.mark.parametrize(("model", "service", "limits"), CAPPED)
def test_past_the_capacity_connections_wait_in_the_listen_queue_and_are_served_in_turn(
    model: ModelName, service: Service[str], limits: Limits
) -> None:
    with Live(service, TCP, model=model, limits=limits) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            for peer in peers[1:]:
                peer.send("echo waited")  # the system takes it: they are connected
            for number, peer in enumerate(peers):
                if number:
                    assert peer.line() == "waited"
                assert peer.ask(f"echo {number}") == str(number)
                assert [event.number for event in live.of(ConnectionOpened)] == [
                    *range(1, number + 2)
                ]
                assert live.server.connections == 1
                peer.close()
                live.await_events(ConnectionEnded, number + 1)
    assert live.of(Refused) == []
    assert [event.peer for event in live.of(ConnectionOpened)] == [
        event.peer for event in live.of(ConnectionEnded)
    ]


@pytest.mark.parametrize("url", ["memory://queue", "unix:@PID", "unix+seqpacket:@PID"])
def test_they_wait_on_every_transport(url: str) -> None:
    with (
        Live(handlers.blocking, url, model="threads", limits=Limits(threads=1)) as live,
        connect(live.endpoints[0], lines()) as first,
    ):
        first.send("echo one")
        assert first.receive() == "one"
        with connect(live.endpoints[0], lines()) as second:
            second.send("echo two")
            assert len(live.of(ConnectionOpened)) == 1
            first.close()
            assert second.receive(PATIENCE) == "two"


def test_a_datagram_that_gets_the_free_handler_lets_no_stream_past_the_cap() -> None:
    """A handler has become free, and a datagram and two streams wait for it."""
    urls = ["udp://127.0.0.1:0", TCP]
    limits = Limits(threads=1, session_idle=0.2)
    with Live(handlers.blocking, *urls, model="threads", limits=limits) as live:
        first, datagrams = live.connect(1), live.connect(0)
        waiting = [live.connect(1), live.connect(1)]
        with all_closed([first, datagrams, *waiting]):
            assert first.ask("echo first") == "first"
            datagrams.send("echo datagram")
            until(lambda: live.server._listeners[0]._waiting)  # type: ignore[union-attr]
            first.close()
            assert datagrams.line() == "datagram"
            most = 0
            for peer in waiting:
                peer.send("echo stream")
            for peer in waiting:
                assert peer.line() == "stream"  # once the silent session has ended
                most = max(most, live.call(lambda: live.server._handlers))
                peer.close()
            assert most == 1


def test_a_datagram_peer_waits_for_a_handler_too() -> None:
    limits = Limits(threads=1)
    with (
        Live(handlers.blocking, "udp://127.0.0.1:0", model="threads", limits=limits) as live,
        live.connect() as first,
        live.connect() as second,
    ):
        assert first.ask("echo one") == "one"
        second.send("echo two", "echo three")
        assert first.ask("echo on") == "on"
        first.send("quit")
        assert [second.line(), second.line()] == ["two", "three"]


# Handlers


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking, handlers.replying])
@pytest.mark.parametrize("model", SEVERAL)
def test_a_handlers_error_ends_its_own_connection_and_the_peer_learns_nothing_of_it(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as other:
        assert other.ask("echo here") == "here"
        errors = (("fail secret", "ValueError: secret"), ("leave 3", "SystemExit: 3"))
        for count, (command, error) in enumerate(errors, 1):
            with live.connect() as peer:
                assert peer.ask("echo before") == "before"
                peer.send(command, "echo after")
                assert peer.rest() == b""
                failed = live.await_events(HandlerFailed, count)[-1]
                assert failed.error == error
                assert failed.peer == peer.name
                assert "Traceback" in failed.traceback
                assert "handlers.py" in failed.traceback
            ended = live.await_events(ConnectionEnded, count)[-1]
            assert ended.reason == f"its handler failed: {error}"
        assert other.ask("echo still here") == "still here"
    assert len(live.of(HandlerFailed)) == 2


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking, handlers.replying])
@pytest.mark.parametrize("model", ALL)
def test_a_peer_that_breaks_the_protocol_is_told_and_what_it_said_before_is_answered(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as peer:
        peer.sock.sendall(b"echo good\n\xff\xff\n")
        assert peer.line() == "good"
        told = peer.line()
        assert told.startswith("error: ")
        assert peer.rest() == b""
        refused = live.await_event(Refused)
        assert told == f"error: {refused.reason}"
    assert live.of(HandlerFailed) == []
    assert live.of(ConnectionEnded)[0].reason == refused.reason


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking, handlers.replying])
@pytest.mark.parametrize("model", ALL)
def test_a_peer_that_resets_its_connection_is_nobodys_fault(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live:
        with live.connect() as peer:
            assert peer.ask("echo here") == "here"
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ended = live.await_event(ConnectionEnded)
        assert ended.messages_received == ended.messages_sent == 1
    assert [*live.of(HandlerFailed), *live.of(Refused)] == []


@pytest.mark.parametrize("model", ALL)
def test_the_counts_of_a_connection_are_the_same_under_every_model(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live:
        with live.connect() as peer:
            name = peer.name
            assert peer.ask("echo hello") == "hello"
            assert peer.ask("quit") == "done"
            assert peer.rest() == b""
        ended = live.await_event(ConnectionEnded)
        opened = live.of(ConnectionOpened)
    assert opened == [ConnectionOpened(1, live.of(Listening)[0].endpoint, name)]
    assert ended == ConnectionEnded(1, opened[0].endpoint, name, "", 16, 11, 2, 2)


@pytest.mark.parametrize("url", [TCP, "udp://127.0.0.1:0"])
@pytest.mark.parametrize("model", ALL)
def test_messages_are_events_while_somebody_subscribes_to_them(model: ModelName, url: str) -> None:
    events = Events()
    told: list[tuple[str, Any]] = []
    news = threading.Condition()

    def tell(event: MessageReceived | MessageSent) -> None:
        with news:
            told.append((type(event).__name__, event.message))
            news.notify()

    events.subscribe(MessageReceived, tell)
    events.subscribe(MessageSent, tell)
    with Live(handlers.native, url, model=model, events=events) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        assert peer.ask("echo 你好") == "你好"
        with news:
            assert news.wait_for(lambda: len(told) == 4, PATIENCE)
    assert told == [
        ("MessageReceived", "echo hello"),
        ("MessageSent", "hello"),
        ("MessageReceived", "echo 你好"),
        ("MessageSent", "你好"),
    ]


# TLS


@pytest.mark.parametrize("model", ALL)
def test_tls_is_served(model: ModelName, certificates: Certificates) -> None:
    with Live(handlers.native, certificates.url(), model=model) as live:
        with Peer(live.endpoints[0], ca=certificates.ca) as peer:
            assert peer.ask("echo secret") == "secret"
            assert peer.ask("local").startswith("tls://127.0.0.1:")
        ended = live.await_event(ConnectionEnded)
        assert (ended.messages_received, ended.messages_sent) == (2, 2)


@pytest.mark.parametrize("model", ALL)
def test_a_peer_that_speaks_no_tls_is_an_event_and_frees_its_handler(
    model: ModelName, certificates: Certificates
) -> None:
    limits = Limits(threads=1, processes=1)
    with Live(handlers.native, certificates.url(), model=model, limits=limits) as live:
        with Peer(plain(live.endpoints[0])) as peer:
            peer.send("GET / HTTP/1.1", "")
            with contextlib.suppress(ConnectionError):
                peer.rest()
            assert "does not speak TLS" in live.await_event(Refused).reason
        with Peer(live.endpoints[0], ca=certificates.ca) as peer:
            assert peer.ask("echo next") == "next"


def plain(endpoint: Endpoint) -> Endpoint:
    """The same place, for one that knows nothing of TLS."""
    return Endpoint(Transport.TCP, endpoint.host, endpoint.port)


@pytest.mark.parametrize("model", SEVERAL)
def test_a_handshake_has_its_time(model: ModelName, certificates: Certificates) -> None:
    limits = Limits(handshake=0.1, threads=1, processes=1)
    with Live(handlers.native, certificates.url(), model=model, limits=limits) as live:
        with Peer(plain(live.endpoints[0])) as silent:
            assert live.await_event(Refused).reason == "no TLS handshake within 0.1 s"
            with contextlib.suppress(ConnectionError):
                assert silent.rest() == b""
        with Peer(live.endpoints[0], ca=certificates.ca) as peer:
            assert peer.ask("echo next") == "next"


# Stopping

IDLE: list[tuple[ModelName, Service[str]]] = [
    *((model, handlers.native) for model in ALL),
    ("asyncio", handlers.blocking),
    ("asyncio", handlers.replying),
    ("threads", handlers.blocking),
    ("processes", handlers.blocking),
]


def slowly(live: Live, peer: Peer) -> threading.Thread:
    """Begin to stop, with one connection there; back once the server drains."""
    stopping = threading.Thread(target=live.stop)
    stopping.start()
    live.await_event(Draining)
    return stopping


class Pausing:
    """A handler that answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.ended = threading.Event()
        self.heard: list[str] = []

    async def native(self, conn: Connection[str]) -> None:
        async for line in conn:
            self.heard.append(line)
            await conn.send(f"got {line}")
            await asyncio.to_thread(self.go.wait, PATIENCE)
        await conn.send("bye")
        self.ended.set()

    def blocking(self, conn: BlockingConnection[str]) -> None:
        for line in conn:
            self.heard.append(line)
            conn.send(f"got {line}")
            self.go.wait(PATIENCE)
        conn.send("bye")
        self.ended.set()


@pytest.mark.parametrize("kind", ["native", "blocking"])
@pytest.mark.parametrize("model", ["asyncio", "threads", "inline"])
def test_stopping_lets_handlers_finish_with_what_was_read(model: ModelName, kind: str) -> None:
    pausing = Pausing()
    service = Service("pausing", getattr(pausing, kind), lines())
    with Live(service, TCP, model=model) as live, live.connect() as peer:
        peer.sock.sendall(b"one\ntwo\nthree\n")
        assert peer.line() == "got one"
        stopping = slowly(live, peer)
        assert live.of(Draining) == [Draining(1, 5.0)]
        with live.connect() as late:
            pausing.go.set()
            assert peer.rest() == b"got two\ngot three\nbye\n"
            peer.close()
            stopping.join(PATIENCE)
            with pytest.raises(ConnectionResetError):  # nobody new: it waited with the others
                late.rest()
        assert pausing.heard == ["one", "two", "three"]
        assert live.of(Cut) == []
        assert isinstance(live.told[-1], Stopped)


@pytest.mark.parametrize("url", [TCP, "unix+seqpacket:@PID", "udp://127.0.0.1:0"])
@pytest.mark.parametrize(("model", "service"), IDLE)
def test_idle_connections_end_at_once_when_a_server_stops(
    model: ModelName, service: Service[str], url: str
) -> None:
    live = Live(service, url, model=model, drain=PATIENCE)
    with live, live.connect() as peer:
        assert peer.ask("echo here") == "here"
        assert live.server.connections == 1
        stopping = slowly(live, peer)
        if url != "udp://127.0.0.1:0":
            assert peer.line() == ""
            peer.close()
        stopping.join(PATIENCE / 2)
        assert not stopping.is_alive()
        assert live.server.connections == 0
    assert live.of(Cut) == []
    assert len(live.of(ConnectionEnded)) == 1


def is_stuck(peer: Peer) -> None:
    """Have its handler wait for ever: what it was told in the same read as this has been read."""
    peer.sock.sendall(b"echo here\nwait\n")
    assert peer.line() == "here"


@pytest.mark.some(2)
@pytest.mark.parametrize("model", ["asyncio", "threads", "processes", "inline"])
def test_at_the_deadline_who_is_still_there_is_named_and_cut(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        is_stuck(peer)
        with contextlib.suppress(ConnectionError):
            live.stop(0.2)
            peer.rest()
        assert live.of(Cut) == [Cut((peer.name,))]
        (ended,) = live.of(ConnectionEnded)
        assert ended.reason == "cut at the deadline"
        assert live.told[-1] == Stopped()


class Holding:
    """A handler that is stuck in a thread until the test lets it go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closes = False

    def __call__(self, conn: BlockingConnection[str]) -> None:
        conn.send(conn.receive())
        if self.closes:
            conn.close()
        self.go.wait(PATIENCE)


@pytest.mark.some(1)
@pytest.mark.parametrize("closes", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("model", ["asyncio", "threads", "inline"])
def test_a_stuck_thread_is_named_and_left_behind(model: ModelName, closes: bool) -> None:
    """It cannot be killed: its socket is shut, it is named, and the server ends without it."""
    holding = Holding()
    holding.closes = closes
    with Live(Service("holding", holding, lines()), TCP, model=model) as live:
        with live.connect() as peer:
            assert peer.ask("hello") == "hello"
            name = peer.name
            if closes:
                assert peer.rest() == b""
                peer.close()
                live.await_event(ConnectionEnded)
            live.stop(0.1)
            assert live.of(Cut) == [Cut((name,))]
            if not closes:
                with pytest.raises(ConnectionResetError):
                    peer.rest()
        holding.go.set()
        until(lambda: not any(t.name.startswith("holding") for t in threading.enumerate()))


class Stubborn:
    """A handler that does not let itself be cancelled."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, conn: Connection[str]) -> None:
        await conn.send("here")
        while not self.go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.go.wait()


def test_a_task_that_will_not_be_cancelled_is_left_behind() -> None:
    stubborn = Stubborn()
    with Live(Service("stubborn", stubborn, lines()), TCP) as live, live.connect() as peer:
        assert peer.line() == "here"
        live.stop(0.1)
        assert live.of(Cut) == [Cut((peer.name,))]
        assert live.told[-1] == Stopped()
        live.call(stubborn.go.set)
        until(lambda: not live.call(lambda: live.server._model._tasks._running))  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", ALL)
def test_cut_ends_the_wait_at_once(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        live.call(live.server.cut)  # not stopping yet: nothing happens
        is_stuck(peer)
        stopping = threading.Thread(target=live.stop, args=(3600,))
        stopping.start()
        live.await_event(Draining)
        until(lambda: live.server._quiet is not None)
        live.call(live.server.cut)
        live.call(live.server.cut)  # cutting twice is cutting once
        stopping.join(PATIENCE)
        assert not stopping.is_alive()
        assert live.of(Cut) == [Cut((peer.name,))]


def test_stopping_twice_is_stopping_once() -> None:
    with Live(handlers.native, TCP) as live:
        live.stop()
        live.stop()
    assert len(live.of(Stopped)) == 1
    server = Server(handlers.native, TCP)
    asyncio.run(server.stop())  # never started
    assert server.connections == 0


def test_a_datagram_while_the_server_stops_begins_nothing() -> None:
    holding = Holding()
    urls = ["udp://127.0.0.1:0", "memory://held"]
    with (
        Live(Service("holding", holding, lines()), *urls, model="threads") as live,
        live.connect(0) as first,
        live.connect(0) as late,
    ):
        assert first.ask("hello") == "hello"
        stopping = slowly(live, first)
        late.send("too late")
        until(lambda: read_all(live))
        holding.go.set()
        stopping.join(PATIENCE)
        assert len(live.of(ConnectionOpened)) == 1
        with pytest.raises(JackfieldError):
            connect("memory://held").open()


def read_all(live: Live) -> bool:
    """Whether the datagram socket's queue is empty: /proc/net/udp's rx_queue."""
    port = f":{live.endpoints[0].port:04X}"
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return all(row[4].endswith(":00000000") for row in rows if row[1].endswith(port))


def test_a_room_needs_several_streams_and_inline_has_one_at_a_time() -> None:
    room: Room[str] = Room("hall")

    async def hall(conn: Connection[str]) -> None:
        room.join(conn)
        async for line in conn:
            room.publish(line)

    service = Service("hall", hall, lines(), joins_rooms=True)
    with pytest.raises(ConfigurationError) as caught, Live(service, TCP, model="inline"):
        pass
    assert str(caught.value) == (
        "hall needs several connections at a time, and under inline a stream has one; "
        "choose --model asyncio, threads or processes"
    )
    with (
        Live(service, "udp://127.0.0.1:0", model="inline") as live,
        live.connect() as one,
        live.connect() as other,
    ):
        assert one.ask("hello") == "hello"
        assert other.ask("hi") == "hi"
        assert one.line() == "hi"


# What the system refuses


def test_no_thread_for_a_handler_ends_that_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Live(handlers.blocking, TCP, model="threads", limits=Limits(threads=1)) as live:
        with monkeypatch.context() as patch:
            patch.setattr(threading, "Thread", NoThread)
            with live.connect() as peer:
                assert (
                    peer.rest() == b"error: the server has no room for another; try again later\n"
                )
        assert (
            live.await_event(Refused).reason
            == "the server has no room for another; try again later"
        )
        with live.connect() as peer:
            assert peer.ask("echo again") == "again"


class NoThread:
    def __init__(self, **_: object) -> None: ...

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_subscriber_that_fails_holds_no_handler() -> None:
    events = Events()

    def fail(_: HandlerFailed) -> None:
        raise OSError(errno.ENOSPC, "no space")

    events.subscribe(HandlerFailed, fail)
    live = Live(handlers.blocking, TCP, model="threads", limits=Limits(threads=1), events=events)
    with live:
        with live.connect() as peer:
            peer.send("fail now")
            until(lambda: live.broken)
        with live.connect() as peer:
            assert peer.ask("echo next") == "next"
        live.broken.clear()


@in_loop
async def test_a_connection_ended_by_the_server_ends_for_its_client() -> None:
    async with Server(handlers.native, "memory://end") as server:
        conn = await connect(server.endpoints[0], lines())
        stopping = asyncio.create_task(server.stop())
        with pytest.raises(EndOfStream):
            await conn.receive()
        await conn.close()
        await stopping


@pytest.mark.parametrize("patient", [True, False])
def test_a_refusal_is_waited_for_when_the_server_stops(patient: bool) -> None:
    with (
        Live(handlers.native, TCP, limits=Limits(connections=1)) as live,
        live.connect() as first,
        live.connect() as second,
    ):
        first.ask("echo first")
        refused = live.await_event(Refused)
        first.send("quit")
        assert first.rest() == b"done\n"
        first.close()
        stopping = threading.Thread(target=live.stop, args=(PATIENCE if patient else 0,))
        stopping.start()
        live.await_event(Draining)
        if patient:
            assert second.rest().decode() == f"error: {refused.reason}\n"
            second.close()
        stopping.join(PATIENCE)
        assert live.of(Cut) == []  # it was not served, so it cannot be cut
