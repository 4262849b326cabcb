"""rtnetlink(7): questions to Linux about interfaces, addresses and routes, and its answers.

What comes from the kernel is cut with the same care as what comes from a peer.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, kind, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, kind
_NUMBER = struct.Struct("=i")

# linux/netlink.h
_REQUEST, _DUMP = 0x1, 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_CHANGED = 0x10  # NLM_F_DUMP_INTR: the tables changed while they were told
_ERROR, _DONE = 2, 3
_MOST_ERROR = 4096  # MAX_ERRNO of linux/err.h
_KIND = 0x3FFF  # NLA_TYPE_MASK

_READ = 64 * 1024  # bytes; the kernel puts at most 32 KiB into one answer
_MOST = 16 * 1024 * 1024  # bytes of answers: some 100,000 interfaces
_PATIENCE = 2.0  # seconds; the kernel has its answer ready when asked

Message = tuple[int, bytes]
"""Its kind and what it holds."""


def opened(protocol: int = 0) -> socket.socket:
    """Open a socket to ask by: rtnetlink, or another protocol. Raises OSError, also without any."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        msg = "netlink is Linux's own"
        raise OSError(msg)
    sock = socket.socket(family, socket.SOCK_RAW, protocol)  # 0: NETLINK_ROUTE
    sock.settimeout(_PATIENCE)
    return sock


def ask_one(sock: socket.socket, kind: int, body: bytes) -> Message:
    """Ask for one message, and give it. Raises OSError, with the number that the kernel gives."""
    sock.send(_MESSAGE.pack(_MESSAGE.size + len(body), kind, _REQUEST, 1, 0) + body)
    for answer, _, payload in messages(sock.recv(_READ)):
        if answer == _ERROR and len(payload) >= _NUMBER.size:
            number = -_NUMBER.unpack_from(payload)[0]
            if 0 < number < _MOST_ERROR:
                raise OSError(number, os.strerror(number))
            break
        return answer, payload
    msg = "the system does not answer"
    raise OSError(msg)


def ask_all(sock: socket.socket, kind: int, body: bytes, told: list[Message]) -> bool:
    """Add to `told` all messages that answer; whether they are of one moment. Raises OSError."""
    sock.send(_MESSAGE.pack(_MESSAGE.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
    size = 0
    settled = True
    while size < _MOST:
        data = sock.recv(_READ)
        size += len(data)
        for answer, flags, payload in messages(data):
            settled = settled and not flags & _CHANGED
            if answer == _DONE:
                return settled
            if answer == _ERROR:
                msg = "the system does not tell its interfaces"
                raise OSError(msg)
            told.append((answer, payload))
        if not data:
            break
    msg = "the list of interfaces does not end"
    raise OSError(msg)


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Cut an answer into messages: kind, flags, payload. Ends at the first that does not fit."""
    start = 0
    while start + _MESSAGE.size <= len(data):
        length, kind, flags, _, _ = _MESSAGE.unpack_from(data, start)
        if length < _MESSAGE.size or start + length > len(data):
            return
        yield kind, flags, data[start + _MESSAGE.size : start + length]
        start += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Cut the attributes of a message. Ends at the first that does not fit."""
    found: dict[int, bytes] = {}
    start = 0
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size or start + length > len(data):
            break
        found[kind & _KIND] = data[start + _ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """Make an attribute of a question."""
    padding = bytes(-len(value) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + padding
