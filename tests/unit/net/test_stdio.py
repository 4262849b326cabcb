from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from jackfield.errors import LocalError
from jackfield.net import stdio


@contextlib.contextmanager
def standard() -> Iterator[tuple[int, int]]:
    """Pipes in the place of standard input and output: gives the ends that the other side has."""
    saved = [os.dup(fd) for fd in (stdio.STDIN, stdio.STDOUT)]
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    os.dup2(our_input, stdio.STDIN)
    os.dup2(our_output, stdio.STDOUT)
    os.close(our_input)
    os.close(our_output)
    try:
        yield their_output, their_input
    finally:
        for fd, was in enumerate(saved):
            os.dup2(was, fd)
            os.close(was)
        for fd in (their_output, their_input):
            with contextlib.suppress(OSError):  # the test has closed it
                os.close(fd)


def test_bytes_are_read_to_the_end() -> None:
    with standard() as (theirs, _):
        os.write(theirs, b"hello")
        assert stdio.read(stdio.STDIN, 3) == b"hel"
        assert stdio.read(stdio.STDIN, 100) == b"lo"
        os.close(theirs)
        assert stdio.read(stdio.STDIN, 100) == b""


def test_what_others_have_made_non_blocking_is_waited_for() -> None:
    with standard() as (to_us, from_us):
        for fd in (stdio.STDIN, stdio.STDOUT):
            os.set_blocking(fd, False)
        later = threading.Timer(0.01, os.write, (to_us, b"late"))
        later.start()
        assert stdio.read(stdio.STDIN, 100) == b"late"
        later.join()
        size = 1_000_000
        read: list[bytes] = []

        def read_all() -> None:
            while sum(map(len, read)) < size:
                read.append(os.read(from_us, 65536))

        reader = threading.Thread(target=read_all)
        reader.start()
        assert stdio.write(stdio.STDOUT, bytes(size))
        reader.join()


def test_an_output_that_nobody_reads_is_no_error() -> None:
    with standard() as (_, theirs):
        assert stdio.write(stdio.STDOUT, b"hello")
        os.close(theirs)
        assert not stdio.write(stdio.STDOUT, b"hello")


def test_what_the_system_refuses_is_said() -> None:
    with standard():
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, stdio.STDOUT)
        os.close(full)
        with pytest.raises(
            LocalError, match=r"output cannot be written: No space left .*\(ENOSPC\)"
        ):
            stdio.write(stdio.STDOUT, b"x")
        folder = os.open("/", os.O_RDONLY)
        os.dup2(folder, stdio.STDIN)
        os.close(folder)
        with pytest.raises(LocalError, match=r"standard input cannot be read: .* \(EISDIR\)"):
            stdio.read(stdio.STDIN, 1)


def test_a_terminal_that_has_hung_up_has_ended() -> None:
    with standard():
        keyboard, terminal = pty.openpty()
        os.dup2(terminal, stdio.STDIN)
        os.dup2(terminal, stdio.STDOUT)
        os.close(terminal)
        assert stdio.columns(stdio.STDIN) == 80
        os.close(keyboard)
        assert stdio.read(stdio.STDIN, 1) == b""
        assert not stdio.write(stdio.STDOUT, b"x")


def test_what_is_no_terminal_has_eighty_columns() -> None:
    with standard():
        assert stdio.columns(stdio.STDOUT) == 80


def test_descriptors_a_process_was_started_without_are_held(tmp_path: os.PathLike[str]) -> None:
    script = (
        "import os, socket, sys\n"
        "from jackfield.net import stdio\n"
        "stdio.hold_closed()\n"
        "sock = socket.socket()\n"
        f"with open({os.fspath(tmp_path)!r} + '/found', 'w') as file:\n"
        "    print(sock.fileno() > 2, stdio.read(0, 1), stdio.write(1, b'x'), file=file)\n"
    )
    subprocess.run(["sh", "-c", f'exec {sys.executable} -c "$0" <&- >&- 2>&-', script], check=True)
    with open(f"{os.fspath(tmp_path)}/found", encoding="utf-8") as file:  # noqa: PTH123
        assert file.read() == "True b'' False\n"
