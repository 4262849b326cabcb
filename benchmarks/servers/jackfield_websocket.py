"""Jackfield over WebSocket on uvloop: a handler with `async for`, and `Service.reply`."""

from __future__ import annotations

import asyncio

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready
from jackfield import Connection, Server, Service, framing


async def with_async_for(conn: Connection[str]) -> None:
    """Echo as the tutorial does."""
    async for message in conn:
        await conn.send(message)


async def main(options: Options) -> None:
    """Serve until killed."""
    service = Service("echo", with_async_for, framing=framing.lines())
    if options.variant == "reply":
        service = Service.reply("echo", lambda message: message, framing=framing.lines())
    async with Server(service, f"ws://{HOST}:{options.port}/") as server:
        ready(server.endpoints[0].port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read_options("asyncio", "reply")))
