"""A handler that blocks: a plain `def`, which has a thread of its own."""

from __future__ import annotations

import asyncio
import time

from jackfield import BlockingConnection, Endpoint, Server, Service, connect, framing


def ponder(conn: BlockingConnection[str]) -> None:
    for question in conn:
        if question == "a hard one":
            time.sleep(1)  # stands for a database, a file, a long computation
        conn.send("42")


service = Service("oracle", ponder, framing=framing.lines())


async def ask(endpoint: Endpoint, name: str, question: str) -> None:
    async with connect(endpoint, framing=framing.lines()) as conn:
        await conn.send(question)
        print(f"{name} is answered {await conn.receive()}")


async def main() -> None:
    async with (
        Server(service, "tcp://127.0.0.1:0", model="threads") as server,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(ask(server.endpoints[0], "Ann", "a hard one"))
        tasks.create_task(ask(server.endpoints[0], "Bob", "an easy one"))


if __name__ == "__main__":
    asyncio.run(main())
