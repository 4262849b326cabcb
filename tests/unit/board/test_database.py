"""The store: what a commit holds, and what becomes of it when a job or a file is not as it should.

What becomes of it when the disk does not do its part is in tests/faults/test_store.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from jackfield.board import backups, schema
from jackfield.board import database as module
from jackfield.board.database import Database
from jackfield.board.sqlite import State, find_damage
from jackfield.errors import ConfigurationError, KeepingFailed
from tests.live import in_loop


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(str(path))
    try:
        yield database
    finally:
        await database.close()


def room(name: str) -> Any:
    """A job that makes a room."""

    def make(db: apsw.Connection) -> int:
        db.execute(
            "INSERT INTO rooms (name, kind, topic, owner) VALUES (?, 'room', '', '')", (name,)
        )
        return db.last_insert_rowid()

    return make


def names(db: apsw.Connection) -> list[str]:
    return [str(name) for (name,) in db.execute("SELECT name FROM rooms ORDER BY id")]


def filled(path: Path, count: int = 300) -> None:
    """Make a database with rooms in it."""

    @in_loop
    async def fill() -> None:
        async with opened(path) as database:
            await asyncio.gather(*(database.write(room(f"{at:04}" * 60)) for at in range(count)))

    fill()


@in_loop
async def check_grouped(path: Path) -> None:
    async with opened(path) as database:
        ids = await asyncio.gather(*(database.write(room(f"r{at}")) for at in range(500)))
        assert ids == list(range(1, 501))
        assert database.written == 500
        assert database.commits < 50
        assert await database.read(names) == [f"r{at}" for at in range(500)]


def test_jobs_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    check_grouped(tmp_path / "board.db")


@in_loop
async def check_one_fails(path: Path) -> None:
    def wrong(db: apsw.Connection) -> None:
        room("half done")(db)
        raise ZeroDivisionError

    async with opened(path) as database:
        jobs = [room("a"), wrong, room("a"), lambda db: db.execute("no SQL"), room("b")]
        results = await asyncio.gather(*map(database.write, jobs), return_exceptions=True)
        assert results[::4] == [1, 2]
        assert [type(one) for one in results[1:4]] == [
            ZeroDivisionError,
            apsw.ConstraintError,
            apsw.SQLError,
        ]
        assert await database.read(names) == ["a", "b"]
        assert database.state.name == "ok"
        with pytest.raises(apsw.SQLError):
            await database.read(lambda db: db.execute("no SQL"))
        with pytest.raises(KeepingFailed, match="cannot be written"):
            await database.read(room("c"))  # who reads does not write
        assert database.state.name == "ok"


def test_a_job_that_fails_spoils_no_other(tmp_path: Path) -> None:
    check_one_fails(tmp_path / "board.db")


@in_loop
async def check_together(path: Path) -> None:
    calls: list[list[str]] = []

    def make(db: apsw.Connection, wanted: list[str]) -> list[int | Exception]:
        calls.append(wanted)
        if "bad" in wanted:
            raise ZeroDivisionError
        return [LookupError(name) if name == "no" else room(name)(db) for name in wanted]

    async with opened(path) as database:
        began, gate = threading.Event(), threading.Event()

        def hold(_: apsw.Connection) -> None:
            began.set()
            gate.wait(10)

        first = asyncio.ensure_future(database.write(hold))
        assert await asyncio.to_thread(began.wait, 10)  # alone: what follows is taken together
        then: list[int] = []
        rest = asyncio.gather(
            *(database.write_one(make, name, then.append) for name in ("a", "b", "no", "c")),
            database.write(names),
            *(database.write_one(make, name, then.append) for name in ("d", "bad", "e")),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
        gate.set()
        await first
        results = await rest
        assert [type(one) for one in results] == [
            int, int, LookupError, int, list, int, ZeroDivisionError, int,
        ]  # fmt: skip
        assert results[4] == ["a", "b", "c"]
        assert calls == [["a", "b", "no", "c"], ["d", "bad", "e"], ["d"], ["bad"], ["e"]]
        assert then == [1, 2, 3, 4, 5]


def test_one_call_does_what_waits_for_the_same_job(tmp_path: Path) -> None:
    check_together(tmp_path / "board.db")


@in_loop
async def check_then(path: Path) -> None:
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    heard: list[int] = []

    def make(db: apsw.Connection, wanted: list[str]) -> list[int | Exception]:
        return [room(name)(db) for name in wanted]

    def hear(number: int) -> None:
        heard.append(number)
        if number == 2:
            raise ZeroDivisionError

    async with opened(path) as database:
        tasks = [asyncio.ensure_future(database.write_one(make, f"r{at}", hear)) for at in range(4)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in results] == [int, int, asyncio.CancelledError, int]
        assert heard == [1, 2, 3, 4]  # also what nobody waits for any more
        assert [type(one["exception"]) for one in broken] == [ZeroDivisionError]


def test_what_is_kept_is_told_in_order_whoever_waits(tmp_path: Path) -> None:
    check_then(tmp_path / "board.db")


@in_loop
async def check_bounds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    async with opened(path) as database:
        gate = threading.Event()

        def wait(db: apsw.Connection) -> list[str]:
            gate.wait(10)
            return names(db)

        for ask in (database.write, database.read):
            gate.clear()
            waiting = [asyncio.ensure_future(ask(wait))]
            waiting += [asyncio.ensure_future(ask(names)) for _ in range(4)]
            await asyncio.sleep(0)
            with pytest.raises(KeepingFailed, match=r"5 (things|look-ups) wait"):
                await ask(names)
            gate.set()
            await asyncio.gather(*waiting)
            assert await ask(names) == []


def test_more_than_can_wait_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_bounds(tmp_path / "board.db", monkeypatch)


@in_loop
async def check_slow_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_READ", 0.05)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    async with opened(path) as database:
        with pytest.raises(KeepingFailed, match=r"longer than 0\.05 s"):
            await database.read(lambda db: db.execute(endless).get)
        assert await database.read(names) == []
        assert database.state.name == "ok"


def test_what_takes_too_long_to_look_up_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_slow_read(tmp_path / "board.db", monkeypatch)


@in_loop
async def check_closing(path: Path) -> None:
    database = await Database.open(str(path))
    states: list[State] = []
    database.on_state = states.append
    waiting = [asyncio.ensure_future(database.write(room(f"r{at}"))) for at in range(100)]
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    assert [await one for one in waiting] == list(range(1, 101))
    for ask in (database.write, database.read):
        with pytest.raises(KeepingFailed, match="the board's store is closed"):
            await ask(names)
    assert [one.name for one in states] == ["closed"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["board.db", "board.db.lock"]


def test_closing_does_what_was_asked_before(tmp_path: Path) -> None:
    check_closing(tmp_path / "board.db")


@in_loop
async def check_private(path: Path) -> None:
    async with opened(path) as database:
        await database.write(room("a"))
        modes = {one.name: oct(one.stat().st_mode & 0o777) for one in path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ("board.db", "board.db-wal", "board.db-shm", "board.db.lock"), "0o600"
    )


def test_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    path.touch(mode=0o644)
    check_private(path)


OTHER = """
import asyncio, sys
from jackfield.board.database import Database
from jackfield.errors import ConfigurationError

async def main():
    try:
        await Database.open(sys.argv[1])
    except ConfigurationError as error:
        print(error)
        return
    print("open", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@in_loop
async def check_two(path: Path) -> None:
    def other() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", OTHER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async with opened(path) as database:
        with other() as refused:
            said, _ = await asyncio.to_thread(refused.communicate)
        assert "another process has it: another board runs with this data" in said
        with pytest.raises(ConfigurationError, match="another process has it"):
            await Database.open(str(path))
        await database.write(room("a"))
    with other() as holder:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "open\n"
        with pytest.raises(ConfigurationError, match="another process has it"):
            await Database.open(str(path))
        holder.kill()
        holder.communicate()
    async with opened(path) as database:
        assert await database.read(names) == ["a"]


def test_one_process_has_the_database(tmp_path: Path) -> None:
    check_two(tmp_path / "board.db")


@in_loop
async def refused(path: Path, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        await Database.open(str(path))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    path.mkdir()
    refused(path, "board.db: is a folder, and no file")
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    refused(path, "board.db: is a link, and no file")


def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    filled(path, 3)
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", schema.NEWEST + 1)
    connection.close()
    before = path.read_bytes()
    refused(path, f"newer Jackfield .version {schema.NEWEST + 1} of the store; this one knows")
    assert path.read_bytes() == before


def test_the_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    before = path.read_bytes()
    refused(path, "is a database of something else, and no board's")
    assert path.read_bytes() == before


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "header":
        data[:100] = bytes(100)
    elif how == "no database":
        data = bytearray(b"Dear diary,\n" * 1000)
    elif how == "truncated":
        del data[len(data) // 2 :]
    else:
        for at in range(4096 * 5, len(data), 4096):
            data[at : at + 64] = b"\xa5" * 64
    with path.open("r+b") as file:  # as a failing disk would, under its hands
        file.truncate(len(data))
        file.write(data)


@in_loop
async def check_damaged(path: Path) -> None:
    async with opened(path) as database:
        assert database.state.name == "damaged"
        assert f"{path} is damaged" in database.state.text
        assert "go back to a backup" in database.state.text
        with pytest.raises(KeepingFailed, match="is damaged"):
            await database.write(room("lost?"))
        with pytest.raises(KeepingFailed, match="no backup was made"):
            await database.backup(f"{path}.backup")
        with contextlib.suppress(KeepingFailed):  # what can be read may be read
            await database.read(names)
        assert database.state.name == "damaged"


@pytest.mark.parametrize("how", ["header", "no database", "truncated", "pages"])
def test_a_damaged_file_is_a_state_and_is_restored_from_a_backup(tmp_path: Path, how: str) -> None:
    path, backup = tmp_path / "board.db", tmp_path / "backup.db"
    filled(path)
    backups.back_up(str(path), str(backup))
    damage(path, how)
    broken = path.read_bytes()
    check_damaged(path)
    assert path.read_bytes() == broken
    assert not Path(f"{path}.backup").exists()
    away = backups.restore(str(backup), str(path))
    assert Path(away[-1]).read_bytes() == broken
    filled_again(path)


@in_loop
async def filled_again(path: Path) -> None:
    async with opened(path) as database:
        assert database.state.name == "ok"
        assert len(await database.read(names)) == 300
        await database.write(room("new"))


@in_loop
async def check_noticed(path: Path) -> None:
    async with opened(path) as database:
        states: list[State] = []
        database.on_state = states.append
        damage(path, "pages")
        with pytest.raises(KeepingFailed, match="is damaged"):
            await database.read(lambda db: db.execute("SELECT sum(length(name)) FROM rooms").get)
        assert [one.name for one in states] == ["damaged"]
        with pytest.raises(KeepingFailed, match="is damaged"):
            await database.write(room("new"))


def test_damage_that_is_met_later_is_told_then(tmp_path: Path) -> None:
    filled(tmp_path / "board.db")
    check_noticed(tmp_path / "board.db")


@in_loop
async def check_backup(path: Path, target: Path) -> None:
    async with opened(path) as database:
        await database.write(room("before"))
        stop = False

        async def go_on() -> int:
            number = 0
            while not stop:
                await database.write(room(f"meanwhile {number}"))
                number += 1
            return number

        writing = asyncio.ensure_future(go_on())
        sizes = [await database.backup(str(target.with_suffix(f".{at}"))) for at in range(3)]
        stop = True
        assert await writing > 0
        for at, size in enumerate(sizes):
            one = target.with_suffix(f".{at}")
            assert one.stat().st_size == size
            assert oct(one.stat().st_mode & 0o777) == "0o600"
            copy = apsw.Connection(str(one), flags=apsw.SQLITE_OPEN_READONLY)
            assert find_damage(copy) == ""
            assert names(copy)[0] == "before"
            assert schema.version_of(copy) == schema.NEWEST
            copy.close()
        with pytest.raises(ConfigurationError, match="is there already"):
            await database.backup(str(target.with_suffix(".0")))
        with pytest.raises(ConfigurationError, match="No such file or directory"):
            await database.backup(str(target.parent / "none" / "backup"))
        with pytest.raises(ConfigurationError, match="another process has it"):
            backups.restore(str(target.with_suffix(".0")), str(path))
    assert sorted(one.suffix for one in target.parent.iterdir()) == [
        ".0", ".1", ".2", ".db", ".lock",
    ]  # fmt: skip


def test_a_backup_is_whole_while_the_board_runs(tmp_path: Path) -> None:
    check_backup(tmp_path / "board.db", tmp_path / "backup")


def test_only_a_backup_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    filled(path, 3)
    before = path.read_bytes()
    other = tmp_path / "other"
    for contents in (b"", b"no database at all" * 1000):
        other.write_bytes(contents)
        with pytest.raises(ConfigurationError, match="other: is"):
            backups.restore(str(other), str(path))
    with pytest.raises(ConfigurationError, match="none: is no backup"):
        backups.restore(str(tmp_path / "none"), str(path))
    assert path.read_bytes() == before
