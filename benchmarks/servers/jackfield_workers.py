"""Jackfield with workers, and a handler that computes for a while before it answers."""

from __future__ import annotations

import asyncio
import hashlib

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready
from jackfield import Limits, Service, framing
from jackfield.workers.supervisor import Supervisor

MOST = 10_000
WORK = 100
"""Rounds of a hash, about 50 microseconds."""


def worked(line: str) -> str:
    """Compute, and give the line back."""
    hashlib.pbkdf2_hmac("sha256", line.encode(), b"salt", WORK)
    return line


service = Service.reply("work", worked, framing=framing.lines())


async def main(options: Options) -> None:
    """Serve until killed."""
    limits = Limits(connections=MOST, connections_per_source=MOST)
    endpoint = f"tcp://{HOST}:{options.port}?backlog=1024"
    workers = int(options.variant)
    async with Supervisor(service, endpoint, workers=workers, limits=limits) as server:
        ready(server.endpoints[0].port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read_options("1", "2")))
