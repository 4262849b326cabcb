"""Asking a name server: over UDP, and over TCP where an answer was too long for a datagram.

The rules this file owns:

1. A deadline holds for all of it: sending again, TCP included.
2. From another address than the server's nothing is taken, since the socket is connected to it.
   What answers another question is passed over and counted: somebody may be guessing.
3. A server that does not know EDNS (RFC 6891) is asked again without.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from jackfield.errors import (
    BadMessage,
    ConnectError,
    ConnectRefused,
    ConnectTimeout,
    JackfieldError,
    NotationError,
)
from jackfield.net.oserrors import code
from jackfield.tools.names import answers
from jackfield.tools.names.answers import Answer, NotOurs, Question

PORT = 53
AGAIN = (1.0, 3.0)
"""Seconds after which a question that has no answer yet is sent once more."""

MOST_PASSED_OVER = 100
"""Datagrams that are no answer to the question; past it somebody floods us."""


@dataclass(frozen=True, slots=True)
class Server:
    """A name server."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        if self.port == PORT:
            return self.address
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


def server_of(text: str) -> Server:
    """Read `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. Raises NotationError."""
    address, port_text, at = text, "", 0
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        at = 1
        if not bracket or (rest and not rest.startswith(":")):
            raise NotationError(
                f"{text}: a server is ADDRESS or [ADDRESS]:PORT, with both brackets",
                text,
                0,
                len(text),
            )
        port_text = rest[1:]
        has_port = bool(rest)
    else:
        has_port = text.count(":") == 1
        if has_port:
            address, _, port_text = text.partition(":")
    try:
        found = str(ip_address(address))
    except ValueError:
        raise NotationError(
            f"{text}: {address!r} is no address; a server is given by its address, "
            "as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353",
            text,
            at,
            at + max(1, len(address)),
        ) from None
    if not has_port:
        return Server(found)
    if not (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text[:9]) < 65_536):
        start = len(text) - len(port_text)
        raise NotationError(
            f"{text}: {port_text!r} is no port; ports are 1 to 65535", text, start, len(text)
        )
    return Server(found, int(port_text))


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, and how it came."""

    server: Server
    transport: str
    """`UDP` or `TCP`."""
    was_cut: bool
    """Whether UDP could not carry it."""
    seconds: float
    answer: Answer
    passed_over: int
    """Datagrams that answered another question."""


def ask(server: Server, name: str, kind: str, timeout: float) -> Asked:
    """Ask a server for records of a name. Raises ConnectError, BadMessage, ConfigurationError.

    name: in ASCII. kind: one of `TYPES`. timeout: in seconds, for all of it.
    """
    began = time.monotonic()
    until = began + timeout
    edns = True
    while True:
        question = answers.question(name, kind, edns=edns)
        wire, passed_over = _by_udp(server, question, until)
        was_cut = answers.is_cut(wire, question)
        if was_cut:
            wire = _by_tcp(server, question.wire, until)
        try:
            answer = answers.read(wire, question)
        except BadMessage as error:
            raise BadMessage(f"{server}: {error}") from error.__cause__
        if answer.status in {"FORMERR", "NOTIMP"} and edns:
            edns = False
            continue
        took = time.monotonic() - began
        return Asked(server, "TCP" if was_cut else "UDP", was_cut, took, answer, passed_over)


def _by_udp(server: Server, question: Question, until: float) -> tuple[bytes, int]:
    """Ask over UDP; give what answers, and how many datagrams did not. Raises ConnectError."""
    began = time.monotonic()
    passed_over = 0
    try:
        with _socket(server, socket.SOCK_DGRAM) as sock:
            for end in (*(began + after for after in AGAIN), until):
                if time.monotonic() >= until:
                    break
                sock.settimeout(None)
                sock.send(question.wire)
                for wire in _datagrams(sock, min(end, until)):
                    if _is_answer(wire, question):
                        return wire, passed_over
                    passed_over += 1
                    if passed_over > MOST_PASSED_OVER:
                        raise BadMessage(
                            f"{server}: {passed_over} datagrams came that answer other questions: "
                            "somebody sends them in its name"
                        )
    except BadMessage:  # an OSError as well, as a ConnectionError
        raise
    except OSError as error:
        raise _failed(server, "UDP", error) from error
    more = f"; {passed_over} datagrams came that answer other questions" if passed_over else ""
    raise ConnectTimeout(
        f"{server}: no answer over UDP in {time.monotonic() - began:.3g} s{more}; "
        "it may be down, or a firewall drops what is sent to it"
    )


def _datagrams(sock: socket.socket, until: float) -> Iterator[bytes]:
    """Give what comes until then. Raises OSError."""
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            yield sock.recv(answers.MOST_MESSAGE)
        except TimeoutError:
            return


def _is_answer(wire: bytes, question: Question) -> bool:
    """Whether it answers this question, well or badly: how is told where it is read for good."""
    if answers.is_cut(wire, question):
        return True
    try:
        answers.read(wire, question)
    except NotOurs:
        return False
    except BadMessage:
        return True
    return True


def _by_tcp(server: Server, query: bytes, until: float) -> bytes:
    """Ask over TCP, with each length before its message. Raises ConnectError and BadMessage."""
    try:
        with _socket(server, socket.SOCK_STREAM, until) as sock:
            sock.sendall(len(query).to_bytes(2) + query)
            size = int.from_bytes(_exactly(sock, 2, until, server))
            return _exactly(sock, size, until, server)
    except BadMessage:  # an OSError as well, as a ConnectionError
        raise
    except OSError as error:
        raise _failed(server, "TCP", error, "the answer was too long for UDP, and ") from error


def _exactly(sock: socket.socket, size: int, until: float, server: Server) -> bytes:
    data = bytearray()
    while len(data) < size:
        sock.settimeout(max(0.001, until - time.monotonic()))
        part = sock.recv(size - len(data))
        if not part:
            raise BadMessage(
                f"{server}: the answer over TCP was cut after {len(data)} of {size} bytes"
            )
        data += part
    return bytes(data)


def _socket(server: Server, kind: socket.SocketKind, until: float = 0) -> socket.socket:
    """Give a socket that is connected. Raises OSError."""
    family, kind, number, _, where = socket.getaddrinfo(
        server.address, server.port, type=kind, flags=socket.AI_NUMERICHOST
    )[0]
    sock = socket.socket(family, kind, number)
    try:
        if until:
            sock.settimeout(max(0.001, until - time.monotonic()))
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


def _failed(server: Server, transport: str, error: OSError, before: str = "") -> JackfieldError:
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"{server}: {before}over {transport} nothing came in time")
    if error.errno == errno.ECONNREFUSED:
        return ConnectRefused(
            f"{server}: {before}nobody answers on its {transport} port ({code(error)}); "
            "is that a name server?"
        )
    text = error.strerror or str(error)
    return ConnectError(
        f"{server}: {before}it cannot be asked over {transport}: {text} ({code(error)})"
    )


def outcome(asked: Asked, name: str, kind: str) -> str:
    """Say in a line why an answer has no records; "" when it has some."""
    status, server = asked.answer.status, asked.server
    if asked.answer.records:
        return ""
    if status == "NOERROR":
        return f"{name} is there, and has no {kind} record (NOERROR, no data)"
    text = _STATUSES.get(status, "has no answer")
    return text.format(name=name, server=server) + f" ({status}, says {server})"


_STATUSES = {
    "NXDOMAIN": "there is no name {name}",
    "SERVFAIL": "{server} could not find out about {name}: it, or a server it asks, has failed",
    "REFUSED": "{server} does not answer that question to us: try another with --server",
    "FORMERR": "{server} does not understand the question",
    "NOTIMP": "{server} cannot answer that kind of question",
}
