"""The network interfaces of this machine, and their addresses.

On Linux by rtnetlink(7): one request for the links, one for the addresses. Elsewhere by what
the socket module has, which does not tell which address is on which interface.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, kind, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, kind
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index

# linux/netlink.h and linux/rtnetlink.h
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_CHANGED = 0x10  # NLM_F_DUMP_INTR: the tables changed while they were told
_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_KIND = 0x3FFF  # NLA_TYPE_MASK
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2  # the same, but on a point-to-point link
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

_READ = 64 * 1024  # bytes; the kernel puts at most 32 KiB into one answer
_MOST = 16 * 1024 * 1024  # bytes of answers: some 100,000 interfaces
_TRIES = 3  # while the tables keep changing
_PATIENCE = 2.0  # seconds; the kernel has its answer ready when asked


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
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        msg = "netlink is Linux's own"
        raise OSError(msg)
    for _ in range(_TRIES):
        told: list[tuple[int, bytes]] = []
        settled = True
        for kind, body in ((_GETLINK, bytes(_LINK.size)), (_GETADDR, bytes(_ADDRESS.size))):
            with socket.socket(family, socket.SOCK_RAW, 0) as sock:  # 0: NETLINK_ROUTE
                sock.settimeout(_PATIENCE)
                settled = _ask(sock, kind, body, told) and settled
        if settled:
            break
    return _read(told)


def _ask(sock: socket.socket, kind: int, body: bytes, told: list[tuple[int, bytes]]) -> bool:
    """Add to `told` all messages that answer; whether they are of one moment. Raises OSError."""
    sock.send(_MESSAGE.pack(_MESSAGE.size + len(body), kind, _DUMP, 1, 0) + body)
    size = 0
    settled = True
    while size < _MOST:
        data = sock.recv(_READ)
        size += len(data)
        for answer, flags, payload in _messages(data):
            settled = settled and not flags & _CHANGED
            if answer == _DONE:
                return settled
            if answer == _ERROR:
                msg = "the system does not tell its interfaces"
                raise OSError(msg)
            told.append((answer, payload))
        if not data:
            break
    msg = "the list of interfaces does not end"
    raise OSError(msg)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Cut an answer into messages: kind, flags, payload. Ends at the first that does not fit."""
    start = 0
    while start + _MESSAGE.size <= len(data):
        length, kind, flags, _, _ = _MESSAGE.unpack_from(data, start)
        if length < _MESSAGE.size or start + length > len(data):
            return
        yield kind, flags, data[start + _MESSAGE.size : start + length]
        start += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    """Cut the attributes of a message. Ends at the first that does not fit."""
    found: dict[int, bytes] = {}
    start = 0
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size or start + length > len(data):
            break
        found[kind & _KIND] = data[start + _ATTRIBUTE.size : start + length]
        start += (length + 3) & ~3
    return found


def _read(told: list[tuple[int, bytes]]) -> list[Interface]:
    """Make interfaces of messages. What is malformed is left out."""
    links: dict[int, tuple[str, int]] = {}
    at: dict[int, list[IPv4Interface | IPv6Interface]] = {}
    for kind, payload in told:
        if kind == _NEWLINK and len(payload) >= _LINK.size:
            _, _, index, flags, _ = _LINK.unpack_from(payload)
            found = _attributes(payload[_LINK.size :])
            name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
            links[index] = name if name.isprintable() else str(index), flags
        elif kind == _NEWADDR and len(payload) >= _ADDRESS.size:
            family, prefix, _, _, index = _ADDRESS.unpack_from(payload)
            found = _attributes(payload[_ADDRESS.size :])
            packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
            name, _ = links.get(index, ("", 0))
            if family == socket.AF_INET and len(packed) == 4 and prefix <= 32:
                at.setdefault(index, []).append(IPv4Interface((packed, prefix)))
            elif family == socket.AF_INET6 and len(packed) == 16 and prefix <= 128:
                at.setdefault(index, []).append(_ipv6(packed, prefix, name, index))
    return [
        Interface(
            name,
            index,
            up=bool(flags & _IFF_UP),
            loopback=bool(flags & _IFF_LOOPBACK),
            addresses=tuple(at.get(index, ())),
        )
        for index, (name, flags) in sorted(links.items())
    ]


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
