"""Start processes on a core of their own, and read what they use (Linux: /proc).

Rules:

1. Whatever is started here is ended here, by its own process object.
2. Every wait has a deadline.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path

from benchmarks.model import MeasureError

STOP_S = 5.0
"""Seconds a process gets to leave after SIGTERM before it is killed."""

RUN_S = 60.0
"""Seconds a command gets that is run to its end."""

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CPUCLOCK_SCHED = 2


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """A running process, with lines to and from it."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors

    async def read_line(self, timeout: float) -> str:
        """Give the next line it prints.

        timeout: seconds. Raises MeasureError when it says nothing in time or has ended;
        the text is the last line of its standard error, where there is one.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise MeasureError(f"nothing heard from it for {timeout:g} s") from None
        if not line:
            await self.stop()
            said = self._errors.read_text(errors="replace").strip().splitlines()
            raise MeasureError(said[-1] if said else "it ended without a word")
        return line.decode().strip()

    async def write_line(self, line: str) -> None:
        """Send it a line. A process that is gone is noticed at the next read_line()."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    def cpu_seconds(self) -> float:
        """Give the user and system time it, its threads and its children have used so far."""
        return sum(_cpu_seconds(pid) for pid in _tree(self._process.pid))

    def resident_bytes(self) -> int:
        """Give the resident memory of it and its children."""
        return sum(_resident_bytes(pid) for pid in _tree(self._process.pid))

    async def stop(self) -> None:
        """End it, and wait until it is gone."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # Not Process.terminate(): it may take the exit status away from asyncio's watcher.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


@asynccontextmanager
async def start(command: Sequence[str], core: int | None) -> AsyncIterator[Child]:
    """Run `command` on `core`, or on any, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "stderr")
        descriptor = os.open(errors, os.O_WRONLY | os.O_CREAT)
        try:
            with nullcontext() if core is None else pinned(core):
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=descriptor,
                )
        finally:
            os.close(descriptor)
        child = Child(process, errors)
        try:
            yield child
        finally:
            await child.stop()


def run(command: Sequence[str]) -> str:
    """Run a command to its end; give what it printed. Raises MeasureError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S)
    if done.returncode:
        raise MeasureError(f"{command[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _tree(pid: int) -> list[int]:
    """List a process and all that descend from it."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            found += _tree(int(child))
    return found


def _read(path: Path) -> str:
    """Read a file of a process that may end meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _cpu_seconds(pid: int) -> float:
    """Read the CPU clock of a process (clock_getcpuclockid(3)), and of its ended children.

    The clock counts nanoseconds, /proc/PID/stat hundredths of a second; but ended children are
    in the latter only.
    """
    try:
        used = time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)
    except OSError:
        return 0.0
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    ended_children = sum(map(int, fields[13:15])) if fields else 0
    return used + ended_children * TICK_S


def _resident_bytes(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0
