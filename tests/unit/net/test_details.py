from __future__ import annotations

import os
import socket
import struct
from typing import Any

import pytest

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import LocalProtocolError
from jackfield.net import details
from tests.unit.net.wires import connected, until

TCP, UDP, UNIX = Transport.TCP, Transport.UDP, Transport.UNIX


@pytest.mark.parametrize(
    ("transport", "address", "url"),
    [
        (TCP, ("127.0.0.1", 80), "tcp://127.0.0.1:80"),
        (UDP, ("127.0.0.1", 80), "udp://127.0.0.1:80"),
        (TCP, ("::1", 80, 0, 0), "tcp://[::1]:80"),
        (TCP, ("::ffff:10.1.2.3", 80, 0, 0), "tcp://10.1.2.3:80"),
        (TCP, ("fe80::1", 80, 0, 1), "tcp://[fe80::1%25lo]:80"),
        (TCP, ("fe80::1%lo", 80, 0, 1), "tcp://[fe80::1%25lo]:80"),
        (TCP, ("fe80::1", 80, 0, 987654), "tcp://[fe80::1%25987654]:80"),
        (UNIX, "/run/x.sock", "unix:///run/x.sock"),
        (UNIX, b"\0name", "unix:@name"),
    ],
    ids=str,
)
def test_addresses_become_endpoints(transport: Transport, address: Any, url: str) -> None:
    assert str(details.endpoint_of(transport, address)) == url
    assert details.endpoint_of(transport, address) == parse(url)


@pytest.mark.parametrize("address", ["", b"", None], ids=repr)
def test_who_bound_no_name_has_an_empty_path(address: Any) -> None:
    assert details.endpoint_of(UNIX, address) == Endpoint(UNIX, path="")


def test_a_name_that_is_no_text_keeps_its_bytes() -> None:
    found = details.endpoint_of(UNIX, b"\0\xff\xfe")
    assert found.path.encode("utf-8", "surrogateescape") == b"@\xff\xfe"


def test_the_address_of_a_socket_that_is_gone() -> None:
    sock = socket.socket()
    sock.close()
    assert details.local_endpoint(TCP, sock) == Endpoint(TCP)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0"])
def test_addresses(host: str) -> None:
    assert details.is_address(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0", "example.org", ""])
def test_names(host: str) -> None:
    assert not details.is_address(host)


def test_options() -> None:
    with socket.socket() as sock:
        size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert details.socket_option(sock, socket.SOL_SOCKET, socket.SO_RCVBUF, 0) == size
        raw = details.socket_option(sock, socket.SOL_SOCKET, socket.SO_RCVBUF, 4)
        assert raw == struct.pack("i", size)
        with pytest.raises(LocalProtocolError) as caught:
            details.socket_option(sock, socket.SOL_SOCKET, 9999, 0)
        text = str(caught.value)
        assert text == "this socket has no option 9999 at level 1 (ENOPROTOOPT)"


# TCP_INFO


def test_tcp_info_of_a_connection() -> None:
    one, other = connected("tcp")
    with one, other:
        other.sendall(b"x" * 100_000)
        info = details.tcp_info(one)
        assert info.state == "ESTABLISHED"
        assert 0 < info.rtt < 10
        assert 0 < info.rtt_variation < 10
        assert (info.retransmits, info.lost) == (0, 0)
        assert info.send_mss == one.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        assert info.receive_mss > 0
        assert info.congestion_window > 0
        assert info.receive_window > 0
        assert info.path_mtu > info.send_mss
        assert info.unacknowledged == 0
        other.shutdown(socket.SHUT_WR)
        until(lambda: details.tcp_info(one).state == "CLOSE_WAIT")
        assert details.tcp_info(other).state in {"FIN_WAIT1", "FIN_WAIT2"}


def test_tcp_info_of_who_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert details.tcp_info(listener).state == "LISTEN"
    with socket.socket() as unused:
        assert details.tcp_info(unused).state == "CLOSE"


WORDS = "^TCP_INFO is for TCP connections on Linux$"


def test_others_have_no_tcp_info(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(LocalProtocolError, match=WORDS):
        details.tcp_info(one)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        pytest.raises(LocalProtocolError, match=WORDS),
    ):
        details.tcp_info(udp)
    with socket.socket() as sock:
        monkeypatch.delattr(socket, "TCP_INFO")
        with pytest.raises(LocalProtocolError, match=WORDS):
            details.tcp_info(sock)


class Known:
    """A socket of which the system tells just this."""

    family = socket.AF_INET

    def __init__(self, data: bytes) -> None:
        self._data = data

    def fileno(self) -> int:
        return 0

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        return self._data[:size]


def test_each_field_is_where_the_kernel_puts_it() -> None:
    """As struct tcp_info of linux/tcp.h has them."""
    fields = list(range(1000, 1024))
    fields[15], fields[16] = 2_500_000, 125_000  # microseconds
    sock: Any = Known(bytes([1, *[0] * 7]) + struct.pack("=24I", *fields))
    assert details.tcp_info(sock) == details.TCPInfo(
        state="ESTABLISHED",
        rtt=2.5,
        rtt_variation=0.125,
        retransmits=1023,
        unacknowledged=1004,
        lost=1006,
        congestion_window=1018,
        send_mss=1002,
        receive_mss=1003,
        receive_window=1022,
        path_mtu=1013,
    )


def test_a_state_of_a_later_kernel_is_a_number() -> None:
    sock: Any = Known(bytes([99]) + bytes(103))
    assert details.tcp_info(sock).state == "99"


# Credentials


def test_credentials_of_a_unix_peer() -> None:
    one, other = socket.socketpair()
    with one, other:
        found = details.credentials(one)
    assert found == details.Credentials(os.getpid(), os.getuid(), os.getgid())


def test_who_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        assert details.credentials(sock) is None
    with socket.socket(socket.AF_UNIX) as unconnected:
        assert details.credentials(unconnected) is None
    one, other = socket.socketpair()
    with one, other:
        monkeypatch.delattr(socket, "SO_PEERCRED")
        assert details.credentials(one) is None


def test_what_the_system_holds_for_a_peer_is_told() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert details.queued(one) == 0
        one.send(b"x" * 1000)
        assert details.queued(one) > 0
        other.recv(2000)
        assert details.queued(one) == 0
    assert details.queued(one) == 0


def test_where_it_does_not_tell_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "fcntl", None)
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
        assert details.queued(one) == 0
