from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from jackfield.errors import (
    ConfigurationError,
    ConnectionEnded,
    EndOfStream,
    IncompleteMessage,
    PeerLost,
    ReceiveTimeout,
)
from jackfield.framing import lines, raw
from jackfield.testing import Faults, memory_pair
from tests.live import in_loop


@in_loop
async def test_what_one_sends_the_other_receives() -> None:
    async with memory_pair(lines()) as (one, other):
        await one.send("hello")
        assert await other.receive() == "hello"
        await other.send("well")
        assert await one.receive() == "well"
        await one.close()
        with pytest.raises(EndOfStream):
            await other.receive()


@in_loop
async def test_a_stream_that_is_cut_ends_in_the_middle_of_a_message() -> None:
    async with memory_pair(lines(), there=Faults(cut_after=8)) as (one, other):
        await one.send("hello")
        await one.send("world")
        await one.send("nobody is told of this")
        assert await other.receive() == "hello"
        with pytest.raises(IncompleteMessage):
            await other.receive()
        await other.send("the other direction goes on")
        assert await one.receive() == "the other direction goes on"


@in_loop
async def test_a_stream_that_is_reset_is_lost_to_both() -> None:
    async with memory_pair(lines(), there=Faults(reset_after=8)) as (one, other):
        await one.send_many(["hello", "world"])
        assert await other.receive() == "hello"
        with pytest.raises(PeerLost, match="ECONNRESET"):
            await other.receive()
        with pytest.raises(ConnectionEnded):
            await one.receive()
        for _ in range(2):
            with contextlib.suppress(ConnectionEnded):
                await other.send("more")
        with pytest.raises(ConnectionEnded):
            await other.send("more")


@in_loop
async def test_what_is_late_comes_late_and_in_order() -> None:
    async with memory_pair(lines(), there=Faults(delay=0.01)) as (one, other):
        await one.send_many(["1", "2"])
        await one.send("3")
        await one.send_eof()
        with pytest.raises(ReceiveTimeout):
            await other.receive(timeout=0)
        assert [await other.receive() for _ in range(3)] == ["1", "2", "3"]
        with pytest.raises(EndOfStream):
            await other.receive()


@in_loop
async def test_more_than_there_is_room_for_is_late_too() -> None:
    data = bytes(range(256)) * 1024
    async with memory_pair(raw(), there=Faults(delay=0.001)) as (one, other):
        sending = asyncio.create_task(one.send_chunk(data))
        read = b""
        while len(read) < len(data):
            read += await other.receive_chunk()
        assert read == data
        await sending
        await one.send(b"last")
        await one.close()
        assert await other.receive() == b"last"


@pytest.mark.parametrize(
    ("short", "interrupted"), [(1, False), (3, True), (None, True), (1000, False)]
)
@in_loop
async def test_no_message_is_harmed_by_short_writes_and_signals(
    short: int | None, interrupted: bool
) -> None:
    faults = Faults(short=short, interrupted=interrupted)
    messages = ["x" * size for size in (0, 1, 2, 500, 3000)]
    async with memory_pair(lines(), there=faults, back=faults) as (one, other):
        for sender, receiver in itertools.permutations((one, other)):
            sending = asyncio.create_task(sender.send_many(messages))
            assert [await receiver.receive() for _ in messages] == messages
            await sending
        await one.send("last")
        await one.close()
        assert await other.receive() == "last"
        with pytest.raises(EndOfStream):
            await other.receive()


@pytest.mark.parametrize(
    "wrong", [{"cut_after": -1}, {"reset_after": -1}, {"delay": -1.0}, {"short": 0}], ids=str
)
def test_what_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Faults(**wrong)  # type: ignore[arg-type]


@in_loop
async def test_a_connection_that_never_gets_anything_through() -> None:
    async with memory_pair(lines(), there=Faults(cut_after=0), back=Faults(reset_after=0)) as pair:
        one, other = pair
        await one.send("hello")
        with pytest.raises(EndOfStream):
            await other.receive()
        await other.send("hello")
        with pytest.raises(PeerLost):
            await one.receive()
