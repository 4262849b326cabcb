"""Whose a connection is, from the kernel that has it."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from jackfield.endpoints import Endpoint, Transport
from jackfield.net import diag, netlink
from jackfield.net.holders import is_users_own

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's own")

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def ends(sock: socket.socket) -> tuple[Endpoint, Endpoint]:
    """Both ends of a connection: this one first."""
    own, other = sock.getsockname(), sock.getpeername()
    return Endpoint(Transport.TCP, own[0], own[1]), Endpoint(Transport.TCP, other[0], other[1])


@pytest.mark.parametrize("family", HOSTS)
def test_a_connection_of_this_user_is_known(family: socket.AddressFamily) -> None:
    with (
        socket.create_server((HOSTS[family], 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        here, there = ends(client)
        assert diag.user_of(here, there) == os.getuid()
        assert is_users_own(here, there)


def test_a_connection_of_another_user_is_not_ours() -> None:
    if os.getuid() != 0:
        pytest.skip("only root makes a socket of another user")
    with socket.create_server(("127.0.0.1", 0)) as server:
        os.seteuid(1)
        try:
            client = socket.create_connection(server.getsockname())
        finally:
            os.seteuid(0)
        with client:
            here, there = ends(client)
            assert diag.user_of(here, there) == 1
            assert not is_users_own(here, there)


def test_who_is_gone_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        here, there = ends(client)
        client.close()
        with server.accept()[0]:
            pass
    assert diag.user_of(here, there) is None
    assert not is_users_own(here, there)
    assert diag.user_of(here, Endpoint(Transport.TCP, "127.0.0.9", 9)) is None


def test_who_listens_is_not_taken_for_who_was_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        here = Endpoint(Transport.TCP, "127.0.0.1", port)
        there = Endpoint(Transport.TCP, "127.0.0.1", 9)
        assert diag.user_of(here, there) is None
        assert not is_users_own(here, there)


def test_two_families_are_no_connection() -> None:
    here = Endpoint(Transport.TCP, "127.0.0.1", 1)
    assert diag.user_of(here, Endpoint(Transport.TCP, "::1", 2)) is None


@pytest.mark.parametrize("answer", [(0, b""), (20, b"short")])
def test_an_answer_of_another_shape_is_none(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes]
) -> None:
    monkeypatch.setattr(netlink, "ask_one", lambda *_: answer)
    here = Endpoint(Transport.TCP, "127.0.0.1", 1)
    assert diag.user_of(here, here) is None


def test_where_the_kernel_cannot_be_asked_its_table_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(netlink, "opened", refuse)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        here, there = ends(client)
        assert is_users_own(here, there)
