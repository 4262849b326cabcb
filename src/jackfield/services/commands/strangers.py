"""Who else may be where somebody looks for commands, by what comes in place of the first answer."""

from __future__ import annotations

from jackfield.errors import RemoteProtocolError
from jackfield.logs import printable

MOST_TOLD = 60
"""Characters of what somebody else says that are told."""

_FIND = "give the endpoint that jackfield serve commands has printed"


class NotCommands(RemoteProtocolError):
    """Something else is served there. The text says what, and what to do."""


def not_commands(data: bytes) -> NotCommands:
    """Say who it is that begins with these bytes."""
    is_record = data[:1] in {b"\x15", b"\x16"} and data[1:2] == b"\x03"  # an alert, a handshake
    if is_record or wants_tls(data.decode(errors="replace")):
        return NotCommands("TLS is spoken there; write tls:// in place of tcp://")
    if data.startswith(b"HTTP/"):
        return NotCommands(
            "no commands are run there, but HTTP is spoken; those of a board are at "
            "ws://HOST:PORT/commands, or wss:// where it is https://"
        )
    if data.startswith(b"SSH-"):
        return NotCommands("no commands are run there, but by SSH; ssh is the client of that")
    said, _, _ = data.partition(b"\n")
    text = printable(said.decode(errors="replace").strip())
    if len(text) > MOST_TOLD:
        text = f"{text[:MOST_TOLD]}..."
    return NotCommands(f"no commands are run there, but something says {text!r}; {_FIND}")


def wants_tls(text: str) -> bool:
    """Whether a server of ours says so, each in the words of its own service."""
    return "you do not speak TLS" in text


def echo() -> NotCommands:
    """Say that what was sent has come back."""
    return NotCommands(f"no commands are run there, but what is sent comes back; {_FIND}")


def wordless(error: str) -> NotCommands:
    """Say that the connection has ended before a word was said, and how."""
    return NotCommands(
        f"{error}, and no word was said, as if no commands were run there; if TLS is spoken there, "
        f"write tls://; else {_FIND}"
    )


def silent(seconds: float) -> NotCommands:
    """Say that nothing was answered."""
    return NotCommands(f"no word in {seconds:g} s, as if no commands were run there; {_FIND}")
