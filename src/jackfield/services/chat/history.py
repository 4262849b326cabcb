"""What the chat needs somebody to keep: rooms, messages, how far everybody has read.

`History` says what that somebody does; `MemoryHistory` does it until the process ends. A board
keeps it on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from jackfield.services.chat.words import indexed, key_of, mentions_in, phrases_of

MOST_AT_ONCE = 200
"""Messages on one page of history."""

MOST_PAGE = 128 * 1024
"""Bytes of the texts on a page that is sent: thousands of those who read nothing may each have one
waiting for them."""

MOST_PEOPLE = 10_000
"""People of whom it is remembered in memory where they are; who came first is forgotten first."""

Kind = Literal["room", "direct"]


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A room, as it is kept.

    name: of a direct one, the two keys between commas after an `@`.
    last: the number of its last message; 0 without any.
    owner: the key of who made it; empty for one that nobody owns.
    """

    name: str
    kind: Kind = "room"
    topic: str = ""
    owner: str = ""
    last: int = 0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that is to be kept.

    id: made by its author's client, and unique among the author's: the same one is kept once.
    """

    room: str
    author: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is kept.

    number: its own among the room's, from 1 on without a gap.
    at: in seconds since 1970.
    """

    room: str
    number: int
    author: str
    id: str
    text: str
    at: float


class History(Protocol):
    """Keeps what is said. Every method may raise KeepingFailed."""

    async def rooms(self) -> list[RoomRecord]:
        """Give all rooms."""

    async def make_room(self, room: RoomRecord) -> RoomRecord:
        """Make a room, or give the one of that name."""

    async def set_topic(self, room: str, topic: str) -> None:
        """Change a room's topic."""

    async def append(self, message: NewMessage) -> tuple[Message, bool]:
        """Keep a message; give it with its number, and whether it is new.

        It is on disk when this returns. One that its author has sent before, by the same id, is
        given as it was kept then. Raises KeyError when there is no such room.
        """

    def tell(self, call: Callable[[Message], None]) -> None:
        """Have `call()` called for each new message, in order, before `append()` returns it."""

    async def page(
        self, room: str, *, before: int | None = None, after: int | None = None, most: int = 50
    ) -> list[Message]:
        """Give messages of a room in order: the last ones before a number, or the first after."""

    async def search(
        self,
        text: str,
        rooms: list[str],
        *,
        before: tuple[str, int] | None = None,
        most: int = 50,
    ) -> list[Message]:
        """Find messages in these rooms, newest first.

        before: the room and the number of a message, the last one found so far: those that were
        kept before it. There are none before one that is not there.
        """

    async def read_up_to(self, person: str) -> dict[str, int]:
        """Give how far somebody, by key, has read in each room they are in."""

    async def join(self, person: str, room: str, number: int) -> None:
        """Note that somebody is in a room and has read so far, unless they are in it already.

        Raises KeyError when there is no such room.
        """

    async def set_read(self, person: str, room: str, number: int) -> None:
        """Note how far somebody has read in a room they are in; never less than before.

        The last second of this may be lost when the machine fails: it is read again then.
        """

    async def leave(self, person: str, room: str) -> None:
        """Note that somebody is in a room no more."""

    async def forget(self, person: str) -> None:
        """Note that somebody is in no room any more; what they said stays."""

    async def mentions_of(self, person: str, room: str, after: int) -> int:
        """Count the messages after a number that mention somebody."""


class MemoryHistory(History):
    """A history that lasts as long as the process, and keeps the last messages of each room.

    most: messages of a room. in_all: messages of all rooms together.
    """

    def __init__(self, most: int = 10_000, in_all: int = 100_000) -> None:
        self._most = most
        self._in_all = in_all
        self._rooms: dict[str, RoomRecord] = {}
        self._messages: dict[str, list[Message]] = {}
        self._ids: dict[tuple[str, str], Message] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._kept = 0
        self._read: dict[str, dict[str, int]] = {}
        self._told: list[Callable[[Message], None]] = []

    async def rooms(self) -> list[RoomRecord]:
        return list(self._rooms.values())

    async def make_room(self, room: RoomRecord) -> RoomRecord:
        self._messages.setdefault(room.name, [])
        return self._rooms.setdefault(room.name, room)

    async def set_topic(self, room: str, topic: str) -> None:
        self._rooms[room] = replace(self._rooms[room], topic=topic)

    async def append(self, message: NewMessage) -> tuple[Message, bool]:
        key = key_of(message.author), message.id
        known = self._ids.get(key)
        if known is not None:
            return known, False
        room = self._rooms[message.room]
        number = room.last + 1
        self._rooms[message.room] = replace(room, last=number)
        kept = Message(message.room, number, message.author, message.id, message.text, time.time())
        self._ids[key] = kept
        self._kept += 1
        self._positions[kept.room, number] = self._kept
        messages = self._messages[message.room]
        messages.append(kept)
        if len(messages) > self._most:
            self._drop(message.room)
        elif len(self._positions) > self._in_all:
            oldest, _ = next(iter(self._positions))
            self._drop(oldest)
        for call in self._told:
            call(kept)
        return kept, True

    def _drop(self, room: str) -> None:
        """Forget the oldest message of a room."""
        old = self._messages[room].pop(0)
        self._ids.pop((key_of(old.author), old.id), None)
        del self._positions[old.room, old.number]

    def tell(self, call: Callable[[Message], None]) -> None:
        self._told.append(call)

    async def page(
        self, room: str, *, before: int | None = None, after: int | None = None, most: int = 50
    ) -> list[Message]:
        messages = self._messages.get(room, [])
        most = min(most, MOST_AT_ONCE)
        if after is not None:
            return [one for one in messages if one.number > after][:most]
        return [one for one in messages if before is None or one.number < before][-most:]

    async def search(
        self,
        text: str,
        rooms: list[str],
        *,
        before: tuple[str, int] | None = None,
        most: int = 50,
    ) -> list[Message]:
        phrases = [f" {' '.join(words)} " for words in phrases_of(text)]
        end = self._kept + 1 if before is None else self._positions.get(before, 0)
        found = [
            (position, one)
            for room in set(rooms)
            for one in self._messages.get(room, [])
            if (position := self._positions[room, one.number]) < end and _has(one.text, phrases)
        ]
        found.sort(key=lambda one: one[0], reverse=True)
        return [one for _, one in found[: min(most, MOST_AT_ONCE)]]

    async def read_up_to(self, person: str) -> dict[str, int]:
        return dict(self._read.get(person, {}))

    async def join(self, person: str, room: str, number: int) -> None:
        if room not in self._rooms:
            raise KeyError(room)
        self._read.setdefault(person, {}).setdefault(room, number)
        if len(self._read) > MOST_PEOPLE:  # guests come under ever new names
            del self._read[next(iter(self._read))]

    async def set_read(self, person: str, room: str, number: int) -> None:
        read = self._read.get(person, {})
        if room in read:
            read[room] = max(number, read[room])

    async def leave(self, person: str, room: str) -> None:
        self._read.get(person, {}).pop(room, None)

    async def forget(self, person: str) -> None:
        self._read.pop(person, None)

    async def mentions_of(self, person: str, room: str, after: int) -> int:
        messages = self._messages.get(room, [])
        return sum(one.number > after and person in mentions_in(one.text) for one in messages)


def fitting(found: list[Message], *, last: bool = False) -> list[Message]:
    """Give as many messages as may be sent on one page, at least one: the first, or the last."""
    size = 0
    for count, message in enumerate(reversed(found) if last else found):
        size += len(message.text.encode())
        if count and size > MOST_PAGE:
            return found[-count:] if last else found[:count]
    return found


def _has(text: str, phrases: list[str]) -> bool:
    words = f" {indexed(text)} "
    return bool(phrases) and all(phrase in words for phrase in phrases)
