from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from typing import cast

import pytest

from jackfield.net import ioloop
from jackfield.net.ioloop import IOLoop, current, new_event_loop
from jackfield.net.memory import pair
from tests.live import PATIENCE, in_loop

Pair = tuple[socket.socket, socket.socket]

ALL = [asyncio.SelectorEventLoop, new_event_loop]


@in_loop
async def test_there_is_one_for_each_event_loop() -> None:
    io = current()
    assert current() is io
    assert io.loop is asyncio.get_running_loop()
    assert io.thread == threading.get_ident()
    others: list[IOLoop] = []

    def elsewhere() -> None:
        async def main() -> None:
            others.append(current())

        asyncio.run(main())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(PATIENCE)
    assert others[0] is not io
    assert others[0].thread != io.thread


def test_without_a_running_loop_there_is_none() -> None:
    with pytest.raises(RuntimeError):
        current()


def test_those_of_closed_loops_are_forgotten() -> None:
    """A handler in a thread has a loop of its own: each that connects somewhere makes one."""

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        current()
        return weakref.ref(asyncio.get_running_loop())

    gc.collect()
    before = sum(loop.is_closed() for loop in ioloop._loops)  # some other test may have kept one
    with asyncio.Runner() as runner:
        first = runner.run(main())
    for _ in range(3):
        with asyncio.Runner() as runner:
            runner.run(main())
    gc.collect()
    assert first() is None
    assert sum(loop.is_closed() for loop in ioloop._loops) < before + 2


@in_loop
async def test_done_is_done_and_costs_no_turn_of_the_loop() -> None:
    io = current()
    turns: list[int] = []
    io.call_soon(turns.append, 1)
    for _ in range(10):
        await io.done
    assert turns == []


class Dirty:
    def __init__(self, io: IOLoop, again: bool = False) -> None:
        self.io = io
        self.again = again
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1
        if self.again:
            self.again = False
            self.io.flush_soon(self)


@in_loop
async def test_what_waits_is_flushed_once_this_turn_is_over() -> None:
    io = current()
    dirty = [Dirty(io), Dirty(io), Dirty(io, again=True)]
    for connection in dirty:
        io.flush_soon(connection)
    assert [connection.flushed for connection in dirty] == [0, 0, 0]
    await asyncio.sleep(0)
    assert [connection.flushed for connection in dirty] == [1, 1, 1]
    await asyncio.sleep(0)
    assert [connection.flushed for connection in dirty] == [1, 1, 2]


@pytest.mark.parametrize("factory", ALL)
@pytest.mark.parametrize("in_memory", [False, True])
def test_sockets_are_watched_wherever_they_are(factory: object, in_memory: bool) -> None:
    async def main() -> None:
        io = current()
        one, other = cast("Pair", pair()) if in_memory else socket.socketpair()
        ready: asyncio.Queue[str] = asyncio.Queue()
        io.watch_write(one, lambda: ready.put_nowait("write"))
        assert await ready.get() == "write"
        io.unwatch_write(one)
        io.watch_read(one, lambda: ready.put_nowait(f"read {len(one.recv(10))}"))
        while not ready.empty():
            ready.get_nowait()
        other.send(b"x")
        assert await ready.get() == "read 1"
        io.unwatch_read(one)
        other.send(b"y")
        for _ in range(5):
            await asyncio.sleep(0)
        assert ready.empty()
        one.close()
        other.close()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(main())


@in_loop
async def test_a_call_from_its_own_thread_is_made_at_once() -> None:
    calls: list[int] = []
    current().run(calls.append, 1)
    assert calls == [1]


@in_loop
async def test_a_call_from_another_thread_is_made_in_the_loops() -> None:
    io = current()
    made: asyncio.Future[int] = io.create_future()
    thread = threading.Thread(target=io.run, args=(lambda: made.set_result(threading.get_ident()),))
    thread.start()
    assert await made == io.thread
    await asyncio.to_thread(thread.join)


def test_a_call_into_a_loop_that_is_closed_is_no_error() -> None:
    async def main() -> IOLoop:
        return current()

    io = asyncio.run(main())
    calls: list[int] = []
    thread = threading.Thread(target=io.run, args=(calls.append, 1))
    thread.start()
    thread.join(PATIENCE)
    assert calls == []


def test_uvloop_is_used_where_it_is() -> None:
    pytest.importorskip("uvloop")
    loop = new_event_loop()
    assert type(loop).__module__.startswith("uvloop")
    loop.close()


def test_asyncio_is_used_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()
