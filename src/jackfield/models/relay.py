"""A datagram session's way to a process and back, in model `processes`.

The rules this file owns:

1. The session stays in the server, which has the socket all peers share. Its units go to a
   process, and those of the process to the peer, over a pair of sockets.
2. Both ways are bounded. Units the process has not taken wait here, `Limits.session_inbox` at
   the most; past it they are dropped and counted, and so is what comes right behind the one
   with which the handler ends. Nothing is taken from the process while its peer lags.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from jackfield.errors import ConnectionEnded
from jackfield.events import DatagramsDropped, Events
from jackfield.net.handing import datagram_pair, pass_unit, take_unit
from jackfield.net.packets import UnitConnection


class Relay:
    """Carries one session's units.

    theirs: the end for the process.
    """

    def __init__(self, conn: UnitConnection[bytes], events: Events) -> None:
        self.conn = conn
        self._events = events
        self._ours, self.theirs = datagram_pair()
        self._taken = 0  # units of the peer so far
        self._waiting: deque[bytes] = deque()  # those of them that the system has not taken yet
        self._ended = False
        self._resuming: asyncio.Task[None] | None = None
        self._tell_end: Callable[[], None] | None = None
        conn.io.watch_read(self._ours, self._back)
        conn.answer_by(self)

    def start(self, tell_end: Callable[[], None]) -> None:
        """Have a process told, by `tell_end()`, when the session's input has ended."""
        self._tell_end = tell_end
        if self._ended:
            tell_end()

    # From the peer

    def take(self, units: list[bytes]) -> None:
        """Carry these to the process."""
        if self._is_closed:
            return
        room = self.conn.limits.session_inbox - len(self._waiting)
        self._waiting += units[:room]
        self._taken += min(len(units), room)
        if len(units) > room:
            reason = "its handler's process lags by more than session_inbox datagrams"
            self._dropped(len(units) - room, reason)
        self._forth()

    def _dropped(self, count: int, reason: str) -> None:
        self._events.emit(DatagramsDropped(self.conn.local, count, reason))

    def count_unread(self, read: int) -> None:
        """Tell how many units came too late for the process, which has read so many.

        But for the one that began the session: it need not be read.
        """
        unread = self._taken - max(read, 1)
        if unread > 0:
            self._dropped(unread, "its handler ended, and its process with it")

    def _forth(self) -> None:
        while self._waiting and pass_unit(self._ours, self._waiting[0]):
            self._waiting.popleft()
        if self._waiting:
            self.conn.io.watch_write(self._ours, self._forth)
        else:
            self.conn.io.unwatch_write(self._ours)

    def over(self) -> None:
        """The peer has been silent for long or is lost, or the server stops."""
        self._ended = True
        if self._tell_end is not None:
            self._tell_end()

    # From the process

    def _back(self) -> None:
        conn = self.conn
        while not conn.is_over and conn.unsent <= conn.limits.write_high:
            unit = take_unit(self._ours)
            if unit is None:
                return
            conn.send_batch([unit])
        if conn.is_over:
            self._close()  # so that sending fails there, too
            return
        conn.io.unwatch_read(self._ours)
        self._resuming = conn.io.loop.create_task(self._resume())

    async def _resume(self) -> None:
        """Go on when the peer has taken enough, or is gone."""
        with contextlib.suppress(ConnectionEnded):
            await self.conn.drained()
        if not self._is_closed:
            self.conn.io.watch_read(self._ours, self._back)

    def finish(self, reason: str) -> None:
        """End the session; what the process sent last goes out first.

        reason: why it ended, in a few words.
        """
        conn = self.conn
        while not conn.is_over and (unit := take_unit(self._ours)) is not None:
            conn.send_batch([unit])
        self._close()
        conn.reason = conn.reason or reason
        conn.close_soon()

    @property
    def _is_closed(self) -> bool:
        return self._ours.fileno() < 0

    def _close(self) -> None:
        if not self._is_closed:
            self.conn.io.unwatch_read(self._ours)
            self.conn.io.unwatch_write(self._ours)
            self._ours.close()
