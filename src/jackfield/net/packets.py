"""Connections over transports that keep message boundaries: datagrams and seqpacket.

The rules this file owns:

1. One unit is one message; only the framing's codec applies.
2. A unit past what the transport carries is refused before the socket, naming the limit.
   UDP: 65,535 bytes less headers, so 65,507 over IPv4 and 65,527 over IPv6 (RFC 768, RFC 791,
   RFC 8200). UNIX: what SO_SNDBUF holds (unix(7)), and `UNIT` at the most. One from elsewhere
   that is past `UNIT` is never taken for what was left of it.
3. What a lagging handler has not received waits within a bound; past it units are dropped
   and counted where the transport may lose them (datagrams), else the socket is not read.
"""

from __future__ import annotations

import contextlib
import socket
from asyncio import TimerHandle
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConnectionClosed,
    LocalProtocolError,
    MessageTooLong,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.net import details
from jackfield.net.connection import Connection
from jackfield.net.handing import UNIT as UNIT  # noqa: PLC0414  it is of this module's users too
from jackfield.net.ioloop import DONE
from jackfield.net.oserrors import lost
from jackfield.net.roles import Plan
from jackfield.net.watching import WatchedSocket, Watcher

M = TypeVar("M")

UDP_OVER_IPV4 = 65_507
UDP_OVER_IPV6 = 65_527

BURST = 64
"""Units read in one turn of the loop."""

TRUNC = int(socket.MSG_TRUNC)
"""As a plain number: each `&` with an enum takes a tenth of what a datagram takes in all."""

RETRY = 0.01
"""Seconds until a UNIX datagram is tried again: poll(2) does not tell of room at a receiver."""


def largest_unit(sock: socket.socket) -> int:
    """Give the bytes that one unit on this socket may have."""
    if sock.family == socket.AF_INET:
        return UDP_OVER_IPV4
    if sock.family == socket.AF_INET6:
        return UDP_OVER_IPV6
    own = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32  # net/unix/af_unix.c
    return min(own, UNIT)


class UnitConnection(Connection[M]):
    """What a connected packet socket and a datagram session have in common."""

    __slots__ = ("_out", "_out_size", "largest")

    keeps_boundaries = True

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        address: Any,
        own: Endpoint | None,
        *,
        largest: int,
    ) -> None:
        super().__init__(plan, transport, address, own)
        self._encode = self._encode_unit
        self.largest = largest
        self._out: list[bytes] = []  # encoded and not yet given to the system
        self._out_size = 0

    def _encode_unit(self, message: M) -> bytes:
        data = self._framing.encode_unit(message)
        if len(data) > self.largest:
            msg = (
                f"a message of {len(data)} bytes, and one unit over {self.transport} "
                f"carries {self.largest} at the most; send it in parts, or over a stream"
            )
            raise LocalProtocolError(msg)
        return data

    def send(self, message: M) -> Awaitable[None]:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.send_batch([self._encode(message)])  # there is no joining units into one write
        if self._blocked and self._out_size > self.limits.write_high:
            return self.drained()
        return DONE

    def send_all(self, messages: list[M]) -> None:
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.send_batch([self._encode(message) for message in messages])

    def _append(self, encoded: list[bytes]) -> None:
        self._out += encoded
        self._out_size += sum(map(len, encoded))

    def flush(self) -> None:
        self._flushing = False
        if self._out and not self._blocked:
            out, self._out, self._out_size = self._out, [], 0
            self._write(out)

    @property
    def unsent(self) -> int:
        return self._out_size

    def _drop_output(self) -> None:
        self._out = []
        self._out_size = 0

    def _keep(self, units: list[bytes]) -> None:
        """Put units the system did not take back in front."""
        self._out = units + self._out
        self._out_size = sum(map(len, self._out))
        self._blocked = True

    def _write(self, units: list[bytes]) -> None:
        """Give units to the system; keep what it does not take."""
        raise NotImplementedError

    def _decode_units(self, units: list[bytes]) -> None:
        """Decode and deliver. An error ends the input after the good units before it."""
        messages: list[M] = []
        broken: RemoteProtocolError | None = None
        for unit in units:
            try:
                if len(unit) > self._framing.max_message + 2:  # 2: a line ending
                    msg = f"a message longer than {self._framing.max_message} bytes"
                    raise MessageTooLong(msg)
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

    def _switched(self) -> None:
        """Units are not cut, so those decoded already stay as they are."""
        self._encode = self._encode_unit


class PacketConnection(UnitConnection[M]):
    """A connection over a packet socket of its own: seqpacket, or a datagram client's."""

    __slots__ = ("_closing", "_reading", "_retry", "_sock")

    def __init__(
        self,
        plan: Plan,
        sock: socket.socket,
        transport: Transport,
        address: Any = None,
        own: Endpoint | None = None,
    ) -> None:
        super().__init__(plan, transport, address, own, largest=largest_unit(sock))
        self._sock = sock
        self._closing = False
        self._reading = False
        self._retry: TimerHandle | None = None

    def watch_bytes(self, watcher: Watcher) -> None:
        """Tell of all units from now on. Before `open()`."""
        self._sock = cast("socket.socket", WatchedSocket(self._sock, watcher))

    def open(self) -> None:
        """Begin to read."""
        self._start_reading()

    def _start_reading(self) -> None:
        if not self._reading and not self._over and not self._torn:
            self._reading = True
            self.io_loop.watch_read(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.io_loop.unwatch_read(self._sock)

    def _on_readable(self) -> None:
        if self.inbox:
            self._held = True
            self._stop_reading()
            if not self.inbox:  # a handler in another thread has just asked
                self._release()
            return
        units, ended, error = self._read_burst()
        if units:
            self._decode_units(units)
        if isinstance(error, PeerLost):
            self._fail_sending(error)
        if (ended or error is not None) and not self._over:
            self._end_input(error)
        if self._over:
            self._stop_reading()

    def _read_burst(self) -> tuple[list[bytes], bool, PeerLost | MessageTooLong | None]:
        """Read what is there, up to a bound: the units, whether the end came, and what failed."""
        units: list[bytes] = []
        recvmsg = self._sock.recvmsg
        seqpacket = self.transport is Transport.UNIX_SEQPACKET
        try:
            for _ in range(BURST):
                unit, _, flags, _ = recvmsg(UNIT)
                if flags & TRUNC:
                    return units, True, MessageTooLong(f"a message longer than {UNIT} bytes")
                if not unit and seqpacket:
                    return units, True, None
                units.append(unit)
                self.bytes_received += len(unit)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            return units, True, lost(error)
        return units, False, None

    def _release(self) -> None:
        super()._release()
        if not self.inbox:
            self._start_reading()

    def _encode_unit(self, message: M) -> bytes:
        data = super()._encode_unit(message)
        if data or self.transport is not Transport.UNIX_SEQPACKET:
            return data
        # an empty unit would mean the end: an empty line travels with its line ending
        with contextlib.suppress(LocalProtocolError):
            data = self._framing.encode(message)
        if not data or self._framing.decode_unit(data) != message:
            msg = "an empty message cannot be sent over seqpacket: it would mean the end"
            raise LocalProtocolError(msg)
        return data

    def _write(self, units: list[bytes]) -> None:
        for sent, data in enumerate(units):
            try:
                self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                self._keep(units[sent:])
                self._watch_writing()
                return
            except OSError as error:
                self._fail_sending(lost(error))
                return
            self.bytes_sent += len(data)

    def _watch_writing(self) -> None:
        unix = self._sock.family not in {socket.AF_INET, socket.AF_INET6}
        if unix and self._sock.type == socket.SOCK_DGRAM:
            self._retry = self.io_loop.loop.call_later(RETRY, self._on_writable)
        else:
            self.io_loop.watch_write(self._sock, self._on_writable)

    def _on_writable(self) -> None:
        self._blocked = False
        self.io_loop.unwatch_write(self._sock)
        self.flush()
        self._wake_writers()
        if self._closing and not self._blocked:
            self._teardown()

    async def send_eof(self) -> None:
        if self.transport is not Transport.UNIX_SEQPACKET:
            msg = f"{self.transport} has no end of one side: close() instead"
            raise LocalProtocolError(msg)
        if self.over is not None:
            raise self.over.with_traceback(None)
        self.flush()
        while self._blocked:
            await self._progress()
        self.over = ConnectionClosed("send_eof() has ended this side")
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer is gone: reading will say so

    def end_input(self) -> None:
        if self._reading:
            self._on_readable()  # what has arrived by now is received still
        self._stop_reading()
        if not self._over:
            self._end_input(None)

    def close_soon(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._stop_reading()
        self.flush()
        if self.over is None:
            self.over = ConnectionClosed("this side has closed the connection")
        if self._blocked:
            self.io_loop.loop.call_later(self.limits.linger_time, self.abort)
        else:
            self._teardown()

    async def close(self) -> None:
        self.close_soon()
        while not self._torn:
            await self._progress()

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
            self.io_loop.unwatch_write(sock)
        if self._retry is not None:
            self._retry.cancel()
        if self.own is None:
            self.own = details.local_endpoint(self.transport, sock)
        self._closing = True
        self._sock = None  # type: ignore[assignment]  # nothing touches it from here on
        sock.close()
        self._drop_output()
        self._done()

    def live_socket(self) -> socket.socket:
        if self._torn:
            msg = "the connection is closed; it has no socket any more"
            raise ConnectionClosed(msg)
        return self._sock
