"""The board's store on disks that are full, read-only, or gone: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from jackfield.board import database as module
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.board.sqlite import State
from jackfield.errors import KeepingFailed
from jackfield.services.chat import Chat
from jackfield.services.chat.history import MOST_AT_ONCE, NewMessage, RoomRecord
from tests.disks import Disk, disk
from tests.live import PATIENCE, in_loop

MB = 1024 * 1024


class Store:
    """An open store, its states, and the ids that it has acknowledged."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.history = StoredHistory(database)
        self.states = [database.state.name]
        self.kept: list[str] = []
        self._ids = map(str, itertools.count())
        self._changed = asyncio.Event()
        database.on_state = self._note

    def _note(self, state: State) -> None:
        self.states.append(state.name)
        self._changed.set()

    async def state(self, name: str) -> None:
        """Wait until the store is so."""
        async with asyncio.timeout(PATIENCE):
            while self.database.state.name != name:
                self._changed.clear()
                await self._changed.wait()

    async def say(self, size: int = 3000) -> None:
        """Say something, and note it when it is kept."""
        id = next(self._ids)  # noqa: A001  as messages have it
        await self.history.append(NewMessage("lobby", "Ann", id, "x" * size))
        self.kept.append(id)

    async def say_until_it_fails(self) -> str:
        """Have several say something, until the disk does not do its part; give why."""
        while True:
            results = await asyncio.gather(*(self.say() for _ in range(10)), return_exceptions=True)
            for result in results:
                if isinstance(result, KeepingFailed):
                    return str(result)
                assert result is None

    async def all(self) -> list[str]:
        """Give the ids of all messages that are there, which have numbers without a gap."""
        found: list[str] = []
        while page := await self.history.page("lobby", after=len(found), most=MOST_AT_ONCE):
            assert [one.number for one in page] == [
                *range(len(found) + 1, len(found) + len(page) + 1)
            ]
            found += [one.id for one in page]
        return found


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    database = await Database.open(str(path))
    try:
        yield Store(database)
    finally:
        await database.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.05)


@in_loop
async def check_full(path: Path, ballast: Path) -> None:
    async with opened(path) as store:
        await store.history.make_room(RoomRecord("lobby"))
        why = await store.say_until_it_fails()
        assert f"there is no room for {path}: make some" in why
        assert store.database.state.name == "full"
        assert await store.all() == store.kept  # which can be read all the same
        assert await store.history.search("nothing", ["lobby"]) == []
        with pytest.raises(KeepingFailed, match=r"no backup was made: there is no room"):
            await store.database.backup(f"{path}.backup")
        os.unlink(ballast)  # noqa: PTH108  it takes no time
        await store.state("ok")  # by itself
        for _ in range(10):
            await store.say()
        kept, states = store.kept, store.states
        assert states[-2:] == ["full", "ok"]
    async with opened(path) as store:
        assert store.database.state.name == "ok"
        assert await store.all() == kept


@pytest.mark.parametrize("ext4", [False, True])
def test_a_full_disk(tmp_path: Path, ext4: bool) -> None:
    with disk(tmp_path / "disk", 8 * MB, ext4=ext4) as mounted:
        ballast = mounted.folder / "ballast"
        ballast.write_bytes(b"x" * 4 * MB)
        check_full(mounted.folder / "board.db", ballast)
        assert not list(mounted.folder.glob("*backup*"))


@in_loop
async def check_full_from_the_start(path: Path, ballast: Path) -> None:
    async with opened(path) as store:
        assert store.database.state.name == "full"
        for asks in (store.say(), store.history.rooms()):
            with pytest.raises(KeepingFailed, match="there is no room"):
                await asks
        chat = Chat(store.history)
        with pytest.raises(KeepingFailed, match="there is no room"):
            await chat.open()
        os.unlink(ballast)  # noqa: PTH108  it takes no time
        await store.state("ok")
        await chat.open()
        assert [*chat.hub.rooms] == ["lobby"]
        await store.say()
        assert await store.all() == store.kept


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 2 * MB) as mounted:
        ballast = mounted.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        check_full_from_the_start(mounted.folder / "board.db", ballast)


@in_loop
async def check_read_only(mounted: Disk, path: Path) -> None:
    async with opened(path) as store:
        await store.history.make_room(RoomRecord("lobby"))
        for _ in range(10):
            await store.say()
        kept = store.kept
    mounted.make("ro")
    async with opened(path) as store:
        store.kept = kept
        assert store.database.state.name == "read-only"
        with pytest.raises(KeepingFailed, match=r"cannot be written: have its disk mounted"):
            await store.say()
        assert await store.all() == kept
        mounted.make("rw")
        await store.state("ok")
        store._ids = map(str, itertools.count(100))
        await store.say()
        assert await store.all() == kept  # which has grown by it
        assert len(kept) == 11


@pytest.mark.parametrize("ext4", [False, True])
def test_a_read_only_disk_can_be_read(tmp_path: Path, ext4: bool) -> None:
    with disk(tmp_path / "disk", 8 * MB, ext4=ext4) as mounted:
        check_read_only(mounted, mounted.folder / "board.db")


KILLED = """
import asyncio, os, signal, sys
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.services.chat.history import NewMessage, RoomRecord

async def main():
    history = StoredHistory(await Database.open(sys.argv[1]))
    await history.make_room(RoomRecord("lobby"))
    for at in range(5):
        await history.append(NewMessage("lobby", "Ann", str(at), "text"))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@in_loop
async def check_killed_and_read_only(path: Path) -> None:
    async with opened(path) as store:
        assert store.database.state.name == "read-only"
        # What was acknowledged last is in the log, and is shown from there.
        assert await store.all() == ["0", "1", "2", "3", "4"]


def test_after_a_kill_a_read_only_disk_shows_what_is_in_the_log(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 8 * MB, ext4=True) as mounted:
        path = mounted.folder / "board.db"
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        mounted.make("ro")
        check_killed_and_read_only(path)


@in_loop
async def check_gone(mounted: Disk, path: Path) -> None:
    async with opened(path) as store:
        await store.history.make_room(RoomRecord("lobby"))
        for _ in range(10):
            await store.say()
        mounted.cut()
        with pytest.raises(KeepingFailed, match=rf"{path}: .* look after its disk"):
            await store.say()
        assert store.database.state.name == "failing"
        kept = store.kept
    mounted.unmount()
    mounted.mount()
    async with opened(path) as store:
        assert await store.all() == kept


def test_a_disk_that_fails_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 8 * MB, ext4=True) as mounted:
        check_gone(mounted, mounted.folder / "board.db")


LIMITED = """
import asyncio, resource, sys
from jackfield.board import database as module
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.errors import KeepingFailed
from jackfield.services.chat.history import NewMessage, RoomRecord

module.RETRY = 0.05

async def main():
    database = await Database.open(sys.argv[1])
    history = StoredHistory(database)
    await history.make_room(RoomRecord("lobby"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    kept = 0
    try:
        while True:
            await history.append(NewMessage("lobby", "Ann", str(kept), "x" * 3000))
            kept += 1
    except KeepingFailed as error:
        print(database.state.name, error)
    ok = asyncio.Event()
    database.on_state = lambda state: ok.set()
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    async with asyncio.timeout(20):
        await ok.wait()
    print(database.state.name)
    await history.append(NewMessage("lobby", "Ann", "last", "text"))
    (last,) = await history.page("lobby", most=1)
    print(last.id, last.number == kept + 1)
    await database.close()

asyncio.run(main())
"""


def test_a_limit_on_the_size_of_files_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"full there is no room for {path}: make some")
    assert rest == ["ok", "last True"]


@in_loop
async def check_not_ours(path: Path) -> None:
    async with opened(path) as store:
        assert store.database.state.name == "read-only"
        assert await store.history.rooms() == [RoomRecord("lobby")]
        with pytest.raises(KeepingFailed, match="belong to who runs the board"):
            await store.say()


@in_loop
async def check_made(path: Path) -> None:
    async with opened(path) as store:
        await store.history.make_room(RoomRecord("lobby"))


def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    check_made(path)
    if os.getuid() == 0:  # whom permissions do not stop; this attribute does
        done = subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("root, on a file system without the attribute of immutable files")
        try:
            check_not_ours(path)
        finally:
            subprocess.run(["chattr", "-i", str(path)], check=True)
    else:
        path.chmod(0o400)
        tmp_path.chmod(0o500)
        try:
            check_not_ours(path)
        finally:
            tmp_path.chmod(0o700)


@in_loop
async def check_locked(path: Path) -> None:
    async with opened(path) as store:
        await store.history.make_room(RoomRecord("lobby"))
        shell = apsw.Connection(str(path))  # an operator's, in a transaction left open
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(KeepingFailed, match="locked"):
            await store.say()
        shell.execute("COMMIT")
        shell.close()
        await store.state("ok")
        store.kept.clear()
        await store.say()
        assert len(await store.all()) == 1


def test_a_shell_that_locks_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.board.sqlite.BUSY", 100)
    check_locked(tmp_path / "board.db")
