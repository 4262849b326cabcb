"""Telling everybody in a room what was said there.

The rules this file owns:

1. What is kept together is told together, in the order of its numbers: one write for each
   connection, however many messages that are.
2. To keep a message costs a commit, and to tell a crowd of it far more. So in a crowd there is a
   pause after each telling, as long as the crowd is large. Whatever is to be said meanwhile is kept
   and told together at its end; where nothing was said for so long, at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from jackfield.services.chat.history import Message

CROWD = 50
"""Connections from which on they are a crowd."""

PAUSE = 0.0005
"""Seconds of pause for each of them: some fifty times of what it costs to tell them."""

LONGEST_PAUSE = 0.1
"""Seconds that a pause has at the most: nobody notices that, in a room of hundreds who talk."""

ENOUGH = 32 * 1024
"""Characters that are told at once, so that they fit into an outbox together."""

AROUND = 200
"""Characters that a message has beside its text, in JSON."""


class Listener(Protocol):
    """One who is told."""

    def said(self, messages: Sequence[Message]) -> None:
        """Hear messages of one room; the same sequence is given to all of its listeners."""


class Telling:
    """What was said in one room and is still to be told. Of one event loop.

    listeners: who is told, whenever that is.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = listeners
        self._untold: list[Message] = []
        self._size = 0
        self._pause_ends = 0.0
        self._handle: asyncio.Handle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    async def pause(self) -> None:
        """Wait until something may be kept again: no time at all, or the rest of a pause."""
        wait = self._pause_ends - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    def add(self, message: Message) -> None:
        """Have a message told once this turn of the loop is over."""
        self._untold.append(message)
        self._size += len(message.text) + AROUND
        if self._size >= ENOUGH:
            self._tell()
        elif self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        messages, self._untold, self._size = self._untold, [], 0
        listeners = tuple(self._listeners)
        for listener in listeners:
            listener.said(messages)
        if len(listeners) >= CROWD:
            self._pause_ends = time.monotonic() + min(len(listeners) * PAUSE, LONGEST_PAUSE)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def all_told(self) -> None:
        """Wait until everything is told that was kept so far."""
        if self._untold:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
