"""What two talks write to each other: lines, each ended by LF; over datagrams one a datagram.

The rules this file owns:

1. The hello is a line that anybody can read, in the encoding of plain text::

       [jackfield-talk/1 8f3b2c019d2e4a66] Alice is here

   Sixteen hexadecimal digits name this side of this conversation. Whoever is busy says so
   in the same form, with `busy` in their place.
2. All else is frames, which are only sent to a peer whose hello has come. A frame is SOH, the
   sender's sixteen digits, a kind, a number, an acknowledgement and, for a line, its text in
   UTF-8, divided by single spaces::

       L 7 3 text   line number 7; lines up to number 3 of yours have come
       B 8 3        this side leaves; numbered like a line, so it comes after all of them
       A 5 3        an acknowledgement, nothing more; 5 is 101 in binary: of the lines after
                    number 4, which is missing, the first and the third have come, too
       K 0 3        are you there? an acknowledgement is asked for
       R 0 0        there is no such conversation: the digits are those of who is told so

3. What is neither is a line of plain text.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

MAX_LINE = 8192
"""Bytes of one line's text at the most."""

MAX_NAME = 40
"""Characters of a name at the most."""

MOST_OVERHEAD = 64
"""Bytes that a frame has beside its text, at the most."""

_PREFIX = b"[jackfield-talk/1 "
_HELLO = re.compile(rb"\[jackfield-talk/1 ([0-9a-f]{16})\] (.{1,160}) is here")
_BUSY = re.compile(rb"\[jackfield-talk/1 busy\] (.{1,400})")
_FRAME = re.compile(
    rb"\x01([0-9a-f]{16}) ([LBAKR]) ([0-9]{1,12}) ([0-9]{1,12})(?: (.*))?", re.DOTALL
)

LINE, BYE, ACK, ASK, UNKNOWN = "L", "B", "A", "K", "R"
"""The kinds of frames."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `text` is empty but for a line."""

    sender: str
    kind: str
    number: int = 0
    ack: int = 0
    text: str = ""

    def __bytes__(self) -> bytes:
        """Give the line that carries it."""
        text = f" {self.text}" if self.kind == LINE else ""
        return f"\x01{self.sender} {self.kind} {self.number} {self.ack}{text}\n".encode()


@dataclass(frozen=True, slots=True)
class Hello:
    """A talk's first line."""

    sender: str
    name: str


@dataclass(frozen=True, slots=True)
class Busy:
    """What a talk says that is speaking with somebody else."""

    text: str


def new_identity() -> str:
    """Make sixteen digits that nobody has had."""
    return secrets.token_hex(8)


def hello(identity: str, name: str, encoding: str) -> bytes:
    """Give the first line to say."""
    return b"%s%s] %s is here\n" % (_PREFIX, identity.encode(), name.encode(encoding, "replace"))


def busy(name: str, encoding: str) -> bytes:
    """Give the line for one who comes while `name` is speaking with another."""
    text = f"{name} is talking with somebody else; try again later"
    return b"%sbusy] %s\n" % (_PREFIX, text.encode(encoding, "replace"))


def read(line: bytes, encoding: str) -> Frame | Hello | Busy | None:
    """Say what a line is, without its ending; None for plain text."""
    if line[:1] == b"\x01":
        found = _FRAME.fullmatch(line)
        if found is None:
            return None
        sender, kind, number, ack, text = found.groups(b"")
        return Frame(
            sender.decode(),
            kind.decode(),
            int(number),
            int(ack),
            text.decode("utf-8", "backslashreplace"),
        )
    if line[:1] == b"[":
        if found := _HELLO.fullmatch(line):
            return Hello(found[1].decode(), _name(found[2], encoding))
        if found := _BUSY.fullmatch(line):
            return Busy(_name(found[1], encoding))
    return None


def may_become_one(start: bytes) -> bool:
    """Whether a line that begins so may be a frame or a hello once its rest has come."""
    return start[:1] == b"\x01" or start.startswith(_PREFIX[: len(start)])


def _name(data: bytes, encoding: str) -> str:
    """Decode text of a talk that may not use our encoding.

    UTF-8 comes first: other encodings hardly ever look like it, while GBK takes it for its own.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode(encoding, "backslashreplace")
    return " ".join(text.split())
