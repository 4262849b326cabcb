"""What kind of address one is, by the registries of IANA.

IANA's Special-Purpose Address Registries (RFC 6890, as changed by RFC 8190) for IPv4 and IPv6, the
registries of multicast addresses (RFC 5771, RFC 4291 section 2.7), and what RFC 4291 and its
followers say of the rest. As of 2025-10.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from jackfield.tools.addresses.notation import Address

Network = IPv4Network | IPv6Network


class Reach(Enum):
    """How far packets to an address go."""

    HOST = "host"
    """They do not leave the machine."""
    LINK = "link"
    """To what is on the same link; no router forwards them."""
    PRIVATE = "private"
    """Within networks that agree on it; not through the Internet."""
    GLOBAL = "global"
    """Through the Internet."""
    NOWHERE = "nowhere"
    """No packet is to have it as its destination."""


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses that are of one kind."""

    network: Network
    kind: str
    """In a few words."""
    name: str
    """As the registry calls it."""
    rfc: str
    """Where it is defined."""
    reach: Reach
    words: str
    """What it is for, in a sentence."""


def blocks(address: Address) -> tuple[Block, ...]:
    """Give the blocks that an address is in, the narrowest first: one at the least."""
    table = _IPV4 if address.version == 4 else _IPV6
    plain = type(address)(int(address))  # without its zone
    return tuple(block for block in table if plain in block.network)


def _table(rows: list[tuple[str, str, str, str, Reach, str]]) -> tuple[Block, ...]:
    found = [Block(ip_network(network), *more) for network, *more in rows]  # type: ignore[arg-type]  # as Block has them
    return tuple(sorted(found, key=lambda block: -block.network.prefixlen))


HOST, LINK, PRIVATE, GLOBAL, NOWHERE = Reach

_OWN = "for networks of one's own; many have the same addresses, and reach the Internet by NAT"
_EXAMPLE = "for examples in books and manuals; nobody has it"
_AS112 = "servers that answer what is asked by mistake about private addresses"

_IPV4 = _table(
    [
        ("0.0.0.0/0", "global", "Unicast", "RFC 791", GLOBAL, "given to one owner in the Internet"),
        ("0.0.0.0/8", "this network", "This network", "RFC 791", NOWHERE, "a host's own network"),
        (
            "0.0.0.0/32",
            "unspecified",
            "This host on this network",
            "RFC 1122",
            NOWHERE,
            "no address yet; where a server listens, all addresses of its machine",
        ),
        ("10.0.0.0/8", "private", "Private-Use", "RFC 1918", PRIVATE, _OWN),
        (
            "100.64.0.0/10",
            "shared (CGN)",
            "Shared Address Space",
            "RFC 6598",
            PRIVATE,
            "between a provider and its customers, where the provider does NAT (carrier-grade NAT)",
        ),
        (
            "127.0.0.0/8",
            "loopback",
            "Loopback",
            "RFC 1122",
            HOST,
            "this machine itself; what is sent there never leaves it",
        ),
        (
            "169.254.0.0/16",
            "link-local",
            "Link Local",
            "RFC 3927",
            LINK,
            "chosen by a host itself where no DHCP server answered; good on one link",
        ),
        ("172.16.0.0/12", "private", "Private-Use", "RFC 1918", PRIVATE, _OWN),
        (
            "192.0.0.0/24",
            "protocol assignments",
            "IETF Protocol Assignments",
            "RFC 6890",
            PRIVATE,
            "kept for protocols of the IETF",
        ),
        (
            "192.0.0.0/29",
            "IPv4 over IPv6",
            "IPv4 Service Continuity Prefix",
            "RFC 7335",
            PRIVATE,
            "a host's IPv4 end where the network has IPv6 alone (464XLAT, DS-Lite)",
        ),
        (
            "192.0.0.8/32",
            "dummy",
            "IPv4 dummy address",
            "RFC 7600",
            NOWHERE,
            "the source of error messages that a router without IPv4 address sends",
        ),
        (
            "192.0.0.9/32",
            "anycast",
            "Port Control Protocol Anycast",
            "RFC 7723",
            GLOBAL,
            "the nearest NAT that opens ports when asked",
        ),
        (
            "192.0.0.10/32",
            "anycast",
            "Traversal Using Relays around NAT Anycast",
            "RFC 8155",
            GLOBAL,
            "the nearest relay for calls that NAT would stop",
        ),
        (
            "192.0.0.170/31",
            "NAT64 discovery",
            "NAT64/DNS64 Discovery",
            "RFC 8880",
            NOWHERE,
            "what ipv4only.arpa stands for: by it a host finds out about NAT64",
        ),
        ("192.0.2.0/24", "documentation", "TEST-NET-1", "RFC 5737", NOWHERE, _EXAMPLE),
        ("192.31.196.0/24", "AS112", "AS112-v4", "RFC 7535", GLOBAL, _AS112),
        (
            "192.52.193.0/24",
            "multicast relays",
            "AMT",
            "RFC 7450",
            GLOBAL,
            "the nearest relay that brings multicast to networks without it",
        ),
        (
            "192.88.99.0/24",
            "deprecated",
            "6to4 Relay Anycast",
            "RFC 7526",
            GLOBAL,
            "once the nearest relay between 6to4 and IPv6",
        ),
        ("192.168.0.0/16", "private", "Private-Use", "RFC 1918", PRIVATE, _OWN),
        ("192.175.48.0/24", "AS112", "Direct Delegation AS112 Service", "RFC 7534", GLOBAL, _AS112),
        (
            "198.18.0.0/15",
            "benchmarking",
            "Benchmarking",
            "RFC 2544",
            PRIVATE,
            "for measuring network devices in a lab",
        ),
        ("198.51.100.0/24", "documentation", "TEST-NET-2", "RFC 5737", NOWHERE, _EXAMPLE),
        ("203.0.113.0/24", "documentation", "TEST-NET-3", "RFC 5737", NOWHERE, _EXAMPLE),
        (
            "224.0.0.0/4",
            "multicast",
            "Multicast",
            "RFC 5771",
            GLOBAL,
            "a group: whoever has joined it gets what is sent there",
        ),
        (
            "224.0.0.0/24",
            "multicast, link-local",
            "Local Network Control Block",
            "RFC 5771",
            LINK,
            "groups of routing and discovery on one link, such as 224.0.0.251 of mDNS",
        ),
        (
            "232.0.0.0/8",
            "multicast, of one source",
            "Source-Specific Multicast Block",
            "RFC 4607",
            GLOBAL,
            "groups that are joined together with the address of who sends",
        ),
        (
            "233.0.0.0/8",
            "multicast, GLOP",
            "GLOP Block",
            "RFC 3180",
            GLOBAL,
            "groups whose middle octets are the number of the autonomous system that owns them",
        ),
        ("233.252.0.0/24", "documentation", "MCAST-TEST-NET", "RFC 6676", NOWHERE, _EXAMPLE),
        (
            "239.0.0.0/8",
            "multicast, private",
            "Administratively Scoped Block",
            "RFC 2365",
            PRIVATE,
            "groups of one's own, that do not leave one's networks",
        ),
        (
            "240.0.0.0/4",
            "reserved",
            "Reserved",
            "RFC 1112",
            NOWHERE,
            "never given out; most systems refuse it",
        ),
        (
            "255.255.255.255/32",
            "broadcast",
            "Limited Broadcast",
            "RFC 919",
            LINK,
            "all hosts on this link",
        ),
    ]
)

_IPV6 = _table(
    [
        (
            "::/0",
            "not assigned",
            "Reserved by IETF",
            "RFC 4291",
            NOWHERE,
            "outside of what is given out today, which is 2000::/3",
        ),
        (
            "2000::/3",
            "global",
            "Global Unicast",
            "RFC 4291",
            GLOBAL,
            "given to one owner in the Internet",
        ),
        (
            "::/128",
            "unspecified",
            "Unspecified Address",
            "RFC 4291",
            NOWHERE,
            "no address yet; where a server listens, all addresses of its machine",
        ),
        (
            "::1/128",
            "loopback",
            "Loopback Address",
            "RFC 4291",
            HOST,
            "this machine itself; what is sent there never leaves it",
        ),
        (
            "::/96",
            "deprecated",
            "IPv4-Compatible IPv6 Address",
            "RFC 4291",
            NOWHERE,
            "once an IPv4 address behind 96 zeros; nobody uses it",
        ),
        (
            "::ffff:0:0/96",
            "IPv4-mapped",
            "IPv4-mapped Address",
            "RFC 4291",
            NOWHERE,
            "an IPv4 address as programs see it on an IPv6 socket; never on a wire",
        ),
        (
            "64:ff9b::/96",
            "NAT64",
            "IPv4-IPv6 Translat.",
            "RFC 6052",
            GLOBAL,
            "an IPv4 address, for hosts with IPv6 alone; a translator stands between",
        ),
        (
            "64:ff9b:1::/48",
            "NAT64, private",
            "IPv4-IPv6 Translat.",
            "RFC 8215",
            PRIVATE,
            "the same, within one's own networks",
        ),
        (
            "100::/64",
            "discard",
            "Discard-Only Address Block",
            "RFC 6666",
            PRIVATE,
            "routers drop what is sent there: for floods that are to end",
        ),
        (
            "100:0:0:1::/64",
            "dummy",
            "Dummy IPv6 Prefix",
            "RFC 9780",
            NOWHERE,
            "stands where a message needs some address and none is meant",
        ),
        (
            "2001::/23",
            "protocol assignments",
            "IETF Protocol Assignments",
            "RFC 2928",
            PRIVATE,
            "kept for protocols of the IETF",
        ),
        (
            "2001::/32",
            "Teredo",
            "TEREDO",
            "RFC 4380",
            GLOBAL,
            "IPv6 through IPv4 and NAT by UDP, of old; it holds the IPv4 addresses of both ends",
        ),
        (
            "2001:1::1/128",
            "anycast",
            "Port Control Protocol Anycast",
            "RFC 7723",
            GLOBAL,
            "the nearest NAT or firewall that opens ports when asked",
        ),
        (
            "2001:1::2/128",
            "anycast",
            "Traversal Using Relays around NAT Anycast",
            "RFC 8155",
            GLOBAL,
            "the nearest relay for calls that NAT would stop",
        ),
        (
            "2001:1::3/128",
            "anycast",
            "DNS-SD Service Registration Protocol Anycast",
            "RFC 9665",
            GLOBAL,
            "where devices register the services they offer",
        ),
        (
            "2001:2::/48",
            "benchmarking",
            "Benchmarking",
            "RFC 5180",
            PRIVATE,
            "for measuring network devices in a lab",
        ),
        (
            "2001:3::/32",
            "multicast relays",
            "AMT",
            "RFC 7450",
            GLOBAL,
            "the nearest relay that brings multicast to networks without it",
        ),
        ("2001:4:112::/48", "AS112", "AS112-v6", "RFC 7535", GLOBAL, _AS112),
        (
            "2001:10::/28",
            "deprecated",
            "Deprecated (previously ORCHID)",
            "RFC 4843",
            NOWHERE,
            "once the hash of a host's key, in place of an address",
        ),
        (
            "2001:20::/28",
            "ORCHID",
            "ORCHIDv2",
            "RFC 7343",
            GLOBAL,
            "the hash of a host's key, in place of an address; nothing is routed by it",
        ),
        (
            "2001:30::/28",
            "drone identity",
            "Drone Remote ID Protocol Entity Tags (DETs) Prefix",
            "RFC 9374",
            GLOBAL,
            "the hash of the key of an aircraft without crew",
        ),
        ("2001:db8::/32", "documentation", "Documentation", "RFC 3849", NOWHERE, _EXAMPLE),
        (
            "2002::/16",
            "6to4",
            "6to4",
            "RFC 3056",
            GLOBAL,
            "IPv6 through IPv4, of old; it holds the IPv4 address of its network's router",
        ),
        (
            "2620:4f:8000::/48",
            "AS112",
            "Direct Delegation AS112 Service",
            "RFC 7534",
            GLOBAL,
            _AS112,
        ),
        ("3fff::/20", "documentation", "Documentation", "RFC 9637", NOWHERE, _EXAMPLE),
        (
            "5f00::/16",
            "segment routing",
            "Segment Routing (SRv6) SIDs",
            "RFC 9602",
            PRIVATE,
            "steps on a packet's way, within one network",
        ),
        (
            "fc00::/7",
            "unique local",
            "Unique-Local",
            "RFC 4193",
            PRIVATE,
            "for networks of one's own; after fd come 40 bits by chance, so no two have the same",
        ),
        (
            "fe80::/10",
            "link-local",
            "Link-Local Unicast",
            "RFC 4291",
            LINK,
            "every interface has one; good on one link, so %ZONE tells on which, as %eth0",
        ),
        (
            "fec0::/10",
            "deprecated",
            "Site-Local Unicast",
            "RFC 3879",
            NOWHERE,
            "once private addresses; unique local ones took their place",
        ),
        (
            "ff00::/8",
            "multicast",
            "Multicast",
            "RFC 4291",
            GLOBAL,
            "a group: whoever has joined it gets what is sent there",
        ),
        (
            "ff02::1:ff00:0/104",
            "multicast, solicited node",
            "Solicited-Node",
            "RFC 4291",
            LINK,
            "hosts whose address ends in these 24 bits: by it they are asked for their MAC",
        ),
    ]
)
