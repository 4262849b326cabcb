"""Twisted's LineReceiver on its epoll reactor."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.basic import LineReceiver

from benchmarks.servers.options import HOST, read_options, ready


class Echo(LineReceiver):  # type: ignore[misc]  # Twisted is Any to mypy, installed or not
    """Echoes line by line."""

    delimiter = b"\n"

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        self.sendLine(line)


if __name__ == "__main__":
    options = read_options()
    factory = Factory.forProtocol(Echo)
    if options.pem:
        certificate = PrivateCertificate.loadPEM(Path(options.pem).read_bytes())
        port = reactor.listenSSL(
            options.port, factory, certificate.options(), backlog=1024, interface=HOST
        )
    else:
        port = reactor.listenTCP(options.port, factory, backlog=1024, interface=HOST)
    ready(port.getHost().port)
    reactor.run()
