"""Feed what the tools read with what no system tells and nobody means to write.

    python -m scripts.fuzz_tools [COUNT] [SEED]

COUNT inputs for each reader: tables of /proc, messages of netlink, values of options, lists of
services, addresses. Of each input it is checked that

- nothing is raised but NotationError, of an address, and that points into the text;
- what is read is what it should be: numbers within their bounds, addresses as ipaddress has them;
- it takes no longer than `fuzz.SLOWEST` seconds of processor time.

And of all of them, that memory does not grow. Exit status 1 tells of a finding, with the input.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from jackfield.errors import NotationError
from jackfield.net import holders, interfaces, netlink
from jackfield.tools.addresses import notation, routes
from jackfield.tools.families import meanings, options
from jackfield.tools.ports import names, rights
from scripts import fuzz

COUNT = 1_000_000


class Reader(NamedTuple):
    """Something that reads bytes, valid ones, and pieces that such are made of."""

    name: str
    read: Callable[[bytes], None]
    """Raises whatever is wrong."""
    valid: Sequence[bytes]
    pieces: Sequence[bytes]
    letters: bytes


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "surrogateescape").splitlines(keepends=True)


def read_sockets(data: bytes) -> None:
    """Read a table such as /proc/net/tcp."""
    for one in holders.bound_sockets(_lines(data)):
        assert one.address.version in {4, 6}
        assert isinstance(one.inode, int)
    holders.inet_sockets(_lines(data), ipaddress.IPv4Address("127.0.0.1"), 80)


def read_unix(data: bytes) -> None:
    """Read a table such as /proc/net/unix."""
    for inode, _ in holders.unix_sockets(_lines(data), "/x"):
        assert isinstance(inode, int)


def read_netlink(data: bytes) -> None:
    """Read what netlink says of links, addresses and routes."""
    told = [(kind, payload) for kind, _, payload in netlink.messages(data)]
    assert sum(len(payload) for _, payload in told) <= len(data)
    for found in interfaces._read(told):  # noqa: SLF001  what reads the answers
        assert found.name.isprintable()
        assert 0 <= found.mtu < 1 << 32
    for kind, payload in told:
        index, _ = routes.read_route(kind, payload)
        assert 0 <= index < 1 << 32


def read_services(data: bytes) -> None:
    """Read a list such as /etc/services."""
    for one in names.read_list(_lines(data)):
        assert 0 <= one.port <= names.LAST
        assert set(one.protocols) <= {"tcp", "udp"}


def read_range(data: bytes) -> None:
    """Read a range of ports."""
    first, last = rights.read_local(data.decode("ascii", "replace"))
    assert 0 < first <= last <= names.LAST


_FORMS = sorted({one.form for level in meanings.LEVELS.values() for one in level.options})


def read_option(data: bytes) -> None:
    """Read the value of an option, in each form that there is."""
    for form in _FORMS:
        _, text = options.read(form, data)
        assert text


def read_address(data: bytes) -> None:
    """Read an address; what is one here is one for ipaddress, and the same."""
    text = data.decode("utf-8", "replace")
    try:
        found = notation.read(text)
    except NotationError as raised:
        error = raised
    else:
        is_ours = "%" in text or found.integer
        assert is_ours or ipaddress.ip_interface(text).network == found.network
        return
    if len(text) <= notation.MOST:
        assert error.value == text
        assert 0 <= error.start < error.end <= len(text) + 1


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


_LINK = struct.pack("=BxHiII", 0, 1, 2, 0x1003, 0) + b"".join(
    netlink.attribute(kind, value)
    for kind, value in ((3, b"eth0\0"), (1, b"\2\0\0\0\0\1"), (4, b"\xdc\5\0\0"), (16, b"\6"))
)
_ADDRESS = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2) + netlink.attribute(1, b"\xc0\0\2\1")
_ADDRESS_6 = struct.pack("=BBBBI", 10, 64, 0, 0, 2) + netlink.attribute(1, b"\xfe\x80" + bytes(14))
_ROUTE = bytes(12) + netlink.attribute(4, b"\2\0\0\0") + netlink.attribute(5, b"\xc0\0\2\1")

_SOCKET = (
    b"   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
    b"99 1 0000000000000000 100 0 0 10 0\n"
)
_SOCKET_6 = _SOCKET.replace(b"0100007F", b"0" * 24 + b"01000000").replace(
    b"00000000:0000", b"0" * 32 + b":0000"
)
_NUMBERS = [b"-1", b"0", b"65536", b"9" * 30, b"FFFFFFFF", b"\xff", b" ", b"\n", b"\t", b"x", b"\0"]

READERS = (
    Reader(
        "sockets of /proc",
        read_sockets,
        [_SOCKET, _SOCKET_6, b"  sl  local_address rem_address   st tx_queue rx_queue\n"],
        [b"0100007F:0050", b":", b"0A", b"0" * 32, *_NUMBERS],
        b"0123456789ABCDEF: \n",
    ),
    Reader(
        "UNIX sockets of /proc",
        read_unix,
        [b"0000000000000000: 00000002 00000000 00010000 0001 01 42 /x\n", b"Num RefCount\n"],
        [b"00010000", b"/x", b"@x", *_NUMBERS],
        b"0123456789ABCDEF: /x\n",
    ),
    Reader(
        "netlink",
        read_netlink,
        [
            *(_message(16, _LINK), _message(20, _ADDRESS), _message(20, _ADDRESS_6)),
            *(_message(24, _ROUTE), _message(16, _LINK) + _message(20, _ADDRESS), _message(3, b"")),
        ],
        [
            b"\x10\0\0\0",
            b"\x10\0\x14\0\x18\0",
            b"\xff" * 4,
            bytes(8),
            b"\4\0\1\0",
            b"\x08\0\3\0a\0",
        ],
        bytes(range(256)),
    ),
    Reader(
        "lists of services",
        read_services,
        [
            b"domain\t53/tcp\t\t# Domain Name Server\n",
            b"http 80/tcp www httpd # web\n",
            b"a 1/udp\n",
        ],
        [b"/tcp", b"/udp", b"/sctp", b"#", b"http", *_NUMBERS],
        b"abc019/tcpud# \t\n",
    ),
    Reader("ranges of ports", read_range, [b"32768\t60999\n"], _NUMBERS, b"0123456789 \t-\n"),
    Reader(
        "values of options",
        read_option,
        [bytes(4), b"\1\0\0\0", b"cubic\0", bytes(8), bytes(16), bytes(12)],
        [b"\0", b"\xff", b"\0\0\0\x80"],
        bytes(range(256)),
    ),
    Reader(
        "addresses",
        read_address,
        [
            *(b"192.168.1.1/24", b"2001:db8::1/64", b"1:2:3:4:5:6:1.2.3.4/128", b"3232235786"),
            *(
                b"10.0.0.0/255.255.0.0",
                b"10.0.0.0/0.255.255.255",
                b"fe80::1%eth0/64",
                b"0xc0a8010a",
            ),
        ],
        [b"::", b":", b".", b"/", b"%", b"255", b"256", b"01", b"ffff", b"1.2.3.4", *_NUMBERS],
        b"0123456789abcdefx:./% ",
    ),
)


def complaint(reader: Reader, data: bytes, _chance: Random) -> str:
    """Try one input; say what is wrong, or nothing."""
    began = time.process_time()
    try:
        reader.read(data)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
        return f"{reader.name}: {error!r} was raised for {data!r}"
    took = time.process_time() - began
    return f"{reader.name}: {took:.3f} s for {data!r}" if took > fuzz.SLOWEST else ""


def main() -> int:
    """Run as a command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    findings = []
    for reader in READERS:
        findings += fuzz.fuzz([reader], count, seed, complain=complaint)
    for finding in findings:
        print(finding[:2000])
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
