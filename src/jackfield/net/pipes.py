"""Pipes to and from a program, in an event loop: read and written without blocking it.

The rules this file owns:

1. A read or write is tried first; the loop is asked to watch when there is nothing, or no room.
2. Of one end, one call at a time waits.
3. Closing ends whoever waits: a read gives its end, a write says that nobody reads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


class _End:
    """One end of a pipe. fd: its descriptor, which is closed with it."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._waiter: asyncio.Future[None] | None = None
        self._stop: Callable[[], object] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it was closed here."""
        return self._fd < 0

    async def _wait(self, *, to_read: bool) -> None:
        """Wait until something can be done, or it is closed."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        if to_read:
            loop.add_reader(self._fd, self._wake)
            remove = loop.remove_reader
        else:
            loop.add_writer(self._fd, self._wake)
            remove = loop.remove_writer
        fd = self._fd
        self._stop = lambda: remove(fd)
        try:
            await self._waiter
        finally:
            self._unwatch()

    def _unwatch(self) -> None:
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self) -> None:
        """Close it, once. In the loop's thread."""
        if self._fd >= 0:
            self._unwatch()
            os.close(self._fd)
            self._fd = -1
            self._wake()


class PipeReader(_End):
    """What a program writes."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._is_last = False

    async def read(self, size: int) -> bytes:
        """Give up to `size` bytes as they come; b"" at the end."""
        while self._fd >= 0:
            try:
                return os.read(self._fd, size)
            except BlockingIOError:
                if self._is_last:
                    break
            except OSError:  # no pipe any more, whatever it was
                break
            await self._wait(to_read=True)
        return b""

    def finish(self) -> None:
        """Say that nobody is left who writes: what there is by now is the last of it.

        Somebody else may hold the pipe open still, to whom the program has passed it.
        """
        self._is_last = True
        self._wake()


class PipeWriter(_End):
    """What a program reads."""

    async def write(self, data: bytes) -> bool:
        """Write all of it; False when nobody reads that any more."""
        rest = memoryview(data)
        while rest:
            if self._fd < 0:
                return False
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._wait(to_read=False)
            except OSError:  # EPIPE: nobody reads it
                return False
        return True
