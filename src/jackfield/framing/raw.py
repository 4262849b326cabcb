"""Raw: a chunk is a message. For peers that know no framing; opt-in, and it says so.

TCP keeps no boundaries: what one `recv()` of the peer's system returned is a message here,
so two sends may arrive as one message and one send as two (RFC 9293, section 3.9.1).
"""

from __future__ import annotations

from jackfield.errors import LocalProtocolError
from jackfield.framing.base import Cut, Decoder, Framing, Buffer

CHUNK = 64 * 1024
"""Bytes one read gives at the most."""


class Raw(Framing[bytes]):
    """Bytes as they come, in chunks of at most `max_message` bytes."""

    name = "raw"

    def __init__(self, max_message: int = CHUNK) -> None:
        super().__init__(max_message)

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut:
        del searched
        end = min(len(buffer), start + self.max_message)
        return start, end, end

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        if len(data) <= self.max_message:
            return [data], len(data)
        return [], 0

    def encode(self, message: bytes) -> bytes:
        if not message:
            msg = "an empty chunk cannot be sent over a stream: its peer would see nothing"
            raise LocalProtocolError(msg)
        return message

    def refusal(self, reason: str) -> bytes:
        return f"error: {reason}\n".encode()

    def decoder(self) -> Decoder[bytes]:
        return _RawDecoder(self)


class _RawDecoder(Decoder[bytes]):
    """A read is handed on whole: slicing it would make more messages out of one."""

    __slots__ = ()

    def __init__(self, framing: Raw) -> None:
        super().__init__(framing)
        self.need = CHUNK

    def feed(self, data: bytes) -> list[bytes]:
        messages = super().feed(data)
        self.need = CHUNK
        return messages
