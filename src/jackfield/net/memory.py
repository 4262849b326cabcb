"""In-memory pairs: two sockets of one process, without the system.

A `MemorySocket` has the methods of a non-blocking stream socket that a connection uses, so
the same connection class runs over it. Its descriptor is -1.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from socket import SHUT_WR
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import AddressInUse, ConnectRefused
from jackfield.net.ioloop import IOLoop

CAPACITY = 64 * 1024
"""Bytes that may wait in one direction, as in a socket's buffer."""


class _Pipe:
    """One direction."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False  # the writer has ended its side
        self.dead = False  # the reader is gone
        self.reader: tuple[IOLoop, Callable[[], None]] | None = None
        self.writer: tuple[IOLoop, Callable[[], None]] | None = None

    def tell_reader(self) -> None:
        if self.reader is not None and (self.data or self.ended):
            io, _ = self.reader
            _soon(io, self._reader_turn)

    def tell_writer(self) -> None:
        if self.writer is not None and (len(self.data) < CAPACITY or self.dead):
            io, _ = self.writer
            _soon(io, self._writer_turn)

    def _reader_turn(self) -> None:
        if self.reader is not None and (self.data or self.ended):
            self.reader[1]()
            self.tell_reader()  # as long as there is something, as a level-triggered poll

    def _writer_turn(self) -> None:
        if self.writer is not None and (len(self.data) < CAPACITY or self.dead):
            self.writer[1]()
            self.tell_writer()  # likewise


class MemorySocket:
    """One end of an in-memory pair."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe, lock: threading.RLock, name: str) -> None:
        self._in = incoming
        self._out = outgoing
        self._lock = lock
        self._name = name
        self._closed = False

    def fileno(self) -> int:
        """There is no descriptor."""
        return -1

    def getsockname(self) -> str:
        """The name of the pair."""
        return self._name

    def setsockopt(self, *_: Any) -> None:
        """There is nothing to set."""

    def recv(self, size: int) -> bytes:
        """As socket.recv() of a non-blocking socket."""
        with self._lock:
            pipe = self._in
            if not pipe.data:
                if pipe.ended:
                    return b""
                raise BlockingIOError(errno.EAGAIN, "nothing to read")
            data = bytes(pipe.data[:size])
            del pipe.data[:size]
            pipe.tell_writer()
            return data

    def send(self, data: bytes | memoryview) -> int:
        """As socket.send() of a non-blocking socket: may take a part."""
        with self._lock:
            pipe = self._out
            if pipe.dead or pipe.ended:
                raise BrokenPipeError(errno.EPIPE, "the other end is closed")
            room = CAPACITY - len(pipe.data)
            if room <= 0:
                raise BlockingIOError(errno.EAGAIN, "no room")
            part = bytes(data[:room])
            pipe.data += part
            pipe.tell_reader()
            return len(part)

    def shutdown(self, how: int) -> None:
        """End the sending side; SHUT_WR is all there is."""
        assert how == SHUT_WR
        with self._lock:
            self._out.ended = True
            self._out.tell_reader()

    def close(self) -> None:
        """End both sides."""
        with self._lock:
            self._closed = True
            self._out.ended = True
            self._out.tell_reader()
            self._in.dead = True
            self._in.tell_writer()
            self._in.reader = self._out.writer = None

    def watch_read(self, io: IOLoop, call: Callable[[], None] | None) -> None:
        """Call `call()` in the loop whenever there is something to read; None ends it."""
        with self._lock:
            self._in.reader = None if call is None else (io, call)
            self._in.tell_reader()

    def watch_write(self, io: IOLoop, call: Callable[[], None] | None) -> None:
        """Call `call()` in the loop whenever there is room to write; None ends it."""
        with self._lock:
            self._out.writer = None if call is None else (io, call)
            self._out.tell_writer()


def pair(name: str = "") -> tuple[MemorySocket, MemorySocket]:
    """Make both ends of an in-memory connection."""
    one, other = _Pipe(), _Pipe()
    lock = threading.RLock()
    return MemorySocket(one, other, lock, name), MemorySocket(other, one, lock, name)


def _soon(io: IOLoop, call: Callable[[], None]) -> None:
    """Call in the loop's thread, soon: never from inside the other end's call."""
    try:
        if threading.get_ident() == io.thread:
            io.call_soon(call)
        else:
            io.loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop is closed: nobody is there any more
        return


class MemoryListener:
    """A name in this process where in-memory connections are accepted."""

    def __init__(
        self, io: IOLoop, endpoint: Endpoint, accept: Callable[[Endpoint, Any, Any], None]
    ) -> None:
        """Raises AddressInUse when the name is taken."""
        if endpoint.path in _listeners:
            msg = f"{endpoint} is served already in this process"
            raise AddressInUse(msg)
        self.endpoint = endpoint
        self._io = io
        self._accept = accept
        self._wanted = False
        self._queue: list[MemorySocket] = []
        _listeners[endpoint.path] = self

    def open(self) -> None:
        """Begin to accept."""
        self.resume()

    def connect(self) -> MemorySocket:
        """Give the client's end of a new connection. From any thread."""
        client, server = pair(self.endpoint.path)
        self._queue.append(server)
        self._io.run(self._io.call_soon, self._accept_next)
        return client

    def _accept_next(self) -> None:
        while self._wanted and self._queue:
            self._accept(self.endpoint, self._queue.pop(0), None)

    def suspend(self) -> None:
        """Accept nobody for now."""
        self._wanted = False

    def resume(self) -> None:
        """Accept again."""
        self._wanted = True
        self._io.call_soon(self._accept_next)

    def drain(self) -> None:
        """Accept nobody any more."""
        self.suspend()

    def close(self) -> None:
        """Give the name back; who waits is turned away."""
        self._wanted = False
        _listeners.pop(self.endpoint.path, None)
        for sock in self._queue:
            sock.close()
        self._queue.clear()


_listeners: dict[str, MemoryListener] = {}


def connect(endpoint: Endpoint) -> MemorySocket:
    """Connect to a name in this process. Raises ConnectRefused when nobody listens there."""
    listener = _listeners.get(endpoint.path)
    if listener is None:
        msg = f"{endpoint}: nobody listens there in this process; start its server first"
        raise ConnectRefused(msg)
    return listener.connect()
