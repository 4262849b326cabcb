"""Dialing: from an endpoint to a connected socket.

The rules this file owns:

1. The addresses of a name are tried as RFC 8305 says: the families take turns, in the order
   the resolver gives; the next address begins 250 ms after the last, or at once when one
   fails; the first that connects wins, and the others are closed.
2. Whatever ends a dial early (its deadline, a cancellation) leaves no socket open.
3. A TCP socket that has connected to itself, which Linux allows where nobody listens on a port
   the system may choose for a client, is refused like any other port with nobody on it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import struct
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError, ConnectError, ConnectTimeout, JackfieldError
from jackfield.net import details, options
from jackfield.net.ioloop import IOLoop
from jackfield.net.oserrors import not_connected, not_found, outcome

STAGGER = 0.25
"""Seconds until the next address is tried besides the last: RFC 8305, section 5."""

_AGAIN = 0.02
"""Seconds until a UNIX server whose queue is full is tried again: poll(2) does not tell."""

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EINTR, errno.EWOULDBLOCK})
"""What connect(2) says at first; Windows says the last."""

_INET = frozenset({socket.AF_INET, socket.AF_INET6})

Address = tuple[int, Any]
"""Family and sockaddr."""

OnAttempt = Callable[["Attempt"], None]
OnAddresses = Callable[[list[Endpoint], float], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address that was tried."""

    endpoint: Endpoint
    """With a numeric host."""
    outcome: str
    """`connected`, what went wrong with its errno name, or that it was not needed any more."""
    seconds: float


async def dial(
    io: IOLoop,
    endpoint: Endpoint,
    *,
    timeout: float = 10.0,
    on_attempt: OnAttempt | None = None,
    on_addresses: OnAddresses | None = None,
) -> tuple[socket.socket, Any]:
    """Connect: a socket that does not block, and the peer's address as sockets call it.

    timeout: seconds for all of it, looking the name up included. For tls:// this is its TCP.
    on_attempt: called for each address, once it is known what came of it.
    on_addresses: called once, with all addresses in the order in which they are tried, and the
    seconds that looking them up took.
    Raises ConnectRefused, ConnectTimeout, Unreachable, NameNotFound or plain ConnectError, with
    each address that was tried and why; ConfigurationError for what cannot be dialed at all.
    """
    _check(endpoint)
    race = _Race(io, endpoint, on_attempt)
    try:
        async with asyncio.timeout(timeout):
            began = time.monotonic()
            addresses = await _addresses(io, endpoint)
            if on_addresses is not None:
                found = [details.endpoint_of(endpoint.transport, at) for _, at in addresses]
                on_addresses(found, time.monotonic() - began)
            return await race.run(addresses)
    except ConnectError:  # a ConnectTimeout is a TimeoutError, too
        raise
    except TimeoutError:
        raise race.timed_out(timeout) from None
    finally:
        race.close()


def _check(endpoint: Endpoint) -> None:
    """Raise ConfigurationError for what can be listened on and not dialed."""
    why = ""
    if endpoint.transport in {Transport.FD, Transport.MEMORY}:
        why = f"{endpoint.transport}: is for listening, not for connecting from outside"
    elif not endpoint.path and not endpoint.port:
        why = "port 0 lets a listener's system choose; to connect, name the port it has chosen"
    elif endpoint.options.group is not None:
        group = Endpoint(endpoint.transport, endpoint.options.group, endpoint.port)
        why = f"group= is for listening; to send to the group, connect to {group}"
    if why:
        msg = f"{endpoint}: {why}"
        raise ConfigurationError(msg)


async def _addresses(io: IOLoop, endpoint: Endpoint) -> list[Address]:
    """Give the addresses to try, in this order. Raises NameNotFound."""
    if endpoint.path:
        return [options.unix_address(endpoint)]
    kind = options.kind_of(endpoint.transport)
    host = endpoint.host
    try:
        if ":" in host or host.replace(".", "").isdecimal():  # an address: nothing to wait for
            found = socket.getaddrinfo(host, endpoint.port, type=kind)
        else:
            found = await io.in_thread(lambda: socket.getaddrinfo(host, endpoint.port, type=kind))
    except (socket.gaierror, UnicodeError) as error:
        raise not_found(endpoint, error) from error
    return _interleaved((family, sockaddr) for family, *_, sockaddr in found)


def _interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Have the families take turns, beginning with that of the first; each address once."""
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    turns = zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


@dataclass(eq=False, slots=True)
class _Try:
    """One address being tried."""

    at: Endpoint
    sockaddr: Any
    sock: socket.socket
    started: float
    again: asyncio.TimerHandle | None = None


class _Race:
    """The addresses of one endpoint, tried side by side. All sockets in it are its own."""

    def __init__(self, io: IOLoop, endpoint: Endpoint, on_attempt: OnAttempt | None) -> None:
        self._io = io
        self._endpoint = endpoint
        self._on_attempt = on_attempt
        self._addresses: list[Address] = []  # not begun yet, the next one last
        self._open: list[_Try] = []
        self._failed: list[tuple[Endpoint, OSError]] = []
        self._next: asyncio.Handle | None = None
        self._over: asyncio.Future[_Try | JackfieldError] = io.loop.create_future()

    async def run(self, addresses: list[Address]) -> tuple[socket.socket, Any]:
        """Give the first socket that connects, and the address it is connected to."""
        self._addresses = addresses[::-1]
        self._begin()
        winner = await self._over
        if isinstance(winner, JackfieldError):
            raise winner
        self._open.remove(winner)
        return winner.sock, winner.sockaddr

    def close(self) -> None:
        """Close what is open, and do no more."""
        self._cancel_next()
        for attempt in self._open[:]:
            self._stop(attempt)
            self._tell(attempt.at, attempt.started, "not needed any more")

    def timed_out(self, timeout: float) -> ConnectError:
        """Say that time is up, and what has come of each address by then."""
        for attempt in self._open[:]:
            self._stop(attempt)
            if self._endpoint.path:  # a UNIX server takes us at once, or its queue is full
                error = OSError(errno.EAGAIN, f"its queue has been full for {timeout:g} s")
            else:
                error = OSError(errno.ETIMEDOUT, f"no answer within {timeout:g} s")
            self._note(attempt.at, attempt.started, error)
        if self._failed:
            return not_connected(self._endpoint, self._failed)
        return ConnectTimeout(
            f"{self._endpoint}: no name server has answered for {self._endpoint.host} within "
            f"{timeout:g} s (ETIMEDOUT); check the network, then try again"
        )

    def _begin(self) -> None:
        """Try the next address; the one after it follows when nothing has come of it by then."""
        family, sockaddr = self._addresses.pop()
        at = details.endpoint_of(self._endpoint.transport, sockaddr)
        started = time.monotonic()
        if self._addresses:
            self._next = self._io.loop.call_later(STAGGER, self._begin)
        try:
            sock = options.new_socket(self._endpoint, family)
        except OSError as error:
            self._note(at, started, error)
            self._go_on()
            return
        except ConfigurationError as error:
            self._finish(error)
            return
        attempt = _Try(at, sockaddr, sock, started)
        self._open.append(attempt)
        self._connect(attempt)

    def _connect(self, attempt: _Try) -> None:
        sock = attempt.sock
        try:
            if self._endpoint.transport is Transport.UNIX_DATAGRAM:
                bind_own_name(sock)
            number = sock.connect_ex(attempt.sockaddr)
        except OSError as error:
            self._fail(attempt, error)
            return
        if number == errno.EAGAIN and self._endpoint.path:
            attempt.again = self._io.loop.call_later(_AGAIN, self._connect, attempt)
        elif number in _UNDER_WAY:
            self._io.watch_write(sock, partial(self._settle, attempt))
        else:
            self._settle(attempt, number)

    def _settle(self, attempt: _Try, number: int = 0) -> None:
        """Take note that connecting is over, with this errno or what the socket tells."""
        self._io.unwatch_write(attempt.sock)
        number = number or _verdict(attempt.sock)
        if number:
            self._fail(attempt, OSError(number, os.strerror(number)))
        elif not self._over.done():
            self._tell(attempt.at, attempt.started, "connected")
            self._finish(attempt)

    def _finish(self, result: _Try | JackfieldError) -> None:
        self._addresses.clear()
        self._cancel_next()
        if not self._over.done():  # who is told of an attempt may give up right then
            self._over.set_result(result)

    def _fail(self, attempt: _Try, error: OSError) -> None:
        self._stop(attempt)
        self._note(attempt.at, attempt.started, error)
        self._go_on()

    def _go_on(self) -> None:
        """Go on after a failure: with the next address now, or not at all."""
        if self._addresses:
            self._cancel_next()
            self._next = self._io.call_soon(self._begin)
        elif not self._open and not self._over.done():
            self._finish(not_connected(self._endpoint, self._failed))

    def _cancel_next(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _stop(self, attempt: _Try) -> None:
        self._open.remove(attempt)
        if attempt.again is not None:
            attempt.again.cancel()
        self._io.unwatch_write(attempt.sock)
        attempt.sock.close()

    def _note(self, at: Endpoint, started: float, error: OSError) -> None:
        self._failed.append((at, error))
        self._tell(at, started, outcome(error))

    def _tell(self, at: Endpoint, started: float, words: str) -> None:
        if self._on_attempt is not None:
            self._on_attempt(Attempt(at, words, time.monotonic() - started))


def _verdict(sock: socket.socket) -> int:
    """Give the errno that connecting ended with; 0 when it is connected, and not to itself."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number or sock.family not in _INET or sock.type != socket.SOCK_STREAM:
        return number
    try:
        itself = sock.getsockname() == sock.getpeername()
    except OSError as error:  # the peer has reset it already
        return error.errno or errno.ECONNRESET
    if itself:
        # By a reset, or the port would stay taken for a server that wants it: TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return errno.ECONNREFUSED
    return 0


def bind_own_name(sock: socket.socket) -> None:
    """Give a UNIX datagram socket a name that replies can be sent to. Raises OSError.

    On Linux one the kernel makes up (autobind, unix(7)); elsewhere a temporary path, which is
    removed with the socket.
    """
    if sys.platform == "linux":
        sock.bind("")
        return
    folder = tempfile.mkdtemp(prefix="jackfield-")
    weakref.finalize(sock, shutil.rmtree, folder, ignore_errors=True)
    sock.bind(f"{folder}/client")
