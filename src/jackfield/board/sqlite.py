"""Opening the board's database, and what SQLite's errors say of the disk under it."""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import apsw

from jackfield.board import schema
from jackfield.errors import ConfigurationError
from jackfield.net import files

MOST_CHECK = 5.0
"""Seconds that looking for damage may take when a database is opened; about 1 GB on a fast disk."""

BUSY = 5000
"""Milliseconds to wait for another program (a shell of SQLite) that has the database locked."""

CHECKPOINT = 2000
"""Pages of the write-ahead log after which they are copied into the database: 8 MB."""

CACHE = 16 * 1024
"""KiB of the database that who writes it has at hand: its indices, of a million messages."""

LONGEST_LOG = 64 * 1024 * 1024
"""Bytes of the write-ahead log that stay on the disk once its contents are copied."""

STEPS = 50_000
"""Instructions of SQLite between two looks at the clock: about a millisecond."""

StateName = Literal["ok", "full", "read-only", "failing", "damaged", "closed"]


@dataclass(frozen=True, slots=True)
class State:
    """How a store is.

    name: `ok`; `full`, `read-only` and `failing` (the disk reports errors), which end by
    themselves; `damaged`, which a backup ends; `closed`.
    text: what it is and what to do, in a sentence. Empty when all is well.
    """

    name: StateName
    text: str = ""


class Unusable(Exception):
    """A database that cannot be opened. state: why."""

    def __init__(self, state: State) -> None:
        super().__init__(state.text)
        self.state = state


OK = State("ok")
CLOSED = State("closed", "the board's store is closed")

_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OF_THE_DISK = (
    apsw.FullError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.BusyError,
    apsw.ProtocolError,
    apsw.NoMemError,
)


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error is no fault of the job that met it."""
    return isinstance(error, _OF_THE_DISK)


def state_of(error: apsw.Error, connection: apsw.Connection | None, path: str) -> State:
    """Say what an error of SQLite means for the store.

    connection: where it happened, which knows what the system said.
    """
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return damaged(path, str(error))
    said = connection.system_errno if connection is not None else 0
    if isinstance(error, apsw.FullError) or said in _ROOM:
        return State(
            "full",
            f"there is no room for {path}: make some, and the board goes on by itself;"
            " until then nothing new is kept",
        )
    shut = isinstance(error, apsw.CantOpenError) and not files.may_write(path)
    if isinstance(error, apsw.ReadOnlyError) or said == errno.EROFS or shut:
        return State(
            "read-only",
            f"{path} cannot be written: have its disk mounted for writing, and the file belong to"
            " who runs the board; until then nothing new is kept",
        )
    why = errno.errorcode.get(said, "") if said else ""
    return State(
        "failing",
        f"{path}: {error}{f' ({why})' if why else ''}: look after its disk; until it works nothing"
        " new is kept",
    )


def damaged(path: str, why: str) -> State:
    """Say that a database is damaged."""
    return State(
        "damaged",
        f"{path} is damaged ({why.splitlines()[0][:100]}): stop the board and go back to a backup "
        "by jackfield restore FILE; the damaged file stays, under another name",
    )


def open_writer(path: str) -> apsw.Connection:
    """Open the database for writing, at its newest version.

    Raises Unusable, and ConfigurationError for one that is not for this program.
    """
    connection = None
    try:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(path, flags=flags)
        _prepare(connection)
        schema.refuse_others(connection, path)
        if connection.readonly("main"):
            raise apsw.ReadOnlyError("it is opened for reading only")
        if connection.pragma("journal_mode", "wal") != "wal":
            raise ConfigurationError(
                f"{path}: its file system cannot share memory between connections, which SQLite's"
                " write-ahead log needs; keep the board's data on a local disk"
            )
        connection.pragma("synchronous", "FULL")
        connection.pragma("cache_size", -CACHE)
        connection.pragma("wal_autocheckpoint", CHECKPOINT)
        connection.pragma("journal_size_limit", LONGEST_LOG)
        schema.migrate(connection)
    except BaseException as error:
        state = state_of(error, connection, path) if isinstance(error, apsw.Error) else None
        if connection is not None:
            close(connection)
        if state is not None:
            raise Unusable(state) from error
        raise
    return connection


def open_reader(path: str) -> apsw.Connection:
    """Open the database for reading; also one whose disk cannot be written.

    Raises Unusable, and ConfigurationError for one that is not for this program.
    """
    flags = apsw.SQLITE_OPEN_READONLY
    try:
        return _open_reader(path, path, flags)
    except Unusable:
        # Where nothing that it shares with others can be made, and without a log, all of it is in
        # the one file.
        if files.may_write(path) or not files.size_of(path) or files.size_of(f"{path}-wal"):
            raise
    uri = f"{Path(path).absolute().as_uri()}?immutable=1"
    return _open_reader(path, uri, flags | apsw.SQLITE_OPEN_URI)


def _open_reader(path: str, name: str, flags: int) -> apsw.Connection:
    connection = None
    try:
        connection = apsw.Connection(name, flags=flags)
        _prepare(connection)
        schema.refuse_others(connection, path)
        connection.pragma("query_only", True)
    except BaseException as error:
        state = state_of(error, connection, path) if isinstance(error, apsw.Error) else None
        if connection is not None:
            close(connection)
        if state is not None:
            raise Unusable(state) from error
        raise
    return connection


def close(connection: apsw.Connection, *, as_it_is: bool = False) -> None:
    """Close a connection, whatever comes of it: what was acknowledged is on the disk.

    as_it_is: without copying the log into the database.
    """
    with contextlib.suppress(apsw.Error):
        if as_it_is:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()


def _prepare(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY)
    connection.pragma("foreign_keys", True)
    connection.pragma("trusted_schema", False)
    connection.pragma("cell_size_check", True)


def find_damage(connection: apsw.Connection, most: float = MOST_CHECK) -> str:
    """Look for damage, no longer than `most` seconds; give what was found, or nothing."""
    end = time.monotonic() + most
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        found = connection.execute("PRAGMA quick_check(1)").get
    except apsw.InterruptError:
        return ""  # as far as it was looked at, it is whole
    finally:
        connection.set_progress_handler(None)
    return "" if found == "ok" else str(found)
