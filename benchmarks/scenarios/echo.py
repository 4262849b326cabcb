"""64-byte lines on 50 connections, one in flight on each, and sixteen."""

from __future__ import annotations

from benchmarks.bench import ROUND_TRIPS, Bench
from benchmarks.entrants import (
    ECHOES,
    OURS_ASYNC_FOR,
    OURS_REPLY,
    OURS_THREADS,
    SOCKETSERVER,
    UVLOOP_STREAMS,
)
from benchmarks.model import Entrant, Sample, Scenario, Target

CONNECTIONS = 50
ABOUT = (
    "Each of 50 connections keeps {window} of 64 bytes in flight: as many new lines leave as "
    "replies were read, in one write. The server's CPU time is user and system time of the "
    "process with its threads and children, read from its CPU clock when nothing is in flight "
    "before and after the measured time. Throughput and round trips belong to server and load "
    "together."
)


async def one(bench: Bench, entrant: Entrant) -> Sample:
    """Measure with one line in flight."""
    return await _measure(bench, entrant, 1)


async def sixteen(bench: Bench, entrant: Entrant) -> Sample:
    """Measure with sixteen lines in flight."""
    return await _measure(bench, entrant, 16)


async def _measure(bench: Bench, entrant: Entrant, window: int) -> Sample:
    async with bench.serve(entrant) as server:
        load = await bench.load(server, connections=CONNECTIONS, window=window)
    return load.sample()


SCENARIOS = (
    Scenario(
        name="echo-1",
        title="One line in flight on each of 50 connections",
        about=ABOUT.format(window="one line"),
        metrics=ROUND_TRIPS,
        entrants=ECHOES,
        measure=one,
        chart="cpu_us",
        rounds=9,  # the targets are near, and a busy machine tells them from luck by many
        targets=(
            Target(
                "One in flight: CPU per message, `async for` to uvloop's readline streams",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=UVLOOP_STREAMS.name,
                limit=0.95,
            ),
        ),
    ),
    Scenario(
        name="echo-16",
        title="Sixteen lines in flight on each of 50 connections",
        about=ABOUT.format(window="sixteen lines"),
        metrics=ROUND_TRIPS,
        entrants=ECHOES,
        measure=sixteen,
        chart="cpu_us",
        rounds=9,
        targets=(
            Target(
                "16 in flight: CPU per message, `async for` to uvloop's readline streams",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=UVLOOP_STREAMS.name,
                limit=1 / 6,
            ),
            Target(
                "16 in flight: CPU per message, `Service.reply` to uvloop's readline streams",
                metric="cpu_us",
                ours=OURS_REPLY.name,
                beside=UVLOOP_STREAMS.name,
                limit=1 / 9,
            ),
            Target(
                "16 in flight: throughput, threads to socketserver's",
                metric="rate",
                ours=OURS_THREADS.name,
                beside=SOCKETSERVER.name,
                limit=1.0,
                at_least=True,
            ),
        ),
    ),
)
