"""Files over HTTP: a small one, a middling one, and a download."""

from __future__ import annotations

import asyncio
import http.client
import os
import zlib
from pathlib import Path

from benchmarks.bench import START_S, Bench, Running
from benchmarks.model import Entrant, MeasureError, Metric, Sample, Scenario, Target

KIB = 1024
MIB = 1024 * KIB
LARGE = 256 * MIB
LONG_AGO = 1_000_000_000
"""When the files were changed last: servers trust no time that is not over yet."""

OURS = Entrant(
    "jackfield-web",
    "Jackfield",
    "benchmarks.servers.jackfield_files",
    needs=("jackfield.services.web", "httptools", "uvloop"),
    ours=True,
)
NGINX = Entrant("nginx", "nginx, one worker", "benchmarks.servers.nginx_files", tools=("nginx",))
AIOHTTP = tuple(
    Entrant(
        f"aiohttp-{variant}",
        f"aiohttp, {variant}",
        "benchmarks.servers.aiohttp_files",
        variant,
        needs=("aiohttp", "uvloop"),
    )
    for variant in ("asyncio", "uvloop")
)
STARLETTE = Entrant(
    "starlette",
    "uvicorn with Starlette",
    "benchmarks.servers.starlette_files",
    needs=("starlette", "uvicorn", "uvloop", "httptools"),
)
HTTP_SERVER = Entrant("http-server", "http.server", "benchmarks.servers.http_server_files")
ALL = (OURS, NGINX, *AIOHTTP, STARLETTE, HTTP_SERVER)

METRICS = (
    Metric("cpu_us", "server CPU, µs per request", 2),
    Metric("rate", "requests per second", 0),
    Metric("p50_ms", "response p50, ms", 3),
    Metric("p99_ms", "p99, ms", 3),
)
ABOUT = (
    "wrk asks for one file of {size} on 16 connections, the next time as soon as it has come. "
    "Before that the file is asked for once, and every byte of it compared. Each server has one "
    "core and writes no access log; nginx has one worker, sendfile and tcp_nopush, and is "
    "otherwise as it comes. The file lies in the system's cache."
)


async def small(bench: Bench, entrant: Entrant) -> Sample:
    """Measure requests for 1 KiB."""
    return await _measure(bench, entrant, KIB)


async def middling(bench: Bench, entrant: Entrant) -> Sample:
    """Measure requests for 100 KiB."""
    return await _measure(bench, entrant, 100 * KIB)


async def _measure(bench: Bench, entrant: Entrant, size: int) -> Sample:
    bench.tool("wrk")
    root, path = make_file(bench.folder, size)
    async with bench.serve(entrant, root=root) as server:
        await asyncio.to_thread(compare, server, root, path)
        load = await bench.wrk(server, path, size)
    return load.sample()


async def large(bench: Bench, entrant: Entrant) -> Sample:
    """Measure downloads."""
    root, path = make_file(bench.folder, LARGE)
    async with bench.serve(entrant, root=root) as server:
        await asyncio.to_thread(compare, server, root, path)
        load = await bench.download(server, path, LARGE)
    return {
        "cpu_ms": load.cpu / load.messages * 1e3,
        "rate": load.messages * LARGE / MIB / load.seconds,
    }


def make_file(folder: Path, size: int) -> tuple[Path, str]:
    """Make a file of so many bytes that mean nothing, unless it is there.

    It gives the folder to serve and the path to ask for.
    """
    root = folder / "root"
    root.mkdir(exist_ok=True)
    made = root / f"{size}.bin"
    if not made.exists():
        block = os.urandom(min(size, MIB))
        with made.open("wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
        os.utime(made, (LONG_AGO, LONG_AGO))
    return root, f"/{made.name}"


def compare(server: Running, root: Path, path: str) -> None:
    """Get the file once and compare it. Raises MeasureError."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=START_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        came = 0
        while part := response.read(MIB):
            came = zlib.crc32(part, came)
    except (OSError, http.client.HTTPException) as error:
        raise MeasureError(f"the file did not come: {error!r}") from error
    finally:
        connection.close()
    held = 0
    with (root / path[1:]).open("rb") as file:
        while part := file.read(MIB):
            held = zlib.crc32(part, held)
    if response.status != 200 or came != held:
        raise MeasureError(f"what came is not the file (status {response.status})")


SCENARIOS = (
    *(
        Scenario(
            name=f"web-{word}k",
            title=f"A file of {word} KiB over HTTP",
            about=ABOUT.format(size=f"{word} KiB"),
            metrics=METRICS,
            entrants=ALL,
            measure=measure,
            chart="cpu_us",
            rounds=7,
            targets=(
                Target(
                    f"A file of {word} KiB: CPU per request, to nginx's",
                    metric="cpu_us",
                    ours=OURS.name,
                    beside=NGINX.name,
                    limit=1.6,
                ),
            ),
        )
        for word, measure in (("1", small), ("100", middling))
    ),
    Scenario(
        name="web-256m",
        title="A download of 256 MiB",
        about=(
            "One client gets one file of 256 MiB again and again over one connection, and drops "
            "what it reads. Before that a download is compared with the file, by its CRC-32. "
            "Everybody has one core; nginx has one worker and sendfile. The rate belongs to "
            "server and client together."
        ),
        metrics=(
            Metric("cpu_ms", "server CPU, ms per download", 1),
            Metric("rate", "MiB per second", 0),
        ),
        entrants=(OURS, NGINX, *AIOHTTP),
        measure=large,
        chart="cpu_ms",
        rounds=9,
        targets=(
            Target(
                "A download of 256 MiB: CPU, to nginx's",
                metric="cpu_ms",
                ours=OURS.name,
                beside=NGINX.name,
                limit=1.0,
            ),
            Target(
                "A download of 256 MiB: rate, to nginx's",
                metric="rate",
                ours=OURS.name,
                beside=NGINX.name,
                limit=1.0,
                at_least=True,
            ),
        ),
    ),
)
