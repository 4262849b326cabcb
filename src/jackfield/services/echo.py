"""echo: sends back what comes (RFC 862), over any framing."""

from __future__ import annotations

from typing import Any

from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.service import Service
from jackfield.services.answering import answering


def make(
    *, once: bool = False, delay: float = 0.0, framing: Framing[Any] | None = None
) -> Service[Any]:
    """Make the service.

    once: answer once, then close.
    delay: seconds to wait before each answer.
    framing: what a message is; raw unless given.
    """
    return answering("echo", same, framing or Raw(), once=once, delay=delay)


def same(message: Any) -> Any:
    """Answer with the message itself."""
    return message
