"""Text or binary: messages that are str or bytes, and arrive as what they were sent as.

What WebSocket has of itself (RFC 6455, section 5.6). Everywhere else a message begins with a byte
that tells which it is: 1 for text, in UTF-8, and 2 for bytes; in a stream four bytes come before
it with the length of what follows, big-endian.
"""

from __future__ import annotations

from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.framing.base import (
    Buffer,
    Cut,
    Framing,
    refusal_text,
    sendable,
    too_long,
    too_long_to_send,
)
from jackfield.framing.text import decoded

TEXT = 1
BINARY = 2

_HEAD = 5


class TextOrBinary(Framing["str | bytes"]):
    """Messages of text or of bytes, `max_message` bytes at the most, in UTF-8 where it is text."""

    name = "text-or-binary"
    payload = "marked"

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        if len(buffer) - start < _HEAD:
            return _HEAD
        size = int.from_bytes(buffer[start : start + 4], "big")
        if size > self.max_message + 1:
            raise too_long(self.max_message, size - 1)
        if not size or buffer[start + 4] not in {TEXT, BINARY}:
            raise BadMessage("a message begins with 1, for text, or 2, for bytes")
        end = start + 4 + size
        return (start + 4, end, end) if end <= len(buffer) else 4 + size

    def decode_unit(self, unit: bytes) -> str | bytes:
        if unit[:1] not in {b"\1", b"\2"}:
            raise BadMessage("a message begins with 1, for text, or 2, for bytes")
        if len(unit) > self.max_message + 1:
            raise too_long(self.max_message, len(unit) - 1)
        return decoded(unit[1:], "utf-8") if unit[0] == TEXT else unit[1:]

    def encode_unit(self, message: str | bytes) -> bytes:
        if not isinstance(message, str):
            return b"\2" + sendable(message, self.max_message)
        try:
            data = message.encode()
        except UnicodeError as error:
            raise LocalProtocolError(f"a message that UTF-8 cannot carry ({error})") from None
        if len(data) > self.max_message:
            raise too_long_to_send(self.max_message, len(data))
        return b"\1" + data

    def encode(self, message: str | bytes) -> bytes:
        if isinstance(message, bytes):  # with one copy, since it may be long
            head = (len(message) + 1).to_bytes(4, "big") + b"\2"
            return head + sendable(message, self.max_message)
        unit = self.encode_unit(message)
        return len(unit).to_bytes(4, "big") + unit

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason))
