"""The command line all servers share, and the word they say when they are ready."""

from __future__ import annotations

import argparse
import socket
import ssl
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """What a server was told.

    port: 0 lets the system choose. pem: a file with certificate and key; empty without TLS.
    root: the folder that a web server serves.
    """

    port: int
    variant: str
    pem: str
    root: str

    def tls(self) -> ssl.SSLContext | None:
        """Make the server's side of TLS, where it was asked for."""
        if not self.pem:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pem)
        return context


def read_options(*variants: str) -> Options:
    """Read PORT [VARIANT] [--tls PEM] [--root DIR]; the first of `variants` is the default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    if variants:
        parser.add_argument("variant", nargs="?", choices=variants, default=variants[0])
    parser.add_argument("--tls", metavar="PEM", default="")
    parser.add_argument("--root", metavar="DIR", default=".")
    found = parser.parse_args()
    return Options(found.port, getattr(found, "variant", ""), found.tls, found.root)


def listening(port: int) -> socket.socket:
    """Give a socket that listens, for a server that takes one."""
    sock = socket.create_server((HOST, port), backlog=1024)
    sock.setblocking(False)
    return sock


def ready(port: int) -> None:
    """Say that the server listens."""
    print("ready", port, flush=True)
