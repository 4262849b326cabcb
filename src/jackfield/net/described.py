"""What can be asked of a connection, whoever holds it.

`Connection` answers for itself; what a handler in another thread holds answers from the
connection behind it. Either way the questions are these.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from jackfield.endpoints import Endpoint
from jackfield.errors import ConnectionClosed
from jackfield.net import details
from jackfield.net.access import host_of, source_of
from jackfield.net.ioloop import IOLoop

M = TypeVar("M")


class Described(Generic[M]):
    """The questions. `core` is the connection itself."""

    __slots__ = ()

    @property
    def core(self) -> Any:
        """The connection itself, behind what a handler in another thread is given."""
        raise NotImplementedError

    @property
    def peer(self) -> Endpoint:
        """Where the peer is. A UNIX client that bound no name has an empty path."""
        core = self.core
        return details.endpoint_of(core.transport, core.address)

    @property
    def source(self) -> str:
        """What per-source limits count it by: its IPv4 address, the /64 of its IPv6 one, or ""."""
        return source_of(host_of(self.core.address))

    @property
    def local(self) -> Endpoint:
        """This side's own address, or the endpoint it was accepted on."""
        core = self.core
        if core.own is None:
            core.own = details.local_endpoint(core.transport, core.live_socket())
        own: Endpoint = core.own
        return own

    @property
    def io(self) -> IOLoop:
        """The loop that does this connection's I/O."""
        io: IOLoop = self.core.io_loop
        return io

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.core.over is not None

    @property
    def messages_at_hand(self) -> int:
        """Messages that can be received without waiting."""
        return len(self.core.inbox)

    def fileno(self) -> int:
        """The socket's descriptor, or -1 when there is none."""
        try:
            fd: int = self.core.live_socket().fileno()
        except ConnectionClosed:
            return -1
        return fd

    def socket_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Read a socket option: its int value, or `size` bytes. See getsockopt(2)."""
        return details.socket_option(self.core.live_socket(), level, name, size)

    def tcp_info(self) -> details.TCPInfo:
        """What the system knows of a TCP connection. Raises LocalProtocolError for others."""
        return details.tcp_info(self.core.live_socket())

    @property
    def credentials(self) -> details.Credentials | None:
        """Who is at the other end of a UNIX socket; None for other transports."""
        return details.credentials(self.core.live_socket())

    @property
    def tls(self) -> details.TLSDetails | None:
        """What TLS agreed on; None without TLS, and before its handshake is over."""
        layer = self.core.tls_layer
        return None if layer is None else layer.details

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.peer}>"
