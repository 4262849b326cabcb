"""Standard input and output from an event loop, whatever they are: pipes, files, terminals.

The rules this file owns:

1. Neither blocks the loop: each has a thread, since files cannot be waited for and a pipe's
   flags belong to others too. The thread does not keep the process from leaving.
2. One call at a time is under way, so what waits in memory is one chunk each way.
3. Who reads our output no more has had enough: `OutputClosed`, which is no failure.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from jackfield.errors import LocalError
from jackfield.net import stdio
from jackfield.visible import printable

T = TypeVar("T")

CHUNK = 64 * 1024
"""Bytes read at once: what a pipe holds."""

MAX_LINE = 1024 * 1024
"""Bytes in a line of input; a framing's own bound is mostly less."""


def input_encoding() -> str:
    """Give the encoding that text on standard input has here."""
    return sys.__stdin__.encoding if sys.__stdin__ else "utf-8"


def output_encoding() -> str:
    """Give the encoding that text on standard output is to have here."""
    return sys.__stdout__.encoding if sys.__stdout__ else "utf-8"


def tell(text: str) -> None:
    """Write a line to standard error, if there is one."""
    stdio.write(stdio.STDERR, f"{printable(text)}\n".encode(output_encoding(), "backslashreplace"))


class OutputClosed(Exception):
    """Nobody reads what is written to standard output any more."""


class Worker:
    """A thread that makes calls one after another."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[
            tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]
        ] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, function: Callable[[], T]) -> T:
        """Call it in the thread; wait for its result. A cancelled wait does not undo the call."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put((loop, future, function))
        return await future

    def _work(self) -> None:
        while True:
            loop, future, function = self._calls.get()
            result, error = None, None
            try:
                result = function()
            except Exception as failed:  # noqa: BLE001  it is raised where call() waits
                error = failed
            try:
                loop.call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits
                return


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Input:
    """Standard input."""

    def __init__(self) -> None:
        self._worker = Worker("jackfield input")
        self._rest = b""
        self._ended = False

    async def read(self, size: int = CHUNK) -> bytes:
        """Give the next bytes, b"" at the end. Raises LocalError."""
        return await self._worker.call(lambda: stdio.read(stdio.STDIN, size))

    async def read_all(self, most: int) -> bytes:
        """Give everything up to the end. Raises LocalError past `most` bytes."""
        parts: list[bytes] = []
        size = 0
        while part := await self.read():
            parts.append(part)
            size += len(part)
            if size > most:
                raise LocalError(f"standard input has more than the {most} bytes of one message")
        return b"".join(parts)

    async def line(self) -> bytes | None:
        """Give the next line without its ending, None at the end. Raises LocalError."""
        while True:
            line, ending, rest = self._rest.partition(b"\n")
            if ending or (self._ended and line):
                self._rest = rest
                return line.removesuffix(b"\r")
            if self._ended:
                return None
            if len(line) > MAX_LINE:
                raise LocalError(f"standard input has a line of more than {MAX_LINE} bytes")
            data = await self.read()
            self._rest += data
            self._ended = not data

    async def lines(self) -> AsyncIterator[bytes]:
        """Give line after line."""
        while (line := await self.line()) is not None:
            yield line


class Output:
    """Standard output, or standard error."""

    def __init__(self, fd: int = stdio.STDOUT) -> None:
        self._fd = fd
        self._worker = Worker("jackfield output")

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises OutputClosed and LocalError."""
        if not await self._worker.call(lambda: stdio.write(self._fd, data)):
            raise OutputClosed
