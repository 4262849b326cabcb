"""The same service under each model: Bob asks while Ann's question is still being answered."""

from __future__ import annotations

import asyncio

from jackfield import Connection, ModelName, Server, Service, connect, framing
from jackfield.errors import ReceiveTimeout

MODELS: tuple[ModelName, ...] = ("inline", "asyncio", "threads", "processes")


async def ponder(conn: Connection[str]) -> None:
    async for question in conn:
        if question == "a hard one":
            await asyncio.sleep(60)
        await conn.send("42")


service = Service("oracle", ponder, framing=framing.lines())


async def try_model(model: ModelName) -> str:
    server = Server(service, "tcp://127.0.0.1:0", model=model)
    await server.start()
    endpoint = server.endpoints[0]
    async with (
        connect(endpoint, framing=framing.lines()) as ann,
        connect(endpoint, framing=framing.lines()) as bob,
    ):
        await ann.send("a hard one")
        await bob.send("an easy one")
        try:
            answer = f"answers Bob {await bob.receive(timeout=2)}"
        except ReceiveTimeout:
            answer = "lets Bob wait for Ann"
    await server.stop(drain=0)
    return answer


async def main() -> None:
    for model in MODELS:
        print(f"{model:9}", await try_model(model))


if __name__ == "__main__":
    asyncio.run(main())
