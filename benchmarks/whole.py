"""Whole commands, timed from their start to their end, and the files that they move."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import TOOLS, find_tool
from benchmarks.model import Absent, MeasureError

MIB = 1024 * 1024
TMPFS = Path("/dev/shm")  # noqa: S108  folders in it have names of their own
RUN_S = 120.0
"""Seconds that one command gets."""

LONG_AGO = 1_000_000_000
"""When a file was changed last: servers trust no time that is not over yet."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took, start and imports included. Both are seconds."""

    seconds: float
    cpu: float


async def timed(
    command: Sequence[str], *, source: Path | None = None, target: Path | None = None
) -> Took:
    """Run a command to its end. Raises MeasureError with its last words when it fails.

    source, target: files for its standard input and output; else there is none.
    """
    return await asyncio.to_thread(_timed, command, source, target)


def _timed(command: Sequence[str], source: Path | None, target: Path | None) -> Took:
    begin = time.perf_counter()
    with (
        (source or Path(os.devnull)).open("rb") as stdin,
        (target or Path(os.devnull)).open("wb") as stdout,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=errors) as process,
    ):
        with _killed_after(process, RUN_S):
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise MeasureError(f"{command[0]}: {said[-1] if said else process.returncode}")
    return Took(seconds, used.ru_utime + used.ru_stime)


@contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Kill it when it takes too long."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def in_memory(size: int) -> Iterator[Path]:
    """Give a folder on tmpfs, empty, with room for three files of a size. Raises Absent."""
    if not TMPFS.is_dir() or shutil.disk_usage(TMPFS).free < 4 * size:
        raise Absent(f"{TMPFS} has no room for four files of {size // MIB} MiB")
    with tempfile.TemporaryDirectory(dir=TMPFS) as folder:
        yield Path(folder)


def jackfield(verb: str) -> list[str]:
    """Begin a command of ours."""
    return [sys.executable, "-m", "jackfield", verb]


def ssh(name: str, key: Path) -> list[str]:
    """Begin a command of OpenSSH that asks nobody and remembers nothing. Raises Absent."""
    path = find_tool(name)
    if not path:
        raise Absent(f"{name} is not installed ({TOOLS['ssh'].source})")
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    chosen = [part for option in options for part in ("-o", option)]
    return [path, "-F", "none", "-i", str(key), *chosen]


def make_file(path: Path, size: int) -> None:
    """Make a file of bytes that mean nothing, all of them different mebibytes."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    os.utime(path, (LONG_AGO, LONG_AGO))


def warm_memory(folder: Path, size: int) -> None:
    """Take so much memory and give it back.

    Under a hypervisor a page costs several times as much when it was not used for a while, which
    would be counted against whoever is measured first.
    """
    path = folder / "warm"
    block = bytes(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
    path.unlink()


def compare(one: Path, other: Path) -> None:
    """Compare two files. Raises MeasureError unless they are equal."""
    try:
        with one.open("rb") as first, other.open("rb") as second:
            while (part := first.read(MIB)) == second.read(MIB):
                if not part:
                    return
    except FileNotFoundError:
        raise MeasureError(f"{other.name} is not there") from None
    raise MeasureError(f"{other.name} is not what was sent")
