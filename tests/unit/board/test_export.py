"""A room as text: what cannot be exported first, then what is, beside a board that writes."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from jackfield.board import export as module
from jackfield.board.database import Database
from jackfield.board.export import as_text, export
from jackfield.board.messages import StoredHistory
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.services.chat.history import NewMessage, RoomRecord
from tests.live import in_loop


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Database, StoredHistory]]:
    database = await Database.open(str(path))
    history = StoredHistory(database)
    await history.make_room(RoomRecord("lobby"))
    await history.make_room(RoomRecord("@ann,bob", "direct"))
    await history.make_room(RoomRecord("ops"))
    await history.append(NewMessage("@ann,bob", "Ann", "direct", "psst"))
    try:
        yield database, history
    finally:
        await history.close()
        await database.close()


def all_of(path: Path, room: str, since: float = 0.0) -> list[str]:
    return [as_text(one) for one in export(str(path), room, since)]


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    unmade = tmp_path / "unmade.db"
    with contextlib.closing(apsw.Connection(str(unmade))) as db:
        db.execute("CREATE TABLE t (x); DROP TABLE t")
    for path in (tmp_path / "none.db", empty, unmade):
        with pytest.raises(ConfigurationError, match="no board has kept anything there"):
            all_of(path, "lobby")
    other = tmp_path / "other.db"
    with contextlib.closing(apsw.Connection(str(other))) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(ConfigurationError, match="no board's"):
        all_of(other, "lobby")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(KeepingFailed, match="cannot be read"):
        all_of(damaged, "lobby")


@in_loop
async def check_no_room(path: Path) -> None:
    async with opened(path) as (_, history):
        for at in range(module.MOST_NAMED):
            await history.make_room(RoomRecord(f"r{at:02}"))
        with pytest.raises(
            ConfigurationError, match=r"no room called 'op s'; there are "
        ) as caught:
            all_of(path, "op\x1b \u202es")
        assert str(caught.value).endswith(", r36, r37, 2 more")
        assert "ann" not in str(caught.value)
        for name in ("@ann,bob", "#@ann,bob"):
            with pytest.raises(ConfigurationError, match="its two people's"):
                all_of(path, name)


def test_a_room_that_there_is_not_is_answered_with_those_there_are(tmp_path: Path) -> None:
    check_no_room(tmp_path / "board.db")


@in_loop
async def check_pages(path: Path) -> None:
    count = 2 * module.PAGE + 5
    async with opened(path) as (database, history):
        texts = [f"line {at}\nand more" for at in range(count)]
        await asyncio.gather(
            *(
                history.append(NewMessage("lobby", "Ann", str(at), text))
                for at, text in enumerate(texts)
            )
        )
        await database.write(
            lambda db: db.execute("UPDATE messages SET at = (1700000000 + number) * 1000000").get
        )
        found = all_of(path, "#Lobby")
        assert len(found) == count
        assert found[1] == "2023-11-14 22:13:22 Ann: line 1\n    and more\n"
        assert all_of(path, "ops") == []
        assert all_of(path, "lobby", 1_700_000_000.0 + count) == found[-1:]

        going = export(str(path), "lobby")
        seen = [next(going)]
        await history.append(NewMessage("lobby", "Ann", "late", "after it has begun"))
        seen += going
        assert [one.number for one in seen] == list(range(1, count + 1))
    assert all_of(path, "lobby")[:count] == found  # the board has stopped


def test_all_of_a_room_is_given_whether_or_not_the_board_runs(tmp_path: Path) -> None:
    check_pages(tmp_path / "board.db")


@in_loop
async def test_memory_does_not_grow_with_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 10)
    path = tmp_path / "board.db"
    async with opened(path) as (database, history):
        await history.append(NewMessage("lobby", "Ann", "first", "x" * 1000))
        more = "[" + ",".join(map(str, range(1, 20001))) + "]"
        await database.write(
            lambda db: (
                db.execute(
                    "INSERT INTO messages SELECT position + 10 + value, room, 1 + value, author,"
                    " author_key, 'id' || value, text, at FROM messages, json_each(?)"
                    " WHERE client_id = 'first'",
                    (more,),
                ).get
            )
        )
        await database.write(
            lambda db: db.execute("UPDATE rooms SET last = 20001 WHERE name = 'lobby'").get
        )
        tracemalloc.start()
        try:
            assert sum(1 for _ in export(str(path), "lobby")) == 20001
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2_000_000  # of 20 MB of text
