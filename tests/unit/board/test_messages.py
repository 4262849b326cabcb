"""What the board's history does beyond the laws of all histories; those are with the chat."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from jackfield.board import messages as module
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.board.sqlite import open_writer
from jackfield.services.chat.history import MOST_AT_ONCE, NewMessage, RoomRecord
from tests.live import in_loop


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Database, StoredHistory]]:
    database = await Database.open(str(path))
    history = StoredHistory(database)
    await history.make_room(RoomRecord("lobby"))
    try:
        yield database, history
    finally:
        await history.close()
        await database.close()


@pytest.mark.parametrize("query", module.QUERIES)
def test_no_query_reads_a_whole_table(tmp_path: Path, query: str) -> None:
    db = open_writer(str(tmp_path / "board.db"))
    values = ("[]",) * len(set(re.findall(r"\?\d", query)))
    plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    db.close()
    assert plan
    for step in plan:
        # What is given with the query, and what a step before has found, is read as it comes; the
        # index of words is asked by MATCH, within a range of positions, the newest first.
        assert not step.startswith("SCAN") or re.match(
            r"SCAN (new|wanted) VIRTUAL TABLE|SCAN found$|SCAN words VIRTUAL TABLE INDEX 192:M",
            step,
        ), plan


def test_the_newest_words_are_found_without_reading_all_of_them(tmp_path: Path) -> None:
    db = open_writer(str(tmp_path / "board.db"))
    (plan,) = [
        str(row[3])
        for row in db.execute(
            "EXPLAIN QUERY PLAN SELECT rowid FROM words WHERE words MATCH ? AND rowid < ?"
            " ORDER BY rowid DESC LIMIT ?",
            ("a", 5, 5),
        )
    ]
    db.close()
    assert "TEMP B-TREE" not in plan


@in_loop
async def check_thousands(path: Path) -> None:
    count = 6000
    async with opened(path) as (database, history):
        await asyncio.gather(
            *(
                history.append(
                    NewMessage("lobby", f"p{at % 20}", str(at), f"common {at} 好 @p{at % 7}")
                )
                for at in range(count)
            )
        )
        assert database.commits < count / 50
        after, seen = 0, []
        while page := await history.page("lobby", after=after, most=MOST_AT_ONCE):
            seen += [one.id for one in page]
            after = page[-1].number
        assert seen == [str(at) for at in range(count)]
        (found,) = await history.search("4321", ["lobby"])
        assert found.id == "4321"
        newest = await history.search("common 好", ["lobby"], most=3)
        assert [one.number for one in newest] == [count, count - 1, count - 2]
        assert await history.mentions_of("p3", "lobby", 0) == len(range(3, count, 7))
        assert await history.mentions_of("p3", "lobby", count - 7) == 1


def test_thousands_of_messages(tmp_path: Path) -> None:
    check_thousands(tmp_path / "board.db")


@in_loop
async def check_spoilt(path: Path) -> None:
    """What no caller gives, but a mistake might: it ends for itself alone."""
    async with opened(path) as (_, history):
        results = await asyncio.gather(
            history.append(NewMessage("lobby", "Ann", "1", "one")),
            history.append(NewMessage("lobby", "Ann", "2", "\ud800")),
            history.append(NewMessage("lobby", "Ann", "3", "three")),
            return_exceptions=True,
        )
        assert [type(one) for one in results] == [tuple, UnicodeEncodeError, tuple]
        assert [one.number for one in await history.page("lobby")] == [1, 2]


def test_a_message_that_cannot_be_written_spoils_no_other(tmp_path: Path) -> None:
    check_spoilt(tmp_path / "board.db")


@in_loop
async def check_read(path: Path) -> None:
    async with opened(path) as (database, history):
        await history.join("ann", "lobby", 0)
        written = database.written
        for number in range(1, 1001):
            await history.set_read("ann", "lobby", number)
        assert database.written == written
        assert await history.read_up_to("ann") == {"lobby": 1000}
        assert history._reading is not None
        await history._reading
        assert database.written == written + 1
        assert history._read == {}
        assert await history.read_up_to("ann") == {"lobby": 1000}
        await history.set_read("ann", "lobby", 1001)  # written when it is closed
    async with opened(path) as (_, history):
        assert await history.read_up_to("ann") == {"lobby": 1001}


def test_how_far_one_has_read_is_written_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_EVERY", 0.01)
    check_read(tmp_path / "board.db")


@in_loop
async def check_read_lost(path: Path) -> None:
    async with opened(path) as (database, history):
        await history.join("ann", "lobby", 0)
        await history.set_read("ann", "lobby", 5)
        await database.close()  # as a disk that is full: nothing more is kept
        await history.close()
        assert history._read == {}


def test_how_far_one_has_read_may_be_lost(tmp_path: Path) -> None:
    check_read_lost(tmp_path / "board.db")


@in_loop
async def check_failed_tell(path: Path) -> None:
    async with opened(path) as (database, history):
        heard: list[str] = []
        history.tell(lambda message: heard.append(message.id))

        def wrong(db: apsw.Connection) -> None:
            db.execute("INSERT INTO rooms (name) VALUES ('incomplete')")

        results = await asyncio.gather(
            history.append(NewMessage("lobby", "Ann", "1", "one")),
            database.write(wrong),
            history.append(NewMessage("lobby", "Ann", "2", "two")),
            return_exceptions=True,
        )
        assert isinstance(results[1], apsw.ConstraintError)
        assert heard == ["1", "2"]


def test_another_job_that_fails_spoils_no_message(tmp_path: Path) -> None:
    check_failed_tell(tmp_path / "board.db")
