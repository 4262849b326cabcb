"""The chat without any connection: who hears what, and who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from jackfield.services.chat import hub as hubs
from jackfield.services.chat.history import MemoryHistory, Message
from jackfield.services.chat.hub import LOBBY, Hub, Person, RoomState, direct_name
from jackfield.services.chat.renaming import rename
from jackfield.services.chat.words import NotSaid
from tests.live import in_loop


class Heard:
    """A session that notes what it is told."""

    def __init__(self, name: str, *, operator: bool = False) -> None:
        self.person = Person(name, operator)
        self.messages: list[Message] = []
        self.rooms: list[str] = []
        self.seen: list[tuple[str, list[str]]] = []
        self.outs: list[tuple[str, str]] = []
        self.ended = ""
        self.became_so: list[bool] = []
        self.reads: list[tuple[str, int]] = []

    def said(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    def changed(self, room: RoomState) -> None:
        self.rooms.append(room.name)

    def here(self, room: RoomState) -> None:
        self.seen.append((room.name, room.names))

    def out(self, room: str, why: str) -> None:
        self.outs.append((room, why))

    def became(self) -> None:
        self.became_so.append(self.person.operator)

    def read(self, room: str, number: int) -> None:
        self.reads.append((room, number))

    def end(self, why: str) -> None:
        self.ended = why

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def opened(*sessions: Heard) -> Hub:
    hub = Hub(MemoryHistory())
    await hub.open()
    for session in sessions:
        await hub.come(session)
    return hub


@in_loop
async def test_all_in_a_room_hear_in_the_order_of_numbers_its_author_too() -> None:
    ann, bob, cat = Heard("Ann"), Heard("bob"), Heard("cat")
    hub = await opened(ann, bob)
    await hub.say(ann.person, LOBBY, "1", "one")
    await hub.come(cat)
    await hub.say(bob.person, LOBBY, "1", "two")
    assert ann.texts == bob.texts == ["one", "two"]
    assert cat.texts == ["two"]
    assert [message.number for message in ann.messages] == [1, 2]
    assert [message.author for message in ann.messages] == ["Ann", "bob"]


@in_loop
async def test_what_is_said_again_by_the_same_id_is_heard_once() -> None:
    ann = Heard("Ann")
    hub = await opened(ann)
    first = await hub.say(ann.person, LOBBY, "x", "one")
    again = await hub.say(ann.person, LOBBY, "x", "another")
    assert again == first
    assert ann.texts == ["one"]


@in_loop
async def test_who_is_here_twice_goes_with_the_last_of_them() -> None:
    page, terminal, bob = Heard("Ann"), Heard("ann"), Heard("bob")
    hub = await opened(page, terminal, bob)
    await hub.say(bob.person, LOBBY, "1", "hello")
    assert page.texts == terminal.texts == ["hello"]
    hub.go(page)
    assert hub.rooms[LOBBY].names == ["Ann", "bob"]
    hub.go(terminal)
    hub.go(terminal)
    assert hub.rooms[LOBBY].names == ["bob"]
    assert hub.people == ["bob"]


@in_loop
async def test_a_room_is_for_those_in_it() -> None:
    ann, bob = Heard("Ann"), Heard("bob")
    hub = await opened(ann, bob)
    room = await hub.join(ann.person, "#Ops")
    assert room.name == "ops"
    await hub.say(ann.person, "ops", "1", "secret")
    assert bob.messages == []
    for attempt in (
        hub.say(bob.person, "ops", "1", "let me in"),
        hub.page(bob.person, "ops"),
        hub.search(bob.person, "secret", "ops", None),
        hub.read(bob.person, "ops", 1),
        hub.set_topic(bob.person, "ops", "mine"),
        hub.leave(bob.person, "ops"),
        hub.say(bob.person, "nowhere", "1", "hello"),
    ):
        with pytest.raises(NotSaid):
            await attempt
    assert await hub.search(bob.person, "secret", None, None) == []
    assert len(await hub.search(ann.person, "secret", None, None)) == 1


@in_loop
async def test_a_direct_conversation_is_for_two_and_finds_who_is_away() -> None:
    ann, bob, eve = Heard("Ann"), Heard("bob"), Heard("eve", operator=True)
    hub = await opened(ann, bob, eve)
    hub.go(bob)
    room = await hub.direct(ann.person, "Bob")
    assert room.name == direct_name("bob", "ann") == "@ann,bob"
    await hub.say(ann.person, room.name, "1", "psst")
    assert eve.messages == []
    with pytest.raises(NotSaid):
        await hub.page(eve.person, room.name)
    read = await hub.come(bob)
    assert read[room.name] == 0
    assert [one.text for one in await hub.page(bob.person, room.name)] == ["psst"]
    with pytest.raises(NotSaid, match="that is you"):
        await hub.direct(ann.person, "@ann")
    with pytest.raises(NotSaid):
        await hub.set_topic(ann.person, room.name, "us")


@in_loop
async def test_who_was_written_to_before_they_ever_came_is_in_the_lobby_too() -> None:
    ann, bob = Heard("Ann"), Heard("bob")
    hub = await opened(ann)
    hub.knows = knowing("bob")
    room = await hub.direct(ann.person, "bob")
    await hub.say(ann.person, room.name, "1", "for when you come")
    assert await hub.come(bob) == {LOBBY: 0, room.name: 0}
    assert hub.rooms[LOBBY].names == ["Ann", "bob"]


def knowing(*keys: str) -> Callable[[str], Awaitable[bool]]:
    async def knows(key: str) -> bool:
        return key in keys

    return knows


@in_loop
async def test_nobody_writes_to_a_name_that_is_nobodys() -> None:
    ann, bob = Heard("Ann"), Heard("bob")
    hub = await opened(ann, bob)
    for name in ("cat", "@Cat"):
        with pytest.raises(NotSaid, match=rf"^nobody here is called {name.lstrip('@')}$"):
            await hub.direct(ann.person, name)
    assert list(hub.rooms) == [LOBBY]
    assert [one.name for one in await hub.history.rooms()] == [LOBBY]
    room = await hub.direct(ann.person, "bob")
    hub.go(bob)
    await hub.say(ann.person, room.name, "1", "so far so good")
    hub.knows = knowing()
    with pytest.raises(NotSaid, match="bob can be written to no more"):
        await hub.say(ann.person, room.name, "2", "into nothing")
    assert room.record.last == 1


@in_loop
async def test_another_role_is_known_at_once() -> None:
    page, typing, bob = Heard("Ann"), Heard("ann"), Heard("bob")
    hub = await opened(page, typing, bob)
    with pytest.raises(NotSaid, match="only the owner of a room"):
        hub.mute(page.person, LOBBY, "bob", 60)
    hub.promote("ann", operator=True)
    hub.promote("ann", operator=True)
    hub.promote("nobody", operator=True)
    assert (page.became_so, typing.became_so, bob.became_so) == ([True], [True], [])
    hub.mute(page.person, LOBBY, "bob", 60)
    hub.promote("ann", operator=False)
    with pytest.raises(NotSaid, match="only the owner of a room"):
        hub.mute(page.person, LOBBY, "bob", 60)


@in_loop
async def test_a_conversation_goes_on_with_somebody_who_is_called_otherwise() -> None:
    ann, bob, cat = Heard("Ann"), Heard("bob"), Heard("cat")
    hub = await opened(ann, bob, cat)
    room = await hub.direct(ann.person, "bob")
    await hub.direct(ann.person, "cat")
    await hub.say(ann.person, room.name, "0", "hello")
    await hub.join(bob.person, "tea")
    hub.rooms["tea"].muted["bob"] = 1.0
    rename(hub, "bob", "robert")
    assert list(hub.rooms) == [LOBBY, "@ann,cat", "tea", "@ann,robert"]
    assert hub.rooms["@ann,robert"] is room
    assert (hub.rooms["tea"].record.owner, hub.rooms["tea"].muted) == ("robert", {"robert": 1.0})
    assert ann.outs == [("@ann,bob", "bob is called robert now")]
    assert ann.rooms[-1] == "@ann,robert"
    assert (bob.outs, cat.outs) == ([], [])
    hub.go(bob)
    assert room.names == ["Ann"]
    with pytest.raises(NotSaid, match="not in a room called '@ann,bob'"):
        await hub.say(ann.person, "@ann,bob", "1", "to whom?")
    hub.knows = knowing("robert")
    with pytest.raises(NotSaid, match="called otherwise"):  # the history knows nothing of it yet
        await hub.say(ann.person, "@ann,robert", "1", "hello")


@in_loop
async def test_a_flood_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Heard("Ann")
    hub = await opened(ann)
    clock = Clock()
    monkeypatch.setattr(hubs, "time", clock)
    for number in range(hubs.BURST):
        await hub.say(ann.person, LOBBY, str(number), "x")
    with pytest.raises(NotSaid, match="not so fast"):
        await hub.say(ann.person, LOBBY, "more", "x")
    clock.now += 1 / hubs.RATE
    await hub.say(ann.person, LOBBY, "more", "x")
    with pytest.raises(NotSaid):
        await hub.say(ann.person, LOBBY, "and more", "x")


@in_loop
async def test_the_owner_of_a_room_keeps_order_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = Heard("Ann"), Heard("bob")
    hub = await opened(ann, bob)
    clock = Clock()
    monkeypatch.setattr(hubs, "time", clock)
    await hub.join(ann.person, "ops")
    await hub.join(bob.person, "ops")
    for session in (bob.person, Person("bob")):
        with pytest.raises(NotSaid, match="only the owner"):
            hub.mute(session, "ops", "ann", 60)
    with pytest.raises(NotSaid, match="only the owner"):
        await hub.set_topic(bob.person, "ops", "mine")
    hub.mute(ann.person, "ops", "@Bob", 60)
    with pytest.raises(NotSaid, match="muted here for 1 minute more"):
        await hub.say(bob.person, "ops", "1", "x")
    await hub.say(bob.person, LOBBY, "2", "here I may")
    clock.now += 61
    await hub.say(bob.person, "ops", "3", "again")
    await hub.remove(ann.person, "ops", "bob", 60)
    assert bob.outs == [("ops", "Ann has removed you")]
    with pytest.raises(NotSaid):
        await hub.say(bob.person, "ops", "4", "x")
    with pytest.raises(NotSaid, match="removed"):
        await hub.join(bob.person, "ops")
    clock.now += 61
    await hub.join(bob.person, "ops")
    for other, seconds in (("ann", 60), ("nobody", 60), ("bob", -1), ("bob", 1e12)):
        with pytest.raises(NotSaid):
            hub.mute(ann.person, "ops", other, seconds)


@in_loop
async def test_an_operator_keeps_order_everywhere_but_in_the_lobby_only_mutes() -> None:
    root, bob = Heard("root", operator=True), Heard("bob")
    hub = await opened(root, bob)
    with pytest.raises(NotSaid):
        await hub.remove(root.person, LOBBY, "bob")
    hub.mute(root.person, LOBBY, "bob", 60)
    with pytest.raises(NotSaid, match="muted"):
        await hub.say(bob.person, LOBBY, "1", "x")
    hub.mute(root.person, LOBBY, "bob", 0)
    await hub.say(bob.person, LOBBY, "1", "x")


@in_loop
async def test_everybody_stays_in_the_lobby_and_leaves_other_rooms_everywhere() -> None:
    page, terminal = Heard("Ann"), Heard("Ann")
    hub = await opened(page, terminal)
    with pytest.raises(NotSaid, match="lobby"):
        await hub.leave(page.person, LOBBY)
    await hub.join(page.person, "ops")
    assert page.rooms == terminal.rooms == ["ops"]
    await hub.leave(page.person, "ops")
    assert page.outs == terminal.outs == [("ops", "you have left it")]
    assert list(await hub.come(Heard("Ann"))) == [LOBBY]


@in_loop
async def test_who_comes_back_is_in_the_same_rooms_and_has_read_as_far() -> None:
    ann, bob = Heard("Ann"), Heard("bob")
    hub = await opened(ann, bob)
    await hub.join(ann.person, "ops")
    await hub.say(bob.person, LOBBY, "1", "one")
    await hub.read(ann.person, LOBBY, 1)
    await hub.read(ann.person, LOBBY, 10**9)
    hub.go(ann)
    await hub.say(bob.person, LOBBY, "2", "two @ann")
    assert await hub.come(Heard("Ann")) == {LOBBY: 1, "ops": 0}
    assert await hub.history.mentions_of("ann", LOBBY, 1) == 1


@pytest.mark.parametrize("id", ["", "x" * 65, "é", "a\nb", "\x00"])  # as clients make them
@in_loop
async def test_an_id_that_cannot_be_is_refused(id: str) -> None:  # noqa: A002  likewise
    ann = Heard("Ann")
    hub = await opened(ann)
    with pytest.raises(NotSaid):
        await hub.say(ann.person, LOBBY, id, "x")


@in_loop
async def test_there_is_a_bound_on_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    ann: Any = Heard("Ann")
    hub = await opened(ann)
    monkeypatch.setattr(hubs, "MOST_JOINED", 3)
    await hub.join(ann.person, "one")
    await hub.join(ann.person, "two")
    with pytest.raises(NotSaid, match="leave one first"):
        await hub.join(ann.person, "three")
    monkeypatch.setattr(hubs, "MOST_ROOMS", 4)
    with pytest.raises(NotSaid, match="join one of those"):
        await hub.join(ann.person, "four")
    with pytest.raises(NotSaid):
        await hub.join(ann.person, "no such/name")
