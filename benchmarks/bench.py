"""What a scenario's `measure` works with: servers, the load, and the settings of the run."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import TOOLS, Cores, find_tool
from benchmarks.model import Absent, Entrant, MeasureError, Metric, Sample
from benchmarks.processes import Child, run, start

START_S = 20.0
"""Seconds a server gets to say that it is ready."""

LOAD_S = 30.0
"""Seconds the load gets beyond the time it is to measure: it waits 10 s for a lost reply."""

COMING_S = 120.0
"""Seconds that a crowd gets to come in: some servers tell all who are there of each who comes."""


ROUND_TRIPS = (
    Metric("cpu_us", "server CPU, µs per message", 2),
    Metric("rate", "messages per second", 0),
    Metric("p50_ms", "round trip p50, ms", 3),
    Metric("p99_ms", "p99, ms", 3),
)
"""The columns of a load that sends messages and has them back."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How much to measure.

    warm, seconds: of load, before and while measuring.
    idle: connections to hold for the memory of an idle one.
    settle: seconds until those have come to rest.
    """

    warm: float = 0.4
    seconds: float = 2.0
    idle: int = 5000
    settle: float = 1.5


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready."""

    port: int
    process: Child


@dataclass(frozen=True, slots=True)
class Load:
    """What the load saw. Times are seconds; `cpu` is what the server used meanwhile."""

    messages: int
    seconds: float
    p50: float
    p99: float
    longest: float
    cpu: float

    def sample(self) -> Sample:
        """Give what the metrics of `ROUND_TRIPS` show of it."""
        return {
            "cpu_us": self.cpu / self.messages * 1e6,
            "rate": self.messages / self.seconds,
            "p50_ms": self.p50 * 1e3,
            "p99_ms": self.p99 * 1e3,
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the harness.

    folder: a temporary folder with the built programs and the certificates.
    """

    settings: Settings
    cores: Cores
    folder: Path

    @property
    def compiled(self) -> bool:
        """Whether the C programs are there."""
        return (self.folder / "load").exists()

    @asynccontextmanager
    async def serve(
        self,
        entrant: Entrant,
        *,
        tls: bool = False,
        everywhere: bool = False,
        root: Path | None = None,
    ) -> AsyncIterator[Running]:
        """Run an entrant's server. Raises Absent, or MeasureError when it does not start.

        everywhere: on any core, and not on the one for servers. root: a folder to serve.
        """
        command = self._command(entrant, tls=tls, root=root)
        async with start(command, None if everywhere else self.cores.server) as process:
            said = (await process.read_line(START_S)).split()
            if said[:1] != ["ready"] or len(said) != 2 or not said[1].isdigit():
                raise MeasureError(f"it said {' '.join(said)!r}, not 'ready PORT'")
            yield Running(int(said[1]), process)

    def _command(self, entrant: Entrant, *, tls: bool, root: Path | None) -> list[str]:
        """Make the command that runs an entrant's server. Raises Absent."""
        for tool in entrant.tools:
            self.tool(tool)
        for module in entrant.needs + (entrant.tls_needs if tls else ()):
            if not importable(module):
                raise Absent(f"{module} is not installed")
        if not (entrant.module or self.compiled):
            raise Absent("there is no C compiler that works")
        if tls and not (self.folder / "server.pem").exists():
            raise Absent("the openssl command, which makes the certificate, is not installed")
        if entrant.module:
            command = [sys.executable, "-m", entrant.module, "0"]
        else:
            command = [str(self.folder / "epoll_echo"), "0"]
        if entrant.variant:
            command.append(entrant.variant)
        if tls:
            command += ["--tls", str(self.folder / "server.pem")]
        if root:
            command += ["--root", str(root)]
        return command

    async def load(
        self,
        server: Running,
        *,
        connections: int,
        window: int,
        size: int = 64,
        flood: bool = False,
    ) -> Load:
        """Put lines through a server; c/load.c says how. Raises MeasureError.

        window: lines in flight on each connection. size: bytes in a line.
        flood: whether one more connection sends empty lines as fast as it can.
        """
        if self.compiled:
            program = [str(self.folder / "load")]
        else:
            program = [sys.executable, "-m", "benchmarks.load_fallback"]
        times = (self.settings.warm, self.settings.seconds)
        numbers = (server.port, connections, window, size, *(round(t * 1000) for t in times))
        return await self._load(server, [*program, *map(str, numbers), str(int(flood))])

    async def other_load(
        self, server: Running, kind: str, *, connections: int, window: int, size: int
    ) -> Load:
        """Put another load on a server; load_other.py says which kinds there are."""
        times = (self.settings.warm, self.settings.seconds)
        numbers = (server.port, connections, window, size, *(round(t * 1000) for t in times))
        command = [sys.executable, "-m", "benchmarks.load_other", kind, *map(str, numbers)]
        return await self._load(server, [*command, str(self.folder / "ca.pem")])

    async def fan_out(self, server: Running, kind: str, *, listeners: int, rate: int) -> Load:
        """Say lines to a crowd; load_fanout.py says how. Its messages are deliveries.

        rate: lines a second.
        """
        times = (self.settings.warm, self.settings.seconds)
        numbers = (server.port, listeners, rate, *(round(t * 1000) for t in times))
        command = [sys.executable, "-m", "benchmarks.load_fanout", kind, *map(str, numbers)]
        return await self._load(server, command, COMING_S)

    async def run_commands(self, server: Running, kind: str, place: Path) -> Load:
        """Run commands one after another; load_commands.py says how. Its messages are commands."""
        times = [str(round(t * 1000)) for t in (self.settings.warm, self.settings.seconds)]
        command = [sys.executable, "-m", "benchmarks.load_commands", kind, str(server.port)]
        return await self._load(server, [*command, str(place), *times])

    async def download(self, server: Running, path: str, size: int) -> Load:
        """Get one file again and again over one connection; load_download.py says how."""
        times = (self.settings.warm, self.settings.seconds)
        numbers = (size, *(round(t * 1000) for t in times))
        command = [sys.executable, "-m", "benchmarks.load_download", str(server.port), path]
        return await self._load(server, [*command, *map(str, numbers)])

    async def wrk(self, server: Running, path: str, size: int) -> Load:
        """Get one file as often as a server can by wrk, on 16 connections. Raises MeasureError.

        wrk counts whole seconds, so it is run for one before and for at least one.
        size: bytes that each response has at the least.
        """
        await self._wrk(server, path, 1)
        before = server.process.cpu_seconds()
        found = await self._wrk(server, path, max(1, round(self.settings.seconds)))
        cpu = server.process.cpu_seconds() - before
        if found["errors"] or not found["messages"]:
            raise MeasureError(f"wrk had {found['errors']} errors in {found['messages']} requests")
        if found["bytes"] < found["messages"] * size:
            raise MeasureError("wrk got less than was to be sent")
        return Load(
            messages=round(found["messages"]),
            seconds=found["seconds"],
            p50=found["p50"] / 1e6,
            p99=found["p99"] / 1e6,
            longest=found["max"] / 1e6,
            cpu=cpu,
        )

    async def _wrk(self, server: Running, path: str, seconds: int) -> dict[str, float]:
        script = Path(__file__).with_name("wrk.lua")
        command = [self.tool("wrk"), "-t1", "-c16", f"-d{seconds}s", "-s", str(script)]
        url = f"http://127.0.0.1:{server.port}{path}"
        async with start([*command, url], self.cores.load) as load:
            said = ""
            while not said.startswith("{"):
                said = await load.read_line(seconds + LOAD_S)
        found: dict[str, float] = json.loads(said)
        return found

    def tool(self, name: str) -> str:
        """Give the path of a program. Raises Absent."""
        if path := find_tool(name):
            return path
        raise Absent(f"{name} is not installed ({TOOLS[name].source})")

    async def _load(self, server: Running, command: list[str], first: float = LOAD_S) -> Load:
        """Run a load. first: seconds it gets to begin, beyond those in which it warms up."""
        async with start(command, self.cores.load) as load:
            if (said := await load.read_line(self.settings.warm + first)) != "warm":
                raise MeasureError(f"the load said {said!r}, not 'warm'")
            before = server.process.cpu_seconds()
            await load.write_line("go")
            found = json.loads(await load.read_line(self.settings.seconds + LOAD_S))
            cpu = server.process.cpu_seconds() - before
        return Load(
            messages=found["messages"],
            seconds=found["seconds"],
            p50=found["p50"] / 1e9,
            p99=found["p99"] / 1e9,
            longest=found["max"] / 1e9,
            cpu=cpu,
        )


def importable(module: str) -> bool:
    """Say whether this Python has a module."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is absent
        return False


def find_compiler() -> str:
    """Give the path of a C compiler, or nothing."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or ""


def build(compiler: str, folder: Path) -> None:
    """Compile the C programs into `folder`. Raises MeasureError with the compiler's words."""
    for source in sorted(Path(__file__).with_name("c").glob("*.c")):
        run([compiler, "-O2", "-o", str(folder / source.stem), str(source)])


def make_certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 that signs itself, if openssl is there.

    It is in server.pem with its key, and in ca.pem without. Raises MeasureError.
    """
    if not shutil.which("openssl"):
        return
    key, authority = folder / "key.pem", folder / "ca.pem"
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=localhost"
    )
    command += " -addext subjectAltName=IP:127.0.0.1"
    run(["openssl", *command.split(), "-keyout", str(key), "-out", str(authority)])
    (folder / "server.pem").write_bytes(authority.read_bytes() + key.read_bytes())
