"""Peers that keep somebody waiting: silent ones, dripping ones, and those that take nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import replace

import pytest

from jackfield.events import ConnectionEnded, ConnectionOpened, HandlerFailed, Refused
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net import deadlines
from jackfield.net.connection import Connection
from jackfield.service import Service
from tests import handlers
from tests.certificates import Certificates
from tests.live import ALL, SEVERAL, Live, Peer, until

TCP = "tcp://127.0.0.1:0"
LONG = Limits(first_message=60, idle=60, message_time=60, write_time=60, linger_time=0.05)

services = pytest.mark.parametrize("service", [handlers.native, handlers.blocking])


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of `processes` look as often as they always do."""
    monkeypatch.setattr(deadlines, "TICK", 0.02)


def refused(live: Live) -> tuple[str, str]:
    """Which limit was passed, and what was said of it: one event, and no other."""
    live.await_event(ConnectionEnded)
    (event,) = live.of(Refused)
    assert live.of(HandlerFailed) == []
    assert live.of(ConnectionEnded)[0].reason == event.reason
    return event.limit, event.reason


@pytest.mark.some(1)
@services
@pytest.mark.parametrize("model", ALL)
def test_one_that_says_nothing_is_told_so_and_closed(
    model: ModelName, service: Service[str]
) -> None:
    limits = replace(LONG, first_message=0.1)
    with Live(service, TCP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.line() == "error: no message came within 0.1 s"
        assert peer.line() == ""
        assert refused(live) == ("first_message", "no message came within 0.1 s")


@pytest.mark.parametrize("url", ["unix:@PID", "unix+seqpacket:@PID", "tls"])
def test_so_over_every_transport_that_has_connections(url: str, certificates: Certificates) -> None:
    limits = replace(LONG, first_message=0.1)
    url = certificates.url() if url == "tls" else url
    with (
        Live(handlers.native, url, limits=limits) as live,
        Peer(live.endpoints[0], ca=certificates.ca) as peer,
    ):
        assert peer.line() == "error: no message came within 0.1 s"
        assert refused(live)[0] == "first_message"


@pytest.mark.some(1)
@services
@pytest.mark.parametrize("model", ALL)
def test_one_that_says_nothing_more_is_too(model: ModelName, service: Service[str]) -> None:
    limits = replace(LONG, idle=0.4)
    with Live(service, TCP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        assert peer.line() == "error: nothing came for 0.4 s"
        assert refused(live)[0] == "idle"


def test_a_reply_waits_no_longer_either() -> None:
    limits = replace(LONG, idle=0.3)
    with Live(handlers.replying, TCP, limits=limits) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        assert peer.line() == "error: nothing came for 0.3 s"
        assert refused(live)[0] == "idle"


@pytest.mark.some(1)
@services
@pytest.mark.parametrize("model", ALL)
def test_a_message_that_drips_is_ended(model: ModelName, service: Service[str]) -> None:
    limits = replace(LONG, message_time=0.2, message_rate=1000)
    with Live(service, TCP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        drip = threading.Thread(target=_drip, args=(peer.sock,))
        drip.start()
        assert peer.line().startswith("error: a message was not whole after ")
        drip.join()
        assert refused(live)[0] == "message_time"


def _drip(sock: socket.socket) -> None:
    pause = threading.Event()
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(b"x")
            pause.wait(0.01)


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_a_long_message_that_comes_slowly_is_not(model: ModelName) -> None:
    limits = replace(LONG, message_time=0.2, message_rate=10)
    pause = threading.Event()
    with Live(handlers.native, TCP, model=model, limits=limits) as live, live.connect() as peer:
        for _ in range(60):
            peer.sock.sendall(b"x" * 100)
            pause.wait(0.01)
        assert peer.ask("") == "done"
        assert live.of(Refused) == []


def test_a_stream_after_a_header_may_not_drip_and_may_be_slow() -> None:
    async def takes(conn: Connection[str]) -> None:
        size = int(await conn.receive())
        while size:
            size -= len(await conn.receive_chunk(size))
        await conn.send("taken")

    limits = replace(LONG, message_time=0.5, message_rate=100)
    with Live(Service("takes", takes, lines()), TCP, limits=limits) as live:
        pause = threading.Event()
        with live.connect() as slow:
            slow.send("6000")
            for _ in range(60):
                slow.sock.sendall(b"x" * 100)
                pause.wait(0.01)
            assert slow.line() == "taken"
        assert live.of(Refused) == []
        with live.connect() as silent:
            silent.send("6000")
            assert silent.line().startswith("error: a message was not whole after ")
        assert live.await_event(Refused).limit == "message_time"


@pytest.mark.parametrize(
    ("model", "service"), [("asyncio", "a"), ("threads", "b"), ("inline", "a")]
)
def test_one_that_takes_nothing_is_cut(model: ModelName, service: str) -> None:
    async def chatter(conn: Connection[str]) -> None:
        while True:
            await conn.send("x" * 1000)

    talks = {
        "a": Service("chatter", chatter, lines()),
        "b": Service("chatter", _chatter, lines()),
    }
    limits = replace(LONG, write_time=0.1)
    with Live(talks[service], TCP, model=model, limits=limits) as live, live.connect():
        assert refused(live) == ("write_time", "it took nothing for 0.1 s")


def _chatter(conn: object) -> None:
    while True:
        conn.send("x" * 1000)  # type: ignore[attr-defined]  # a BlockingConnection


def test_likewise_under_processes() -> None:
    service = handlers.lines_of(handlers.chatter)
    limits = replace(LONG, write_time=0.1)
    with (
        Live(service, TCP, model="processes", limits=limits) as live,
        live.connect() as peer,
    ):
        peer.send("go")
        assert refused(live) == ("write_time", "it took nothing for 0.1 s")


def test_a_reader_that_is_only_slow_is_not() -> None:
    async def much(conn: Connection[str]) -> None:
        for _ in range(6000):
            await conn.send("x" * 999)

    limits = replace(LONG, write_time=0.5)
    pause = threading.Event()
    with Live(Service("much", much, lines()), TCP, limits=limits) as live, live.connect() as peer:
        live.await_event(ConnectionOpened)
        (conn,) = live.server._live.values()
        until(lambda: conn.is_blocked)
        read = 0
        for _ in range(100):
            read += len(peer.sock.recv(10_000))
            pause.wait(0.01)
        assert conn.is_blocked  # all that time: what the system holds has not made room
        assert live.of(Refused) == []
        while read < 6_000_000:
            read += len(peer.sock.recv(1 << 20))
        assert live.of(Refused) == []


@pytest.mark.long
@pytest.mark.parametrize("model", ["asyncio", "threads"])
def test_no_time_runs_while_it_is_the_handler_that_is_waited_for(model: ModelName) -> None:
    async def slow(conn: Connection[str]) -> None:
        await asyncio.sleep(0.4)
        await conn.send("begin")
        async for line in conn:
            await asyncio.sleep(0.4)
            await conn.send(line)
            if line == "half":
                return

    limits = Limits(first_message=0.2, idle=0.2, message_time=0.2, message_rate=10**9)
    with (
        Live(Service("slow", slow, lines()), TCP, model=model, limits=limits) as live,
        live.connect() as peer,
    ):
        peer.sock.sendall(b"one\ntwo\nhal")
        assert [peer.line(), peer.line()] == ["begin", "one"]
        peer.sock.sendall(b"f\n")
        assert [peer.line(), peer.line()] == ["two", "half"]
        assert live.of(Refused) == []


@pytest.mark.long
@pytest.mark.parametrize("model", ["asyncio", "processes"])
def test_where_silence_is_normal_keep_alive_looks_after_it(model: ModelName) -> None:
    service = replace(handlers.native, silent=True)
    limits = replace(LONG, first_message=0.1, idle=0.1, message_time=0.1)
    pause = threading.Event()
    with Live(service, TCP, model=model, limits=limits) as live, live.connect() as peer:
        pause.wait(1.2 if model == "processes" else 0.3)
        assert peer.ask("echo here") == "here"
        assert peer.ask(f"option {socket.SOL_SOCKET} {socket.SO_KEEPALIVE}") == "1"
        assert peer.ask(f"option {socket.IPPROTO_TCP} {socket.TCP_KEEPIDLE}") == "30"
        assert peer.ask(f"option {socket.IPPROTO_TCP} {socket.TCP_USER_TIMEOUT}") == "60000"
        assert live.of(Refused) == []
        peer.sock.sendall(b"half")  # but what has begun is to be whole in time
        assert peer.line().startswith("error: a message was not whole")
