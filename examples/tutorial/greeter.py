"""The greeter with Jackfield: its handler gets whole names, however the bytes arrive."""

from __future__ import annotations

import asyncio

from jackfield import Connection, Server, Service, connect, framing

NAMES = "Tracy\nHannah\n李雷\n".encode()


async def greet(conn: Connection[str]) -> None:
    async for name in conn:
        await conn.send(f"Hello, {name}!")


service = Service("greeter", greet, framing=framing.lines())


async def main() -> None:
    async with (
        Server(service, "tcp://127.0.0.1:0") as server,
        connect(server.endpoints[0], framing=framing.lines()) as client,
    ):
        await client.send_chunk(NAMES[:14])  # ends inside a character
        await client.send_chunk(NAMES[14:])
        await client.send_eof()

        async for reply in client:
            print(reply)


if __name__ == "__main__":
    asyncio.run(main())
