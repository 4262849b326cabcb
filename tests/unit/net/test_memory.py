from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import Endpoint, parse
from jackfield.errors import AddressInUse, ConnectRefused, EndOfStream, PeerLost
from jackfield.framing import lines
from jackfield.net import memory
from jackfield.net.connection import Connection
from jackfield.net.ioloop import current
from jackfield.net.memory import CAPACITY, MemoryListener, MemorySocket, pair
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.live import PATIENCE, Live, in_loop

HERE = parse("memory://here")


# A pair is what two sockets that do not block are


def test_what_one_sends_the_other_receives() -> None:
    one, other = pair("x")
    assert one.getsockname() == other.getsockname() == "x"
    assert one.fileno() == -1
    one.setsockopt(1, 2, 3)
    assert one.send(b"hello ") == 6
    assert one.send(memoryview(b"world")) == 5
    assert other.recv(3) == b"hel"
    assert other.recv(100) == b"lo world"
    assert other.send(b"back") == 4
    assert one.recv(100) == b"back"


def test_nothing_to_read_and_no_room_are_told() -> None:
    one, other = pair()
    with pytest.raises(BlockingIOError):
        one.recv(1)
    assert one.send(b"x" * (CAPACITY + 10)) == CAPACITY
    with pytest.raises(BlockingIOError):
        one.send(b"y")
    assert len(other.recv(10)) == 10
    assert one.send(b"y" * 100) == 10


def test_half_an_end_ends_one_direction() -> None:
    one, other = pair()
    one.send(b"last")
    one.shutdown(1)
    assert other.recv(100) == b"last"
    assert other.recv(100) == b""
    assert other.recv(100) == b""
    other.send(b"answer")
    assert one.recv(100) == b"answer"
    with pytest.raises(BrokenPipeError):
        one.send(b"more")


def test_a_closed_end_ends_both() -> None:
    one, other = pair()
    one.send(b"last")
    one.close()
    one.close()
    assert other.recv(100) == b"last"
    assert other.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        other.send(b"more")


class Watching:
    """Notes when a memory socket is ready; reads or writes a little each time."""

    def __init__(self, sock: MemorySocket) -> None:
        self.sock = sock
        self.read: list[bytes] = []
        self.written = 0

    def on_read(self) -> None:
        self.read.append(self.sock.recv(4))

    def on_write(self) -> None:
        self.written += self.sock.send(b"x" * 10_000)


@in_loop
async def test_a_reader_is_called_as_long_as_there_is_something() -> None:
    io = current()
    one, other = pair()
    watching = Watching(other)
    one.send(b"0123456789")
    other.watch_read(io, watching.on_read)
    assert watching.read == []  # never from inside another call
    for _ in range(10):
        await asyncio.sleep(0)
    assert watching.read == [b"0123", b"4567", b"89"]
    one.send(b"ab")
    one.send(b"cd")
    other.watch_read(io, None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(watching.read) == 3
    other.watch_read(io, watching.on_read)
    one.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert watching.read[3:5] == [b"abcd", b""]
    other.close()


@in_loop
async def test_a_writer_is_called_when_there_is_room() -> None:
    io = current()
    one, other = pair()
    watching = Watching(one)
    one.send(b"y" * CAPACITY)
    one.watch_write(io, watching.on_write)
    await asyncio.sleep(0)
    assert watching.written == 0
    other.recv(5_000)
    await asyncio.sleep(0)
    assert watching.written == 5_000
    other.recv(100)
    one.watch_write(io, None)
    await asyncio.sleep(0)
    assert watching.written == 5_000
    one.close()
    other.close()


@in_loop
async def test_a_writer_is_told_that_nobody_reads_any_more() -> None:
    io = current()
    one, other = pair()
    told: list[str] = []
    one.send(b"y" * CAPACITY)
    one.watch_write(io, lambda: told.append("ready"))
    other.close()
    await asyncio.sleep(0)
    assert told == ["ready"]
    one.close()


def test_a_loop_that_is_closed_is_told_nothing() -> None:
    one, other = pair()

    async def main() -> None:
        other.watch_read(current(), lambda: None)

    asyncio.run(main())
    one.send(b"hello")  # from this thread, which has no loop
    thread = threading.Thread(target=one.send, args=(b"hello",))
    thread.start()
    thread.join(PATIENCE)
    assert other.recv(100) == b"hellohello"


# Names in this process


@in_loop
async def test_a_name_is_for_one_listener_and_is_given_back() -> None:
    accepted: list[tuple[Endpoint, MemorySocket, Any]] = []
    listener = MemoryListener(current(), HERE, lambda *args: accepted.append(args))
    with pytest.raises(AddressInUse) as caught:
        MemoryListener(current(), HERE, lambda *_: None)
    assert str(caught.value) == "memory://here is served already in this process"
    first = memory.connect(HERE)
    await asyncio.sleep(0)
    assert accepted == []  # not open yet: it waits
    listener.open()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ((endpoint, sock, address),) = accepted
    assert (endpoint, address) == (HERE, None)
    first.send(b"hello")
    assert sock.recv(100) == b"hello"
    listener.suspend()
    waiting = memory.connect(HERE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(accepted) == 1
    listener.close()
    assert waiting.recv(100) == b""  # turned away
    with pytest.raises(ConnectRefused, match="nobody listens there in this process"):
        memory.connect(HERE)
    MemoryListener(current(), HERE, lambda *_: None).close()
    for one in (first, sock, waiting):
        one.close()


def test_a_connection_in_memory_is_one_like_any_other() -> None:
    with Live(handlers.native, HERE) as live:
        with connect(HERE, lines()) as conn:
            for text in ("hello", "x" * 60_000):
                conn.send(f"echo {text}")
                assert conn.receive(PATIENCE) == text
            conn.send("peer")
            assert conn.receive(PATIENCE) == "memory://"
            assert str(conn.peer) == "memory://here"
            assert conn.fileno() == -1
            assert conn.credentials is None
        live.stop()
        with pytest.raises(ConnectRefused):
            connect(HERE).open()


@in_loop
async def test_back_pressure_and_half_an_end_work_in_memory() -> None:
    async def handler(conn: Connection[str]) -> None:
        received = [line async for line in conn]
        await conn.send(str(sum(map(len, received))))

    async with (
        Server(Service("sum", handler, lines()), HERE),
        connect(HERE, lines()) as conn,
    ):
        for _ in range(100):
            await conn.send("x" * 10_000)
        await conn.send_eof()
        assert await conn.receive() == "1000000"
        with pytest.raises(EndOfStream):
            await conn.receive()


@in_loop
async def test_an_abort_is_a_loss_for_who_sends_to_it() -> None:
    async def handler(conn: Connection[str]) -> None:
        conn.abort()

    async with (
        Server(Service("abort", handler, lines()), HERE),
        connect(HERE, lines()) as conn,
    ):
        with pytest.raises(EndOfStream):
            await conn.receive()
        await conn.send("anybody?")  # as over TCP, it is this one that finds out
        with pytest.raises(PeerLost):
            await conn.send("anybody?")
