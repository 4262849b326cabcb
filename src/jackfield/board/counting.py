"""What one service of a board has come to: since it was started, and each second."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import NamedTuple, Protocol

from jackfield.events import ConnectionEnded, ConnectionOpened, Events, Refused
from jackfield.models.running import ConnectionStatus

SPAN = 10.0
"""Seconds over which a rate is taken."""


class Served(Protocol):
    """A server, as far as it is asked here."""

    events: Events

    async def status(self) -> list[ConnectionStatus]:
        """Say who is connected."""


class _Moved(NamedTuple):
    at: float
    messages: int
    bytes: int


class Rates(NamedTuple):
    """Messages and bytes either way, a second."""

    messages: float
    bytes: float


class Counts:
    """Counts for one server. opened: connections in all. refused: peers, by the limit passed."""

    def __init__(self, server: Served) -> None:
        self._server = server
        self.opened = 0
        self.refused: Counter[str] = Counter()
        self._messages = self._bytes = 0  # of connections that are over
        self._seen: deque[_Moved] = deque([_Moved(time.monotonic(), 0, 0)])
        events = server.events
        events.subscribe(ConnectionOpened, self._opened)
        events.subscribe(ConnectionEnded, self._ended)
        events.subscribe(Refused, self._refused)

    def _opened(self, _event: ConnectionOpened) -> None:
        self.opened += 1

    def _ended(self, event: ConnectionEnded) -> None:
        self._messages += event.messages_received + event.messages_sent
        self._bytes += event.bytes_received + event.bytes_sent

    def _refused(self, event: Refused) -> None:
        self.refused[event.limit or "other"] += 1

    async def look(self) -> None:
        """See what has moved by now: called every second or so."""
        messages, size = self._messages, self._bytes
        for one in await self._server.status():
            messages += one.messages_received + one.messages_sent
            size += one.bytes_received + one.bytes_sent
        now = time.monotonic()
        self._seen.append(_Moved(now, messages, size))
        while len(self._seen) > 2 and now - self._seen[1].at >= SPAN:
            self._seen.popleft()

    @property
    def rates(self) -> Rates:
        """How much has moved a second, over the last `SPAN` seconds."""
        first, last = self._seen[0], self._seen[-1]
        seconds = last.at - first.at
        if seconds <= 0:
            return Rates(0.0, 0.0)
        # one that ended between two looks is counted when it has ended, so never twice
        return Rates(
            max(0, last.messages - first.messages) / seconds,
            max(0, last.bytes - first.bytes) / seconds,
        )
