"""Listening for datagrams: one session for each peer address.

The rules this file owns:

1. Every datagram is read with `recvmsg()`, so one that was cut is seen and dropped, and what
   the kernel dropped for want of room (SO_RXQ_OVFL, socket(7)) is counted.
2. A peer's session begins with its first datagram and ends when its handler returns or after
   `Limits.session_idle` seconds of silence. `Limits.sessions` is their bound. What has come
   behind the datagram with which a handler ends begins another session.
3. On a wildcard address the reply leaves from the address the peer wrote to (IP_PKTINFO,
   ip(7), and RFC 3542 for IPv6).
4. Where only so many handlers may run, datagrams of new peers wait in order of arrival,
   `Limits.session_inbox` at the most. Under `one_at_a_time` each datagram is answered before
   the next one is looked at, whoever sent it.
"""

from __future__ import annotations

import socket
import struct
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.events import DatagramsDropped, Events
from jackfield.framing.base import Framing
from jackfield.net.access import Access, host_of, source_of
from jackfield.net.oserrors import code
from jackfield.net.packets import BURST, TRUNC, UNIT
from jackfield.net.roles import Plan
from jackfield.net.sessions import SessionConnection, SharedSocket

Session = SessionConnection[Any]
Ancillary = list[tuple[int, int, bytes]]

_RXQ_OVFL = 40
"""SO_RXQ_OVFL of asm-generic/socket.h, which the socket module does not name."""

_PKTINFO = 8
"""IP_PKTINFO of linux/in.h, likewise."""

MOST_SOURCES = 65_536
"""Sources that are counted at a time; past it, all are counted anew."""

_ANCILLARY = 128
"""Bytes for the ancillary data asked for, with room to spare."""


class DatagramListener:
    """A bound datagram socket and the sessions of its peers.

    one_at_a_time: whether datagrams are answered one after another, whoever sent them.
    admits_new: whether peers without a session get one.
    access: whose datagrams are taken.
    accept: called with a new session; False when no handler is free for it now.
    """

    def __init__(
        self,
        plan: Plan,
        sock: socket.socket,
        endpoint: Endpoint,
        events: Events,
        accept: Callable[[Session], bool],
    ) -> None:
        self.endpoint = endpoint
        self._plan = plan
        self._io = plan.io
        self._sock = sock
        self._shared = SharedSocket(plan.io, sock, endpoint, self._drop_now)
        self._limits = plan.limits
        self._events = events
        self._accept = accept
        self.access = Access()
        self.one_at_a_time = False
        self._sessions: dict[Any, Session] = {}
        self._waiting: deque[tuple[Any, Ancillary, bytes]] = deque()
        self._busy = False  # under one_at_a_time: somebody is being answered
        self._buffer = bytearray(UNIT)
        self._view = memoryview(self._buffer)
        self._kernel_drops = 0
        self._dropped: dict[str, int] = {}
        self._sweep: TimerHandle | None = None
        self._counts: dict[str, int] = {}  # datagrams by source, since the last sweep
        self.admits_new = True
        self._draining = False
        self._reading = False

    def open(self) -> None:
        """Begin to read, and to look for silent sessions now and then."""
        self.resume()
        self._sweep = self._io.loop.call_later(self._interval, self._sweep_sessions)

    def suspend(self) -> None:
        """Read no more for now."""
        if self._reading:
            self._reading = False
            self._io.unwatch_read(self._sock)

    def resume(self) -> None:
        """Read on."""
        if not self._reading:
            self._reading = True
            self._io.watch_read(self._sock, self._on_readable)

    @property
    def _interval(self) -> float:
        return max(0.05, min(1.0, self._limits.session_idle / 4))

    def _on_readable(self) -> None:
        for _ in range(BURST):
            try:
                size, ancillary, flags, address = self._sock.recvmsg_into(
                    [self._buffer], _ANCILLARY
                )
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._drop(f"the socket failed ({code(error)})")
                break
            way_back: Ancillary = []
            if ancillary:
                way_back = self._read_ancillary(ancillary)
            if flags & TRUNC:
                self._drop("a datagram larger than the largest there can be")
            elif not address:
                self._drop("a peer without an address of its own, which cannot be answered")
            elif self._admits(address):
                self._take(address, way_back, bytes(self._view[:size]))
        if self._dropped:
            self._report_drops()

    def _read_ancillary(self, ancillary: Ancillary) -> Ancillary:
        """Note the kernel's drops; give what makes a reply leave from the right address."""
        way_back: Ancillary = []
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _RXQ_OVFL:
                (total,) = struct.unpack("=I", data[:4])
                lost = (total - self._kernel_drops) & 0xFFFFFFFF
                self._kernel_drops = total
                if lost:
                    self._drop("no room in the socket's buffer; a larger ?rcvbuf= helps", lost)
            elif level == socket.IPPROTO_IP and kind == _PKTINFO:
                source = data[4:8]  # the local address: ipi_spec_dst
                way_back = [(level, kind, struct.pack("=i4s4s", 0, source, b"\0" * 4))]
            elif (
                level == socket.IPPROTO_IPV6
                and kind == socket.IPV6_PKTINFO
                and data[0] != 0xFF  # a multicast address is nobody's to send from
            ):
                index = data[16:20] if data[:2] == b"\xfe\x80" else b"\0" * 4
                way_back = [(level, kind, data[:16] + index)]
        return way_back

    def _take(self, address: Any, way_back: Ancillary, unit: bytes) -> None:
        """Hand a datagram to its session, at once or when its turn comes."""
        session = self._sessions.get(address)
        if not self.one_at_a_time and session is not None:
            self._give(session, way_back, unit)
        elif len(self._waiting) >= self._limits.session_inbox:
            self._drop("more datagrams wait for a handler than session_inbox allows")
        else:
            self._waiting.append((address, way_back, unit))
            if len(self._waiting) == 1:
                self._go_on()

    def _admits(self, address: Any) -> bool:
        """Whether a datagram from there is taken, by who sent it and how many came before."""
        host = host_of(address)
        if not self.access.permits(host):
            self._drop("its sender's address may not connect here")
            return False
        if host:
            source = source_of(host)
            if len(self._counts) >= MOST_SOURCES:
                self._counts.clear()
            count = self._counts[source] = self._counts.get(source, 0) + 1
            if count > self._limits.datagrams_per_source * self._interval:
                self._drop("more from one source than datagrams_per_source allows")
                return False
        return True

    def next(self) -> None:
        """Go on with the datagrams that wait: a handler has become free."""
        self._go_on()
        self._report_drops()

    def _go_on(self) -> None:
        while self._waiting and not self._busy:
            address, way_back, unit = self._waiting[0]
            session = self._sessions.get(address)
            if session is None:
                session = self._new_session(address, way_back)
                if session is None:
                    return
            self._waiting.popleft()
            if session.is_over:
                continue
            if self.one_at_a_time:
                self._busy = True
                self._give(session, way_back, unit)
                session.expect_idle(self._answered)
            else:
                self._give(session, way_back, unit)
                self._give_what_waits(session)

    def _give_what_waits(self, session: Session) -> None:
        """Give a session its other datagrams too: what comes now must not overtake them."""
        kept: deque[tuple[Any, Ancillary, bytes]] = deque()
        for address, way_back, unit in self._waiting:
            if address == session.address:
                self._give(session, way_back, unit)
            else:
                kept.append((address, way_back, unit))
        self._waiting = kept

    def _answered(self) -> None:
        self._busy = False
        self._io.call_soon(self.next)

    def _new_session(self, address: Any, way_back: Ancillary) -> Session | None:
        """Begin a session; None when its datagram has to wait, a dead one when it is refused."""
        session: Session = SessionConnection(self._plan, self._shared, address, way_back)
        reason = self._why_not()
        if reason is not None:
            if reason:
                self._drop(reason)
            session.abort()
            return session
        session.call_when_over(lambda: self._forget(address, session))
        self._sessions[address] = session
        if self._accept(session):
            return session
        session.abort()
        return None

    def _why_not(self) -> str | None:
        """Say why nobody new is taken; "" when that needs no words, None when one is."""
        if self._draining:
            return ""
        if not self.admits_new:
            return "nobody new is taken while the server is suspended"
        if len(self._sessions) >= self._limits.sessions:
            return "more peers at a time than sessions allows"
        return None

    def _give(self, session: Session, way_back: Ancillary, unit: bytes) -> None:
        session.last_heard = self._io.loop.time()
        session.way_back = way_back
        if not session.take_unit(unit):
            self._drop("its handler lags by more than session_inbox datagrams")

    def _forget(self, address: Any, session: Session) -> None:
        if self._sessions.get(address) is session:
            del self._sessions[address]
        unread = session.unread()
        if unread:  # they came right behind the one with which its handler has ended
            self._io.call_soon(self._begin_again, address, session.way_back, unread)

    def _begin_again(self, address: Any, way_back: Ancillary, units: list[bytes]) -> None:
        for unit in units:
            self._take(address, way_back, unit)
        self._report_drops()

    def _drop_now(self, reason: str) -> None:
        self._drop(reason)
        self._report_drops()

    def _drop(self, reason: str, count: int = 1) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + count

    def _report_drops(self) -> None:
        """Tell of the drops of this turn, one event a reason."""
        dropped, self._dropped = self._dropped, {}
        for reason, count in dropped.items():
            self._events.emit(DatagramsDropped(self.endpoint, count, reason))

    def _sweep_sessions(self) -> None:
        """End the sessions whose peers have been silent, and begin to count anew."""
        self._counts.clear()
        oldest = self._io.loop.time() - self._limits.session_idle
        for session in list(self._sessions.values()):
            if session.last_heard < oldest:
                session.end_input()
        self._sweep = self._io.loop.call_later(self._interval, self._sweep_sessions)

    def use(self, framing: Framing[Any]) -> None:
        """Cut the datagrams of new sessions by another framing."""
        self._plan = replace(self._plan, framing=framing)

    def drain(self) -> None:
        """Take no new peers; those there may go on."""
        self._draining = True

    def close(self) -> None:
        """Close the socket. Its sessions are over by then."""
        self.suspend()
        if self._sweep is not None:
            self._sweep.cancel()
        self._waiting.clear()
        self._io.unwatch_write(self._sock)
        self._view.release()
        self._sock.close()
