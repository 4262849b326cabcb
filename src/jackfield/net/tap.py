"""Watching messages: a framing that tells of each one and changes nothing.

Put around a connection's framing only while somebody subscribes to message events, so that
they cost nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from jackfield.events import Events, MessageReceived, MessageSent
from jackfield.framing.base import Buffer, Cut, Decoder, Framing
from jackfield.net.connection import Connection

M = TypeVar("M")

Tell = Callable[[Any], None]


class Tapped(Framing[M]):
    """`inner`, telling of each message received and sent."""

    def __init__(self, inner: Framing[M], received: Tell, sent: Tell) -> None:
        super().__init__(inner.max_message)
        self.name = inner.name
        self.delimiter = inner.delimiter
        self.payload = inner.payload
        self.rests = inner.rests
        self._inner = inner
        self._received = received
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # a handler may ask it for its encoding, say

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return self._inner.cut(buffer, start, searched)

    def encode(self, message: M) -> bytes:
        data = self._inner.encode(message)
        self._sent(message)
        return data

    def encode_unit(self, message: M) -> bytes:
        data = self._inner.encode_unit(message)
        self._sent(message)
        return data

    def decode_unit(self, unit: bytes) -> M:
        message = self._inner.decode_unit(unit)
        self._received(message)
        return message

    def decoder(self) -> Decoder[M]:
        return _TappedDecoder(self._inner.decoder(), self._received)

    def refusal(self, reason: str) -> bytes:
        return self._inner.refusal(reason)

    def refusal_past(self, limit: str, reason: str) -> bytes:
        return self._inner.refusal_past(limit, reason)


def tap_messages(conn: Connection[Any], events: Events) -> None:
    """Have `events` told of each message of a connection."""
    number, peer, emit = conn.number, str(conn.peer), events.emit
    conn.tap(
        lambda framing: Tapped(
            framing,
            lambda message: emit(MessageReceived(number, peer, message)),
            lambda message: emit(MessageSent(number, peer, message)),
        )
    )


class _TappedDecoder(Decoder[M], Generic[M]):
    """Another decoder, telling of what it gives."""

    __slots__ = ("_inner", "_tell")

    def __init__(self, inner: Decoder[M], tell: Tell) -> None:
        self._inner = inner
        self._tell = tell
        self.need = inner.need
        self.error = inner.error
        self.attention = False

    def feed(self, data: bytes) -> list[M]:
        messages = self._inner.feed(data)
        self.need = self._inner.need
        self.error = self._inner.error
        self.attention = self._inner.attention
        for message in messages:
            self._tell(message)
        return messages

    @property
    def pieces(self) -> int:  # type: ignore[override]  # it is a plain attribute elsewhere
        return self._inner.pieces

    @property
    def unfinished(self) -> int:
        return self._inner.unfinished

    def finish(self) -> None:
        self._inner.finish()
        self.error = self._inner.error

    def drop(self) -> None:
        self._inner.drop()
        self.attention = self._inner.attention

    def rest(self, unread: int) -> bytes:
        return self._inner.rest(unread)

    def pending(self) -> bytes:
        return self._inner.pending()
