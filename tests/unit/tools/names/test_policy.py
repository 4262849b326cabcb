from __future__ import annotations

from functools import cmp_to_key
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.tools.names import policy
from jackfield.tools.names.policy import GLIBC, RFC6724, Candidate, Policy, decide


def to(address: str, source: str | None, **more: bool | int) -> Candidate:
    own = None if source is None else ip_address(source)
    return Candidate(ip_address(address), own, **more)  # type: ignore[arg-type]  # as they are


# RFC 6724, section 10.2: destinations with the source of each; the first one comes first.
EXAMPLES = [
    (to("2001:db8:1::1", "2001:db8:1::2"), to("198.51.100.121", "169.254.13.78"), 2),
    (to("198.51.100.121", "198.51.100.117"), to("2001:db8:1::1", "fe80::1"), 2),
    (to("2001:db8:1::1", "2001:db8:1::2"), to("10.1.2.3", "10.1.2.4"), 6),
    (to("fe80::1", "fe80::2"), to("2001:db8:1::1", "2001:db8:1::2"), 8),
    (to("2001:db8:1::1", "2001:db8:1::2", home=True), to("2001:db8:3::1", "2001:db8:3::2"), 4),
    (to("2001:db8:1::1", "2001:db8:1::2"), to("fe80::1", "fe80::2", deprecated=True), 3),
    (to("2001:db8:1::1", "2001:db8:1::2"), to("2001:db8:3ffe::1", "2001:db8:3f44::2"), 9),
    (to("2002:c633:6401::1", "2002:c633:6401::2"), to("2001:db8:1::1", "2002:c633:6401::2"), 5),
    (to("2001:db8:1::1", "2001:db8:1::2"), to("2002:c633:6401::1", "2002:c633:6401::2"), 6),
    (to("192.0.2.1", "192.0.2.9"), to("2001:db8::1", None), 1),
    (to("2001:db8:1::1", "2001:db8:1::2"), to("2001:db8:1::1", "2001:db8:1::2", native=False), 7),
]


@pytest.mark.parametrize("tables", [GLIBC, RFC6724], ids=lambda tables: tables.name)
@pytest.mark.parametrize(("first", "second", "rule"), EXAMPLES)
def test_the_examples_of_the_rfc(
    tables: Policy, first: Candidate, second: Candidate, rule: int
) -> None:
    found = decide(tables, first, second)
    assert (found.order, found.rule) == (-1, rule)
    assert found.text
    turned = decide(tables, second, first)
    assert (turned.order, turned.rule) == (1, rule)


def test_the_tables_differ_where_the_rfcs_do() -> None:
    unique_local = ip_address("fd00::1")
    assert (GLIBC.precedence(unique_local), RFC6724.precedence(unique_local)) == (40, 3)
    assert (GLIBC.label(unique_local), RFC6724.label(unique_local)) == (6, 13)
    assert (
        GLIBC.precedence(IPv4Address("10.0.0.1")),
        RFC6724.precedence(IPv4Address("10.0.0.1")),
    ) == (10, 35)
    assert GLIBC.precedence(IPv6Address("::1")) == 50


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("127.0.0.1", 2),
        ("169.254.1.1", 2),
        ("10.0.0.1", 14),
        ("::1", 2),
        ("fe80::1%eth0", 2),
        ("fec0::1", 5),
        ("ff05::1", 5),
        ("fd00::1", 14),
        ("::ffff:127.0.0.1", 2),
    ],
)
def test_scopes(address: str, scope: int) -> None:
    assert GLIBC.scope(ip_address(address)) == scope


def test_ipv4_counts_common_bits_in_its_own_network_alone() -> None:
    near = to("192.0.2.7", "192.0.2.6", prefix=24)
    far = to("198.51.100.1", "192.0.2.6", prefix=24)
    assert policy.common(near, far) == (31, 0)
    assert decide(GLIBC, near, far).rule == 9
    other = to("203.0.113.1", "192.0.2.6", prefix=24)
    assert decide(GLIBC, far, other) == policy.Decision(0, 10, decide(GLIBC, far, other).text)


def test_a_configuration_replaces_the_lines_of_its_kind() -> None:
    text = (
        "# precedence ::1/128 1\nprecedence ::ffff:0:0/96  100 # IPv4 first\n"
        "label nonsense 3\nreload yes\nprecedence ::/0 x\nscopev4 ::ffff:10.0.0.0/104 5\n"
    )
    found = policy.configured(text, GLIBC)
    assert found.name == "/etc/gai.conf"
    assert found.precedence(IPv4Address("192.0.2.1")) == 100
    assert found.precedence(IPv6Address("::1")) == 1  # no other line is left
    assert found.labels == GLIBC.labels
    assert found.scope(IPv4Address("10.0.0.1")) == 5
    assert policy.configured("# nothing\n", GLIBC) is GLIBC


def test_a_configuration_has_a_bound() -> None:
    text = "label ::/0 1\n" * 10_000
    assert len(policy.configured(text, GLIBC).labels) == policy.MOST_RULES


addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from(
        [ip_address(text) for text in ("127.0.0.1", "169.254.1.1", "fe80::1", "fd00::1", "2002::1")]
    ),
)
candidates = st.builds(
    Candidate,
    addresses,
    st.one_of(st.none(), addresses),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 32),
)


@given(candidates, candidates, st.sampled_from([GLIBC, RFC6724]))
def test_two_addresses_are_in_one_order_whichever_is_asked_first(
    one: Candidate, other: Candidate, tables: Policy
) -> None:
    """decide(a, b) and decide(b, a) name the same rule, and the same one as the first."""
    found, turned = decide(tables, one, other), decide(tables, other, one)
    assert found.order == -turned.order
    assert found.rule == turned.rule
    assert 1 <= found.rule <= 10
    assert (found.rule == 10) == (found.order == 0)


@given(st.lists(candidates, max_size=6))
def test_what_is_sorted_by_the_rules_is_explained_by_them(found: list[Candidate]) -> None:
    """Addresses in the order of the rules are in an order that the rules explain."""
    same_family = [one for one in found if one.address.version == 6 and one.source]

    def compare(one: Candidate, other: Candidate) -> int:
        return decide(GLIBC, one, other).order

    assert policy.explained(GLIBC, sorted(same_family, key=cmp_to_key(compare)))
