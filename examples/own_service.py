"""A service of one's own: a handler, a framing, a name. Served over TCP and UDP at once.

Run it with an endpoint to serve there until Ctrl-C, and talk to it with nc:

    python own_service.py tcp://127.0.0.1:9999

Without, it is its own first client. `jackfield serve own_service:service tcp://127.0.0.1:9999`
in this folder serves it too, with every option that a ready service has.
"""

from __future__ import annotations

import asyncio
import sys

from jackfield import Connection, Server, Service, connect, framing, serve


async def shout(conn: Connection[str]) -> None:
    """Send each line back in upper case."""
    async for line in conn:  # a str per line: never half a line, never two
        await conn.send(line.upper())


service = Service("shout", shout, framing=framing.lines())


async def try_it() -> None:
    """Serve on any free port, and talk to it over both transports."""
    async with Server(service, "tcp://127.0.0.1:0", "udp://127.0.0.1:0") as server:
        for endpoint in server.endpoints:
            async with connect(endpoint, framing=framing.lines()) as conn:
                await conn.send("hello")
                print(f"{endpoint} answers {await conn.receive()!r}")


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(service, *sys.argv[1:])
    else:
        asyncio.run(try_it())
