"""What one says, all others in the room hear."""

from __future__ import annotations

import asyncio

from jackfield import Connection, Room, Server, Service, connect, framing

room: Room[str] = Room("lobby")


async def talk(conn: Connection[str]) -> None:
    await conn.send("What is your name?")
    name = await conn.receive()
    room.join(conn)
    room.publish(f"{name} came")
    async for text in conn:
        room.publish(f"{name}: {text}", but=conn)
    room.leave(conn)
    room.publish(f"{name} went")


service = Service("lobby", talk, framing=framing.lines(), joins_rooms=True)


async def main() -> None:
    async with Server(service, "tcp://127.0.0.1:0") as server:
        endpoint = server.endpoints[0]
        async with connect(endpoint, framing=framing.lines()) as ann:
            print("Ann hears:", await ann.receive())
            await ann.send("Ann")
            print("Ann hears:", await ann.receive())

            async with connect(endpoint, framing=framing.lines()) as bob:
                await bob.receive()
                await bob.send("Bob")
                print("Ann hears:", await ann.receive())

                await bob.send("Hello, everybody!")
                print("Ann hears:", await ann.receive())

            print("Ann hears:", await ann.receive())


if __name__ == "__main__":
    asyncio.run(main())
