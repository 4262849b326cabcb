"""`Service.reply`: a service made of a function from message to reply.

Nothing to await, nothing to loop over: it is called straight from the read, which makes it the
fastest kind of service there is. It returns None for a message that gets no reply.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jackfield import Server, Service, connect, framing


def answer(question: Any) -> Any:
    """Answer `{"add": [1, 2]}`; a message without it gets no reply."""
    if not isinstance(question, dict) or "add" not in question:
        return None
    try:
        return {"sum": sum(question["add"])}
    except TypeError:
        return {"error": "add takes a list of numbers"}


service = Service.reply("adder", answer, framing.json_lines())


async def main() -> None:
    """Ask in memory, inside this process, with no socket at all."""
    questions = [{"add": [1, 2, 39]}, {"hello": "nobody answers this"}, {"add": ["a", 1]}]
    async with (
        Server(service, "memory://adder") as server,
        connect(server.endpoints[0], framing=framing.json_lines()) as conn,
    ):
        await conn.send_many(questions)
        await conn.send_eof()  # nothing more to ask; the answers still come
        async for reply in conn:
            print(reply)


if __name__ == "__main__":
    asyncio.run(main())
