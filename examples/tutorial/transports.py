"""One server, one handler, four transports at once."""

from __future__ import annotations

import asyncio
import tempfile

from jackfield import Connection, Server, Service, connect, framing


async def greet(conn: Connection[str]) -> None:
    async for name in conn:
        await conn.send(f"Hello, {name}!")


service = Service("greeter", greet, framing=framing.lines())


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Server(
            service,
            "tcp://127.0.0.1:0",
            "udp://127.0.0.1:0",
            f"unix://{folder}/greeter.sock",
            "memory://greeter",
        ) as server:
            for endpoint in server.endpoints:
                async with connect(endpoint, framing=framing.lines()) as client:
                    await client.send("Tracy")
                    print(f"{endpoint.transport:6}", await client.receive())


if __name__ == "__main__":
    asyncio.run(main())
