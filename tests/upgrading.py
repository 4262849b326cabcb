"""Handlers that go on with TLS when the peer asks; a process can load them from here."""

from __future__ import annotations

import ssl

from jackfield import BlockingConnection, Connection, Service, framing
from jackfield.errors import TLSError
from jackfield.net.connection import Connection as Core
from jackfield.tls import authority, server_context


def own_context() -> ssl.SSLContext:
    """The settings of a server with the certificate of this machine."""
    return server_context(*authority.serving_files())


def answer(conn: Core[str] | BlockingConnection[str], line: str) -> str:
    """Say by what this line has come."""
    tls = conn.tls
    return f"{tls.version if tls else 'clear'}: {line}"


async def upgrade(conn: Connection[str]) -> None:
    """Answer each line; after `starttls` go on with TLS."""
    async for line in conn:
        if line != "starttls":
            await conn.send(answer(conn, line))
            continue
        await conn.send("go")
        try:
            await conn.start_tls(own_context())
        except TLSError:
            return


def upgrade_blocking(conn: BlockingConnection[str]) -> None:
    """Do the same by methods that block."""
    for line in conn:
        if line != "starttls":
            conn.send(answer(conn, line))
            continue
        conn.send("go")
        try:
            conn.start_tls(own_context())
        except TLSError:
            return


ASYNC = Service("upgrade", upgrade, framing.lines())
BLOCKING = Service("upgrade blocking", upgrade_blocking, framing.lines())
