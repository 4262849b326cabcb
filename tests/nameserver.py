"""A name server for tests: over real UDP and TCP sockets, honest or as hostile as a test wants."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.live import PATIENCE

Hostile = Callable[[bytes, str], Sequence[bytes]]
"""Gives all datagrams that answer a query, or the parts of a TCP stream, by the transport."""

UDP_ROOM = 1232


class NameServer:
    """Serves a zone on loopback, or on a pair of sockets that it is given.

    zone: records as a zone file has them, `NAME TTL TYPE VALUE`. Names that are asked for and stand
    nowhere do not exist. An alias is followed within the zone.
    hostile: what is answered in place of that, by the name asked for.
    sockets: for UDP and TCP; without the second one, it has no TCP.
    rcodes: statuses to answer with, by the name.
    """

    def __init__(
        self,
        zone: Sequence[str] = (),
        *,
        hostile: dict[str, Hostile] | None = None,
        rcodes: dict[str, str] | None = None,
        sockets: tuple[socket.socket, socket.socket | None] | None = None,
    ) -> None:
        self._rrsets: dict[tuple[str, str], dns.rrset.RRset] = {}
        for line in zone:
            name, ttl, kind, value = line.split(None, 3)
            key = (name.lower(), kind)
            more = dns.rrset.from_text(f"{name}.", int(ttl), "IN", kind, value)
            if key in self._rrsets:
                for one in more:
                    self._rrsets[key].add(one)
            else:
                self._rrsets[key] = more
        self._hostile = hostile or {}
        self._rcodes = rcodes or {}
        self.asked: list[tuple[str, str, str]] = []
        """Name, type and transport of each query."""
        self._udp, self._tcp = sockets or pair("127.0.0.1", 0)
        self.port: int = self._udp.getsockname()[1]
        self.address = f"{self._udp.getsockname()[0]}:{self.port}"
        """As `--server` takes it."""
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="name server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        for sock in filter(None, (self._ended, self._udp, self._tcp)):
            sock.close()

    def _serve(self) -> None:
        while True:
            every = filter(None, (self._udp, self._tcp, self._ended))
            ready, _, _ = select.select([*every], [], [])
            if self._ended in ready:
                return
            if self._udp in ready:
                query, peer = self._udp.recvfrom(65_535)
                for answer in self._answers(query, "UDP"):
                    self._udp.sendto(answer, peer)
            if self._tcp is not None and self._tcp in ready:
                conn, _ = self._tcp.accept()
                with conn, contextlib.suppress(OSError):  # who asked may be gone
                    conn.settimeout(PATIENCE)
                    size = int.from_bytes(conn.recv(2, socket.MSG_WAITALL))
                    for part in self._answers(conn.recv(size, socket.MSG_WAITALL), "TCP"):
                        conn.sendall(part)

    def _answers(self, wire: bytes, transport: str) -> Sequence[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, question.rdtype.name, transport))
        if name in self._hostile:
            return self._hostile[name](wire, transport)
        answer = self.answer(query)
        if transport == "TCP":
            data = answer.to_wire(max_size=65_535)
            return [len(data).to_bytes(2) + data]
        data = answer.to_wire(max_size=65_535)
        if len(data) > min(UDP_ROOM, query.payload or 512):
            answer.answer = []
            answer.flags |= dns.flags.TC
            data = answer.to_wire()
        return [data]

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Answer honestly."""
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name
        if name in self._rcodes:
            answer.set_rcode(dns.rcode.from_text(self._rcodes[name]))
            return answer
        followed: set[str] = set()
        while kind != "CNAME" and (name, "CNAME") in self._rrsets and name not in followed:
            followed.add(name)
            alias = self._rrsets[name, "CNAME"]
            answer.answer.append(alias)
            name = alias[0].target.to_text(omit_final_dot=True).lower()
        if (name, kind) in self._rrsets:
            found = self._rrsets[name, kind]
            for one in found:  # each by itself: what is one set is sent in any order
                answer.answer.append(dns.rrset.from_rdata(found.name, found.ttl, one))
        elif not any(there == name for there, _ in self._rrsets):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Give a UDP socket and a listening TCP one of the same port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind((address, port))
            tcp.bind((address, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
            continue
        tcp.listen()
        return udp, tcp
    raise AssertionError("no port is free for both UDP and TCP")


def answered(wire: bytes, *, records: Sequence[str] = (), **changes: int) -> bytes:
    """Make an answer to a query by hand, with any records; `id` and `flags` may be changed."""
    query = dns.message.from_wire(wire)
    answer = dns.message.make_response(query)
    for line in records:
        name, ttl, kind, value = line.split(None, 3)
        answer.answer.append(dns.rrset.from_text(f"{name}.", int(ttl), "IN", kind, value))
    answer.id = changes.get("id", answer.id)
    return answer.to_wire(max_size=65_535)
