"""Ending connections whose peers keep somebody waiting: silent, dripping, or taking nothing.

The rules this file owns:

1. Twice a second all connections of a server are looked at, and their counters compared with
   those of the last look. So no deadline costs a message anything.
2. Time runs against a peer only while it is the peer that is waited for: while its handler
   waits for input, or while the system takes nothing of what is to be sent to it.
3. Silence: nobody waits longer than `Limits.first_message` for the first message, nor longer
   than `Limits.idle` for a byte either way. Where a service says that peers may listen in
   silence, neither holds, and keep-alive finds those that are gone (`net/options.py`).
4. Dripping: a message, or a stream read by `receive_chunk()`, may take `Limits.message_time`
   seconds, and more for as long as it comes at `Limits.message_rate` bytes a second.
5. Answering nothing: a peer that WebSocket's pings reach is sent one after `Limits.ping` seconds
   without a byte from it, and is lost when as many more pass. Its pings move no other deadline.
6. Taking nothing: `Limits.write_time` seconds after the system last took a byte for a peer, its
   connection is cut.
"""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from jackfield.events import Refused
from jackfield.limits import Limits, Passed
from jackfield.net.connection import Connection
from jackfield.net.details import queued
from jackfield.net.ioloop import IOLoop

TICK = 0.5
"""Seconds between two looks, so that a limit holds to the second."""


_SILENCE = frozenset({"first_message", "idle"})


class _Seen:
    """What the looks so far have seen of one connection. Times are of the loop's clock."""

    __slots__ = (
        "arriving",
        "began",
        "from_byte",
        "heard",
        "heard_at",
        "messages",
        "moved",
        "moved_at",
        "pinged_at",
        "sent",
        "sent_at",
    )

    def __init__(self, now: float) -> None:
        self.began = self.moved_at = self.sent_at = now
        self.heard_at = now
        self.heard = 0  # bytes from the peer
        self.pinged_at = 0.0  # since then it was asked whether it is there; 0: it was not
        self.moved = self.sent = 0  # bytes either way, and sent
        self.arriving = 0.0  # seconds for which the rest of a message was waited for; 0: of none
        self.messages = self.from_byte = 0  # received before that one, which may come in pieces


class Deadlines:
    """Looks after the connections of one server.

    silent: whether peers may listen in silence.
    late: called with a connection and the limit it has passed.
    """

    def __init__(
        self,
        io: IOLoop,
        limits: Limits,
        late: Callable[[Connection[Any], Passed], None],
        *,
        silent: bool,
    ) -> None:
        self._loop = io.loop
        self._limits = limits
        self._late = late
        self._silent = silent
        self._watched: dict[Connection[Any], _Seen] = {}
        self._timer: TimerHandle | None = None

    def watch(self, conn: Connection[Any]) -> None:
        """Look after a connection from now on."""
        self._watched[conn] = _Seen(self._loop.time())
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._look)

    def forget(self, conn: Connection[Any]) -> None:
        """Look after it no more, if that was done."""
        self._watched.pop(conn, None)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for conn, seen in list(self._watched.items()):
            passed = (
                self._not_taken(conn, seen, now)
                or (self._not_answered(conn, seen, now) if conn.has_pings else None)
                or self._not_come(conn, seen, now)
            )
            if passed is not None:
                del self._watched[conn]
                self._late(conn, passed)
        if self._watched:
            self._timer = self._loop.call_later(TICK, self._look)

    def _not_taken(self, conn: Connection[Any], seen: _Seen, now: float) -> Passed | None:
        """See whether a peer takes what is sent to it."""
        if not conn.is_blocked:
            seen.sent_at = now
            return None
        # a slow peer may long be at what the system holds, before that has room for more
        sent = conn.bytes_sent - queued(conn.live_socket())
        if sent != seen.sent:
            seen.sent, seen.sent_at = sent, now
        elif now - seen.sent_at > self._limits.write_time:
            return Passed("write_time", f"it took nothing for {self._limits.write_time:g} s")
        return None

    def _not_answered(self, conn: Connection[Any], seen: _Seen, now: float) -> Passed | None:
        """See whether a peer is there, and ask it when that is not known."""
        limit = self._limits.ping
        if conn.bytes_received != seen.heard or conn.is_blocked or not conn.is_reading:
            seen.heard, seen.heard_at, seen.pinged_at = conn.bytes_received, now, 0.0
        elif not seen.pinged_at:
            if now - seen.heard_at >= limit:
                seen.pinged_at = now
                conn.ping()
        elif now - seen.pinged_at >= limit:
            return Passed("ping", f"it did not answer a ping within {limit:g} s")
        return None

    def _not_come(self, conn: Connection[Any], seen: _Seen, now: float) -> Passed | None:
        """See whether what is waited for comes."""
        limits = self._limits
        moved = conn.moved
        if moved != seen.moved or not conn.is_awaited:
            seen.moved, seen.moved_at = moved, now
        if not conn.is_awaited:
            return None
        silent = self._silent or conn.may_be_silent
        if conn.unfinished or (conn.awaits_chunk and not silent):
            return self._dripping(conn, seen, now)
        seen.arriving = 0.0
        if silent:
            return None
        if not conn.messages_received and now - seen.began > limits.first_message:
            return Passed("first_message", f"no message came within {limits.first_message:g} s")
        if now - seen.moved_at > limits.idle:
            return Passed("idle", f"nothing came for {limits.idle:g} s")
        return None

    def _dripping(self, conn: Connection[Any], seen: _Seen, now: float) -> Passed | None:
        """See whether the rest of a message comes fast enough, and comes at all."""
        messages = conn.messages_received - conn.pieces
        if not seen.arriving or seen.messages != messages:
            seen.messages, seen.arriving = messages, 0.0
            seen.from_byte = conn.bytes_received - conn.unfinished
        seen.arriving += TICK
        size = conn.bytes_received - seen.from_byte
        most = self._limits.message_time + size / self._limits.message_rate
        if seen.arriving <= most and now - seen.moved_at <= self._limits.idle:
            return None
        return Passed("message_time", f"a message was not whole after {seen.arriving:.0f} s")


def end_late(conn: Connection[Any], passed: Passed, tell: Callable[[Refused], None]) -> None:
    """End a connection whose peer has passed a limit: it is told why, if it takes anything.

    tell: told of it too, unless that is no fault.
    """
    if passed.limit in _SILENCE and conn.framing.rests and not conn.unfinished:
        conn.close_soon()
        return
    tell(Refused(conn.local, str(conn.peer), passed.reason, passed.limit))
    if passed.limit == "write_time":
        conn.abort(passed.reason)
    else:
        conn.refuse(passed.reason, passed.limit)
