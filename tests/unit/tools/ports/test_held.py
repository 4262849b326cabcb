from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jackfield.tools.ports import held as module
from jackfield.tools.ports.held import Held, Process, held
from jackfield.tools.ports.rights import DYNAMIC, RANGES, range_of, read_local, rights
from tests.unit.net.machine import needs_ipv6, no_privileges

MINE = os.getpid()


def opened(family: int, kind: int, host: str) -> socket.socket:
    sock = socket.socket(family, kind)
    sock.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """One of each kind."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(opened(family, kind, host))
            for family, host in (
                (socket.AF_INET, "127.0.0.1"),
                (socket.AF_INET, "0.0.0.0"),
                (socket.AF_INET6, "::1"),
                (socket.AF_INET6, "::"),
            )
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        ]


def of(sock: socket.socket) -> list[Held]:
    """What is found for a socket's own address and port."""
    host, port, *_ = sock.getsockname()
    kind = "tcp" if sock.type == socket.SOCK_STREAM else "udp"
    return [one for one in held(port, port, (kind,)).held if str(one.address) == host and one.waits]


@needs_ipv6
def test_a_socket_is_found_with_its_process(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        (found,) = of(sock)
        assert found.state == ("listening" if sock.type == socket.SOCK_STREAM else "bound")
        assert [process.pid for process in found.processes] == [MINE]
        assert not found.kernel


@needs_ipv6
@pytest.mark.skipif(shutil.which("ss") is None, reason="there is no ss here")
def test_it_says_what_ss_says(sockets: list[socket.socket]) -> None:
    said = subprocess.run(
        ["ss", "-H", "-t", "-u", "-l", "-n", "-p"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    theirs: dict[tuple[str, str, int], set[tuple[str, int]]] = {}
    for line in said.splitlines():
        kind, _, _, _, where, *rest = line.split(maxsplit=6)
        host, _, port = where.rpartition(":")
        users = re.findall(r'\("(.*?)",pid=(\d+),', "".join(rest))
        host = host.strip("[]").replace("*", "::").partition("%")[0]
        theirs[kind, host, int(port)] = {(name, int(pid)) for name, pid in users}
    for sock in sockets:
        (found,) = of(sock)
        ours = {(process.name, process.pid) for process in found.processes}
        assert theirs[found.protocol, str(found.address), found.port] == ours


def test_both_ends_of_a_connection_are_found() -> None:
    with opened(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0]:
            there = held(port, port, ("tcp",)).held
            mine = client.getsockname()[1]
            (here,) = [one for one in held(mine, mine, ("tcp",)).held if one.peer_port == port]
    assert there[0].waits
    assert (there[0].state, there[0].peer) == ("listening", None)
    assert ("connected", mine) in [(one.state, one.peer_port) for one in there[1:]]
    assert (here.state, str(here.peer)) == ("connected", "127.0.0.1")


def test_udp_with_a_peer_is_connected() -> None:
    with opened(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1") as sock:
        sock.connect(("127.0.0.1", 9))
        port = sock.getsockname()[1]
        (found,) = [one for one in held(port, port, ("udp",)).held if one.peer_port == 9]
    assert (found.state, found.waits) == ("connected", False)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process that this user may not look into")
def test_without_privileges_it_is_told_how_much_is_not_seen() -> None:
    code = (
        "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        ["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdin
        port = int(other.stdout.readline())
        with no_privileges():
            found = held(port, port)
        other.stdin.close()
    (one,) = [one for one in found.held if one.waits]
    assert (one.processes, one.user) == ((), "root")
    assert found.hidden >= 1


def test_a_socket_without_a_process_is_the_kernel_s(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "0: 0100007F:0050 0100007F:9C40 06 00000000:00000000 03:00000000 00000000 0 0 0 3 x\n"
    monkeypatch.setattr(module, "lines", lambda table: [line] if table == "tcp" else [])
    found = held(80, 80)
    (one,) = found.held
    assert (one.kernel, one.processes, one.state) == (
        True,
        (),
        "closed, and remembered for a while",
    )
    assert found.hidden == 0


def test_a_system_that_tells_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lines", lambda _: [])
    found = held(0, 65535)
    assert (found.held, found.told) == ((), False)


def test_a_socket_of_two_processes_has_both() -> None:
    with opened(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1") as sock:
        sock.set_inheritable(True)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as other:
            (found,) = of(sock)
            assert {process.pid for process in found.processes} == {MINE, other.pid}
            assert Process(other.pid, "cat") in found.processes
            assert other.stdin
            other.stdin.close()


@pytest.mark.parametrize(
    ("port", "name"),
    [
        *[(0, "system"), (1023, "system"), (1024, "user"), (49151, "user")],
        *[(49152, "dynamic"), (65535, "dynamic")],
    ],
)
def test_ranges(port: int, name: str) -> None:
    assert range_of(port).name == name


def test_ranges_leave_nothing_out() -> None:
    assert [one.first for one in RANGES] == [0, *(one.last + 1 for one in RANGES[:-1])]
    assert RANGES[-1].last == 65535


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("32768\t60999\n", (32768, 60999)),
        ("1 65535", (1, 65535)),
        ("", DYNAMIC),
        ("9 8", DYNAMIC),
        ("0 70000", DYNAMIC),
        ("a b", DYNAMIC),
        ("1 2 3", DYNAMIC),
    ],
)
def test_the_range_that_the_system_takes_itself(text: str, wanted: tuple[int, int]) -> None:
    assert read_local(text) == wanted


def test_a_port_that_is_asked_for_by_none_is_in_the_range() -> None:
    here = rights()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert here.local_first <= sock.getsockname()[1] <= here.local_last
