"""Sending to one connection what happens in the chat: never waiting, and encoded once for all.

The rules this file owns:

1. A message is encoded once for all connections that have it in the same form.
2. Whose outbox is full misses what is said, and is told so once there is room again: it asks for
   what it missed. Who has missed `MOST_MISSED` messages in a row is disconnected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.framing.base import Framing
from jackfield.net.connection import Connection
from jackfield.services.chat.history import Message

MOST_MISSED = 5000
"""Messages that a connection may miss before it is closed: it reads nothing, or far too little."""


class Form:
    """A form of messages that many connections share: the bytes of the last message are kept.

    encode: makes the bytes for a connection; they are the same for all of an equal framing.
    """

    def __init__(self, encode: Callable[[Message, Connection[Any]], bytes]) -> None:
        self._encode = encode
        self._last: Message | None = None
        self._bytes: dict[tuple[Framing[Any], int], bytes] = {}

    def bytes_of(self, message: Message, core: Connection[Any]) -> bytes:
        """Give the bytes of a message for a connection."""
        if message is not self._last:
            self._bytes.clear()
            self._last = message
        key = core.framing, core.largest
        data = self._bytes.get(key)
        if data is None:
            data = self._bytes[key] = self._encode(message, core)
        return data


class Outgoing:
    """The way out to one connection.

    missed: messages that it has missed since it was last told.
    """

    __slots__ = ("_conn", "_core", "_tell_missed", "missed")

    def __init__(self, conn: Connection[Any], tell_missed: Callable[[int], Any]) -> None:
        """tell_missed: makes the message that says how many were missed."""
        self._conn = conn
        self._core = conn.core
        self._tell_missed = tell_missed
        self.missed = 0

    def post(self, data: bytes) -> None:
        """Send encoded bytes, or count them as missed."""
        if not self.catch_up() or not self._core.post_encoded(data):
            self.miss()

    def post_message(self, message: Any) -> None:
        """Send a message of the connection's framing, or count it as missed."""
        self.post(self._core.encode(message))

    def catch_up(self) -> bool:
        """Say what was missed, if there is room again; whether nothing is left to be said."""
        if not self.missed:
            return True
        core = self._core
        if core.unsent > core.limits.outbox // 4:
            return False
        if core.post_encoded(core.encode(self._tell_missed(self.missed))):
            self.missed = 0
        return not self.missed

    def miss(self) -> None:
        """Count a message that is not sent."""
        self.missed += 1
        if self.missed == MOST_MISSED:
            self._core.abort(f"it did not read {MOST_MISSED} messages of the chat")
