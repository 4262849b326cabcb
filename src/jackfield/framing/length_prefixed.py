"""Length-prefixed: the number of bytes comes first, then that many bytes.

The rules this file owns:

1. The length is an unsigned integer of 1, 2, 4 or 8 bytes in either byte order, or a varint:
   seven bits a byte, the lowest first, the high bit set on all but the last (LEB128, which
   Protocol Buffers send before each message of a stream).
2. A length that `counts_itself` includes its own bytes, so a smaller one is an error.
3. A length past the bound is refused when it is read, before any of the message is kept.
4. A varint may be longer than it has to be, up to 10 bytes, as Protocol Buffers have it.
"""

from __future__ import annotations

import struct
from typing import Final, Literal

from jackfield.errors import BadMessage, ConfigurationError
from jackfield.framing.base import (
    DEFAULT_MAX_MESSAGE,
    Buffer,
    Cut,
    Framing,
    refusal_text,
    sendable,
    too_long,
)

_PREFIXES = {
    (size, order): struct.Struct(mark + code)
    for size, code in {1: "B", 2: "H", 4: "I", 8: "Q"}.items()
    for order, mark in {"big": ">", "little": "<"}.items()
}

LONGEST_VARINT = 10
"""Bytes in a varint of 64 bits."""


class LengthPrefixed(Framing[bytes]):
    """Messages of bytes behind a length of `size` bytes.

    A `max_message` that the length cannot say is taken as the largest it can.
    """

    name = "length"

    def __init__(
        self,
        size: Literal[1, 2, 4, 8] = 4,
        byteorder: Literal["big", "little"] = "big",
        max_message: int = DEFAULT_MAX_MESSAGE,
        *,
        counts_itself: bool = False,
    ) -> None:
        self._prefix: Final = (size, byteorder)  # a Struct itself cannot be pickled
        if self._prefix not in _PREFIXES:
            raise ConfigurationError(
                "a length is 1, 2, 4 or 8 bytes, 'big' or 'little', or a 'varint'; "
                f"not {size!r}, {byteorder!r}"
            )
        self._itself: Final = size if counts_itself else 0
        super().__init__(min(max_message, 256**size - 1 - self._itself))
        self._size: Final = size

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        first = start + self._size
        if first > len(buffer):
            return self._size
        (length,) = _PREFIXES[self._prefix].unpack_from(buffer, start)
        length -= self._itself
        if length < 0:
            raise BadMessage(
                f"a length of {length + self._itself} that is to count its own {self._size} bytes"
            )
        if length > self.max_message:
            raise too_long(self.max_message, length)
        end = first + length
        return (first, end, end) if end <= len(buffer) else end - start

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        unpack_from = _PREFIXES[self._prefix].unpack_from
        messages: list[bytes] = []
        start = 0
        first = self._size
        while first <= len(data):
            length = unpack_from(data, start)[0] - self._itself
            end = first + length
            if not 0 <= length <= self.max_message or end > len(data):
                break
            messages.append(data[first:end])
            start = end
            first = end + self._size
        return messages, start

    def encode(self, message: bytes) -> bytes:
        data = sendable(message, self.max_message)
        return _PREFIXES[self._prefix].pack(len(data) + self._itself) + data

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason).encode())


class VarintPrefixed(Framing[bytes]):
    """Messages of bytes behind a varint."""

    name = "length"

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        length = 0
        for at in range(start, min(len(buffer), start + LONGEST_VARINT)):
            byte = buffer[at]
            length |= (byte & 0x7F) << 7 * (at - start)
            if length > self.max_message:
                raise too_long(self.max_message)
            if byte < 0x80:
                end = at + 1 + length
                return (at + 1, end, end) if end <= len(buffer) else end - start
        if len(buffer) - start >= LONGEST_VARINT:
            raise BadMessage(f"a varint of more than {LONGEST_VARINT} bytes")
        return len(buffer) - start + 1

    def encode(self, message: bytes) -> bytes:
        data = sendable(message, self.max_message)
        return varint(len(data)) + data

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason).encode())


def varint(number: int) -> bytes:
    """Encode a number of 0 or more as a varint, as short as it can be."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def length_prefixed(
    size: Literal[1, 2, 4, 8, "varint"] = 4,
    byteorder: Literal["big", "little"] = "big",
    *,
    counts_itself: bool = False,
    max_message: int = DEFAULT_MAX_MESSAGE,
) -> LengthPrefixed | VarintPrefixed:
    """Messages of at most `max_message` bytes, each behind its length.

    size: bytes in the length, or "varint". A length too short for `max_message` is the bound.
    counts_itself: whether the length includes its own bytes.

    Raises ConfigurationError for another size, and for a varint with any other option: it has
    one byte order and does not count itself.
    """
    if size != "varint":
        return LengthPrefixed(size, byteorder, max_message, counts_itself=counts_itself)
    if counts_itself or byteorder != "big":
        raise ConfigurationError(
            "a varint has one byte order and does not count itself: give it neither option"
        )
    return VarintPrefixed(max_message)
