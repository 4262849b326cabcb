"""asyncio streams: on the stock loop, on uvloop, and there with `async for`. No drain()."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

from benchmarks.servers.options import HOST, Options, read_options, ready


async def with_readline(reader: StreamReader, writer: StreamWriter) -> None:
    """Echo in the form most programs have."""
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def with_async_for(reader: StreamReader, writer: StreamWriter) -> None:
    """Echo in the shorter form."""
    async for line in reader:
        writer.write(line)
    writer.close()


async def main(options: Options) -> None:
    """Serve until killed."""
    handler = with_async_for if options.variant == "uvloop-for" else with_readline
    server = await asyncio.start_server(
        handler, HOST, options.port, ssl=options.tls(), backlog=1024
    )
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    options = read_options("asyncio", "uvloop", "uvloop-for")
    if options.variant == "asyncio":
        asyncio.run(main(options))
    else:
        import uvloop

        uvloop.run(main(options))
