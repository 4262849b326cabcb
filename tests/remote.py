"""Remote commands for tests: a server with a policy, a client, a program that clings to life."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jackfield import connect
from jackfield.endpoints import Endpoint
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.commands import LIMITS, Commands, Source, wire
from jackfield.services.commands.client import CommandClient
from jackfield.services.commands.wire import Exit, Run
from tests.live import PATIENCE, Live

ANY = """
[[allow]]
who = ["me"]
program = "{program}"
args = "any"
shell = true
env = ["X", "Y"]
"""
"""A line that lets this user run a program."""

CLINGING = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
path, count, stays = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stays"

def note():
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"%d\\n" % os.getpid())
    os.close(fd)

open(path, "a").close()
for number in range(count):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.closerange(0, 256)
        note()
        time.sleep(600)
if stays:
    note()
    os.write(1, b"stays")
    time.sleep(600)
for number in range(count):
    os.wait()
while len(open(path).readlines()) < count:
    time.sleep(0.005)
"""
"""A program that forks twice into sessions of their own, and is deaf to all but KILL. It notes its
processes in a file. When it leaves, there are none but those."""


def service_of(policy: Path, *, cgroups: bool = True, tokens: Path | None = None) -> Service[Any]:
    """Give the service of a policy file."""
    source = Source(str(policy), (), None if tokens is None else str(tokens))
    handler = Commands(source, cgroups=cgroups)
    return Service("commands", handler, wire.framing(), LIMITS, silent=True, check=handler.check)


def python_policy(folder: Path, more: str = "", *, top: str = "") -> Path:
    """Write a policy that lets this user run Python, and /bin/sh. more: of Python's line."""
    path = folder / "policy.toml"
    python, shell = ANY.format(program=sys.executable), ANY.format(program="/bin/sh")
    path.write_text(f"{top}\n{python}{more}\n{shell}")
    return path


@dataclass
class Output:
    """What has come of a command."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    async def put(self, stream: int, data: bytes) -> None:
        """Take a piece."""
        (self.out if stream == wire.STDOUT else self.err).extend(data)


def reading(data: bytes) -> Callable[[int], object]:
    """Give what standard input is read by."""
    rest = memoryview(data)

    async def read(size: int) -> bytes:
        nonlocal rest
        piece, rest = bytes(rest[:size]), rest[size:]
        return piece

    return read


@asynccontextmanager
async def client_of(
    endpoint: Endpoint, token: str = ""
) -> AsyncIterator[tuple[CommandClient, Connection[Any]]]:
    """Give a client that has come in."""
    async with connect(endpoint, framing=wire.framing()) as conn:
        client = CommandClient(conn)
        await client.come_in(token)
        yield client, conn


def ran(
    endpoint: Endpoint, *args: str, stdin: bytes | None = None, token: str = "", **more: object
) -> tuple[Exit, bytes, bytes]:
    """Run one command; give how it ended, and its two outputs."""

    async def run() -> tuple[Exit, bytes, bytes]:
        async with asyncio.timeout(PATIENCE * 2), client_of(endpoint, token) as (client, _):
            output = Output()
            read = None if stdin is None else reading(stdin)
            over = await client.run(Run(args, **more), read, output.put)  # type: ignore[arg-type]
            return over, bytes(output.out), bytes(output.err)

    return asyncio.run(run())


class Clinging:
    """Processes that cling to life. folder: for the program and its notes."""

    last: ClassVar[dict[Path, list[int]]] = {}

    def __init__(self, folder: Path, count: int = 3) -> None:
        self.count = count
        self._program = folder / "clinging.py"
        self._program.write_text(CLINGING)
        self._notes = folder / "pids"

    def args(self, *, stays: bool = True) -> tuple[str, ...]:
        """Give what is to be run. stays: whether the first process does, too."""
        self._notes.unlink(missing_ok=True)
        mode = "stays" if stays else "leaves"
        how = sys.executable, "-I", "-S", str(self._program), str(self._notes), str(self.count)
        return *how, mode

    def pids(self) -> list[int]:
        """Give those that have been noted so far."""
        if not self._notes.exists():
            return []
        return [int(line) for line in self._notes.read_text().split()]

    def await_all(self, *, stays: bool = True) -> list[int]:
        """Wait until all of them run."""
        wait_until(lambda: len(self.pids()) >= self.count + stays)
        return self.pids()

    def noted_at(self) -> float:
        """Say when the last one was noted, in seconds since 1970."""
        return self._notes.stat().st_mtime

    def alive(self) -> list[int]:
        """Give those that live still."""
        return [pid for pid in self.pids() if str(self._program) in command_of(pid)]


def command_of(pid: int) -> str:
    """Give the command line of a process; "" when there is none any more, or it is dead."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_until(condition: Callable[[], object], patience: float = PATIENCE * 2) -> None:
    """Wait for a condition; fail when patience is at its end."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.005)


def below(pid: int) -> Iterator[int]:
    """Give the processes below one, those that wait for a call among them."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(words[1]) == pid:
                yield int(folder.name)
                yield from below(int(folder.name))


def served(folder: Path, more: str = "", *, cgroups: bool = True, top: str = "") -> Live:
    """Give a server that lets this user run Python and a shell."""
    policy = python_policy(folder, more, top=top)
    return Live(service_of(policy, cgroups=cgroups), f"unix://{folder}/s")
