"""Jackfield's web service on uvloop, with its default limits."""

from __future__ import annotations

import asyncio

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready
from jackfield import Server
from jackfield.services import web


async def main(options: Options) -> None:
    """Serve until killed."""
    service = web.make(folder=options.root)
    async with Server(service, f"tcp://{HOST}:{options.port}?backlog=1024") as server:
        ready(server.endpoints[0].port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
