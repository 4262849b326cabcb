"""TLS, datagrams, short connections, and workers."""

from __future__ import annotations

from benchmarks.bench import ROUND_TRIPS, Bench
from benchmarks.entrants import (
    C_EPOLL,
    ECHOES,
    OURS_ASYNC_FOR,
    OURS_REPLY,
    OURS_THREADS,
    SOCKETSERVER,
    UVLOOP_STREAMS,
)
from benchmarks.model import Entrant, Metric, Sample, Scenario, Target

BULK = 16 * 1024
"""Bytes of a line where much is sent."""

DATAGRAMS = tuple(
    Entrant(
        f"{name}-datagrams",
        title,
        "benchmarks.servers.datagrams",
        variant,
        needs=("jackfield.server", "uvloop"),
        ours=ours,
    )
    for name, title, variant, ours in (
        ("jackfield", "Jackfield, async for", "ours", True),
        ("jackfield-reply", "Jackfield, Service.reply", "reply", True),
        ("asyncio", "asyncio datagrams", "asyncio", False),
        ("uvloop", "uvloop datagrams", "uvloop", False),
    )
)
UNCOUNTED = Entrant(
    "jackfield-uncounted",
    "Jackfield, sources not counted",
    "benchmarks.servers.jackfield_lines",
    "uncounted",
    needs=("jackfield.server", "uvloop"),
    ours=True,
)
OURS_BYTES = Entrant(
    "jackfield-bytes",
    "Jackfield, async for, bytes",
    "benchmarks.servers.jackfield_lines",
    "bytes",
    needs=("jackfield.server", "uvloop"),
    ours=True,
)
WORKERS = tuple(
    Entrant(
        f"jackfield-workers-{count}",
        f"Jackfield, {count} worker{'s' if count > 1 else ''}",
        "benchmarks.servers.jackfield_workers",
        str(count),
        needs=("jackfield.server", "uvloop"),
        ours=True,
    )
    for count in (1, 2)
)


async def _tls(bench: Bench, entrant: Entrant, size: int, window: int) -> Sample:
    async with bench.serve(entrant, tls=True) as server:
        load = await bench.other_load(server, "tls", connections=20, window=window, size=size)
    return load.sample()


async def tls_echo(bench: Bench, entrant: Entrant) -> Sample:
    """Measure short lines over TLS."""
    return await _tls(bench, entrant, 64, 1)


async def tls_bulk(bench: Bench, entrant: Entrant) -> Sample:
    """Measure long lines over TLS."""
    return await _tls(bench, entrant, BULK, 4)


async def udp(bench: Bench, entrant: Entrant) -> Sample:
    """Measure datagrams."""
    async with bench.serve(entrant) as server:
        load = await bench.other_load(server, "udp", connections=20, window=4, size=64)
    return load.sample()


async def short(bench: Bench, entrant: Entrant) -> Sample:
    """Measure short connections."""
    async with bench.serve(entrant) as server:
        load = await bench.other_load(server, "short", connections=1, window=1, size=64)
    return load.sample()


async def workers(bench: Bench, entrant: Entrant) -> Sample:
    """Measure a handler that computes, on all cores."""
    async with bench.serve(entrant, everywhere=True) as server:
        load = await bench.load(server, connections=50, window=1)
    return {"rate": load.messages / load.seconds, "cpu_us": load.cpu / load.messages * 1e6}


SCENARIOS = (
    Scenario(
        name="tls-echo",
        title="One line in flight over TLS on each of 20 connections",
        about="Lines of 64 bytes over TLS 1.3. The load is a Python program on uvloop.",
        metrics=ROUND_TRIPS,
        entrants=tuple(e for e in ECHOES if e not in (C_EPOLL, OURS_THREADS)),
        measure=tls_echo,
        chart="cpu_us",
        rounds=3,
        targets=(
            Target(
                "TLS echo: CPU per message, `async for` to uvloop's readline streams",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=UVLOOP_STREAMS.name,
                limit=1.0,
            ),
        ),
    ),
    Scenario(
        name="tls-bulk",
        title="Lines of 16 KiB over TLS",
        about=(
            "Four lines of 16 KiB in flight on each of 20 connections over TLS 1.3. Lines of "
            "streams are bytes; those of ours are text unless they are asked for as bytes."
        ),
        metrics=ROUND_TRIPS,
        entrants=(OURS_BYTES, OURS_ASYNC_FOR, OURS_REPLY, UVLOOP_STREAMS),
        measure=tls_bulk,
        chart="cpu_us",
        rounds=9,
        targets=(
            Target(
                "TLS bulk: CPU per line of 16 KiB, bytes, to uvloop's readline streams",
                metric="cpu_us",
                ours=OURS_BYTES.name,
                beside=UVLOOP_STREAMS.name,
                limit=1.0,
            ),
        ),
    ),
    Scenario(
        name="udp",
        title="Datagrams",
        about="Four datagrams of 64 bytes in flight on each of 20 sockets.",
        metrics=ROUND_TRIPS,
        entrants=DATAGRAMS,
        measure=udp,
        chart="cpu_us",
        rounds=5,
    ),
    Scenario(
        name="short",
        title="Short connections",
        about=(
            "One after another: connect, send a line, read it back, close. One of ours does not "
            "count sources, to show what that costs."
        ),
        metrics=ROUND_TRIPS,
        entrants=(OURS_ASYNC_FOR, UNCOUNTED, UVLOOP_STREAMS, SOCKETSERVER, C_EPOLL),
        measure=short,
        chart="cpu_us",
        rounds=9,
        targets=(
            Target(
                "Short connections: CPU with per-source limits to without",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=UNCOUNTED.name,
                limit=1.05,
            ),
        ),
    ),
    Scenario(
        name="workers",
        title="Two workers against one",
        about=(
            "A handler that computes for about 50 µs before it answers, on 50 connections. The "
            "server may use every core; on a machine with two, the load takes its part of one."
        ),
        metrics=(
            Metric("rate", "messages per second", 0),
            Metric("cpu_us", "server CPU, µs per message", 2),
        ),
        entrants=WORKERS,
        measure=workers,
        chart="rate",
        rounds=5,
    ),
)
