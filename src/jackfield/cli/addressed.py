"""Addresses and networks in words: the lines of `jackfield ip`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from jackfield.cli.shown import counted, dim, fact, head, paragraph
from jackfield.net.interfaces import Interface
from jackfield.tools.addresses.facts import Facts, NetworkFacts
from jackfield.tools.addresses.networks import Contained, Same, Split, Sum
from jackfield.tools.addresses.notation import Address, Length
from jackfield.tools.addresses.routes import Route
from jackfield.tools.addresses.special import Reach, blocks

_REACH = {
    Reach.HOST: "this machine alone",
    Reach.LINK: "one link; no router forwards it",
    Reach.PRIVATE: "networks of one's own; the Internet does not route it",
    Reach.GLOBAL: "the Internet",
    Reach.NOWHERE: "nowhere: no packet is to go there",
}


def told(found: Facts) -> Iterator[str]:
    """Give the lines about an address."""
    yield head(found.text)
    yield from fact("version", f"IPv{found.version}, {len(found.bits)} bits")
    if found.from_integer:
        short = "an integer below 2^32 is read as IPv4, a larger one as IPv6"
        yield from fact("address", f"{found.address}; {short}")
    elif found.version == 6:
        yield from fact("in full", found.full)
    kind = found.kinds[0]
    yield from fact("kind", f"{kind.kind}: {kind.network}, {kind.name} ({kind.rfc})")
    yield from fact("", kind.words)
    yield from fact("reach", _REACH[found.reach])
    if found.scope:
        yield from fact("scope", f"{found.scope} (RFC 7346)")
    if found.zone:
        yield from fact("zone", f"{found.zone}: the interface on which it is meant (RFC 4007)")
    for inner in found.embedded:
        yield from fact("holds", f"{inner.value} ({inner.what})")
    if found.historic_class is not None:
        yield from fact("class", _class(found))
    if found.as_mask is not None:
        yield from fact("mask?", f"as a mask it is /{found.as_mask}: write ADDRESS/{found.as_mask}")
    if found.network is not None:
        yield from _network(found.network)
    yield from _bits(found)
    digits = len(found.bits) // 4
    yield from fact("integer", f"{found.integer}, 0x{int(found.address):0{digits}x}")
    yield from fact("reverse", found.reverse)


def _class(found: Facts) -> str:
    one = found.historic_class
    assert one is not None
    what = f"networks of /{one.length}" if one.length else "no networks"
    return (
        f"{one.name}: {one.first} to {one.last}, {what}. Classes ended in 1993 with CIDR "
        "(RFC 4632): now the length of the prefix counts"
    )


_ROLES = {
    "network": "it is the address of the network itself; no host has it",
    "broadcast": "it is the broadcast address: all hosts of the network",
    "anycast": "it is the subnet-router anycast address: the nearest router of the network",
}


def _network(found: NetworkFacts) -> Iterator[str]:
    yield from fact("network", str(found.network))
    if found.role != "host":
        yield from fact("", _ROLES[found.role])
    mask = f"{found.mask} is /{found.length}"
    if found.network.version == 4:
        mask += f"; wildcard {found.wildcard}"
        if found.length_as is Length.WILDCARD:
            mask += ", as it was written"
    yield from fact("mask", mask)
    if found.network.is_multicast:
        yield from fact("hosts", "none: these are groups, which hosts join and leave")
        return
    yield from fact("hosts", _hosts(found))
    if found.broadcast is not None:
        yield from fact("broadcast", str(found.broadcast))
    if found.anycast is not None:
        yield from fact("anycast", f"{found.anycast}, the nearest router (RFC 4291, 2.6.1)")
        yield from fact("broadcast", "IPv6 has none; multicast to ff02::1 reaches all on a link")


def _hosts(found: NetworkFacts) -> str:
    if found.count == 1:
        return f"{found.first} alone: a network of one"
    if found.count == 2:
        rfc = "RFC 3021" if found.network.version == 4 else "RFC 6164"
        what = "network and broadcast" if found.network.version == 4 else "anycast"
        return f"{found.first} and {found.last}: a link of two, without {what} address ({rfc})"
    if found.count > 1 << 32:
        count = counted(found.count, "address", "addresses")
    else:
        count = f"{found.hosts:,} of {counted(found.count, 'address', 'addresses')}"
    return f"{found.first} to {found.last}: {count}"


# Bits


def _bits(found: Facts) -> Iterator[str]:
    """Draw the bits, 32 in a row; below them n for those of the network and h for a host's."""
    length = None if found.network is None else found.network.length
    most = len(found.bits)
    groups = found.full.split(":")
    for start in range(0, most, 32):
        label = "bits" if start == 0 else ""
        name = "" if most == 32 else ":".join(groups[start // 16 : start // 16 + 2]) + "  "
        row = found.bits[start : start + 32]
        if length is None:
            yield _row(label, name, octets(row))
            continue
        here = min(32, max(0, length - start))
        yield _row(label, name, _coloured(octets(row), here))
        legend = _coloured(octets("n" * here + "h" * (32 - here)), here)
        yield _row("", " " * len(name), legend)
    if length is not None:
        yield from fact("", f"n: network, {length} bits; h: host, {most - length} bits")


def _row(label: str, name: str, text: str) -> str:
    return f"  {dim(label)}{' ' * (11 - len(label))}{dim(name)}{text}"


def octets(row: str) -> str:
    """Put a dot after each eighth of 32 characters."""
    return ".".join(row[at : at + 8] for at in range(0, 32, 8))


def _coloured(row: str, bits: int) -> str:
    """Colour as many bits of a row with dots, from the left."""
    end = bits + min(3, bits // 8)
    return (click.style(row[:end], fg="cyan", bold=True) if bits else "") + row[end:]


# Several addresses


def told_same(found: Same) -> Iterator[str]:
    """Give the lines about two addresses, compared."""
    first, second = found.first, found.second
    yield head(f"{first} and {second}")
    if first.version != second.version:
        why = "IPv4 and IPv6 are two protocols; a host that has both has an address of each"
        yield from paragraph(f"Never on one network: {why}.", 2)
        return
    yield from _parting(first, second, found.common)
    yield ""
    yield from paragraph(_verdict(found), 2)


def _parting(first: Address, second: Address, common: int) -> Iterator[str]:
    """Draw the 32 bits in which two addresses part, and where."""
    most = first.max_prefixlen
    start = min(common, most - 1) // 32 * 32
    for address in (first, second):
        row = f"{int(address):0{most}b}"[start : start + 32]
        yield f"  {_coloured(octets(row), common - start)}  {dim(str(address))}"
    same = common - start
    mark = (
        octets("=" * same + "^" * (common < most) + " " * 31)[:35].replace(" .", "  ").rstrip(" .")
    )
    where = f"bits {start + 1} to {start + 32} of {most}" if most > 32 else ""
    if common == most:
        text = "all bits are the same"
    else:
        alike = "no bit is the same before it" if common == 0 else f"{common} bits are the same"
        text = f"they part at bit {common + 1}; {alike}"
    yield f"  {mark:35}  {where}".rstrip()
    yield f"  {text}"


def _verdict(found: Same) -> str:
    one, other = found.first_network, found.second_network
    shorter = f"With a prefix of /{found.common} or shorter they would be on one."
    if found.same is None:
        return (
            f"Whether they are on one network is for the length of the prefix to say: on one "
            f"with /{found.common} or shorter, on two with a longer one. Write it as "
            f"{found.first}/{found.common}."
        )
    if found.same and one == other:
        return f"On one network: {one}. They reach each other without a router."
    if found.same:
        return f"On one network, though by prefixes of two lengths: {one} and {other}."
    if found.agree:
        return (
            f"On two networks: {one} and {other}. What joins two networks is a router: each sends "
            f"to its own router what is for the other. {shorter}"
        )
    return (
        f"They do not agree: {one} and {other}. The one with the shorter prefix takes the other "
        "to be on its own network and looks for it there; the answers go by a router. All hosts "
        "of a network need the same length."
    )


def told_split(found: Split, most: int) -> Iterator[str]:
    """Give the lines about a network in parts, `most` of these at the most."""
    size = counted(1 << (found.network.max_prefixlen - found.length), "address", "addresses")
    parts = counted(found.count, "part")
    yield head(f"{found.network} in {parts} of /{found.length}, {size} each")
    shown = found.count if found.count <= most else max(1, most - 1)
    for part in islice(found.parts(), shown):
        yield f"  {part!s:20} {dim(f'to {part.broadcast_address}')}"
    if shown < found.count:
        left = found.count - shown - 1
        if left:
            yield dim(f"  ... {left:,} more; --most N shows more")
        last = found.part(found.count - 1)
        yield f"  {last!s:20} {dim(f'to {last.broadcast_address}')}"


def told_sum(found: Sum) -> Iterator[str]:
    """Give the lines about networks that are joined."""
    networks = counted(len(found.networks), "network")
    count = counted(found.addresses, "address", "addresses")
    yield head(f"{networks} with {count}, as in those given")
    yield from (f"  {one}" for one in found.networks)
    if found.more:
        over = " and ".join(map(str, found.over))
        more = counted(found.more, "address", "addresses")
        yield from paragraph(f"One alone for all of them, {over}, has {more} more.", 2)


def told_contained(found: Contained) -> Iterator[str]:
    """Give the line about a network and what may be in it."""
    inner, network = found.inner, found.network
    alone = inner.prefixlen == inner.max_prefixlen
    name = str(inner.network_address) if alone else str(inner)
    if found.contained:
        yield from paragraph(
            f"{name} is in {network}: its first {network.prefixlen} bits are the same", 0
        )
    elif inner.version != network.version:
        yield from paragraph(f"{name} is not in {network}: one is IPv4, the other IPv6", 0)
    elif found.common == inner.prefixlen:
        yield from paragraph(f"{name} is not in {network}: it is the larger one, and holds it", 0)
    else:
        yield from paragraph(f"{name} is not in {network}: they part at bit {found.common + 1}", 0)


# This machine


def told_interfaces(found: list[Interface]) -> Iterator[str]:
    """Give the lines about this machine's interfaces."""
    yield head("Interfaces of this machine")
    widest = max((len(str(address)) for one in found for address in one.addresses), default=0)
    for one in found:
        parts = [_state(one)]
        parts += [f"MTU {one.mtu}"] if one.mtu else []
        parts += [f"MAC {one.hardware}"] if one.hardware else []
        yield from fact(one.name or "(unknown)", ", ".join(parts))
        for address in one.addresses:
            kind = blocks(address.ip)[0].kind
            yield from fact("", f"{address!s:{widest}}  {kind}")
    if not found:
        yield from paragraph("The system tells none.", 2)


def _state(one: Interface) -> str:
    if not one.up:
        return "switched off"
    if one.state in {"", "unknown", "up"}:
        return "up"
    return f"switched on, but {one.state}"


def told_routes(found: list[Route], title: str) -> Iterator[str]:
    """Give the lines about ways from this machine."""
    yield head(title)
    labels = [f"to {one.what or one.to}" for one in found]
    columns = min(40, max([24, *(len(label) + 2 for label in labels)]))
    for label, one in zip(labels, found, strict=True):
        yield from fact(label, _way(one), columns=columns)


def _way(one: Route) -> str:
    if one.problem:
        return f"no way: {one.problem}"
    parts = [f"from {one.source}"]
    parts += [f"on {one.interface}"] if one.interface else []
    parts += [f"by the router {one.gateway}"] if one.gateway else []
    return ", ".join(parts)
