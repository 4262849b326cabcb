"""In words: what was tried to reach the other side, and what was agreed on with it."""

from __future__ import annotations

from typing import Any

from jackfield.net.connection import Connection
from jackfield.net.dialing import Attempt


def tried(attempt: Attempt) -> str:
    """Tell what came of one address, and how long it took."""
    return f"tried {attempt.endpoint}: {attempt.outcome}, {attempt.seconds * 1000:.1f} ms"


def agreed(conn: Connection[Any]) -> list[str]:
    """Tell the addresses of both sides, and what the transport knows besides."""
    own = f" from {conn.local}" if conn.local.address else ""
    told = [f"connected to {conn.peer}{own}"]
    tls = conn.tls
    if tls is not None:
        alpn = f", ALPN {tls.alpn}" if tls.alpn else ""
        told.append(f"{tls.version}, {tls.cipher}{alpn}")
    credentials = conn.credentials
    if credentials is not None:
        told.append(f"process {credentials.pid} of user {credentials.uid}, group {credentials.gid}")
    return told
