"""Remote commands: what the shortest one costs, and what much output does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.bench import Bench, Load
from benchmarks.model import Entrant, Metric, Sample, Scenario, Target
from benchmarks.whole import MIB, compare, in_memory, jackfield, make_file, ssh, timed, warm_memory

SIZE = 1024 * MIB
QUICK = 16 * MIB
HOST = "127.0.0.1"

OURS = Entrant(
    "jackfield-commands",
    "Jackfield, TLS",
    "benchmarks.servers.jackfield_commands",
    needs=("jackfield.services.commands", "uvloop"),
    ours=True,
)
PLAIN = Entrant(
    "jackfield-commands-plain",
    "Jackfield, not encrypted",
    "benchmarks.servers.jackfield_commands",
    needs=("jackfield.services.commands", "uvloop"),
    ours=True,
)
OPENSSH = Entrant("openssh", "OpenSSH", "benchmarks.servers.sshd", tools=("sshd", "ssh"))


async def shortest(bench: Bench, entrant: Entrant) -> Sample:
    """Measure `true`."""
    with in_memory(QUICK) as folder:
        async with bench.serve(
            entrant, tls=entrant is OURS, everywhere=True, root=folder
        ) as server:
            place = bench.folder / "ca.pem" if entrant is OURS else folder
            kind = "jackfield" if entrant is OURS else "ssh"
            load: Load = await bench.run_commands(server, kind, place)
    return {
        "p50_ms": load.p50 * 1e3,
        "p99_ms": load.p99 * 1e3,
        "cpu_ms": load.cpu / load.messages * 1e3,
    }


async def output(bench: Bench, entrant: Entrant) -> Sample:
    """Measure `cat` of a file, and compare what has come."""
    size = SIZE if bench.settings.seconds >= 1 else QUICK
    with in_memory(size) as folder:
        kept = folder / "kept"
        kept.mkdir()
        source, target = kept / "big.bin", folder / "came.bin"
        await asyncio.to_thread(make_file, source, size)
        async with bench.serve(entrant, tls=entrant is OURS, everywhere=True, root=kept) as server:
            await asyncio.to_thread(warm_memory, folder, size + size // 4)
            before = server.process.cpu_seconds()
            took = await timed(_command(bench, entrant, server.port, kept, source), target=target)
            cpu = server.process.cpu_seconds() - before
            await asyncio.to_thread(compare, source, target)
    return {
        "rate": size / MIB / took.seconds,
        "server_cpu": cpu,
        "client_cpu": took.cpu,
    }


def _command(bench: Bench, entrant: Entrant, port: int, kept: Path, source: Path) -> list[str]:
    if entrant is OPENSSH:
        return [*ssh("ssh", kept / "client"), "-p", str(port), HOST, "cat", str(source)]
    trust = ["--ca", str(bench.folder / "ca.pem")] if entrant is OURS else []
    endpoint = f"{'tls' if entrant is OURS else 'tcp'}://{HOST}:{port}"
    return [*jackfield("run"), *trust, endpoint, "--", "cat", str(source)]


SCENARIOS = (
    Scenario(
        name="run-true",
        title="The shortest command, on a connection that is there",
        about=(
            "`true` is run over and over, each time when the one before has ended. OpenSSH has a "
            "master (ControlMaster) that holds the connection, and `ssh` is started for each "
            "command, as people use it; Jackfield's client holds the connection itself, over TLS. "
            "Servers, and what they run, may use all cores. "
            "The CPU time is that of the server and of what it has run, which includes the "
            "program itself."
        ),
        metrics=(
            Metric("p50_ms", "p50, ms", 2),
            Metric("p99_ms", "p99, ms", 2),
            Metric("cpu_ms", "server CPU, ms per command", 2),
        ),
        entrants=(OURS, OPENSSH),
        measure=shortest,
        chart="p50_ms",
        targets=(
            Target(
                "`true` on a warm connection: p50, to multiplexed ssh",
                metric="p50_ms",
                ours=OURS.name,
                beside=OPENSSH.name,
                limit=0.5,
            ),
        ),
    ),
    Scenario(
        name="run-output",
        title="1 GiB of output",
        about=(
            "`cat` of a file of 1 GiB on tmpfs, written to another there, which is compared: by "
            "`jackfield run` and by `ssh`, from their start to their end. OpenSSH encrypts by what "
            "it agrees on by itself."
        ),
        metrics=(
            Metric("rate", "MiB per second", 0),
            Metric("server_cpu", "server CPU, s", 2),
            Metric("client_cpu", "client CPU, s", 2),
        ),
        entrants=(OURS, PLAIN, OPENSSH),
        measure=output,
        chart="rate",
        targets=(
            Target(
                "1 GiB of output: rate, to ssh's",
                metric="rate",
                ours=OURS.name,
                beside=OPENSSH.name,
                limit=1,
                at_least=True,
            ),
        ),
    ),
)
