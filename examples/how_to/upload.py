"""A header as a message, and then so many bytes as it says: how many protocols send a file."""

from __future__ import annotations

import asyncio
import json

from jackfield import Connection, Server, Service, connect, framing

MOST = 1024 * 1024
"""Bytes that one upload may have."""

stored: dict[str, bytes] = {}


async def upload(conn: Connection[bytes]) -> None:
    async for head in conn:
        about = json.loads(head)
        if about["size"] > MOST:
            await conn.send(b'{"error": "too large"}')
            return
        data = bytearray()
        while len(data) < about["size"]:
            chunk = await conn.receive_chunk(about["size"] - len(data))
            if not chunk:
                return  # the peer has left in the middle
            data += chunk
        stored[about["name"]] = bytes(data)
        await conn.send(b'{"ok": true}')


service = Service("upload", upload, framing=framing.length_prefixed(4))


async def main() -> None:
    async with (
        Server(service, "tcp://127.0.0.1:0") as server,
        connect(server.endpoints[0], framing=framing.length_prefixed(4)) as conn,
    ):
        for name, data in (("a.txt", b"first"), ("b.txt", b"second" * 20_000)):
            await conn.send(json.dumps({"name": name, "size": len(data)}).encode())
            await conn.send_chunk(data)
        print(await conn.receive(), await conn.receive())
        print({name: len(data) for name, data in stored.items()})


if __name__ == "__main__":
    asyncio.run(main())
