"""Datagram sessions: many peers' connections over one socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, LocalProtocolError
from jackfield.net.access import host_of, may_be_false
from jackfield.net.ioloop import IOLoop
from jackfield.net.oserrors import lost
from jackfield.net.packets import RETRY, UnitConnection, largest_unit
from jackfield.net.roles import Plan
from jackfield.net.watching import Watcher

M = TypeVar("M")

AMPLIFIED = "more than a peer had sent, whose address may be false (see Service.amplifies)"


class SharedSocket:
    """A datagram socket with which many peers' sessions send.

    endpoint: where it is bound. largest: bytes of the largest unit.
    on_drop: called with why a unit was not sent.
    """

    def __init__(
        self,
        io: IOLoop,
        sock: socket.socket,
        endpoint: Endpoint,
        on_drop: Callable[[str], None],
    ) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.largest = largest_unit(sock)
        self.on_drop = on_drop
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


class SessionConnection(UnitConnection[M]):
    """One peer's datagrams on a socket that all peers share."""

    __slots__ = (
        "_at_hand",
        "_credit",
        "_gone",
        "_listening",
        "_units",
        "_watcher",
        "last_heard",
        "on_idle",
        "way_back",
    )

    def __init__(
        self,
        plan: Plan,
        listening: SharedSocket,
        address: Any,
        way_back: list[tuple[int, int, bytes]],
    ) -> None:
        endpoint = listening.endpoint
        super().__init__(plan, endpoint.transport, address, endpoint, largest=listening.largest)
        self._listening = listening
        self._gone = False
        bound = not plan.amplifies and may_be_false(host_of(address))
        self._credit = 0 if bound else None  # bytes that it may be sent, if that is bounded
        self._at_hand = b""  # the unit of the message at hand
        self._units: list[bytes] = []  # received while a message was at hand
        self._watcher: Watcher | None = None
        self.way_back = way_back
        self.last_heard = 0.0
        self.on_idle: Callable[[], None] | None = None
        """Called when the handler has used what it was given, while `expect_idle()` holds."""

    def watch_bytes(self, watcher: Watcher) -> None:
        """Tell of all units from now on."""
        self._watcher = watcher

    def take_unit(self, unit: bytes) -> bool:
        """Take what arrived from the peer; False when too much waits already."""
        if not self.inbox and not self._units:
            self._hand_out(unit)
        elif len(self._units) < self.limits.session_inbox:
            self._units.append(unit)
            self._held = True
            if self._waiter is not None:  # a handler in another thread has just asked
                self._release()
        else:
            return False
        return True

    def _hand_out(self, unit: bytes) -> None:
        self.bytes_received += len(unit)
        if self._credit is not None:
            self._credit += len(unit)
        if self._watcher is not None:
            self._watcher.received(unit)
        self._at_hand = unit
        self._decode_units([unit])

    def unread(self) -> list[bytes]:
        """Give the units that its handler has not had, but for the one that began the session."""
        at_hand = [self._at_hand] if self.inbox and self.messages_received > 1 else []
        return at_hand + self._units

    def expect_idle(self, call: Callable[[], None]) -> None:
        """Have `call()` called once the handler asks for more than it was given, or is done."""
        self.on_idle = call
        self._held = True
        waits = self._waiter is not None or self._receiver is not None
        if self._gone or (waits and not self.inbox):
            self._release()

    def _release(self) -> None:
        if self.inbox:  # a handler in another thread has asked twice
            return
        if self._units and self._error is None:
            unit = self._units.pop(0)
            # before it is at hand: who takes it in another thread looks here next
            self._held = bool(self._units) or self.on_idle is not None
            self._hand_out(unit)
            if self._error is None:
                return
        self._held = False
        if self.on_idle is not None:
            call, self.on_idle = self.on_idle, None
            call()

    def _write(self, units: list[bytes]) -> None:
        for sent, data in enumerate(units):
            if self._credit is not None and len(data) > self._credit:
                self._listening.on_drop(AMPLIFIED)
                continue
            try:
                self._listening.send_to(data, self.way_back, self.address)
            except (BlockingIOError, InterruptedError):
                self._keep(units[sent:])
                self._listening.unblock_later(self.unblock)
                return
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    continue  # the path is narrower than the transport: lost, as datagrams are
                self._fail_sending(lost(error))
                self._end_input(self.over)
                return
            self.bytes_sent += len(data)
            if self._watcher is not None:
                self._watcher.sent(data)
            if self._credit is not None:
                self._credit -= len(data)

    def unblock(self) -> None:
        """Go on writing."""
        self._blocked = False
        self.flush()
        self._wake_writers()
        if self.over is not None and not self._blocked:
            self._teardown()

    async def send_eof(self) -> None:
        msg = f"{self.transport} has no end of one side: close() instead"
        raise LocalProtocolError(msg)

    def close_soon(self) -> None:
        self.flush()
        if self.over is None:
            self.over = ConnectionClosed("this side has closed the connection")
        if not self._blocked:
            self._teardown()
        else:
            self.io_loop.loop.call_later(self.limits.linger_time, self.abort)

    async def close(self) -> None:
        self.close_soon()
        while not self._gone:
            await self._progress()

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
        self._drop_output()
        self._done()
        if self.on_idle is not None:
            call, self.on_idle = self.on_idle, None
            call()

    def live_socket(self) -> socket.socket:
        return self._listening.sock
