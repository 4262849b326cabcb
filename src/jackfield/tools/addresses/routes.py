"""Which address of this machine would be used to reach another one, and by which way.

The address is found by connect(2) on a UDP socket, which sends nothing: the system chooses a route
and with it a source (RFC 6724 section 5 for IPv6). Interface and gateway are asked for by
rtnetlink(7), which Linux alone has.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from jackfield.net import netlink
from jackfield.net.interfaces import Interface
from jackfield.net.oserrors import outcome
from jackfield.tools.addresses.notation import Address

_NEWROUTE, _GETROUTE = 24, 26
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, destination's bits, source's bits, tos,
# table, protocol, scope, type, flags
_INDEX = struct.Struct("=I")
_DST, _OIF, _GATEWAY, _VIA = 1, 4, 5, 18  # linux/rtnetlink.h

_PORT = 9  # of the service discard; nothing is sent there

INTERNET = (ip_address("198.41.0.4"), ip_address("2001:503:ba3e::2:30"))
"""What stands for the Internet of IPv4 and of IPv6: a.root-servers.net. Nothing is sent to it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way from this machine."""

    what: str
    """What is reached, in words; "" where it is just an address."""
    to: Address
    source: Address | None
    """The address of this machine that would be used; None without a way there."""
    interface: str
    """By which packets leave; "" where the system does not tell."""
    gateway: Address | None
    """The router they go to first; None where `to` is on the same link, or nobody tells."""
    problem: str
    """Why there is no way; "" where there is one."""


def route(to: Address, what: str = "") -> Route:
    """Find the way to an address. Nothing is sent."""
    six = to.version == 6
    if six and to.is_link_local and not getattr(to, "scope_id", None):
        why = f"a link-local address needs its interface, as {to}%eth0"
        return Route(what, to, None, "", None, why)
    try:
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.connect(_sockaddr(to))
            source = ip_address(sock.getsockname()[0])
    except OSError as error:
        dropped = "a route of this machine drops what is for there (EINVAL)"
        why = dropped if error.errno == errno.EINVAL else outcome(error)
        return Route(what, to, None, "", None, why)
    try:
        index, gateway = _asked(to)
        interface = socket.if_indextoname(index) if index else ""
    except OSError:  # no netlink here; the address is known all the same
        interface, gateway = "", None
    return Route(what, to, source, interface, gateway, "")


def _sockaddr(to: Address) -> tuple[str, int] | tuple[str, int, int, int]:
    """Give what connect() takes. Raises OSError for a zone that is no interface here."""
    if isinstance(to, IPv4Address):
        return str(to), _PORT
    return str(IPv6Address(int(to))), _PORT, 0, _zone(to)


def _zone(to: Address) -> int:
    zone = getattr(to, "scope_id", None) or ""
    if zone.isascii() and zone.isdecimal():
        return int(zone) & 0xFFFFFFFF
    try:
        return socket.if_nametoindex(zone) if zone else 0
    except OSError as error:  # without a number
        raise OSError(errno.ENODEV, f"this machine has no interface {zone}") from error


def _asked(to: Address) -> tuple[int, Address | None]:
    """Ask the kernel for the interface and the gateway. Raises OSError."""
    family = socket.AF_INET6 if to.version == 6 else socket.AF_INET
    body = _ROUTE.pack(family, to.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    body += netlink.attribute(_DST, to.packed)
    index = _zone(to)
    if index:
        body += netlink.attribute(_OIF, _INDEX.pack(index))
    with netlink.opened() as sock:
        return read_route(*netlink.ask_one(sock, _GETROUTE, body))


def read_route(kind: int, payload: bytes) -> tuple[int, Address | None]:
    """Read interface and gateway out of an answer: 0 and None where it does not tell them."""
    if kind != _NEWROUTE:
        return 0, None
    found = netlink.attributes(payload[_ROUTE.size :])
    packed = found.get(_OIF, b"")
    index = _INDEX.unpack(packed)[0] if len(packed) == _INDEX.size else 0
    gateway = found.get(_GATEWAY) or found.get(_VIA, b"")[2:]  # RTA_VIA: its family goes before it
    if len(gateway) == 4:
        return index, IPv4Address(gateway)
    return index, IPv6Address(gateway) if len(gateway) == 16 else None


def routes(interfaces: Iterable[Interface]) -> list[Route]:
    """Find the way to the network of each interface that is up, and to the Internet."""
    found: list[Route] = []
    for one in interfaces:
        for address in one.addresses if one.up else ():
            network = address.network
            if network.num_addresses > 2 and not (network.is_link_local and network.version == 6):
                found.append(_within(address.ip, network.network_address, f"{network}"))
    four, six = INTERNET
    found.append(route(four, "the Internet, IPv4"))
    found.append(route(six, "the Internet, IPv6"))
    return found


def _within(own: Address, first: Address, what: str) -> Route:
    """Find the way to some other address of the network in which one of ours is."""
    other = first + 1
    return route(other if other != own else first + 2, what)
