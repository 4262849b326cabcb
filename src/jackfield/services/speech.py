"""Speaking to people through any framing: what the services that say something share.

The rules this file owns:

1. A service speaks text; a framing carries `str`, or `bytes`, which are then UTF-8. Bytes that
   are not are kept as they are, so that what is said back to a peer is what it sent.
2. Where a message can hold no line feed, a text of several lines goes as several messages.
3. Over `raw` one message in is one message out, with no line ending, and a service that could
   wait to be spoken to does. So a program that sends a few bytes and prints what one recv()
   gives works, and no framing is needed at its end.
4. What one peer says reaches another without control characters: nobody is to write escape
   sequences to somebody else's terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from jackfield.errors import ConfigurationError, LocalProtocolError
from jackfield.framing.base import Framing
from jackfield.net.connection import Connection

LEAVING = frozenset({"quit", "exit", "q"})
"""What a peer says to end the conversation, in upper or lower case."""

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Controls but the tab, and those that turn the direction of writing."""


@dataclass(frozen=True)
class Speech:
    """How text goes into the messages of one framing, and comes out of them.

    as_bytes: its messages are bytes.
    line_by_line: in a stream, a message holds no line feed.
    waits: nothing is said before the peer has said something.
    """

    as_bytes: bool
    line_by_line: bool
    waits: bool

    @classmethod
    def of(cls, framing: Framing[Any], service: str) -> Self:
        """Give the speech of a framing.

        service: whose, for the error. Raises ConfigurationError for a framing that carries
        neither text nor bytes of any length.
        """
        for text, as_bytes in (("a", False), (b"a", True)):
            if _carries(framing, text):
                two_lines: str | bytes = b"a\nb" if as_bytes else "a\nb"
                return cls(as_bytes, not _carries(framing, two_lines), framing.name == "raw")
        raise ConfigurationError(
            f"{service} speaks text, which framing {framing.name!r} cannot carry; "
            "take lines, length or netstring"
        )

    def check(self, framing: Framing[Any], texts: Iterable[str], what: str) -> None:
        """Raise ConfigurationError when `framing` cannot carry one of the lines of `texts`."""
        for text in texts:
            for line in text.split("\n"):
                try:
                    framing.encode(self.message(line or " "))
                except LocalProtocolError as error:
                    raise ConfigurationError(f"{what} cannot be sent: {error}") from error

    def hear(self, message: Any) -> str:
        """Give the text of a message, without the blanks and line endings around it."""
        if isinstance(message, bytes):
            return message.decode("utf-8", "surrogateescape").strip()
        return str(message).strip()

    def message(self, text: str) -> Any:
        """Make one message of a text."""
        return text.encode("utf-8", "surrogateescape") if self.as_bytes else text

    async def say(self, conn: Connection[Any], text: str) -> None:
        """Send a text; wait for a peer that lags. Errors as `Connection.send()`."""
        if self.line_by_line and "\n" in text and not conn.local.keeps_boundaries:
            await conn.send_many([self.message(line) for line in text.split("\n")])
        else:
            await conn.send(self.message(text))


def is_leaving(text: str) -> bool:
    """Whether a peer has said that it leaves."""
    return text.lower() in LEAVING


def plain(text: str) -> str:
    """Replace what could steer a terminal."""
    return _CONTROL.sub("?", text)


def _carries(framing: Framing[Any], message: str | bytes) -> bool:
    try:
        framing.encode(message)
    except LocalProtocolError:
        return False
    return True
