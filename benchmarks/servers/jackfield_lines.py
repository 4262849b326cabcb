"""Jackfield: a handler with `async for`, `Service.reply`, and a plain handler in threads.

On uvloop, with the default limits but for the number of connections.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready
from jackfield import BlockingConnection, Connection, Limits, Server, Service, framing
from jackfield.admission import Admission

MOST = 10_000


async def with_async_for(conn: Connection[Any]) -> None:
    """Echo as the tutorial does."""
    async for line in conn:
        await conn.send(line)


def with_for(conn: BlockingConnection[str]) -> None:
    """Echo as the tutorial does, blocking."""
    for line in conn:
        conn.send(line)


def make_service(variant: str) -> Service[Any]:
    """Make the service a variant names."""
    if variant == "bytes":  # as streams have them, with no text made of them
        return Service("echo", with_async_for, framing=framing.lines(encoding=None))
    if variant == "reply":
        return Service.reply("echo", lambda line: line, framing=framing.lines())
    if variant == "threads":
        return Service("echo", with_for, framing=framing.lines())
    return Service("echo", with_async_for, framing=framing.lines())


def count_no_sources() -> None:
    """Leave out what limits per source cost: to show how little that is."""
    Admission.count = Admission.uncount = lambda *_: None  # type: ignore[method-assign]
    Admission.refusal = lambda *_: None  # type: ignore[method-assign]


async def main(options: Options) -> None:
    """Serve until killed."""
    if options.variant == "uncounted":
        count_no_sources()
    limits = Limits(connections=MOST, connections_per_source=MOST, threads=MOST)
    endpoint = f"tcp://{HOST}:{options.port}?backlog=1024"
    if options.pem:
        endpoint = f"tls://{HOST}:{options.port}?backlog=1024&cert={options.pem}&key={options.pem}"
    async with Server(
        make_service(options.variant),
        endpoint,
        model="threads" if options.variant == "threads" else "asyncio",
        limits=limits,
    ) as server:
        ready(server.endpoints[0].port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read_options("asyncio", "bytes", "reply", "threads", "uncounted")))
