"""A protocol people actually have: a struct header with a kind, a length and a payload.

The header is `!BxH`: a byte that says what is asked, one of padding, and two that say how long
the rest is. The framing cuts the stream; the handler sees whole messages.
"""

from __future__ import annotations

import asyncio

from jackfield import Connection, Server, Service, connect, framing
from jackfield.framing import HeaderMessage

ADD, JOIN, ERROR = 1, 2, 255

HEADER = framing.header("!BxH", length=1)


async def calculate(conn: Connection[HeaderMessage]) -> None:
    """Add numbers, or join words, as the kind says."""
    async for message in conn:
        kind = message.fields[0]
        parts = message.payload.decode().split()
        if kind == ADD:
            answer = str(sum(map(int, parts)))
        elif kind == JOIN:
            answer = "-".join(parts)
        else:
            kind, answer = ERROR, f"kind {kind} is unknown"
        await conn.send(HeaderMessage((kind,), answer.encode()))


async def main() -> None:
    """Serve, and ask three things in one go."""
    service = Service("calculate", calculate, HEADER)
    questions = [(ADD, "1 2 39"), (JOIN, "one two three"), (7, "?")]
    async with (
        Server(service, "tcp://127.0.0.1:0") as server,
        connect(server.endpoints[0], framing=HEADER) as conn,
    ):
        await conn.send_many([HeaderMessage((k,), text.encode()) for k, text in questions])
        for kind, text in questions:
            answer = await conn.receive()
            print(f"{kind} {text!r} -> {answer.fields[0]} {answer.payload.decode()!r}")


if __name__ == "__main__":
    asyncio.run(main())
