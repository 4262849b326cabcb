"""What a page or a terminal client and the chat say to each other: one JSON object a message.

A client says what it wants done, the chat what is. Either may grow; what one does not know it
leaves out of account, but a client's `do` that is not known is an error.

From a client::

    {"do": "come", "token": …, "name": …}    the first one; where a token says all, no name
    {"do": "say", "room": …, "id": …, "text": …}
    {"do": "join", "room": …}            {"do": "leave", "room": …}
    {"do": "direct", "name": …}          {"do": "read", "room": …, "number": …}
    {"do": "topic", "room": …, "text": …}
    {"do": "mute", "room": …, "name": …, "seconds": …}    {"do": "remove", "room": …, "name": …}
    {"do": "page", "room": …, "before": … or "after": …, "most": …}
    {"do": "search", "text": …, "room": … or left out, "before": [ROOM, NUMBER] or left out}
    {"do": "rooms"}

with `"ask": NUMBER` where the answer is to be told from others: it comes back with it.

From the chat::

    {"is": "welcome", "name": …, "operator": …, "rooms": [ROOM, …]}
        with `"token": …` where it is a new one: the client comes back by it
    {"is": "room", "room": ROOM}
    {"is": "said", "room": …, "number": …, "author": …, "id": …, "text": …, "at": …}
    {"is": "here", "room": …, "count": …, "names": […] or left out above a hundred}
    {"is": "out", "room": …, "why": …}
    {"is": "read", "room": …, "number": …}    how far this person has read, on another connection
    {"is": "page", "room": …, "messages": […], "more": …}
    {"is": "found", "messages": […], "more": …}
    {"is": "rooms", "rooms": [{"room": …, "topic": …, "count": …, "in": …}, …]}
    {"is": "kept", "room": …, "id": …, "number": …}    to a `say`: it is on disk
    {"is": "done", "room": …}            {"is": "error", "do": …, "why": …, "id": … of a `say`}
        with `"wait": SECONDS` where it can be said again after these, as it is
    {"is": "missed"}                     what was said meanwhile is to be asked for by `page`
    {"error": …}                         the last one, where the chat ends the connection: why;
        over WebSocket that is the reason of the close (1008), as far as it has room

ROOM is `{"room": …, "kind": …, "with": …, "topic": …, "last": …, "read": …, "mentions": …,
"keeper": …}`: `with` is the other one of a direct conversation, `keeper` whether one may keep
order.

A search goes on before the last message that it found, by its room and number.

A client that comes back knows the last number it has of each room, and asks for the rest by `page`
with `after`. A message that it has sent and not seen kept, it says again with the same id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jackfield.framing.json_lines import JSONLines
from jackfield.services.chat.history import Message
from jackfield.services.chat.hub import RoomState
from jackfield.services.chat.words import NotSaid

MOST_MESSAGE = 64 * 1024
"""Bytes of one message of a client: a text of the most characters, escaped, and all around it."""

MOST_ANSWER = 2 * 1024 * 1024
"""Bytes of one message of the chat: all rooms there may be, or a page of the longest texts."""


class _Framing(JSONLines):
    """JSON lines, where the chat may say more at a time than a client."""

    def encode_unit(self, message: Any) -> bytes:
        return _ANSWERS.encode_unit(message)


_ANSWERS = JSONLines(MOST_ANSWER)

FRAMING = _Framing(MOST_MESSAGE)
"""The chat's own. All connections share it, so that what is told to many is encoded once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client has said: checked as far as its form goes."""

    do: str
    fields: dict[str, Any]

    @property
    def ask(self) -> int | None:
        """The number that its answer carries."""
        found = self.fields.get("ask")
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def text(self, name: str) -> str:
        """Give a field that is text. Raises NotSaid for another."""
        found = self.fields.get(name)
        if not isinstance(found, str):
            raise NotSaid(f"{self.do}: {name} is a text")
        return found

    def maybe_text(self, name: str) -> str | None:
        """Give a field that is text, or left out. Raises NotSaid for another."""
        return None if self.fields.get(name) is None else self.text(name)

    def number(self, name: str) -> int:
        """Give a field that is a whole number. Raises NotSaid for another."""
        found = self.fields.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or abs(found) >= 1 << 53:
            raise NotSaid(f"{self.do}: {name} is a whole number")
        return found

    def maybe_number(self, name: str) -> int | None:
        """Give a field that is a whole number, or left out. Raises NotSaid for another."""
        return None if self.fields.get(name) is None else self.number(name)

    def maybe_time(self, name: str) -> float | None:
        """Give a field that is a time in seconds, or left out. Raises NotSaid for another."""
        found = self.fields.get(name)
        if found is None:
            return None
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or abs(found) >= 1 << 53:  # an int may be past any float
            raise NotSaid(f"{self.do}: {name} is a time in seconds")
        return float(found)

    def maybe_place(self, name: str) -> tuple[str, int] | None:
        """Give a field that is a message's room and number, or left out. Raises NotSaid."""
        match self.fields.get(name):
            case None:
                return None
            case [str(room), int(number)] if 0 < number < 1 << 53:
                return room, number
        raise NotSaid(f"{self.do}: {name} is a message's room and number")


def asked(message: Any) -> Asked:
    """Read what a client has said. Raises NotSaid for what is no object with a `do`."""
    if not isinstance(message, dict) or not isinstance(message.get("do"), str):
        raise NotSaid('a message is an object with a "do"')
    return Asked(message["do"], message)


def said(message: Message) -> dict[str, Any]:
    """Write a message, as it is heard and as it stands on a page of history."""
    return {
        "is": "said",
        "room": message.room,
        "number": message.number,
        "author": message.author,
        "id": message.id,
        "text": message.text,
        "at": round(message.at, 3),
    }


def here(room: RoomState, most: int) -> dict[str, Any]:
    """Write who is in a room: by name, or as a number where they are more than `most`."""
    found: dict[str, Any] = {"is": "here", "room": room.name, "count": len(room.people)}
    if len(room.people) <= most:
        found["names"] = room.names
    return found
