"""Peers of HTTP that keep somebody waiting. With the limits as they are, a proof shows the same."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jackfield.events import ConnectionEnded, HandlerFailed, Refused, RequestAnswered
from jackfield.framing.http import HTTP
from jackfield.http.exchange import Exchange, serve
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net import deadlines
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.web import make
from tests.live import Live

TCP = "tcp://127.0.0.1:0"
LONG = Limits(first_message=60, idle=60, message_time=60, write_time=60, linger_time=0.05)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"

MODELS: list[ModelName] = ["asyncio", "threads", "processes", "inline"]


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of `processes` look as often as they always do."""
    monkeypatch.setattr(deadlines, "TICK", 0.02)


async def echo(conn: Connection[Any]) -> None:
    """Give each body back."""

    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, await exchange.read())

    await serve(conn, answer)


ECHO = Service("echo", echo, HTTP())


def told(live: Live) -> list[str]:
    """Which limits were passed, once the connection is over."""
    live.await_event(ConnectionEnded)
    assert live.of(HandlerFailed) == []
    return [event.limit for event in live.of(Refused)]


def statuses(data: bytes) -> list[bytes]:
    return [part[:3] for part in data.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.some(1)
@pytest.mark.parametrize("model", MODELS)
def test_a_half_sent_head_is_408(model: ModelName) -> None:
    limits = replace(LONG, message_time=0.2)
    with Live(make(hello="x"), TCP, model=model, limits=limits) as live, live.connect() as peer:
        peer.sock.sendall(GET)
        reply = peer.rest()
        assert statuses(reply) == [b"408"]
        assert b"Connection: close\r\n" in reply
        assert told(live) == ["message_time"]


def test_a_half_sent_body_is_408() -> None:
    with Live(ECHO, TCP, limits=replace(LONG, message_time=0.2)) as live, live.connect() as peer:
        peer.sock.sendall(POST + b"12345")
        assert statuses(peer.rest()) == [b"408"]
        assert told(live) == ["message_time"]


def test_one_that_was_answered_already_is_closed_without_a_word() -> None:
    """The peer would take the word for the answer to its next request."""
    limits = replace(LONG, message_time=0.2)
    with Live(make(hello="x"), TCP, limits=limits) as live, live.connect() as peer:
        peer.sock.sendall(POST + b"12345")
        assert statuses(peer.rest()) == [b"405"]
        assert told(live) == ["message_time"]


@pytest.mark.some(1)
@pytest.mark.parametrize("model", MODELS)
def test_who_says_nothing_is_closed_and_nobody_is_told(model: ModelName) -> None:
    limits = replace(LONG, first_message=0.2)
    with Live(make(hello="x"), TCP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.rest() == b""
        assert told(live) == []


@pytest.mark.some(1)
@pytest.mark.parametrize("model", MODELS)
def test_so_is_who_says_nothing_more(model: ModelName) -> None:
    limits = replace(LONG, idle=0.2)
    with Live(make(hello="x"), TCP, model=model, limits=limits) as live, live.connect() as peer:
        peer.sock.sendall(GET + b"\r\n" + GET + b"\r\n")
        assert statuses(peer.rest()) == [b"200", b"200"]
        assert told(live) == []


def test_empty_lines_are_no_sign_of_life() -> None:
    """Nothing comes of them, so it is as if nothing had come at all."""
    limits = replace(LONG, first_message=0.3)
    with Live(make(hello="x"), TCP, limits=limits) as live, live.connect() as peer:
        with dripping(peer.sock, b"\r\n"), contextlib.suppress(ConnectionResetError):
            assert peer.rest() == b""
        assert told(live) == []


@contextlib.contextmanager
def dripping(sock: socket.socket, data: bytes, every: float = 0.01) -> Iterator[None]:
    """Send the same bytes again and again."""
    end = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            while not end.wait(every):
                sock.sendall(data)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_head_that_drips_is_408() -> None:
    limits = replace(LONG, message_time=0.3, message_rate=100_000)
    with Live(make(hello="x"), TCP, limits=limits) as live, live.connect() as peer:
        peer.sock.sendall(GET)
        with dripping(peer.sock, b"X: y\r\n"):
            assert peer.sock.recv(100).startswith(b"HTTP/1.1 408 ")
        assert told(live) == ["message_time"]


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_drips_is_408(in_chunks: bool) -> None:
    limits = replace(LONG, message_time=0.3, message_rate=100_000)
    with Live(ECHO, TCP, limits=limits) as live, live.connect() as peer:
        chunked = POST.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked")
        peer.sock.sendall(chunked if in_chunks else POST.replace(b" 10", b" 1000000"))
        with dripping(peer.sock, b"1\r\nx\r\n" if in_chunks else b"x"):
            assert peer.sock.recv(100).startswith(b"HTTP/1.1 408 ")
        assert told(live) == ["message_time"]


def test_a_body_that_comes_slowly_is_taken() -> None:
    """Ten bytes a second are allowed beside the time for the message."""
    limits = replace(LONG, message_time=0.5, message_rate=10)
    size = 60 * 20
    with Live(ECHO, TCP, limits=limits) as live, live.connect() as peer:
        peer.sock.sendall(
            POST.replace(b" 10", b" %d" % size).replace(b"Host", b"Connection: close\r\nHost")
        )
        pause = threading.Event()
        for _ in range(60):
            peer.sock.sendall(b"x" * 20)
            pause.wait(0.01)
        assert peer.rest().endswith(b"\r\n\r\n" + b"x" * size)
        assert told(live) == []


@pytest.mark.parametrize("size", [200_000, 8_000_000])
def test_one_that_takes_nothing_is_cut(tmp_path: Path, size: int) -> None:
    """A small file's peer fills the system's buffers by asking again."""
    (tmp_path / "a").write_bytes(b"x" * size)
    limits = replace(LONG, write_time=0.2)
    with Live(make(folder=str(tmp_path)), TCP, limits=limits) as live, live.connect() as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
        peer.sock.sendall(ask * (60 if size < 1_000_000 else 1))
        assert told(live) == ["write_time"]
        assert live.await_event(RequestAnswered).status == 200


def test_no_time_runs_while_an_answer_is_on_its_way() -> None:
    """A handler may take as long as it likes, and a peer that reads may be slow."""
    wait = threading.Event()

    def slow(_: int) -> bytes:
        wait.wait(0.6)
        return b"at last"

    async def handler(conn: Connection[Any]) -> None:
        async def answer(exchange: Exchange) -> None:
            loop = conn.io_loop
            await exchange.respond(200, await loop.in_thread(lambda: slow(0)))

        await serve(conn, answer)

    limits = replace(LONG, first_message=0.2, idle=0.2, message_time=0.2)
    with (
        Live(Service("slow", handler, HTTP()), TCP, limits=limits) as live,
        live.connect() as peer,
    ):
        peer.sock.sendall(GET + b"Connection: close\r\n\r\n")
        assert peer.rest().endswith(b"at last")
        assert told(live) == []


def test_a_full_server_says_503() -> None:
    with (
        Live(make(hello="x"), TCP, limits=replace(LONG, connections=1)) as live,
        live.connect() as first,
    ):
        first.sock.sendall(GET + b"\r\n")
        assert first.sock.recv(100).startswith(b"HTTP/1.1 200 ")
        with live.connect() as second:
            reply = second.rest()
            assert statuses(reply) == [b"503"]
            assert b"the server is full; try again later\n" in reply
