"""What `python -m http.server --protocol HTTP/1.1` runs, without its log."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.servers.options import HOST, read_options, ready


class Handler(SimpleHTTPRequestHandler):
    """Sends files."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        del format, args


class Server(ThreadingHTTPServer):
    """Accepts as many at once as the others do."""

    request_queue_size = 1024


if __name__ == "__main__":
    options = read_options()
    handler = partial(Handler, directory=options.root)
    with Server((HOST, options.port), handler) as server:
        ready(server.server_port)
        server.serve_forever()
