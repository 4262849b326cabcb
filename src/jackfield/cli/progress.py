"""A line on a terminal that says how far something is, how fast, and how long it will take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from jackfield.cli.pipes import output_encoding
from jackfield.net import stdio
from jackfield.visible import escaped, first_columns, width

EVERY = 0.1
DELAY = 0.3
"""Seconds between two paintings, and before the first one: what is short needs none."""

_MEMORY = 5.0
"""Seconds that the rate looks back, so that it neither jumps nor lags."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_BAR = 24


class Progress:
    """Painted on standard error, in place, until `end()`.

    name: of what it is about. clock: gives seconds, for tests.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = escaped(name)
        self._clock = clock
        self._seen: list[tuple[float, int]] = []
        self._done = 0
        self._total: int | None = None
        self._painted = clock() + DELAY - EVERY
        self._shown = False

    def update(self, done: int, total: int | None) -> None:
        """Take note of how much there is; paint when it is time to."""
        self._done, self._total = done, total
        self.paint()

    def paint(self) -> None:
        """Paint what was last taken note of, if it is time to: also when nothing more comes."""
        now, done = self._clock(), self._done
        if now - self._painted < EVERY:
            return
        self._painted = now
        seen = self._seen
        seen.append((now, done))
        while len(seen) > 2 and now - seen[0][0] > _MEMORY:
            seen.pop(0)
        if done < seen[0][1]:  # it has begun anew
            self._seen = seen = [(now, done)]
        passed = now - seen[0][0]
        rate = (done - seen[0][1]) / passed if passed else 0.0
        self._write(line(self._name, done, self._total, rate, stdio.columns(stdio.STDERR)))

    def _write(self, text: str) -> None:
        self._shown = True
        data = f"\r{text}\x1b[K".encode(output_encoding(), "replace")
        stdio.write(stdio.STDERR, data)

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            self._shown = False
            stdio.write(stdio.STDERR, b"\r\x1b[K")


class Painting:
    """A progress line that is painted by the running loop, also while nothing comes."""

    def __init__(self, name: str) -> None:
        self._bar = Progress(name)
        self.update = self._bar.update
        self._timer: asyncio.TimerHandle | None = None
        self._paint()

    def _paint(self) -> None:
        self._bar.paint()
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._paint)

    def clear(self) -> None:
        """Clear the line, for now."""
        self._bar.end()

    def end(self) -> None:
        """Clear the line for good."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._bar.end()


def line(name: str, done: int, total: int | None, rate: float, columns: int) -> str:
    """Give the line: name, share, bar, bytes, rate and time left, as far as there is room.

    rate: in bytes a second.
    """
    speed = f"{size(int(rate)):>9}/s" if rate else " " * 11
    if total:
        share = min(1.0, done / total)
        full = round(share * _BAR)
        left = f"{duration((total - done) / rate):>7} left" if rate else " " * 12
        parts = [
            f"{share:4.0%}",
            f"[{'#' * full}{'-' * (_BAR - full)}]",
            f"{size(done):>9} of {size(total)}",
            speed,
            left,
        ]
        drop = [1, 2, 4, 3]  # what goes first where there is no room
    else:
        parts = [f"{size(done):>9}", speed]
        drop = [1]
    room = max(1, columns - 1)
    shown = dict(enumerate(parts))
    least = min(width(name), 12)
    for number in drop:
        if least + 2 + sum(len(part) + 2 for part in shown.values()) <= room:
            break
        shown.pop(number, None)
    rest = "  ".join(shown.values())
    space = room - len(rest) - 2
    label = name if width(name) <= space else first_columns(name, max(0, space - 3)) + "..."
    return first_columns(f"{label}  {rest}", room)


def size(count: float) -> str:
    """Give a number of bytes as people read it: `117 B`, `1.2 MiB`."""
    number = float(count)
    scale = 0
    while number >= 999.5 and scale < len(_UNITS) - 1:
        number /= 1024
        scale += 1
    unit = _UNITS[scale]
    return f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.1f} {unit}"


def duration(seconds: float) -> str:
    """Give a time as a clock has it: `0:07`, `3:20`, `1:02:03`; days when it is long."""
    whole = int(seconds + 0.5)
    if whole >= 48 * 3600:
        return f"{whole // 86400} days"
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
