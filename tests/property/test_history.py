"""The history in the store and the one in memory give the same answers, whatever is asked."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.services.chat.history import History, MemoryHistory, Message, NewMessage, RoomRecord
from jackfield.services.chat.words import clean
from tests.live import in_loop

ROOMS = ("lobby", "tea", "@ann,bob")
PEOPLE = ("Ann", "BOB", "Straße", "王芳")

words = st.sampled_from(
    [
        "hello",
        "HELLO",
        "你",
        "好",
        "你好",
        "世界",
        "c++",
        "a_b",
        "@Ann",
        "@bob!",
        '"',
        "*",
        "OR",
        "é",
    ]
)
texts = st.one_of(
    st.lists(words, min_size=1, max_size=6).map(" ".join),
    st.lists(words, min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=30),
).map(lambda text: clean(text, lines=True) or "x")
rooms = st.sampled_from(ROOMS)
people = st.sampled_from(PEOPLE)
keys = st.sampled_from(["ann", "bob", "strasse", "王芳"])
numbers = st.integers(-1, 30)

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.lists(st.tuples(rooms, people, st.integers(0, 8), texts), max_size=6),
        ),
        st.tuples(
            st.just("page"), rooms, st.none() | numbers, st.none() | numbers, st.integers(1, 9)
        ),
        st.tuples(
            st.just("search"),
            texts,
            st.lists(rooms),
            st.none() | st.tuples(rooms, numbers),
            numbers,
        ),
        st.tuples(st.just("join"), keys, rooms, numbers),
        st.tuples(st.just("set_read"), keys, rooms, numbers),
        st.tuples(st.just("leave"), keys, rooms),
        st.tuples(st.just("forget"), keys),
        st.tuples(st.just("read_up_to"), keys),
        st.tuples(st.just("mentions_of"), keys, rooms, numbers),
        st.tuples(st.just("rooms")),
    ),
    max_size=30,
)


def plain(found: Any) -> Any:
    """Give what was found, with no time of day in it."""
    if isinstance(found, Message):
        return found.room, found.number, found.author, found.id, found.text
    if isinstance(found, list | tuple):
        return type(found)(map(plain, found))
    return found


async def do(history: History, step: tuple[Any, ...]) -> Any:
    match step:
        case "append", said:
            return await asyncio.gather(
                *(
                    history.append(NewMessage(room, author, str(number), text))
                    for room, author, number, text in said
                )
            )
        case "page", room, before, after, most:
            return await history.page(room, before=before, after=after, most=most)
        case "search", text, within, before, most:
            return await history.search(text, within, before=before, most=max(most, 1))
        case "rooms", *_:
            return sorted(await history.rooms(), key=lambda room: room.name)
        case name, *values:
            return await getattr(history, name)(*values)


@given(steps)
def test_both_histories_answer_alike(asked: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder) / "board.db", asked)


@in_loop
async def compare(path: Path, asked: list[tuple[Any, ...]]) -> None:
    database = await Database.open(str(path))
    try:
        stored, memory = StoredHistory(database), MemoryHistory()
        heard: tuple[list[Message], list[Message]] = ([], [])
        stored.tell(heard[0].append)
        memory.tell(heard[1].append)
        for room in ROOMS:
            for history in (stored, memory):
                await history.make_room(RoomRecord(room))
        for step in asked:
            assert plain(await do(stored, step)) == plain(await do(memory, step)), step
        assert plain(heard[0]) == plain(heard[1])
        await stored.close()
    finally:
        await database.close()
