"""What only handlers in threads of their own can get wrong: races, and two threads at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jackfield.endpoints import parse
from jackfield.errors import ConnectionClosed, EndOfStream, ReceiveTimeout
from jackfield.framing import lines
from jackfield.framing.raw import Raw
from jackfield.limits import DEFAULT, Limits
from jackfield.net.crossing import BlockingConnection, BridgedConnection, Gate
from jackfield.net.opening import begin, make_connection
from jackfield.net.receiving import Receiving
from jackfield.net.roles import Plan
from tests.unit.net.wires import FaceName, Kind, Loop, Wires, read, rest, spawn, until

THREADED: tuple[FaceName, ...] = ("blocking", "bridged")


@pytest.fixture(params=THREADED)
def face(request: pytest.FixtureRequest) -> FaceName:
    """Each way a handler in another thread may hold a connection."""
    found: FaceName = request.param
    return found


@pytest.fixture(params=[1e-6, 1e-4, 5e-3])
def switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads take turns at random places, so that what can happen between two steps does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(before)


# Races


@pytest.mark.usefixtures("switching")
def test_ping_pong_never_hangs(wires: Wires, kind: Kind, face: FaceName) -> None:
    """Each message wakes the other side, which waits already, or has just begun to, or not yet."""
    wire = wires.open(kind, face)
    count = 400

    async def pong_async() -> None:
        async for line in wire.conn.conn:
            await wire.conn.conn.send(line)

    def pong() -> None:
        for line in wire.conn.conn:
            wire.conn.conn.send(line)

    ponging = spawn(pong) if face == "blocking" else wire.conn.loop.begin(pong_async())
    chance = random.Random(1)
    for number in range(count):
        burst = chance.choice((1, 1, 1, 2, 5))
        sent = b"".join(b"%d\n" % (number + extra) for extra in range(burst))
        half = chance.randrange(len(sent))
        if half:
            wire.peer.send(sent[:half])
        wire.peer.send(sent[half:])
        assert read(wire.peer, len(sent)) == sent
    wire.peer.eof()
    ponging.result(20)


@pytest.mark.usefixtures("switching")
def test_impatient_receiving_loses_nothing(wires: Wires, face: FaceName) -> None:
    """Time runs out just as messages come."""
    wire = wires.open("unix", face)
    count = 1500
    sending = spawn(lambda: [wire.peer.send(b"%d\n" % number) for number in range(count)])
    chance = random.Random(2)

    def receive_all() -> list[str]:
        got: list[str] = []
        while len(got) < count:
            with contextlib.suppress(ReceiveTimeout):
                got.append(wire.conn.conn.receive(chance.choice((0, 0, 1e-5, 1e-4, None))))
        return got

    async def receive_all_async() -> list[str]:
        got: list[str] = []
        conn = wire.conn.conn
        while len(got) < count:
            with contextlib.suppress(ReceiveTimeout):
                got.append(await conn.receive(chance.choice((0, 1e-5, 1e-4, None))))
            task = asyncio.ensure_future(conn.receive())
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if not task.cancel():
                got.append(task.result())
            else:
                await asyncio.wait([task])
                if not task.cancelled():
                    got.append(task.result())
        return got

    receiving = (
        spawn(receive_all) if face == "blocking" else wire.conn.loop.begin(receive_all_async())
    )
    sending.result(20)
    assert receiving.result(20) == [str(number) for number in range(count)]


@pytest.mark.usefixtures("switching")
def test_what_comes_with_the_end_is_not_missed(wires: Wires, face: FaceName) -> None:
    """The last message and the end arrive together, whenever the handler looks."""
    loop = wires.loop()
    for number in range(60):
        wire = wires.open("memory", face, io=loop)
        taking = wire.conn.begin_take(100)
        for _ in range(number % 4):
            wire.io.turn()
        wire.peer.send(b"one\n" + b"x" * 3000 * (number % 3) + b"\nlast\n")
        wire.peer.eof()
        assert taking.result(20)[-1] == "last"


def test_the_end_that_comes_between_two_looks(
    wires: Wires, face: FaceName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler has seen no message, and looks whether there will be one: now both come."""
    wire = wires.open("memory", face)
    handler = wire.conn.begin_receive()
    wire.peer.send(b"first\n")
    assert handler.result(20) == "first"
    looks: list[bool] = []

    def is_held(core: Any) -> bool:
        if threading.current_thread() is not wire.io.thread and not looks:
            looks.append(True)
            wire.peer.send(b"last\n")
            until(lambda: core.inbox)
            wire.call(lambda core: core.end_input())
        return bool(core._held)

    monkeypatch.setattr(Receiving, "is_held", property(is_held))
    assert wire.conn.rest() == ["last"]
    assert looks


@pytest.mark.usefixtures("switching")
def test_what_is_sent_keeps_its_order(wires: Wires, face: FaceName) -> None:
    """The hand-over is asked for while the last one is under way."""
    wire = wires.open("unix", face)

    def send() -> None:
        for number in range(3000):
            wire.conn.conn.send(str(number))

    async def send_async() -> None:
        for number in range(3000):
            await wire.conn.conn.send(str(number))
            if number % 7 == 0:
                await asyncio.sleep(0)

    sending = spawn(send) if face == "blocking" else wire.conn.loop.begin(send_async())
    expected = b"".join(b"%d\n" % number for number in range(3000))
    assert read(wire.peer, len(expected)) == expected
    sending.result(20)
    assert wire.core.messages_sent == 3000


# Two threads


def test_one_thread_receives_while_another_sends(wires: Wires, kind: Kind) -> None:
    wire = wires.open(kind, "blocking")
    conn = wire.conn.conn
    line = b"x" * 999 + b"\n"
    sending = spawn(lambda: [conn.send("y" * 999) for _ in range(2000)])
    receiving = wire.conn.begin_take(2000)
    if kind == "tls":  # an SSLObject is for one thread
        for _ in range(200):
            wire.peer.send(line * 10)
            assert len(read(wire.peer, 10_000)) == 10_000
    else:
        feeding = spawn(lambda: wire.peer.send(line * 2000))
        assert read(wire.peer, 2_000_000) == (b"y" * 999 + b"\n") * 2000
        feeding.result(20)
    sending.result(20)
    assert receiving.result(20) == ["x" * 999] * 2000


def test_a_close_wakes_another_thread_that_receives(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    wire = wires.open(kind, face)
    for ending in ("close", "abort"):
        waiting = wire.conn.begin_receive()
        wire.conn.do(ending)
        with pytest.raises(ConnectionClosed):
            waiting.result(20)
        wire = wires.open(kind, face)


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_an_end_wakes_another_thread_that_sends(
    wires: Wires, kind: Kind, face: FaceName, ending: str
) -> None:
    wire = wires.open(kind, face, Raw(10_000_000), Limits(linger_time=0.01))

    def fill() -> None:  # the first one may be handed over before anything lags
        while True:
            wire.conn.send(b"x" * 10_000_000)

    sending = spawn(fill)
    until(lambda: wire.core._writers)
    wire.conn.do(ending)
    with pytest.raises(ConnectionClosed):
        sending.result(20)


def test_the_end_wakes_a_chunk_that_waits(wires: Wires, kind: Kind, face: FaceName) -> None:
    wire = wires.open(kind, face)
    waiting = wire.conn.begin("receive_chunk")
    until(lambda: wire.core._waiter is not None)
    wire.conn.do("close")
    with pytest.raises(ConnectionClosed):
        waiting.result(20)


class Interrupted(BaseException):
    """What the test's signal raises, as Ctrl-C does."""


@pytest.fixture
def interrupt() -> Iterator[Any]:
    """Interrupts this thread once something waits."""

    def handler(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, handler)
    main = threading.get_ident()

    def soon(wire: Any) -> None:
        def waits() -> bool:
            """Whether it does: its frame is that of the wait, and no step before it."""
            frame = sys._current_frames()[main]
            return wire.core._waiter is not None and frame.f_code.co_name == "wait"

        def kill() -> None:
            until(waits)
            signal.pthread_kill(main, signal.SIGUSR1)

        spawn(kill)

    yield soon
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_receive_leaves_the_next_one_its_turn(wires: Wires, interrupt: Any) -> None:
    """Ctrl-C at a prompt, say, whose program goes on."""
    wire = wires.open("tcp", "blocking")
    for call in ("receive", "receive_chunk"):
        interrupt(wire)
        with pytest.raises(Interrupted):
            getattr(wire.conn.conn, call)()
        until(lambda: wire.core._waiter is None or wire.core._waiter.done())
        wire.peer.send(b"next\n")
        assert wire.conn.receive() == "next"


# When the loop is gone


def lone() -> tuple[Loop, Any, socket.socket]:
    """A connection whose loop can be closed under it."""
    loop = Loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    plan = Plan(loop.io, lines(), DEFAULT)

    def make() -> Any:
        conn: Any = make_connection(plan, ours, parse("unix:@lone"), None, accepted=True)
        begin(plan, conn, lambda _: None)
        return conn

    return loop, loop.call(make), theirs


def test_after_its_loop_a_connection_is_closed_in_words() -> None:
    loop, core, theirs = lone()
    conn: BlockingConnection[str] = BlockingConnection(core)
    loop.call(core.abort)
    loop.close()
    calls: list[Any] = [conn.receive, lambda: conn.send("x"), lambda: conn.send_many(["x"])]
    for call in calls:
        with pytest.raises(ConnectionClosed, match="this side has closed the connection"):
            call()
    calls = [conn.receive_chunk, conn.send_eof, lambda: conn.switch(Raw())]
    for call in calls:
        with pytest.raises(ConnectionClosed, match="event loop that did this connection's I/O"):
            call()
    conn.close()
    conn.abort()
    assert not conn.post("x")
    theirs.close()
    gc.collect()  # no coroutine was left to complain that nobody awaited it


def test_a_bridged_one_likewise() -> None:
    loop, core, theirs = lone()

    async def main() -> None:
        conn: BridgedConnection[str] = BridgedConnection(core)
        loop.call(core.abort)
        loop.close()
        with pytest.raises(ConnectionClosed, match="event loop that did this connection's I/O"):
            await conn.receive_chunk()
        with pytest.raises(ConnectionClosed):
            conn.switch(Raw())
        await conn.close()
        theirs.close()

    asyncio.run(main())


def test_a_loop_that_ends_under_a_waiting_thread_says_so() -> None:
    """Its tasks are cancelled then; the thread is told what that means."""
    loop, core, theirs = lone()
    conn: BlockingConnection[str] = BlockingConnection(core)
    waiting = spawn(conn.receive_chunk)
    until(lambda: core._waiter is not None)

    async def cancel() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    loop.run(cancel())
    with pytest.raises(ConnectionClosed, match="event loop that did this connection's I/O"):
        waiting.result(20)
    loop.call(core.abort)
    loop.close()
    theirs.close()


def test_a_bridge_whose_own_loop_is_gone_is_no_trouble(wires: Wires) -> None:
    """Its handler's thread has left; what comes later wakes nobody."""
    wire = wires.open("tcp")

    async def leave_waiting() -> None:
        conn: BridgedConnection[str] = BridgedConnection(wire.core)
        task = asyncio.ensure_future(conn.receive())
        await asyncio.sleep(0)
        gates.append(wire.core._waiter)
        task.cancel()
        await asyncio.wait([task])

    gates: list[Any] = []
    asyncio.run(leave_waiting())
    gates[0].set_result(None)
    wire.core._waiter = gates[0]
    wire.peer.send(b"late\n")
    until(lambda: wire.core.inbox)
    assert wire.conn.receive() == "late"


# The gate


def test_a_gate_opened_twice_is_opened_once() -> None:
    gate = Gate()
    assert not gate.done()
    gate.set_result(None)
    gate.set_result(None)
    assert gate.wait(None)
    assert not gate.wait(0)
    assert not gate.wait(-1)


# What it shows of the connection


def test_it_shows_the_connection_behind_it(wires: Wires, face: FaceName) -> None:
    wire = wires.open("tcp", face)
    conn, core = wire.conn.conn, wire.core
    assert conn.core is core
    assert conn.peer == core.peer
    assert conn.local == core.local
    assert conn.framing is core.framing
    assert conn.number == core.number == 0
    assert conn.transport is core.transport
    wire.peer.send(b"x\n")
    assert wire.conn.receive() == "x"
    wire.conn.send("y")
    wire.io.turn()
    assert (conn.messages_received, conn.messages_sent) == (1, 1)
    assert (conn.bytes_received, conn.bytes_sent) == (2, 2)
    wire.peer.eof()
    with pytest.raises(EndOfStream):
        wire.conn.receive()
    wire.conn.do("close")
    assert rest(wire.peer) == b"y\n"
