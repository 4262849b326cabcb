"""Remote commands from a program: what may be run is run, with its input; what may not is refused.

`jackfield serve commands` and `jackfield run` do the same from a terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from jackfield import Server, connect
from jackfield.service import find
from jackfield.services.commands import wire
from jackfield.services.commands.client import CommandClient, NotAllowed
from jackfield.services.commands.wire import Run


async def show(stream: int, data: bytes) -> None:
    """Take a piece of output: of stream 1, standard output, or 2, standard error."""
    print(f"stream {stream}: {data!r}")


def typed(text: bytes) -> Callable[[int], Awaitable[bytes]]:
    """Give what standard input is read by: all of a text, and then its end."""
    pieces = [text, b""]

    async def read(_most: int) -> bytes:
        return pieces.pop(0)

    return read


async def main() -> None:
    """Serve two programs, and be the client that runs them."""
    service = find("commands", allow=("sort,ls",))
    async with (
        Server(service, "tcp://127.0.0.1:0") as server,
        connect(server.endpoints[0], framing=wire.framing()) as conn,
    ):
        client = CommandClient(conn)
        await client.come_in()
        over = await client.run(Run(("sort", "-r")), typed(b"a\nc\nb\n"), show)
        print(f"sort: exit status {over.status}, {over.in_} bytes in, {over.out} out")
        over = await client.run(Run(("ls", "/no/such/folder")), None, show)
        print(f"ls: exit status {over.status}")
        try:
            await client.run(Run(("rm", "-r", "/")), None, show)
        except NotAllowed as error:
            print(error)


asyncio.run(main())
