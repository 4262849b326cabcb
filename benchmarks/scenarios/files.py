"""A file of 1 GiB, up and down: whole commands, from their start until the file is there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench import Bench, Running
from benchmarks.model import Entrant, Metric, Sample, Scenario, Target
from benchmarks.whole import MIB, compare, in_memory, jackfield, make_file, ssh, timed, warm_memory

SIZE = 1024 * MIB
QUICK = 16 * MIB
NAME = "big.bin"
HOST = "127.0.0.1"

OURS = Entrant(
    "jackfield-files",
    "Jackfield, put and get",
    "benchmarks.servers.jackfield_transfer",
    needs=("jackfield.services.files", "blake3", "uvloop"),
    ours=True,
)
COPYPARTY = Entrant(
    "copyparty",
    "copyparty, by curl",
    "benchmarks.servers.copyparty_transfer",
    needs=("copyparty",),
    tools=("curl",),
)
NETCAT = Entrant(
    "netcat",
    "netcat, nothing verified",
    "benchmarks.servers.netcat_transfer",
    tools=("nc.openbsd",),
)
NGINX = Entrant(
    "nginx-curl",
    "nginx, by curl",
    "benchmarks.servers.nginx_files",
    tools=("nginx", "curl"),
)
SCP = Entrant("scp", "scp", "benchmarks.servers.sshd", tools=("sshd", "ssh"))


class Move(NamedTuple):
    """One file to move. file: its source. kept: the server's folder. folder: for what else."""

    bench: Bench
    port: int
    tls: bool
    file: Path
    kept: Path
    folder: Path

    @property
    def endpoint(self) -> str:
        """Where Jackfield serves files."""
        return f"{'tls' if self.tls else 'tcp'}://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Where somebody else serves them over HTTP."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}/{NAME}"

    @property
    def target(self) -> Path:
        """Where a file comes down to."""
        return self.folder / "came" / NAME

    @property
    def authority(self) -> str:
        """Who has signed the server's certificate."""
        return str(self.bench.folder / "ca.pem")


def _jackfield(verb: str, move: Move, *names: str) -> list[str]:
    trust = ["--ca", move.authority] if move.tls else []
    return [*jackfield(verb), "-q", *trust, *names]


def _curl(move: Move, *more: str) -> list[str]:
    trust = ["--cacert", move.authority] if move.tls else []
    return [move.bench.tool("curl"), "-sS", "-f", *trust, *more, move.url]


def _scp(move: Move, *names: str) -> list[str]:
    return [*ssh("scp", move.kept / "client"), "-q", "-P", str(move.port), *names]


UP: dict[Entrant, Callable[[Move], Sequence[str]]] = {
    OURS: lambda move: _jackfield("put", move, str(move.file), move.endpoint),
    COPYPARTY: lambda move: _curl(move, "-o", os.devnull, "-T", str(move.file)),
    NETCAT: lambda move: [move.bench.tool("nc.openbsd"), "-N", HOST, str(move.port)],
    SCP: lambda move: _scp(move, str(move.file), f"{HOST}:{move.kept}/{NAME}"),
}
"""How each puts a file."""

DOWN: dict[Entrant, Callable[[Move], Sequence[str]]] = {
    OURS: lambda move: _jackfield("get", move, f"{move.endpoint}/{NAME}", f"{move.target.parent}/"),
    COPYPARTY: lambda move: _curl(move, "-o", str(move.target)),
    NGINX: lambda move: _curl(move, "-o", str(move.target)),
    SCP: lambda move: _scp(move, f"{HOST}:{move.file}", str(move.target)),
}
"""How each gets one."""


async def move_file(bench: Bench, entrant: Entrant, *, up: bool, tls: bool) -> Sample:
    """Measure one transfer, and compare what has come."""
    size = SIZE if bench.settings.seconds >= 1 else QUICK
    with in_memory(size) as folder:
        kept, came = folder / "kept", folder / "came"
        kept.mkdir()
        came.mkdir()
        source = folder / NAME if up else kept / NAME
        await asyncio.to_thread(make_file, source, size)
        async with bench.serve(
            entrant, tls=tls and entrant is not SCP, everywhere=True, root=kept
        ) as server:
            move = Move(bench, server.port, tls, source, kept, folder)
            await asyncio.to_thread(warm_memory, folder, size + size // 4)
            return await _measured(move, server, entrant, size, up=up)


async def _measured(
    move: Move, server: Running, entrant: Entrant, size: int, *, up: bool
) -> Sample:
    before = server.process.cpu_seconds()
    took = await timed(
        (UP if up else DOWN)[entrant](move), source=move.file if entrant is NETCAT else None
    )
    cpu = server.process.cpu_seconds() - before
    await asyncio.to_thread(compare, move.file, move.kept / NAME if up else move.target)
    return {
        "rate": size / MIB / took.seconds,
        "seconds": took.seconds,
        "server_cpu": cpu,
        "client_cpu": took.cpu,
    }


METRICS = (
    Metric("rate", "MiB per second", 0),
    Metric("seconds", "seconds", 2),
    Metric("server_cpu", "server CPU, s", 2),
    Metric("client_cpu", "client CPU, s", 2),
)
ABOUT = (
    "A file of 1 GiB goes {way} between two folders on tmpfs, over loopback{how}. Time and CPU are "
    "those of the whole command, its start included, and of the server meanwhile; both may use all "
    "cores. Before each, memory for the file is used and given back, since the first use of a page "
    "costs several times as much under a hypervisor; after each, what has come is compared. "
    "Jackfield verifies size and BLAKE3 on both sides before the file has its name. {more}"
)


def _scenario(
    name: str, title: str, more: str, entrants: Sequence[Entrant], targets: Sequence[Target]
) -> Scenario:
    up, tls = "up" in name, "tls" in name
    return Scenario(
        name=name,
        title=title,
        about=ABOUT.format(way="up" if up else "down", how=", encrypted" if tls else "", more=more),
        metrics=METRICS,
        entrants=tuple(entrants),
        measure=partial(move_file, up=up, tls=tls),
        chart="rate",
        targets=tuple(targets),
    )


def _target(text: str, beside: Entrant, limit: float) -> Target:
    return Target(
        text, metric="rate", ours=OURS.name, beside=beside.name, limit=limit, at_least=True
    )


SCENARIOS = (
    _scenario(
        "file-up",
        "A file of 1 GiB up",
        "copyparty hashes what comes, by SHA-512; netcat and scp verify nothing, and scp encrypts.",
        (OURS, COPYPARTY, NETCAT, SCP),
        (
            _target("1 GiB up: rate, to copyparty's PUT", COPYPARTY, 3),
            _target("1 GiB up: rate, to an unverified copy by netcat", NETCAT, 0.6),
        ),
    ),
    _scenario(
        "file-down",
        "A file of 1 GiB down",
        "Nobody else verifies anything. nginx has one worker and sendfile; scp encrypts.",
        (OURS, NGINX, COPYPARTY, SCP),
        (_target("1 GiB down: rate, to nginx's", NGINX, 0.8),),
    ),
    _scenario(
        "file-up-tls",
        "A file of 1 GiB up, encrypted",
        "By TLS 1.3 and what scp agrees on by itself.",
        (OURS, SCP),
        (_target("1 GiB up over TLS: rate, to scp's", SCP, 2),),
    ),
    _scenario(
        "file-down-tls",
        "A file of 1 GiB down, encrypted",
        "By TLS 1.3 and what scp agrees on by itself. nginx, without any verifying, is beside it.",
        (OURS, NGINX, SCP),
        (_target("1 GiB down over TLS: rate, to scp's", SCP, 2),),
    ),
)
