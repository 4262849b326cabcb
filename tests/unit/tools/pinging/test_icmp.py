from __future__ import annotations

import errno
import struct
from ipaddress import ip_address

import pytest

from jackfield.tools.pinging import icmp
from jackfield.tools.pinging.icmp import Queued, Reply, Trouble

TOKEN = b"12345678"


def ipv4(inner: bytes, *, protocol: int = 1, ttl: int = 64, more: bytes = b"", to: str) -> bytes:
    """An IPv4 packet around something, with options."""
    size = 20 + len(more)
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | size // 4,
        0,
        size + len(inner),
        1,
        0x4000,
        ttl,
        protocol,
        0,
        ip_address("192.0.2.1").packed,
        ip_address(to).packed,
    )
    return head + more + inner


def ipv6(inner: bytes, *, header: int = 58, to: str) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(inner), header, 64)
    return head + ip_address("2001:db8::1").packed + ip_address(to).packed + inner


def reply(identifier: int, sequence: int, payload: bytes, *, code: int = 0) -> bytes:
    head = struct.pack("!BBHHH", 0, code, 0, identifier, sequence)
    return checked(head + payload)


def error(kind: int, code: int, quoted: bytes, information: int = 0) -> bytes:
    return checked(struct.pack("!BBHI", kind, code, 0, information) + quoted)


def checked(data: bytes) -> bytes:
    return data[:2] + icmp.checksum(data).to_bytes(2) + data[4:]


def test_the_checksum_is_the_one_of_the_rfc() -> None:
    # RFC 1071, section 3: the sum of these is ddf2.
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert icmp.checksum(data) == 0xDDF2 ^ 0xFFFF
    assert icmp.checksum(b"") == 0xFFFF
    assert icmp.checksum(b"\xff") == 0x00FF


def test_a_request_is_what_ping_sends() -> None:
    carried = icmp.payload(TOKEN, 3, 56)
    data = icmp.request(4, 7, 3, carried)
    assert data[:2] == b"\x08\0"
    assert data[4:] == b"\0\7\0\3" + carried
    assert icmp.checksum(data) == 0
    assert icmp.request(6, 7, 3, carried) == b"\x80\0\0\0\0\7\0\3" + carried


@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 17, 56, 1000, icmp.MOST_PAYLOAD])
def test_a_payload_has_its_size_and_begins_with_its_token(size: int) -> None:
    carried = icmp.payload(TOKEN, 0x0102030405060708, size)
    assert len(carried) == size
    assert carried.startswith((TOKEN + b"\1\2\3\4\5\6\7\x08")[:size])


def test_a_reply_is_read() -> None:
    assert icmp.read(4, reply(7, 3, b"abc")) == Reply(7, 3, b"abc")
    assert icmp.read(6, b"\x81\0\xab\xcd\0\7\0\3abc") == Reply(7, 3, b"abc")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        reply(7, 3, b"abc")[:7],
        b"\0\0\0\0\0\7\0\3abc",
        reply(7, 3, b"abc", code=1),
        icmp.request(4, 7, 3, b"abc"),
        checked(b"\x0e\0\0\0\0\7\0\3" + b"\0" * 12),
    ],
    ids=["nothing", "short", "checksum", "code", "a request", "a timestamp"],
)
def test_what_is_no_whole_reply_is_nothing(data: bytes) -> None:
    assert icmp.read(4, data) is None


def test_an_error_says_about_which_request_it_is() -> None:
    asked = icmp.request(4, 7, 3, icmp.payload(TOKEN, 3, 56))
    quoted = ipv4(asked, to="203.0.113.5")
    assert icmp.read(4, error(11, 0, quoted[:28])) == Trouble(11, 0, 0, "203.0.113.5", 7, 3, b"")
    found = icmp.read(4, error(3, 4, ipv4(asked, to="203.0.113.5", more=b"\1" * 8), 1400))
    assert found == Trouble(3, 4, 1400, "203.0.113.5", 7, 3, asked[8:])
    asked6 = icmp.request(6, 7, 3, b"abc")
    six = struct.pack("!BBHI", 2, 0, 0, 1280) + ipv6(asked6, to="2001:db8::5")
    assert icmp.read(6, six) == Trouble(2, 0, 1280, "2001:db8::5", 7, 3, b"abc")


ASKED = icmp.request(4, 7, 3, b"")


@pytest.mark.parametrize(
    "quoted",
    [
        b"",
        ipv4(ASKED, to="203.0.113.5")[:27],
        ipv4(ASKED, to="203.0.113.5", protocol=17),
        b"\x65" + ipv4(ASKED, to="203.0.113.5")[1:],
        b"\x44" + ipv4(ASKED, to="203.0.113.5")[1:],
        ipv4(reply(7, 3, b""), to="203.0.113.5"),
        ipv4(ASKED, to="203.0.113.5")[:6] + b"\0\1" + ipv4(ASKED, to="203.0.113.5")[8:],
    ],
    ids=["nothing", "short", "UDP", "version", "header", "a reply", "a fragment"],
)
def test_an_error_about_something_else_is_nothing(quoted: bytes) -> None:
    assert icmp.read(4, error(3, 1, quoted)) is None


@pytest.mark.parametrize("to", ["2001:db8::5"])
def test_an_error_of_ipv6_about_something_else_is_nothing(to: str) -> None:
    asked = icmp.request(6, 7, 3, b"")
    for quoted in (ipv6(asked, to=to)[:47], ipv6(asked, header=0, to=to), b"\x40" * 60):
        assert icmp.read(6, struct.pack("!BBHI", 1, 0, 0, 0) + quoted) is None


def test_the_header_of_ipv4_is_taken_off() -> None:
    inner = reply(7, 3, b"abc")
    packet = ipv4(inner, ttl=57, to="192.0.2.9")
    assert icmp.unwrapped(packet) == (57, inner)
    assert icmp.unwrapped(packet + b"padding") == (57, inner)
    assert icmp.unwrapped(ipv4(inner, ttl=57, more=b"\1" * 40, to="192.0.2.9")) == (57, inner)


@pytest.mark.parametrize(
    ("at", "to"),
    [(0, 0x55), (0, 0x44), (2, 0xFF), (3, 3), (6, 0x20), (7, 1), (9, 17)],
    ids=["version", "header", "too long", "too short", "more fragments", "offset", "UDP"],
)
def test_what_is_no_whole_packet_of_icmp_is_nothing(at: int, to: int) -> None:
    packet = bytearray(ipv4(reply(7, 3, b"abc"), to="192.0.2.9"))
    packet[at] = to
    assert icmp.unwrapped(bytes(packet)) is None
    assert icmp.unwrapped(bytes(packet[:19])) is None


def test_an_error_that_linux_queued_says_who_sent_it() -> None:
    head = struct.pack("=IBBBBII", errno.EHOSTUNREACH, 2, 11, 0, 0, 0, 0)
    by4 = struct.pack("=HH4s8x", 2, 0, ip_address("192.0.2.1").packed)
    by6 = struct.pack("=HHI16sI", 10, 0, 0, ip_address("2001:db8::1").packed, 0)
    assert icmp.queued(head + by4) == Queued(errno.EHOSTUNREACH, True, 11, 0, 0, "192.0.2.1")
    assert icmp.queued(head + by6) == Queued(errno.EHOSTUNREACH, True, 11, 0, 0, "2001:db8::1")
    local = struct.pack("=IBBBBII", errno.EMSGSIZE, 1, 0, 0, 0, 1400, 0)
    assert icmp.queued(local + b"\0" * 16) == Queued(errno.EMSGSIZE, False, 0, 0, 1400, "")
    assert icmp.queued(local) == Queued(errno.EMSGSIZE, False, 0, 0, 1400, "")
    assert icmp.queued(head + by4[:7]) == Queued(errno.EHOSTUNREACH, True, 11, 0, 0, "")
    assert icmp.queued(head[:15]) is None


@pytest.mark.parametrize(
    ("version", "kind", "code", "information", "words"),
    [
        (4, 3, 1, 0, "host unreachable"),
        (4, 3, 4, 1400, "it takes 1400 bytes"),
        (4, 3, 4, 0, "fragmentation needed"),
        (4, 3, 99, 0, "unreachable, code 99"),
        (4, 12, 3, 0, "parameter problem"),
        (6, 2, 0, 1280, "it takes 1280 bytes"),
        (6, 3, 0, 0, "hop limit"),
        (6, 77, 5, 0, "ICMP type 77, code 5"),
    ],
)
def test_every_error_has_words(
    version: int, kind: int, code: int, information: int, words: str
) -> None:
    assert words in icmp.meaning(version, kind, code, information)


def test_an_error_of_this_machine_has_words_and_its_name() -> None:
    assert icmp.local_meaning(errno.ENETUNREACH).endswith("its network (ENETUNREACH)")
    assert icmp.local_meaning(0) == "this machine could not send it (0)"
