"""Handing messages and open sockets from one of our own processes to another.

Over a UNIX socket pair that keeps message boundaries, so that no half message is ever left by
a process that was killed. A socket travels beside a message as SCM_RIGHTS (unix(7)).
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from jackfield.errors import ConfigurationError

if TYPE_CHECKING:
    import subprocess

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Socket = socket.socket

UNIT = 256 * 1024
"""Bytes of the largest unit that can arrive: a UNIX one, by Linux' default SO_SNDBUF."""

PIPE = 256 * 1024
"""Bytes that a pipe is made to hold, where the system lets us: see F_SETPIPE_SZ of fcntl(2)."""

SUPPORTED = hasattr(os, "fork") and hasattr(socket, "SCM_RIGHTS") and hasattr(socket, "AF_UNIX")
"""Whether this platform has processes that can be forked and handed a socket."""

_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""So that no program which a handler starts inherits its peer's socket; recvmsg(2)."""


def control_pair() -> tuple[Socket, Socket]:
    """Make a private connection between two processes."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def datagram_pair() -> tuple[Socket, Socket]:
    """Make a private pair that carries datagrams, empty ones too, without blocking."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for sock in pair:
        sock.setblocking(False)
    return pair


def start_process(command: list[str]) -> tuple[subprocess.Popen[bytes], Socket]:
    """Start a process with a pipe to its standard input and a private connection to it.

    command: the number of its descriptor for that is put behind it, for `adopt()`.
    Gives the process, and our end, which does not block. Raises ConfigurationError when the
    system gives no process or no descriptor.
    """
    import subprocess  # noqa: PLC0415  as below

    with contextlib.ExitStack() as opened:
        try:
            ours, theirs = map(opened.enter_context, control_pair())
            fd = theirs.fileno()
            process = subprocess.Popen([*command, str(fd)], stdin=subprocess.PIPE, pass_fds=[fd])
        except OSError as error:
            from jackfield.net.oserrors import code  # noqa: PLC0415  much, for who is forked often

            msg = f"no process can be started: {error.strerror} ({code(error)})"
            raise ConfigurationError(msg) from error
        opened.pop_all()
    theirs.close()
    ours.setblocking(False)
    return process, ours


def adopt(descriptor: int) -> Socket:
    """Take over a descriptor that was inherited; it is not passed on."""
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return sock


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
        message, ancillary, _, _ = sock.recvmsg(UNIT, socket.CMSG_SPACE(size), _CLOSE_ON_EXEC)
    except BlockingIOError:
        raise
    except OSError:
        return b"", None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            (fd,) = array.array("i", data[:size])
            return message, socket.socket(fileno=fd)
    return message, None


def hand_files(sock: Socket, message: bytes, descriptors: list[int]) -> bool:
    """Send a message, and open files with it; False when the other process is gone."""
    fds = array.array("i", descriptors)
    try:
        sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    except OSError:
        return False
    return True


def take_files(sock: Socket, most: int) -> tuple[bytes, list[int]]:
    """Wait for a message and up to `most` open files with it; b"" when the other process is gone.

    Raises BlockingIOError when there is none and `sock` does not block.
    """
    fds = array.array("i")
    try:
        room = socket.CMSG_SPACE(most * fds.itemsize)
        message, ancillary, _, _ = sock.recvmsg(UNIT, room, _CLOSE_ON_EXEC)
    except BlockingIOError:
        raise
    except OSError:
        return b"", []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return message, list(fds)


def take_unit(source: Socket) -> bytes | None:
    """Give the next datagram that waits on a non-blocking pair; None when there is none."""
    try:
        return source.recv(UNIT)
    except OSError:  # none waits, or the other process is gone
        return None


def pass_unit(target: Socket, unit: bytes) -> bool:
    """Send a datagram over a non-blocking pair; False when there is no room for it."""
    try:
        target.send(unit)
    except OSError:
        return False
    return True


def wide_pipe() -> tuple[int, int]:
    """Make a pipe that holds `PIPE` bytes where it may. Raises OSError."""
    ends = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # past what this user's pipes may hold in all
            fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PIPE)
    return ends
