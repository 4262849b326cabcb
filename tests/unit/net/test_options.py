from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import ConfigurationError
from jackfield.net import options
from tests.unit.net.machine import needs_ipv6

SO_RXQ_OVFL = 40
IP_PKTINFO = 8
IP_MULTICAST_ALL = 49
INET, INET6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def made() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def new(made: list[socket.socket], url: str, family: int = INET) -> socket.socket:
    sock = options.new_socket(parse(url), family)
    made.append(sock)
    return sock


def test_a_new_socket_does_not_block_and_is_closed_on_exec(made: list[socket.socket]) -> None:
    sock = new(made, "tcp://127.0.0.1:0")
    assert sock.gettimeout() == 0
    assert not sock.get_inheritable()


@pytest.mark.parametrize(
    ("url", "family", "kind"),
    [
        ("tcp://127.0.0.1:0", INET, socket.SOCK_STREAM),
        ("tls://127.0.0.1:0", INET, socket.SOCK_STREAM),
        ("udp://127.0.0.1:0", INET, socket.SOCK_DGRAM),
        ("unix:@x", socket.AF_UNIX, socket.SOCK_STREAM),
        ("unix+dgram:@x", socket.AF_UNIX, socket.SOCK_DGRAM),
        ("unix+seqpacket:@x", socket.AF_UNIX, socket.SOCK_SEQPACKET),
    ],
)
def test_a_new_socket_is_of_its_transport(
    made: list[socket.socket], url: str, family: int, kind: int
) -> None:
    sock = new(made, url, family)
    assert (sock.family, sock.type) == (family, kind)


@pytest.mark.parametrize(
    ("query", "delays"), [("", False), ("?nodelay=on", False), ("?nodelay=off", True)]
)
def test_tcp_does_not_delay_unless_told_to(
    made: list[socket.socket], query: str, delays: bool
) -> None:
    for scheme in ("tcp", "tls"):
        sock = new(made, f"{scheme}://127.0.0.1:0{query}")
        nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert bool(nodelay) is not delays


def tcp_keepalive(sock: socket.socket) -> list[int]:
    return [
        int(bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))),
        *[
            sock.getsockopt(socket.IPPROTO_TCP, name)
            for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ],
    ]


def test_keepalive_is_the_systems_unless_asked_for(made: list[socket.socket]) -> None:
    untouched = socket.socket()
    made.append(untouched)
    assert tcp_keepalive(new(made, "tcp://127.0.0.1:0")) == tcp_keepalive(untouched)
    off = new(made, "tcp://127.0.0.1:0?keepalive=off")
    assert tcp_keepalive(off) == tcp_keepalive(untouched)


@pytest.mark.parametrize(("seconds", "between"), [(30, 10), (1, 1)])
def test_keepalive_finds_a_lost_peer_within_twice_its_silence(
    made: list[socket.socket], seconds: int, between: int
) -> None:
    sock = new(made, f"tcp://127.0.0.1:0?keepalive={seconds}")
    assert tcp_keepalive(sock) == [1, seconds, between, 3]


def test_what_listens_passes_its_options_on(made: list[socket.socket]) -> None:
    listener = new(made, "tcp://127.0.0.1:0?keepalive=30&rcvbuf=8K&sndbuf=16K")
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(True)
    with socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert tcp_keepalive(accepted) == [1, 30, 10, 3]
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8192
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 16384


@pytest.mark.parametrize(
    ("url", "family"),
    [("udp://127.0.0.1:0", INET), ("unix+dgram:@x", socket.AF_UNIX), ("unix:@x", socket.AF_UNIX)],
)
def test_buffers_are_for_all_transports(made: list[socket.socket], url: str, family: int) -> None:
    sock = new(made, f"{url}?sndbuf=32K", family)  # the kernel doubles it: socket(7)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 32768


def test_udp_over_ipv4(made: list[socket.socket]) -> None:
    sock = new(made, "udp://0.0.0.0:0?ttl=7&broadcast=on&interface=lo")
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 7
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL) == 1
    sock.sendto(b"on lo, whatever the routes are", ("239.255.9.9", 9))


@needs_ipv6
def test_udp_over_ipv6(made: list[socket.socket]) -> None:
    sock = new(made, "udp://[::]:0?ttl=7&interface=lo", INET6)
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 7
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS) == 7
    index = struct.pack("=I", socket.if_nametoindex("lo"))
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, 4) == index


def test_broadcast_is_off_when_told_so(made: list[socket.socket]) -> None:
    sock = new(made, "udp://0.0.0.0:0?broadcast=off")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 0


def test_an_interface_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.new_socket(parse("udp://0.0.0.0:0?interface=eth77"), INET)
    text = str(caught.value)
    assert text.startswith(
        "udp://0.0.0.0:0?interface=eth77: this machine has no interface eth77 (ENODEV); it has "
    )
    assert all(name in text for _, name in socket.if_nameindex())


def test_an_option_the_system_does_not_take_is_named() -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(ConfigurationError) as caught:
        options.apply(sock, parse("tcp://127.0.0.1:0?rcvbuf=8K"))
    assert str(caught.value) == (
        "tcp://127.0.0.1:0?rcvbuf=8192: option rcvbuf fails: Bad file descriptor (EBADF)"
    )


@pytest.mark.parametrize(
    ("url", "family", "all_groups"),
    [
        ("udp://0.0.0.0:0?group=239.255.1.1&interface=lo", INET, IP_MULTICAST_ALL),
        pytest.param("udp://[::]:0?group=ff02::1:99&interface=lo", INET6, 29, marks=needs_ipv6),
        ("udp://239.255.1.1:0?group=239.255.1.1&interface=lo", INET, IP_MULTICAST_ALL),
    ],
)
def test_a_group_is_joined_alone_and_shared(
    made: list[socket.socket], url: str, family: int, all_groups: int
) -> None:
    sock = new(made, url, family)
    options.join(sock, parse(url))
    level = socket.IPPROTO_IP if family == INET else socket.IPPROTO_IPV6
    assert sock.getsockopt(level, all_groups) == 0
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    with pytest.raises(ConfigurationError, match=r"option group fails: .* \(EADDRINUSE\)$"):
        options.join(sock, parse(url))


def test_without_a_group_nothing_is_joined_or_shared(made: list[socket.socket]) -> None:
    sock = new(made, "udp://0.0.0.0:0")
    options.join(sock, parse("udp://0.0.0.0:0"))
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


@pytest.mark.parametrize(
    ("url", "family", "better"),
    [
        ("udp://127.0.0.1:5?group=239.1.1.1", INET, "udp://0.0.0.0:5?group=239.1.1.1"),
        pytest.param(
            "udp://[::]:5?group=239.1.1.1",
            INET6,
            "udp://0.0.0.0:5?group=239.1.1.1",
            marks=needs_ipv6,
        ),
        ("udp://0.0.0.0:5?group=ff02::9", INET, "udp://[::]:5?group=ff02::9"),
    ],
)
def test_a_group_that_would_never_be_heard_is_refused(
    made: list[socket.socket], url: str, family: int, better: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options.join(new(made, url, family), parse(url))
    assert str(caught.value).endswith(f"; listen on {better}")
    assert str(parse(better)) == better


def test_a_group_that_fails_asks_for_the_interface() -> None:
    sock = socket.socket(INET, socket.SOCK_DGRAM)
    endpoint = parse("udp://0.0.0.0:5?group=239.1.1.1")
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        options.join(sock, parse("udp://0.0.0.0:5?group=239.1.1.1&interface=lo"))
        options._set(sock, endpoint, ("ttl", socket.IPPROTO_IP, socket.IP_TTL, 5))
        with pytest.raises(ConfigurationError, match=r"; name the interface to hear it on, such"):
            options._set(sock, endpoint, ("group", socket.IPPROTO_IP, 35, b"short"))


@pytest.mark.parametrize(
    ("family", "level", "name"),
    [
        (INET, socket.IPPROTO_IP, IP_PKTINFO),
        pytest.param(INET6, socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, marks=needs_ipv6),
    ],
)
def test_the_local_address_is_told_with_each_datagram(
    made: list[socket.socket], family: int, level: int, name: int
) -> None:
    sock = new(made, "udp://0.0.0.0:0", family)
    options.tell_local_address(sock)
    assert sock.getsockopt(level, name) == 1


def test_unix_addresses() -> None:
    assert options.unix_address(parse("unix:///run/x.sock")) == (socket.AF_UNIX, "/run/x.sock")
    assert options.unix_address(parse("unix:@a%FFb")) == (socket.AF_UNIX, b"\0a\xffb")


def test_unix_sockets_are_refused_by_name_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ConfigurationError, match="unix:@x: this platform has no UNIX sockets"):
        options.unix_address(Endpoint(Transport.UNIX, path="@x"))


def test_abstract_names_are_refused_by_name_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match="unix:@x: abstract names are Linux's own"):
        options.unix_address(Endpoint(Transport.UNIX, path="@x"))
    assert options.unix_address(Endpoint(Transport.UNIX, path="/x")) == (socket.AF_UNIX, "/x")


@pytest.mark.skipif(sys.platform != "linux", reason="the option is Linux's")
def test_the_system_takes_only_so_much_for_a_slow_peer(made: list[socket.socket]) -> None:
    """What is accepted inherits it; of what the peer does not read yet, megabytes would fit."""
    listening = new(made, "tcp://127.0.0.1:0")
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    listening.setblocking(True)
    with socket.create_connection(listening.getsockname()) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        accepted, _ = listening.accept()
        made.append(accepted)
        accepted.setblocking(False)
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while taken < 10_000_000:
                taken += accepted.send(b"x" * 10_000)
        assert taken < 3 * options.UNSENT
