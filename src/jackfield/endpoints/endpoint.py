"""An endpoint and its options, as values: what they are, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from jackfield.endpoints.text import quoted

_LOOPBACK = re.compile(r"localhost|::1(%.*)?|(::ffff:)?127(\.[0-9]{1,3}){3}")


class Transport(StrEnum):
    """What an endpoint runs on. The value is the scheme of its URL."""

    TCP = "tcp"
    TLS = "tls"
    WS = "ws"
    WSS = "wss"
    UDP = "udp"
    UNIX = "unix"
    UNIX_DATAGRAM = "unix+dgram"
    UNIX_SEQPACKET = "unix+seqpacket"
    FD = "fd"
    MEMORY = "memory"

    @property
    def uses_tls(self) -> bool:
        """Whether TLS is part of it."""
        return self in TLS

    @property
    def uses_tcp(self) -> bool:
        """Whether its connections are TCP's."""
        return self in TCP


TLS = frozenset({Transport.TLS, Transport.WSS})
WEBSOCKET = frozenset({Transport.WS, Transport.WSS})
TCP = frozenset({Transport.TCP}) | TLS | WEBSOCKET
UDP = frozenset({Transport.UDP})
WITH_HOST = TCP | UDP
DATAGRAM = frozenset({Transport.UDP, Transport.UNIX_DATAGRAM})
BOUNDARIES = DATAGRAM | WEBSOCKET | {Transport.UNIX_SEQPACKET}
UNIX = frozenset({Transport.UNIX, Transport.UNIX_DATAGRAM, Transport.UNIX_SEQPACKET})
STREAM = frozenset(Transport) - BOUNDARIES
LISTENING = (TCP | UNIX) - DATAGRAM


@dataclass(frozen=True, slots=True)
class Options:
    """What the query of an endpoint's URL sets. None leaves a thing to our or the system's default.

    `str()` gives the query with its question mark, or nothing when all is left to defaults.
    """

    backlog: int | None = None
    """Connections that may wait to be accepted, 1 to 65535; listen(2)."""
    nodelay: bool | None = None
    """Whether small writes leave at once; tcp(7), TCP_NODELAY."""
    keepalive: int | None = None
    """Seconds of silence until the system asks whether the peer is there, up to 32767; 0 is off."""
    rcvbuf: int | None = None
    """Bytes the system may hold unread; socket(7), SO_RCVBUF."""
    sndbuf: int | None = None
    """Bytes the system may hold unsent; socket(7), SO_SNDBUF."""
    broadcast: bool | None = None
    """Whether datagrams may go to a broadcast address."""
    group: str | None = None
    """The multicast group to join: an IPv4 or IPv6 address."""
    interface: str | None = None
    """The network interface multicast uses, by name."""
    ttl: int | None = None
    """Routers a datagram may pass, 1 to 255."""
    cert: str | None = None
    """File with our certificate."""
    key: str | None = None
    """File with the private key of `cert`."""
    ca: str | None = None
    """File with the certificates of the authorities we trust."""
    alpn: str | None = None
    """Application protocols to agree on one of, most wanted first, between commas; RFC 7301."""
    query: str | None = None
    """What a client asks for after the path and a question mark, percent-encoded as it is sent."""
    origin: str | None = None
    """Web pages that may connect besides those of the endpoint's own host and port: `any`, or
    their origins between commas; RFC 6455, section 10.2."""
    deflate: bool | None = None
    """Whether messages may be compressed (RFC 7692): a server does so if it is asked to, unless it
    is off; a client asks for it only if it is on."""

    def __str__(self) -> str:
        items = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                off = value == 0  # False, or a time of 0
                text = "off" if off else "on" if value is True else quoted(str(value), "%#&")
                items.append(f"{field.name}={text}")
        return "?" + "&".join(items) if items else ""


DEFAULT_OPTIONS = Options()
"""All left to defaults: one object, shared by every endpoint without options of its own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where bytes enter or leave; `str()` gives its canonical URL.

    `parse()` makes one of a URL and checks it. The class itself checks nothing: what the system
    tells of a peer is taken as it is, so the path of a UNIX peer may be empty.
    """

    transport: Transport
    host: str = ""
    """An address or a name, without brackets; a zone stands after a plain `%`."""
    port: int = 0
    path: str = ""
    """UNIX: the path, or `@` and the abstract name. Memory: the name."""
    fd: int = -1
    options: Options = DEFAULT_OPTIONS
    resource: str = ""
    """WebSocket: the path, percent-encoded as it is sent; empty for `/`."""

    @property
    def is_stream(self) -> bool:
        """Whether bytes flow with no boundaries in them (an inherited socket is taken to)."""
        return self.transport in STREAM

    @property
    def is_datagram(self) -> bool:
        """Whether messages go one by one, without a connection."""
        return self.transport in DATAGRAM

    @property
    def keeps_boundaries(self) -> bool:
        """Whether the transport itself tells where a message ends."""
        return self.transport in BOUNDARIES

    @property
    def is_websocket(self) -> bool:
        """Whether messages are WebSocket's."""
        return self.transport in WEBSOCKET

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Of names, localhost alone is known to be so."""
        return self.transport not in WITH_HOST or _LOOPBACK.fullmatch(self.host) is not None

    @property
    def is_any(self) -> bool:
        """Whether it stands for every address of this machine."""
        return self.host in {"0.0.0.0", "::"}

    @property
    def address(self) -> str:
        """The URL without scheme and options, for people to read: `[::1]:9999`, `/run/x.sock`."""
        if self.transport in WITH_HOST:
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"{host}:{self.port}{self.resource}"
        return str(self.fd) if self.transport is Transport.FD else self.path

    def bound_at(self, at: Endpoint) -> Endpoint:
        """Give the address `at`, where it was bound, with all else that this endpoint says."""
        return replace(self, host=at.host, port=at.port)

    def with_port(self, port: int) -> Endpoint:
        """Give the same endpoint with the port the system chose for port 0."""
        return replace(self, port=port)

    def __str__(self) -> str:
        if self.transport in UNIX:
            slashes = "//" if self.path.startswith("/") else ""
            return f"{self.transport}:{slashes}{quoted(self.path, '%?#')}{self.options}"
        address = self.address.removesuffix(self.resource).replace("%", "%25")
        return f"{self.transport}://{address}{self.resource}{self.options}"
