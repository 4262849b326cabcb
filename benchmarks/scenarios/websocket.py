"""WebSocket messages of 64 bytes, one in flight on each connection, and sixteen."""

from __future__ import annotations

from benchmarks.bench import ROUND_TRIPS, Bench
from benchmarks.model import Entrant, Sample, Scenario, Target

CONNECTIONS = 20
OURS_ASYNC_FOR, OURS_REPLY = (
    Entrant(
        f"jackfield-websocket{suffix}",
        f"Jackfield, {title}",
        "benchmarks.servers.jackfield_websocket",
        variant,
        needs=("jackfield.server", "websockets", "uvloop"),
        ours=True,
    )
    for suffix, title, variant in (
        ("", "async for", "asyncio"),
        ("-reply", "Service.reply", "reply"),
    )
)
WEBSOCKETS = Entrant(
    "websockets",
    "websockets",
    "benchmarks.servers.websockets_websocket",
    needs=("websockets", "uvloop"),
)
ALL = (
    OURS_ASYNC_FOR,
    OURS_REPLY,
    WEBSOCKETS,
    Entrant(
        "aiohttp-websocket",
        "aiohttp",
        "benchmarks.servers.aiohttp_websocket",
        needs=("aiohttp", "uvloop"),
    ),
    Entrant(
        "picows",
        "picows, a callback",
        "benchmarks.servers.picows_websocket",
        needs=("picows", "uvloop"),
    ),
)
ABOUT = (
    "Each of 20 connections keeps {window} of 64 bytes in flight: as many new ones leave as "
    "replies were read, in one write. All servers run on uvloop and compress nothing. picows "
    "calls a function with the bytes of each frame; all others give text to a coroutine, but for "
    "`Service.reply`, which is given text too. The load is a Python program on uvloop, which "
    "compares every byte."
)


async def one(bench: Bench, entrant: Entrant) -> Sample:
    """Measure with one message in flight."""
    return await _measure(bench, entrant, 1)


async def sixteen(bench: Bench, entrant: Entrant) -> Sample:
    """Measure with sixteen messages in flight."""
    return await _measure(bench, entrant, 16)


async def _measure(bench: Bench, entrant: Entrant, window: int) -> Sample:
    async with bench.serve(entrant) as server:
        load = await bench.other_load(
            server, "websocket", connections=CONNECTIONS, window=window, size=64
        )
    return load.sample()


SCENARIOS = (
    Scenario(
        name="ws-1",
        title="One WebSocket message in flight on each of 20 connections",
        about=ABOUT.format(window="one text message"),
        metrics=ROUND_TRIPS,
        entrants=ALL,
        measure=one,
        chart="cpu_us",
        rounds=7,
        targets=(
            Target(
                "WebSocket, one in flight: CPU per message, `async for` to websockets'",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=WEBSOCKETS.name,
                limit=0.8,
            ),
        ),
    ),
    Scenario(
        name="ws-16",
        title="Sixteen WebSocket messages in flight on each of 20 connections",
        about=ABOUT.format(window="sixteen text messages"),
        metrics=ROUND_TRIPS,
        entrants=ALL,
        measure=sixteen,
        chart="cpu_us",
        rounds=7,
        targets=(
            Target(
                "WebSocket, 16 in flight: CPU per message, `async for` to websockets'",
                metric="cpu_us",
                ours=OURS_ASYNC_FOR.name,
                beside=WEBSOCKETS.name,
                limit=0.5,
            ),
        ),
    ),
)
