"""A room: what one connection sends, all others hear. Nothing else is shared between them.

The room encodes a message once, and puts it into each listener's outbox; one that does not read
is dropped by the room's policy and slows nobody. It works the same when handlers run in threads
or in processes: try model="threads".
"""

from __future__ import annotations

import asyncio

from jackfield import Connection, Room, Server, Service, connect, framing

room: Room[str] = Room("lobby")


async def chat(conn: Connection[str]) -> None:
    """The first line is a name; the room hears the others."""
    name = await conn.receive()
    room.join(conn)
    await conn.send(f"Welcome, {name}.")
    async for line in conn:
        room.publish(f"{name}: {line}", but=conn)


async def main() -> None:
    """Let three meet."""
    service = Service("chat", chat, framing.lines(), joins_rooms=True)
    async with Server(service, "tcp://127.0.0.1:0") as server:
        people = {}
        for name in ("Ann", "Ben", "Eva"):
            people[name] = await connect(server.endpoints[0], framing=framing.lines())
            await people[name].send(name)
            print(await people[name].receive())
        await people["Ann"].send("hello, both of you")
        for name in ("Ben", "Eva"):
            print(f"{name} hears {await people[name].receive()!r}")
        for conn in people.values():
            await conn.close()


if __name__ == "__main__":
    asyncio.run(main())
