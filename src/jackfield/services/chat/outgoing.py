"""Sending to one connection what happens in the chat: never waiting, and encoded once for all.

The rules this file owns:

1. A message is encoded once for all connections that have it in the same form.
2. Whose outbox is full misses what is said, and is told so once there is room again: it asks for
   what it missed. Who has missed `MOST_MISSED` messages in a row is disconnected.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from jackfield.net.connection import Connection
from jackfield.services.chat.history import Message

MOST_MISSED = 5000
"""Messages that a connection may miss before it is closed: it reads nothing, or far too little."""


class Form:
    """A form of messages that many connections share: the bytes of the last ones are kept.

    encode: gives the bytes of a message for any of these connections.
    """

    def __init__(self, encode: Callable[[Message, Connection[Any]], bytes]) -> None:
        self._encode = encode
        self._last: Sequence[Message] = ()
        self._parts: list[bytes] = []
        self._bytes = b""

    def bytes_of(self, messages: Sequence[Message], core: Connection[Any]) -> bytes:
        """Give the bytes of messages that all connections are given in one and the same sequence.

        core: the connection that they go to, of which only the form counts.
        """
        if messages is not self._last:
            self._parts = [self._encode(message, core) for message in messages]
            self._bytes = b"".join(self._parts)
            self._last = messages
        return self._bytes

    def parts_of(self, messages: Sequence[Message], core: Connection[Any]) -> list[bytes]:
        """Give the same, the bytes of each message by themselves."""
        self.bytes_of(messages, core)
        return self._parts


class Forms:
    """The forms that connections have, each by whatever tells it from others.

    One is forgotten with the last connection that has it.
    """

    def __init__(self) -> None:
        self._forms: WeakValueDictionary[Hashable, Form] = WeakValueDictionary()

    def of(self, kind: Hashable, encode: Callable[[Message, Connection[Any]], bytes]) -> Form:
        """Give the form of a kind. encode: as for `Form`."""
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = Form(encode)
        return form


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

    def post(self, data: bytes, count: int = 1) -> None:
        """Send the bytes of so many messages, or count them as missed."""
        if (self.missed and not self.catch_up()) or not self._core.post_at_once(data):
            self.miss(count)

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

    def miss(self, count: int = 1) -> None:
        """Count messages that are not sent."""
        before, self.missed = self.missed, self.missed + count
        if before < MOST_MISSED <= self.missed:
            self._core.abort(f"it did not read {MOST_MISSED} messages of the chat")
