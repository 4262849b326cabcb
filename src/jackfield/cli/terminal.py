"""A terminal shared by two: one types at its foot, what comes is shown above.

The rules this file owns:

1. The line being typed stays whole: before anything is shown its row is cleared, and painted
   again below.
2. Text that has not ended its line yet (`login: `) becomes the prompt: one types behind it, as
   on a line of one's own.
3. The terminal is left as it was found, also by signals, Ctrl-Z and errors. Ctrl-C and Ctrl-Z
   stay the signals they are.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from types import TracebackType
from typing import Any, Self

from jackfield.cli.editor import LineEditor, Signal
from jackfield.cli.pipes import Worker, input_encoding, output_encoding
from jackfield.net import stdio
from jackfield.visible import wants_colour

if sys.platform != "win32":
    import termios

MAX_PARTIAL = 4096
"""Characters of an unfinished line that wait to be a prompt; past it the line is ended."""

MAX_TYPED = 256
"""Lines typed ahead; past it no more keys are read."""


def is_at_terminal() -> bool:
    """Whether a person is at both ends of this process, at a terminal that can do it."""
    if sys.platform == "win32" or os.environ.get("TERM") == "dumb":
        return False
    ends = (sys.__stdin__, sys.__stdout__)
    return all(end is not None and end.isatty() for end in ends)


class Terminal:
    """The terminal of this process; a context manager.

    prompt: what stands before the line being typed.
    echo: whether a line stays on the screen as it was typed.
    """

    def __init__(self, prompt: str = "", *, echo: bool = True) -> None:
        self.prompt = prompt
        self._echo = echo
        self._partial = ""
        self._editor = LineEditor(input_encoding())
        self._encoding = output_encoding()
        self._colour = sys.__stdout__ is not None and wants_colour(sys.__stdout__)
        self._lines: deque[str | None] = deque()
        self._changed = asyncio.Event()
        self._worker = Worker("jackfield keys")
        self._modes: list[Any] | None = None
        self._reading: asyncio.Task[None] | None = None

    # Its life

    def __enter__(self) -> Self:
        self._modes = termios.tcgetattr(stdio.STDIN)
        self._take_over()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._paint)
        loop.add_signal_handler(signal.SIGCONT, self._take_over)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._reading = loop.create_task(self._read_keys())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP):
            loop.remove_signal_handler(number)
        if self._reading is not None:
            self._reading.cancel()
        self._write("\r\x1b[K" + (f"{self._partial}\n" if self._partial else ""))
        self._give_back()

    def _take_over(self) -> None:
        """Have keys come one by one, unseen."""
        modes = termios.tcgetattr(stdio.STDIN)
        modes[0] &= ~termios.IXON  # Ctrl-S would hold up everything
        modes[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(stdio.STDIN, termios.TCSADRAIN, modes)
        self._paint()

    def _give_back(self) -> None:
        if self._modes is not None:
            termios.tcsetattr(stdio.STDIN, termios.TCSADRAIN, self._modes)

    def _suspend(self) -> None:
        """Stop until the shell lets us go on; SIGCONT takes the terminal over again."""
        self._write("\r\x1b[K")
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)

    # Typing

    async def line(self) -> str | None:
        """Give the next line typed; None for Ctrl-D in an empty one. Cancelled, it loses none."""
        while not self._lines:
            self._changed.clear()
            await self._changed.wait()
        line = self._lines.popleft()
        self._changed.set()
        return line

    async def _read_keys(self) -> None:
        while True:
            while len(self._lines) >= MAX_TYPED:
                self._changed.clear()
                await self._changed.wait()
            data = await self._worker.call(lambda: stdio.read(stdio.STDIN, 1024))
            for typed in self._editor.feed(data) if data else [Signal.END]:
                self._take(typed)
            self._paint()
            self._changed.set()
            if not data:
                return

    def _take(self, typed: str | Signal) -> None:
        if typed is Signal.END:
            self._lines.append(None)
        elif typed is Signal.CLEAR:
            self._write("\x1b[H\x1b[2J")
        else:
            if self._echo:
                self._write(f"\r\x1b[K{self._partial or self.prompt}{self._typed(typed)}\n")
                self._partial = ""
            self._lines.append(typed)

    # Showing

    def show(self, text: str) -> None:
        """Show text above the line being typed; it may end within a line."""
        text = self._partial + text
        whole, ending, self._partial = text.rpartition("\n")
        if len(self._partial) > MAX_PARTIAL:
            whole, ending, self._partial = text, "\n", ""
        if ending:
            self._write(f"\r\x1b[K{whole}\n")
        self._paint()

    def note(self, text: str) -> None:
        """Show a line of ours, told apart from what comes."""
        start = "\n" if self._partial else ""
        self.show(f"{start}{self.dim(f'-- {text}')}\n")

    def dim(self, text: str) -> str:
        """Give text that is shown less bright, where there are colours."""
        return f"\x1b[2m{text}\x1b[0m" if self._colour else text

    def bold(self, text: str) -> str:
        """Give text that is shown brighter, where there are colours."""
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text

    def _typed(self, text: str) -> str:
        return self.bold(text) if text else ""

    def _paint(self) -> None:
        """Paint the row of the line being typed."""
        self._editor.prompt = self._partial or self.prompt
        prompt, text, cursor = self._editor.view(self._columns())
        forward = f"\x1b[{cursor}C" if cursor else ""
        self._write(f"\r{prompt}{self._typed(text)}\x1b[K\r{forward}")

    def _columns(self) -> int:
        return max(8, stdio.columns(stdio.STDOUT))

    def _write(self, text: str) -> None:
        stdio.write(stdio.STDOUT, text.encode(self._encoding, "replace"))
