from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net.access import Access, host_of, may_be_false, source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (("10.1.2.3", 80), "10.1.2.3"),
        (("::ffff:10.1.2.3", 80, 0, 0), "10.1.2.3"),
        (("fd00::1", 80, 0, 0), "fd00::/64"),
        (("2001:db8:1:2:3::4", 80, 0, 0), "2001:db8:1:2::/64"),
        (("::1", 80, 0, 0), "::1"),
        (("fe80::1%eth0", 80, 0, 2), "fe80::1"),
        ("/run/x.sock", ""),
        (None, ""),
    ],
    ids=str,
)
def test_what_per_source_limits_count_by(address: Any, source: str) -> None:
    assert source_of(host_of(address)) == source


@pytest.mark.parametrize(
    ("allow", "deny", "host", "permitted"),
    [
        ((), (), "192.0.2.1", True),
        (("192.0.2.0/24",), (), "192.0.2.1", True),
        (("192.0.2.0/24",), (), "198.51.100.1", False),
        (("192.0.2.0/24",), (), "2001:db8::1", False),
        (("2001:db8::/32",), (), "2001:db8::1", True),
        (("192.0.2.7",), (), "192.0.2.7", True),
        ((), ("192.0.2.0/24",), "192.0.2.1", False),
        ((), ("192.0.2.0/24",), "198.51.100.1", True),
        (("192.0.2.0/24",), ("192.0.2.128/25",), "192.0.2.1", True),
        (("192.0.2.0/24",), ("192.0.2.128/25",), "192.0.2.200", False),
        (("192.0.2.0/24",), (), "", True),
    ],
)
def test_who_may_connect(
    allow: tuple[str, ...], deny: tuple[str, ...], host: str, permitted: bool
) -> None:
    assert Access(allow, deny).permits(host) == permitted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "192.0.2.1/24",
            "'192.0.2.1/24' is no network: 192.0.2.1/24 has host bits set; write 192.0.2.0/24",
        ),
        (
            "here",
            (
                "'here' is no network: 'here' does not appear to be an IPv4 or IPv6 network; "
                "write 192.0.2.0/24 or 2001:db8::/32"
            ),
        ),
    ],
)
def test_what_is_no_network_is_said(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Access([text])
    assert str(caught.value) == problem
    with pytest.raises(ConfigurationError):
        Access(deny=[text])


def test_on_this_machine_no_address_is_false() -> None:
    assert [may_be_false(host) for host in ("127.9.9.9", "::1", "", "192.0.2.1")] == [
        False,
        False,
        False,
        True,
    ]
