"""The sockets that probes go out by, and what comes back on them.

The rules this file owns:

1. Nothing here blocks. Of one socket at most `AT_ONCE` packets are read in a turn.
2. An answer is one for a target when it brings back, byte for byte, what that target was sent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from jackfield.net.oserrors import outcome
from jackfield.tools.pinging import icmp
from jackfield.tools.pinging.targets import Target
from jackfield.tools.pinging.ways import FAMILY, Kind, opened

AT_ONCE = 64
"""Packets read from one socket before it is another one's turn."""

_ANCILLARY = 1024
_READ = 65_536

# Linux's numbers; see socket(7), ip(7), ipv6(7) and asm-generic/socket.h
_SO_TIMESTAMPNS = 35
_RECVTTL, _RECVERR = (12, 2), 11  # IP_RECVTTL, IP_TTL; IP_RECVERR
_RECVHOPLIMIT, _RECVERR6 = (51, 52), 25  # IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT; IPV6_RECVERR
_IP, _IPV6 = 0, 41  # levels
_ERRQUEUE = 0x2000  # MSG_ERRQUEUE
_TIMESPEC = struct.Struct("@ll")


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that came about a probe."""

    target: Target
    number: int
    at: float
    """In seconds of the monotonic clock."""
    stamp: int = 0
    """In nanoseconds since 1970; 0 where the system does not say."""
    size: int = 0
    """Bytes of ICMP."""
    ttl: int | None = None
    source: str = ""
    refused: bool = False
    trouble: str = ""
    by: str = ""
    damaged: bool = False


class Echoes:
    """ICMP: one socket, for one target when it is a datagram socket, for many when it is raw.

    size: bytes of payload. ttl: of what is sent, None for the system's own.
    """

    def __init__(
        self,
        kind: Kind,
        version: int,
        size: int,
        ttl: int | None,
        selector: selectors.BaseSelector,
    ) -> None:
        self._raw = kind == "icmp raw"
        self._version = version
        self._size = size
        self._targets: dict[int, Target] = {}
        self._identifiers: dict[Target, int] = {}
        self._sock = sock = opened(version, kind)
        sock.setblocking(False)
        level = _IPV6 if version == 6 else _IP
        self._hops = _RECVHOPLIMIT if version == 6 else _RECVTTL
        self._errors = _RECVERR6 if version == 6 else _RECVERR
        with contextlib.suppress(OSError):  # what is not told is not shown
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.setsockopt(level, self._hops[0], 1)
        if not self._raw:  # a raw socket gets the packets of errors themselves
            with contextlib.suppress(OSError):
                sock.setsockopt(level, self._errors, 1)
        set_ttl(sock, version, ttl)
        selector.register(sock, selectors.EVENT_READ, self.hear)

    def add(self, target: Target, identifier: int) -> None:
        """Ask this target too; on a datagram socket it is the only one, and the system numbers."""
        self._identifiers[target] = identifier = identifier if self._raw else 0
        self._targets[identifier] = target

    def send(self, target: Target, number: int) -> Iterator[Heard]:
        """Send an echo request; give what keeps it from going out."""
        carried = icmp.payload(target.token, number, self._size)
        identifier = self._identifiers[target]
        data = icmp.request(self._version, identifier, number & 0xFFFF, carried)
        try:
            self._sock.sendto(data, target.sockaddr)
        except OSError:
            # It may be an error that an earlier request has met, and that nobody has read yet.
            yield from self.hear(self._sock)
            try:
                self._sock.sendto(data, target.sockaddr)
            except OSError as error:
                text = icmp.local_meaning(error.errno or 0)
                yield Heard(target, number, time.monotonic(), trouble=text)

    def forget(self, target: Target, number: int) -> None:
        """Do nothing: there is nothing to give back."""

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def hear(self, sock: socket.socket) -> Iterator[Heard]:
        """Read what has come."""
        for flags in (0,) if self._raw else (0, _ERRQUEUE):
            for _ in range(AT_ONCE):
                try:
                    data, ancillary, _, address = sock.recvmsg(_READ, _ANCILLARY, flags)
                except BlockingIOError:
                    break
                except OSError:  # an error that the queue tells more of
                    continue
                read = self._trouble if flags else self._packet
                yield from read(data, ancillary, str(address[0]), time.monotonic())

    def _packet(
        self, data: bytes, ancillary: list[tuple[int, int, bytes]], source: str, at: float
    ) -> Iterator[Heard]:
        """Read what was received."""
        ttl = None
        if self._raw and self._version == 4:
            found = icmp.unwrapped(data)
            if found is None:
                return
            ttl, data = found
        read = icmp.read(self._version, data)
        if read is None:
            return
        target = self._targets.get(read.identifier if self._raw else 0)
        if target is None:
            return
        number = target.number_of(read.sequence)
        carried = icmp.payload(target.token, number, self._size)
        if isinstance(read, icmp.Trouble):
            if carried.startswith(read.payload[: self._size]):  # more may be padding
                text = icmp.meaning(self._version, read.kind, read.code, read.information)
                yield Heard(target, number, at, trouble=text, by=source)
            return
        stamp, hops = self._told(ancillary)
        size = len(read.payload) + icmp.HEADER
        damaged = read.payload != carried
        if damaged and source != target.address.partition("%")[0]:
            return  # somebody else's, who has taken the same identifier
        yield Heard(target, number, at, stamp, size, hops or ttl, source, damaged=damaged)

    def _told(self, ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int | None]:
        """Give the system's stamp of a packet, 0 without one, and its TTL."""
        stamp, ttl = 0, None
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(value) >= 16:
                seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                stamp = seconds * 1_000_000_000 + nanoseconds
            elif level in {_IP, _IPV6} and kind == self._hops[1] and len(value) >= 4:
                ttl = int.from_bytes(value[:4], sys.byteorder)
        return stamp, ttl

    def _trouble(
        self, data: bytes, ancillary: list[tuple[int, int, bytes]], _: str, at: float
    ) -> Iterator[Heard]:
        """Read what stood in the queue of errors: the request, and what became of it."""
        asked = icmp.read_request(self._version, data)
        target = self._targets.get(0)
        if asked is None or target is None:
            return
        number = target.number_of(asked[1])
        carried = icmp.payload(target.token, number, self._size)
        if not carried.startswith(asked[2][: self._size]):
            return
        for level, kind, value in ancillary:
            if level not in {_IP, _IPV6} or kind != self._errors:
                continue
            told = icmp.queued(value)
            if told is None:
                continue
            if told.from_network:
                text = icmp.meaning(self._version, told.kind, told.code, told.information)
            else:
                text = icmp.local_meaning(told.number)
            yield Heard(target, number, at, trouble=text, by=told.by)


class Knocks:
    """TCP: a connection for each probe, closed when it is there. Refused is an answer, too."""

    def __init__(self, port: int, ttl: int | None, selector: selectors.BaseSelector) -> None:
        self._port = port
        self._ttl = ttl
        self._selector = selector
        self._probes: dict[tuple[Target, int], socket.socket] = {}

    def add(self, target: Target, identifier: int) -> None:
        """Do nothing: any target can be asked."""

    @property
    def under_way(self) -> int:
        """Connections that are being made."""
        return len(self._probes)

    def send(self, target: Target, number: int) -> Iterator[Heard]:
        """Begin to connect; give what is known of it at once."""
        try:
            sock = socket.socket(FAMILY[target.version], socket.SOCK_STREAM)
        except OSError as error:
            yield Heard(target, number, time.monotonic(), trouble=outcome(error))
            return
        self._probes[target, number] = sock
        sock.setblocking(False)
        try:
            set_ttl(sock, target.version, self._ttl)
            sock.connect(target.at(self._port))
        except BlockingIOError:
            hear = partial(self._hear, target, number)
            self._selector.register(sock, selectors.EVENT_WRITE, hear)
        except OSError as error:
            yield self._heard(target, number, error)
            self.forget(target, number)
        else:
            yield self._heard(target, number, None)
            self.forget(target, number)

    def _hear(self, target: Target, number: int, sock: socket.socket) -> Iterator[Heard]:
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        error = OSError(found, os.strerror(found)) if found else None
        yield self._heard(target, number, error)
        self.forget(target, number)

    @staticmethod
    def _heard(target: Target, number: int, error: OSError | None) -> Heard:
        at = time.monotonic()
        refused = error is not None and error.errno == errno.ECONNREFUSED
        trouble = "" if error is None or refused else outcome(error)
        source = target.address
        return Heard(target, number, at, source=source, refused=refused, trouble=trouble)

    def forget(self, target: Target, number: int) -> None:
        """Give up a probe."""
        sock = self._probes.pop((target, number), None)
        if sock is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(sock)
            sock.close()

    def close(self) -> None:
        """Give up all."""
        for target, number in list(self._probes):
            self.forget(target, number)


Prober = Echoes | Knocks


def set_ttl(sock: socket.socket, version: int, ttl: int | None) -> None:
    """Have what is sent live for so many hops. Raises OSError."""
    if ttl is None:
        return
    if version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
