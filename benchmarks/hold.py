"""Hold many idle connections to a server, each of which has sent and received one line."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.model import MeasureError

LINE = b"x" * 63 + b"\n"
REPLY_S = 10.0
"""Seconds a server gets to answer one line."""


class Holder:
    """Opens connections and keeps them."""

    def __init__(self, port: int, keep: ExitStack, authority: Path | None) -> None:
        self._port = port
        self._keep = keep
        self._tls = ssl.create_default_context(cafile=authority) if authority else None

    def open(self, count: int) -> None:
        """Open `count` more, one after the other. Raises MeasureError at the first that fails."""
        for number in range(1, count + 1):
            try:
                self._open_one()
            except OSError as error:
                raise MeasureError(f"connection {number} of {count} failed: {error}") from error

    def _open_one(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port), REPLY_S)
        self._keep.callback(sock.close)
        # The handshake's end and the line are two writes: without this some wait for 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            sock = self._tls.wrap_socket(sock, server_hostname="127.0.0.1")
            self._keep.callback(sock.close)
        sock.sendall(LINE)
        reply = b""
        while len(reply) < len(LINE):
            part = sock.recv(len(LINE))
            if not part:
                raise ConnectionAbortedError("the server closed it")
            reply += part


@contextmanager
def holder(port: int, authority: Path | None = None) -> Iterator[Holder]:
    """Give a Holder; what it opened is closed with the block.

    authority: the certificate of who signed the server's, for TLS.
    """
    with ExitStack() as keep:
        yield Holder(port, keep, authority)
