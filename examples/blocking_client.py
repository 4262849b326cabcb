"""A client without async: a plain `with`, and methods that block.

The server here runs in the background, so that the example needs nobody else; a client of yours
needs the last function alone.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

from jackfield import Endpoint, Server, connect, framing
from jackfield.errors import ReceiveTimeout
from jackfield.service import find


def talk(endpoint: Endpoint) -> None:
    """Say two things, and print what comes back."""
    with connect(endpoint, framing=framing.lines()) as conn:
        print(conn.receive())
        conn.send("Tracy")
        print(conn.receive(timeout=5))
        try:
            conn.receive(timeout=0.1)
        except ReceiveTimeout as error:  # nothing is lost: the next receive() gets it
            print(f"and then {error}")
        conn.send("quit")
        for line in conn:  # ends when the other side does
            print(line)


async def run_server(ready: SimpleQueue[Endpoint], over: threading.Event) -> None:
    """Serve `greet` on any free port until `over` is set."""
    async with Server(find("greet"), "tcp://127.0.0.1:0") as server:
        ready.put(server.endpoints[0])
        await asyncio.to_thread(over.wait)


def main() -> None:
    """Start the server in a thread, talk to it, and end it."""
    ready: SimpleQueue[Endpoint] = SimpleQueue()
    over = threading.Event()
    server = threading.Thread(target=lambda: asyncio.run(run_server(ready, over)))
    server.start()
    try:
        talk(ready.get())
    finally:
        over.set()
        server.join()


if __name__ == "__main__":
    main()
