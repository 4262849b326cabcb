from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from jackfield.framing.json_lines import JSONLines
from jackfield.services.chat import Chat
from jackfield.services.chat.client import ChatClient
from jackfield.services.chat.hub import Person
from jackfield.services.chat.known import KnownRoom
from jackfield.services.chat.terminal.commands import HELP, NAMES, Commands, Completions
from jackfield.testing import memory_pair
from tests.live import PATIENCE, in_loop

FRAMING = JSONLines(4 * 1024 * 1024)


class FakeScreen:
    """A screen without one: what was shown, and which room is."""

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self.current = "lobby"
        self.shown: list[str] = []
        self.left = False

    @property
    def room(self) -> KnownRoom | None:
        return self.client.replica.rooms.get(self.current)

    def ordered(self) -> list[KnownRoom]:
        return list(self.client.replica.rooms.values())

    def notice(self, text: str) -> None:
        self.shown.append(text)

    def go(self, name: str) -> None:
        self.current = name

    def leave(self) -> None:
        self.left = True


class Typist:
    """Types, and gives what is shown for it."""

    def __init__(self, chat: Chat, screen: FakeScreen) -> None:
        self.chat = chat
        self.screen = screen
        self._commands = Commands(screen)

    async def type(self, text: str) -> str:
        self.screen.shown.clear()
        await self._commands.do(text)
        await self.screen.client.all_kept()
        return "\n".join(self.screen.shown)

    def completions(self, text: str) -> list[str]:
        found = Completions(self.screen).get_completions(Document(text), CompleteEvent())
        return [text[: len(text) + one.start_position] + one.text for one in found]


@contextlib.asynccontextmanager
async def typing() -> AsyncIterator[Typist]:
    """Ann, in the lobby of a chat."""
    chat = Chat()
    loop = asyncio.get_running_loop()
    inside = asyncio.Event()
    async with memory_pair(FRAMING) as (client_end, there), asyncio.timeout(PATIENCE):

        async def dial() -> Any:
            return client_end

        serving = loop.create_task(chat.by_client(there))
        client = ChatClient(dial, lambda _: inside.set(), name="Ann")
        running = loop.create_task(client.run())
        await inside.wait()
        yield Typist(chat, FakeScreen(client))
        for task in (running, serving):
            task.cancel()
        await asyncio.gather(running, serving, return_exceptions=True)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("/nothing", "there is no command /nothing; /help shows all"),
        ("/join", "write /join ROOM"),
        ("/join a b", "the name of a room is made of letters"),
        ("/go", "write /go ROOM"),
        ("/go nowhere", "you are not in a room called nowhere; /join nowhere goes there"),
        ("/msg", "write /msg NAME TEXT"),
        ("/msg ann hello", "that is you"),
        ("/search", "write /search TEXT"),
        ("/search nothing", "nothing like it was said in your rooms: nothing"),
        ("/mute", "write /mute NAME MINUTES"),
        ("/mute bob x", "write /mute NAME, or /mute NAME 30 for thirty minutes"),
        ("/mute bob", "only the owner of a room, or an operator, may do that"),
        ("/remove", "write /remove NAME"),
        ("/leave", "everybody stays in the lobby"),
        ("x" * 4001, "a message has at most 4000 characters; this one has 4001"),
        ("\u200b", "there is nothing in this message"),
    ],
)
def test_what_cannot_be_done_is_said(typed: str, shown: str) -> None:
    @in_loop
    async def check() -> None:
        async with typing() as ann:
            assert (await ann.type(typed)).startswith(shown)

    check()


@in_loop
async def test_without_a_room_or_a_connection_one_is_told() -> None:
    async with typing() as ann:
        ann.screen.current = "gone"
        assert await ann.type("hello") == "you are in no room; /join one"
        ann.screen.client.replica.lost()
        assert "there is no connection now" in await ann.type("/rooms")


@in_loop
async def test_commands_do_what_they_say() -> None:
    async with typing() as ann:
        hub = ann.chat.hub
        assert await ann.type("/help") == HELP
        assert await ann.type("/join #Ops") == ""
        assert ann.screen.current == "ops"
        assert await ann.type("/topic 运维 and others") == ""
        assert await ann.type("/join nowhere") == ""
        assert await ann.type("/go op") == ""
        assert ann.screen.current == "ops"
        await hub.join(Person("bob"), "quiet")
        assert await ann.type("/rooms") == (
            "rooms, and how many are in them now:\n"
            "#lobby  1\n"
            "#nowhere  1\n"
            "#ops  1  运维 and others\n"
            "#quiet  0  (you are not in it)"
        )
        assert await ann.type("/who") == "1 here: Ann"
        assert await ann.type("the needle\nis here") == ""
        assert await ann.type("//slash") == ""
        found = (await ann.type("/search needle")).splitlines()
        assert found[0] == "found, newest last: needle"
        assert found[1].endswith(" #ops Ann: the needle is here")
        hub.rooms["ops"].people["bob"] = ("bob", 1)
        assert await ann.type("/mute bob 30") == "bob is muted in #ops"
        del hub.rooms["ops"].people["bob"]
        assert "nobody called bob is here" in await ann.type("/remove bob")
        assert await ann.type("/msg @bob psst") == ""
        assert ann.screen.current == "@ann,bob"
        history: Any = hub.history
        assert [one.text for one in history._messages["@ann,bob"]] == ["psst"]
        assert [one.text for one in history._messages["ops"]] == ["the needle\nis here", "/slash"]
        ann.screen.current = "nowhere"
        assert await ann.type("/leave") == ""
        assert "nowhere" not in ann.screen.client.replica.rooms
        await ann.type("/quit")
        assert ann.screen.left


@in_loop
async def test_tab_offers_what_can_stand_there() -> None:
    async with typing() as ann:
        await ann.type("/join ops")
        room = ann.screen.room
        assert room is not None
        room.names = ["Ann", "bob", "Bert", "卡尔"]
        assert ann.completions("/") == [f"/{name} " for name in NAMES]
        assert ann.completions("/mu") == ["/mute "]
        assert ann.completions("/go ") == ["/go #lobby", "/go #ops"]
        assert ann.completions("/join o") == ["/join #ops"]
        assert ann.completions("/msg B") == ["/msg bob ", "/msg Bert "]
        assert ann.completions("/msg bob hi @卡") == ["/msg bob hi @卡尔 "]
        assert ann.completions("hi @b") == ["hi @bob ", "hi @Bert "]
        assert ann.completions("be") == ["@Bert "]
        assert ann.completions("see #l") == ["see #lobby "]
        assert ann.completions("@a") == []  # nobody calls themselves
        assert ann.completions("") == []
        assert ann.completions("line\n@be") == ["line\n@Bert "]
