"""The command as people and scripts use it: a real process, on pipes or on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.live import PATIENCE

COMMAND = (sys.executable, "-m", "jackfield")

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


def environment(**more: str) -> dict[str, str]:
    """The environment of a person with a UTF-8 terminal."""
    return {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **more}


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that a test is done with, gently if it lets us: then its coverage counts."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


class Ended(AssertionError):
    """The output ended before what was waited for had come."""


def read_until(fd: int, found: Callable[[bytes], bool], read: bytearray) -> None:
    """Read on until `found(read)`; fail at the end or when patience is."""
    deadline = time.monotonic() + PATIENCE
    while not found(bytes(read)):
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"it has not come; so far: {bytes(read)!r}")
        try:
            data = os.read(fd, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            raise Ended(f"it has ended; so far: {bytes(read)!r}")
        read += data


class Piped:
    """A process of the command with three pipes."""

    def __init__(self, *arguments: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment(**more),
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stderr = self.process.stderr
        self.read = bytearray()
        self.errors = bytearray()

    def write(self, data: bytes | str) -> None:
        self.stdin.write(data.encode() if isinstance(data, str) else data)

    def write_all(self, data: bytes) -> None:
        """Write all of the input, and end it."""
        view = memoryview(data)
        while view:
            view = view[self.stdin.write(view) or 0 :]
        self.end_input()

    def end_input(self) -> None:
        self.stdin.close()

    def await_output(self, text: bytes | str) -> bytes:
        wanted = text.encode() if isinstance(text, str) else text
        read_until(self.stdout.fileno(), lambda read: wanted in read, self.read)
        return bytes(self.read)

    def await_all(self, size: int) -> None:
        """Wait until so many bytes have come out."""
        read_until(self.stdout.fileno(), lambda read: len(read) >= size, self.read)

    def await_error(self, text: str) -> str:
        read_until(self.stderr.fileno(), lambda read: text.encode() in read, self.errors)
        return self.errors.decode()

    def finish(self) -> tuple[int, bytes, str]:
        """Wait for the end; give exit status, output and errors."""
        if not self.stdin.closed:
            self.stdin.close()
        with contextlib.suppress(Ended):
            read_until(self.stdout.fileno(), lambda _: False, self.read)
        with contextlib.suppress(Ended):
            read_until(self.stderr.fileno(), lambda _: False, self.errors)
        return self.process.wait(PATIENCE), bytes(self.read), self.errors.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end(self.process)
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()


class Screen:
    """What a terminal shows: as much of one as these commands use."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self.row = 0
        self.column = 0

    def feed(self, text: str) -> None:
        while text:
            sequence = _SEQUENCE.match(text)
            if sequence:
                self._obey(sequence[1], sequence[2])
                text = text[sequence.end() :]
            else:
                self._put(text[0])
                text = text[1:]

    def _obey(self, numbers: str, final: str) -> None:
        if final == "K":
            self.rows[self.row] = self.rows[self.row][: self.column]
        elif final == "C":
            self.column += int(numbers or 1)
        elif final == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif final == "J" and numbers == "2":
            self.rows, self.row, self.column = [""], 0, 0
        elif final == "J":
            self.rows[self.row :] = [self.rows[self.row][: self.column]]
        else:
            assert final in {"m", "H"}, final

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            if self.row == len(self.rows):
                self.rows.append("")
        else:
            assert char.isprintable() or char in "\t\u3000", repr(char)
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + char + row[self.column + 1 :]
            self.column += 1

    @property
    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows)


class AtTerminal:
    """A process of the command at a terminal of its own. Characters here are one column wide."""

    def __init__(self, *arguments: str, columns: int = 80, **more: str) -> None:
        self.keyboard, terminal = pty.openpty()
        self.resize(columns)
        self.modes = termios.tcgetattr(terminal)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *COMMAND, *arguments],  # in place: it is no group leader yet
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**more),
        )
        self._terminal = terminal
        self.columns = columns
        self.read = bytearray()

    def resize(self, columns: int) -> None:
        self.columns = columns
        fcntl.ioctl(self.keyboard, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))

    def press(self, text: str | bytes) -> None:
        os.write(self.keyboard, text.encode() if isinstance(text, str) else text)

    @property
    def screen(self) -> str:
        screen = Screen(self.columns)
        screen.feed(self.read.decode("utf-8", "ignore"))
        return screen.text

    def await_screen(self, text: str) -> str:
        """Wait until the screen shows this; give all of it."""
        read_until(self.keyboard, lambda _: text in self.screen, self.read)
        return self.screen

    def await_raw(self, data: bytes) -> None:
        """Wait until these very bytes have been written."""
        read_until(self.keyboard, lambda read: data in read, self.read)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def modes_now(self) -> list[object]:
        return termios.tcgetattr(self._terminal)

    def hang_up(self) -> None:
        """Close the window: whoever runs in it gets SIGHUP, and has no terminal any more."""
        os.close(self.keyboard)
        self.keyboard = -1

    def finish(self) -> int:
        """Wait for the end; the terminal is then as it was."""
        status = self.process.wait(PATIENCE)
        assert self.modes_now() == self.modes
        os.close(self._terminal)
        self._terminal = -1
        with contextlib.suppress(Ended):
            read_until(self.keyboard, lambda _: False, self.read)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end(self.process)
        if self.keyboard >= 0:
            os.close(self.keyboard)
        if self._terminal >= 0:
            os.close(self._terminal)
