"""The chat itself: who is in which room, and what they say to each other.

The rules this file owns:

1. A message is kept first and heard afterwards, by its author too: what anybody has seen is kept,
   and everybody sees a room's messages in the order of their numbers.
2. One person may be here several times over, on a page and in a terminal. They are here until the
   last of these has gone.
3. Nobody is told who is in a room they are not in, and nobody hears a direct conversation but its
   two people.
4. Who says too much too fast is told to wait; a new topic and a new room count as a message does.
   A room's owner, and an operator, may mute people and remove them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from jackfield.services.chat import words
from jackfield.services.chat.history import History, Message, NewMessage, RoomRecord
from jackfield.services.chat.telling import Telling
from jackfield.services.chat.words import NotSaid, key_of

LOBBY = "lobby"
"""The room that everybody is in when they come."""

MOST_ROOMS = 1000
"""Rooms that there may be, direct conversations left out."""

MOST_JOINED = 200
"""Rooms that one person may be in."""

MOST_HERE = 100
"""People of a room above which they are counted, and not named one by one."""

MOST_ID = 64
"""Characters of the id that a client gives a message."""

BURST = 10
RATE = 1.0
"""Messages that one person may send at once, and in a second after that."""

LONGEST_MUTE = 30 * 24 * 3600.0
"""Seconds for which one may be muted."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is here.

    operator: whether every room is theirs to keep order in. guest: whether the name is theirs only
    as long as they are here. token: the number of what they came by, where there is one, else 0.
    """

    name: str
    operator: bool = False
    guest: bool = False
    token: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """What their name is compared by."""
        return key_of(self.name)


class Session(Protocol):
    """One connection of a person, as the hub sees it. Nothing here waits, and nothing raises."""

    person: Person

    def said(self, messages: Sequence[Message]) -> None:
        """Something was said in a room they are in; all who are there have the same sequence."""

    def changed(self, room: RoomState) -> None:
        """A room they are in has another topic, or they have come into it."""

    def here(self, room: RoomState) -> None:
        """Others are in the room than before."""

    def out(self, room: str, why: str) -> None:
        """They are in this room no more."""

    def became(self) -> None:
        """They are an operator from now on, or are none any more: `person` says so."""

    def read(self, room: str, number: int) -> None:
        """They have read so far in a room, on another connection."""

    def end(self, why: str) -> None:
        """They may be here no more."""


@dataclass(slots=True)
class RoomState:
    """A room with who is in it now.

    sessions: of those in it, by connection. people: keys, with the name and how many sessions.
    muted: keys, with the time until which, of `time.monotonic()`. removed: likewise.
    """

    record: RoomRecord
    sessions: dict[Session, None] = field(default_factory=dict)
    people: dict[str, tuple[str, int]] = field(default_factory=dict)
    muted: dict[str, float] = field(default_factory=dict)
    removed: dict[str, float] = field(default_factory=dict)
    telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        self.telling = Telling(self.sessions)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.record.name

    @property
    def names(self) -> list[str]:
        """Who is in it now, in the order of the alphabet."""
        return sorted((name for name, _ in self.people.values()), key=key_of)

    def may_keep_order(self, person: Person) -> bool:
        """Whether a person may mute and remove others, and change the topic of an owned room."""
        return person.operator or (self.record.owner != "" and self.record.owner == person.key)


def direct_name(one: str, other: str) -> str:
    """Name the direct conversation of two people, by their keys."""
    return "@" + ",".join(sorted((one, other)))


def two_of(room: str) -> tuple[str, str]:
    """Give the keys of the two people of a direct conversation."""
    one, _, other = room.removeprefix("@").partition(",")
    return one, other


class Hub:
    """All rooms of one chat. Its methods are for the thread of one event loop.

    history: where messages are kept.
    on_here: called when who is in a room has changed; the owner of the hub decides when the
    sessions are told, so that a crowd that comes at once is told of once.
    on_gone: called with the key of a person whose last session has gone.
    knows: says whether a key is somebody's who can be written to: without accounts, of whoever was
    ever here.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.rooms: dict[str, RoomState] = {}
        self.on_here: Callable[[RoomState], None] = tell_here
        self.on_gone: Callable[[str], None] = _nothing
        self.knows: Callable[[str], Awaitable[bool]] = self._has_seen
        self._sessions: dict[str, dict[Session, None]] = {}  # by the key of their person
        self._allowed: dict[str, tuple[float, float]] = {}  # messages still allowed, and when
        history.tell(self._publish)

    async def open(self) -> None:
        """Read which rooms there are; make the lobby."""
        for record in await self.history.rooms():
            self.rooms[record.name] = RoomState(record)
        if LOBBY not in self.rooms:
            await self._make(RoomRecord(LOBBY))

    async def _make(self, record: RoomRecord) -> RoomState:
        made = await self.history.make_room(record)
        return self.rooms.setdefault(made.name, RoomState(made))

    # Coming and going

    async def come(self, session: Session) -> dict[str, int]:
        """Bring a session in, into the rooms its person is in; give how far they have read each.

        A person who was never here is in the lobby, and has read all of it.
        """
        key = session.person.key
        read = await self.history.read_up_to(key)
        if LOBBY not in read:  # somebody may have written to them before they ever came
            read = {LOBBY: self.rooms[LOBBY].record.last} | read
            await self.history.join(key, LOBBY, read[LOBBY])
        self._sessions.setdefault(key, {})[session] = None
        for name in read:
            room = self.rooms.get(name)
            if room is not None:
                self._enter(room, session)
        return {name: number for name, number in read.items() if name in self.rooms}

    def go(self, session: Session) -> None:
        """Take a session out."""
        key = session.person.key
        own = self._sessions.get(key, {})
        own.pop(session, None)
        if not own:
            self._sessions.pop(key, None)
        for room in self.rooms.values():
            self._exit(room, session)
        if not own:
            self.on_gone(key)

    def _enter(self, room: RoomState, session: Session) -> None:
        if session in room.sessions:
            return
        room.sessions[session] = None
        key = session.person.key
        name, count = room.people.get(key, (session.person.name, 0))
        room.people[key] = name, count + 1
        if not count:
            self.on_here(room)

    def _exit(self, room: RoomState, session: Session) -> None:
        if session not in room.sessions:
            return
        del room.sessions[session]
        key = session.person.key
        name, count = room.people[key]
        if count > 1:
            room.people[key] = name, count - 1
        else:
            del room.people[key]
            self.on_here(room)

    def sessions_of(self, key: str) -> Iterable[Session]:
        """Give where a person is here, by key."""
        return tuple(self._sessions.get(key, ()))

    async def _has_seen(self, key: str) -> bool:
        return bool(self.sessions_of(key)) or bool(await self.history.read_up_to(key))

    def promote(self, key: str, *, operator: bool) -> None:
        """Let a person keep order everywhere, or no more, where they are here now."""
        for session in self.sessions_of(key):
            if session.person.operator != operator:
                session.person = replace(session.person, operator=operator)
                session.became()

    @property
    def people(self) -> list[str]:
        """Who is here at all, in the order of the alphabet."""
        names = [next(iter(own)).person.name for own in self._sessions.values() if own]
        return sorted(names, key=key_of)

    # Rooms

    async def join(self, person: Person, wanted: str) -> RoomState:
        """Bring a person into a room, which is made if there is none of the name.

        Raises NotSaid for a name that cannot be, for somebody removed from it, and past the bounds.
        """
        name = key_of(words.name_of(wanted.removeprefix("#"), "the name of a room"))
        room = self.rooms.get(name)
        if room is None:
            if sum(one.record.kind == "room" for one in self.rooms.values()) >= MOST_ROOMS:
                raise NotSaid(f"there are {MOST_ROOMS} rooms already; join one of those")
            self._pace(person.key)
            room = await self._make(RoomRecord(name, owner=person.key))
        if room.removed.get(person.key, 0) > time.monotonic():
            raise NotSaid(f"you were removed from {name}; ask its owner")
        await self._bring(person.key, room)
        return room

    async def direct(self, person: Person, other: str) -> RoomState:
        """Open the direct conversation of two people.

        Raises NotSaid for one with oneself or with a name that is nobody's. Nor do guests have any:
        the next one of the name would read it.
        """
        name = words.name_of(other.removeprefix("@"))
        key = key_of(name)
        if key == person.key:
            raise NotSaid("that is you")
        if person.guest:
            raise NotSaid("guests have no direct conversations; ask for an invitation")
        if any(session.person.guest for session in self.sessions_of(key)):
            raise NotSaid("that is a guest, and guests have no direct conversations")
        if not await self.knows(key):
            raise NotSaid(f"nobody here is called {name}")
        room = await self._make(RoomRecord(direct_name(person.key, key), "direct"))
        await self._bring(person.key, room)
        return room

    async def _bring(self, key: str, room: RoomState) -> None:
        read = await self.history.read_up_to(key)
        if room.name not in read:
            if len(read) >= MOST_JOINED:
                raise NotSaid(f"you are in {MOST_JOINED} rooms already; leave one first")
            unread = room.record.kind == "direct"  # all that was said there is for both
            await self.history.join(key, room.name, 0 if unread else room.record.last)
        for session in self.sessions_of(key):
            self._enter(room, session)
            session.changed(room)

    async def leave(self, person: Person, name: str) -> None:
        """Take a person out of a room. Raises NotSaid for the lobby."""
        room = self.room_of(person, name)
        if room.name == LOBBY:
            raise NotSaid("everybody stays in the lobby")
        await self._put_out(room, person.key, "you have left it")

    async def _put_out(self, room: RoomState, key: str, why: str) -> None:
        await self.history.leave(key, room.name)
        for session in self.sessions_of(key):
            if session in room.sessions:
                self._exit(room, session)
                session.out(room.name, why)

    def room_of(self, person: Person, name: str) -> RoomState:
        """Give a room that a person is in now. Raises NotSaid for another."""
        room = self.rooms.get(name)
        if room is None or person.key not in room.people:
            raise NotSaid(f"you are not in a room called {words.clean(name, lines=False)[:64]!r}")
        return room

    # Saying

    async def say(self, person: Person, name: str, id: str, text: str) -> Message:  # noqa: A002
        """Say something in a room; it is kept when this returns, and everybody has been told.

        id: made by the client, up to `MOST_ID` characters; saying the same again changes nothing.
        In a crowd that may take a tenth of a second. Raises NotSaid.
        """
        await self.room_of(person, name).telling.pause()
        room = self.room_of(person, name)
        if not 0 < len(id) <= MOST_ID or not id.isascii() or not id.isprintable():
            raise NotSaid(f"the id of a message has 1 to {MOST_ID} ASCII characters")
        said = words.message_of(text)
        self._see_heard(person, room)
        try:
            if room.record.kind == "direct":
                await self._invite(room, person.key)
            kept, _ = await self.history.append(NewMessage(room.name, person.name, id, said))
        except KeyError:  # it has been given another name meanwhile
            raise NotSaid("this conversation is called otherwise now") from None
        await room.telling.all_told()
        return kept

    async def _invite(self, room: RoomState, key: str) -> None:
        """See to it that the other of two people is in their conversation."""
        for other in two_of(room.name):
            if other != key and other not in room.people:
                if not await self.knows(other):
                    raise NotSaid(f"{other} can be written to no more")
                await self._bring(other, room)

    def _see_heard(self, person: Person, room: RoomState) -> None:
        """See to it that somebody may be heard in a room now. Raises NotSaid."""
        left = room.muted.get(person.key, 0) - time.monotonic()
        if left > 0:
            raise NotSaid(f"you are muted here for {_minutes(left)} more")
        self._pace(person.key)

    def _pace(self, key: str) -> None:
        """See to it that nobody floods a room. Raises NotSaid."""
        now = time.monotonic()
        allowed, seen = self._allowed.get(key, (float(BURST), now))
        allowed = min(float(BURST), allowed + (now - seen) * RATE)
        if allowed < 1:
            wait = (1 - allowed) / RATE
            raise NotSaid("not so fast: wait a moment, then say it again", round(wait, 3))
        self._allowed[key] = allowed - 1, now
        if len(self._allowed) > 10_000:
            self._allowed = {
                other: (left, then)
                for other, (left, then) in self._allowed.items()
                if left + (now - then) * RATE < BURST
            }

    def _publish(self, message: Message) -> None:
        """A message is kept: let everybody in its room hear it."""
        room = self.rooms.get(message.room)
        if room is None:
            return
        room.record = replace(room.record, last=message.number)
        room.telling.add(message)

    # Keeping order

    async def set_topic(self, person: Person, name: str, text: str) -> None:
        """Change a room's topic. Raises NotSaid; in a room that has an owner, others may not."""
        room = self.room_of(person, name)
        if room.record.kind == "direct":
            raise NotSaid("a direct conversation has no topic")
        if room.record.owner and not room.may_keep_order(person):
            raise NotSaid("only the owner of a room changes its topic")
        topic = words.topic_of(text)
        self._see_heard(person, room)
        await self.history.set_topic(room.name, topic)
        room.record = replace(room.record, topic=topic)
        for session in tuple(room.sessions):
            session.changed(room)

    def mute(self, person: Person, name: str, other: str, seconds: float) -> None:
        """Have somebody say nothing in a room for a time; 0 ends it. Raises NotSaid."""
        room, key = self._order(person, name, other)
        if not 0 <= seconds <= LONGEST_MUTE:
            raise NotSaid(f"nobody is muted for longer than {_minutes(LONGEST_MUTE)}")
        room.muted[key] = time.monotonic() + seconds

    async def remove(self, person: Person, name: str, other: str, seconds: float = 3600) -> None:
        """Put somebody out of a room, and let them come back after a time. Raises NotSaid."""
        room, key = self._order(person, name, other)
        if room.name == LOBBY:
            raise NotSaid("nobody is removed from the lobby; mute them there")
        room.removed[key] = time.monotonic() + min(max(seconds, 0), LONGEST_MUTE)
        await self._put_out(room, key, f"{person.name} has removed you")

    def _order(self, person: Person, name: str, other: str) -> tuple[RoomState, str]:
        room = self.room_of(person, name)
        if not room.may_keep_order(person):
            raise NotSaid("only the owner of a room, or an operator, may do that")
        key = key_of(other.removeprefix("@"))
        if key == person.key:
            raise NotSaid("that is you")
        if key not in room.people and not self.sessions_of(key):
            raise NotSaid(f"nobody called {words.clean(other, lines=False)[:64]} is here")
        return room, key

    # Looking back

    async def read(self, person: Person, name: str, number: int) -> int:
        """Note how far somebody has read; give how far that can be.

        Raises NotSaid for a room they are not in.
        """
        room = self.room_of(person, name)
        number = min(max(number, 0), room.record.last)
        await self.history.set_read(person.key, room.name, number)
        return number

    async def page(
        self,
        person: Person,
        name: str,
        *,
        before: int | None = None,
        after: int | None = None,
        most: int = 50,
    ) -> list[Message]:
        """Give messages of a room they are in, as `History.page()`. Raises NotSaid."""
        room = self.room_of(person, name)
        return await self.history.page(room.name, before=before, after=after, most=most)

    async def search(
        self,
        person: Person,
        text: str,
        name: str | None,
        before: tuple[str, int] | None,
        most: int = 50,
    ) -> list[Message]:
        """Find messages in one room, or in all that a person is in. Raises NotSaid.

        before: the room and number of the last one found so far, as `History.search()`.
        """
        if name is not None:
            rooms = [self.room_of(person, name).name]
        else:
            rooms = [room.name for room in self.rooms.values() if person.key in room.people]
        return await self.history.search(text, rooms, before=before, most=most)


def _nothing(_key: str) -> None:
    """Nobody wants to know who has gone."""


def tell_here(room: RoomState) -> None:
    """Tell everybody in a room who is in it now."""
    for session in tuple(room.sessions):
        session.here(room)


def _minutes(seconds: float) -> str:
    minutes = int(-(-seconds // 60))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
