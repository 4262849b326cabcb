"""socketserver with a thread per connection."""

from __future__ import annotations

import socket
import socketserver
from typing import Any

from benchmarks.servers.options import HOST, read_options, ready


class Handler(socketserver.StreamRequestHandler):
    """Echoes line by line."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    """Accepts, with TLS where asked for; the handshake is the connection's thread's business."""

    daemon_threads = True
    request_queue_size = 1024

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if tls:
            sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address


if __name__ == "__main__":
    options = read_options()
    tls = options.tls()
    with Server((HOST, options.port), Handler) as server:
        ready(server.server_address[1])
        server.serve_forever()
