"""The border where the system's errors become Jackfield's own."""

from __future__ import annotations

import errno

from jackfield.errors import PeerLost


def code(error: OSError) -> str:
    """Give the error's name, such as ECONNRESET."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


_LOST = {
    errno.ECONNRESET: "the peer reset the connection",
    errno.EPIPE: "the peer has closed the connection",
    errno.ETIMEDOUT: "the peer answers no more",
    errno.ECONNREFUSED: "nobody listens at the other end",
    errno.EHOSTUNREACH: "the peer's machine cannot be reached any more",
    errno.ENETUNREACH: "the peer's network cannot be reached any more",
    errno.ENETDOWN: "the network is down",
}


def lost(error: OSError) -> PeerLost:
    """Say how a peer was lost."""
    text = _LOST.get(error.errno or 0, error.strerror or "the connection failed")
    found = PeerLost(f"{text} ({code(error)})")
    found.__cause__ = error
    return found
