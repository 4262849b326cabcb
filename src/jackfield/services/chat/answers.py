"""Reading what the chat says to a client. Each raises BadMessage for what it cannot have said."""

from __future__ import annotations

from typing import Any

from jackfield.errors import BadMessage
from jackfield.services.chat.history import Message

Answer = dict[str, Any]

LAST = 1e11
"""Seconds since 1970 that no message is said after: what every calendar here can show."""


def message_in(found: Answer) -> Message:
    """Give a message of a room."""
    at = found.get("at")
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at < LAST:
        raise BadMessage("a message of the chat without its time")
    author, id_, text = (text_of(found, name) for name in ("author", "id", "text"))
    number = number_of(found, "number")
    return Message(text_of(found, "room"), number, author, id_, text, float(at))


def text_of(found: Answer, name: str) -> str:
    """Give a field that is text."""
    value = found.get(name)
    if not isinstance(value, str):
        raise BadMessage(f"a message of the chat whose {name} is no text")
    return value


def number_of(found: Answer, name: str) -> int:
    """Give a field that is a number, 0 or above."""
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise BadMessage(f"a message of the chat whose {name} is no number")
    return value


def list_of(found: Answer, name: str) -> list[Any]:
    """Give a field that is a list."""
    value = found.get(name)
    if not isinstance(value, list):
        raise BadMessage(f"a message of the chat whose {name} is no list")
    return value


def object_in(found: Any) -> Answer:
    """Give what is an object."""
    if not isinstance(found, dict):
        raise BadMessage("a message of the chat with something else than an object in it")
    return found


def wait_of(answer: Answer) -> float | None:
    """Give the seconds to wait that an error names, within reason; None without."""
    wait = answer.get("wait")
    if not isinstance(wait, int | float) or isinstance(wait, bool):
        return None
    return float(min(max(wait, 0.01), 60))
