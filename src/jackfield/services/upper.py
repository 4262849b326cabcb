"""upper: sends back what comes, in upper case.

Text is turned by Unicode's rules: `é` becomes `É`, `ß` becomes `SS`. Where that cannot be
sent, for it is in the framing's encoding not at all or too long, and over `raw` and every other
framing of bytes, the letters a to z alone are turned: a chunk may end inside a character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jackfield.errors import LocalProtocolError
from jackfield.framing.base import Framing
from jackfield.framing.lines import lines
from jackfield.service import Service
from jackfield.services.answering import answering


def make(
    *, once: bool = False, delay: float = 0.0, framing: Framing[Any] | None = None
) -> Service[Any]:
    """Make the service.

    once: answer once, then close.
    delay: seconds to wait before each answer.
    framing: what a message is; lines unless given. What is neither text nor bytes comes back
    as it is.
    """
    framing = framing or lines()
    return answering("upper", Upper(framing), framing, once=once, delay=delay, amplifies=True)


@dataclass(frozen=True)
class Upper:
    """From a message to the same in upper case, which `framing` can carry."""

    framing: Framing[Any]

    def __call__(self, message: Any) -> Any:
        """Turn a message."""
        if isinstance(message, bytes):
            return message.upper()
        if not isinstance(message, str):
            return message
        turned = message.upper()
        if turned.isascii() or self._carries(turned):
            return turned
        return message.encode("utf-8", "surrogatepass").upper().decode("utf-8", "surrogatepass")

    def _carries(self, text: str) -> bool:
        try:
            self.framing.encode(text)
        except LocalProtocolError:
            return False
        return True
