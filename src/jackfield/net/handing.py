"""Handing messages and open sockets from one of our own processes to another.

Over a UNIX socket pair that keeps message boundaries, so that no half message is ever left by
a process that was killed. A socket travels beside a message as SCM_RIGHTS (unix(7)).
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Callable

from jackfield.net.packets import UNIT

Socket = socket.socket

SUPPORTED = hasattr(os, "fork") and hasattr(socket, "SCM_RIGHTS") and hasattr(socket, "AF_UNIX")
"""Whether this platform has processes that can be forked and handed a socket."""


def control_pair() -> tuple[Socket, Socket]:
    """Make a private connection between two processes."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def datagram_pair() -> tuple[Socket, Socket]:
    """Make a private pair that carries datagrams, empty ones too, without blocking."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for sock in pair:
        sock.setblocking(False)
    return pair


def adopt(descriptor: int) -> Socket:
    """Take over a descriptor that was inherited."""
    return socket.socket(fileno=descriptor)


def hand(sock: Socket, message: bytes, other: Socket | None = None) -> bool:
    """Send a message, and a socket with it; False when the other process is gone."""
    ancillary = []
    if other is not None:
        fds = array.array("i", [other.fileno()])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
    try:
        sock.sendmsg([message], ancillary)
    except OSError:
        return False
    return True


def take(sock: Socket) -> tuple[bytes, Socket | None]:
    """Wait for a message and the socket that came with it; b"" when the other process is gone.

    Raises BlockingIOError when there is none and `sock` does not block.
    """
    size = array.array("i").itemsize
    try:
        message, ancillary, _, _ = sock.recvmsg(UNIT, socket.CMSG_SPACE(size))
    except BlockingIOError:
        raise
    except OSError:
        return b"", None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            (fd,) = array.array("i", data[:size])
            return message, socket.socket(fileno=fd)
    return message, None


def relay_units(source: Socket, give: Callable[[bytes], object]) -> None:
    """Read the datagrams that wait on a non-blocking pair and pass each on."""
    try:
        while True:
            give(source.recv(UNIT))
    except OSError:  # none waits any more, or the other process is gone
        return


def pass_unit(target: Socket, unit: bytes) -> bool:
    """Send a datagram over a non-blocking pair; False when there is no room for it."""
    try:
        target.send(unit)
    except OSError:
        return False
    return True
