"""The chat with pages and terminal clients, in JSON: `wire.py` says what is said.

It goes over WebSocket, where each object is a message, and over any stream as JSON lines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from jackfield.errors import EndOfStream, KeepingFailed, PeerLost
from jackfield.net.connection import Connection
from jackfield.services.chat import wire
from jackfield.services.chat.doors import Doors, bring_in
from jackfield.services.chat.history import MOST_AT_ONCE, Message, fitting
from jackfield.services.chat.hub import MOST_HERE, Hub, Person, RoomState, two_of
from jackfield.services.chat.outgoing import Forms, Outgoing
from jackfield.services.chat.wire import Asked
from jackfield.services.chat.words import NotSaid

PAGE = 50
"""Messages on a page of history, unless asked for otherwise."""

WAIT = 5.0
"""Seconds after which a client may say again what the store has not kept."""

MOST_ERRORS = 100
"""Errors in a row after which a client is taken for broken, and disconnected."""


class ClientSession:
    """One connection of a page or a terminal client."""

    def __init__(
        self, hub: Hub, doors: Doors, conn: Connection[Any], forms: Forms, person: Person | None
    ) -> None:
        """person: who this is, where that is known before anything is said."""
        self._hub = hub
        self._doors = doors
        self._conn = conn
        self._form = forms.of(conn.core.encoding, _encoded)
        self._out = Outgoing(conn, lambda _: {"is": "missed"})
        self._known = person
        self._read_up_to: dict[str, int] = {}  # as this client has told, or been told
        self.person = person or Person("")

    # What the hub tells

    def said(self, messages: Sequence[Message]) -> None:
        """Send messages of a room."""
        self._out.post(self._form.bytes_of(messages, self._conn.core), len(messages))

    def changed(self, room: RoomState) -> None:
        """Send how a room is now."""
        read = room.record.last
        self._out.post_message({"is": "room", "room": self._room(room, read, 0)})

    def here(self, room: RoomState) -> None:
        """Send who is in a room now."""
        self._out.post_message(wire.here(room, MOST_HERE))

    def out(self, room: str, why: str) -> None:
        """Send that this person is in a room no more."""
        self._out.post_message({"is": "out", "room": room, "why": why})

    def became(self) -> None:
        """Send the rooms anew: who may keep order in them is said with each."""
        for room in self._hub.rooms.values():
            if self in room.sessions:
                self.changed(room)

    def read(self, room: str, number: int) -> None:
        """Send how far this person has read elsewhere."""
        if number > self._read_up_to.get(room, -1):
            self._read_up_to[room] = number
            self._out.post_message({"is": "read", "room": room, "number": number})

    def tell(self, message: dict[str, Any]) -> None:
        """Send what is not of the chat."""
        self._out.post_message(message)

    def end(self, why: str) -> None:
        """End the connection, and say why."""
        self._conn.core.refuse(why)

    def tick(self) -> None:
        """Now and then: say what was missed, if that can be said now."""
        self._out.catch_up()

    # What the client says

    async def run(self) -> None:
        """Serve the connection to its end."""
        conn = self._conn
        errors = 0
        try:
            if not await self._come():
                return
            async for message in conn:
                errors = 0 if await self._do(message) else errors + 1
                if errors >= MOST_ERRORS:
                    conn.core.reason = f"{MOST_ERRORS} errors in a row"
                    return
        finally:
            self._hub.go(self)  # also when it was lost before it could be welcomed

    async def _come(self) -> bool:
        """Have the client say who it is; whether it may come in."""
        conn, new = self._conn, ""
        while True:
            try:
                message = await conn.receive()
            except (EndOfStream, PeerLost):
                return False
            try:
                asked = wire.asked(message)
                if asked.do != "come":
                    raise NotSaid('at first a client says {"do": "come"}')
                if self._known is None:
                    name, token = asked.maybe_text("name"), asked.maybe_text("token")
                    self.person, new = await self._doors.who(name or "", token or "", conn.source)
                break
            except (NotSaid, KeepingFailed) as error:
                await self._refuse(error)
        try:
            read = await bring_in(self._hub, self._doors, self)
            self._read_up_to |= read
            rooms = [await self._room_for_me(self._hub.rooms[name], read[name]) for name in read]
        except (NotSaid, KeepingFailed) as error:
            await self._refuse(error)
            return False
        welcome = {
            "is": "welcome",
            "name": self.person.name,
            "operator": self.person.operator,
            "rooms": rooms,
        }
        await conn.send(welcome | ({"token": new} if new else {}))
        for name in read:
            self.here(self._hub.rooms[name])
        return True

    async def _refuse(self, error: NotSaid | KeepingFailed) -> None:
        """Say why this client may not come in, and whether it may try again."""
        wait = error.wait if isinstance(error, NotSaid) else WAIT
        answer = {"is": "error", "why": str(error), "do": "come"}
        await self._conn.send(answer | ({} if wait is None else {"wait": wait}))

    async def _room_for_me(self, room: RoomState, read: int) -> dict[str, Any]:
        mentions = 0
        if room.record.last > read:
            mentions = await self._hub.history.mentions_of(self.person.key, room.name, read)
        return self._room(room, read, mentions)

    def _room(self, room: RoomState, read: int, mentions: int) -> dict[str, Any]:
        record = room.record
        found: dict[str, Any] = {
            "room": room.name,
            "kind": record.kind,
            "topic": record.topic,
            "last": record.last,
            "read": read,
            "mentions": mentions,
            "keeper": room.may_keep_order(self.person),
        }
        if record.kind == "direct":
            one, other = two_of(room.name)
            found["with"] = other if one == self.person.key else one
        return found

    async def _do(self, message: Any) -> bool:
        """Do what a client asks; whether that could be done."""
        try:
            asked = wire.asked(message)
        except NotSaid as error:
            await self._conn.send({"is": "error", "why": str(error)})
            return False
        ask = {} if asked.ask is None else {"ask": asked.ask}
        try:
            do = self._DOES.get(asked.do)
            if do is None:
                raise NotSaid(f"nothing is called {asked.do[:40]!r} here")
            answer = await do(self, asked)
        except (NotSaid, KeepingFailed) as error:
            answer = {"is": "error", "do": asked.do[:40], "why": str(error)}
            if asked.do == "say":
                answer["id"] = asked.fields.get("id")
            wait = error.wait if isinstance(error, NotSaid) else WAIT
            if wait is not None:
                answer["wait"] = wait
            await self._conn.send(answer | ask)
            return False
        await self._conn.send(answer | ask)
        return True

    async def _say(self, asked: Asked) -> dict[str, Any]:
        kept = await self._hub.say(
            self.person, asked.text("room"), asked.text("id"), asked.text("text")
        )
        return {"is": "kept", "room": kept.room, "id": kept.id, "number": kept.number}

    async def _join(self, asked: Asked) -> dict[str, Any]:
        room = await self._hub.join(self.person, asked.text("room"))
        self.here(room)
        return {"is": "done", "room": room.name}

    async def _direct(self, asked: Asked) -> dict[str, Any]:
        room = await self._hub.direct(self.person, asked.text("name"))
        self.here(room)
        return {"is": "done", "room": room.name}

    async def _leave(self, asked: Asked) -> dict[str, Any]:
        await self._hub.leave(self.person, asked.text("room"))
        return {"is": "done"}

    async def _read(self, asked: Asked) -> dict[str, Any]:
        name = asked.text("room")
        number = await self._hub.read(self.person, name, asked.number("number"))
        if number > self._read_up_to.get(name, -1):
            self._read_up_to[name] = number
            for session in self._hub.sessions_of(self.person.key):
                session.read(name, number)
        return {"is": "done"}

    async def _topic(self, asked: Asked) -> dict[str, Any]:
        await self._hub.set_topic(self.person, asked.text("room"), asked.text("text"))
        return {"is": "done"}

    async def _mute(self, asked: Asked) -> dict[str, Any]:
        seconds = asked.maybe_time("seconds")
        self._hub.mute(
            self.person, asked.text("room"), asked.text("name"), 600 if seconds is None else seconds
        )
        return {"is": "done"}

    async def _remove(self, asked: Asked) -> dict[str, Any]:
        await self._hub.remove(self.person, asked.text("room"), asked.text("name"))
        return {"is": "done"}

    async def _page(self, asked: Asked) -> dict[str, Any]:
        room, most, after = asked.text("room"), _most(asked), asked.maybe_number("after")
        before = asked.maybe_number("before")
        found = await self._hub.page(self.person, room, before=before, after=after, most=most)
        page = fitting(found, last=after is None)
        more = len(found) == most or len(page) < len(found)
        messages = [wire.said(message) for message in page]
        return {"is": "page", "room": room, "messages": messages, "more": more}

    async def _search(self, asked: Asked) -> dict[str, Any]:
        most = _most(asked)
        found = await self._hub.search(
            self.person,
            asked.text("text"),
            asked.maybe_text("room"),
            asked.maybe_place("before"),
            most,
        )
        page = fitting(found)
        more = len(found) == most or len(page) < len(found)
        messages = [wire.said(message) for message in page]
        return {"is": "found", "messages": messages, "more": more}

    async def _rooms(self, _asked: Asked) -> dict[str, Any]:
        key = self.person.key
        rooms = [
            {
                "room": room.name,
                "topic": room.record.topic,
                "count": len(room.people),
                "in": key in room.people,
            }
            for room in self._hub.rooms.values()
            if room.record.kind == "room"
        ]
        return {"is": "rooms", "rooms": rooms}

    _DOES: ClassVar[dict[str, Callable[[Any, Asked], Awaitable[dict[str, Any]]]]] = {
        "say": _say,
        "join": _join,
        "direct": _direct,
        "leave": _leave,
        "read": _read,
        "topic": _topic,
        "mute": _mute,
        "remove": _remove,
        "page": _page,
        "search": _search,
        "rooms": _rooms,
    }


def _encoded(message: Message, core: Connection[Any]) -> bytes:
    return core.encode(wire.said(message))


def _most(asked: Asked) -> int:
    most = asked.maybe_number("most")
    return PAGE if most is None else min(max(most, 1), MOST_AT_ONCE)
