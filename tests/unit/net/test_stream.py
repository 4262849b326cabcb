"""The reading half of a stream, and its end: slices and turns, faults, refusing, lingering."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import threading
import tracemalloc
import weakref
from typing import Any

import pytest

from jackfield.errors import BadMessage, ConnectionClosed, EndOfStream, PeerLost
from jackfield.framing import lines
from jackfield.framing.base import Buffer, Cut, Framing
from jackfield.framing.header import Header
from jackfield.framing.length_prefixed import length_prefixed
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.details import queued
from jackfield.net.ioloop import new_event_loop
from jackfield.net.stream import MUCH, SLICE
from jackfield.net.websocket import READ
from jackfield.server import Server
from jackfield.service import Service
from tests.unit.net.wires import FaceName, Kind, Replying, Wire, Wires, read, rest, spawn, until

FOREVER = Limits(linger_time=3600, linger_bytes=1 << 40)


# Slices and turns


@pytest.mark.parametrize("factory", [None, asyncio.SelectorEventLoop], ids=["fastest", "asyncio"])
@pytest.mark.parametrize("how", ["task", "reply", "thread"])
def test_a_flood_of_tiny_messages_leaves_others_their_turns(
    wires: Wires, kind: Kind, how: str, factory: Any
) -> None:
    """Between two turns of the loop no more than a slice of them is decoded, or handled."""
    count = 150_000
    loop = wires.loop(factory) if factory else wires.loop()
    replying = Replying(loop, lambda _: None)
    flooded = wires.open(
        kind,
        "blocking" if how == "thread" else "native",
        io=loop,
        receiver=replying if how == "reply" else None,
    )
    other = wires.open(kind, io=loop)
    handled = answered = 0
    most: list[int] = []
    waits: list[int] = []
    over = False

    def progress() -> int:
        return handled if how == "task" else flooded.core.messages_received

    def tick(before: int) -> None:
        most.append(progress() - before)
        if not over:
            loop.loop.call_soon(tick, progress())

    async def flood() -> None:
        nonlocal handled
        async for _ in flooded.core:
            handled += 1

    async def answer() -> None:
        nonlocal answered
        async for line in other.core:
            waits.append(progress() - int(line))
            answered += 1

    answering = loop.begin(answer())
    loop.loop.call_soon_threadsafe(tick, 0)
    loop.call(lambda: other.peer.send(b"0\n"))
    asked = 1  # and again whenever this thread has its turn while the flood goes on
    sending = spawn(lambda: (flooded.peer.send(b"\n" * count), flooded.peer.eof()))
    if how == "task":
        handling = loop.begin(flood())
    elif how == "thread":
        handling = flooded.conn.begin_take(count)  # type: ignore[assignment]  # another result
    while flooded.core.messages_received < count:
        if asked == answered and flooded.core.messages_received:
            asked += 1
            loop.call(lambda: other.peer.send(b"%d\n" % progress()))
    sending.result(20)
    if how != "reply":
        handling.result(20)
    over = True
    other.peer.eof()
    answering.result(20)
    assert sum(most) <= flooded.core.messages_received == count
    assert max(most) <= 2 * SLICE  # at the end of one read, and at the beginning of the next
    assert len(waits) == asked
    assert max(waits) <= 4 * SLICE


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 70_000, 300_000])
def test_messages_of_any_size(wires: Wires, kind: Kind, face: FaceName, size: int) -> None:
    framing = length_prefixed(4, max_message=300_000)
    wire = wires.open(kind, face, framing)
    messages = [bytes([number]) * size for number in range(5)]
    data = b"".join(map(framing.encode, messages))
    sending = spawn(lambda: (wire.peer.send(data), wire.peer.eof()))
    assert wire.conn.rest() == messages
    sending.result(20)
    assert wire.core.bytes_received >= len(data)


def test_what_is_undecoded_stays_bytes(wires: Wires) -> None:
    """So that a switch finds it uncut: no more than a slice is turned into messages ahead."""
    wire = wires.open("memory")
    wire.peer.send(b"first\n" + b"x\n" * 20_000)
    assert wire.conn.receive() == "first"
    wire.io.turn()
    assert len(wire.core.inbox) <= SLICE // 2
    wire.conn.do("switch", Raw())
    assert wire.core.messages_received == 1
    wire.peer.eof()
    assert b"".join(wire.conn.rest()) == b"x\n" * 20_000


def test_a_large_chunk_is_read_at_once(wires: Wires, face: FaceName) -> None:
    """Who wants much gets more than others do in one turn; who wants little gets no more."""
    wire = wires.open("tcp", face)
    data = bytes(range(256)) * 4096
    sizes: list[int] = []
    sending = spawn(lambda: wire.peer.send(data))
    got = b""
    while len(got) < len(data):
        most = 1000 if len(got) < 5000 else len(data)
        chunk = wire.conn.do("receive_chunk", most)
        assert 0 < len(chunk) <= most
        sizes.append(len(chunk))
        got += chunk
    sending.result(20)
    assert got == data
    assert max(sizes) <= MUCH


# Faults of the system


class Faulty:
    """A socket that does what a system may do, when it is told to.

    For each call of `recv` and `send` the next fault of a list is taken: None for none, a number
    for that many bytes at the most, an error to be raised.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.faults: dict[str, list[Any]] = {"recv": [], "send": []}
        self.calls = {"recv": 0, "send": 0}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _size(self, name: str, size: int) -> int:
        self.calls[name] += 1
        fault = self.faults[name].pop(0) if self.faults[name] else None
        if isinstance(fault, OSError):
            raise fault
        return min(size, fault or size)

    def recv(self, size: int) -> bytes:
        return bytes(self.inner.recv(self._size("recv", size)))

    def send(self, data: bytes) -> int:
        return int(self.inner.send(memoryview(data)[: self._size("send", len(data))]))


def faulty(wires: Wires, face: FaceName = "native", framing: Any = None) -> tuple[Wire, Faulty]:
    wire = wires.open("unix", face, framing)
    sock = Faulty(wire.core._sock)

    def put(core: Any) -> None:
        core._sock = sock

    wire.call(put)
    return wire, sock


TRANSIENT = [BlockingIOError(errno.EAGAIN, ""), InterruptedError(errno.EINTR, "")]


@pytest.mark.parametrize("name", ["recv", "send"])
@pytest.mark.parametrize("fault", TRANSIENT, ids=["EAGAIN", "EINTR"])
def test_what_passes_is_tried_again(
    wires: Wires, face: FaceName, name: str, fault: OSError
) -> None:
    wire, sock = faulty(wires, face)
    sock.faults[name] = [fault] * 5 + [1, fault, 2, fault]
    wire.peer.send(b"one\ntwo\n")
    assert wire.conn.take(2) == ["one", "two"]
    wire.conn.do("send_many", ["three", "four"])
    wire.conn.send("five")
    assert read(wire.peer, 16) == b"three\nfour\nfive\n"
    assert not sock.faults[name]


def test_short_writes_keep_the_order(wires: Wires, face: FaceName) -> None:
    wire, sock = faulty(wires, face)
    sock.faults["send"] = [1, 2, 3] * 200
    expected = b""
    for number in range(100):
        wire.conn.send(f"line {number}")
        expected += b"line %d\n" % number
    wire.conn.begin("close")
    assert rest(wire.peer) == expected


@pytest.mark.parametrize("factory", [new_event_loop, asyncio.SelectorEventLoop])
@pytest.mark.parametrize("count", [2, 50_000])
def test_all_that_came_right_before_a_reset_is_received_and_the_loss_is_seen(
    wires: Wires, face: FaceName, factory: Any, count: int
) -> None:
    """Data and reset come in one event, to a loop that had no time to look in between."""
    wire = wires.open("tcp", face, io=wires.loop(factory))
    taking = wire.conn.begin_take(count + 1)
    until(lambda: wire.core._waiter is not None)

    def at_once(_: object) -> None:
        wire.peer.send(b"x\n" * count)
        until(lambda: not queued(wire.peer.sock))  # a reset throws away what has not arrived
        wire.peer.reset()

    wire.call(at_once)
    assert len(taking.result(20)) == count
    with pytest.raises(PeerLost, match="ECONNRESET"):
        wire.conn.receive()


RESETS = [ConnectionResetError(errno.ECONNRESET, ""), TimeoutError(errno.ETIMEDOUT, "")]


@pytest.mark.parametrize("point", range(4))
@pytest.mark.parametrize("fault", RESETS, ids=["ECONNRESET", "ETIMEDOUT"])
def test_input_that_fails_anywhere(
    wires: Wires, face: FaceName, point: int, fault: OSError
) -> None:
    wire, sock = faulty(wires, face)
    taking = wire.conn.begin_take(10)
    until(lambda: wire.core._waiter is not None)
    sock.faults["recv"] = [None] * point + [fault]
    for number in range(point):
        wire.peer.send(b"%d\n" % number)
        until(lambda: wire.core.messages_received > number)  # noqa: B023  called right here
    wire.peer.send(b"lost\n")
    assert taking.result(20) == [str(number) for number in range(point)]
    with pytest.raises(PeerLost, match=errno.errorcode[fault.errno or 0]):
        wire.conn.receive()
    with pytest.raises(PeerLost):
        wire.conn.send("x")
    assert errno.errorcode[fault.errno or 0] in wire.core.reason
    assert not wire.core.is_held


@pytest.mark.parametrize("point", range(4))
def test_output_that_fails_anywhere(wires: Wires, face: FaceName, point: int) -> None:
    """What the peer has said before is received still; then it is known to be lost."""
    wire, sock = faulty(wires, face, Raw(1000))
    sock.faults["send"] = [100] * point + [BrokenPipeError(errno.EPIPE, "")]
    wire.peer.send(b"said")

    def send() -> bool:
        try:
            wire.conn.send(b"x" * 1000)
        except PeerLost:
            return True
        return False

    until(send)
    assert wire.core.unsent == 0
    assert wire.conn.receive() == b"said"
    wire.peer.eof()
    with pytest.raises(PeerLost, match="EPIPE"):
        wire.conn.receive()
    wire.conn.do("close")
    wire.until_over()


def test_a_write_that_fails_while_closing(wires: Wires, face: FaceName) -> None:
    wire, sock = faulty(wires, face, Raw(1_000_000))
    sending = wire.conn.begin("send", b"x" * 1_000_000)
    until(lambda: wire.core.unsent)
    closing = wire.conn.begin("close")
    until(lambda: wire.core._closing)
    sock.faults["send"] = [BrokenPipeError(errno.EPIPE, "")]
    reading = spawn(lambda: rest(wire.peer))
    closing.result(20)
    wire.until_over()
    assert len(reading.result(20)) < 1_000_000
    assert isinstance(sending.exception(20), ConnectionClosed)


def test_a_read_that_fails_while_lingering(wires: Wires, face: FaceName) -> None:
    wire, sock = faulty(wires, face)
    sock.faults["recv"] = [*TRANSIENT, ConnectionResetError(errno.ECONNRESET, "")]
    wire.conn.do("close")
    wire.peer.send(b"x")
    wire.until_over()


def test_a_framing_of_ones_own_that_fails(wires: Wires, kind: Kind, face: FaceName) -> None:
    """It is the operator's to see, by the handler's error: not the loop's, nor the peer's."""
    for size in (10, 3000):
        wire = wires.open(kind, face, Broken())
        wire.peer.send(b"good!")
        assert wire.conn.receive() == b"good!"
        wire.peer.send(b"bad!!" + b"good!" * (size // 5))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                wire.conn.receive()
        with pytest.raises(ZeroDivisionError):
            wire.conn.rest()
        wire.conn.do("close")
        assert rest(wire.peer) == b""


class Broken(Framing[bytes]):
    """Five bytes a message; one of them is more than it can take."""

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        if len(buffer) - start < 5:
            return 5
        return start, start + 5, start + 5

    def decode_unit(self, unit: bytes) -> bytes:
        if unit == b"bad!!":
            raise ZeroDivisionError
        return unit

    def encode(self, message: bytes) -> bytes:
        return message


# Replies straight from the read


def test_replies_are_held_back_for_a_peer_that_lags(wires: Wires, kind: Kind) -> None:
    loop = wires.loop()
    replying = Replying(loop, lambda line: line * 10)
    wire = wires.open(kind, io=loop, receiver=replying, buffer=50_000)
    line = b"x" * 99 + b"\n"
    sending = spawn(lambda: (wire.peer.send(line * 20_000), wire.peer.eof()))
    until(lambda: wire.core.is_held)
    assert wire.core.unsent < wire.core.limits.write_high + 100_000
    assert len(rest(wire.peer)) == 20_000 * 991
    sending.result(20)
    wire.until_over()
    until(lambda: replying.done == 1)
    assert not replying.failed


def test_a_peer_lost_while_replies_wait_is_noticed(wires: Wires, kind: Kind) -> None:
    """Reading is paused then, and nobody but the writing can find out."""
    loop = wires.loop()
    replying = Replying(loop, lambda line: line * 10)
    wire = wires.open(kind, io=loop, receiver=replying, buffer=50_000)

    def flood() -> None:
        try:
            wire.peer.send((b"x" * 99 + b"\n") * 100_000)
        except OSError:
            return

    if kind == "memory":
        wire.peer.send((b"x" * 99 + b"\n") * 300)
    else:
        spawn(flood)
    until(lambda: wire.core.is_held)
    if kind != "memory":
        wire.peer.sock.shutdown(socket.SHUT_RDWR)
    wire.peer.reset()
    wire.until_over()
    until(lambda: replying.done == 1)
    assert not replying.failed


def test_a_reply_that_fails_ends_its_connection_only(wires: Wires, kind: Kind) -> None:
    loop = wires.loop()
    calls: list[str] = []

    def reply(line: str) -> str:
        calls.append(line)
        return str(1 // int(line))

    replying = Replying(loop, reply)
    wire = wires.open(kind, io=loop, receiver=replying)
    wire.peer.send(b"1\n1\n0\n1\n" + b"1\n" * 30_000)
    assert rest(wire.peer) == b"1\n1\n"
    wire.peer.close()
    wire.until_over()
    until(lambda: replying.done == 1)
    assert calls == ["1", "1", "0"]
    (failed,) = replying.failed
    assert failed.error.startswith("ZeroDivisionError")
    assert "in reply" in failed.traceback


def test_a_reply_service_refuses_what_is_no_message(wires: Wires, kind: Kind) -> None:
    loop = wires.loop()
    replying = Replying(loop, str.upper)
    wire = wires.open(kind, io=loop, receiver=replying)
    wire.peer.send(b"good\n\xff\n")
    got = rest(wire.peer)
    assert got.startswith(b"GOOD\nerror: ")
    until(lambda: replying.done == 1)
    assert len(replying.refused) == 1


def test_a_framing_that_fails_under_a_reply_service(wires: Wires) -> None:
    loop = wires.loop()
    replying = Replying(loop, lambda m: m, Broken())
    wire = wires.open("tcp", io=loop, framing=Broken(), receiver=replying)
    wire.peer.send(b"good!")
    assert read(wire.peer, 5) == b"good!"
    wire.peer.send(b"bad!!")
    assert rest(wire.peer) == b""
    until(lambda: replying.done == 1)
    (failed,) = replying.failed
    assert failed.error == "ZeroDivisionError"


# Refusing and lingering


def refuse(core: Connection[Any]) -> None:
    core.refuse("you talk too much")


REASON = b"error: you talk too much\n"


@pytest.mark.parametrize("read_first", [False, True])
def test_a_refusal_reaches_a_peer_that_is_still_sending(
    wires: Wires, kind: Kind, read_first: bool
) -> None:
    """No reset comes before the reason, however much is on its way."""
    wire = wires.open(kind, limits=FOREVER)
    if read_first:
        wire.peer.send(b"hello\n")
        assert wire.conn.receive() == "hello"
    sending = spawn(lambda: wire.peer.send(b"blah\n" * 100_000))
    until(lambda: wire.core.bytes_received > 0)
    wire.call(refuse)
    sending.result(20)
    wire.peer.send(b"and on\n" * 10_000)
    assert rest(wire.peer) == REASON
    assert wire.core.reason == "you talk too much"
    wire.peer.send(b"still\n")
    wire.peer.close()
    wire.until_over()


def test_a_late_turn_does_not_take_the_place_of_lingering(wires: Wires, kind: Kind) -> None:
    """What was read before is decoded slice by slice: one of them may come after the end."""
    wire = wires.open(kind, limits=FOREVER)

    async def one_and_out() -> None:
        async for _ in wire.core:
            break
        wire.core.refuse("you talk too much")

    handling = wire.io.begin(one_and_out())
    until(lambda: wire.core._waiter is not None)
    wire.peer.send(b"x" * (SLICE - 1) + b"\n" + b"y" * 500)
    handling.result(20)
    wire.io.turn()
    wire.peer.send(b"more\n" * 50_000)
    assert rest(wire.peer) == REASON
    wire.peer.close()
    wire.until_over()


def test_lingering_ends_when_too_much_comes(wires: Wires, kind: Kind) -> None:
    wire = wires.open(kind, limits=Limits(linger_time=3600, linger_bytes=100_000))
    wire.call(refuse)

    def flood() -> None:
        while True:
            wire.peer.send(b"x" * 10_000)

    flooding = spawn(flood)
    wire.until_over()
    assert isinstance(flooding.exception(20), ConnectionError)


def test_lingering_ends_when_time_is_up(wires: Wires, kind: Kind) -> None:
    wire = wires.open(kind, limits=Limits(linger_time=0.01))
    wire.call(refuse)
    wire.until_over()
    assert read(wire.peer, len(REASON)) == REASON


def test_a_framing_without_a_way_to_say_so_just_ends(wires: Wires, kind: Kind) -> None:
    wire = wires.open(kind, framing=Header(">I", length=0))
    wire.call(refuse)
    assert rest(wire.peer) == b""


def test_nothing_is_refused_after_the_end_of_this_side(wires: Wires, kind: Kind) -> None:
    wire = wires.open(kind)
    wire.conn.send("bye")
    wire.conn.do("send_eof")
    wire.call(refuse)
    assert rest(wire.peer) == b"bye\n"


@pytest.mark.parametrize("kind", ["tcp", "unix", "memory"])
def test_a_server_that_stops_lets_its_last_word_be_heard(wires: Wires, kind: Kind) -> None:
    """Though its peer is still sending what nobody will read any more."""
    wire = wires.open(kind, limits=FOREVER)
    sending = spawn(lambda: wire.peer.send(b"blah\n" * 100_000))
    assert wire.conn.receive() == "blah"
    until(lambda: wire.core.is_held)
    wire.call(lambda core: core.end_input())
    wire.call(lambda core: core.end_input())
    received = wire.conn.rest()
    assert set(received) == {"blah"}
    assert len(received) <= READ
    with pytest.raises(EndOfStream, match=r"^this side stops, so nothing more is received$"):
        wire.conn.receive()
    with pytest.raises(EndOfStream):  # not b"": that would pass for a stream that was whole
        assert all(wire.conn.chunk() for _ in range(10))
    wire.conn.send("we stop")
    wire.conn.do("close")
    sending.result(20)
    assert rest(wire.peer) == b"we stop\n"
    wire.peer.close()
    wire.until_over()


def test_a_server_stops_with_peers_that_go_on_sending(wires: Wires) -> None:
    loop = wires.loop()
    go_on = asyncio.Event()

    async def handler(conn: Connection[str]) -> None:
        await conn.receive()
        await go_on.wait()
        async for _ in conn:
            pass
        await conn.send("bye")

    async def started() -> Server[str]:
        server = Server(Service("slow", handler, lines()), "tcp://127.0.0.1:0")
        await server.start()
        return server

    server = loop.run(started())
    with socket.create_connection(("127.0.0.1", server.endpoints[0].port), 20) as peer:
        sending = spawn(lambda: peer.sendall(b"x\n" * 200_000))
        until(lambda: server._live)
        (conn,) = server._live.values()
        until(lambda: conn.is_held)
        stopping = loop.begin(server.stop())
        loop.turn()
        loop.loop.call_soon_threadsafe(go_on.set)
        sending.result(20)
        got = b""
        while part := peer.recv(100):
            got += part
        assert got == b"bye\n"
    stopping.result(20)


@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_a_client_that_leaves_words_unread_is_heard_all_the_same(wires: Wires, kind: Kind) -> None:
    """It does not linger; but what has come already is dropped, so that it causes no reset."""
    wire = wires.open(kind, accepted=False)
    wire.peer.send(b"welcome\n" * 20_000)
    wire.conn.send("bye")
    wire.conn.do("close")
    assert wire.core._sock is None
    assert rest(wire.peer) == b"bye\n"


@pytest.mark.some(1)
def test_a_closed_connection_is_soon_forgotten(wires: Wires, kind: Kind) -> None:
    """No timer and no loop holds it on."""
    wire = wires.open(kind, limits=FOREVER)
    gone = weakref.ref(wire.core)
    wire.peer.send(b"x\n")
    assert wire.conn.receive() == "x"
    wire.conn.do("close")
    wire.peer.close()
    wire.until_over()
    wires._cores.clear()
    wires._faces.clear()
    del wire

    def collected() -> bool:
        gc.collect()
        return gone() is None

    until(collected)


@pytest.mark.long
def test_an_idle_connection_keeps_no_memory(wires: Wires) -> None:
    """After long messages each way, and a switch: less than 4 KiB are left of 60."""
    loop = wires.loop()
    quiet = [wires.open("memory", io=loop, framing=lines()) for _ in range(20)]

    def talk() -> None:
        for wire in quiet:
            wire.peer.send(b"x" * 60_000 + b"\n")
            waiting = wire.conn.begin_take(1)
            assert waiting.result(20) == ["x" * 60_000]
            wire.conn.send("y" * 60_000)
            assert len(read(wire.peer, 60_001)) == 60_001
            wire.conn.begin_receive()

    talked = threading.Event()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        talk()
        talked.set()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept / len(quiet) < 8192, kept
    for wire in quiet:
        wire.peer.send(b"end\n")


# Ends


def test_messages_read_before_an_end_are_received_after_it(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    """Also long ones, that are let go of when they are used; and by who asks late."""
    wire = wires.open(kind, face)
    wire.peer.send(b"x" * 3000 + b"\n" + b"y" * 3000 + b"\n")
    assert wire.conn.receive() == "x" * 3000
    assert wire.conn.receive() == "y" * 3000
    wire.peer.send(b"z" * 3000 + b"\n")
    wire.peer.eof()
    until(lambda: wire.core.inbox)
    assert wire.conn.receive() == "z" * 3000
    with pytest.raises(EndOfStream):
        wire.conn.receive()


def test_an_end_that_is_found_before_the_handler_asks(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    wire = wires.open(kind, face)
    waiting = wire.conn.begin_receive()
    wire.peer.send(b"x" * 3000 + b"\n")
    waiting.result(20)
    wire.peer.eof()
    until(lambda: wire.core.is_ended)
    with pytest.raises(EndOfStream):
        wire.conn.receive(20)


def test_an_error_that_is_found_before_the_handler_asks(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    wire = wires.open(kind, face)
    waiting = wire.conn.begin_receive()
    wire.peer.send(b"x" * 3000 + b"\n")
    waiting.result(20)
    wire.peer.send(b"\xff\n")
    until(lambda: wire.core.is_ended)
    with pytest.raises(BadMessage):
        wire.conn.receive(20)


def test_input_after_the_close_is_nobodys(wires: Wires, kind: Kind, face: FaceName) -> None:
    """What was at hand can be taken still; nothing more comes."""
    wire = wires.open(kind, face, limits=FOREVER)
    wire.peer.send(b"one\ntwo\n")
    assert wire.conn.receive() == "one"
    wire.conn.do("close")
    wire.peer.send(b"three\n")
    assert wire.conn.receive() == "two"
    with pytest.raises(ConnectionClosed):
        wire.conn.receive()
    with pytest.raises(ConnectionClosed):
        wire.conn.rest()


def test_whoever_keeps_it_is_told_once(wires: Wires, kind: Kind) -> None:
    told: list[Any] = []

    class Keeper:
        def forget(self, conn: Any, /) -> None:
            told.append(conn)

    wire = wires.open(kind)

    def prepare(core: Connection[Any]) -> None:
        core.keep(Keeper(), 7)
        core.call_when_over(lambda: told.append("first"))
        core.call_when_over(lambda: told.append("second"))

    wire.call(prepare)
    assert wire.core.number == 7
    wire.conn.do("close")
    wire.peer.close()
    wire.until_over()
    wire.conn.do("abort")
    assert told == ["first", "second", wire.core]
