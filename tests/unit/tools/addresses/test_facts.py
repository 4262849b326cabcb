from __future__ import annotations

import pytest

from jackfield.tools.addresses.facts import Facts, facts
from jackfield.tools.addresses.notation import read
from jackfield.tools.addresses.special import Reach, blocks


def of(text: str) -> Facts:
    return facts(read(text))


@pytest.mark.parametrize(
    ("text", "name", "first", "last", "length"),
    [
        ("0.0.0.0", "A", "0.0.0.0", "127.255.255.255", 8),
        ("127.255.255.255", "A", "0.0.0.0", "127.255.255.255", 8),
        ("128.0.0.0", "B", "128.0.0.0", "191.255.255.255", 16),
        ("191.255.255.255", "B", "128.0.0.0", "191.255.255.255", 16),
        ("192.0.0.0", "C", "192.0.0.0", "223.255.255.255", 24),
        ("223.255.255.255", "C", "192.0.0.0", "223.255.255.255", 24),
        ("224.0.0.0", "D", "224.0.0.0", "239.255.255.255", None),
        ("240.0.0.0", "E", "240.0.0.0", "255.255.255.255", None),
        ("255.255.255.255", "E", "240.0.0.0", "255.255.255.255", None),
    ],
)
def test_the_class(text: str, name: str, first: str, last: str, length: int | None) -> None:
    found = of(text).historic_class
    assert found is not None
    assert (found.name, str(found.first), str(found.last), found.length) == (
        *(name, first, last),
        length,
    )
    # The class is in the first bits: 0, 10, 110, 1110, 1111.
    start = {"A": "0", "B": "10", "C": "110", "D": "1110", "E": "1111"}[name]
    assert of(text).bits.startswith(start)


def test_ipv6_has_no_classes() -> None:
    assert of("::1").historic_class is None


@pytest.mark.parametrize(
    ("text", "kind", "rfc", "reach"),
    [
        ("8.8.8.8", "global", "RFC 791", Reach.GLOBAL),
        ("0.0.0.0", "unspecified", "RFC 1122", Reach.NOWHERE),
        ("0.1.2.3", "this network", "RFC 791", Reach.NOWHERE),
        ("10.255.0.1", "private", "RFC 1918", Reach.PRIVATE),
        ("172.31.255.255", "private", "RFC 1918", Reach.PRIVATE),
        ("172.32.0.0", "global", "RFC 791", Reach.GLOBAL),
        ("100.64.0.1", "shared (CGN)", "RFC 6598", Reach.PRIVATE),
        ("100.128.0.0", "global", "RFC 791", Reach.GLOBAL),
        ("127.8.9.1", "loopback", "RFC 1122", Reach.HOST),
        ("169.254.1.1", "link-local", "RFC 3927", Reach.LINK),
        ("192.0.0.8", "dummy", "RFC 7600", Reach.NOWHERE),
        ("192.0.0.9", "anycast", "RFC 7723", Reach.GLOBAL),
        ("192.0.0.100", "protocol assignments", "RFC 6890", Reach.PRIVATE),
        ("192.0.0.171", "NAT64 discovery", "RFC 8880", Reach.NOWHERE),
        ("203.0.113.77", "documentation", "RFC 5737", Reach.NOWHERE),
        ("198.19.255.255", "benchmarking", "RFC 2544", Reach.PRIVATE),
        ("224.0.0.251", "multicast, link-local", "RFC 5771", Reach.LINK),
        ("239.1.1.1", "multicast, private", "RFC 2365", Reach.PRIVATE),
        ("230.0.0.1", "multicast", "RFC 5771", Reach.GLOBAL),
        ("250.0.0.1", "reserved", "RFC 1112", Reach.NOWHERE),
        ("255.255.255.255", "broadcast", "RFC 919", Reach.LINK),
        ("::", "unspecified", "RFC 4291", Reach.NOWHERE),
        ("::1", "loopback", "RFC 4291", Reach.HOST),
        ("2a00::1", "global", "RFC 4291", Reach.GLOBAL),
        ("4000::1", "not assigned", "RFC 4291", Reach.NOWHERE),
        ("2001:db8::1", "documentation", "RFC 3849", Reach.NOWHERE),
        ("3fff:fff::1", "documentation", "RFC 9637", Reach.NOWHERE),
        ("fd00::1", "unique local", "RFC 4193", Reach.PRIVATE),
        ("fe80::1%eth0", "link-local", "RFC 4291", Reach.LINK),
        ("fec0::1", "deprecated", "RFC 3879", Reach.NOWHERE),
        ("64:ff9b::808:808", "NAT64", "RFC 6052", Reach.GLOBAL),
        ("ff01::1", "multicast", "RFC 4291", Reach.HOST),
        ("ff02::1", "multicast", "RFC 4291", Reach.LINK),
        ("ff05::2", "multicast", "RFC 4291", Reach.PRIVATE),
        ("ff1e::2", "multicast", "RFC 4291", Reach.GLOBAL),
        ("ff0f::2", "multicast", "RFC 4291", Reach.NOWHERE),
        ("ff02::1:ff00:1", "multicast, solicited node", "RFC 4291", Reach.LINK),
    ],
)
def test_the_kind(text: str, kind: str, rfc: str, reach: Reach) -> None:
    found = of(text)
    assert (found.kinds[0].kind, found.kinds[0].rfc, found.reach) == (kind, rfc, reach)
    lengths = [block.network.prefixlen for block in found.kinds]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 0


@pytest.mark.parametrize("text", ["0.0.0.0", "::"])
def test_every_address_is_of_some_kind(text: str) -> None:
    for bits in range(129 if ":" in text else 33):
        address = type(read(text).address)((1 << bits) - 1)
        assert blocks(address)


def test_the_scope_of_a_group() -> None:
    assert of("ff02::1").scope == "link-local (2), assigned by IANA"
    assert of("ff15::1").scope == "site-local (5), chosen freely"
    assert of("ff0b::1").scope == "not assigned (b), assigned by IANA"
    assert of("fe80::1").scope == ""


OF_24 = ("192.168.1.1", "192.168.1.254", "192.168.1.255", "None", 256, 254)
OF_64 = (
    "2001:db8::1",
    "2001:db8::ffff:ffff:ffff:ffff",
    "None",
    "2001:db8::",
    1 << 64,
    (1 << 64) - 1,
)
ALL = ("0.0.0.1", "255.255.255.254", "255.255.255.255", "None", 1 << 32, (1 << 32) - 2)


@pytest.mark.parametrize(
    ("text", "wanted", "role"),
    [
        ("192.168.1.10/24", OF_24, "host"),
        ("192.168.1.0/24", OF_24, "network"),
        ("192.168.1.255/24", OF_24, "broadcast"),
        ("192.0.2.1/30", ("192.0.2.1", "192.0.2.2", "192.0.2.3", "None", 4, 2), "host"),
        ("192.0.2.0/31", ("192.0.2.0", "192.0.2.1", "None", "None", 2, 2), "host"),
        ("192.0.2.7/32", ("192.0.2.7", "192.0.2.7", "None", "None", 1, 1), "host"),
        ("0.0.0.0/0", ALL, "network"),
        ("2001:db8::1/64", OF_64, "host"),
        ("2001:db8::/64", OF_64, "anycast"),
        ("2001:db8::/127", ("2001:db8::", "2001:db8::1", "None", "None", 2, 2), "host"),
        ("2001:db8::/128", ("2001:db8::", "2001:db8::", "None", "None", 1, 1), "host"),
    ],
)
def test_the_network(text: str, wanted: tuple[str, str, str, str, int, int], role: str) -> None:
    """First host, last host, broadcast, anycast, count of all and of hosts."""
    found = of(text).network
    assert found is not None
    places = (found.first, found.last, found.broadcast, found.anycast)
    assert (*map(str, places), found.count, found.hosts) == wanted
    assert found.role == role


def test_mask_and_wildcard() -> None:
    found = of("10.1.2.3/20").network
    assert found is not None
    assert (str(found.mask), str(found.wildcard)) == ("255.255.240.0", "0.0.15.255")


def test_an_address_alone_has_no_network() -> None:
    assert of("10.1.2.3").network is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("::ffff:192.0.2.1", [("IPv4", "192.0.2.1")]),
        ("64:ff9b::c000:201", [("IPv4", "192.0.2.1")]),
        ("::192.0.2.1", [("IPv4", "192.0.2.1")]),
        ("::1", []),
        ("::", []),
        ("2002:c000:201::1", [("IPv4 of the router", "192.0.2.1")]),
        (
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # the example of many a page on Teredo
            [
                ("Teredo server", "65.54.227.120"),
                ("client behind NAT", "192.0.2.45, UDP port 40000"),
            ],
        ),
        ("fe80::fc:ff:fe00:1", [("MAC, by EUI-64", "02:fc:00:00:00:01")]),
        # RFC 4291, appendix A: 34-56-78-9A-BC-DE
        ("fe80::3656:78ff:fe9a:bcde", [("MAC, by EUI-64", "34:56:78:9a:bc:de")]),
        ("fe80::5efe:c000:201", [("IPv4, by ISATAP", "192.0.2.1")]),
        ("fe80::200:5efe:c000:201", [("IPv4, by ISATAP", "192.0.2.1")]),
        ("2001:db8::1", []),
        ("ff02::fc:ff:fe00:1", []),
        ("192.0.2.1", []),
    ],
)
def test_what_else_an_address_holds(text: str, holds: list[tuple[str, str]]) -> None:
    assert [(one.what, one.value) for one in of(text).embedded] == holds


def test_an_integer_and_back() -> None:
    found = of("3232235786")
    assert (str(found.address), found.from_integer) == ("192.168.1.10", True)
    assert of("192.168.1.10").integer == "3232235786"


def test_a_zone_is_no_part_of_what_is_said_of_the_rest() -> None:
    found = of("fe80::1%eth0/64")
    assert found.zone == "eth0"
    assert found.full == "fe80:0000:0000:0000:0000:0000:0000:0001"
    assert found.reverse == of("fe80::1").reverse
    assert str(found.network.network) == "fe80::/64"  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("255.255.255.0", 24),
        ("255.0.0.0", 8),
        ("255.255.255.255", 32),
        ("254.0.0.0", None),
        ("255.0.255.0", None),
        ("255.255.255.0/24", None),
        ("::", None),
        ("ffff::", None),
    ],
)
def test_what_looks_like_a_mask_is_told(text: str, length: int | None) -> None:
    assert of(text).as_mask == length
