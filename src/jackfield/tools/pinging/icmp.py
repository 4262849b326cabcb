"""Packets of ICMP (RFC 792) and ICMPv6 (RFC 4443): echo requests made, what comes back read.

The rules this file owns:

1. It is pure: no socket, no clock. Bytes of any kind and any length can be given to it.
2. What is not whole, not checked or not about an echo request is None, never an exception.
3. Who asks puts a token into each request. An answer counts when it brings the token back.
"""

from __future__ import annotations

import errno
import struct
import sys
from array import array
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

HEADER = 8
"""Bytes of an echo's header: type, code, checksum, identifier, sequence number."""

MOST_PAYLOAD = 65_507
"""Bytes of payload: an IPv4 packet has 65,535, less 20 for its own header and 8 for the echo's."""

TOKEN = 8
"""Bytes at the start of a payload that nobody else has, where there is room for them."""

_NUMBER = struct.Struct("!Q")
_ECHO = struct.Struct("!BBHHH")
_PATTERN = bytes(range(256)) * (MOST_PAYLOAD // 256 + 1)

# Types: RFC 792 and RFC 4443
_REQUEST = {4: 8, 6: 128}
_REPLY = {4: 0, 6: 129}
_PROTOCOL = {4: 1, 6: 58}  # of ICMP itself, in the header of IP
_ERRORS = {4: {3, 4, 11, 12}, 6: {1, 2, 3, 4}}

_IPV4, _IPV6 = 20, 40  # bytes of a header without options


@dataclass(frozen=True, slots=True)
class Reply:
    """An echo reply."""

    identifier: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """An ICMP error about an echo request."""

    kind: int
    """The type in the packet."""
    code: int
    information: int
    """The last four bytes of the header: the link's MTU where a packet was too big for it."""
    destination: str
    """To whom the request went, as the error quotes it."""
    identifier: int
    sequence: int
    payload: bytes
    """As much of the request's payload as is quoted: often nothing."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An error as Linux hands it over: sock_extended_err of ip(7)."""

    number: int
    """Its errno."""
    from_network: bool
    """Whether an ICMP packet brought it; else the own system found it out."""
    kind: int
    code: int
    information: int
    by: str
    """The address of who sent it; empty where nobody did."""


def checksum(data: bytes) -> int:
    """Give the Internet checksum (RFC 1071): of data with its right checksum in it, it is 0."""
    words = array("H", data + b"\0" if len(data) % 2 else data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    if sys.byteorder == "little":
        total = (total & 0xFF) << 8 | total >> 8
    return total ^ 0xFFFF


def payload(token: bytes, number: int, size: int) -> bytes:
    """Give what a request carries: the token, its number, and a pattern, cut to `size` bytes."""
    return (token[:TOKEN] + _NUMBER.pack(number) + _PATTERN[: max(0, size - 16)])[:size]


def request(version: int, identifier: int, sequence: int, carried: bytes) -> bytes:
    """Make an echo request. ICMPv6's checksum is left to the system (RFC 3542, section 3.1)."""
    kind = _REQUEST[version]
    data = _ECHO.pack(kind, 0, 0, identifier, sequence) + carried
    if version == 6:
        return data
    return _ECHO.pack(kind, 0, checksum(data), identifier, sequence) + carried


def unwrapped(data: bytes) -> tuple[int, bytes] | None:
    """Take the IPv4 header off what a raw socket gives; give the TTL, and what the packet carries.

    None for what is no whole ICMP packet.
    """
    if len(data) < _IPV4 or data[0] >> 4 != 4:
        return None
    header = (data[0] & 0x0F) * 4
    total = int.from_bytes(data[2:4])
    if header < _IPV4 or total < header or total > len(data) or data[9] != _PROTOCOL[4]:
        return None
    if int.from_bytes(data[6:8]) & 0x3FFF:  # a fragment
        return None
    return data[8], data[header:total]


def read(version: int, data: bytes) -> Reply | Trouble | None:
    """Read an ICMP packet, from its type on; None for what is neither of these, or not whole.

    The checksum of ICMPv6 covers addresses that stand outside the packet; a system checks it
    before it hands one over (RFC 3542, section 3.1).
    """
    if len(data) < HEADER or (version == 4 and checksum(data)):
        return None
    kind, code, _, identifier, sequence = _ECHO.unpack_from(data)
    if kind == _REPLY[version]:
        return None if code else Reply(identifier, sequence, data[HEADER:])
    if kind not in _ERRORS[version]:
        return None
    quoted = _quoted(version, data[HEADER:])
    if quoted is None:
        return None
    destination, inner = quoted
    asked = read_request(version, inner)
    if asked is None:
        return None
    information = int.from_bytes(data[4:8])
    return Trouble(kind, code, information, destination, *asked)


def read_request(version: int, data: bytes) -> tuple[int, int, bytes] | None:
    """Read an echo request, maybe cut: identifier, sequence number, payload. None for another."""
    if len(data) < HEADER:
        return None
    kind, code, _, identifier, sequence = _ECHO.unpack_from(data)
    if kind != _REQUEST[version] or code:
        return None
    return identifier, sequence, data[HEADER:]


def _quoted(version: int, data: bytes) -> tuple[str, bytes] | None:
    """Read the packet that an error quotes: where it went, and its ICMP part from its type on."""
    if version == 4:
        if len(data) < _IPV4 or data[0] >> 4 != 4 or data[9] != _PROTOCOL[4]:
            return None
        header = (data[0] & 0x0F) * 4
        if header < _IPV4 or int.from_bytes(data[6:8]) & 0x1FFF:
            return None
        where = str(IPv4Address(data[16:20]))
    else:  # ours carry no extension headers
        if len(data) < _IPV6 or data[0] >> 4 != 6 or data[6] != _PROTOCOL[6]:
            return None
        header = _IPV6
        where = str(IPv6Address(data[24:40]))
    return where, data[header:]


_EXTENDED = struct.Struct("=IBBBBII")
_BY_ICMP = {2, 3}  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6: linux/errqueue.h
_FAMILIES = {2: 4, 10: 6}  # Linux's numbers of AF_INET and AF_INET6


def queued(data: bytes) -> Queued | None:
    """Read what stands in a control message IP_RECVERR or IPV6_RECVERR; None for what does not."""
    if len(data) < _EXTENDED.size:
        return None
    number, origin, kind, code, _, information, _ = _EXTENDED.unpack_from(data)
    offender = data[_EXTENDED.size :]
    by = ""
    if len(offender) >= 2:
        version = _FAMILIES.get(int.from_bytes(offender[:2], sys.byteorder))
        if version == 4 and len(offender) >= 8:
            by = str(IPv4Address(offender[4:8]))
        elif version == 6 and len(offender) >= 24:
            by = str(IPv6Address(offender[8:24]))
    return Queued(number, origin in _BY_ICMP, kind, code, information, by)


_MEANINGS = {
    (4, 3, 0): "no way to its network (network unreachable)",
    (4, 3, 1): "the last router finds no such host (host unreachable)",
    (4, 3, 2): "the host speaks no ICMP (protocol unreachable)",
    (4, 3, 3): "nobody listens there (port unreachable)",
    (4, 3, 4): "too big for a link on the way, and not to be cut (fragmentation needed)",
    (4, 3, 5): "the way asked for does not lead there (source route failed)",
    (4, 3, 6): "its network is unknown (network unknown)",
    (4, 3, 7): "the host is unknown (host unknown)",
    (4, 3, 9): "a firewall forbids its network (network prohibited)",
    (4, 3, 10): "a firewall forbids the host (host prohibited)",
    (4, 3, 13): "a firewall forbids it (administratively prohibited)",
    (4, 4, 0): "it asks for fewer packets (source quench)",
    (4, 11, 0): "the TTL was used up on the way (time exceeded)",
    (4, 11, 1): "a fragment did not come in time (reassembly time exceeded)",
    (6, 1, 0): "no way to it (no route)",
    (6, 1, 1): "a firewall forbids it (administratively prohibited)",
    (6, 1, 2): "the source address does not reach so far (beyond scope of source address)",
    (6, 1, 3): "the last router finds no such host (address unreachable)",
    (6, 1, 4): "nobody listens there (port unreachable)",
    (6, 1, 5): "a firewall forbids the source address (source address failed policy)",
    (6, 1, 6): "a route refuses it (reject route)",
    (6, 2, 0): "too big for a link on the way (packet too big)",
    (6, 3, 0): "the hop limit was used up on the way (time exceeded)",
    (6, 3, 1): "a fragment did not come in time (reassembly time exceeded)",
}

_KINDS = {
    (4, 3): "unreachable",
    (4, 4): "source quench",
    (4, 11): "time exceeded",
    (4, 12): "something in the packet is wrong (parameter problem)",
    (6, 1): "unreachable",
    (6, 2): "packet too big",
    (6, 3): "time exceeded",
    (6, 4): "something in the packet is wrong (parameter problem)",
}


def meaning(version: int, kind: int, code: int, information: int = 0) -> str:
    """Say in words what an ICMP error means, with the MTU of the link where it tells one."""
    text = _MEANINGS.get((version, kind, code))
    if text is None:
        text = f"{_KINDS.get((version, kind), f'ICMP type {kind}')}, code {code}"
    if (version, kind, code) == (4, 3, 4) and information & 0xFFFF:
        return f"{text}; it takes {information & 0xFFFF} bytes (RFC 1191)"
    if (version, kind) == (6, 2):
        return f"{text}; it takes {information} bytes (RFC 8201)"
    return text


_LOCAL = {
    errno.ENETUNREACH: "this machine has no way to its network",
    errno.EHOSTUNREACH: "this machine has no way to it",
    errno.ENETDOWN: "the network of this machine is down",
    errno.EMSGSIZE: "too big for this machine to send",
    errno.EACCES: "this machine does not send there: a broadcast address, or a rule of its own",
    errno.EPERM: "a firewall of this machine forbids it",
    errno.ENOBUFS: "this machine has no room left to send it",
    errno.EADDRNOTAVAIL: "this machine has no address to reach it from",
    errno.EINVAL: "this machine cannot send it there",
}


def local_meaning(number: int) -> str:
    """Say in words what the own system's error means that kept a request from going out."""
    name = errno.errorcode.get(number, str(number))
    return f"{_LOCAL.get(number, 'this machine could not send it')} ({name})"
