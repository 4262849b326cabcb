"""Tests of one's own service: in memory, with no port and no process to wait for."""

from __future__ import annotations

import asyncio

from jackfield import Connection, Server, Service, connect, framing


async def greet(conn: Connection[str]) -> None:
    async for name in conn:
        await conn.send(f"Hello, {name}!")


service = Service("greeter", greet, framing=framing.lines(max_message=1000))


def test_it_greets() -> None:
    async def run() -> None:
        async with (
            Server(service, "memory://greeter") as server,
            connect(server.endpoints[0], framing=framing.lines()) as conn,
        ):
            await conn.send_many(["Tracy", "李雷"])
            assert await conn.receive() == "Hello, Tracy!"
            assert await conn.receive() == "Hello, 李雷!"

    asyncio.run(run())


def test_it_tells_a_peer_whose_line_is_too_long() -> None:
    async def run() -> None:
        async with (
            Server(service, "memory://greeter") as server,
            connect(server.endpoints[0], framing=framing.lines()) as conn,
        ):
            await conn.send("x" * 1001)
            assert "past the bound of 1000" in await conn.receive()

    asyncio.run(run())


if __name__ == "__main__":  # pytest needs no such lines; this file is an example that runs
    test_it_greets()
    test_it_tells_a_peer_whose_line_is_too_long()
    print("2 passed")
