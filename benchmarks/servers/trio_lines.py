"""trio, with line cutting by hand: its streams give bytes."""

from __future__ import annotations

import trio

from benchmarks.servers.options import HOST, Options, read_options, ready


async def echo(stream: trio.abc.Stream) -> None:
    """Echo line by line."""
    part = b""
    while chunk := await stream.receive_some():
        *lines, part = (part + chunk).split(b"\n")
        for line in lines:
            await stream.send_all(line + b"\n")


async def quietly(stream: trio.abc.Stream) -> None:
    """Serve one connection; a peer that leaves without a word is no news here."""
    try:
        await echo(stream)
    except trio.BrokenResourceError:
        return


async def main(options: Options) -> None:
    """Serve until killed."""
    listeners = await trio.open_tcp_listeners(options.port, host=HOST, backlog=1024)
    ready(listeners[0].socket.getsockname()[1])
    tls = options.tls()
    if tls:
        listeners = [trio.SSLListener(listener, tls) for listener in listeners]
    await trio.serve_listeners(quietly, listeners)


if __name__ == "__main__":
    trio.run(main, read_options())
