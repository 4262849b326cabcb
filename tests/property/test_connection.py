"""Laws of a connection, whatever is cut, cancelled, late or short: hypothesis picks the order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.endpoints import Transport
from jackfield.errors import EndOfStream, IncompleteMessage, PeerLost, ReceiveTimeout
from jackfield.framing import lines
from jackfield.framing.length_prefixed import length_prefixed
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net import memory
from jackfield.net.ioloop import current
from jackfield.net.roles import Plan
from jackfield.net.stream import StreamConnection

EAGAIN = BlockingIOError(errno.EAGAIN, "")
EINTR = InterruptedError(errno.EINTR, "")

faults = st.lists(st.sampled_from([None, None, 1, 3, 700, EAGAIN, EINTR]), max_size=30)
"""What the system does to the next calls: nothing, take or give so much at most, or refuse."""

texts = st.lists(
    st.one_of(
        st.text(st.sampled_from("ab字"), max_size=5),
        st.integers(900, 1200).map(lambda size: "x" * size),  # about a slice
    ),
    max_size=12,
)
cuts = st.lists(st.integers(1, 1500), max_size=20)


class Shaky:
    """An end of an in-memory pair that meets faults. As a poll would, it tells again of room."""

    def __init__(self, inner: memory.MemorySocket, plan: list[Any]) -> None:
        self._inner = inner
        self._plan = list(reversed(plan))
        self._again: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _most(self, size: int) -> int:
        fault = self._plan.pop() if self._plan else None
        if isinstance(fault, OSError):
            if self._again is not None:
                asyncio.get_running_loop().call_soon(self._retry)
            raise fault
        return min(size, fault or size)

    def _retry(self) -> None:
        if self._again is not None:
            self._again()

    def recv(self, size: int) -> bytes:
        return self._inner.recv(self._most(size))

    def send(self, data: bytes) -> int:
        try:
            return self._inner.send(memoryview(data)[: self._most(len(data))])
        finally:
            if self._again is not None:
                asyncio.get_running_loop().call_soon(self._retry)

    def watch_write(self, io: Any, call: Callable[[], None] | None) -> None:
        self._again = call
        self._inner.watch_write(io, call)
        if call is not None:
            asyncio.get_running_loop().call_soon(self._retry)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in a loop into which no error may escape."""
    broken: list[Any] = []
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: broken.append(context))
        runner.run(asyncio.wait_for(main(), 20))
    assert not broken


def opened(
    framing: Any, plan: list[Any], limits: Limits | None = None
) -> tuple[StreamConnection[Any], memory.MemorySocket]:
    ours, theirs = memory.pair()
    sock: Any = Shaky(ours, plan)
    conn: StreamConnection[Any] = StreamConnection(
        Plan(current(), framing, limits or Limits()), sock, Transport.MEMORY
    )
    conn.open()
    return conn, theirs


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def parts(data: bytes, sizes: list[int]) -> list[bytes]:
    found = []
    for size in sizes:
        found.append(data[:size])
        data = data[size:]
    return [part for part in [*found, data] if part]


async def feed(sock: memory.MemorySocket, pieces: list[bytes], pauses: list[int]) -> None:
    """Play a peer that sends these, with so many turns in between, and then ends."""
    waits = iter(pauses)
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            with contextlib.suppress(BlockingIOError):
                rest = rest[sock.send(rest) :]
            await asyncio.sleep(0)
        await turns(next(waits, 0))
    sock.shutdown(1)


async def read(sock: memory.MemorySocket) -> bytes:
    """Read all until the end."""
    data = bytearray()
    while True:
        try:
            part = sock.recv(1000)
        except BlockingIOError:
            await asyncio.sleep(0)
            continue
        if not part:
            return bytes(data)
        data += part


asks = st.lists(
    st.tuples(st.sampled_from(["receive", "cancel", "timeout", "iterate"]), st.integers(0, 3)),
    max_size=40,
)


@given(texts, cuts, faults, st.lists(st.integers(0, 3), max_size=20), asks)
def test_messages_arrive_once_and_in_order(
    messages: list[str],
    sizes: list[int],
    plan: list[Any],
    pauses: list[int],
    how: list[tuple[str, int]],
) -> None:
    """However they are cut, whatever is cancelled or late: what was sent is received, once."""

    async def main() -> None:
        conn, peer = opened(lines(), plan)
        data = "".join(f"{message}\n" for message in messages).encode()
        feeding = asyncio.ensure_future(feed(peer, parts(data, sizes), pauses))
        got: list[str] = []
        try:
            for what, wait in how:
                if what == "receive":
                    got.append(await conn.receive())
                elif what == "iterate":
                    async for message in conn:
                        got.append(message)
                        if len(got) % 2:
                            break
                elif what == "timeout":
                    with contextlib.suppress(ReceiveTimeout):
                        got.append(await conn.receive(0))
                else:
                    task = asyncio.ensure_future(conn.receive())
                    await turns(wait)
                    task.cancel()
                    await asyncio.wait([task])
                    if not task.cancelled():
                        got.append(task.result())
            got += [message async for message in conn]
        except EndOfStream:
            pass
        assert got == messages
        assert conn.messages_received == len(messages)
        await feeding
        conn.abort()
        peer.close()

    run(main)


takes = st.lists(
    st.one_of(
        st.sampled_from(["receive", "lines", "raw", "lengths", "cancel"]), st.integers(1, 2000)
    ),
    max_size=40,
)


@given(st.binary(max_size=4000), cuts, faults, takes)
def test_no_byte_is_lost_or_doubled(
    data: bytes, sizes: list[int], plan: list[Any], how: list[str | int]
) -> None:
    """However messages, chunks and framings take turns, they are made of the stream, in order."""

    async def main() -> None:
        framings: dict[str, Any] = {
            "lines": lines(None, max_message=1 << 20),
            "raw": Raw(),
            "lengths": length_prefixed(1, max_message=255),
        }
        conn, peer = opened(framings["raw"], plan)
        feeding = asyncio.ensure_future(feed(peer, parts(data, sizes), []))
        got = bytearray()
        now = "raw"
        for what in how:
            if isinstance(what, int):
                got += await conn.receive_chunk(what)
            elif what == "cancel":
                task = asyncio.ensure_future(conn.receive_chunk())
                await turns(2)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    got += task.result()
            elif what == "receive":
                with contextlib.suppress(EndOfStream, IncompleteMessage):
                    message = await conn.receive()
                    if now == "lengths":
                        got += bytes([len(message)])
                    got += message
                    if now == "lines":  # the ending it had
                        tail = data[len(got) :].partition(b"\n")
                        got += tail[0] + tail[1]
            else:
                conn.switch(framings[what])
                now = what
        while part := await conn.receive_chunk():
            got += part
        assert got == data
        await feeding
        conn.abort()
        peer.close()

    run(main)


sends = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.binary(min_size=1, max_size=3000)),
        st.tuples(st.just("many"), st.lists(st.binary(min_size=1, max_size=50), max_size=5)),
        st.tuples(st.just("chunk"), st.binary(max_size=3000)),
        st.tuples(st.just("post"), st.binary(min_size=1, max_size=3000)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
    ),
    max_size=40,
)


@given(sends, faults, st.booleans(), st.sampled_from(["close", "send_eof"]))
def test_what_is_sent_arrives_in_order(
    how: list[tuple[str, Any]], plan: list[Any], busy: bool, ending: str
) -> None:
    """However it is sent or posted, and however short the writes: it arrives, then the end."""

    async def main() -> None:
        conn, peer = opened(Raw(), [], Limits(write_high=2000, outbox=1 << 30))
        if busy:
            conn.inbox.append(b"at hand")  # so that replies wait to be joined
        conn._sock._plan = list(reversed(plan))  # type: ignore[attr-defined]  # it is Shaky
        reading = asyncio.ensure_future(read(peer))
        expected = bytearray()
        for what, value in how:
            if what == "send":
                expected += value
                await conn.send(value)
            elif what == "many":
                expected += b"".join(value)
                await conn.send_many(value)
            elif what == "chunk":
                expected += value
                await conn.send_chunk(value)
            elif what == "post":
                expected += value
                assert conn.post(value)
            else:
                await turns(value)
        if ending == "close":
            await conn.close()
        else:
            await conn.send_eof()
        assert await reading == expected
        assert conn.unsent == 0
        conn.abort()
        peer.close()

    run(main)


@given(texts, cuts, st.integers(0, 30), st.booleans())
def test_a_loss_at_any_moment_ends_it(
    messages: list[str], sizes: list[int], point: int, echo: bool
) -> None:
    """Whenever the peer is lost, receiving ends after what came before, and sending raises."""

    async def main() -> None:
        reset = ConnectionResetError(errno.ECONNRESET, "")
        conn, peer = opened(lines(), [None] * point + [reset])
        data = "".join(f"{message}\n" for message in messages).encode()
        feeding = asyncio.ensure_future(feed(peer, parts(data, sizes), []))
        reading = asyncio.ensure_future(read(peer))
        got: list[str] = []
        with contextlib.suppress(PeerLost):
            async for message in conn:
                got.append(message)
                if echo:
                    await conn.send(message)
        assert got == messages[: len(got)]
        lost = isinstance(conn.over, PeerLost)
        if lost:
            with pytest.raises(PeerLost, match="ECONNRESET"):
                conn.send("x")
        else:
            assert got == messages
        await conn.close()
        if not lost:
            peer.close()
        conn.abort()
        for task in (feeding, reading):
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
        peer.close()

    run(main)
