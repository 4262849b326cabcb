from __future__ import annotations

import pytest

from jackfield.errors import NotationError
from jackfield.tools.addresses.networks import contains, joined, same, split
from jackfield.tools.addresses.notation import read


@pytest.mark.parametrize(
    ("first", "second", "common", "is_same", "agree"),
    [
        ("192.168.1.10/24", "192.168.1.20/24", 27, True, True),
        ("192.168.1.10/24", "192.168.2.20/24", 22, False, True),
        ("192.168.1.10/24", "192.168.2.20", 22, False, True),
        ("192.168.1.10", "192.168.2.20/22", 22, True, True),
        ("192.168.1.10", "192.168.2.20", 22, None, True),
        ("192.168.1.10/16", "192.168.2.20/24", 22, False, False),
        ("192.168.1.10/24", "192.168.1.20/26", 27, True, True),
        ("10.0.0.1/8", "10.0.0.1/8", 32, True, True),
        ("10.0.0.1/8", "192.168.0.1/8", 0, False, True),
        ("0.0.0.1/0", "255.0.0.1/0", 0, True, True),
        ("2001:db8::1/64", "2001:db8:0:1::1/64", 63, False, True),
        ("fe80::1%a/64", "fe80::1%b/64", 128, True, True),
        ("10.0.0.1/8", "::1", 0, False, True),
    ],
)
def test_on_one_network_or_not(
    first: str, second: str, common: int, is_same: bool | None, agree: bool
) -> None:
    found = same(read(first), read(second))
    assert (found.common, found.same, found.agree) == (common, is_same, agree)
    back = same(read(second), read(first))
    assert (back.common, back.same, back.agree) == (common, is_same, agree)


def test_each_sees_its_own_network() -> None:
    found = same(read("192.168.1.10/16"), read("192.168.2.20/24"))
    assert str(found.first_network) == "192.168.0.0/16"
    assert str(found.second_network) == "192.168.2.0/24"


@pytest.mark.parametrize(
    ("network", "into", "parts"),
    [
        ("10.0.0.0/24", "4", ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26", "10.0.0.192/26"]),
        ("192.168.1.9/24", "/25", ["192.168.1.0/25", "192.168.1.128/25"]),
        ("192.168.1.0/24", "/24", ["192.168.1.0/24"]),
        ("192.168.1.0/24", "1", ["192.168.1.0/24"]),
        ("2001:db8::/127", "2", ["2001:db8::/128", "2001:db8::1/128"]),
    ],
)
def test_split(network: str, into: str, parts: list[str]) -> None:
    found = split(read(network), into)
    assert list(map(str, found.parts())) == parts
    assert [str(found.part(number)) for number in range(found.count)] == parts


def test_a_split_costs_nothing_until_its_parts_are_asked_for() -> None:
    found = split(read("::/0"), "/128")
    assert found.count == 1 << 128
    assert str(next(found.parts())) == "::/128"
    assert str(found.part(found.count - 1)) == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"


@pytest.mark.parametrize(
    ("into", "part", "why"),
    [
        ("3", "3", "equal parts are 2, 4, 8… in number, a bit more each; take 4"),
        ("0", "0", "take 1"),
        ("512", "512", "192.168.1.0/24 has 256 addresses, too few for so many parts"),
        ("/23", "23", "parts of 192.168.1.0/24 have a length from /24 to /32"),
        ("/33", "33", "have a length from /24 to /32"),
        ("four", "four", "write the length of the parts, as /26, or how many"),
        ("-4", "-4", "write the length of the parts"),
        ("", "", "(nothing): write the length of the parts"),
        ("9" * 40, "9" * 40, "write the length of the parts"),
    ],
)
def test_what_cannot_be_split(into: str, part: str, why: str) -> None:
    with pytest.raises(NotationError) as caught:
        split(read("192.168.1.0/24"), into)
    assert why in str(caught.value)
    assert into[caught.value.start : caught.value.end] == part


@pytest.mark.parametrize(
    ("given", "networks", "addresses", "over", "more"),
    [
        (["192.0.2.0/25", "192.0.2.128/25"], ["192.0.2.0/24"], 256, ["192.0.2.0/24"], 0),
        (["10.0.0.0/24", "10.0.2.0/24"], ["10.0.0.0/24", "10.0.2.0/24"], 512, ["10.0.0.0/22"], 512),
        (["10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.0/8"], 1 << 24, ["10.0.0.0/8"], 0),
        (["10.0.0.1"], ["10.0.0.1/32"], 1, ["10.0.0.1/32"], 0),
        (["0.0.0.0/1", "128.0.0.0/1"], ["0.0.0.0/0"], 1 << 32, ["0.0.0.0/0"], 0),
        (["::1", "10.0.0.1", "::"], ["10.0.0.1/32", "::/127"], 3, ["10.0.0.1/32", "::/127"], 0),
    ],
)
def test_the_fewest_networks(
    given: list[str], networks: list[str], addresses: int, over: list[str], more: int
) -> None:
    found = joined(map(read, given))
    assert list(map(str, found.networks)) == networks
    assert list(map(str, found.over)) == over
    assert (found.addresses, found.more) == (addresses, more)


@pytest.mark.parametrize(
    ("network", "inner", "contained", "common"),
    [
        ("10.0.0.0/8", "10.1.2.3", True, 8),
        ("10.0.0.0/8", "10.0.0.0/8", True, 8),
        ("10.0.0.0/8", "11.0.0.0", False, 7),
        ("10.0.0.0/8", "0.0.0.0/0", False, 0),
        ("10.0.0.0/8", "10.0.0.0/7", False, 7),
        ("0.0.0.0/0", "255.255.255.255", True, 0),
        ("10.0.0.0/8", "::", False, 0),
        ("fe80::/10", "fe80::1%eth0", True, 10),
    ],
)
def test_contained_or_not(network: str, inner: str, contained: bool, common: int) -> None:
    found = contains(read(network), read(inner))
    assert (found.contained, found.common) == (contained, common)
