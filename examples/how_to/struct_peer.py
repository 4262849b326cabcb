"""A protocol with a struct header: 2 bytes of magic, a kind, and the length of what follows."""

from __future__ import annotations

import asyncio
import socket
import struct

from jackfield import Connection, Server, Service, framing
from jackfield.framing import HeaderMessage

HEADER = ">2sBI"
MAGIC = b"JF"
ASK, ANSWER = 1, 2


async def answer(conn: Connection[HeaderMessage]) -> None:
    async for (magic, kind), payload in conn:
        if magic == MAGIC and kind == ASK:
            await conn.send(HeaderMessage((MAGIC, ANSWER), payload.upper()))


service = Service("headed", answer, framing=framing.header(HEADER, length=2))


def ask(host: str, port: int, text: bytes) -> bytes:
    """Ask as the programs do that are there already: on a bare socket."""
    with socket.create_connection((host, port)) as sock:
        sock.sendall(struct.pack(HEADER, MAGIC, ASK, len(text)) + text)
        head = read_exactly(sock, struct.calcsize(HEADER))
        _magic, _kind, length = struct.unpack(HEADER, head)
        return read_exactly(sock, length)


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


async def main() -> None:
    async with Server(service, "tcp://127.0.0.1:0") as server:
        at = server.endpoints[0]
        print(await asyncio.to_thread(ask, at.host, at.port, b"hello"))


if __name__ == "__main__":
    asyncio.run(main())
