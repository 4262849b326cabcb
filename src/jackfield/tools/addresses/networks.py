"""Networks compared, split, joined: RFC 4632 (CIDR), for IPv4 and IPv6 alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from jackfield.errors import NotationError
from jackfield.tools.addresses.notation import Address, Network, Written


@dataclass(frozen=True, slots=True)
class Same:
    """Whether two addresses are on one network, each by the length of its own prefix."""

    first: Address
    second: Address
    first_network: Network | None
    """Where no length was written with the first, that of the second is taken; None without any."""
    second_network: Network | None
    common: int
    """Bits from the left that are the same; 0 where one is IPv4 and the other is not."""
    same: bool | None
    """None where no length was written."""
    agree: bool
    """Whether both see it alike; they may not where their lengths differ."""


def same(first: Written, second: Written) -> Same:
    """Compare two addresses, bit by bit."""
    one, other = first.address, second.address
    if one.version != other.version:
        return Same(one, other, _of(first), _of(second), 0, same=False, agree=True)
    most = one.max_prefixlen
    common = most - (int(one) ^ int(other)).bit_length()
    lengths = (first.length, second.length)
    mine = next((length for length in lengths if length is not None), None)
    theirs = next((length for length in reversed(lengths) if length is not None), None)
    if mine is None or theirs is None:
        return Same(one, other, None, None, common, same=None, agree=True)
    return Same(
        one,
        other,
        _at(one, mine),
        _at(other, theirs),
        common,
        same=common >= max(mine, theirs),
        agree=(common >= mine) == (common >= theirs),
    )


def _of(written: Written) -> Network | None:
    return None if written.length is None else written.network


def _at(address: Address, length: int) -> Network:
    kind = IPv4Network if address.version == 4 else IPv6Network
    return kind((int(address), length), strict=False)


@dataclass(frozen=True, slots=True)
class Split:
    """A network in equal parts."""

    network: Network
    length: int
    """Bits of each part's prefix."""
    count: int
    """How many parts there are."""

    def parts(self) -> Iterator[Network]:
        """Give them one after another, as they are asked for."""
        return iter(self.network.subnets(new_prefix=self.length))

    def part(self, number: int) -> Network:
        """Give the one of this number, from 0 on."""
        size = 1 << (self.network.max_prefixlen - self.length)
        return _at(self.network.network_address + number * size, self.length)


_NUMBER = re.compile(r"/?([0-9]{1,39})")


def split(written: Written, into: str) -> Split:
    """Split a network: `/26` into parts of that length, `4` into so many. Raises NotationError."""
    found = _NUMBER.fullmatch(into)
    if found is None:
        why = "write the length of the parts, as /26, or how many there are to be, as 4"
        raise NotationError(f"{into or '(nothing)'}: {why}", into, 0, max(1, len(into)))
    network, number = written.network, int(found[1])
    most = network.max_prefixlen
    start = found.start(1)
    if into[0] == "/":
        length = number
        if not network.prefixlen <= length <= most:
            why = f"parts of {network} have a length from /{network.prefixlen} to /{most}"
            raise NotationError(f"{into}: {why}", into, start, len(into))
    else:
        length = network.prefixlen + max(0, number - 1).bit_length()
        if number.bit_count() != 1:
            right = 1 << max(0, number - 1).bit_length()
            why = f"equal parts are 2, 4, 8… in number, a bit more each; take {right}"
            raise NotationError(f"{into}: {why}", into, start, len(into))
        if length > most:
            why = f"{network} has {network.num_addresses} addresses, too few for so many parts"
            raise NotationError(f"{into}: {why}", into, start, len(into))
    return Split(network, length, 1 << (length - network.prefixlen))


@dataclass(frozen=True, slots=True)
class Sum:
    """Networks joined, those of IPv4 before those of IPv6."""

    networks: tuple[Network, ...]
    """The fewest that have just the addresses of those given."""
    addresses: int
    """How many those are."""
    over: tuple[Network, ...]
    """Of each version the one network that holds all of them."""
    more: int
    """How many addresses those have beyond the ones given."""


def joined(given: Iterable[Written]) -> Sum:
    """Find the fewest networks that cover these, and no address more."""
    four, six = IPv4Network, IPv6Network
    networks: list[Network] = [written.network for written in given]
    found: list[Network] = [
        *collapse_addresses(one for one in networks if isinstance(one, four)),
        *collapse_addresses(one for one in networks if isinstance(one, six)),
    ]
    over = [
        _over([one for one in found if one.version == version])
        for version in (4, 6)
        if any(one.version == version for one in found)
    ]
    count = sum(one.num_addresses for one in found)
    return Sum(tuple(found), count, tuple(over), sum(one.num_addresses for one in over) - count)


def _over(networks: Sequence[Network]) -> Network:
    """Give the narrowest network that holds all of these, which are of one version."""
    first = min(int(one.network_address) for one in networks)
    last = max(int(one.broadcast_address) for one in networks)
    length = networks[0].max_prefixlen - (first ^ last).bit_length()
    return _at(networks[0].network_address, length)


@dataclass(frozen=True, slots=True)
class Contained:
    """Whether a network holds an address, or all of another network."""

    network: Network
    inner: Network
    """The other; an address is a network of one."""
    contained: bool
    common: int
    """Bits from the left that are the same, up to the length of the shorter prefix."""


def contains(network: Written, inner: Written) -> Contained:
    """Say whether a network holds an address, or all of another network."""
    outer, other = network.network, inner.network
    if outer.version != other.version:
        return Contained(outer, other, contained=False, common=0)
    differs = int(outer.network_address) ^ int(other.network_address)
    most = min(outer.prefixlen, other.prefixlen)
    common = min(most, outer.max_prefixlen - differs.bit_length())
    return Contained(outer, other, common == outer.prefixlen, common)
