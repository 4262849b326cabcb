"""The board's store: one SQLite database, one thread that writes it, and one that reads.

The rules this file owns:

1. What was acknowledged is on the disk: `write()` returns after the commit that holds its job, and
   a commit ends with fsync(2).
2. Jobs that wait while a commit is under way go into the next one together. One that fails spoils
   none of the others.
3. What is to be told of a job is told on the event loop, in the order in which jobs were kept, and
   before any of their `write()` returns.
4. When the disk does not do its part, `state` says what is the matter, and every job ends with
   KeepingFailed. Nothing of the database is ever removed for that. What can end by itself is tried
   again every `RETRY` seconds.
5. One process has the database. Others are told so when they open it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar

import apsw

from jackfield.board import schema
from jackfield.board.backups import back_up
from jackfield.board.sqlite import (
    CLOSED,
    OK,
    STEPS,
    State,
    Unusable,
    close,
    damaged,
    find_damage,
    is_of_the_disk,
    open_reader,
    open_writer,
    state_of,
)
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.net import files

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  an item
Job = Callable[[apsw.Connection], T]
"""What is to be done in the database. It runs in a thread of the store's, within a transaction."""

Together = Callable[[apsw.Connection, list[I]], list[T | Exception]]
"""A job for many at a time: gives for each item what came of it, or why nothing did."""

MOST_TOGETHER = 1000
"""Jobs in one commit."""

MOST_WAITING = 20_000
"""Jobs that wait to be written, or to be read; more are refused at once."""

LONGEST_READ = 5.0
"""Seconds that one job of reading may take."""

RETRY = 2.0
"""Seconds between two tries while the disk does not do its part."""


@dataclass(slots=True)
class _Asked:
    """Something that waits to be done. `then` is called on the loop with what it gives.

    job: as for many, with its item; None is for a job alone.
    """

    job: Together[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    then: Callable[[Any], None] | None = None
    result: Any = None
    error: Exception | None = None


class Database:
    """The store. Its methods are for the event loop that it was opened on.

    state: how it is. on_state: called on the loop whenever that has changed.
    commits: how many there were. written: jobs that they held.
    """

    def __init__(self, path: str) -> None:
        """Not for use from outside: `Database.open()` makes one."""
        self.path = path
        self.state = OK
        self.on_state: Callable[[State], None] = lambda _: None
        self.commits = 0
        self.written = 0
        self._loop = asyncio.get_running_loop()
        self._lock = files.Lock(f"{path}.lock", wait=False)
        self._writes: SimpleQueue[_Asked | None] = SimpleQueue()
        self._reads: SimpleQueue[_Asked | None] = SimpleQueue()
        self._waiting_writes = 0
        self._waiting_reads = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._writer = _Writer(self)
        self._reader = _Reader(self)

    @classmethod
    async def open(cls, path: str) -> Self:
        """Open the database at `path`, and make it if there is none; the folder is there already.

        A disk that is full, read-only or failing, and a damaged file, are told by `state`.
        Raises ConfigurationError for a file that is another program's or a newer one's, and when
        another process has it.
        """
        self = cls(path)
        try:
            self._lock.__enter__()
        except ConfigurationError as error:
            msg = f"{error}: another board runs with this data; stop it first (jackfield down)"
            raise ConfigurationError(msg) from error
        try:
            files.make_private(path)
            state = await asyncio.to_thread(self._writer.begin)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._set(state)
        self._writer.start()
        self._reader.start()
        return self

    async def write(self, job: Job[T]) -> T:
        """Do something in the database, and give what the job gives once it is on the disk.

        Raises KeepingFailed, and whatever the job raises; nothing is kept then.
        """

        def alone(connection: apsw.Connection, _: list[None]) -> list[T | Exception]:
            return [job(connection)]

        return await self.write_one(alone, None)

    async def write_one(
        self, job: Together[I, T], item: I, then: Callable[[T], None] | None = None
    ) -> T:
        """Do something for one item, in one call of the job with others that wait for the same.

        The job is the same object for all that may be done in one call. It finds the items in the
        order in which they were given here; if it raises, it is tried with each alone.
        then: called on the loop with what came of it, in the order of all, even when nobody waits
        for it any more. Raises as `write()`.
        """
        if self._closing or self.state.name == "damaged":
            raise KeepingFailed((CLOSED if self._closing else self.state).text)
        if self._waiting_writes >= MOST_WAITING:
            raise KeepingFailed(f"{MOST_WAITING} things wait to be kept: try again in a moment")
        asked = _Asked(job, item, self._loop.create_future(), then)
        self._waiting_writes += 1
        self._writes.put(asked)
        return await asked.future  # type: ignore[no-any-return]  # the job's own

    def write_later(self, job: Job[None]) -> None:
        """Do something in the database that nobody waits for, nor misses if it fails."""
        task = self._loop.create_task(self._try(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, job: Job[None]) -> None:
        with contextlib.suppress(KeepingFailed):
            await self.write(job)

    async def read(self, job: Job[T]) -> T:
        """Look something up, as it is on the disk now.

        Raises KeepingFailed, also for what takes longer than `LONGEST_READ`, and whatever the job
        raises.
        """
        if self._closing:
            raise KeepingFailed(CLOSED.text)
        if self._waiting_reads >= MOST_WAITING:
            raise KeepingFailed(f"{MOST_WAITING} look-ups wait: try again in a moment")
        asked = _Asked(lambda connection, _: [job(connection)], None, self._loop.create_future())
        self._waiting_reads += 1
        self._reads.put(asked)
        return await asked.future  # type: ignore[no-any-return]  # the job's own

    async def backup(self, path: str) -> int:
        """Copy the database as it is now into a new file, while it is in use; give its bytes.

        The file is whole and checked when it appears under its name.
        Raises ConfigurationError naming the file, and KeepingFailed.
        """
        return await asyncio.to_thread(back_up, self.path, path)

    async def close(self) -> None:
        """End, once all that was asked for is done. Closing twice changes nothing."""
        if self._closing:
            return
        await asyncio.gather(*self._tasks)
        self._closing = True
        await asyncio.to_thread(self._end)
        self._set(CLOSED)

    def _end(self) -> None:
        self._reads.put(None)
        self._reader.join()
        self._writes.put(None)
        self._writer.join()  # the last one: it leaves one file, and no log
        self._lock.__exit__(None, None, None)

    # From the threads

    def tell(self, done: list[_Asked], state: State | None, *, reads: bool) -> None:
        """From a thread: have the loop tell of jobs that are done, and of a state."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._told, done, state, reads)

    def _told(self, done: list[_Asked], state: State | None, reads: bool) -> None:  # noqa: FBT001
        if state is not None:
            self._set(state)
        if reads:
            self._waiting_reads -= len(done)
        elif done:
            self._waiting_writes -= len(done)
            kept = sum(asked.error is None for asked in done)
            self.commits += kept > 0
            self.written += kept
        for asked in done:
            if asked.then is not None and asked.error is None:
                try:
                    asked.then(asked.result)
                except Exception as error:  # noqa: BLE001  the others are still to be told
                    self._loop.call_exception_handler(
                        {"message": "what was kept could not be told", "exception": error}
                    )
        for asked in done:
            if asked.future.done():  # whoever asked was cancelled
                continue
            if asked.error is not None:
                asked.future.set_exception(asked.error)
            else:
                asked.future.set_result(asked.result)

    def _set(self, state: State) -> None:
        if self.state.name in {state.name, "closed"}:
            return
        if self.state.name == "damaged" and state is not CLOSED:
            return  # only a backup ends that
        self.state = state
        self._reader.anew = state is OK
        self.on_state(state)


class _Writer(threading.Thread):
    """The thread that writes."""

    def __init__(self, database: Database) -> None:
        super().__init__(name="board-writer", daemon=True)
        self._database = database
        self._path = database.path
        self._queue = database._writes  # noqa: SLF001  its other half
        self._connection: apsw.Connection | None = None
        self._state = OK

    def begin(self) -> State:
        """Open the database. Raises ConfigurationError."""
        try:
            self._connection = open_writer(self._path)
            found = find_damage(self._connection)
            self._state = damaged(self._path, found) if found else OK
        except Unusable as error:
            self._state = error.state
        except apsw.Error as error:
            self._state = state_of(error, self._connection, self._path)
        return self._state

    def run(self) -> None:
        """Write until the end."""
        last = False
        while not last:
            waits = RETRY if self._state.name in {"full", "read-only", "failing"} else None
            batch: list[_Asked] = []
            with contextlib.suppress(Empty):
                last = self._take(batch, waits)
            if batch or not last:
                state = self._write(batch)
                self._database.tell(batch, state, reads=False)
        if self._connection is not None:
            close(self._connection, as_it_is=self._state.name == "damaged")

    def _take(self, batch: list[_Asked], waits: float | None) -> bool:
        """Take what waits; whether the end has come. Raises Empty when no more is there."""
        asked = self._queue.get(timeout=waits)
        while asked is not None:
            batch.append(asked)
            if len(batch) >= MOST_TOGETHER:
                return False
            asked = self._queue.get_nowait()
        return True

    def _write(self, batch: list[_Asked]) -> State | None:
        """Do jobs in one commit; each has its result or its error then. Give the state, if new.

        With no jobs, a commit of nothing new shows whether the disk does its part again.
        """
        before = self._state.name
        if before != "damaged":
            try:
                if self._connection is None:
                    self._connection = open_writer(self._path)
                _commit(self._connection, batch)
                self._state = OK
            except ConfigurationError as error:
                self._state = State("failing", str(error))
            except Unusable as error:
                self._state = error.state
            except apsw.Error as error:
                self._state = state_of(error, self._connection, self._path)
        if self._state is not OK:
            self._give_up(batch)
        return self._state if self._state.name != before else None

    def _give_up(self, batch: list[_Asked]) -> None:
        for asked in batch:
            asked.error = KeepingFailed(self._state.text)
        connection = self._connection
        if connection is not None and connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:  # it is of no use any more
                self._connection = None
                close(connection)


def _commit(connection: apsw.Connection, batch: list[_Asked]) -> None:
    """Do jobs in one transaction, and each as far as it goes. Raises apsw.Error for all."""
    connection.execute("BEGIN IMMEDIATE")
    if not batch:
        connection.pragma("user_version", schema.NEWEST)
    for job, asked in groupby(batch, key=lambda asked: asked.job):
        group = list(asked)
        if not _do(connection, job, group) and len(group) > 1:
            for one in group:
                _do(connection, job, [one])
    connection.execute("COMMIT")


def _do(connection: apsw.Connection, job: Together[Any, Any], group: list[_Asked]) -> bool:
    """Do a job for some; whether that went well. Raises apsw.Error that is a matter of all."""
    connection.execute("SAVEPOINT job")
    try:
        results = job(connection, [asked.item for asked in group])
    except Exception as error:
        if is_of_the_disk(error) or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        for asked in group:
            asked.error = error
        return False
    connection.execute("RELEASE job")
    for asked, result in zip(group, results, strict=True):
        asked.error = result if isinstance(result, Exception) else None
        asked.result = result
    return True


class _Reader(threading.Thread):
    """The thread that reads."""

    def __init__(self, database: Database) -> None:
        super().__init__(name="board-reader", daemon=True)
        self._database = database
        self._path = database.path
        self._queue = database._reads  # noqa: SLF001  its other half
        self._connection: apsw.Connection | None = None
        self._end = 0.0
        self.anew = False
        """Whether the database is to be opened anew: the writer has begun to use it."""

    def run(self) -> None:
        """Read until the end."""
        while (asked := self._queue.get()) is not None:
            state = self._read(asked)
            self._database.tell([asked], state, reads=True)
        if self._connection is not None:
            close(self._connection, as_it_is=True)

    def _read(self, asked: _Asked) -> State | None:
        """Do a job; it has its result or its error then. Give the state, if that tells it."""
        state = None
        try:
            connection = self._opened()
            self._end = time.monotonic() + LONGEST_READ
            connection.execute("BEGIN")
            try:
                [asked.result] = asked.job(connection, [])
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except Unusable as error:
            state = error.state
        except apsw.InterruptError:
            asked.error = KeepingFailed(f"that took longer than {LONGEST_READ:g} s to look up")
        except apsw.Error as error:
            if is_of_the_disk(error):
                state = state_of(error, self._connection, self._path)
            asked.error = error
        except Exception as error:  # noqa: BLE001  the job's own, for who asked
            asked.error = error
        if state is None:
            return None
        asked.error = KeepingFailed(state.text)
        # Whether the disk can be written is for the writer to say.
        return state if state.name == "damaged" else None

    def _opened(self) -> apsw.Connection:
        """Give the connection. Raises Unusable, ConfigurationError, KeepingFailed."""
        if self.anew and self._connection is not None:
            close(self._connection, as_it_is=True)
            self._connection = None
        self.anew = False
        if self._connection is None:
            connection = open_reader(self._path)
            if schema.version_of(connection) != schema.NEWEST:
                close(connection, as_it_is=True)
                raise KeepingFailed(self._database.state.text or "the board's store is not made")
            connection.set_progress_handler(lambda: time.monotonic() > self._end, STEPS)
            self._connection = connection
        return self._connection
