"""gevent's StreamServer, with a file made of the socket to read lines from."""

from __future__ import annotations

import socket

from gevent.server import StreamServer

from benchmarks.servers.options import HOST, read_options, ready


def echo(sock: socket.socket, _address: object) -> None:
    """Echo line by line."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock.makefile("rb") as lines:
        while line := lines.readline():
            sock.sendall(line)


if __name__ == "__main__":
    options = read_options()
    extra = {"certfile": options.pem} if options.pem else {}
    server = StreamServer((HOST, options.port), echo, backlog=1024, **extra)
    server.start()
    ready(server.server_port)
    server.serve_forever()
