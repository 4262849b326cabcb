"""Raw: a chunk is a message. For peers that know no framing; opt-in, and it says so.

TCP keeps no boundaries: what one `recv()` of the peer's system returned is a message here,
so two sends may arrive as one message and one send as two (RFC 9293, section 3.9.1). It is
the one framing that breaks the law that any cut of the bytes gives the same messages.
"""

from __future__ import annotations

from jackfield.errors import LocalProtocolError
from jackfield.framing.base import Buffer, Cut, Decoder, Framing, as_bytes, refusal_text

CHUNK = 64 * 1024
"""Bytes in one message at the most, unless told otherwise; a chunk past it arrives in parts."""


class Raw(Framing[bytes]):
    """Bytes as they come, in chunks of at most `max_message` bytes.

    passes_tls: whether a peer that begins with a TLS handshake is to be taken at its word, as
    something that passes bytes on wants it. Otherwise it has mistaken this endpoint for one of
    TLS, and is told so.
    """

    name = "raw"

    def __init__(self, max_message: int = CHUNK, *, passes_tls: bool = False) -> None:
        super().__init__(max_message)
        self.passes_tls = passes_tls

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut:
        del searched
        end = min(len(buffer), start + self.max_message)
        return start, end, end

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        if 0 < len(data) <= self.max_message:
            return [data], len(data)
        return [], 0

    def encode(self, message: bytes) -> bytes:
        data = as_bytes(message)
        if not data:
            raise LocalProtocolError(
                "an empty chunk cannot be sent over a stream: its peer would see nothing"
            )
        return data

    def refusal(self, reason: str) -> bytes:
        return f"{refusal_text(reason)}\n".encode()

    def decoder(self) -> Decoder[bytes]:
        return _RawDecoder(self)


class _RawDecoder(Decoder[bytes]):
    """A read is handed on whole: slicing it would make more messages out of one."""

    __slots__ = ()

    def __init__(self, framing: Raw) -> None:
        super().__init__(framing)
        self.need = framing.max_message

    def feed(self, data: bytes) -> list[bytes]:
        messages = super().feed(data)
        self.need = self._framing.max_message
        return messages
