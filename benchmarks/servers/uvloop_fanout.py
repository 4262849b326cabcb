"""The floor: Protocols on uvloop that write each line to all others, and know nothing else."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready

everybody: dict[asyncio.Transport, None] = {}


class Listener(asyncio.Protocol):
    """One who hears what the others say."""

    def __init__(self) -> None:
        self._part = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transports, though they do what it says.
        self._transport = cast("asyncio.Transport", transport)
        everybody[self._transport] = None
        self._transport.write(b"hello\n")

    def data_received(self, data: bytes) -> None:
        whole, ending, self._part = (self._part + data).rpartition(b"\n")
        if ending:
            for transport in everybody:
                if transport is not self._transport:
                    transport.write(whole + ending)

    def connection_lost(self, exc: Exception | None) -> None:
        everybody.pop(self._transport, None)


async def main(options: Options) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Listener, HOST, options.port, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
