"""The laws of `History`, for the one in memory and for the one in the board's store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.services.chat import history as histories
from jackfield.services.chat.history import (
    MOST_AT_ONCE,
    History,
    MemoryHistory,
    Message,
    NewMessage,
    RoomRecord,
)
from jackfield.services.chat.words import MOST_MENTIONS
from tests.live import in_loop

Opened = Callable[[], contextlib.AbstractAsyncContextManager[History]]


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[History]:
    yield MemoryHistory()


@contextlib.asynccontextmanager
async def on_disk(path: Path) -> AsyncIterator[History]:
    database = await Database.open(str(path))
    history = StoredHistory(database)
    try:
        yield history
    finally:
        await history.close()
        await database.close()


@pytest.fixture(params=["memory", "disk"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    return in_memory if request.param == "memory" else partial(on_disk, tmp_path / "board.db")


async def room(history: History, name: str = "lobby") -> None:
    await history.make_room(RoomRecord(name))


async def say(history: History, *texts: str, room: str = "lobby", author: str = "Ann") -> None:
    for number, text in enumerate(texts):
        await history.append(NewMessage(room, author, f"{room}-{number}-{text[:20]!a}", text))


def numbers(messages: list[Message]) -> list[int]:
    return [one.number for one in messages]


def texts(messages: list[Message]) -> list[str]:
    return [one.text for one in messages]


def test_a_room_is_made_once(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            first = await history.make_room(RoomRecord("tea", topic="leaves", owner="ann"))
            again = await history.make_room(RoomRecord("tea", topic="bags", owner="bob"))
            assert first == again == RoomRecord("tea", "room", "leaves", "ann", 0)
            direct = await history.make_room(RoomRecord("@ann,bob", "direct"))
            await history.set_topic("tea", "green")
            assert sorted(await history.rooms(), key=lambda one: one.name) == [
                direct,
                RoomRecord("tea", "room", "green", "ann", 0),
            ]

    run()


def test_numbers_have_no_gaps_and_each_room_has_its_own(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            for name in ("a", "b"):
                await room(history, name)
            made = await asyncio.gather(
                *(
                    history.append(NewMessage("ab"[at % 2], f"p{at % 7}", f"{at}", f"text {at}"))
                    for at in range(1000)
                )
            )
            assert all(new for _, new in made)
            assert numbers([one for one, _ in made[::2]]) == list(range(1, 501))
            assert numbers([one for one, _ in made[1::2]]) == list(range(1, 501))
            assert {one.last for one in await history.rooms()} == {500}

    run()


def test_the_same_id_of_one_author_is_kept_once(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            heard: list[Message] = []
            history.tell(heard.append)
            message = NewMessage("lobby", "Ann", "1", "hello")
            kept, new = await history.append(message)
            assert new
            for again in (message, NewMessage("lobby", "ANN", "1", "other words")):
                assert await history.append(again) == (kept, False)
            several = await asyncio.gather(
                *(history.append(NewMessage("lobby", "Ann", "2", "twice")) for _ in range(5))
            )
            assert [new for _, new in several] == [True, False, False, False, False]
            assert len({one for one, _ in several}) == 1
            other, new = await history.append(NewMessage("lobby", "Bob", "1", "mine"))
            assert new
            assert numbers(heard) == [1, 2, 3]
            assert heard[-1] == other

    run()


def test_messages_are_heard_in_order_before_their_author_knows(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            heard: list[int] = []
            history.tell(lambda message: heard.append(message.number))

            async def one(at: int) -> None:
                kept, _ = await history.append(NewMessage("lobby", "Ann", str(at), "x"))
                assert kept.number in heard

            await asyncio.gather(*map(one, range(300)))
            assert heard == list(range(1, 301))

    run()


def test_whoever_stops_waiting_is_heard_all_the_same(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            heard: list[Message] = []
            history.tell(heard.append)
            task = asyncio.ensure_future(history.append(NewMessage("lobby", "Ann", "1", "gone")))
            await asyncio.sleep(0)
            task.cancel()
            await history.append(NewMessage("lobby", "Ann", "2", "here"))
            assert texts(heard) == texts(await history.page("lobby")) == ["gone", "here"]

    run()


def test_a_message_for_no_room_is_refused_and_spoils_no_other(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            results = await asyncio.gather(
                history.append(NewMessage("lobby", "Ann", "1", "one")),
                history.append(NewMessage("none", "Ann", "2", "two")),
                history.append(NewMessage("lobby", "Ann", "3", "three")),
                return_exceptions=True,
            )
            assert isinstance(results[1], KeyError)
            assert texts(await history.page("lobby")) == ["one", "three"]
            assert await history.page("none") == []
            with pytest.raises(KeyError):
                await history.join("ann", "none", 0)

    run()


def test_paging_both_ways(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            await room(history, "other")
            await say(history, *map(str, range(1, 301)))
            await say(history, "elsewhere", room="other")
            page = history.page
            assert numbers(await page("lobby")) == list(range(251, 301))
            assert numbers(await page("lobby", before=51, most=3)) == [48, 49, 50]
            assert numbers(await page("lobby", before=3)) == [1, 2]
            assert await page("lobby", before=1) == []
            assert numbers(await page("lobby", after=0, most=2)) == [1, 2]
            assert numbers(await page("lobby", after=298)) == [299, 300]
            assert await page("lobby", after=300) == []
            assert len(await page("lobby", most=10_000)) == MOST_AT_ONCE
            (first,) = await page("lobby", before=2)
            assert (first.room, first.author, first.text) == ("lobby", "Ann", "1")

    run()


def test_a_text_comes_back_as_it_was(opened: Opened) -> None:
    said = ['"quoted" \\ and \'', "1", "null", "1e999", "two\nlines\tand a tab", "你好 👩‍👧", "é́"]

    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            await say(history, *said)
            assert texts(await history.page("lobby")) == said

    run()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("hello", [4, 1]),
        ("HELLO", [4, 1]),
        ("hello world", [4, 1]),
        ("world hello", [4, 1]),
        ("big hello", [1]),
        ("hello-world", [4]),
        ("你", [5, 3, 2]),
        ("你好", [5, 2]),
        ("好你", [3]),
        ("好", [5, 3, 2]),
        ("你 世", [5]),
        ("世界", [5]),
        ("ｈｅｌｌｏ", [4, 1]),
        ("hell", []),
        ("", []),
        ("!?", []),
    ],
)
def test_search_newest_first(opened: Opened, wanted: str, found: list[int]) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            await say(
                history, "Hello, big world", "你好", "好你x", "hello-world", "你好，世界", "nothing"
            )
            assert numbers(await history.search(wanted, ["lobby"])) == found

    run()


@pytest.mark.parametrize(
    "wanted",
    [
        'a" OR "b',
        '"',
        '""',
        "text : b",
        "room:r1",
        "r1",
        "a* OR b",
        "NEAR(a b)",
        "NOT",
        "AND",
        "{a b} : c",
        "^a",
        "a + b",
        "a\0b",
        "'; DROP TABLE messages; --",
        "\ud800",
        "a " * 5000,
        "你" * 4000,
        "(" * 3000,
    ],
)
def test_nothing_searched_for_is_a_language(opened: Opened, wanted: str) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            await say(history, "b", "c d")
            assert await history.search(wanted, ["lobby"]) == []

    run()


def test_search_stays_within_its_rooms_and_goes_on_where_it_was(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            for name in ("a", "b", "secret"):
                await room(history, name)
            for at in range(60):
                for name in ("a", "b", "secret"):
                    await say(history, f"word {at}", room=name)
            found: list[Message] = []
            before = None
            while page := await history.search("word", ["a", "b", "no"], before=before, most=7):
                found += page
                before = page[-1].room, page[-1].number
                await say(history, f"word said meanwhile {len(found)}", room="a")
            assert [(one.room, one.number) for one in found] == [
                (name, number) for number in range(60, 0, -1) for name in ("b", "a")
            ]
            assert await history.search("word", ["a"], before=("a", 10_000)) == []
            assert await history.search("word", []) == []
            many = [f"room{at}" for at in range(300)]
            assert len(await history.search("word", [*many, "b"], most=100)) == 60

    run()


def test_how_far_everybody_has_read(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            for name in ("a", "b"):
                await room(history, name)
            assert await history.read_up_to("ann") == {}
            await history.set_read("ann", "a", 5)  # not in it
            assert await history.read_up_to("ann") == {}
            await history.join("ann", "a", 3)
            await history.join("ann", "b", 0)
            await history.join("ann", "a", 9)  # in it already
            assert await history.read_up_to("ann") == {"a": 3, "b": 0}
            await history.set_read("ann", "a", 7)
            await history.set_read("ann", "a", 6)
            await history.set_read("bob", "a", 1)
            assert await history.read_up_to("ann") == {"a": 7, "b": 0}
            await history.leave("ann", "a")
            assert await history.read_up_to("ann") == {"b": 0}
            await history.join("ann", "a", 2)
            assert await history.read_up_to("ann") == {"a": 2, "b": 0}
            await history.forget("ann")
            assert await history.read_up_to("ann") == {}
            assert await history.read_up_to("bob") == {}

    run()


def test_mentions_are_counted_by_key(opened: Opened) -> None:
    @in_loop
    async def run() -> None:
        async with opened() as history:
            await room(history)
            await room(history, "other")
            await say(history, "@Bob hello", "no bob", "@bob @BOB twice", "@bob.", "@bobby")
            await say(history, "@bob", room="other")
            assert await history.mentions_of("bob", "lobby", 0) == 3
            assert await history.mentions_of("bob", "lobby", 1) == 2
            assert await history.mentions_of("bob", "lobby", 4) == 0
            assert await history.mentions_of("bob", "none", 0) == 0
            await say(history, " ".join(f"@p{at}" for at in range(1000)), room="other")
            counts = [await history.mentions_of(f"p{at}", "other", 0) for at in range(100)]
            assert counts == [1] * MOST_MENTIONS + [0] * (100 - MOST_MENTIONS)

    run()


def test_what_is_kept_is_there_the_next_time(tmp_path: Path) -> None:
    @in_loop
    async def run() -> None:
        path = tmp_path / "board.db"
        async with on_disk(path) as history:
            await room(history)
            await history.set_topic("lobby", "tea")
            await history.join("ann", "lobby", 0)
            await say(history, "one", "two 你好")
            await history.set_read("ann", "lobby", 2)
            before = await history.page("lobby")
        async with on_disk(path) as history:
            assert await history.page("lobby") == before
            assert await history.rooms() == [RoomRecord("lobby", "room", "tea", "", 2)]
            assert await history.search("你好", ["lobby"]) == before[1:]
            assert await history.read_up_to("ann") == {"lobby": 2}
            kept, new = await history.append(NewMessage("lobby", "Ann", before[0].id, "one"))
            assert (kept, new) == (before[0], False)
            kept, _ = await history.append(NewMessage("lobby", "Ann", "next", "three"))
            assert kept.number == 3

    run()


@in_loop
async def test_in_memory_the_oldest_of_all_rooms_are_forgotten_first() -> None:
    history = MemoryHistory(most=3, in_all=4)
    for room in ("one", "other"):
        await history.make_room(RoomRecord(room))
    for at in range(3):
        await history.append(NewMessage("one", "Ann", f"1-{at}", f"one {at}"))
    for at in range(5):
        await history.append(NewMessage("other", "Ann", f"2-{at}", f"other {at}"))
    assert [one.text for one in await history.page("one")] == ["one 2"]
    assert [one.number for one in await history.page("other")] == [3, 4, 5]
    found = await history.search("one", ["one", "other"])
    assert [one.text for one in found] == ["one 2"]
    again, is_new = await history.append(NewMessage("one", "Ann", "1-0", "one 0 again"))
    assert (again.number, is_new) == (4, True)  # what is forgotten is not known any more


@in_loop
async def test_in_memory_people_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_PEOPLE", 3)
    history = MemoryHistory()
    await history.make_room(RoomRecord("lobby"))
    for name in ("a", "b", "c", "d"):
        await history.join(name, "lobby", 0)
    await history.set_read("a", "lobby", 1)
    await history.leave("a", "lobby")
    assert [await history.read_up_to(name) for name in "ad"] == [{}, {"lobby": 0}]
