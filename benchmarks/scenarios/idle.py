"""What an idle connection costs in resident memory, plain and under TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.entrants import C_EPOLL, ECHOES, OURS_ASYNC_FOR, OURS_THREADS
from benchmarks.hold import holder
from benchmarks.machine import allow_connections
from benchmarks.model import Entrant, MeasureError, Metric, Sample, Scenario, Target

METRICS = (Metric("kib", "resident KiB per connection", 2),)
ABOUT = (
    "The growth of the server's resident memory (Rss of /proc/PID/smaps_rollup) from one "
    "connection to 5,000 more, each of which has sent one line of 64 bytes and had it back, "
    "after they have come to rest. The kernel's memory for the sockets is the same for all "
    "and not part of it.{more}"
)


async def plain(bench: Bench, entrant: Entrant) -> Sample:
    """Measure over TCP."""
    return await _measure(bench, entrant, None)


async def tls(bench: Bench, entrant: Entrant) -> Sample:
    """Measure over TLS."""
    return await _measure(bench, entrant, bench.folder / "ca.pem")


async def _measure(bench: Bench, entrant: Entrant, authority: Path | None) -> Sample:
    wanted = bench.settings.idle
    if (possible := allow_connections(wanted)) < wanted:
        raise MeasureError(
            f"only {possible} of {wanted} connections fit into the hard limit of descriptors "
            "(ulimit -Hn)"
        )
    async with bench.serve(entrant, tls=bool(authority)) as server:
        with holder(server.port, authority) as hold:
            # The first one loads what the server loads only once.
            await asyncio.to_thread(hold.open, 1)
            await asyncio.sleep(bench.settings.settle)
            before = server.process.resident_bytes()
            await asyncio.to_thread(hold.open, wanted)
            await asyncio.sleep(bench.settings.settle)
            after = server.process.resident_bytes()
    return {"kib": (after - before) / wanted / 1024}


SCENARIOS = (
    Scenario(
        name="idle",
        title="An idle connection",
        about=ABOUT.format(more=""),
        metrics=METRICS,
        entrants=ECHOES,
        measure=plain,
        chart="kib",
        rounds=3,  # memory differs little from round to round, and filling it takes time
        targets=(
            Target(
                "An idle connection at 5,000, on uvloop",
                metric="kib",
                ours=OURS_ASYNC_FOR.name,
                limit=4.0,
                unit="KiB",
            ),
        ),
    ),
    Scenario(
        name="idle-tls",
        title="An idle connection under TLS",
        about=ABOUT.format(more=" TLS 1.3, a certificate with a P-256 key."),
        metrics=METRICS,
        entrants=tuple(e for e in ECHOES if e not in (C_EPOLL, OURS_THREADS)),
        measure=tls,
        chart="kib",
        rounds=3,
        targets=(
            Target(
                "An idle connection under TLS at 5,000, on uvloop",
                metric="kib",
                ours=OURS_ASYNC_FOR.name,
                limit=32.0,
                unit="KiB",
            ),
        ),
    ),
)
