"""What can be asked of a connection, over each transport, while it lasts and afterwards."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConnectionClosed, LocalProtocolError
from jackfield.framing import lines
from jackfield.net.connection import Connection
from jackfield.net.described import Described
from jackfield.server import Server
from jackfield.service import Service
from tests.certificates import Certificates
from tests.unit.net.machine import needs_ipv6
from tests.unit.net.wires import Wires


def seen_by_both(wires: Wires, url: str, ask: str = "") -> tuple[Connection[Any], Connection[Any]]:
    """Connect to a server; give its connection and ours, both still open."""
    loop = wires.loop()
    theirs: list[Connection[Any]] = []

    async def handler(conn: Connection[Any]) -> None:
        theirs.append(conn)
        await conn.send(await conn.receive())
        await conn.receive()

    async def talk() -> Connection[Any]:
        server = Server(Service("asked", handler, lines()), url)
        await server.start()
        wires.at_end(lambda: loop.run(server.stop()))
        there = str(server.endpoints[0])
        ours: Connection[Any] = await connect(there.partition("?")[0] + ask, lines())
        wires.at_end(lambda: loop.run(ours.close()))
        await ours.send("hello")
        await ours.receive()
        return ours

    ours = loop.run(talk())
    return theirs[0], ours


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("[::1]", marks=needs_ipv6)])
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_over_ip_each_side_is_the_others_peer(wires: Wires, scheme: str, host: str) -> None:
    theirs, ours = seen_by_both(wires, f"{scheme}://{host}:0")
    assert ours.peer == theirs.local
    assert ours.local == theirs.peer
    assert theirs.local.host == theirs.peer.host == host.strip("[]")
    assert theirs.source == host.strip("[]")
    assert theirs.transport is ours.transport is Transport(scheme)
    assert theirs.credentials is None
    assert theirs.tls is None


@needs_ipv6
def test_a_peer_over_ipv4_is_called_so_on_a_socket_for_both(wires: Wires) -> None:
    loop = wires.loop()
    peers: list[Connection[Any]] = []

    async def handler(conn: Connection[Any]) -> None:
        peers.append(conn)
        await conn.send(await conn.receive())

    async def talk() -> None:
        server = Server(Service("asked", handler, lines()), "tcp://[::]:0")
        await server.start()
        async with connect(f"tcp://127.0.0.1:{server.endpoints[0].port}", lines()) as ours:
            await ours.send("x")
            await ours.receive()
            local = ours.local
        await server.stop()
        assert peers[0].peer == local
        assert peers[0].source == "127.0.0.1"

    loop.run(talk())


def test_over_tls(wires: Wires, certificates: Certificates) -> None:
    theirs, ours = seen_by_both(wires, certificates.url(), f"?ca={certificates.ca}")
    assert theirs.peer == ours.local
    assert theirs.tls is not None
    assert ours.tls is not None
    assert ours.tls.certificate
    assert ours.tcp_info().state == "ESTABLISHED"


@pytest.mark.parametrize("scheme", ["unix", "unix+seqpacket"])
@pytest.mark.parametrize("named", [True, False])
def test_over_unix(wires: Wires, tmp_path: Path, scheme: str, named: bool) -> None:
    name = str(tmp_path / "sock") if named else f"@{tmp_path.name}-{scheme}"
    theirs, ours = seen_by_both(wires, f"{scheme}://{name}" if named else f"{scheme}:{name}")
    assert ours.peer.path == theirs.local.path == name
    assert theirs.peer.path == ours.local.path == ""
    for conn in (theirs, ours):
        found = conn.credentials
        assert found is not None
        assert (found.pid, found.uid) == (os.getpid(), os.getuid())
        assert conn.source == ""
        with pytest.raises(LocalProtocolError):
            conn.tcp_info()


def test_in_memory(wires: Wires) -> None:
    theirs, ours = seen_by_both(wires, "memory://described")
    assert ours.peer.path == ours.local.path == theirs.local.path == "described"
    assert theirs.peer == Endpoint(Transport.MEMORY)
    for conn in (theirs, ours):
        assert conn.fileno() == -1
        assert conn.credentials is None
        with pytest.raises(LocalProtocolError):
            conn.tcp_info()


def test_options_and_descriptor(wires: Wires) -> None:
    wire = wires.open()
    conn = wire.core
    assert conn.fileno() > 2
    assert conn.socket_option(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert len(conn.socket_option(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == 8
    with pytest.raises(LocalProtocolError, match="no option 9999"):
        conn.socket_option(socket.SOL_SOCKET, 9999)


def test_afterwards_what_is_known_can_still_be_asked(wires: Wires) -> None:
    """Addresses and counts; but nothing that only the socket knows."""
    wire = wires.open(accepted=False)
    conn = wire.core
    peer = conn.peer
    host, port = wire.peer.sock.getpeername()
    wire.conn.do("close")
    wire.until_over()
    assert conn.peer == peer
    assert (conn.local.host, conn.local.port) == (host, port)
    assert conn.fileno() == -1
    assert conn.is_over
    assert repr(conn) == f"<StreamConnection {peer}>"
    words = "^the connection is closed; it has no socket any more$"
    for ask in (
        lambda: conn.socket_option(socket.SOL_SOCKET, socket.SO_TYPE),
        conn.tcp_info,
        lambda: conn.credentials,
    ):
        with pytest.raises(ConnectionClosed, match=words):
            ask()


def test_the_questions_are_of_somebody() -> None:
    with pytest.raises(NotImplementedError):
        _ = Described[str]().core
