"""Fixed size: every message is the same number of bytes, with nothing between them."""

from __future__ import annotations

from typing import Final

from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError
from jackfield.framing.base import Buffer, Cut, Framing, as_bytes


class Fixed(Framing[bytes]):
    """Messages of exactly `size` bytes, which is their bound too.

    Nothing is padded: a message of any other size is refused. A size less than 1 raises
    ConfigurationError.
    """

    name = "fixed"

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ConfigurationError(
                f"a message of {size} bytes cannot be cut from a stream; give a size of 1 or more"
            )
        super().__init__(size)
        self.size: Final = size

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        end = start + self.size
        return (start, end, end) if end <= len(buffer) else self.size

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        size = self.size
        end = len(data) - len(data) % size
        return [data[at : at + size] for at in range(0, end, size)], end

    def decode_unit(self, unit: bytes) -> bytes:
        if len(unit) != self.size:
            raise BadMessage(f"a message of {len(unit)} bytes where each has {self.size}")
        return unit

    def encode(self, message: bytes) -> bytes:
        data = as_bytes(message)
        if len(data) != self.size:
            raise LocalProtocolError(
                f"a message of {len(data)} bytes where each has {self.size}; pad it yourself"
            )
        return data

    def encode_unit(self, message: bytes) -> bytes:
        return self.encode(message)
