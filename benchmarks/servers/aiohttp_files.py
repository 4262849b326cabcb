"""aiohttp's static files, on the stock loop, which knows sendfile(2), and on uvloop."""

from __future__ import annotations

import asyncio

from aiohttp import web

from benchmarks.servers.options import Options, listening, read_options, ready


async def main(options: Options) -> None:
    """Serve until killed."""
    application = web.Application()
    application.router.add_static("/", options.root)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    sock = listening(options.port)
    await web.SockSite(runner, sock, backlog=1024).start()
    ready(sock.getsockname()[1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = read_options("asyncio", "uvloop")
    if options.variant == "asyncio":
        asyncio.run(main(options))
    else:
        import uvloop

        uvloop.run(main(options))
