"""Who else may be where a service is looked for, by what comes in place of its first answer."""

from __future__ import annotations

from typing import NamedTuple

from jackfield.errors import RemoteProtocolError
from jackfield.visible import printable

MOST_TOLD = 60
"""Characters of what somebody else says that are told."""


class NotServed(RemoteProtocolError):
    """Something else is served there. The text says what, and what to do."""


class Strangers(NamedTuple):
    """The words of one service.

    none: that it is not served there. find: where its endpoint is to be found. http, ssh: what to
    do where that is spoken.
    """

    none: str
    find: str
    http: str
    ssh: str

    def who(self, data: bytes) -> NotServed:
        """Say who it is that begins with these bytes."""
        is_record = data[:1] in {b"\x15", b"\x16"} and data[1:2] == b"\x03"  # an alert, a handshake
        if is_record or wants_tls(data.decode(errors="replace")):
            return NotServed("TLS is spoken there; write tls:// in place of tcp://")
        if data.startswith(b"HTTP/"):
            return NotServed(f"{self.none}, but HTTP; {self.http}")
        if data.startswith(b"SSH-"):
            return NotServed(f"{self.none}, but SSH; {self.ssh}")
        said, _, _ = data.partition(b"\n")
        text = printable(said.decode(errors="replace").strip())
        if len(text) > MOST_TOLD:
            text = f"{text[:MOST_TOLD]}..."
        return NotServed(f"{self.none}, but something that says {text!r}; {self.find}")

    def echo(self) -> NotServed:
        """Say that what was sent has come back."""
        return NotServed(f"{self.none}, but an echo of what is sent; {self.find}")

    def wordless(self, error: str) -> NotServed:
        """Say that the connection has ended before a word was said, and how."""
        return NotServed(
            f"{error}, and no word was said; if TLS is spoken there, write tls://; {self.find}"
        )

    def silent(self, seconds: float) -> NotServed:
        """Say that nothing was answered."""
        return NotServed(f"{self.none}, it seems: no answer in {seconds:g} s; {self.find}")


def wants_tls(text: str) -> bool:
    """Whether a server of ours says so, each in the words of its own service."""
    return "you do not speak TLS" in text
