from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from jackfield.endpoints import Transport, parse
from jackfield.errors import JackfieldError
from jackfield.framing import lines
from jackfield.limits import DEFAULT
from jackfield.net import memory
from jackfield.net.connection import Connection
from jackfield.net.opening import begin, make_connection
from jackfield.net.packets import PacketConnection
from jackfield.net.roles import Plan
from jackfield.net.stream import StreamConnection
from tests.unit.net.wires import Loop, Wires, connected, until


@pytest.fixture
def loop(wires: Wires) -> Loop:
    return wires.loop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def plan(loop: Loop, **options: Any) -> Plan:
    return Plan(loop.io, lines(), DEFAULT, **options)


def made(loop: Loop, sock: Any, url: str, *, accepted: bool = True) -> Connection[Any]:
    return loop.call(
        lambda: make_connection(plan(loop), sock, parse(url), ("127.0.0.1", 9), accepted=accepted)
    )


def ends(kind: socket.SocketKind, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    one.setblocking(False)
    other.settimeout(20)
    stack.enter_context(other)
    return one, other


@pytest.mark.parametrize(
    ("url", "kind", "wanted"),
    [
        ("unix:@x", socket.SOCK_STREAM, StreamConnection),
        ("unix+seqpacket:@x", socket.SOCK_SEQPACKET, PacketConnection),
        ("unix+dgram:@x", socket.SOCK_DGRAM, PacketConnection),
    ],
)
def test_the_transport_decides(
    loop: Loop, stack: ExitStack, url: str, kind: socket.SocketKind, wanted: type[Any]
) -> None:
    ours, theirs = ends(kind, stack)
    conn = made(loop, ours, url)
    assert type(conn) is wanted
    assert conn.transport is parse(url).transport
    assert conn.keeps_boundaries == (wanted is PacketConnection)
    heard: list[JackfieldError | None] = []
    loop.call(lambda: begin(plan(loop), conn, heard.append))
    assert heard == [None]
    theirs.send(b"hello\n")
    assert loop.run(conn.receive(20)) == "hello"
    loop.call(conn.abort)


def test_in_memory(loop: Loop) -> None:
    ours, theirs = memory.pair("here")
    conn = made(loop, ours, "memory://here")
    assert conn.transport is Transport.MEMORY
    loop.call(lambda: begin(plan(loop), conn, lambda _: None))
    theirs.send(b"hello\n")
    assert loop.run(conn.receive(20)) == "hello"
    loop.call(conn.abort)
    theirs.close()


@pytest.mark.parametrize(
    ("query", "set_"), [("", True), ("?nodelay=on", True), ("?nodelay=off", False)]
)
def test_small_messages_are_not_held_back_unless_asked(
    loop: Loop, stack: ExitStack, query: str, set_: bool
) -> None:
    """TCP_NODELAY also where the listening socket could not hand it down, as fd:// may not."""
    ours, theirs = connected("tcp")
    stack.enter_context(theirs)
    ours.setblocking(False)
    conn = made(loop, ours, f"tcp://127.0.0.1:9{query}")
    assert bool(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) == set_
    loop.call(conn.abort)


@pytest.mark.parametrize("accepted", [True, False])
def test_who_was_accepted_has_its_endpoint_and_lingers(
    loop: Loop, stack: ExitStack, accepted: bool
) -> None:
    """A client goes at once; its own address is the socket's."""
    ours, theirs = connected("tcp")
    stack.enter_context(theirs)
    ours.setblocking(False)
    name = ours.getsockname()
    url = "tcp://127.0.0.1:9"
    conn = made(loop, ours, url, accepted=accepted)
    assert conn.peer == parse(url)
    assert conn.local == (parse(url) if accepted else parse(url).with_port(name[1]))
    loop.call(lambda: begin(plan(loop), conn, lambda _: None))
    loop.run(conn.close())
    assert (conn.fileno() >= 0) == accepted
    theirs.close()
    until(lambda: conn.fileno() == -1)


def test_nothing_is_read_before_it_begins(loop: Loop, stack: ExitStack) -> None:
    ours, theirs = ends(socket.SOCK_STREAM, stack)
    theirs.sendall(b"early\n")
    conn = made(loop, ours, "unix:@x")
    loop.turn()
    assert conn.bytes_received == 0
    loop.call(lambda: begin(plan(loop), conn, lambda _: None))
    assert loop.run(conn.receive(20)) == "early"
    loop.call(conn.abort)


def test_with_tls_it_is_ready_after_the_handshake(wires: Wires) -> None:
    wire = wires.open("tls")
    assert wire.core.tls is not None
    wire.peer.send(b"hello\n")
    assert wire.conn.receive() == "hello"
