"""The network interfaces of this machine, and their addresses.

On Linux by rtnetlink(7): one request for the links, one for the addresses. Elsewhere by what
the socket module has, which does not tell which address is on which interface.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address

from jackfield.net import netlink

_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index

# linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_OPERSTATE = 1, 3, 4, 16
_IFA_ADDRESS, _IFA_LOCAL = 1, 2  # the same, but on a point-to-point link
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

_HARDWARE = {6, 8, 20}  # bytes: of Ethernet and its kin, FireWire, InfiniBand; tunnels have an IP's
_TRIES = 3  # while the tables keep changing


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface."""

    name: str
    """Empty for addresses of which the system does not tell where they are."""
    index: int
    up: bool
    """Whether somebody switched it on; not whether a cable is in it."""
    loopback: bool
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    """With the length of the network's prefix. A link-local one has the interface as its zone."""
    mtu: int = 0
    """The most bytes of a packet; 0 where the system does not tell."""
    hardware: str = ""
    """Its MAC address; "" where it has none."""
    state: str = ""
    """Whether it can carry packets, in a word of RFC 2863; "" where the system does not tell."""


def interfaces() -> list[Interface]:
    """List this machine's interfaces, by index. Empty when the system tells nothing at all."""
    try:
        return _by_netlink()
    except OSError:  # a sandbox may forbid netlink
        return _by_name()


def addresses() -> list[IPv4Address | IPv6Address]:
    """List the addresses of all interfaces that are up, loopback's too; zones are kept."""
    return [
        ip_address(str(address).partition("/")[0])  # .ip of an IPv6Interface drops the zone
        for found in interfaces()
        if found.up
        for address in found.addresses
    ]


def _by_netlink() -> list[Interface]:
    for _ in range(_TRIES):
        told: list[netlink.Message] = []
        settled = True
        for kind, body in ((_GETLINK, bytes(_LINK.size)), (_GETADDR, bytes(_ADDRESS.size))):
            with netlink.opened() as sock:
                settled = netlink.ask_all(sock, kind, body, told) and settled
        if settled:
            break
    return _read(told)


def _read(told: list[tuple[int, bytes]]) -> list[Interface]:
    """Make interfaces of messages. What is malformed is left out."""
    links: dict[int, Interface] = {}
    at: dict[int, list[IPv4Interface | IPv6Interface]] = {}
    for kind, payload in told:
        if kind == _NEWLINK and len(payload) >= _LINK.size:
            _, _, index, flags, _ = _LINK.unpack_from(payload)
            found = netlink.attributes(payload[_LINK.size :])
            name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
            links[index] = Interface(
                name if name.isprintable() else str(index),
                index,
                up=bool(flags & _IFF_UP),
                loopback=bool(flags & _IFF_LOOPBACK),
                mtu=int.from_bytes(found.get(_IFLA_MTU, b"")[:4], sys.byteorder),
                hardware=_hardware(found.get(_IFLA_ADDRESS, b"")),
                state=_state(found.get(_IFLA_OPERSTATE, b"")),
            )
        elif kind == _NEWADDR and len(payload) >= _ADDRESS.size:
            family, prefix, _, _, index = _ADDRESS.unpack_from(payload)
            found = netlink.attributes(payload[_ADDRESS.size :])
            packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
            name = links[index].name if index in links else ""
            if family == socket.AF_INET and len(packed) == 4 and prefix <= 32:
                at.setdefault(index, []).append(IPv4Interface((packed, prefix)))
            elif family == socket.AF_INET6 and len(packed) == 16 and prefix <= 128:
                at.setdefault(index, []).append(_ipv6(packed, prefix, name, index))
    return [
        replace(link, addresses=tuple(at.get(index, ()))) for index, link in sorted(links.items())
    ]


_STATES = ("unknown", "not present", "down", "lower layer down", "testing", "dormant", "up")


def _hardware(packed: bytes) -> str:
    return packed.hex(":") if len(packed) in _HARDWARE and any(packed) else ""


def _state(packed: bytes) -> str:
    number = packed[0] if packed else len(_STATES)
    return _STATES[number] if number < len(_STATES) else ""


def _ipv6(packed: bytes, prefix: int, name: str, index: int) -> IPv6Interface:
    address = IPv6Address(packed)
    if not address.is_link_local:
        return IPv6Interface((address, prefix))
    zone = index if "%" in name or "/" in name or not name else name
    return IPv6Interface(f"{address}%{zone}/{prefix}")


def _by_name() -> list[Interface]:
    """List what portable calls tell: the names; and the addresses, on an interface without one."""
    try:
        names = socket.if_nameindex()
    except OSError:
        names = []
    found = [
        Interface(name, index, up=True, loopback=name.startswith("lo")) for index, name in names
    ]
    try:
        told = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        told = []
    hosts = dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in told)
    ours = tuple(
        IPv6Interface(f"{host}/128") if ":" in host else IPv4Interface(f"{host}/32")
        for host in hosts
    )
    for loopback in (True, False):
        there = tuple(address for address in ours if address.ip.is_loopback == loopback)
        if there:
            found.append(Interface("", 0, up=True, loopback=loopback, addresses=there))
    return found


def machine_names() -> list[str]:
    """Give the names of this machine: `localhost`, and what it calls itself, if that is a name."""
    own = socket.gethostname().rstrip(".").lower()
    short = own.partition(".")[0]
    found = ["localhost", f"{short}.local", short, own]
    return list(dict.fromkeys(name for name in found if _HOST.fullmatch(name)))
