"""Making a connection of a socket, whichever transport it is of."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import JackfieldError
from jackfield.net.connection import Connection
from jackfield.net.packets import PacketConnection
from jackfield.net.roles import Plan, Upgrade
from jackfield.net.stream import StreamConnection
from jackfield.net.tls import TLSLayer
from jackfield.net.watching import WatchedTLS, Watcher

Ready = Callable[[JackfieldError | None], None]


def make_connection(
    plan: Plan, sock: socket.socket, endpoint: Endpoint, address: Any, *, accepted: bool
) -> Connection[Any]:
    """Make the connection; nothing is read before `begin()`.

    endpoint: where it was accepted, or what was connected to.
    """
    transport = endpoint.transport
    own = endpoint if accepted else None
    if endpoint.keeps_boundaries and plan.upgrade is None:
        return PacketConnection(plan, sock, transport, address, own)
    if transport.uses_tcp and endpoint.options.nodelay is not False:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn: StreamConnection[Any]
    conn = StreamConnection(plan, sock, transport, address, own, lingers=accepted)
    if plan.upgrade is not None:
        conn.expect_upgrade(plan.upgrade.http)
    return conn


def upgrade_of(endpoint: Endpoint, *, accepts: bool) -> Upgrade | None:
    """Give what begins the connections of an endpoint, accepted ones or not, after TCP and TLS.

    Raises ConfigurationError without the packages of the extra `web` where they are needed.
    """
    if not endpoint.is_websocket:
        return None
    # packages of an extra, and slow to load
    from jackfield.net.upgrading import ClientUpgrade, ServerUpgrade  # noqa: PLC0415

    return ServerUpgrade(endpoint) if accepts else ClientUpgrade(endpoint)


def begin(plan: Plan, conn: Connection[Any], ready: Ready) -> None:
    """Begin to read; `ready(error)` is called once messages can be exchanged, or cannot.

    By then the connection has its number, by which it is told of where its bytes are watched.
    """
    upgrade = plan.upgrade
    if upgrade is not None:
        opened = ready

        def ready(error: JackfieldError | None) -> None:
            if error is None:
                upgrade.begin(conn, opened)
            else:
                opened(error)

    watcher = None if plan.watched is None else Watcher(conn, plan.watched)
    if isinstance(conn, StreamConnection):
        if plan.context is not None:
            conn.open(make_layer(plan.context, plan.server_hostname, watcher), ready)
            return
        if watcher is not None:
            conn.watch_bytes(watcher)
        conn.open()
    elif isinstance(conn, PacketConnection):
        if watcher is not None:
            conn.watch_bytes(watcher)
        conn.open()
    ready(None)


def make_layer(
    context: ssl.SSLContext, server_hostname: str | None, watcher: Watcher | None
) -> TLSLayer:
    """Make the TLS of one connection."""
    if watcher is None:
        return TLSLayer(context, server_hostname)
    return WatchedTLS(context, server_hostname, watcher)
