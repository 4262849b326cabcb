"""Addresses and networks: the laws, against the module ipaddress of the standard library."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv6Address,
    collapse_addresses,
    ip_address,
    ip_interface,
    ip_network,
)

from hypothesis import example, given
from hypothesis import strategies as st

from jackfield.errors import NotationError
from jackfield.tools.addresses.facts import facts
from jackfield.tools.addresses.networks import contains, joined, same, split
from jackfield.tools.addresses.notation import Address, Network, Written, read
from jackfield.tools.addresses.special import Reach

PIECES = [
    *("1", "255", "256", "0", "01", "a", "fe80", "::", ":", ".", "/", "24", "/64", "12345"),
    *("%eth0", "255.255.255.0", "0.0.0.255", "1.2.3.4", "::ffff:", "2001:db8", "-", " ", "\u0664"),
]
VALID = [
    *("192.168.1.1/24", "2001:db8::1/64", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4/128"),
    *("fe80::1%eth0/64", "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "::ffff:1.2.3.4"),
]

addresses = st.one_of(
    st.integers(0, (1 << 32) - 1).map(IPv4Address), st.integers(0, (1 << 128) - 1).map(IPv6Address)
)


@st.composite
def interfaces(draw: st.DrawFn) -> str:
    """An address with the length of a prefix."""
    address: Address = draw(addresses)
    return f"{address}/{draw(st.integers(0, address.max_prefixlen))}"


@st.composite
def nearly_right(draw: st.DrawFn) -> str:
    """What is right, with a piece put into it or taken out of it."""
    text: str = draw(st.one_of(st.sampled_from(VALID), interfaces()))
    at = draw(st.integers(0, len(text)))
    end = min(len(text), at + draw(st.integers(0, 3)))
    return text[:at] + draw(st.sampled_from(["", *PIECES])) + text[end:]


texts = st.one_of(
    nearly_right(),
    st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    st.text(max_size=30),
)


@given(texts)
@example("::%eth0/0")
@example("1:2:3:4:5:6:1.2.3.4/0128")
def test_what_is_read_is_what_ipaddress_reads(text: str) -> None:
    """A text is an address here if it is one there, with the same value and the same network."""
    found: Written | NotationError
    try:
        found = read(text)
    except NotationError as error:
        found = error
    try:
        theirs = ip_interface(text)
    except ValueError:
        assert isinstance(found, NotationError) or found.integer
        return
    if isinstance(found, NotationError):  # they take more as a zone, and zeros before a length
        length = text.rpartition("/")[2]
        assert "zone" in str(found) or "space" in str(found) or re.fullmatch("0+[0-9]{3}", length)
        return
    assert int(found.address) == int(theirs.ip)
    network, prefix = theirs.network.network_address, theirs.network.prefixlen
    assert (int(found.network.network_address), found.network.prefixlen) == (int(network), prefix)


@given(texts)
def test_an_error_points_into_the_text(text: str) -> None:
    """What is wrong is a part of the text, or the place behind it where something is missing."""
    try:
        read(text)
    except NotationError as raised:
        error = raised
    else:
        return
    assert error.value == text
    assert 0 <= error.start < error.end <= len(text) + 1
    assert "\n" not in str(error).removeprefix(text)


@given(addresses)
def test_every_form_of_an_address_is_the_same_address(address: Address) -> None:
    """Short, in full, and as an integer, where that is read as this version."""
    assert read(str(address)).address == address
    assert read(address.exploded).address == address
    if address.version == 4 or int(address) >= 1 << 32:
        assert read(str(int(address))).address == address
        assert read(hex(int(address))).address == address


@given(interfaces())
def test_facts_are_those_of_ipaddress(text: str) -> None:
    """Masks, ends, counts, hosts, reverse names and kinds are what ipaddress says."""
    theirs = ip_interface(text)
    found = facts(read(text))
    network = found.network
    assert network is not None
    assert (network.mask, network.wildcard) == (theirs.netmask, theirs.hostmask)
    assert network.count == theirs.network.num_addresses
    assert network.hosts == int(network.last) - int(network.first) + 1
    if network.count <= 64:
        hosts = list(theirs.network.hosts())
        assert (network.first, network.last, network.hosts) == (hosts[0], hosts[-1], len(hosts))
    if network.broadcast is not None:
        assert network.broadcast == theirs.network.broadcast_address
    assert int(found.bits, 2) == int(theirs.ip) == int(found.integer)
    assert found.full == theirs.ip.exploded
    assert found.reverse == theirs.ip.reverse_pointer
    kinds = {block.kind for block in found.kinds}
    assert ("loopback" in kinds) == theirs.ip.is_loopback
    assert ("link-local" in kinds) == theirs.ip.is_link_local
    assert ("unspecified" in kinds) == theirs.ip.is_unspecified
    assert any(kind.startswith("multicast") for kind in kinds - {"multicast relays"}) == (
        theirs.ip.is_multicast
    )


@given(addresses)
def test_what_is_not_routed_is_not_global(address: Address) -> None:
    """What ipaddress takes to be of one's own or reserved does not reach the Internet."""
    found = facts(read(str(address)))
    own = address in ip_network("fc00::/7") or any(
        address in ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    )
    if own or address.is_link_local or address.is_loopback or address.is_unspecified:
        assert found.reach is not Reach.GLOBAL


@given(interfaces(), interfaces())
def test_on_one_network_as_ipaddress_has_it(one: str, other: str) -> None:
    """Two are on one network if each is in the other's."""
    first, second = ip_interface(one), ip_interface(other)
    found = same(read(one), read(other))
    assert found.same == (first.ip in second.network and second.ip in first.network)
    if first.version == second.version:
        shared = f"{int(first.ip) ^ int(second.ip):0{first.max_prefixlen}b}"
        assert found.common == len(shared) - len(shared.lstrip("0"))


@given(interfaces(), st.integers(0, 6))
def test_parts_are_those_of_ipaddress(text: str, more: int) -> None:
    """Parts are what subnets() gives, and together the whole."""
    network: Network = ip_interface(text).network
    length = min(network.max_prefixlen, network.prefixlen + more)
    found = split(read(text), f"/{length}")
    parts = list(found.parts())
    assert parts == list(network.subnets(new_prefix=length))
    assert parts == [found.part(number) for number in range(found.count)]
    assert list(collapse_addresses(parts)) == [network]  # type: ignore[type-var]  # of one version
    assert split(read(text), str(found.count)) == found


@given(st.lists(interfaces(), min_size=1, max_size=8))
def test_the_sum_has_just_what_was_given(texts: list[str]) -> None:
    """The sum is what collapse_addresses() gives, and lies in the network over it."""
    found = joined(map(read, texts))
    for version in (4, 6):
        given_ = [ip_interface(one).network for one in texts]
        mine = [one for one in found.networks if one.version == version]
        theirs = [one for one in given_ if one.version == version]
        assert mine == list(collapse_addresses(theirs))  # type: ignore[type-var]  # of one version
    for one in found.networks:
        (over,) = (over for over in found.over if over.version == one.version)
        assert one.subnet_of(over)  # type: ignore[arg-type]  # of one version
    assert found.more == sum(over.num_addresses for over in found.over) - found.addresses


@given(interfaces(), interfaces())
def test_containing_as_ipaddress_has_it(one: str, other: str) -> None:
    """A network holds another if that is a subnet of it."""
    outer, inner = ip_interface(one).network, ip_interface(other).network
    found = contains(read(one), read(other))
    wanted = outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version
    assert found.contained == wanted
    assert (ip_address(inner.network_address) in outer) or not wanted
