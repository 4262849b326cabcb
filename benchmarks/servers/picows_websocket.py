"""picows on uvloop: a callback per frame, and no text made of the bytes."""

from __future__ import annotations

import uvloop
from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.servers.options import HOST, Options, read_options, ready


class Echo(WSListener):  # type: ignore[misc]  # picows is Any to mypy, installed or not
    """Echoes frame by frame."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


def listener(_request: WSUpgradeRequest) -> WSListener:
    """Take whoever comes."""
    return Echo()


async def main(options: Options) -> None:
    """Serve until killed."""
    server = await ws_create_server(listener, HOST, options.port)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(read_options()))
