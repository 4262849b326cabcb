from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import BadMessage, ConnectRefused, PeerLost
from jackfield.framing.json_lines import JSONLines
from jackfield.net.connection import Connection
from jackfield.net.ioloop import new_event_loop
from jackfield.services.chat import Chat, hub, wire
from jackfield.services.chat.client import ChatClient, Lost, Timing, dialer
from jackfield.services.chat.history import MemoryHistory
from jackfield.services.chat.hub import LOBBY
from jackfield.services.chat.known import (
    Changed,
    Event,
    Forgotten,
    Gone,
    Heard,
    Kept,
    NotKept,
    Welcome,
)
from jackfield.services.chat.words import NotSaid
from jackfield.testing import Faults, memory_pair
from tests.live import PATIENCE, in_loop

FRAMING = JSONLines(4 * 1024 * 1024)
FAST = Timing(tick=0.01, silence=0.05, dead=0.5, first_pause=0.001, longest_pause=0.01)
QUICK = Timing(tick=0.05, first_pause=0.001, longest_pause=0.01)


class Board:
    """A chat on in-memory connections that can be cut, and killed and started again."""

    def __init__(self, history: MemoryHistory | None = None) -> None:
        self.history = history or MemoryHistory()
        self.chat: Chat | None = Chat(self.history)
        self._stack = contextlib.AsyncExitStack()
        self._ends: list[Connection[Any]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self.dialed = 0

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._stack.aclose()

    def dial(self, faults: Callable[[], Faults] = Faults) -> Callable[[], Any]:
        """Give what connects; faults: those of the way back, for each connection."""

        async def dial() -> Connection[Any]:
            self.dialed += 1
            await asyncio.sleep(0)
            if self.chat is None:
                raise ConnectRefused("nobody listens there")
            both = memory_pair(FRAMING, there=faults(), back=faults())
            client, there = await self._stack.enter_async_context(both)
            self._ends.append(there)
            self._spawn(self._serve(self.chat, there))
            return client

        return dial

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._serving.add(task)

    async def _serve(self, chat: Chat, conn: Connection[Any]) -> None:
        with contextlib.suppress(Exception):
            await chat.by_client(conn)
        conn.abort()

    def cut(self) -> None:
        """Cut all connections."""
        ends, self._ends = self._ends, []
        for end in ends:
            end.abort()

    def kill(self) -> None:
        """End the chat and everything that it has in memory, but for what it keeps."""
        self.chat = None
        self.cut()

    def start(self, history: MemoryHistory | None = None) -> None:
        self.history = history or self.history
        self.chat = Chat(self.history)

    def said(self, room: str = LOBBY) -> list[str]:
        return [one.text for one in self.history._messages[room]]


class Person:
    """A client, and what it was told."""

    def __init__(self, dial: Any, name: str, timing: Timing = QUICK) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._told = asyncio.Event()
        self.client = ChatClient(dial, self._hear, name=name, timing=timing)
        self.task: asyncio.Task[None] | None = None

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    async def __aenter__(self) -> Self:
        self.task = asyncio.get_running_loop().create_task(self.client.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def texts(self, room: str = LOBBY) -> list[str]:
        """What was heard, in the order in which it was told."""
        return [one.message.text for one in self.of(Heard) if one.message.room == room]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, which is looked at after each event."""
        assert self.task is not None
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._told.clear()
                waiting = asyncio.ensure_future(self._told.wait())
                try:
                    await asyncio.wait({waiting, self.task}, return_when="FIRST_COMPLETED")
                finally:
                    waiting.cancel()
                if self.task.done() and not holds():
                    self.task.result()
                    raise AssertionError("it has ended")

    async def inside(self) -> None:
        await self.until(lambda: self.client.replica.is_welcome)


@contextlib.asynccontextmanager
async def unpaced() -> AsyncIterator[None]:
    """Let people say as much as they like, as fast as they like."""
    burst, hub.BURST = hub.BURST, 1_000_000
    try:
        yield
    finally:
        hub.BURST = burst


async def three(stack: contextlib.AsyncExitStack) -> tuple[Board, Person, Person]:
    """A board and two people at it, who are paced by nobody."""
    await stack.enter_async_context(unpaced())
    board = await stack.enter_async_context(Board())
    ann = await stack.enter_async_context(Person(board.dial(), "ann"))
    bob = await stack.enter_async_context(Person(board.dial(), "bob"))
    return board, ann, bob


# Not getting in


@in_loop
async def test_a_first_connection_that_fails_is_an_error() -> None:
    async with Board() as board:
        board.kill()
        with pytest.raises(ConnectRefused):
            await ChatClient(board.dial(), print, name="ann").run()
        assert board.dialed == 1


@in_loop
async def test_who_may_not_come_in_is_told_why() -> None:
    async with Board() as board, Person(board.dial(), "ann") as ann:
        await ann.inside()
        with pytest.raises(NotSaid, match="ann is here already"):
            await ChatClient(board.dial(), print, name="ann").run()


@in_loop
async def test_a_server_that_refuses_in_its_framing_is_quoted() -> None:
    async with memory_pair(FRAMING) as (client, there):

        async def dial() -> Any:
            return client

        there.refuse("256 connections are the most")
        with pytest.raises(PeerLost, match="256 connections"):
            await ChatClient(dial, print, name="ann").run()


@in_loop
async def test_a_server_that_hangs_up_at_once_is_an_error() -> None:
    async with memory_pair(FRAMING) as (client, there):

        async def dial() -> Any:
            return client

        await there.close()
        with pytest.raises(PeerLost, match="the server has ended the connection"):
            await ChatClient(dial, print, name="ann").run()


NONSENSE: list[Any] = [
    [],
    7,
    {"is": "welcome"},
    {"is": "welcome", "name": "ann", "rooms": 7},
    {"is": "welcome", "name": "ann", "rooms": [7]},
    {"is": "welcome", "name": "ann", "rooms": [{"room": "lobby"}]},
    {"is": "error", "why": 7},
]


@pytest.mark.parametrize("message", NONSENSE, ids=str)
def test_a_server_that_is_no_chat_is_an_error(message: Any) -> None:
    @in_loop
    async def check() -> None:
        async with memory_pair(FRAMING) as (client, there):

            async def dial() -> Any:
                return client

            await there.send(message)
            with pytest.raises(BadMessage):
                await ChatClient(dial, print, name="ann").run()

    check()


# Losing the connection


@in_loop
async def test_what_was_said_meanwhile_is_heard_once_and_in_order() -> None:
    async with contextlib.AsyncExitStack() as stack:
        board, ann, bob = await three(stack)
        await ann.inside()
        await bob.inside()
        ann.client.say(LOBBY, "one")
        await bob.until(lambda: bob.texts() == ["one"])
        board.kill()
        await ann.until(lambda: ann.of(Lost))
        await bob.until(lambda: bob.of(Lost))
        ann.client.say(LOBBY, "two")
        bob.client.say(LOBBY, "three")
        ann.client.say(LOBBY, "four")
        board.start()
        for person in (ann, bob):
            await person.until(lambda person=person: len(person.texts()) == 4)  # type: ignore[misc]
            assert person.texts() == board.said()
        assert [text for text in board.said() if text != "three"] == ["one", "two", "four"]
        await ann.client.all_kept()
        assert [one.unsent.text for one in ann.of(Kept)] == ["one", "two", "four"]


@in_loop
async def test_more_than_a_page_missed_is_asked_for_to_its_end() -> None:
    async with contextlib.AsyncExitStack() as stack:
        board, ann, bob = await three(stack)
        await bob.inside()
        bob.client.say(LOBBY, "0")
        await ann.until(lambda: ann.texts() == ["0"])
        down = board.chat
        board.chat = None
        ann_end = board._ends[0]
        ann_end.abort()
        await ann.until(lambda: ann.of(Lost))
        for number in range(1, 350):
            bob.client.say(LOBBY, str(number))
        await bob.client.all_kept()
        board.chat = down
        await ann.until(lambda: len(ann.texts()) == 350)
        assert ann.texts() == [str(number) for number in range(350)]


@in_loop
async def test_what_is_said_too_fast_is_said_again_later_and_in_order() -> None:
    rate, hub.RATE = hub.RATE, 50.0
    try:
        async with Board() as board, Person(board.dial(), "ann") as ann:
            for number in range(hub.BURST + 5):
                ann.client.say(LOBBY, str(number))
            await ann.inside()
            await ann.client.all_kept()
            assert board.said() == [str(number) for number in range(hub.BURST + 5)]
            assert not ann.of(NotKept)
    finally:
        hub.RATE = rate


@in_loop
async def test_what_is_refused_is_told_and_does_not_hold_up_the_rest() -> None:
    async with Board() as board, Person(board.dial(), "ann") as ann:
        await ann.inside()
        assert board.chat is not None
        board.chat.hub.rooms[LOBBY].muted["ann"] = asyncio.get_running_loop().time() + 1e6
        ann.client.say(LOBBY, "shh")
        ann.client.say("ops", "still here")  # a room that is joined for it
        ann.client.say("no such name!", "nothing")
        await ann.client.all_kept()
        assert [(one.unsent.text, one.why[:9]) for one in ann.of(NotKept)] == [
            ("shh", "you are m"),
            ("nothing", "the name "),
        ]
        assert board.said("ops") == ["still here"]
        assert [one.room for one in ann.of(Gone)] == ["no such name!"]
        with pytest.raises(NotSaid, match="nothing in this message"):
            ann.client.say(LOBBY, "  \n ")
        await ann.client.all_kept()


@in_loop
async def test_a_chat_that_has_forgotten_everything_is_begun_anew() -> None:
    async with unpaced(), Board() as board, Person(board.dial(), "ann") as ann:
        ann.client.want("#Ops")
        await ann.until(lambda: "ops" in ann.client.replica.rooms)
        ann.client.say("ops", "old")
        await ann.until(lambda: ann.texts("ops") == ["old"])
        board.kill()
        board.start(MemoryHistory())
        # another message has the same number by the time she is back
        async with Person(board.dial(), "bob") as bob:
            bob.client.say("ops", "new")
            await bob.client.all_kept()
            await ann.until(lambda: "new" in ann.texts("ops"))
            assert ann.texts("ops") == ["old", "new"]
            assert [one.room for one in ann.of(Forgotten)] == ["ops"]


@in_loop
async def test_a_room_left_elsewhere_meanwhile_is_gone() -> None:
    async with Board() as board, Person(board.dial(), "ann") as ann:
        await ann.inside()
        await ann.client.ask("join", room="ops")
        await ann.until(lambda: "ops" in ann.client.replica.rooms)
        board.kill()
        await board.history.leave("ann", "ops")
        board.start()
        await ann.until(lambda: ann.of(Gone))
        assert list(ann.client.replica.rooms) == [LOBBY]


@in_loop
async def test_a_server_that_falls_silent_is_asked_and_then_given_up() -> None:
    async with memory_pair(FRAMING) as (client, there), Board() as board:
        dials = iter([None])

        async def dial() -> Any:
            real = next(dials, board.dial())
            return client if real is None else await real()

        await there.send({"is": "welcome", "name": "ann", "operator": False, "rooms": []})
        async with Person(dial, "ann", FAST) as ann:
            await ann.until(lambda: len(ann.of(Welcome)) == 2)
        assert [one["do"] async for one in there][:2] == ["come", "rooms"]


@in_loop
async def test_a_server_that_says_nothing_at_all_is_given_up() -> None:
    async with memory_pair(FRAMING) as (client, _), Board() as board:
        dials = iter([board.dial(), None])

        async def dial() -> Any:
            real = next(dials, board.dial())
            return client if real is None else await real()

        async with Person(dial, "ann", FAST) as ann:
            await ann.inside()
            board.kill()
            await ann.until(lambda: len(ann.of(Lost)) == 2)
            assert "closed the connection" in ann.of(Lost)[1].why


@in_loop
async def test_what_is_asked_when_the_connection_is_lost_is_an_error() -> None:
    async with Board() as board, Person(board.dial(), "ann") as ann:
        await ann.inside()
        asking = asyncio.ensure_future(ann.client.ask("rooms"))
        await asyncio.sleep(0)
        board.kill()
        with pytest.raises(PeerLost, match="try again"):
            await asking
        await ann.until(lambda: ann.of(Lost))
        with pytest.raises(PeerLost, match="no connection now"):
            await ann.client.ask("rooms")


# Looking back, and reading


@in_loop
async def test_older_messages_come_before_the_others_until_there_are_none() -> None:
    async with unpaced(), Board() as board, Person(board.dial(), "bob") as bob:
        for number in range(1, 231):
            bob.client.say(LOBBY, str(number))
        await bob.client.all_kept()
        async with Person(board.dial(), "ann") as ann:
            await ann.inside()
            replica = ann.client.replica
            room = replica.rooms[LOBBY]
            assert (room.messages, room.floor, room.unread) == ([], 230, 0)
            while replica.older(LOBBY):
                floor = room.floor
                await ann.until(lambda floor=floor: room.floor < floor)  # type: ignore[misc]
            assert [one.number for one in room.messages] == list(range(1, 231))
            assert not ann.of(Heard)  # they are no news


@in_loop
async def test_unread_messages_and_mentions_are_counted_and_read_once_for_all_times() -> None:
    async with unpaced(), Board() as board, Person(board.dial(), "bob") as bob:
        async with Person(board.dial(), "Ann") as ann:
            await ann.inside()
        for text in ("hi @ann", "hello"):
            bob.client.say(LOBBY, text)
        await bob.client.all_kept()
        async with Person(board.dial(), "Ann") as ann:
            await ann.inside()
            room = ann.client.replica.rooms[LOBBY]
            await ann.until(lambda: len(ann.texts()) == 0 and room.mentions == 1)
            assert room.unread == 2
            bob.client.say(LOBBY, "@Ann, are you there?")
            await ann.until(lambda: room.mentions == 2)
            assert room.unread == 3
            ann.client.replica.read(LOBBY, 3)
            assert (room.unread, room.mentions) == (0, 0)
        async with Person(board.dial(), "Ann") as ann:
            await ann.inside()
            room = ann.client.replica.rooms[LOBBY]
            assert (room.unread, room.mentions) == (0, 0)


@in_loop
async def test_a_direct_conversation_is_both_peoples() -> None:
    async with (
        Board() as board,
        Person(board.dial(), "ann") as ann,
        Person(board.dial(), "Bob") as bob,
    ):
        await ann.inside()
        await bob.inside()
        room = await ann.client.direct("bob")
        ann.client.say(room, "psst")
        await bob.until(lambda: bob.texts(room) == ["psst"])
        known = bob.client.replica.rooms[room]
        assert (known.title, known.unread) == ("@ann", 1)
        assert any(one.room == room for one in bob.of(Changed))


# Whatever happens


@pytest.mark.timeout(900)  # for a proof
@given(seed=st.integers(0, 2**32))
def test_whatever_is_cut_everybody_hears_everything_once_and_in_order(seed: int) -> None:
    """Connections end, or are reset, after any number of bytes; the chat is killed now and then.

    In the end everybody has heard in each room what was kept in it, in its order, and everything
    that anybody said was kept once, in the order in which they said it.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(everybody_hears(random.Random(seed)))


async def everybody_hears(chance: random.Random) -> None:
    def faults() -> Faults:
        after = chance.choice([None, chance.randrange(1, 4000), chance.randrange(300, 20_000)])
        short = chance.choice([None, chance.randrange(1, 40)])
        if chance.random() < 0.5:
            return Faults(cut_after=after, short=short)
        return Faults(reset_after=after, short=short)

    names = ["ann", "bob", "卡尔"]
    rooms = [LOBBY, "ops"]
    async with unpaced(), Board() as board, contextlib.AsyncExitStack() as stack:
        people = []
        for name in names:
            wild = False

            def sometimes() -> Faults:
                return faults() if wild else Faults()  # noqa: B023  as it is by then

            person = Person(board.dial(sometimes), name)
            person.client.want("ops")
            await stack.enter_async_context(person)
            await person.until(lambda person=person: "ops" in person.client.replica.rooms)  # type: ignore[misc]
            people.append(person)
        wild = True
        said: dict[str, list[str]] = {name: [] for name in names}
        for number in range(60):
            person, room = chance.choice(people), chance.choice(rooms)
            name = names[people.index(person)]
            person.client.say(room, f"{name} {number}")
            said[name].append(f"{name} {number}")
            what = chance.random()
            if what < 0.05:
                board.kill()
            elif what < 0.15:
                board.cut()
            elif what < 0.3 and board.chat is None:
                board.start()
            for _ in range(chance.choice([0, 0, 1, 5, 30])):
                await asyncio.sleep(0)
        wild = False
        if board.chat is None:
            board.start()
        board.cut()
        for person in people:
            async with asyncio.timeout(PATIENCE):
                await person.client.all_kept()
        for person in people:
            for room in rooms:
                await person.until(lambda p=person, r=room: len(p.texts(r)) >= len(board.said(r)))  # type: ignore[misc]
                assert person.texts(room) == board.said(room)
        kept = sorted(
            (one for room in rooms for one in board.history._messages[room]), key=lambda one: one.at
        )
        for name in names:
            assert [one.text for one in kept if one.author == name] == said[name]


# Over real sockets


@pytest.mark.parametrize("scheme", ["ws", "unix"])
def test_it_goes_over_websocket_and_over_json_lines(scheme: str, tmp_path: Any) -> None:
    from jackfield.server import Server
    from jackfield.service import Service
    from jackfield.services.chat import LIMITS, make

    async def check() -> None:
        chat = Chat()
        if scheme == "ws":
            server: Any = Server(make(), "ws://127.0.0.1:0/")
        else:
            service = Service("chat", chat.by_client, JSONLines(wire.MOST_MESSAGE), LIMITS)
            server = Server(service, f"unix://{tmp_path}/s")
        async with server:
            where = server.endpoints[0]
            async with Person(dialer(where), "ann") as ann, Person(dialer(where), "bob") as bob:
                await bob.inside()
                ann.client.say(LOBBY, "你好 " * 900)
                await bob.until(lambda: bob.texts() == [("你好 " * 900).strip()])

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(check())
