"""What one can type that is not said: the commands of the full screen, and what Tab completes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, Protocol

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from jackfield.errors import ConnectionEnded
from jackfield.services.chat.answers import list_of, message_in, number_of, text_of
from jackfield.services.chat.client import ChatClient
from jackfield.services.chat.known import KnownRoom
from jackfield.services.chat.words import NotSaid, key_of

FOUND = 20
"""Messages that a search shows."""

MOST_OFFERED = 50
"""Completions that are offered at a time."""

HELP = """\
What you type is said here. Commands:
/join ROOM   go into a room; it is made if there is none
/go ROOM     show a room you are in: Ctrl-K
/leave       leave this room
/rooms       which rooms there are
/who         who is in this room
/msg NAME TEXT   talk to one person alone
/search TEXT     find it in your rooms
/topic TEXT      what this room is about
/mute NAME 30    have somebody be quiet for minutes
/remove NAME     put somebody out of a room of yours
/quit        leave: Ctrl-C, Ctrl-D
Ctrl-N, Ctrl-P, Alt-arrows   next room, room before
Alt-A        next room with something new
PageUp, PageDown, wheel, Ctrl-End   scroll; the end
Tab          complete @name, #room, /command
Up, Down     what you typed before
Alt-Enter    a new line in a message
//text       say what begins with a slash"""


class Board(Protocol):
    """The screen, as commands use it."""

    client: ChatClient

    @property
    def room(self) -> KnownRoom | None:
        """The room that is shown."""

    def ordered(self) -> list[KnownRoom]:
        """All rooms, in the order in which they are shown."""

    def notice(self, text: str) -> None:
        """Show a text that nobody has said."""

    def go(self, name: str) -> None:
        """Show a room."""

    def leave(self) -> None:
        """End the chat."""


class Commands:
    """Does what is typed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._client = board.client

    async def do(self, text: str) -> None:
        """Say it, or do what it commands; what goes wrong is shown."""
        try:
            if text.startswith("/") and not text.startswith("//"):
                name, _, rest = text[1:].partition(" ")
                command = self._DOES.get(name.lower())
                if command is None:
                    raise NotSaid(f"there is no command /{name[:40]}; /help shows all")
                await command(self, rest.strip())
            else:
                self._say(text.removeprefix("/") if text.startswith("//") else text)
        except (NotSaid, ConnectionEnded) as error:
            self._board.notice(str(error))

    def _say(self, text: str) -> None:
        self._client.say(self._here().name, text)

    def _here(self) -> KnownRoom:
        room = self._board.room
        if room is None:
            raise NotSaid("you are in no room; /join one")
        return room

    async def _help(self, _: str) -> None:
        self._board.notice(HELP)

    async def _quit(self, _: str) -> None:
        self._board.leave()

    async def _join(self, name: str) -> None:
        self._board.go(await self._client.join(_needed(name, "/join ROOM")))

    async def _go(self, name: str) -> None:
        wanted = key_of(_needed(name, "/go ROOM"))
        rooms = self._board.ordered()
        for room in rooms:
            if wanted in {key_of(room.title), key_of(room.title[1:])}:
                self._board.go(room.name)
                return
        for room in rooms:
            if key_of(room.title[1:]).startswith(wanted.lstrip("#@")):
                self._board.go(room.name)
                return
        raise NotSaid(f"you are not in a room called {name}; /join {name.lstrip('#@')} goes there")

    async def _leave(self, _: str) -> None:
        await self._client.ask("leave", room=self._here().name)

    async def _rooms(self, _: str) -> None:
        answer = await self._client.ask("rooms")
        rooms: list[Any] = list_of(answer, "rooms")
        rooms.sort(key=lambda one: (-number_of(one, "count"), text_of(one, "room")))
        lines = ["rooms, and how many are in them now:"]
        for one in rooms[:100]:
            mark = "" if one.get("in") is True else "  (you are not in it)"
            topic = f"  {text_of(one, 'topic')}" if text_of(one, "topic") else ""
            lines.append(f"#{text_of(one, 'room')}  {number_of(one, 'count')}{topic}{mark}")
        self._board.notice("\n".join(lines))

    async def _who(self, _: str) -> None:
        room = self._here()
        more = "" if room.names else "; too many to name"
        self._board.notice(f"{room.count} here{more}: {', '.join(room.names)}".rstrip(": "))

    async def _msg(self, rest: str) -> None:
        name, _, text = _needed(rest, "/msg NAME TEXT").partition(" ")
        room = await self._client.direct(name.removeprefix("@"))
        if text.strip():
            self._client.say(room, text.strip())
        self._board.go(room)

    async def _search(self, text: str) -> None:
        answer = await self._client.ask("search", text=_needed(text, "/search TEXT"), most=FOUND)
        found = [message_in(one) for one in list_of(answer, "messages")]
        if not found:
            raise NotSaid(f"nothing like it was said in your rooms: {text}")
        lines = [f"found, newest last: {text}"]
        for message in reversed(found):
            when = time.strftime("%d %b %H:%M", time.localtime(message.at))
            room = self._client.replica.rooms.get(message.room)
            where = room.title if room else message.room
            first = message.text.replace("\n", " ")
            lines.append(f"{when} {where} {message.author}: {first}")
        self._board.notice("\n".join(lines))

    async def _topic(self, text: str) -> None:
        await self._client.ask("topic", room=self._here().name, text=text)

    async def _mute(self, rest: str) -> None:
        name, _, minutes = _needed(rest, "/mute NAME MINUTES").partition(" ")
        if minutes and not minutes.strip().isdecimal():
            raise NotSaid("write /mute NAME, or /mute NAME 30 for thirty minutes")
        seconds = float(minutes or 10) * 60
        await self._client.ask("mute", room=self._here().name, name=name, seconds=seconds)
        self._board.notice(f"{name} is muted in {self._here().title}")

    async def _remove(self, name: str) -> None:
        name = _needed(name, "/remove NAME")
        await self._client.ask("remove", room=self._here().name, name=name)
        self._board.notice(f"{name} is removed from {self._here().title}")

    _DOES: ClassVar[dict[str, Callable[[Any, str], Awaitable[None]]]] = {
        "help": _help,
        "join": _join,
        "go": _go,
        "leave": _leave,
        "rooms": _rooms,
        "who": _who,
        "msg": _msg,
        "search": _search,
        "topic": _topic,
        "mute": _mute,
        "remove": _remove,
        "quit": _quit,
    }


NAMES = tuple(Commands._DOES)  # noqa: SLF001  of this file
"""All commands."""

_OF_PEOPLE = frozenset({"msg", "mute", "remove"})
_OF_ROOMS = frozenset({"join", "go"})


def _needed(text: str, usage: str) -> str:
    if not text:
        raise NotSaid(f"write {usage}")
    return text


class Completions(Completer):
    """What Tab offers for the word before the cursor."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Give completions of @names, #rooms and /commands, and of what a command is about."""
        before = document.text_before_cursor
        word = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
        for text in self._offered(before, word)[:MOST_OFFERED]:
            yield Completion(text, start_position=-len(word))

    def _offered(self, before: str, word: str) -> list[str]:
        command, space, rest = before.removeprefix("/").partition(" ")
        if before.startswith("/") and not space:
            return [f"/{name} " for name in NAMES if name.startswith(command.lower())]
        if before.startswith("/") and " " not in rest:
            if command in _OF_PEOPLE:
                return [f"{name} " for name in self._people(word.removeprefix("@"))]
            if command in _OF_ROOMS:
                titles = [room.title for room in self._board.ordered()]
                plain = key_of(word.lstrip("#@"))
                return [title for title in titles if key_of(title[1:]).startswith(plain)]
        if word.startswith("@"):
            return [f"@{name} " for name in self._people(word[1:])]
        if word.startswith("#"):
            titles = [room.title for room in self._board.ordered()]
            return [f"{title} " for title in titles if key_of(title).startswith(key_of(word))]
        return [f"@{name} " for name in self._people(word)] if word else []

    def _people(self, start: str) -> list[str]:
        """Give who is here, or was heard of late, whose names begin so; the latest first."""
        room = self._board.room
        if room is None:
            return []
        names: dict[str, str] = {}
        for message in reversed(room.messages[-100:]):
            names.setdefault(key_of(message.author), message.author)
        for name in room.names:
            names.setdefault(key_of(name), name)
        names.pop(self._board.client.replica.key, None)
        return [name for key, name in names.items() if key.startswith(key_of(start))]
