"""The order of a name's addresses, and why: RFC 6724, section 6.

The rules this file owns:

1. What sorts is the C library. What is done here is to find the rule by which it put one address
   before the next; where no rule says so, that is said.
2. glibc sorts by the table of RFC 3484, the older one, with labels of its own; others by that of
   RFC 6724. /etc/gai.conf replaces either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import NamedTuple

Address = IPv4Address | IPv6Address

MOST_RULES = 512
"""Lines of a gai.conf that count."""


class Row(NamedTuple):
    """What holds for addresses of a network."""

    network: IPv6Network
    value: int


def _rows(text: str) -> tuple[Row, ...]:
    """Make rows of `network value` pairs, the longest prefix first."""
    words = text.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return _sorted(Row(IPv6Network(network), int(value)) for network, value in pairs)


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: -row.network.prefixlen))


@dataclass(frozen=True, slots=True)
class Policy:
    """The tables that addresses are sorted by."""

    name: str
    labels: tuple[Row, ...]
    precedences: tuple[Row, ...]
    scopes4: tuple[Row, ...] = field(
        default=_rows("::ffff:169.254.0.0/112 2 ::ffff:127.0.0.0/104 2 ::ffff:0.0.0.0/96 14")
    )

    def label(self, address: Address) -> int:
        """Give the label of an address; a source with the same one is preferred."""
        return _value(self.labels, address)

    def precedence(self, address: Address) -> int:
        """Give the precedence of an address: the higher, the sooner."""
        return _value(self.precedences, address)

    def scope(self, address: Address) -> int:
        """Give the scope of an address, by the numbers of RFC 4291, section 2.7."""
        if isinstance(address, IPv4Address):
            return _value(self.scopes4, address)
        if address.is_multicast:
            return address.packed[1] & 0x0F
        if address.ipv4_mapped is not None:
            return _value(self.scopes4, address)
        if address.is_link_local or address.is_loopback:
            return 2
        return 5 if address.is_site_local else 14


SCOPES = {1: "interface-local", 2: "link-local", 5: "site-local", 8: "organization", 14: "global"}

GLIBC = Policy(
    "glibc's table, from RFC 3484",
    _rows(
        "::1/128 0 ::/0 1 2002::/16 2 ::/96 3 ::ffff:0:0/96 4 fec0::/10 5 fc00::/7 6 2001::/32 7"
    ),
    _rows("::1/128 50 ::/0 40 2002::/16 30 ::/96 20 ::ffff:0:0/96 10"),
)
RFC6724 = Policy(
    "the table of RFC 6724",
    _rows(
        "::1/128 0 ::/0 1 ::ffff:0:0/96 4 2002::/16 2 2001::/32 5 fc00::/7 13 ::/96 3 "
        "fec0::/10 11 3ffe::/16 12"
    ),
    _rows(
        "::1/128 50 ::/0 40 ::ffff:0:0/96 35 2002::/16 30 2001::/32 5 fc00::/7 3 ::/96 1 "
        "fec0::/10 1 3ffe::/16 1"
    ),
)


def _mapped(address: Address) -> IPv6Address:
    if isinstance(address, IPv6Address):
        return IPv6Address(address.packed)  # without its zone
    return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _value(rows: tuple[Row, ...], address: Address) -> int:
    found = _mapped(address)
    return next((row.value for row in rows if found in row.network), 1)


def configured(text: str, base: Policy) -> Policy:
    """Give a policy as a gai.conf has it: one line of a kind replaces all the default ones."""
    rows: dict[str, list[Row]] = {"label": [], "precedence": [], "scopev4": []}
    for line in text.splitlines()[:MOST_RULES]:
        words = line.partition("#")[0].split()
        if len(words) != 3 or words[0] not in rows:
            continue
        try:
            rows[words[0]].append(Row(IPv6Network(words[1]), int(words[2])))
        except ValueError:  # which getaddrinfo() passes over, too
            continue
    if not any(rows.values()):
        return base
    return replace(
        base,
        name="/etc/gai.conf",
        labels=_sorted(rows["label"]) or base.labels,
        precedences=_sorted(rows["precedence"]) or base.precedences,
        scopes4=_sorted(rows["scopev4"]) or base.scopes4,
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address that a name has, and what is known of the way to it."""

    address: Address
    source: Address | None
    """The address that this machine would use; None where it has no way there."""
    deprecated: bool = False
    """Whether that one is not to be used for anything new (RFC 4862)."""
    home: bool = False
    """Whether it is no care-of address (RFC 6275)."""
    native: bool = True
    """Whether the way leads through no tunnel."""
    prefix: int = 32
    """Bits of the network that the source is in."""
    interface: str = ""
    """That has the source; empty where nobody says."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which of two comes first, and why."""

    order: int
    """-1 for the first, 1 for the second, 0 for neither."""
    rule: int
    """By its number in RFC 6724, section 6."""
    text: str


def decide(policy: Policy, one: Candidate, other: Candidate) -> Decision:
    """Tell which of two addresses comes first; neither, where they stay in the order they came."""
    if one.source is None or other.source is None:
        order = (one.source is None) - (other.source is None)
        if order:
            return Decision(order, 1, "there is a way to it, and none to the next")
        return _undecided()
    for rule, mine, theirs, text in _measures(policy, one, other, one.source, other.source):
        if mine != theirs:
            return Decision(-1 if mine > theirs else 1, rule, text)
    return _undecided()


def _undecided() -> Decision:
    return Decision(0, 10, "nothing tells them apart: they stay as they came")


def _measures(
    policy: Policy, one: Candidate, other: Candidate, source: Address, source2: Address
) -> Iterable[tuple[int, int, int, str]]:
    """Give each rule with what it makes of the two: the more, the sooner."""
    scope, scope2 = policy.scope(one.address), policy.scope(other.address)
    yield (
        2,
        scope == policy.scope(source),
        scope2 == policy.scope(source2),
        "its source has the same scope, that of the next has not",
    )
    yield 3, not one.deprecated, not other.deprecated, "the source of the next is deprecated"
    yield 4, one.home, other.home, "its source is a home address, that of the next is none"
    label, label2 = policy.label(one.address), policy.label(other.address)
    yield (
        5,
        label == policy.label(source),
        label2 == policy.label(source2),
        (
            f"its source has the same label, that of the next has not "
            f"({policy.label(source2)}, not {label2})"
        ),
    )
    first, second = policy.precedence(one.address), policy.precedence(other.address)
    yield 6, first, second, f"higher precedence: {first}, then {second}"
    yield 7, one.native, other.native, "the way to the next leads through a tunnel"
    yield 8, -scope, -scope2, f"smaller scope: {scope_name(scope)}, then {scope_name(scope2)}"
    bits, bits2 = common(one, other)
    yield 9, bits, bits2, f"more bits in common with its source: {bits}, then {bits2}"


def scope_name(scope: int) -> str:
    """Give a scope's name."""
    return SCOPES.get(scope, f"scope {scope}")


def common(one: Candidate, other: Candidate) -> tuple[int, int]:
    """Give how many bits each address has in common with its source, as far as that counts.

    It counts within one family; and for IPv4, as glibc has it, within one's own network.
    """
    found = _bits(one), _bits(other)
    if one.address.version != other.address.version:
        return 0, 0
    if one.address.version == 4:
        return (
            found[0] if found[0] >= one.prefix else 0,
            found[1] if found[1] >= other.prefix else 0,
        )
    return found


def _bits(one: Candidate) -> int:
    if one.source is None or one.source.version != one.address.version:
        return 0
    differs = int.from_bytes(one.address.packed) ^ int.from_bytes(one.source.packed)
    return one.address.max_prefixlen - differs.bit_length()


def explained(policy: Policy, ordered: list[Candidate]) -> bool:
    """Whether the policy puts no later address before an earlier one that stands next to it."""
    return all(decide(policy, one, other).order <= 0 for one, other in itertools.pairwise(ordered))
