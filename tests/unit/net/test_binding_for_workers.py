from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.endpoints import parse
from jackfield.errors import AddressInUse, BindError, ConfigurationError, NameNotFound
from jackfield.net.binding import Bound, bind_for_workers, unlink_own
from tests.unit.net.machine import needs_ipv6

PLACES = ["tcp://127.0.0.1:0", "tls://127.0.0.1:0", "unix+seqpacket://@jackfield-shares"]


@contextlib.contextmanager
def shared(url: str, count: int) -> Iterator[list[list[Bound]]]:
    shares = bind_for_workers(parse(url), count)
    try:
        yield shares
    finally:
        for bound in {id(one): one for share in shares for one in share}.values():
            bound.sock.close()
            unlink_own(bound)


@pytest.mark.parametrize("url", PLACES)
def test_one_listening_socket_is_for_all(url: str) -> None:
    with shared(url, 3) as shares:
        assert len(shares) == 3
        assert len({id(bound.sock) for share in shares for bound in share}) == 1
        (bound,) = shares[0]
        assert bound.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not bound.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        assert not bound.sock.getblocking()


def test_a_socket_file_is_one_for_all_and_removed_at_the_end(tmp_path: Path) -> None:
    with shared(f"unix://{tmp_path}/s", 2) as shares:
        assert shares[0] == shares[1]
        assert shares[0][0].file is not None
    assert list(tmp_path.iterdir()) == []


def test_a_udp_socket_is_for_each_at_one_port() -> None:
    with shared("udp://127.0.0.1:0?rcvbuf=65536", 3) as shares:
        bound = [one for share in shares for one in share]
        assert len({id(one.sock) for one in bound}) == 3
        assert len({one.sock.getsockname() for one in bound}) == 1
        assert len({one.endpoint for one in bound}) == 1
        for one in bound:
            assert one.endpoint.port == one.sock.getsockname()[1] > 0
            assert one.endpoint.options.rcvbuf == 65536
            assert one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
            assert one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 65536
            assert not one.sock.getblocking()


def test_a_peer_stays_with_one_of_the_udp_sockets() -> None:
    with shared("udp://127.0.0.1:0", 3) as shares, contextlib.ExitStack() as opened:
        socks = [share[0].sock for share in shares]
        for _ in range(20):
            peer = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            peer.connect(socks[0].getsockname())
            for _ in range(5):
                peer.send(b"x")
        found: list[set[int]] = []
        for sock in socks:
            found.append(set())
            with contextlib.suppress(BlockingIOError):
                while True:
                    found[-1].add(sock.recvfrom(10)[1][1])
        assert sum(map(len, found)) == 20
        assert len(set.union(*found)) == 20


@needs_ipv6
def test_each_address_of_a_name_is_there_for_each() -> None:
    for scheme in ("tcp", "udp"):
        with shared(f"{scheme}://localhost:0", 2) as shares:
            assert [[one.endpoint.host for one in share] for share in shares] == [
                ["127.0.0.1", "::1"]
            ] * 2
            assert len({one.endpoint.port for share in shares for one in share}) == 1


@needs_ipv6
def test_all_addresses_take_ipv4_along() -> None:
    with shared("udp://[::]:0", 2) as shares:
        for (one,) in shares:
            assert not one.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@pytest.mark.parametrize("reuse", [False, True])
def test_an_address_that_somebody_else_has_is_not_shared(reuse: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse))
        other.bind(("127.0.0.1", 0))
        with pytest.raises(AddressInUse):
            bind_for_workers(parse(f"udp://127.0.0.1:{other.getsockname()[1]}"), 2)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(NameNotFound):
        bind_for_workers(parse("udp://nothing.invalid:0"), 2)


def test_an_inherited_stream_is_one_for_all() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        shared(f"fd://{listening.fileno()}", 2) as shares,
    ):
        assert shares[0] == shares[1]
        assert shares[0][0].endpoint.port == listening.getsockname()[1]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_an_inherited_datagram_socket_cannot_be_shared(family: int, tmp_path: Path) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "s"))
        with pytest.raises(ConfigurationError, match="one for all, so that no peer could stay"):
            bind_for_workers(parse(f"fd://{sock.fileno()}"), 2)
        assert sock.getsockname()  # ours still


@pytest.mark.some(1)
@pytest.mark.xdist_group("descriptors")
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("localhost", marks=needs_ipv6)])
def test_without_descriptors_none_stays_open(host: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.collect()
    used = descriptors()
    free = [number for number in range(len(used) + 6) if number not in used]
    assert bind_and_close(host, 3)
    for more in range(6):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[more] + 1, hard))
        try:
            bind_and_close(host, 100)
        except (BindError, NameNotFound):
            pass
        else:
            raise AssertionError("there were enough of them")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert descriptors() <= used  # of an earlier test one may have been closed meanwhile


def descriptors() -> set[int]:
    with os.scandir("/proc/self/fd") as entries:
        return {int(entry.name) for entry in entries}


def bind_and_close(host: str, count: int) -> bool:
    with shared(f"udp://{host}:0", count) as shares:
        return len(shares) == count
