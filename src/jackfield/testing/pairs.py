"""In-memory pairs of connections, with faults: cut, reset, late, in bits, or interrupted."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from jackfield.endpoints import Transport
from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.limits import DEFAULT, Limits
from jackfield.net.connection import Connection
from jackfield.net.ioloop import IOLoop, current
from jackfield.net.memory import CAPACITY, MemorySocket, pair
from jackfield.net.roles import Plan
from jackfield.net.stream import StreamConnection

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in one direction of a pair.

    cut_after: bytes after which the stream ends, as when the other side has ended it, wherever in a
    message that is.
    reset_after: bytes after which it is reset instead.
    delay: seconds that everything is on its way.
    short: bytes that the system takes, and gives, at once at the most.
    interrupted: whether every other call of the system is interrupted by a signal (EINTR).

    Raises ConfigurationError for a number that cannot be.
    """

    cut_after: int | None = None
    reset_after: int | None = None
    delay: float = 0.0
    short: int | None = None
    interrupted: bool = False

    def __post_init__(self) -> None:
        counts = self.cut_after, self.reset_after
        if any(count is not None and count < 0 for count in counts) or self.delay < 0:
            raise ConfigurationError("a fault cannot come after less than nothing")
        if self.short is not None and self.short < 1:
            raise ConfigurationError("short= is a number of bytes, 1 or more")


NONE = Faults()


@asynccontextmanager
async def memory_pair(
    framing: Framing[M],
    *,
    there: Faults = NONE,
    back: Faults = NONE,
    limits: Limits = DEFAULT,
) -> AsyncIterator[tuple[Connection[M], Connection[M]]]:
    """Give two connections that speak to each other; both are closed in the end.

    there: what goes wrong with what the first one sends. back: with what the second one does.
    """
    io = current()
    plan = Plan(io, framing, limits)
    sockets = pair("testing")
    one = FaultySocket(io, sockets[0], sends=there, receives=back)
    other = FaultySocket(io, sockets[1], sends=back, receives=there)
    one.peer, other.peer = other, one
    ends: list[StreamConnection[M]] = [
        StreamConnection(plan, cast("Any", end), Transport.MEMORY) for end in (one, other)
    ]
    for end in ends:
        end.open()
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            end.abort()


class FaultySocket:
    """One end of an in-memory pair, with faults. It has the methods that a connection uses."""

    peer: FaultySocket

    def __init__(self, io: IOLoop, inner: MemorySocket, *, sends: Faults, receives: Faults) -> None:
        self._io = io
        self._inner = inner
        self._sends = sends
        self._receives = receives
        self._sent = 0
        self._reset = False
        self._ended = self._broken = False
        self._calls = 0
        self._under_way: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recv(self, size: int) -> bytes:
        """As `socket.recv()`."""
        self._interrupt(self._receives)
        data = self._inner.recv(min(size, self._receives.short or size))
        if not data and self._reset:
            raise ConnectionResetError(errno.ECONNRESET, "reset, as the test wants it")
        return data

    def send(self, data: bytes | memoryview) -> int:
        """As `socket.send()`."""
        faults = self._sends
        self._interrupt(faults)
        if self._reset:
            raise ConnectionResetError(errno.ECONNRESET, "reset, as the test wants it")
        end = min(
            (count for count in (faults.cut_after, faults.reset_after) if count is not None),
            default=None,
        )
        taken = len(data) if end is None else min(len(data), max(0, end - self._sent))
        part = bytes(data[: min(taken, faults.short or taken)])
        sent = self._pass_on(part) if part else 0
        self._sent += sent
        if end is not None and self._sent >= end and not self._ended:
            self._ended = True
            self._later(self._break_off)
        if end is not None and self._sent >= end:
            return len(data)  # what comes after it goes nowhere, and nobody is told
        return sent

    def _pass_on(self, part: bytes) -> int:
        if not self._sends.delay or self._broken:
            return self._inner.send(part)
        if sum(map(len, self._under_way)) >= CAPACITY:
            raise BlockingIOError(errno.EAGAIN, "no room")
        self._under_way.append(part)
        self._later(self._arrive)
        return len(part)

    def _arrive(self) -> None:
        """Hand over what has been on its way; what there is no room for yet is tried again."""
        part = self._under_way.pop(0)
        try:
            sent = self._inner.send(part)
        except BlockingIOError:
            sent = 0
        except BrokenPipeError:
            self._broken = True  # which the next send() is told
            return
        if sent < len(part):
            self._under_way.insert(0, part[sent:])
            self._io.loop.call_later(self._sends.delay, self._arrive)

    def _break_off(self) -> None:
        if self._sends.reset_after is not None and self._sent >= self._sends.reset_after:
            self._reset = self.peer._reset = True  # noqa: SLF001  of its own class
            self._io.call_soon(self.peer._inner.shutdown, 1)  # noqa: SLF001  so that this end sees it
        self._inner.shutdown(1)

    def _later(self, call: Any) -> None:
        if self._sends.delay:
            self._io.loop.call_later(self._sends.delay, call)
        else:
            call()

    def shutdown(self, how: int) -> None:
        """As `socket.shutdown()`; what is on its way arrives before."""
        self._later(lambda: self._inner.shutdown(how))

    def close(self) -> None:
        """As `socket.close()`; likewise."""
        if self._under_way:
            self._later(self._inner.close)
        else:
            self._inner.close()

    def _interrupt(self, faults: Faults) -> None:
        self._calls += 1
        if faults.interrupted and self._calls % 2:
            raise InterruptedError(errno.EINTR, "interrupted, as the test wants it")
