"""Bytes between a connection and a file: in order, all of them, and never many pieces at hand."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from blake3 import blake3

from jackfield.errors import PeerLost
from jackfield.framing import raw
from jackfield.net.folders import FileRefused
from jackfield.services.files import moving
from jackfield.services.files.moving import BATCH, PIECES, Intake
from jackfield.testing import Faults, memory_pair
from tests.live import PATIENCE, in_loop

DRIBBLED = os.urandom(5 * PIECES + 7)
BYTE_BY_BYTE = Faults(short=1)


class Disk:
    """What is written; the first write waits until it may."""

    def __init__(self) -> None:
        self.data = b""
        self.batches: list[list[int]] = []
        self.goes = threading.Event()

    def write(self, parts: list[bytes]) -> None:
        assert self.goes.wait(PATIENCE)
        self.batches.append([len(part) for part in parts])
        self.data += b"".join(parts)


@in_loop
async def test_whoever_sends_byte_by_byte_does_not_fill_the_memory() -> None:
    disk, digest = Disk(), blake3()
    received = 0
    is_full = asyncio.Event()

    def progress(size: int) -> None:
        nonlocal received
        assert size == 1
        received += size
        assert received - len(disk.data) <= 2 * PIECES
        if received == 2 * PIECES:
            is_full.set()

    intake = Intake(disk.write, digest, progress)
    async with asyncio.timeout(PATIENCE), memory_pair(raw(), there=BYTE_BY_BYTE) as (one, other):
        sending = asyncio.ensure_future(one.send_chunk(DRIBBLED))
        taking = asyncio.ensure_future(intake.take(other, len(DRIBBLED)))
        await is_full.wait()
        for _ in range(10 * PIECES):  # turns, in which more would come
            await asyncio.sleep(0)
        assert received == 2 * PIECES
        disk.goes.set()
        await taking
        await sending
        await intake.settle()
    assert disk.data == DRIBBLED
    assert digest.hexdigest() == blake3(DRIBBLED).hexdigest()
    assert max(map(len, disk.batches)) <= PIECES
    assert intake.left == 0


@in_loop
async def test_large_pieces_are_written_in_batches() -> None:
    data = os.urandom(3 * BATCH + 1)
    disk, digest = Disk(), blake3()
    disk.goes.set()
    intake = Intake(disk.write, digest)
    async with asyncio.timeout(PATIENCE), memory_pair(raw()) as (one, other):
        sending = asyncio.ensure_future(one.send_chunk(data))
        await intake.take(other, BATCH + 5)
        await intake.take(other, 0)
        await intake.take(other, len(data) - BATCH - 5)
        await sending
        await intake.settle()
    assert disk.data == data
    assert digest.hexdigest() == blake3(data).hexdigest()
    assert max(sum(batch) for batch in disk.batches) < 2 * BATCH


@in_loop
async def test_what_has_come_before_an_end_is_written() -> None:
    disk, digest = Disk(), blake3()
    disk.goes.set()
    intake = Intake(disk.write, digest)
    faults = Faults(short=1, cut_after=PIECES + 9)
    async with asyncio.timeout(PATIENCE), memory_pair(raw(), there=faults) as (one, other):
        sending = asyncio.ensure_future(one.send_chunk(DRIBBLED))
        with pytest.raises(PeerLost, match=moving.CUT):
            await intake.take(other, len(DRIBBLED))
        await intake.settle()
        sending.cancel()
    assert disk.data == DRIBBLED[: PIECES + 9]
    assert digest.hexdigest() == blake3(disk.data).hexdigest()
    assert intake.left == len(DRIBBLED) - PIECES - 9


@in_loop
async def test_what_cannot_be_written_is_told_and_how_much_is_still_to_come() -> None:
    def refuse(_: list[bytes]) -> None:
        raise FileRefused("there is no room", "full")

    intake = Intake(refuse, blake3())
    async with asyncio.timeout(PATIENCE), memory_pair(raw(), there=BYTE_BY_BYTE) as (one, other):
        sending = asyncio.ensure_future(one.send_chunk(DRIBBLED))
        with pytest.raises(FileRefused, match="there is no room"):
            await intake.take(other, len(DRIBBLED))
        assert intake.left == len(DRIBBLED) - 2 * PIECES
        await moving.dropped(other, intake.left)
        await sending
