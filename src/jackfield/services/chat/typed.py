"""The chat by lines: for `nc`, `jackfield connect`, and whatever else sends text.

What is typed is said in the room one is in; what begins with a slash is a command. Lines may be
UTF-8 or GBK: who sends one that is only the latter is answered in it from then on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from jackfield.errors import EndOfStream, KeepingFailed, PeerLost
from jackfield.net.connection import Connection
from jackfield.services.chat import words
from jackfield.services.chat.clients import MOST_ERRORS
from jackfield.services.chat.doors import Doors, bring_in
from jackfield.services.chat.history import Message, fitting
from jackfield.services.chat.hub import LOBBY, MOST_HERE, Hub, Person, RoomState, two_of
from jackfield.services.chat.outgoing import Forms, Outgoing
from jackfield.services.chat.words import NotSaid, key_of
from jackfield.services.speech import is_leaving

LAST = 10
"""Messages of a room that are shown to who comes into it."""

MOST_LAST = 200
"""Messages that `/history` shows at a time."""

MOST_HELD = 1000
"""Messages that are held back while a page of history is shown; more are missed."""

TRIES = 5
"""Names, or tokens, that one may offer before the connection ends."""

HELP = """\
What you type is said in the room you are in. Commands:
/join ROOM        go into a room, which is made if there is none of the name
/leave            leave this room
/rooms            which rooms there are
/who              who is in this room
/msg NAME TEXT    say something to one person alone
/history [N]      what was said last in this room
/search TEXT      find it in the rooms you are in, newest first
/topic TEXT       what this room is about
/mute NAME [MIN]  in a room of your own: have somebody say nothing for a time
/remove NAME      in a room of your own: put somebody out
quit              leave; /q, /quit and exit too"""


def shown(message: Message) -> str:
    """Write a message as a line, or as several of which those after the first are indented."""
    when = time.strftime("%H:%M", time.localtime(message.at))
    if message.room.startswith("@"):
        where = "(to you) "
    else:
        where = "" if message.room == LOBBY else f"#{message.room} "
    first, *rest = message.text.split("\n")
    return "\n".join(
        [f"{when} {where}{message.author}: {first}", *(f"      {line}" for line in rest)]
    )


def _bytes(text: str, encoding: str) -> bytes:
    return "".join(f"{line}\n" for line in text.split("\n")).encode(encoding, "replace")


class LineSession:
    """One connection of somebody who types lines. Its framing is lines of bytes."""

    def __init__(
        self,
        hub: Hub,
        doors: Doors,
        conn: Connection[bytes],
        forms: Forms,
        person: Person | None = None,
    ) -> None:
        """person: who this is, where that is known before anything is said."""
        self._hub = hub
        self._doors = doors
        self._conn = conn
        self._forms = forms
        self._known = person
        self.person = person or Person("")
        self._encode_in("utf-8")
        self._room = LOBBY
        self._own: set[str] = set()  # ids of what was typed here and need not be shown again
        self._held: list[Message] | None = None  # what is said while history is shown
        self._shown: dict[str, int] = {}  # up to which number, by room
        self._out = Outgoing(conn, self._tell_missed)

    def _encode_in(self, encoding: str) -> None:
        self._encoding = encoding
        self._form = self._forms.of(encoding, lambda one, _: _bytes(shown(one), encoding))

    # What the hub tells

    def said(self, messages: Sequence[Message]) -> None:
        """Show messages, but for those that were typed here or are shown already."""
        core, first = self._conn.core, messages[0]
        shown = self._shown.get(first.room, 0)
        if not self._own and self._held is None and first.number > shown:
            self._out.post(self._form.bytes_of(messages, core), len(messages))
            return
        parts = dict(zip(messages, self._form.parts_of(messages, core), strict=True))
        others = [one for one in messages if one.number > shown and one.id not in self._own]
        self._own.difference_update(one.id for one in messages)
        if self._held is not None:
            room = max(0, MOST_HELD - len(self._held))
            self._held += others[:room]
            if others[room:]:
                self._out.miss(len(others) - room)
        elif others:
            self._out.post(b"".join([parts[one] for one in others]), len(others))

    def changed(self, room: RoomState) -> None:
        """Tell of a new topic."""
        if room.name == self._room and room.record.topic:
            self._tell(f"* the topic of {room.name} is: {room.record.topic}")

    def here(self, room: RoomState) -> None:
        """Nothing is told of who comes and goes: `/who` says who is here."""

    def out(self, room: str, why: str) -> None:
        """Tell that one is in a room no more."""
        if self._room == room:
            self._room = LOBBY
        self._tell(f"* you are not in {room} any more: {why}")

    def became(self) -> None:
        """Tell that one may keep order, or may no more."""
        now = "an operator now: every room is yours to keep order in"
        self._tell(f"* you are {now if self.person.operator else 'no operator any more'}")

    def read(self, room: str, number: int) -> None:
        """How far one has read elsewhere is nothing to somebody who types."""

    def end(self, why: str) -> None:
        """End the connection, and say why."""
        self._conn.core.refuse(why)

    def tick(self) -> None:
        """Now and then: say what was missed, if that can be said now."""
        self._out.catch_up()

    def _tell(self, text: str) -> None:
        self._out.post(_bytes(text, self._encoding))

    def _tell_missed(self, count: int) -> bytes:
        return f"* you missed {count} messages; /history shows them".encode(self._encoding)

    # What is typed

    async def run(self) -> None:
        """Serve the connection to its end."""
        if not await self._come():
            return
        try:
            room = self._hub.rooms[LOBBY]
            count = len(room.people)
            await self._say(
                f"* Hello, {self.person.name}. {_count(count, 'person', 'people')} here; "
                "/help shows what can be done, quit leaves."
            )
            await self._show_last(LAST)
            errors = 0
            async for line in self._conn:
                text = self._hear(line)
                if is_leaving(text) or text.lower() in {"/q", "/quit", "/exit"}:
                    await self._say("* Goodbye.")
                    return
                if text:
                    errors = 0 if await self._do(text) else errors + 1
                if errors >= MOST_ERRORS:
                    self._conn.core.reason = f"{MOST_ERRORS} errors in a row"
                    return
        finally:
            self._hub.go(self)

    async def _come(self) -> bool:
        """Ask who this is; whether they may come in."""
        if self._known is None:
            await self._say(self._doors.question)
        for _ in range(TRIES):
            try:
                if self._known is None:
                    said = self._hear(await self._conn.receive())
                    if is_leaving(said):
                        return False
                    self.person, token = await self._doors.who(said, said, self._conn.source)
                    if token and not self.person.guest:
                        await self._say(f"* Keep this token, by which you come back: {token}")
                self._held = []
                await bring_in(self._hub, self._doors, self)
            except (NotSaid, KeepingFailed) as error:
                await self._say(f"* {error}")
            except (EndOfStream, PeerLost):
                return False
            else:
                return True
        await self._say("* That was one try too many.")
        return False

    def _hear(self, line: bytes) -> str:
        try:
            return line.decode().strip()
        except UnicodeDecodeError:
            pass
        with contextlib.suppress(UnicodeDecodeError):
            text = line.decode("gb18030").strip()
            self._encode_in("gb18030")
            return text
        return line.decode("utf-8", "replace").strip()

    async def _say(self, text: str) -> None:
        """Send a text, and wait for a peer that lags."""
        encoded = [line.encode(self._encoding, "replace") for line in text.split("\n")]
        await self._conn.send_many(encoded)

    async def _do(self, text: str) -> bool:
        """Do what somebody types; whether that could be done."""
        try:
            if not text.startswith("/"):
                await self._speak(self._room, text)
                return True
            command, _, rest = text[1:].partition(" ")
            do = self._DOES.get(command.lower())
            if do is None:
                name = words.clean(command, lines=False)[:40]
                raise NotSaid(f"there is no command /{name}; /help shows all")
            await do(self, rest.strip())
        except (NotSaid, KeepingFailed) as error:
            await self._say(f"* {error}")
            return False
        return True

    async def _speak(self, room: str, text: str) -> None:
        id = uuid4().hex  # noqa: A001  as messages have it
        self._own.add(id)
        try:
            await self._hub.say(self.person, room, id, text)
        finally:
            self._own.discard(id)

    async def _help(self, _: str) -> None:
        await self._say(HELP)

    async def _join(self, name: str) -> None:
        self._held = []
        try:
            room = await self._hub.join(self.person, name)
        except BaseException:
            self._show_held()
            raise
        self._room = room.name
        topic = f" Topic: {room.record.topic}" if room.record.topic else ""
        await self._say(f"* You are in {room.name} with {len(room.people) - 1} others.{topic}")
        await self._show_last(LAST)

    async def _leave(self, name: str) -> None:
        await self._hub.leave(self.person, key_of(name.removeprefix("#")) or self._room)
        self._room = LOBBY

    async def _rooms(self, _: str) -> None:
        rooms = [room for room in self._hub.rooms.values() if room.record.kind == "room"]
        rooms.sort(key=lambda room: (-len(room.people), room.name))
        lines = [f"* {_count(len(rooms), 'room', 'rooms')}:"]
        for room in rooms[:MOST_HERE]:
            topic = f"  {room.record.topic}" if room.record.topic else ""
            lines.append(f"  {room.name} ({len(room.people)}){topic}")
        await self._say("\n".join(lines))

    async def _who(self, _: str) -> None:
        room = self._hub.room_of(self.person, self._room)
        names = room.names
        text = ", ".join(names[:MOST_HERE]) + (", …" if len(names) > MOST_HERE else "")
        await self._say(f"* {len(names)} in {room.name}: {text}")

    async def _msg(self, rest: str) -> None:
        name, _, text = rest.partition(" ")
        if not text.strip():
            raise NotSaid("write /msg NAME TEXT")
        room = await self._hub.direct(self.person, name)
        await self._speak(room.name, text)

    async def _history(self, rest: str) -> None:
        if rest and not (rest.isdecimal() and len(rest) < 10):
            raise NotSaid("write /history, or /history 50")
        await self._show_last(min(max(int(rest or 50), 1), MOST_LAST))

    async def _show_last(self, most: int) -> None:
        """Show a page, and then what was said meanwhile and is not on it."""
        if self._held is None:
            self._held = []
        try:
            page = await self._hub.page(self.person, self._room, most=most)
            messages = fitting(page, last=True)
            if messages:
                self._shown[self._room] = messages[-1].number
                await self._say("\n".join(map(shown, messages)))
        finally:
            self._show_held()

    def _show_held(self) -> None:
        """Hold back no more."""
        held, self._held = self._held or [], None
        for message in held:
            self.said([message])

    async def _search(self, text: str) -> None:
        if not text:
            raise NotSaid("write /search TEXT")
        found = await self._hub.search(self.person, text, None, None, 20)
        await self._say("\n".join(map(shown, found)) if found else "* Nothing like it was said.")

    async def _topic(self, text: str) -> None:
        await self._hub.set_topic(self.person, self._room, text)

    async def _mute(self, rest: str) -> None:
        name, _, minutes = rest.partition(" ")
        if not name or (minutes and not minutes.strip().isdecimal()):
            raise NotSaid("write /mute NAME, or /mute NAME 30 for thirty minutes")
        self._hub.mute(self.person, self._room, name, float(minutes or 10) * 60)
        await self._say(f"* {name} is muted in {self._room}.")

    async def _remove(self, name: str) -> None:
        await self._hub.remove(self.person, self._room, name)
        await self._say(f"* {name} is removed from {self._room}.")

    _DOES: ClassVar[dict[str, Callable[[Any, str], Awaitable[None]]]] = {
        "help": _help,
        "join": _join,
        "leave": _leave,
        "rooms": _rooms,
        "who": _who,
        "msg": _msg,
        "history": _history,
        "search": _search,
        "topic": _topic,
        "mute": _mute,
        "remove": _remove,
    }


def other_of(room: str, key: str) -> str:
    """Give the key of the other one of a direct conversation."""
    one, other = two_of(room)
    return other if one == key else one


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
