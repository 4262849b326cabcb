"""Standard input and output as bytes: calls that may block, with the system's errors in words."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO

from jackfield.errors import LocalError
from jackfield.net.oserrors import code

STDIN, STDOUT, STDERR = 0, 1, 2

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_NAMES = {STDIN: "standard input", STDOUT: "standard output", STDERR: "standard error"}


def is_open(fd: int) -> bool:
    """Whether the process was started with this descriptor open.

    One that was not may be anything by now, a socket for example, and must be left alone.
    """
    return (sys.__stdin__, sys.__stdout__, sys.__stderr__)[fd] is not None


def hold_closed() -> None:
    """Fill the descriptors this process was started without, so that no socket gets their numbers.

    Event loops take those for standard input and output, and may refuse to close them.
    """
    for fd in (STDIN, STDOUT, STDERR):
        if not is_open(fd):
            try:
                os.fstat(fd)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


def read(fd: int, size: int) -> bytes:
    """Wait for bytes and give them; b"" at the end. Raises LocalError.

    A terminal that has hung up has ended.
    """
    while is_open(fd):
        try:
            return os.read(fd, size)
        except BlockingIOError:  # whoever started us shares it, and made it so
            select.select([fd], [], [])
        except OSError as error:
            if error.errno == errno.EIO:
                break
            raise _failed(fd, "read", error) from error
    return b""


def write(fd: int, data: bytes) -> bool:
    """Write all of it; False when nobody reads that any more. Raises LocalError."""
    rest = memoryview(data)
    while rest:
        if not is_open(fd):
            return False
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.EIO}:
                return False
            raise _failed(fd, "written", error) from error
    return True


def put(text: str) -> bool:
    """Write text to `sys.stdout`; False when nobody reads that any more. Raises LocalError.

    What its encoding lacks becomes a question mark.
    """
    stream: TextIO | None = sys.stdout
    if stream is None:  # we were started without
        return False
    try:
        stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
        stream.flush()
    except OSError as error:
        _let_go(stream)
        if error.errno == errno.EPIPE:
            return False
        raise _failed(STDOUT, "written", error) from error
    return True


@contextlib.contextmanager
def writable() -> Iterator[None]:
    """Raise LocalError where what runs inside could not print, the disk being full for example.

    All that is printed is written when this ends.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _let_go(sys.stdout)
        raise _failed(STDOUT, "written", error) from error


def _let_go(stream: TextIO) -> None:
    """Send what is left in a stream's buffer nowhere: else it would fail once more, at the end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def columns(fd: int) -> int:
    """Give the columns of the terminal there; 80 where nobody knows.

    The system is asked, and not COLUMNS, which stays what it was when a window changes.
    """
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80


def lines(fd: int) -> int:
    """Give the lines of the terminal there; 24 where nobody knows."""
    try:
        return os.get_terminal_size(fd).lines or 24
    except OSError:
        return 24


def _failed(fd: int, done: str, error: OSError) -> LocalError:
    return LocalError(f"{_NAMES[fd]} cannot be {done}: {error.strerror or error} ({code(error)})")


def has_terminal() -> bool:
    """Whether this process has a terminal that can still be used."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
