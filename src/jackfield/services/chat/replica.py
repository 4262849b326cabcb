"""What a client knows of the chat, kept equal to it: no screen, no connection, no clock.

It is fed what the chat says and gives what is to be said to it, so it can be tested by every order
of losses that there is.

The rules this file owns:

1. Of each room it holds messages in the order of their numbers, each once. What comes ahead of its
   turn waits; what lies between is asked for by `page`, until nothing is missing.
2. A message of one's own stays in the outbox until the chat has kept it: it is said again, under
   the same id, after a connection was lost. One is on its way at a time, so they stay in order.
3. After a connection was lost, the rooms are filled first and the outbox is sent afterwards: what
   was kept unseen is found there, and not said twice.
4. A chat that has forgotten what was said, since it kept it in memory alone, is noticed: a room
   whose last number is lower than the one known, or whose message of that number is another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from jackfield.errors import BadMessage, PeerLost
from jackfield.services.chat import words
from jackfield.services.chat.answers import (
    Answer,
    list_of,
    message_in,
    number_of,
    object_in,
    text_of,
    wait_of,
)
from jackfield.services.chat.history import Message
from jackfield.services.chat.known import (
    Changed,
    Event,
    Forgotten,
    Gone,
    Heard,
    Kept,
    KnownRoom,
    NotKept,
    Unsent,
    Welcome,
)
from jackfield.services.chat.words import NotSaid, key_of

PAGE = 100
"""Messages asked for at a time."""

MOST_HELD = 5000
"""Messages of one room that are held; of more, the oldest are let go, and can be asked for again.
"""

MOST_AHEAD = 1000
"""Messages of one room that wait for those before them, and others before the welcome."""

MOST_UNSENT = 1000
"""Messages in the outbox."""

MOST_AFRESH = 1000
"""Messages of a room that are asked for when the chat has forgotten the old ones."""


class Replica:
    """What one client knows of the chat.

    tell: called with each event, in order.
    later: calls something after so many seconds, as `loop.call_later()`.
    """

    def __init__(
        self, tell: Callable[[Event], None], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self.name = ""
        self.operator = False
        self.rooms: dict[str, KnownRoom] = {}
        self.outbox: dict[str, Unsent] = {}
        self.wanted: dict[str, None] = {}
        """Rooms to be in: those that this client was told to join."""
        self._tell = tell
        self._later = later
        self._send: Callable[[Answer], object] | None = None
        self._welcomed = False
        self._early: list[Answer] = []
        self._asked: dict[int, Callable[[Answer], None]] = {}
        self._asks = 0
        self._on_its_way = ""  # the id of the message that is not answered yet
        self._waits = False  # the chat has said when to go on
        self._entering: set[str] = set()

    @property
    def key(self) -> str:
        """What one's own name is compared by."""
        return key_of(self.name)

    @property
    def is_welcome(self) -> bool:
        """Whether one is in now."""
        return self._welcomed

    # The connection

    def connected(
        self, send: Callable[[Answer], object], name: str | None, token: str | None
    ) -> None:
        """Begin on a new connection, by saying who one is."""
        self._send = send
        come: Answer = {"do": "come"}
        send(come | ({"name": name} if name else {}) | ({"token": token} if token else {}))

    def lost(self) -> None:
        """The connection is gone; what was under way is begun again with the next one."""
        self._send = None
        self._welcomed = self._waits = False
        self._on_its_way = ""
        self._entering.clear()
        self._early.clear()
        for room in self.rooms.values():
            room.filling = room.fill_again = room.loading = False
        asked, self._asked = self._asked, {}
        for then in asked.values():
            then({"is": "lost", "why": "the connection was lost"})

    def ask(self, do: str, fields: Answer, then: Callable[[Answer], None]) -> None:
        """Ask the chat for something; `then()` gets the answer, or {"is": "lost"}."""
        if self._send is None or not self._welcomed:
            then({"is": "lost", "why": "there is no connection now"})
            return
        self._asks += 1
        self._asked[self._asks] = then
        self._send({"do": do, **fields, "ask": self._asks})

    # What the chat says

    def take(self, message: Any) -> None:
        """Take what the chat says next.

        Raises BadMessage for what is none of its messages, NotSaid when one may not come in, and
        PeerLost when the server has said why it will not serve.
        """
        if not isinstance(message, dict):
            raise BadMessage("the chat speaks in objects; is that one?")
        kind = message.get("is")
        if kind is None and isinstance(message.get("error"), str):
            raise PeerLost(message["error"])
        if kind == "welcome":
            self._welcome(message)
            return
        if not self._welcomed:
            if kind == "error":
                raise NotSaid(text_of(message, "why"), wait_of(message))
            if len(self._early) < MOST_AHEAD:
                self._early.append(message)
            return
        ask = message.get("ask")
        then = self._asked.pop(ask, None) if isinstance(ask, int) else None
        if then is not None:
            then(message)
        elif isinstance(kind, str) and kind in self._HEARD:
            self._HEARD[kind](self, message)

    def _welcome(self, message: Answer) -> None:
        self.name = text_of(message, "name")
        self.operator = message.get("operator") is True
        self._welcomed = True
        found = [object_in(one) for one in list_of(message, "rooms")]
        for one in found:
            self._know(one, counts=True)
        token = message.get("token")
        self._tell(Welcome(self.name, token if isinstance(token, str) else ""))
        names = {one["room"] for one in found}
        for name in [name for name in self.rooms if name not in names]:
            if name not in self.wanted:
                self._out({"room": name, "why": ""})
        for name in self.wanted:
            if name not in names:
                self._enter(name)
        early, self._early = self._early, []
        for one in early:
            self.take(one)
        if len(early) == MOST_AHEAD:
            self._missed({})
        self.push()

    def _know(self, found: Answer, *, counts: bool) -> None:
        """Take in how a room is. counts: whether it says how much of it is read."""
        name, last = text_of(found, "room"), number_of(found, "last")
        room = self.rooms.get(name)
        if room is None:
            read = number_of(found, "read")
            room = KnownRoom(name, last=last, floor=last, read=read, read_told=read, counted=last)
            room.mentions = number_of(found, "mentions")
            self.rooms[name] = room
        elif counts:
            if last < room.newest:
                self._forget(room, last)
            room.read_told = min(number_of(found, "read"), last)
            room.read = max(room.read, room.read_told)
            room.mentions, room.counted = number_of(found, "mentions"), last
            if room.read >= last:
                room.mentions = 0
        room.kind, room.topic = text_of(found, "kind"), text_of(found, "topic")
        room.keeper = found.get("keeper") is True
        if room.kind == "direct":
            room.other = text_of(found, "with")
        if not counts and last < room.newest:
            self._forget(room, last)
        room.last = max(room.last, last)
        self._tell(Changed(name))
        self._fill(room, verify=counts or name in self._entering)

    def _room(self, message: Answer) -> None:
        self._know(object_in(message.get("room")), counts=False)
        self.push()

    def _said(self, message: Answer) -> None:
        found = message_in(message)
        room = self.rooms.get(found.room)
        if room is None or found.number <= room.newest:
            return
        room.last = max(room.last, found.number)
        if found.number == room.newest + 1:
            self._accept(room, found)
            self._catch_up(room)
            return
        if len(room.ahead) < MOST_AHEAD:
            room.ahead[found.number] = found
        self._fill(room)

    def _read_elsewhere(self, message: Answer) -> None:
        room = self.rooms.get(text_of(message, "room"))
        if room is not None:
            room.read_told = max(room.read_told, min(number_of(message, "number"), room.last))
            self.read(room.name, room.read_told)

    def _here(self, message: Answer) -> None:
        room = self.rooms.get(text_of(message, "room"))
        if room is not None:
            room.count = number_of(message, "count")
            names = list_of(message, "names") if "names" in message else []
            room.names = [one for one in names if isinstance(one, str)]
            self._tell(Changed(room.name))

    def _out(self, message: Answer) -> None:
        room = self.rooms.pop(text_of(message, "room"), None)
        if room is not None:
            self.wanted.pop(room.name, None)
            self._tell(Gone(room.name, text_of(message, "why")))

    def _missed(self, _: Answer) -> None:
        for room in self.rooms.values():
            self._fill(room, always=True)

    _HEARD: dict[str, Callable[[Replica, Answer], None]] = {  # noqa: RUF012  of its own methods
        "room": _room,
        "said": _said,
        "here": _here,
        "out": _out,
        "read": _read_elsewhere,
        "missed": _missed,
    }

    # Messages

    def _accept(self, room: KnownRoom, message: Message) -> None:
        """Take the next message of a room."""
        room.messages.append(message)
        room.last = max(room.last, message.number)
        author = key_of(message.author)
        if author == self.key:
            room.read, room.mentions = max(room.read, message.number), 0
            self._kept(message.id)
        elif message.number > max(room.counted, room.read):
            room.mentions += self.key in words.mentions_in(message.text)
        if len(room.messages) > MOST_HELD:
            del room.messages[: MOST_HELD // 5]
            room.floor = room.messages[0].number - 1
        self._tell(Heard(message))

    def _catch_up(self, room: KnownRoom) -> None:
        """Take those that have waited for their turn."""
        while (following := room.ahead.pop(room.newest + 1, None)) is not None:
            self._accept(room, following)
        if room.ahead:
            newest = room.newest
            room.ahead = {number: one for number, one in room.ahead.items() if number > newest}

    def _fill(self, room: KnownRoom, *, verify: bool = False, always: bool = False) -> None:
        """Ask for what is missing after the newest message.

        verify: ask for the newest one as well, and see that it is the same. always: ask even
        if nothing is known to be missing.
        """
        verify = verify and bool(room.messages)
        room.fill_again = room.filling and (always or room.fill_again)
        if room.filling or not (verify or always or room.newest < room.last):
            return
        room.filling = True
        fields = {"room": room.name, "after": room.newest - verify, "most": PAGE}
        self.ask("page", fields, partial(self._filled, room, room.newest, room.last))

    def _filled(self, room: KnownRoom, after: int, last: int, answer: Answer) -> None:
        """Take what was asked for. after, last: the room's, when it was."""
        room.filling = False
        if answer.get("is") != "page" or self.rooms.get(room.name) is not room:
            return
        found = [message_in(object_in(one)) for one in list_of(answer, "messages")]
        ours = room.at(found[0].number) if found else None
        if ours is not None and _mark(found[0]) != _mark(ours):
            self._forget(room, room.last)
            self._fill(room)
            return
        for message in found:
            if message.room == room.name and message.number > room.newest:
                self._accept(room, message)
        self._catch_up(room)
        if room.newest < room.last:
            ends = ours is None or answer.get("more") is not True
            if ends and room.newest == after and room.last == last:  # there is no more of it
                if room.ahead:
                    self._accept(room, room.ahead.pop(min(room.ahead)))
                    self._catch_up(room)
                else:
                    room.last = room.newest
            self._fill(room)
        elif room.fill_again or (answer.get("more") is True and room.newest > after):
            self._fill(room, always=True)
        self.push()

    def _forget(self, room: KnownRoom, last: int) -> None:
        """The chat knows nothing of what is here: begin the room anew."""
        room.messages.clear()
        room.ahead.clear()
        room.last = last
        room.floor = room.counted = room.read = room.read_told = max(0, last - MOST_AFRESH)
        room.mentions = 0
        self._tell(Forgotten(room.name))

    def older(self, name: str) -> bool:
        """Ask for messages before the first one here; whether there may be any."""
        room = self.rooms.get(name)
        if room is None or room.floor <= 0:
            return False
        if not room.loading and self._welcomed:
            room.loading = True
            fields = {"room": name, "before": room.floor + 1, "most": PAGE}
            self.ask("page", fields, partial(self._older, room))
        return True

    def _older(self, room: KnownRoom, answer: Answer) -> None:
        room.loading = False
        if answer.get("is") != "page":
            return
        found = [message_in(object_in(one)) for one in list_of(answer, "messages")]
        found = [one for one in found if one.number <= room.floor and one.room == room.name]
        room.messages[:0] = found
        room.floor = found[0].number - 1 if found else 0
        self._tell(Changed(room.name))

    def read(self, name: str, number: int) -> None:
        """Note how far one has read; `tell_reads()` tells the chat."""
        room = self.rooms.get(name)
        if room is not None and number > room.read:
            room.read = min(number, room.last)
            if room.read >= room.last:
                room.mentions = 0
            self._tell(Changed(name))

    def tell_reads(self) -> None:
        """Tell the chat how far one has read, where it does not know."""
        for room in self.rooms.values():
            if room.read > room.read_told and self._welcomed:
                room.read_told = room.read
                self.ask("read", {"room": room.name, "number": room.read}, _ignore)

    def ping(self) -> None:
        """Ask something of no consequence, so that the chat says something."""
        for room in self.rooms.values():
            self.ask("read", {"room": room.name, "number": room.read}, _ignore)
            return
        self.ask("rooms", {}, _ignore)

    # Saying

    def say(self, room: str, text: str) -> Unsent:
        """Put a message into the outbox. Raises NotSaid for what can be no message."""
        if len(self.outbox) >= MOST_UNSENT:
            raise NotSaid(f"{MOST_UNSENT} messages are waiting to be sent already")
        unsent = Unsent(room, uuid4().hex, words.message_of(text))
        self.outbox[unsent.id] = unsent
        self.push()
        return unsent

    def push(self) -> None:
        """Send the next message of the outbox, if it is its turn."""
        if not self._welcomed or self._on_its_way or self._waits or not self.outbox:
            return
        unsent = next(iter(self.outbox.values()))
        room = self.rooms.get(unsent.room)
        if room is None:
            self._enter(unsent.room)
        elif not room.filling:
            self._on_its_way = unsent.id
            fields = {"room": unsent.room, "id": unsent.id, "text": unsent.text}
            self.ask("say", fields, partial(self._answered, unsent))

    def _answered(self, unsent: Unsent, answer: Answer) -> None:
        self._on_its_way = ""
        kind = answer.get("is")
        if kind == "lost":
            return
        wait = wait_of(answer)
        if kind == "kept":
            self._kept(unsent.id)
        elif kind == "error" and wait is not None:
            self._waits = True
            self._later(wait, self._go_on)
        else:
            self._refuse(unsent, text_of(answer, "why"))
        self.push()

    def _go_on(self) -> None:
        self._waits = False
        self.push()

    def _kept(self, id: str) -> None:  # noqa: A002  as messages have it
        unsent = self.outbox.pop(id, None)
        if unsent is not None:
            self._tell(Kept(unsent))

    def _refuse(self, unsent: Unsent, why: str) -> None:
        if self.outbox.pop(unsent.id, None) is not None:
            self._tell(NotKept(unsent, why))

    def _enter(self, name: str) -> None:
        """Go into a room that something is to be said in."""
        if name in self._entering:
            return
        self._entering.add(name)
        if name.startswith("@"):
            others = [one for one in name[1:].split(",") if one != self.key]
            self.ask("direct", {"name": others[0] if others else ""}, partial(self._entered, name))
        else:
            self.ask("join", {"room": name}, partial(self._entered, name))

    def _entered(self, name: str, answer: Answer) -> None:
        if answer.get("is") == "lost":
            return
        self._entering.discard(name)
        if answer.get("is") == "error" or name not in self.rooms:
            why = text_of(answer, "why") if answer.get("is") == "error" else "there is no such room"
            self.rooms.pop(name, None)
            self.wanted.pop(name, None)
            self._tell(Gone(name, why))
            for unsent in [one for one in self.outbox.values() if one.room == name]:
                self._refuse(unsent, why)
        self.push()


def _ignore(_: Answer) -> None:
    pass


def _mark(message: Message) -> tuple[str, str]:
    """Give what tells a message from another of its number."""
    return message.id, message.author
