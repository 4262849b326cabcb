r"""Delimited: each message is followed by the same few bytes, such as NUL or CR LF CR LF.

The rules this file owns:

1. A message ends where its delimiter is found first. A message whose bytes, with the delimiter
   behind them, hold it any earlier would arrive as something else: sending it is refused.
2. Messages are bytes, or text when an encoding is given.
3. Over a transport that keeps boundaries a unit is one message: a delimiter after its last
   byte is dropped, and one within it is the sender's own, in either direction.
"""

from __future__ import annotations

from typing import Final, TypeVar, overload

from jackfield.errors import ConfigurationError, LocalProtocolError
from jackfield.framing.base import (
    DEFAULT_MAX_MESSAGE,
    Buffer,
    Cut,
    Framing,
    refusal_text,
    sendable,
    too_long,
)
from jackfield.framing.text import UNICODE, decoded, encoded, known_encoding, refusal_in

M = TypeVar("M")

LONGEST_DELIMITER = 16
"""Bytes in a delimiter at the most."""


class _Delimited(Framing[M]):
    """What delimited bytes and delimited text share: everything about the delimiter."""

    name = "delimited"

    def __init__(self, delimiter: bytes, max_message: int) -> None:
        super().__init__(max_message)
        if type(delimiter) is not bytes or not 1 <= len(delimiter) <= LONGEST_DELIMITER:
            raise ConfigurationError(
                f"a delimiter is 1 to {LONGEST_DELIMITER} bytes, as in b'\\0', not {delimiter!r}"
            )
        self.delimiter = delimiter

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        size = len(self.delimiter)
        end = buffer.find(self.delimiter, max(start, searched - size + 1))
        soonest = end if end >= 0 else len(buffer) - size + 1  # where the message can end
        if soonest - start > self.max_message:
            raise too_long(self.max_message)
        if end < 0:
            return len(buffer) - start + 1
        return start, end, end + size

    def _split(self, data: bytes) -> tuple[list[bytes], int]:
        parts = data.split(self.delimiter)
        left = len(parts.pop())
        if not parts or max(map(len, parts)) > self.max_message:
            return [], 0
        return parts, len(data) - left

    def _framed(self, data: bytes) -> bytes:
        framed = data + self.delimiter
        if framed.find(self.delimiter) < len(data):
            raise LocalProtocolError(
                f"a message holds its delimiter {self.delimiter!r} and would arrive as two; "
                "take another delimiter or a framing with a length"
            )
        return framed

    def _payload(self, unit: bytes) -> bytes:
        payload = unit.removesuffix(self.delimiter)
        if len(payload) > self.max_message:
            raise too_long(self.max_message, len(payload))
        return payload

    def _unit(self, data: bytes) -> bytes:
        return data + self.delimiter if data.endswith(self.delimiter) else data


class ByteDelimited(_Delimited[bytes]):
    """Messages of bytes, each followed by `delimiter`."""

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        return self._split(data)

    def decode_unit(self, unit: bytes) -> bytes:
        return self._payload(unit)

    def encode(self, message: bytes) -> bytes:
        return self._framed(sendable(message, self.max_message))

    def encode_unit(self, message: bytes) -> bytes:
        return self._unit(sendable(message, self.max_message))

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason).encode())


class TextDelimited(_Delimited[str]):
    """Messages of text, each followed by `delimiter`."""

    def __init__(self, delimiter: bytes, encoding: str, max_message: int) -> None:
        super().__init__(delimiter, max_message)
        self.encoding: Final = known_encoding(encoding)
        if self.encoding in UNICODE and delimiter.isascii():
            self.payload = "text"

    def cut_all(self, data: bytes) -> tuple[list[str], int]:
        parts, end = self._split(data)
        try:
            return [part.decode(self.encoding) for part in parts], end
        except UnicodeError:
            return [], 0  # one by one, so that the good ones before the bad one are given

    def decode_unit(self, unit: bytes) -> str:
        return decoded(self._payload(unit), self.encoding)

    def encode(self, message: str) -> bytes:
        return self._framed(sendable(encoded(message, self.encoding), self.max_message))

    def encode_unit(self, message: str) -> bytes:
        return self._unit(sendable(encoded(message, self.encoding), self.max_message))

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_in(self.encoding, reason))


@overload
def delimited(
    delimiter: bytes = ..., encoding: None = None, *, max_message: int = ...
) -> ByteDelimited: ...
@overload
def delimited(
    delimiter: bytes = ..., *, encoding: str, max_message: int = ...
) -> TextDelimited: ...
@overload
def delimited(delimiter: bytes, encoding: str, *, max_message: int = ...) -> TextDelimited: ...
def delimited(
    delimiter: bytes = b"\0",
    encoding: str | None = None,
    *,
    max_message: int = DEFAULT_MAX_MESSAGE,
) -> ByteDelimited | TextDelimited:
    """Messages of at most `max_message` bytes, each followed by `delimiter`.

    delimiter: 1 to 16 bytes of any value.
    encoding: what the text is in; None gives bytes.

    Raises ConfigurationError for a delimiter or an encoding that cannot be.
    """
    if encoding is None:
        return ByteDelimited(delimiter, max_message)
    return TextDelimited(delimiter, encoding, max_message)
