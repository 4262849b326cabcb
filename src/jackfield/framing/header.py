"""Header: a `struct` header, one of whose fields tells how many bytes follow it.

The rules this file owns:

1. The format is one of the `struct` module's and begins with its byte order, so that it means
   the same on every machine.
2. The length field may stand at any place. Its value plus `adjust` is the number of bytes that
   follow the header: with a length that counts the header too, adjust is minus its size.
3. The length field is the framing's own: it is filled in when sending and left out of what a
   handler receives, where it is the length of the payload.
4. Over a transport that keeps boundaries the unit holds the header too, and nothing else.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError
from jackfield.framing.base import (
    DEFAULT_MAX_MESSAGE,
    Buffer,
    Cut,
    Framing,
    sendable,
    too_long,
    wrong_type,
)


class HeaderMessage(NamedTuple):
    """A message behind a header; to send one, a plain tuple of both does as well.

    fields: the header's, in order and without the length: int, float, bool or bytes.
    """

    fields: tuple[Any, ...]
    payload: bytes


class Header(Framing[HeaderMessage]):
    """Messages behind a `struct` header of the given format.

    length: index of the length field among the header's fields, from 0; -1 is the last one.
    adjust: what to add to the length field to get the number of bytes after the header.
    max_message: the bound on those bytes.

    A header of two bytes of magic, a kind, and a length that counts all 7 bytes of the header::

        framing.header(">2sBI", length=2, adjust=-7)
        await conn.send(HeaderMessage((b"JF", 1), b"hello"))

    Raises ConfigurationError for a format that `struct` does not take or that has no byte order,
    and for a length field that is no integer.
    """

    name = "header"

    def __init__(
        self,
        format: str,  # noqa: A002  the struct module's own word
        *,
        length: int,
        adjust: int = 0,
        max_message: int = DEFAULT_MAX_MESSAGE,
    ) -> None:
        super().__init__(max_message)
        self.format: Final = format
        size, at = _checked(format, length)
        self.size: Final = size
        self._length: Final = at
        self.adjust: Final = adjust

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        del searched
        if len(buffer) - start < self.size:
            return self.size
        fields = struct.unpack_from(self.format, buffer, start)
        end = start + self.size + self._payload_size(fields)
        return (start, end, end) if end <= len(buffer) else end - start

    def decode_unit(self, unit: bytes) -> HeaderMessage:
        if len(unit) < self.size:
            raise BadMessage(
                f"a message of {len(unit)} bytes, shorter than its header of {self.size}"
            )
        fields = struct.unpack_from(self.format, unit)
        size = self._payload_size(fields)
        payload = unit[self.size :]
        if len(payload) != size:
            raise BadMessage(
                f"a message whose header announces {size} bytes, with {len(payload)} behind it"
            )
        return HeaderMessage(fields[: self._length] + fields[self._length + 1 :], payload)

    def encode(self, message: HeaderMessage) -> bytes:
        try:
            fields, payload = message
            fields = tuple(fields)
        except (TypeError, ValueError):
            raise wrong_type("a HeaderMessage(fields, payload)", message) from None
        data = sendable(payload, self.max_message)
        at = self._length
        whole = (*fields[:at], len(data) - self.adjust, *fields[at:])
        try:
            head = struct.pack(self.format, *whole)
        except (struct.error, OverflowError) as error:
            raise LocalProtocolError(
                f"the header {self.format!r} cannot carry {whole!r}: {error}"
            ) from None
        for sent, arrives in zip(whole, struct.unpack(self.format, head), strict=True):
            if isinstance(sent, bytes | bytearray) and len(sent) > len(arrives):
                raise LocalProtocolError(
                    f"the header {self.format!r} has {len(arrives)} bytes for {sent!r}"
                )
        return head + data

    def encode_unit(self, message: HeaderMessage) -> bytes:
        return self.encode(message)

    def _payload_size(self, fields: tuple[Any, ...]) -> int:
        size: int = fields[self._length] + self.adjust
        if size < 0:
            raise BadMessage(
                f"a length field of {fields[self._length]}, which with {self.adjust:+} "
                "to add leaves less than no bytes"
            )
        if size > self.max_message:
            raise too_long(self.max_message, size)
        return size


def _checked(format: str, length: int) -> tuple[int, int]:  # noqa: A002
    """Give the header's size in bytes and the index of its length field, from 0."""
    if format[:1] not in {">", "<", "!", "="}:
        raise ConfigurationError(
            f"the header {format!r} has no byte order; begin it with '>' (network order) or '<', "
            "so that it means the same on every machine"
        )
    try:
        size = struct.calcsize(format)
    except struct.error as error:
        raise ConfigurationError(f"the header {format!r} is no struct format: {error}") from None
    fields = struct.unpack(format, bytes(size))
    at = length + len(fields) if length < 0 else length
    if not 0 <= at < len(fields) or type(fields[at]) is not int:
        whole = [index for index, field in enumerate(fields) if type(field) is int]
        raise ConfigurationError(
            f"field {length} of the header {format!r} is no integer, so it holds no length; "
            f"integers are at {whole}"
        )
    return size, at
