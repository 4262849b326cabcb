"""How long one connection waits while another one floods the server with empty lines."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.entrants import (
    OURS_ASYNC_FOR,
    OURS_REPLY,
    OURS_THREADS,
    UVLOOP_STREAMS,
    UVLOOP_STREAMS_FOR,
)
from benchmarks.model import Entrant, Metric, Sample, Scenario, Target


async def measure(bench: Bench, entrant: Entrant) -> Sample:
    """Measure the round trip of one line beside the flood."""
    async with bench.serve(entrant) as server:
        load = await bench.load(server, connections=1, window=1, flood=True)
    return {
        "p50_ms": load.p50 * 1e3,
        "p99_ms": load.p99 * 1e3,
        "max_ms": load.longest * 1e3,
        "count": load.messages,
    }


LIMIT_MS = 10.0

SCENARIOS = (
    Scenario(
        name="fairness",
        title="A round trip beside a flood of empty lines",
        about=(
            "One connection sends empty lines, one byte each, as fast as the server takes them, "
            "and reads the replies; another one sends a line of 64 bytes, waits for it to come "
            "back, and sends the next. These are the round trips of the other."
        ),
        metrics=(
            Metric("p50_ms", "p50, ms", 2),
            Metric("p99_ms", "p99, ms", 2),
            Metric("max_ms", "longest, ms", 2),
            Metric("count", "round trips", 0),
        ),
        entrants=(OURS_ASYNC_FOR, OURS_REPLY, OURS_THREADS, UVLOOP_STREAMS, UVLOOP_STREAMS_FOR),
        measure=measure,
        chart="p99_ms",
        targets=tuple(
            Target(
                f"Beside a flood: the longest round trip, {entrant.title.split(', ')[1]}",
                metric="max_ms",
                ours=entrant.name,
                limit=LIMIT_MS,
                unit="ms",
            )
            for entrant in (OURS_ASYNC_FOR, OURS_REPLY, OURS_THREADS)
        ),
    ),
)
