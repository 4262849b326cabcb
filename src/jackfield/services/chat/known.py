"""What a client knows of a room, and the events that tell what has become of it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from jackfield.services.chat.history import Message


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message of one's own that is not known to be kept."""

    room: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that whoever shows the chat will want to know."""


@dataclass(frozen=True, slots=True)
class Welcome(Event):
    """One is in, under this name; token: a new one to come back with, or empty."""

    name: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """The next message of a room."""

    message: Message


@dataclass(frozen=True, slots=True)
class Changed(Event):
    """A room is new or has changed: its topic, who is in it, how much older history is here."""

    room: str


@dataclass(frozen=True, slots=True)
class Gone(Event):
    """One is in a room no more, or may not go into it."""

    room: str
    why: str


@dataclass(frozen=True, slots=True)
class Forgotten(Event):
    """The chat has forgotten what was said in a room; what it has now comes as `Heard`."""

    room: str


@dataclass(frozen=True, slots=True)
class Kept(Event):
    """A message of one's own is kept."""

    unsent: Unsent


@dataclass(frozen=True, slots=True)
class NotKept(Event):
    """A message of one's own is refused, and will not be said again."""

    unsent: Unsent
    why: str


@dataclass(slots=True)
class KnownRoom:
    """A room, as far as it is known.

    other: of a direct conversation, who it is with.
    last: the number of its last message. read: up to which one has read it.
    messages: in the order of their numbers. floor: the number before the first of them.
    count: how many are in it; names: who, up to the number that the chat names one by one.
    """

    name: str
    kind: str = "room"
    other: str = ""
    topic: str = ""
    last: int = 0
    read: int = 0
    mentions: int = 0
    keeper: bool = False
    count: int = 0
    names: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    floor: int = 0
    ahead: dict[int, Message] = field(default_factory=dict)
    filling: bool = False
    fill_again: bool = False  # more may be missing than was known when it was asked for
    loading: bool = False
    counted: int = 0  # mentions up to here are the chat's own count
    read_told: int = 0  # how far the chat knows that one has read

    @property
    def newest(self) -> int:
        """The number of the last message that is here, with all before it."""
        return self.messages[-1].number if self.messages else self.floor

    def at(self, number: int) -> Message | None:
        """Give the message of a number, if it is here."""
        index = bisect_left(self.messages, number, key=lambda one: one.number)
        found = self.messages[index] if index < len(self.messages) else None
        return found if found is not None and found.number == number else None

    @property
    def unread(self) -> int:
        """How many messages one has not read."""
        return max(0, self.last - self.read)

    @property
    def title(self) -> str:
        """What it is called by people: `#room`, or `@name`."""
        return f"@{self.other}" if self.kind == "direct" else f"#{self.name}"
