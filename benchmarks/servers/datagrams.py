"""UDP echo: Jackfield on uvloop, and plain asyncio datagrams on the stock loop and on uvloop."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvloop

from benchmarks.servers.options import HOST, Options, read_options, ready
from jackfield import Connection, Limits, Server, Service, framing

MOST = 1_000_000_000
"""Datagrams a second from one source: here all come from one."""


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(data, addr)


async def with_async_for(conn: Connection[bytes]) -> None:
    """Echo as the tutorial does."""
    async for message in conn:
        await conn.send(message)


async def plain(options: Options) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, (HOST, options.port))
    ready(transport.get_extra_info("sockname")[1])
    await asyncio.Event().wait()


async def ours(options: Options) -> None:
    """Serve until killed."""
    service = Service("echo", with_async_for, framing.raw())
    if options.variant == "reply":
        service = Service.reply("echo", lambda message: message, framing.raw())
    limits = Limits(datagrams_per_source=MOST)
    async with Server(service, f"udp://{HOST}:{options.port}", limits=limits) as server:
        ready(server.endpoints[0].port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    options = read_options("ours", "reply", "asyncio", "uvloop")
    if options.variant == "asyncio":
        asyncio.run(plain(options))
    elif options.variant == "uvloop":
        uvloop.run(plain(options))
    else:
        uvloop.run(ours(options))
