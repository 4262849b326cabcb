"""Watching bytes: a socket, and a TLS layer, that tell of all that passes and change nothing.

Put around a connection's socket, or its TLS, only while somebody subscribes to `BytesReceived`
or `BytesSent`, so that they cost nothing otherwise. Inside TLS it is the text that is told.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from socket import SOCK_DGRAM, socket
from typing import TYPE_CHECKING, Any

from jackfield.net.described import Described
from jackfield.net.tls import TLSLayer

if TYPE_CHECKING:
    from jackfield.events import Events

Tell = Callable[[bytes], None]


class Watcher:
    """Tells of one connection's bytes."""

    def __init__(self, conn: Described[Any], events: Events) -> None:
        from jackfield.events import BytesReceived, BytesSent  # noqa: PLC0415  a client needs none

        self._came, self._went = BytesReceived, BytesSent
        self._number = conn.core.number
        self._peer = str(conn.peer)
        self._emit = events.emit

    def received(self, data: bytes) -> None:
        """The peer has sent this."""
        self._emit(self._came(self._number, self._peer, data))

    def sent(self, data: bytes) -> None:
        """This was sent to the peer."""
        self._emit(self._went(self._number, self._peer, data))


class WatchedSocket:
    """Another socket, or its stand-in in memory, watched."""

    def __init__(self, inner: Any, watcher: Watcher) -> None:
        self.inner = inner
        self.watcher = watcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def recv(self, size: int) -> bytes:
        """As `socket.recv()`."""
        data: bytes = self.inner.recv(size)
        if data:
            self.watcher.received(data)
        return data

    def recvmsg(self, size: int) -> tuple[bytes, Any, int, Any]:
        """As `socket.recvmsg()`. A datagram may be empty; an empty unit of seqpacket is the end."""
        found: tuple[bytes, Any, int, Any] = self.inner.recvmsg(size)
        if found[0] or self.inner.type == SOCK_DGRAM:
            self.watcher.received(found[0])
        return found

    def send(self, data: bytes) -> int:
        """As `socket.send()`."""
        sent: int = self.inner.send(data)
        self.watcher.sent(bytes(memoryview(data)[:sent]))
        return sent


class WatchedTLS(TLSLayer):
    """A TLS layer, watched."""

    __slots__ = ("_watcher",)

    def __init__(
        self, context: ssl.SSLContext, server_hostname: str | None, watcher: Watcher
    ) -> None:
        super().__init__(context, server_hostname)
        self._watcher = watcher

    def decrypt(self) -> bytes:
        text = super().decrypt()
        if text:
            self._watcher.received(text)
        return text

    def encrypt(self, data: bytes | bytearray) -> bytes:
        if data:
            self._watcher.sent(bytes(data))
        return super().encrypt(data)


def is_watched(sock: socket) -> bool:
    """Whether it is one whose bytes must not be sent past it."""
    return isinstance(sock, WatchedSocket)
