"""The `websockets` server on uvloop, without compression."""

from __future__ import annotations

import uvloop
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.servers.options import HOST, Options, read_options, ready


async def echo(websocket: ServerConnection) -> None:
    """Echo message by message."""
    async for message in websocket:
        await websocket.send(message)


async def main(options: Options) -> None:
    """Serve until killed."""
    async with serve(echo, HOST, options.port, compression=None) as server:
        ready(next(iter(server.sockets)).getsockname()[1])
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
