from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.net import netlink
from jackfield.net.interfaces import Interface, interfaces
from jackfield.tools.addresses import routes as module
from jackfield.tools.addresses.routes import INTERNET, read_route, route, routes
from tests.unit.net.machine import needs_ipv6


def told_by_ip(to: str) -> tuple[str, str, str] | None:
    """What `ip route get` says: source, interface and gateway."""
    done = subprocess.run(
        ["ip", "-json", "route", "get", to], capture_output=True, timeout=30, check=False
    )
    if done.returncode:
        return None
    row = json.loads(done.stdout)[0]
    return row.get("prefsrc", ""), row.get("dev", ""), row.get("gateway", "")


@pytest.mark.parametrize(
    "to", ["127.0.0.1", "127.9.9.9", str(INTERNET[0]), "10.1.2.3", "224.0.0.251"]
)
def test_a_way_is_the_one_that_ip_tells(to: str) -> None:
    found = route(ip_address(to))
    theirs = told_by_ip(to)
    if theirs is None:
        assert found.problem
        assert found.source is None
    else:
        assert found.problem == ""
        assert (str(found.source), found.interface, str(found.gateway or "")) == theirs


@needs_ipv6
def test_a_way_within_this_machine() -> None:
    found = route(IPv6Address("::1"), "here")
    assert (found.what, found.source, found.gateway) == ("here", IPv6Address("::1"), None)
    assert found.interface == next(one.name for one in interfaces() if one.loopback)


def test_a_link_local_address_needs_its_interface() -> None:
    found = route(IPv6Address("fe80::1"))
    assert found.problem == "a link-local address needs its interface, as fe80::1%eth0"
    found = route(IPv6Address("fe80::1%nope"))
    assert found.problem == "this machine has no interface nope (ENODEV)"


def test_no_way_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(socket.socket):
        def connect(self, address: object, /) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Cut)
    found = route(IPv4Address("192.0.2.1"))
    assert found.problem == "network unreachable (ENETUNREACH)"
    assert found.source is None


def test_without_netlink_the_source_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    found = route(IPv4Address("127.0.0.1"))
    assert (found.source, found.interface) == (IPv4Address("127.0.0.1"), "")
    assert found.problem == ""


def test_an_answer_is_read() -> None:
    body = bytes(12) + netlink.attribute(4, struct.pack("=I", 7))
    assert read_route(24, body) == (7, None)
    four = netlink.attribute(5, bytes([192, 0, 2, 1]))
    assert read_route(24, body + four) == (7, IPv4Address("192.0.2.1"))
    via = netlink.attribute(18, struct.pack("=H", 10) + IPv6Address("fe80::1").packed)
    assert read_route(24, body + via) == (7, IPv6Address("fe80::1"))
    assert read_route(2, body) == (0, None)


@given(st.sampled_from([24, 2, 3, 0]), st.binary(max_size=80))
def test_any_answer_is_read(kind: int, payload: bytes) -> None:
    """Whatever an answer holds, it gives a number of an interface, and a gateway or none."""
    index, gateway = read_route(kind, payload)
    assert 0 <= index < 1 << 32
    assert gateway is None or gateway.version in {4, 6}


def test_ways_lead_to_each_network_and_to_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def asking(to: IPv4Address | IPv6Address, what: str = "") -> str:
        asked.append(f"{what}: {to}")
        return what

    monkeypatch.setattr(module, "route", asking)
    there = [
        Interface("a", 1, True, False, tuple(map(ip_interface, ("10.0.0.1/8", "10.9.0.1/32")))),
        Interface("b", 2, True, False, (ip_interface("fe80::1%b/64"), ip_interface("fd00::2/64"))),
        Interface("c", 3, False, False, (ip_interface("172.16.0.1/12"),)),
    ]
    routes(there)
    assert asked == [
        "10.0.0.0/8: 10.0.0.2",
        "fd00::/64: fd00::1",
        f"the Internet, IPv4: {INTERNET[0]}",
        f"the Internet, IPv6: {INTERNET[1]}",
    ]
