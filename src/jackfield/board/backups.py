"""Backups of the board's database: one file, whole, made while the board runs."""

from __future__ import annotations

import time

import apsw

from jackfield.board import schema
from jackfield.board.sqlite import Unusable, close, find_damage, open_reader
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.net import files

PAGES = 1000
"""Pages that are copied at a time: 4 MB."""

_ALL = 24 * 3600.0
"""Seconds that the check of a backup may take: all of it is looked at."""


def back_up(source: str, target: str) -> int:
    """Copy a database as it is now into a new file, while it is in use; give its bytes.

    The file is whole and checked when it appears under its name.
    Raises ConfigurationError naming the file, and KeepingFailed.
    """
    with files.made_whole(target) as new:
        try:
            reading = open_reader(source)
            try:
                _copy(reading, new)
            finally:
                close(reading, as_it_is=True)
        except (Unusable, apsw.FullError, apsw.Error) as error:
            full = isinstance(error, apsw.FullError)
            why = f"there is no room for {target}" if full else str(error)
            raise KeepingFailed(f"no backup was made: {why}") from error
    return files.size_of(target)


def _copy(reading: apsw.Connection, new: str) -> None:
    copy = apsw.Connection(new)
    try:
        # Within a transaction of its own it reads one state, however long it takes, and nobody
        # who writes has to wait.
        reading.execute("BEGIN")
        reading.pragma("user_version")  # it begins with the first read
        with copy.backup("main", reading, "main") as backup:
            while not backup.done:
                backup.step(PAGES)
        copy.pragma("journal_mode", "delete")  # so that it is one file, and no log beside it
        found = find_damage(copy, _ALL)
        if found:
            raise KeepingFailed(f"no backup was made: the database is damaged ({found[:100]})")
    finally:
        close(copy)


def restore(backup: str, path: str) -> list[str]:
    """Put a backup in the place of a board's database, while no board runs with it.

    What was there stays, under other names, which are given.
    Raises ConfigurationError for a file that is no backup, and when another process has the store.
    """
    with files.Lock(f"{path}.lock", wait=False):
        try:
            checked = open_reader(backup)
            try:
                if not schema.version_of(checked):
                    raise ConfigurationError(f"{backup}: is empty, and no backup of a board")
                found = find_damage(checked, _ALL)
            finally:
                close(checked, as_it_is=True)
        except (Unusable, apsw.Error) as error:
            raise ConfigurationError(f"{backup}: is no backup of a board: {error}") from error
        if found:
            raise ConfigurationError(f"{backup}: is damaged itself: {found[:100]}")
        away = []
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for end in ("-wal", "-shm", ""):  # the log first: with another database it is wrong
            if files.is_file(path + end):
                name = f"{path}.{stamp}{end}"
                problem = files.put_away(path + end, name)
                if problem:
                    raise ConfigurationError(problem)
                away.append(name)
        with files.made_whole(path) as new:
            files.copy(backup, new)
    return away
