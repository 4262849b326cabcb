"""Connections over transports that keep message boundaries: datagrams and seqpacket.

The rules this file owns:

1. One unit is one message; only the framing's codec applies.
2. A unit past what the transport carries is refused before the socket, naming the limit.
   UDP: 65,535 bytes less headers, so 65,507 over IPv4 and 65,527 over IPv6 (RFC 768, RFC 791,
   RFC 8200). UNIX: what SO_SNDBUF holds (unix(7)).
3. What a lagging handler has not received waits within a bound; past it units are dropped
   and counted where the transport may lose them (datagrams), else the socket is not read.
"""

from __future__ import annotations

import errno
import socket
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConnectionClosed,
    LocalProtocolError,
    MessageTooLong,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.ioloop import IOLoop
from jackfield.net.oserrors import lost

M = TypeVar("M")

UDP_OVER_IPV4 = 65_507
UDP_OVER_IPV6 = 65_527

UNIT = 256 * 1024
"""Bytes of the largest unit that can arrive: a UNIX one, by Linux' default SO_SNDBUF."""

BURST = 64
"""Units read in one turn of the loop."""

RETRY = 0.01
"""Seconds until a UNIX datagram is tried again: poll(2) does not tell of room at a receiver."""


def largest_unit(sock: socket.socket) -> int:
    """Give the bytes that one unit on this socket may have."""
    if sock.family == socket.AF_INET:
        return UDP_OVER_IPV4
    if sock.family == socket.AF_INET6:
        return UDP_OVER_IPV6
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32  # net/unix/af_unix.c


class UnitConnection(Connection[M]):
    """What a connected packet socket and a datagram session have in common."""

    __slots__ = ("_largest", "_units")

    keeps_boundaries = True

    def __init__(
        self,
        io: IOLoop,
        transport: Transport,
        framing: Framing[M],
        limits: Limits,
        address: Any,
        local: Endpoint | None,
        largest: int,
    ) -> None:
        super().__init__(io, transport, framing, limits, address, local)
        self._encode = self._encode_unit
        self._largest = largest
        self._units: list[bytes] = []  # received while messages waited for the handler

    def _encode_unit(self, message: M) -> bytes:
        data = self._framing.encode_unit(message)
        if len(data) > self._largest:
            msg = (
                f"a message of {len(data)} bytes, and one unit over {self.transport} "
                f"carries {self._largest} at the most; send it in parts, or over a stream"
            )
            raise LocalProtocolError(msg)
        return data

    def take_unit(self, unit: bytes) -> bool:
        """Take what arrived from the peer; False when too much waits already."""
        self.bytes_received += len(unit)
        if self._inbox or self._units:
            if len(self._units) >= self._limits.session_inbox:
                return False
            self._units.append(unit)
            self._held = True
            return True
        self._decode_units([unit])
        return True

    def _decode_units(self, units: list[bytes]) -> None:
        """Decode and deliver. An error ends the input after the good units before it."""
        messages: list[M] = []
        broken: RemoteProtocolError | None = None
        for unit in units:
            try:
                if len(unit) > self._framing.max_message + 2:  # 2: a line ending
                    msg = f"a message longer than {self._framing.max_message} bytes"
                    raise MessageTooLong(msg)  # noqa: TRY301  as decode_unit() would
                messages.append(self._framing.decode_unit(unit))
            except RemoteProtocolError as error:
                broken = error
                break
        if messages:
            self._deliver(messages)
        if broken is not None:
            self._end_input(broken)

    def _release(self) -> None:
        self._held = False
        if self._units and not self._inbox:
            units, self._units = self._units, []
            self._decode_units(units)

    def _switched(self) -> None:
        """Units are not cut, so those decoded already stay as they are."""
        self._encode = self._encode_unit


class PacketConnection(UnitConnection[M]):
    """A connection over a packet socket of its own: seqpacket, or a datagram client's."""

    __slots__ = ("_closing", "_reading", "_retry", "_sock")

    def __init__(
        self,
        io: IOLoop,
        sock: socket.socket,
        transport: Transport,
        framing: Framing[M],
        limits: Limits,
        address: Any = None,
        local: Endpoint | None = None,
    ) -> None:
        super().__init__(io, transport, framing, limits, address, local, largest_unit(sock))
        self._sock = sock
        self._closing = False
        self._reading = False
        self._retry: TimerHandle | None = None

    def open(self) -> None:
        """Begin to read."""
        self._start_reading()

    def _start_reading(self) -> None:
        if not self._reading and not self._over and not self._torn:
            self._reading = True
            self._io.watch_read(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._io.unwatch_read(self._sock)

    def _on_readable(self) -> None:
        if self._inbox:
            self._held = True
            self._stop_reading()
            if not self._inbox:  # a handler in another thread has just asked
                self._release()
            return
        units: list[bytes] = []
        end: PeerLost | None = None
        ended = False
        recv = self._sock.recv
        try:
            for _ in range(BURST):
                unit = recv(UNIT)
                if not unit and self.transport is Transport.UNIX_SEQPACKET:
                    ended = True
                    break
                units.append(unit)
                self.bytes_received += len(unit)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            end = lost(error)
        if units:
            self._decode_units(units)
        if ended or end is not None:
            self._stop_reading()
            if end is not None:
                self._fail_sending(end)
            if not self._over:
                self._end_input(end)
        elif self._over:
            self._stop_reading()

    def _release(self) -> None:
        super()._release()
        if not self._inbox:
            self._start_reading()

    def _encode_unit(self, message: M) -> bytes:
        data = super()._encode_unit(message)
        if not data and self.transport is Transport.UNIX_SEQPACKET:
            msg = "an empty message cannot be sent over seqpacket: it would mean the end"
            raise LocalProtocolError(msg)
        return data

    def _write(self, data: bytes) -> None:
        self._write_many([data])

    def _write_many(self, out: list[bytes]) -> None:
        for sent, data in enumerate(out):
            try:
                self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                self._out = out[sent:] + self._out
                self._out_size = sum(map(len, self._out))
                self._block()
                return
            except OSError as error:
                self._fail_sending(lost(error))
                return
            self.bytes_sent += len(data)

    def _block(self) -> None:
        self._blocked = True
        if self.transport is Transport.UNIX_DATAGRAM:
            self._retry = self._io.loop.call_later(RETRY, self._on_writable)
        else:
            self._io.watch_write(self._sock, self._on_writable)

    def _on_writable(self) -> None:
        self._blocked = False
        self._io.unwatch_write(self._sock)
        self.flush()
        self._wake_writers()
        if self._closing and not self._blocked:
            self._teardown()

    async def send_eof(self) -> None:
        if self.transport is not Transport.UNIX_SEQPACKET:
            msg = f"{self.transport} has no end of one side: close() instead"
            raise LocalProtocolError(msg)
        if self._closed is not None:
            raise self._closed.with_traceback(None)
        self.flush()
        while self._blocked:
            waiter = self._io.create_future()
            self._writers.append(waiter)
            await waiter
        self._closed = ConnectionClosed("send_eof() has ended this side")
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer is gone: reading will say so

    def end_input(self) -> None:
        self._stop_reading()
        if not self._over:
            self._end_input(None)

    def close_soon(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._stop_reading()
        self.flush()
        if self._closed is None:
            self._closed = ConnectionClosed("this side has closed the connection")
        if self._blocked:
            self._io.loop.call_later(self._limits.linger_time, self.abort)
        else:
            self._teardown()

    async def close(self) -> None:
        self.close_soon()
        while not self._torn:
            waiter = self._io.create_future()
            self._writers.append(waiter)
            await waiter

    def abort(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        self._teardown()

    @property
    def _torn(self) -> bool:
        return self._sock is None

    def _teardown(self) -> None:
        if self._torn:
            return
        sock = self._sock
        self._stop_reading()
        if self._blocked:
            self._blocked = False
            self._io.unwatch_write(sock)
        if self._retry is not None:
            self._retry.cancel()
        self._closing = True
        self._sock = None  # type: ignore[assignment]  # nothing touches it from here on
        sock.close()
        self._done()

    def _socket(self) -> socket.socket:
        if self._torn:
            msg = "the connection is closed; it has no socket any more"
            raise ConnectionClosed(msg)
        return self._sock


class SessionConnection(UnitConnection[M]):
    """One peer's datagrams on a socket that all peers share."""

    __slots__ = ("_gone", "_listening", "last_heard", "on_idle", "way_back")

    def __init__(
        self,
        io: IOLoop,
        listening: SharedSocket,
        framing: Framing[M],
        limits: Limits,
        address: Any,
        way_back: list[tuple[int, int, bytes]],
    ) -> None:
        super().__init__(
            io,
            listening.endpoint.transport,
            framing,
            limits,
            address,
            listening.endpoint,
            listening.largest,
        )
        self._listening = listening
        self._gone = False
        self.way_back = way_back
        self.last_heard = 0.0
        self.on_idle: Callable[[], None] | None = None
        """Called when the handler has used what it was given, while `expect_idle()` holds."""

    def expect_idle(self, call: Callable[[], None]) -> None:
        """Have `call()` called once the handler asks for more than it was given, or is done."""
        self.on_idle = call
        self._held = True
        waits = self._waiter is not None or self._receiver is not None
        if self._gone or (waits and not self._inbox):
            self._release()

    def _release(self) -> None:
        super()._release()
        if not self._inbox and self.on_idle is not None:
            call, self.on_idle = self.on_idle, None
            call()

    def _write(self, data: bytes) -> None:
        self._write_many([data])

    def _write_many(self, out: list[bytes]) -> None:
        for sent, data in enumerate(out):
            try:
                self._listening.send_to(data, self.way_back, self._address)
            except (BlockingIOError, InterruptedError):
                self._out = out[sent:] + self._out
                self._out_size = sum(map(len, self._out))
                self._blocked = True
                self._listening.unblock_later(self.unblock)
                return
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    continue  # the path is narrower than the transport: lost, as datagrams are
                self._fail_sending(lost(error))
                self._end_input(self._closed)
                return
            self.bytes_sent += len(data)

    def unblock(self) -> None:
        """Go on writing."""
        self._blocked = False
        self.flush()
        self._wake_writers()
        if self._closed is not None and not self._blocked:
            self._teardown()

    async def send_eof(self) -> None:
        msg = f"{self.transport} has no end of one side: close() instead"
        raise LocalProtocolError(msg)

    def close_soon(self) -> None:
        self.flush()
        if self._closed is None:
            self._closed = ConnectionClosed("this side has closed the connection")
        if not self._blocked:
            self._teardown()

    async def close(self) -> None:
        self.close_soon()
        while not self._gone:
            waiter = self._io.create_future()
            self._writers.append(waiter)
            await waiter

    def end_input(self) -> None:
        if not self._over:
            self._end_input(None)

    def abort(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        self._teardown()

    def _teardown(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._blocked = False
        self._done()
        if self.on_idle is not None:
            call, self.on_idle = self.on_idle, None
            call()

    def _socket(self) -> socket.socket:
        return self._listening.sock


class SharedSocket:
    """A datagram socket with which many peers' sessions send.

    endpoint: where it is bound. largest: bytes of the largest unit.
    """

    def __init__(self, io: IOLoop, sock: socket.socket, endpoint: Endpoint) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.largest = largest_unit(sock)
        self._io = io
        self._blocked: list[Callable[[], None]] = []

    def send_to(self, data: bytes, way_back: list[tuple[int, int, bytes]], address: Any) -> None:
        """Send one unit. Raises OSError, BlockingIOError when it has to wait."""
        if way_back:
            self.sock.sendmsg([data], way_back, 0, address)
        else:
            self.sock.sendto(data, address)

    def unblock_later(self, call: Callable[[], None]) -> None:
        """Have `call()` called when sending may go on."""
        self._blocked.append(call)
        if len(self._blocked) > 1:
            return
        if self.endpoint.transport is Transport.UNIX_DATAGRAM:
            self._io.loop.call_later(RETRY, self._unblock)
        else:
            self._io.watch_write(self.sock, self._unblock)

    def _unblock(self) -> None:
        if self.sock.fileno() < 0:
            return
        self._io.unwatch_write(self.sock)
        blocked, self._blocked = self._blocked, []
        for call in blocked:
            call()
