"""WebSocket's frames: their bytes, and what a Close frame says (RFC 6455, sections 5.2 and 7.4)."""

from __future__ import annotations

import struct
from typing import Literal

from jackfield.errors import BadMessage, RemoteProtocolError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_CODE = 1005
INVALID_DATA = 1007
POLICY = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

_SENT = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Codes that a Close frame may carry, besides 3000 to 4999 (section 7.4)."""

REASON = 123
"""Bytes of UTF-8 that the reason of a Close frame may have: a control frame's 125, less a code."""

FIN = 0x80
COMPRESSED = 0x40
"""RSV1: RFC 7692, section 6."""
RESERVED = 0x30
MASKED = 0x80

Side = Literal["server", "client"]


def head(first: int, masked: int, size: int) -> bytes:
    """Give what comes before the mask of a frame, or its payload.

    masked: `MASKED`, or 0.
    """
    if size < 126:
        return bytes((first, masked | size))
    if size < 0x10000:
        return struct.pack("!BBH", first, masked | 126, size)
    return struct.pack("!BBQ", first, masked | 127, size)


def close_payload(code: int, reason: str) -> bytes:
    """Give the payload of a Close frame, with as much of the reason as fits."""
    if code == NO_CODE:
        return b""
    text = reason.encode("utf-8", "replace")[:REASON].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + text.encode()


def read_close(payload: bytes) -> tuple[int, str]:
    """Read a Close frame's code and reason (section 5.5.1). Raises."""
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _SENT or 3000 <= code < 5000):
        raise RemoteProtocolError("a Close frame whose code is none")
    try:
        return code, payload[2:].decode()
    except UnicodeError:
        raise BadMessage("a Close frame whose reason is not UTF-8") from None
