from __future__ import annotations

import json
import socket
import struct
import subprocess
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.net import interfaces as module
from jackfield.net import netlink
from jackfield.net.interfaces import Interface, addresses, interfaces, machine_names

NEWLINK, NEWADDR = 16, 20
MAC = "02:02:02:02:02:02"


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def link(index: int, name: str, flags: int = 0x1) -> tuple[int, bytes]:
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0)
    return NEWLINK, body + attribute(1, b"\2" * 6) + attribute(3, name.encode() + b"\0")


def address(index: int, packed: bytes, prefix: int, kind: int = 1) -> tuple[int, bytes]:
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return NEWADDR, struct.pack("=BBBBI", family, prefix, 0, 0, index) + attribute(kind, packed)


def test_it_tells_what_ip_tells() -> None:
    said = subprocess.run(
        ["ip", "-json", "address"], check=True, capture_output=True, timeout=30
    ).stdout
    theirs = {
        (row["ifname"], row["ifindex"], "UP" in row["flags"], "LOOPBACK" in row["flags"]): {
            f"{info['local']}/{info['prefixlen']}" for info in row["addr_info"]
        }
        for row in json.loads(said)
    }
    ours = {
        (found.name, found.index, found.up, found.loopback): {
            str(item).replace(f"%{found.name}", "") for item in found.addresses
        }
        for found in interfaces()
    }
    assert ours == theirs


def mac(address: str) -> str:
    """What is a MAC of somebody, of what ip calls an address: a tunnel has that of IP there."""
    is_one = len(address) in {17, 23, 59} and set(address) != {"0", ":"}
    return address if is_one else ""


def test_it_tells_mtu_state_and_mac_as_ip_does() -> None:
    said = subprocess.run(
        ["ip", "-json", "link"], check=True, capture_output=True, timeout=30
    ).stdout
    theirs = {
        row["ifname"]: (row["mtu"], row["operstate"].lower(), mac(row.get("address", "")))
        for row in json.loads(said)
    }
    ours = {
        found.name: (
            found.mtu,
            found.state.replace(" ", ""),
            found.hardware,
        )
        for found in interfaces()
    }
    assert ours == theirs


@pytest.mark.parametrize(
    ("kind", "value", "field", "wanted"),
    [
        (4, struct.pack("=I", 1280), "mtu", 1280),
        (4, b"", "mtu", 0),
        (1, b"", "hardware", ""),
        (1, bytes(6), "hardware", ""),
        (1, b"\1" * 4, "hardware", ""),
        (1, b"\1" * 8, "hardware", "01:01:01:01:01:01:01:01"),
        (16, b"\6", "state", "up"),
        (16, b"\3", "state", "lower layer down"),
        (16, b"\7", "state", ""),
        (16, b"", "state", ""),
    ],
)
def test_what_a_link_tells_of_itself(kind: int, value: bytes, field: str, wanted: object) -> None:
    number, body = link(1, "eth0")
    (found,) = module._read([(number, body + attribute(kind, value))])
    assert getattr(found, field) == wanted


def test_the_loopback_interface_is_there() -> None:
    lo = next(found for found in interfaces() if found.loopback)
    assert lo.up
    assert IPv4Interface("127.0.0.1/8") in lo.addresses
    assert "127.0.0.1" in map(str, addresses())


def test_addresses_are_those_of_interfaces_that_are_up_with_their_zones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = [
        Interface("on", 1, True, False, (ip_interface("fe80::1%on/64"),)),
        Interface("off", 2, False, False, (ip_interface("10.0.0.1/8"),)),
    ]
    monkeypatch.setattr(module, "interfaces", lambda: told)
    assert list(map(str, addresses())) == ["fe80::1%on"]


def test_a_link_local_address_has_its_interface_as_zone() -> None:
    packed = socket.inet_pton(socket.AF_INET6, "fe80::1")
    (found,) = module._read([link(7, "eth0"), address(7, packed, 64)])
    there = (IPv6Interface("fe80::1%eth0/64"),)
    assert found == Interface("eth0", 7, True, False, there, hardware=MAC)


@pytest.mark.parametrize("name", ["a%b", "a/b", ""])
def test_an_interface_whose_name_is_no_zone_is_told_by_its_index(name: str) -> None:
    packed = socket.inet_pton(socket.AF_INET6, "fe80::1")
    (found,) = module._read([link(7, name), address(7, packed, 64)])
    assert list(map(str, found.addresses)) == ["fe80::1%7/64"]


def test_a_name_that_cannot_be_printed_is_its_index() -> None:
    assert [found.name for found in module._read([link(7, "\x1b[2J")])] == ["7"]


def test_of_a_point_to_point_link_the_own_end_is_told() -> None:
    kind, payload = address(3, bytes([10, 0, 0, 2]), 32)
    both = kind, payload + attribute(2, bytes([10, 0, 0, 1]))
    (found,) = module._read([link(3, "tun0"), both])
    assert found.addresses == (IPv4Interface("10.0.0.1/32"),)


@pytest.mark.parametrize(
    "odd",
    [
        (NEWADDR, b"\2\10"),
        (NEWADDR, struct.pack("=BBBBI", 2, 8, 0, 0, 1)),
        address(1, bytes(4), 33),
        address(1, bytes(16), 129),
        address(1, bytes(5), 8),
        address(9, bytes(4), 8),
        (NEWLINK, b"short"),
        (99, b"whatever"),
    ],
)
def test_what_is_malformed_is_left_out(odd: tuple[int, bytes]) -> None:
    assert module._read([link(1, "lo"), odd]) == [Interface("lo", 1, True, False, hardware=MAC)]


@given(st.lists(st.tuples(st.sampled_from([NEWLINK, NEWADDR, 0]), st.binary(max_size=60))))
def test_any_messages_are_read(told: list[tuple[int, bytes]]) -> None:
    """Whatever messages say, they give interfaces, and never an exception."""
    assert all(isinstance(found, Interface) for found in module._read(told))


@pytest.mark.parametrize(("settles_at", "asked"), [(1, 2), (2, 4), (9, 6)])
def test_tables_that_change_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, settles_at: int, asked: int
) -> None:
    questions: list[int] = []

    def changing(sock: object, kind: int, body: bytes, told: list[tuple[int, bytes]]) -> bool:
        questions.append(kind)
        told.append(link(len(questions), "eth0"))
        return len(questions) > 2 * settles_at - 2

    monkeypatch.setattr(netlink, "ask_all", changing)
    assert [found.index for found in interfaces()] == [asked - 1, asked]
    assert len(questions) == asked


def test_without_netlink_names_and_addresses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 0)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::7%lo", 0, 0, 1)),
        ],
    )
    found = interfaces()
    named = {interface.index: interface.name for interface in found if interface.name}
    assert named == dict(socket.if_nameindex())
    assert found[-2:] == [
        Interface("", 0, True, True, (IPv4Interface("127.0.0.1/32"),)),
        Interface(
            "", 0, True, False, (IPv4Interface("10.0.0.7/32"), IPv6Interface("fe80::7%lo/128"))
        ),
    ]


def test_where_nothing_is_told_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.delattr(socket, "AF_NETLINK")
    monkeypatch.setattr(socket, "if_nameindex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert interfaces() == []


@pytest.mark.parametrize(
    ("own", "names"),
    [
        ("box", ["localhost", "box.local", "box"]),
        ("Box.Example.ORG.", ["localhost", "box.local", "box", "box.example.org"]),
        ("localhost", ["localhost", "localhost.local"]),
        ("", ["localhost"]),
        ("-box", ["localhost"]),
        ("my box", ["localhost"]),
        ("my_box", ["localhost"]),
        ("b\u00fccherei", ["localhost"]),
        ("x" * 64, ["localhost"]),
    ],
)
def test_the_names_of_this_machine(
    own: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no host name is not one of them."""
    monkeypatch.setattr(socket, "gethostname", lambda: own)
    assert machine_names() == names
