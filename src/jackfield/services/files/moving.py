"""Bytes between a connection and a file, with their hash found on the way.

The rules this file owns:

1. While bytes are received, those before them are written and hashed by a thread; two batches are
   held at the most.
2. What has come is written, also when no more comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jackfield.errors import ConnectionEnded, PeerLost
from jackfield.net.connection import Connection
from jackfield.services.files.working import begin, finished

BATCH = 2 * 1024 * 1024
"""Bytes that are written at once: loop and thread seldom wait for each other then."""

PIECES = 256
"""Pieces of a batch, at the most: whoever sends byte by byte does not fill the memory with them."""

CUT = "the connection ended in the middle of a file"


class Intake:
    """A file that comes.

    write: takes bytes, in a thread, in order. progress: is told how many came, in the loop.
    digest: of all that it holds so far, once `settle()` has returned.
    """

    def __init__(
        self,
        write: Callable[[list[bytes]], object],
        digest: Any,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._write = write
        self._progress = progress
        self.digest = digest
        self._pending: asyncio.Future[None] | None = None
        self.left = 0
        """Bytes of the body under way that have not been received."""

    async def take(self, conn: Connection[Any], count: int) -> None:
        """Receive so many bytes. Raises PeerLost, and FileRefused: then `left` are still to come.

        What is raised may be about bytes that an earlier call has received.
        """
        self.left = count
        batch: list[bytes] = []
        size = 0
        while self.left:
            try:
                chunk = await conn.receive_chunk(min(self.left, BATCH))
            except ConnectionEnded:
                await self._pass_on(batch)
                raise
            if not chunk:
                await self._pass_on(batch)
                raise PeerLost(CUT)
            self.left -= len(chunk)
            if self._progress is not None:
                self._progress(len(chunk))
            batch.append(chunk)
            size += len(chunk)
            if size >= BATCH or len(batch) >= PIECES:
                await self._pass_on(batch)
                batch, size = [], 0
        if batch:
            await self._pass_on(batch)

    async def _pass_on(self, batch: list[bytes]) -> None:
        await self.settle()
        if batch:
            self._pending = begin(lambda: self._keep(batch))

    def _keep(self, batch: list[bytes]) -> None:
        self._write(batch)
        for part in batch:
            self.digest.update(part)

    async def settle(self) -> None:
        """Wait until what was received is written and hashed. Raises FileRefused."""
        pending, self._pending = self._pending, None
        await finished(pending)


async def received(conn: Connection[Any], count: int) -> bytes:
    """Give the next so many bytes. Raises PeerLost."""
    parts = []
    while count:
        chunk = await conn.receive_chunk(count)
        if not chunk:
            raise PeerLost(CUT)
        parts.append(chunk)
        count -= len(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def dropped(conn: Connection[Any], count: int) -> None:
    """Receive so many bytes for nothing. Raises PeerLost."""
    while count:
        chunk = await conn.receive_chunk(min(count, BATCH))
        if not chunk:
            raise PeerLost(CUT)
        count -= len(chunk)
