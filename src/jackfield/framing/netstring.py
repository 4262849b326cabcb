"""Netstrings: the length in decimal, a colon, that many bytes, a comma: `5:hello,`.

The rule is D. J. Bernstein's "Netstrings" (1 February 1997): no leading zeros, and an empty
one is `0:,`. A length past the bound is refused when it is read.
"""

from __future__ import annotations

from jackfield.errors import BadMessage
from jackfield.framing.base import Buffer, Cut, Framing, refusal_text, sendable, too_long

_ZERO, _NINE, _COLON, _COMMA = b"09:,"


class Netstring(Framing[bytes]):
    """Messages of bytes as netstrings."""

    name = "netstring"

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        length = 0
        for at in range(start, len(buffer)):
            byte = buffer[at]
            if byte == _COLON and at > start:
                return self._payload(buffer, start, at + 1, length)
            if not _ZERO <= byte <= _NINE or (at > start and not length):
                raise _no_netstring(bytes(buffer[start : at + 1]))
            length = length * 10 + byte - _ZERO
            if length > self.max_message:
                raise too_long(self.max_message)
        return len(buffer) - start + 1

    @staticmethod
    def _payload(buffer: Buffer, start: int, first: int, length: int) -> Cut | int:
        end = first + length
        if end >= len(buffer):
            return end + 1 - start
        if buffer[end] != _COMMA:
            raise BadMessage(f"a netstring of {length} bytes that does not end with a comma")
        return first, end, end + 1

    def encode(self, message: bytes) -> bytes:
        data = sendable(message, self.max_message)
        return b"%d:%b," % (len(data), data)

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason).encode())


def _no_netstring(begin: bytes) -> BadMessage:
    return BadMessage(f"a netstring begins with its length and a colon, as in 5:, not {begin!r}")
