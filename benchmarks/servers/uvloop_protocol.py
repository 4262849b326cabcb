"""A Protocol on uvloop, with line cutting by hand."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready


class Echo(asyncio.Protocol):
    """Echoes each line with a write of its own, which uvloop joins per turn of the loop."""

    def __init__(self) -> None:
        self._part = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transports, though they do what it says.
        self._write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            self._write(line + b"\n")


async def main(options: Options) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, HOST, options.port, ssl=options.tls(), backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
