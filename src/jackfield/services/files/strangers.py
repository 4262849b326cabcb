"""Who else may be at the end of a connection, by what comes in place of the first answer."""

from __future__ import annotations

from jackfield.errors import RemoteProtocolError
from jackfield.logs import printable

MOST_TOLD = 60
"""Characters of what somebody else says that are told."""

_FIND = "give the endpoint that jackfield serve files has printed"


class NotFiles(RemoteProtocolError):
    """Something else than files is served there. The text says what, and what to do."""


def not_files(data: bytes) -> NotFiles:
    """Say who it is that begins with these bytes."""
    if data[:1] in {b"\x15", b"\x16"} and data[1:2] == b"\x03":  # an alert, or a handshake
        return NotFiles("TLS is spoken there; write tls:// in place of tcp://")
    if data.startswith(b"HTTP/"):
        return NotFiles("no files are served there, but HTTP; jackfield fetch gets what it has")
    if data.startswith(b"SSH-"):
        return NotFiles("no files are served there, but SSH; scp moves files over that")
    said, _, _ = data.partition(b"\n")
    text = printable(said.decode(errors="replace").strip())
    if len(text) > MOST_TOLD:
        text = f"{text[:MOST_TOLD]}..."
    return NotFiles(f"no files are served there, but something that says {text!r}; {_FIND}")


def echo() -> NotFiles:
    """Say that what was sent has come back."""
    return NotFiles(f"no files are served there, but an echo of what is sent; {_FIND}")


def wordless(error: str) -> NotFiles:
    """Say that the connection has ended before a word was said, and how."""
    return NotFiles(f"{error}, and no word was said; if TLS is spoken there, write tls://; {_FIND}")


def silent(seconds: float) -> NotFiles:
    """Say that nothing was answered."""
    return NotFiles(f"nothing was answered in {seconds:g} s, as if no files were served; {_FIND}")
