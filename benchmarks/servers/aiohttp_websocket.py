"""aiohttp's WebSocket on uvloop, without compression."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import WSMsgType, web

from benchmarks.servers.options import Options, listening, read_options, ready


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Echo message by message."""
    websocket = web.WebSocketResponse(compress=False)
    await websocket.prepare(request)
    async for message in websocket:
        if message.type == WSMsgType.TEXT:
            await websocket.send_str(message.data)
    return websocket


async def main(options: Options) -> None:
    """Serve until killed."""
    application = web.Application()
    application.router.add_get("/", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    sock = listening(options.port)
    await web.SockSite(runner, sock, backlog=1024).start()
    ready(sock.getsockname()[1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
