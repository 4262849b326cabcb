"""WebSocket: the same service for programs by TCP and for web pages by WebSocket.

A page of a browser would say: new WebSocket("ws://127.0.0.1:9999/shout").
"""

from __future__ import annotations

import asyncio

from jackfield import Connection, Server, Service, connect, framing


async def shout(conn: Connection[str]) -> None:
    """Send each line back in upper case."""
    async for line in conn:
        await conn.send(line.upper())


async def main() -> None:
    """Serve at two endpoints, and ask at both."""
    service = Service("shout", shout, framing=framing.lines())
    async with Server(service, "tcp://127.0.0.1:0", "ws://127.0.0.1:0/shout") as server:
        for endpoint in server.endpoints:
            async with connect(endpoint, framing=framing.lines()) as conn:
                await conn.send("hello")
                print(f"{conn.transport}: {await conn.receive()}")


if __name__ == "__main__":
    asyncio.run(main())
