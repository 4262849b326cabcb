from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.net import holders as module
from jackfield.net.holders import Holder, holders, inet_sockets, process, text, unix_sockets
from tests.unit.net.machine import needs_ipv6, no_privileges

HOLD = """
import socket, sys
family, kind, *address = sys.argv[1:]
sock = socket.socket(getattr(socket, family), getattr(socket, kind))
sock.bind((address[0], 0) if len(address) == 2 else address[0].replace("@", chr(0)))
if kind != "SOCK_DGRAM":
    sock.listen()
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def held(family: str, kind: str, *address: str) -> Iterator[tuple[int, str]]:
    """Have another process hold an address; gives its process id and what it says."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, family, kind, *address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        said = child.stdout.readline().strip()
        yield child.pid, said


@pytest.mark.parametrize(
    ("family", "kind", "there", "wanted"),
    [
        ("AF_INET", "SOCK_STREAM", "127.0.0.1", "tcp://127.0.0.1"),
        ("AF_INET", "SOCK_STREAM", "127.0.0.1", "tcp://0.0.0.0"),
        ("AF_INET", "SOCK_STREAM", "127.0.0.1", "tls://[::]"),
        pytest.param("AF_INET6", "SOCK_STREAM", "::", "tcp://127.0.0.1", marks=needs_ipv6),
        pytest.param("AF_INET6", "SOCK_STREAM", "::1", "tcp://[::1]", marks=needs_ipv6),
        ("AF_INET", "SOCK_DGRAM", "127.0.0.1", "udp://127.0.0.1"),
        pytest.param("AF_INET6", "SOCK_DGRAM", "::1", "udp://[::]", marks=needs_ipv6),
    ],
)
def test_who_holds_a_port_is_found(family: str, kind: str, there: str, wanted: str) -> None:
    with held(family, kind, there, "") as (pid, port):
        (found,) = holders(parse(f"{wanted}:{port}"))
        assert found == Holder(pid, Path(f"/proc/{pid}/comm").read_text().strip())
        assert str(found) == f"{found.name} (process {pid})"


@pytest.mark.parametrize("wanted", ["tcp://[::1]", "tcp://127.0.0.2", "udp://127.0.0.1"])
def test_who_is_not_in_the_way_is_not_named(wanted: str) -> None:
    with held("AF_INET", "SOCK_STREAM", "127.0.0.1", "") as (_, port):
        assert holders(parse(f"{wanted}:{port}")) == []


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"])
def test_who_holds_a_unix_address_is_found(tmp_path: Path, kind: str) -> None:
    for path in (str(tmp_path / "a b.sock"), f"@jackfield-test-{os.getpid()}"):
        with held("AF_UNIX", kind, path) as (pid, _):
            assert [found.pid for found in holders(Endpoint(Transport.UNIX, path=path))] == [pid]


def test_who_listens_is_named_and_not_who_is_connected() -> None:
    with (
        held("AF_INET", "SOCK_STREAM", "127.0.0.1", "") as (pid, port),
        socket.create_connection(("127.0.0.1", int(port))),
    ):
        assert [found.pid for found in holders(parse(f"tcp://127.0.0.1:{port}"))] == [pid]


def test_a_client_on_that_port_is_named_where_nobody_listens() -> None:
    with (
        held("AF_INET", "SOCK_STREAM", "127.0.0.1", "") as (_, port),
        # from an address that nobody else on this machine is likely to have this port at
        socket.create_connection(("127.0.0.1", int(port)), None, ("127.0.0.2", 0)) as client,
    ):
        ours = parse(f"tcp://127.0.0.2:{client.getsockname()[1]}")
        assert list(map(str, holders(ours))) == ["this process itself"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process that this user may not look into")
def test_of_a_process_that_cannot_be_seen_the_user_is_told(tmp_path: Path) -> None:
    with held("AF_INET", "SOCK_STREAM", "127.0.0.1", "") as (_, port), no_privileges():
        found = holders(parse(f"tcp://127.0.0.1:{port}"))
    assert text(found) == "a process of user root"
    path = str(tmp_path / "x")
    with held("AF_UNIX", "SOCK_STREAM", path), no_privileges():
        found = holders(Endpoint(Transport.UNIX, path=path))
    assert text(found) == "another user's process"


def test_nobody_holds_what_is_no_address_yet() -> None:
    assert holders(parse("tcp://localhost:80")) == []
    assert holders(parse("fd://3")) == []
    assert holders(parse("unix:@jackfield-nobody")) == []


def test_holders_are_told_in_a_few_words() -> None:
    assert text([]) == ""
    assert text([Holder(2**22 + 1, "nginx"), Holder(2**22 + 2)]) == (
        "nginx (process 4194305), unnamed (process 4194306)"
    )
    assert text([Holder()] * 5) == ", ".join(["another user's process"] * 3) + " and 2 more"


def test_a_process_that_has_ended_has_no_name() -> None:
    assert process(2**22 + 1) == Holder(2**22 + 1, "")


def test_a_user_without_a_name_is_a_number() -> None:
    assert module.user_name(2**31 - 7) == str(2**31 - 7)


def test_a_table_this_system_lacks_is_empty() -> None:
    assert module.lines("no such table") == []


def raw(address: IPv4Address | IPv6Address, port: int) -> str:
    """An address as /proc/net/tcp has it."""
    order = sys.byteorder
    words = [address.packed[at : at + 4] for at in range(0, len(address.packed), 4)]
    return "".join(f"{int.from_bytes(word, order):08X}" for word in words) + f":{port:04X}"


def row(address: str, port: int, state: str = "0A", uid: int = 7, inode: int = 99) -> str:
    return (
        f"   0: {raw(ip_address(address), port)} 00000000:0000 {state} 00000000:00000000 "
        f"00:00000000 00000000 {uid:5d} 0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )


@pytest.mark.parametrize(
    ("there", "wanted", "excludes"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::1", False),
        ("0.0.0.0", "::", True),
        ("::", "127.0.0.1", True),
        ("::1", "0.0.0.0", False),
        ("::1", "::", True),
        ("0.0.0.1", "::1", False),
    ],
)
def test_addresses_exclude_each_other(there: str, wanted: str, excludes: bool) -> None:
    found = inet_sockets([row(there, 80)], ip_address(wanted), 80)
    assert found == ([(99, 7)] if excludes else [])


def test_ports_and_sockets_without_a_process_are_left_out() -> None:
    lines = [row("127.0.0.1", 81), row("127.0.0.1", 80, state="06", inode=0)]
    assert inet_sockets(lines, IPv4Address("127.0.0.1"), 80) == []


WORDS = st.text(st.sampled_from("0123456789ABCDEF: @/xé"), max_size=40)


@given(st.lists(st.one_of(WORDS, st.text(max_size=60)), max_size=14))
def test_any_line_of_inet_is_read(words: list[str]) -> None:
    """Whatever a table holds, reading it gives sockets, and never an exception."""
    for line in (" ".join(words), f"0: 0100007F:0050 {' '.join(words)}"):
        for inode, uid in inet_sockets([line], IPv4Address("127.0.0.1"), 80):
            assert isinstance(inode, int)
            assert isinstance(uid, int)


@given(st.lists(st.one_of(WORDS, st.text(max_size=60)), max_size=14))
def test_any_line_of_unix_is_read(words: list[str]) -> None:
    """Whatever a table holds, reading it gives sockets, and never an exception."""
    for line in (" ".join(words), " ".join([*words[:7], "/x"])):
        for inode, uid in unix_sockets([line], "/x"):
            assert isinstance(inode, int)
            assert uid is None


def test_a_line_is_read_whole() -> None:
    line = row("127.0.0.1", 80).replace("00000000:0000", raw(ip_address("192.0.2.1"), 4000))
    assert list(module.bound_sockets([line, "  sl  local_address rem_address   st"])) == [
        (IPv4Address("127.0.0.1"), 80, IPv4Address("192.0.2.1"), 4000, 10, 7, 99)
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process that this user may not look into")
def test_processes_that_cannot_be_looked_into_are_counted() -> None:
    with held("AF_INET", "SOCK_STREAM", "127.0.0.1", "") as (pid, port):
        table = module.bound_sockets(module.lines("tcp"))
        (found,) = [one for one in table if (one.port, one.state) == (int(port), module.LISTEN)]
        assert module.owners([found.inode]).pids == {found.inode: [pid]}
        with no_privileges():
            seen = module.owners([found.inode])
    assert seen.pids == {}
    assert seen.hidden >= 1


def test_who_accepts_comes_before_who_was_accepted() -> None:
    lines = [
        "Num       RefCount Protocol Flags    Type St Inode Path\n",
        "0000000000000000: 00000003 00000000 00000000 0001 03 41 /x\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 42 /x\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 43 /xy\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 44\n",
        "0000000000000000: 00000002 00000000 zzzz 0001 01 45 /x\n",
    ]
    assert unix_sockets(lines, "/x") == [(42, None)]
    assert unix_sockets(lines[:2], "/x") == [(41, None)]
