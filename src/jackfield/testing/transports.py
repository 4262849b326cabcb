"""A conformance suite: what every transport does, whoever wrote it.

The laws, by the names that a failure gives them:

- whole and in order: messages of every size come as they were sent, both ways at once.
- timeout: a `receive()` that times out, or is cancelled, loses no message.
- one at a time: a second `receive()` raises ConcurrencyError.
- half-close: `send_eof()` ends one direction, and the other goes on. Not for datagrams.
- lag: a peer that does not read makes `send()` wait, and no more than the limits say is kept.
  Not for datagrams, which are lost instead.
- end: `close()` is seen as the end by the peer, after all that was sent; twice is once.
- afterwards: sending on what is closed raises, and receiving ends.
- abort: the peer's receiving ends, and its sending raises, sooner or later. Not for datagrams.
- counts: messages are counted at both ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

from jackfield.errors import ConcurrencyError, ConnectionEnded, EndOfStream, ReceiveTimeout
from jackfield.framing import length_prefixed
from jackfield.framing.base import Framing
from jackfield.net.connection import Connection

Pair = tuple[Connection[bytes], Connection[bytes]]

OpenPair = Callable[[Framing[bytes]], AbstractAsyncContextManager[Pair]]
"""Opens two connections that speak to each other, with a framing."""

PATIENCE = 10.0
"""Seconds after which what was to happen has not."""

SILENCE = 0.05
"""Seconds in which what is not to happen would have."""

LARGEST = 8192
"""Bytes of a message, which fits into any unit."""

HEAD = 14
"""Bytes that a message may have around it: a frame of WebSocket has the longest head."""

MOST_SENT = 4096
"""Messages of that size after which `send()` should have waited: systems hold a few MB."""

_SEED = 7


async def check_transport(open_pair: OpenPair) -> None:
    """Run the laws of a transport. AssertionError tells which one broke.

    open_pair: called for each law, with a framing; closes both ends when the law is done.
    """
    for law in (
        _whole_and_in_order,
        _timeout,
        _one_at_a_time,
        _half_close,
        _lag,
        _end,
        _afterwards,
        _abort,
        _counts,
    ):
        async with open_pair(length_prefixed(4)) as (one, other):
            try:
                async with asyncio.timeout(PATIENCE):
                    await law(one, other)
            except TimeoutError:
                raise AssertionError(f"{_name(law)}: it takes for ever") from None
            except AssertionError as error:
                raise AssertionError(f"{_name(law)}: {error}") from error


def _name(law: Any) -> str:
    return str(law.__name__).strip("_").replace("_", " ")


def _messages(conn: Connection[bytes], count: int) -> list[bytes]:
    """Make messages of many sizes; an empty one where it would not mean the end."""
    random = Random(_SEED)  # noqa: S311  no secret
    sizes = [1, LARGEST, *(random.randrange(1, LARGEST) for _ in range(count))]
    if conn.local.is_datagram or conn.local.is_websocket or not conn.keeps_boundaries:
        sizes.append(0)
    return [random.randbytes(size) for size in sizes]


async def _received(conn: Connection[bytes], count: int) -> list[bytes]:
    return [await conn.receive() for _ in range(count)]


async def _exchanged(one: Connection[bytes], other: Connection[bytes]) -> None:
    """Let the first word pass, which a datagram's peer needs to be known."""
    await one.send(b"first")
    assert await other.receive() == b"first", "the first message is another"


async def _whole_and_in_order(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    for batch in range(8):
        messages = _messages(one, 4 + batch)
        async with asyncio.TaskGroup() as group:
            for sender in (one, other):
                group.create_task(sender.send_many(messages))
            both = [group.create_task(_received(conn, len(messages))) for conn in (one, other)]
        for received in both:
            assert received.result() == messages, "messages are not what was sent"


async def _timeout(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    try:
        await one.receive(timeout=SILENCE)
    except ReceiveTimeout:
        pass
    else:
        raise AssertionError("something was received of which nothing was sent")
    cancelled = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    cancelled.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cancelled
    await other.send(b"next")
    assert await one.receive() == b"next", "the next message is lost"


async def _one_at_a_time(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    first = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    try:
        await one.receive()
    except ConcurrencyError:
        pass
    else:
        raise AssertionError("two receive() at a time")
    await other.send(b"next")
    assert await first == b"next", "the first receive() has lost its message"


async def _half_close(one: Connection[bytes], other: Connection[bytes]) -> None:
    if one.local.is_datagram:
        return
    await one.send(b"last")
    await one.send_eof()
    assert await other.receive() == b"last", "what was sent before the end is lost"
    try:
        await other.receive()
    except EndOfStream:
        pass
    else:
        raise AssertionError("something comes after the end")
    await other.send(b"still")
    assert await one.receive() == b"still", "the other direction has ended too"


async def _lag(one: Connection[bytes], other: Connection[bytes]) -> None:
    if one.local.is_datagram:
        return
    message = bytes(LARGEST)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < MOST_SENT:
            async with asyncio.timeout(SILENCE * 4):
                await one.send(message)
            sent += 1
    assert sent < MOST_SENT, "send() never waits for a peer that does not read"
    kept, allowed = one.unsent, one.limits.write_high + LARGEST + HEAD
    assert kept <= allowed, f"{kept} bytes are kept, and {allowed} may be"
    for _ in range(sent):
        assert await other.receive() == message, "what waited is another"


async def _end(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    await one.send(b"last")
    await one.close()
    await one.close()
    assert await other.receive() == b"last", "what was sent before the end is lost"
    if not one.local.is_datagram:
        try:
            await other.receive()
        except EndOfStream:
            return
        raise AssertionError("something comes after the end")


async def _afterwards(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    await one.close()
    for what in (lambda: one.send(b"more"), one.receive):
        try:
            await what()
        except ConnectionEnded:
            pass
        else:
            raise AssertionError("what is closed goes on")


async def _abort(one: Connection[bytes], other: Connection[bytes]) -> None:
    if one.local.is_datagram:
        return
    await _exchanged(one, other)
    one.abort()
    try:
        await other.receive()
    except ConnectionEnded:
        pass
    else:
        raise AssertionError("something was received of which nothing was sent")
    with contextlib.suppress(ConnectionEnded):
        while True:
            await other.send(b"anybody there?")
            await asyncio.sleep(0)


async def _counts(one: Connection[bytes], other: Connection[bytes]) -> None:
    await _exchanged(one, other)
    messages = _messages(one, 3)
    await one.send_many(messages)
    assert await _received(other, len(messages)) == messages, "messages are not what was sent"
    count = len(messages) + 1
    assert one.messages_sent == count, f"{one.messages_sent} are counted as sent, not {count}"
    assert other.messages_received == count, f"{other.messages_received} are counted, not {count}"
    assert other.bytes_received >= sum(map(len, messages)), "bytes are not counted"
