"""Addresses and networks as people write them: read, or the part that is wrong pointed at.

Standards: RFC 4291 section 2.2 (how IPv6 addresses are written), RFC 4007 section 11 (zones), RFC
4632 section 3.1 (`/24`), RFC 6943 section 3.1.1 (why `10.1` and `010.0.0.1` are refused: programs
disagree about what they mean).

What is accepted beside that: a mask (`/255.255.255.0`), a wildcard (`/0.0.0.255`), and an address
as one integer (`3232235786`, `0xc0a8010a`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from jackfield.errors import NotationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST = 200
"""Characters that are looked at; the longest right address has less than half of them."""

MOST_ZONE = 64
"""Characters of a zone. Linux' names of interfaces have at most 15."""

_DIGITS = re.compile(r"[0-9]+")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]+")
_NUMBERED = ("first", "second", "third", "fourth")


class Length(Enum):
    """How the length of a network's prefix was written."""

    NONE = "none"
    PREFIX = "prefix"
    MASK = "mask"
    WILDCARD = "wildcard"


@dataclass(frozen=True, slots=True)
class Written:
    """An address as it was written, with or without the length of its network's prefix."""

    text: str
    address: Address
    """With its zone."""
    length: int | None
    """Bits of the network's prefix; None where none was written."""
    length_as: Length
    integer: bool
    """Whether the address was written as an integer."""

    @property
    def bits(self) -> int:
        """The length of the prefix; without one all bits: the address alone."""
        return self.address.max_prefixlen if self.length is None else self.length

    @property
    def network(self) -> Network:
        """The network in which the address is; zones have no part in it."""
        kind = IPv4Network if self.address.version == 4 else IPv6Network
        return kind((int(self.address), self.bits), strict=False)


def read(text: str) -> Written:
    """Read an address, with or without a prefix length or mask. Raises NotationError."""
    if len(text) > MOST:
        raise NotationError(f"{text[:20]}… has {len(text)} characters: that is no address")
    return _Reader(text).read()


class _Reader:
    """One text, read from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _wrong(self, start: int, end: int, why: str) -> NotationError:
        """Say what is wrong from `start` to `end`; where those are one, something is missing."""
        shown = self._text or "(nothing)"
        return NotationError(f"{shown}: {why}", self._text, start, max(end, start + 1))

    def read(self) -> Written:
        """Read all of it."""
        text = self._text
        host, slash, length = text.partition("/")
        self._look_around(host)
        integer = False
        address: Address
        if ":" in host:
            address = self._ipv6(host)
        elif _DIGITS.fullmatch(host) or _HEXADECIMAL.fullmatch(host):
            address, integer = self._integer(host), True
        else:
            address = IPv4Address(self._ipv4(host, 0))
        if not slash:
            return Written(text, address, None, Length.NONE, integer)
        bits, how = self._length(length, len(host) + 1, address)
        return Written(text, address, bits, how, integer)

    def _look_around(self, host: str) -> None:
        """Refuse what is no address at all, in words that tell what it may be."""
        text = self._text
        if not host:
            raise self._wrong(0, 1, "there is no address; write one as 192.0.2.1 or 2001:db8::1")
        space = re.search(r"\s+", text)
        if space:
            raise self._wrong(*space.span(), "there is a space in it")
        if host[0] == "[":
            raise self._wrong(0, 1, "brackets are for addresses in URLs; leave them out")
        if "://" in text:
            raise self._wrong(
                0, text.index("://") + 3, "that is a URL; write the address in it alone"
            )
        if ":" not in host and "%" in host:
            at = host.index("%")
            raise self._wrong(
                at, len(host), "IPv4 addresses have no zone; only IPv6 ones do (RFC 4007)"
            )
        letter = re.search(r"[^\W\d_]", host)
        if letter and ":" not in host and not _HEXADECIMAL.fullmatch(host) and _is_name(host):
            raise self._wrong(0, len(host), "that is a name; jackfield resolve looks it up")

    # Parts

    def _integer(self, host: str) -> Address:
        value = int(host, 16 if host[:1] == "0" and host[1:2] in {"x", "X"} else 10)
        if value < 1 << 32:
            return IPv4Address(value)
        if value < 1 << 128:
            return IPv6Address(value)
        raise self._wrong(0, len(host), "that is past 2^128 - 1, the last address of IPv6")

    def _ipv4(self, host: str, start: int) -> int:
        """Read four octets that begin at `start`."""
        value, at = 0, start
        octets = host.split(".")
        for number, octet in enumerate(octets):
            end = at + len(octet)
            if number == 4:
                why = f"{_there_are(len(octets), 'octet')}; IPv4 has four"
                raise self._wrong(at, start + len(host), why)
            name = f"the {_NUMBERED[number]} octet"
            if not octet:
                raise self._wrong(at, end, f"{name} is missing between the dots")
            odd = re.search(r"[^0-9]", octet)
            if odd:
                place = at + odd.start()
                raise self._wrong(
                    place, place + 1, f"{name} has {odd[0]!r} in it, which is no digit"
                )
            if len(octet) > 1 and octet[0] == "0":
                short = octet.lstrip("0") or "0"
                raise self._wrong(
                    at,
                    end,
                    f"{name} begins with 0, by which some programs mean octal; write {short}",
                )
            if len(octet) > 3 or int(octet) > 255:
                raise self._wrong(at, end, f"{name} is {octet[:20]}; eight bits hold 0 to 255")
            value = value << 8 | int(octet)
            at = end + 1
        if len(octets) < 4:
            raise self._wrong(at - 1, at, f"{_there_are(len(octets), 'octet')}; IPv4 has four")
        return value

    def _ipv6(self, host: str) -> IPv6Address:
        plain, percent, zone = host.partition("%")
        if percent:
            self._zone(zone, len(plain) + 1)
        value = self._groups(plain)
        return IPv6Address(value) if not percent else IPv6Address(f"{IPv6Address(value)}%{zone}")

    def _zone(self, zone: str, at: int) -> None:
        if not zone:
            raise self._wrong(
                at - 1, at, "the zone is missing: after % stands an interface, as %eth0"
            )
        odd = next((n for n, char in enumerate(zone) if char == "%" or not char.isprintable()), -1)
        if odd >= 0:
            raise self._wrong(at + odd, at + odd + 1, f"{zone[odd]!r} cannot be in a zone")
        if len(zone) > MOST_ZONE:
            raise self._wrong(
                at + MOST_ZONE, at + len(zone), f"a zone has {MOST_ZONE} characters at most"
            )

    def _groups(self, plain: str) -> int:
        """Read the groups of an IPv6 address, and what `::` stands for."""
        self._colons(plain)
        gap = plain.find("::")
        groups: list[int] = []
        before = 0  # groups in front of the gap
        at = 0
        parts = plain.split(":")
        for number, part in enumerate(parts):
            end = at + len(part)
            most = 7 if gap >= 0 else 8
            if part and len(groups) >= most:
                why = "eight groups" if gap < 0 else "at most seven groups beside ::"
                raise self._wrong(at, len(plain), f"there are too many groups; IPv6 has {why}")
            if part:
                groups += self._group(part, at, most - len(groups), last=number == len(parts) - 1)
            if end == gap:
                before = len(groups)
            at = end + 1
        if gap < 0 and len(groups) < 8:
            have = _there_are(len(groups), "group")
            why = f"{have}; IPv6 has eight, or :: for those that are zero"
            raise self._wrong(at - 1, at, why)
        groups[before:before] = [0] * (8 - len(groups))
        value = 0
        for group in groups:
            value = value << 16 | group
        return value

    def _colons(self, plain: str) -> None:
        """See to it that colons stand where they may."""
        many = re.search(r":{3,}", plain)
        if many:
            raise self._wrong(*many.span(), "three colons in a row; :: is two")
        gaps = [found.span() for found in re.finditer("::", plain)]
        if len(gaps) > 1:
            raise self._wrong(
                *gaps[1], "a second ::; one alone may be, else nobody could tell how long"
            )
        if plain[:1] == ":" and plain[:2] != "::":
            raise self._wrong(
                0, 1, "a single colon at the beginning; write :: or a group before it"
            )
        if plain[-1:] == ":" and plain[-2:] != "::":
            end = len(plain)
            raise self._wrong(
                end - 1, end, "a single colon at the end; write :: or a group after it"
            )

    def _group(self, part: str, at: int, room: int, *, last: bool) -> list[int]:
        """Read a group, or the two that an IPv4 address at the end stands for."""
        end = at + len(part)
        if "." in part:
            if not last:
                raise self._wrong(at, end, "IPv4 may stand at the end of an IPv6 address alone")
            value = self._ipv4(part, at)
            if room < 2:
                raise self._wrong(at, end, "IPv4 takes the place of two groups, and one is left")
            return [value >> 16, value & 0xFFFF]
        odd = re.search(r"[^0-9a-fA-F]", part)
        if odd:
            place = at + odd.start()
            why = f"{odd[0]!r} is no hexadecimal digit; those are 0 to 9 and a to f"
            raise self._wrong(place, place + 1, why)
        if len(part) > 4:
            why = f"a group of {len(part)} digits; sixteen bits are four at most"
            raise self._wrong(at, end, why)
        return [int(part, 16)]

    # The length

    def _length(self, length: str, at: int, address: Address) -> tuple[int, Length]:
        most, end = address.max_prefixlen, at + len(length)
        if not length:
            raise self._wrong(at - 1, at, f"the length is missing: after / stands 0 to {most}")
        if _DIGITS.fullmatch(length):
            if len(length) > 3 or int(length) > most:
                why = f"a prefix of IPv{address.version} has 0 to {most} bits"
                raise self._wrong(at, end, why)
            return int(length), Length.PREFIX
        if "." not in length:
            odd = re.search(r"[^0-9]", length)
            place = at + (odd.start() if odd else 0)
            raise self._wrong(
                place, end, "after / stands the length of the prefix, a number of bits"
            )
        if address.version == 6:
            why = "IPv6 has no masks with dots; write the length of the prefix, as /64"
            raise self._wrong(at, end, why)
        return self._mask(length, at)

    def _mask(self, length: str, at: int) -> tuple[int, Length]:
        mask = self._ipv4(length, at)
        bits = mask.bit_count()
        if mask == _mask_of(bits):
            return bits, Length.MASK
        if mask == _mask_of(bits) >> (32 - bits):
            return 32 - bits, Length.WILDCARD
        octets = length.split(".")
        leading = 32 - (mask ^ 0xFFFFFFFF).bit_length()  # ones before the first zero
        hole = next(n for n in range(leading, 32) if mask >> (31 - n) & 1)
        number = hole // 8
        start = at + sum(len(octet) + 1 for octet in octets[:number])
        raise self._wrong(
            start,
            start + len(octets[number]),
            f"a mask with a hole: its bits are ones and then zeros, but bit {hole + 1}, "
            f"in the {_NUMBERED[number]} octet, is one after a zero",
        )


def _is_name(host: str) -> bool:
    """Whether what has a letter in it is rather a name than an address with a slip."""
    labels = host.split(".")
    numbers = sum(map(str.isdecimal, labels))
    return len(labels) == 1 or (labels[-1][:1].isalpha() and numbers < 3)


def _mask_of(bits: int) -> int:
    return (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF


def _there_are(count: int, what: str) -> str:
    return f"there is one {what}" if count == 1 else f"there are {count} {what}s"
