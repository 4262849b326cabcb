from __future__ import annotations

import asyncio
import os

import pytest

from jackfield.net.handing import wide_pipe
from jackfield.net.pipes import PipeReader, PipeWriter
from tests.live import PATIENCE


def test_what_goes_in_comes_out_whatever_fits_at_once() -> None:
    async def run() -> bytes:
        out, into = wide_pipe()
        reader, writer = PipeReader(out), PipeWriter(into)
        data = os.urandom(3_000_000)
        got = bytearray()

        async def write() -> None:
            assert await writer.write(data)
            writer.close()

        writing = asyncio.create_task(write())
        while piece := await reader.read(70_000):
            assert len(piece) <= 70_000
            got += piece
        await writing
        reader.close()
        assert got == data
        return bytes(got)

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_read_ends_when_nobody_is_left_who_writes() -> None:
    """Although somebody has the pipe open still."""

    async def run() -> tuple[bytes, bytes]:
        out, into = os.pipe()
        reader = PipeReader(out)
        reading = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        reader.finish()
        first = await reading
        os.write(into, b"last")
        last = await reader.read(10)
        assert await reader.read(10) == b""
        os.close(into)
        reader.close()
        return first, last

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) == (b"", b"last")


@pytest.mark.parametrize("cancels", [False, True])
def test_closing_ends_whoever_waits(cancels: bool) -> None:
    async def run() -> None:
        out, into = os.pipe()
        reader, writer = PipeReader(out), PipeWriter(into)
        reading = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        if cancels:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        reader.close()
        reader.close()
        assert reader.is_closed
        if not cancels:
            assert await reading == b""
        assert await reader.read(10) == b""
        assert not await writer.write(b"x")  # EPIPE
        writer.close()
        assert not await writer.write(b"x")

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_write_that_waits_ends_with_the_reader() -> None:
    async def run() -> bool:
        out, into = os.pipe()
        writer = PipeWriter(into)
        writing = asyncio.create_task(writer.write(b"x" * 1_000_000))
        await asyncio.sleep(0)
        os.close(out)
        done = await writing
        writer.close()
        return done

    assert not asyncio.run(asyncio.wait_for(run(), PATIENCE))
