"""All that can be said of one address and of its network, without asking anybody.

Standards: RFC 791 (classes), RFC 4632 (CIDR, which ended them), RFC 3021 (/31), RFC 6164 (/127),
RFC 4291 (IPv6: subnet-router anycast, EUI-64, scopes), RFC 7346 (scopes), RFC 1035 section 3.5 and
RFC 3596 (reverse names), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 6052 (NAT64), RFC 5214 (ISATAP).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from jackfield.tools.addresses.notation import Address, Length, Network, Written
from jackfield.tools.addresses.special import Block, Reach, blocks


@dataclass(frozen=True, slots=True)
class Class:
    """A class of IPv4 addresses, as they were until 1993."""

    name: str
    first: IPv4Address
    last: IPv4Address
    length: int | None
    """Bits of its networks' prefixes; None where there were no networks."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network, and what its addresses are for."""

    network: Network
    length: int
    mask: Address
    wildcard: Address
    """The bits of the mask turned round, as access lists of routers have them."""
    length_as: Length
    first: Address
    """The first address for a host."""
    last: Address
    """The last one."""
    broadcast: IPv4Address | None
    """None in IPv6, and in IPv4 where there is no room for one."""
    anycast: IPv6Address | None
    """Of IPv6: where the nearest router of the network answers; None in a /127 and a /128."""
    count: int
    """All addresses."""
    hosts: int
    """Addresses for hosts."""
    role: str
    """What the address is in it: `host`, `network`, `broadcast` or `anycast`."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Something else that an address holds."""

    what: str
    value: str


@dataclass(frozen=True, slots=True)
class Facts:
    """An address, explained."""

    text: str
    """As it was written."""
    address: Address
    """In the shortest form; IPv6 as RFC 5952 has it."""
    full: str
    """With every digit."""
    version: int
    zone: str
    """The interface on which it is meant; "" where none was written."""
    historic_class: Class | None
    """None for IPv6."""
    kinds: tuple[Block, ...]
    """The blocks it is in, the narrowest first."""
    reach: Reach
    scope: str
    """Of a multicast group of IPv6: how far it goes, and who has chosen it."""
    network: NetworkFacts | None
    """None where no length was written."""
    as_mask: int | None
    """What an IPv4 address would be as a mask, where it looks like one: bits of a prefix."""
    bits: str
    """32 or 128 of them."""
    integer: str
    """The address as one number: its digits, since many programs round what has more than 15."""
    from_integer: bool
    """Whether it was written as one."""
    reverse: str
    """The name under which DNS keeps the address' name."""
    embedded: tuple[Embedded, ...]


def facts(written: Written) -> Facts:
    """Explain an address, and the network if its length was written."""
    address = written.address
    number = int(address)
    plain = type(address)(number)
    kinds = blocks(address)
    group = isinstance(plain, IPv6Address) and plain.is_multicast
    scope = number >> 112 & 15
    return Facts(
        text=written.text,
        address=address,
        full=plain.exploded,
        version=address.version,
        zone=getattr(address, "scope_id", None) or "",
        historic_class=_class_of(address) if isinstance(address, IPv4Address) else None,
        kinds=kinds,
        reach=_SCOPES.get(scope, _NO_SCOPE)[0] if group else kinds[0].reach,
        scope=_scope(number) if group else "",
        network=None if written.length is None else _network(written),
        as_mask=_as_mask(written),
        bits=f"{number:0{address.max_prefixlen}b}",
        integer=str(number),
        from_integer=written.integer,
        reverse=plain.reverse_pointer,
        embedded=tuple(_embedded(plain)) if isinstance(plain, IPv6Address) else (),
    )


_CLASSES = (
    Class("A", IPv4Address("0.0.0.0"), IPv4Address("127.255.255.255"), 8),
    Class("B", IPv4Address("128.0.0.0"), IPv4Address("191.255.255.255"), 16),
    Class("C", IPv4Address("192.0.0.0"), IPv4Address("223.255.255.255"), 24),
    Class("D", IPv4Address("224.0.0.0"), IPv4Address("239.255.255.255"), None),
    Class("E", IPv4Address("240.0.0.0"), IPv4Address("255.255.255.255"), None),
)


def _class_of(address: IPv4Address) -> Class:
    return next(one for one in _CLASSES if address <= one.last)


def _as_mask(written: Written) -> int | None:
    """Give the length for which an address would be the mask; None for what does not look so."""
    ones = f"{int(written.address):032b}".rstrip("0")
    is_alone = written.length is None and written.address.version == 4
    return len(ones) if is_alone and len(ones) >= _SHORTEST_MASK and "0" not in ones else None


_SHORTEST_MASK = 8  # bits; 128.0.0.0 and its kin are rather meant as addresses


def _network(written: Written) -> NetworkFacts:
    """Say what the addresses of a network are for."""
    network, number = written.network, int(written.address)
    kind = IPv4Address if network.version == 4 else IPv6Address
    first, last = int(network.network_address), int(network.broadcast_address)
    low, high = first, last
    broadcast: IPv4Address | None = None
    anycast: IPv6Address | None = None
    if network.max_prefixlen - network.prefixlen > 1:
        low += 1
        if isinstance(network, IPv4Network):
            high -= 1
            broadcast = network.broadcast_address
        else:
            anycast = network.network_address
    role = "host"
    if not low <= number <= high:
        role = "broadcast" if number > high else "anycast" if anycast else "network"
    return NetworkFacts(
        network=network,
        length=network.prefixlen,
        mask=network.netmask,
        wildcard=network.hostmask,
        length_as=written.length_as,
        first=kind(low),
        last=kind(high),
        broadcast=broadcast,
        anycast=anycast,
        count=network.num_addresses,
        hosts=high - low + 1,
        role=role,
    )


# RFC 7346
_SCOPES = {
    1: (Reach.HOST, "interface-local"),
    2: (Reach.LINK, "link-local"),
    3: (Reach.PRIVATE, "realm-local"),
    4: (Reach.PRIVATE, "admin-local"),
    5: (Reach.PRIVATE, "site-local"),
    8: (Reach.PRIVATE, "organization-local"),
    14: (Reach.GLOBAL, "global"),
}
_NO_SCOPE = (Reach.NOWHERE, "not assigned")


def _scope(number: int) -> str:
    scope, transient = number >> 112 & 15, number >> 116 & 1
    _, words = _SCOPES.get(scope, _NO_SCOPE)
    return f"{words} ({scope:x}), {'chosen freely' if transient else 'assigned by IANA'}"


_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def _embedded(address: IPv6Address) -> Iterator[Embedded]:
    """Find what else the bits of an IPv6 address hold."""
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    interface = address.packed[8:]
    if address.ipv4_mapped:
        yield Embedded("IPv4", str(address.ipv4_mapped))
    elif address.sixtofour:
        yield Embedded("IPv4 of the router", str(address.sixtofour))
    elif address.teredo:
        server, client = address.teredo
        port = int(address) >> 32 & 0xFFFF ^ 0xFFFF
        yield Embedded("Teredo server", str(server))
        yield Embedded("client behind NAT", f"{client}, UDP port {port}")
        return  # the rest is no identifier of an interface
    elif address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        yield Embedded("IPv4", str(low))
    if address.is_multicast:
        return
    if interface[:4] in {b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"}:
        yield Embedded("IPv4, by ISATAP", str(low))
    elif interface[3:5] == b"\xff\xfe":
        first = interface[0] ^ 2
        mac = bytes([first]) + interface[1:3] + interface[5:]
        yield Embedded("MAC, by EUI-64", mac.hex(":"))
