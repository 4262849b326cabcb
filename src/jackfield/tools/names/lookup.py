"""The system's own resolver, within a time; and which address this machine would use to reach one.

The rules this file owns:

1. getaddrinfo() and its kin block as long as they like. They are called in a thread of their own,
   which is left behind when the time is over and keeps nobody from leaving.
2. Nothing is sent to find a source address: connect() of a UDP socket only asks the routes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from jackfield.errors import ConnectTimeout, NameNotFound
from jackfield.net.interfaces import interfaces
from jackfield.net.oserrors import code
from jackfield.tools.names.policy import Candidate
from jackfield.tools.names.sources import text_of

T = TypeVar("T")
SockAddr = tuple[str, int] | tuple[str, int, int, int]

MOST_ADDRESSES = 256
"""Addresses of a name that are looked at."""

_FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
_IF_INET6 = Path("/proc/net/if_inet6")
_TUNNELS = {"768", "769", "776"}  # ARPHRD_TUNNEL, TUNNEL6, SIT: those that glibc knows
_HOME, _DEPRECATED = 0x10, 0x20  # IFA_F_HOMEADDRESS, IFA_F_DEPRECATED
_NO_NAME = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)
}
_EAI = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}


def within(timeout: float, function: Callable[[], T]) -> T:
    """Give what a function gives, or raise what it raises; TimeoutError when it takes longer."""
    (done,) = all_within(timeout, [function])
    if isinstance(done, BaseException):
        raise done
    return done


def all_within(timeout: float, functions: Iterable[Callable[[], T]]) -> list[T | BaseException]:
    """Call all of them at once; give for each what it gave or raised, TimeoutError if nothing."""
    calls = list(functions)
    done: SimpleQueue[tuple[int, T | BaseException]] = SimpleQueue()

    def work(place: int, function: Callable[[], T]) -> None:
        try:
            done.put((place, function()))
        except Exception as error:  # noqa: BLE001  it is raised where it is waited for
            done.put((place, error))

    for place, function in enumerate(calls):
        threading.Thread(target=work, args=(place, function), daemon=True).start()
    found: dict[int, T | BaseException] = {}
    until = time.monotonic() + timeout
    with contextlib.suppress(Empty):
        while len(found) < len(calls):
            place, result = done.get(timeout=max(0.0, until - time.monotonic()))
            found[place] = result
    return [found.get(place, TimeoutError()) for place in range(len(calls))]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What getaddrinfo() has said."""

    addresses: list[SockAddr]
    canonical: str
    seconds: float


def resolve(name: str, version: int, timeout: float) -> Resolved:
    """Ask the system's resolver. Raises NameNotFound and ConnectTimeout.

    name: in ASCII, or an address. version: of IP, or 0 for both.
    """
    began = time.monotonic()

    def ask() -> list[tuple[int, int, int, str, SockAddr]]:
        return socket.getaddrinfo(  # type: ignore[return-value]  # of INET and INET6 alone
            name,
            None,
            family=_FAMILIES[version],
            type=socket.SOCK_STREAM,
            flags=socket.AI_CANONNAME,
        )

    try:
        found = within(timeout, ask)
    except TimeoutError:
        raise ConnectTimeout(
            f"{name}: the system has not found out its addresses in {timeout:g} s; "
            "no name server answers, or allow more with --timeout"
        ) from None
    except OSError as error:  # socket.gaierror is one
        raise not_resolved(name, version, error) from error
    except UnicodeError as error:  # Python's own codec, before anybody is asked
        raise NameNotFound(f"{name}: it cannot be a name: {error}") from error
    places = list(dict.fromkeys(row[4] for row in found))
    canonical = next((row[3] for row in found if row[3]), "")
    return Resolved(places[:MOST_ADDRESSES], canonical, time.monotonic() - began)


def addresses_of(name: str, version: int, timeout: float) -> list[SockAddr]:
    """Give the addresses of a name, one at the least. Raises NameNotFound and ConnectTimeout."""
    return resolve(name, version, timeout).addresses


def not_resolved(name: str, version: int, error: OSError) -> NameNotFound:
    """Say why the system finds no address."""
    what = _EAI.get(error.errno or 0, code(error))
    kind = f"IPv{version} " if version else ""
    if error.errno in _NO_NAME:
        return NameNotFound(f"{name}: it has no {kind}address ({what}); check how it is written")
    if what == "EAI_AGAIN":
        return NameNotFound(
            f"{name}: no name server has an answer ({what}); check the network, then try again"
        )
    return NameNotFound(f"{name}: {error.strerror} ({what})")


def numeric(place: SockAddr) -> str:
    """Give an address in numbers, with its zone."""
    return socket.getnameinfo(place, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]


def reverse(places: list[SockAddr], timeout: float) -> list[str]:
    """Give the name that the system knows for each address; "" for none, or none in time."""

    def ask(place: SockAddr) -> Callable[[], str]:
        return lambda: socket.getnameinfo(place, socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0]

    done = all_within(timeout, map(ask, places))
    return [name if isinstance(name, str) else "" for name in done]


def candidate(place: SockAddr) -> Candidate:
    """Say how this machine would reach an address: with which one of its own."""
    address = ip_address(numeric(place))
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            host, _, *rest = place
            sock.connect((host, 9, *rest))
            own: str = sock.getsockname()[0]
    except OSError:
        return Candidate(address, None)
    source = ip_address(own.partition("%")[0])
    name, prefix = next(
        (
            (found.name, held.network.prefixlen)
            for found in interfaces()
            for held in found.addresses
            if held.ip.packed == source.packed
        ),
        ("", source.max_prefixlen),
    )
    flags = _flags(source.packed.hex())
    return Candidate(
        address,
        source,
        deprecated=bool(flags & _DEPRECATED),
        home=bool(flags & _HOME),
        native=text_of(Path("/sys/class/net") / name / "type").strip() not in _TUNNELS,
        prefix=prefix,
        interface=name,
    )


def _flags(packed: str) -> int:
    """Give the flags of one of this machine's IPv6 addresses, as Linux tells them."""
    for line in text_of(_IF_INET6).splitlines():
        words = line.split()
        if len(words) == 6 and words[0] == packed:
            return int(words[4], 16)
    return 0
