"""What was said in a room, for the board's owner: read from the store itself.

The rules this file owns:

1. It makes no difference whether the board runs: what is on the disk is read, a page at a time, so
   that memory does not grow with the room, and who writes never waits.
2. It ends with what was the last message when it began.
3. Direct conversations are their two people's, and are not given out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apsw

from jackfield.board import schema
from jackfield.board.sqlite import Unusable, close, open_reader
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.net import files
from jackfield.services.chat.words import clean, key_of

PAGE = 1000
"""Messages that are read at a time."""

MOST_NAMED = 40
"""Rooms that are named where there is none of the name that was asked for."""

_PAGE = """
    SELECT number, at, author, text FROM messages
    WHERE room = ?1 AND number > ?2 AND number <= ?3 ORDER BY number LIMIT ?4
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A message of an exported room. at: in seconds since 1970."""

    number: int
    at: float
    author: str
    text: str


def as_text(one: Said) -> str:
    """Write a message as a line with its time in UTC; its lines after the first are indented."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.at))
    text = one.text.replace("\n", "\n    ")
    return f"{at} {one.author}: {text}\n"


def export(path: str, room: str, since: float = 0.0) -> Iterator[Said]:
    """Give what was said in a room, in order, from the store at `path`.

    since: what was said before is left out, in seconds since 1970.
    Raises ConfigurationError where there is no such room, with those there are, or no store; and
    KeepingFailed for a store that cannot be read.
    """
    if not files.size_of(path):
        raise ConfigurationError(
            f"{path}: no board has kept anything there; start one: jackfield up"
        )
    try:
        connection = open_reader(path)
        try:
            number, last = _found(connection, path, room)
            yield from _pages(connection, number, last, since)
        finally:
            close(connection, as_it_is=True)
    except (Unusable, apsw.Error) as error:
        raise KeepingFailed(f"{path}: cannot be read: {error}") from error


def _found(connection: apsw.Connection, path: str, wanted: str) -> tuple[int, int]:
    """Give a room as the store has it: its id, and the number of its last message."""
    if not schema.version_of(connection):
        raise ConfigurationError(
            f"{path}: no board has kept anything there; start one: jackfield up"
        )
    name = wanted.removeprefix("#")
    if name.startswith("@"):
        raise ConfigurationError("a direct conversation is its two people's, and is not exported")
    query = "SELECT id, last FROM rooms WHERE kind = 'room' AND name = ?"
    found: Any = connection.execute(query, (key_of(name),)).fetchone()
    if found is None:
        shown = clean(name, lines=False)[:64]
        there = _rooms(connection)
        raise ConfigurationError(f"there is no room called {shown!r}; there are {there}")
    return int(found[0]), int(found[1])


def _rooms(connection: apsw.Connection) -> str:
    """Name the rooms there are, those with the most messages first."""
    query = "SELECT name FROM rooms WHERE kind = 'room' ORDER BY last DESC, name"
    names = [str(name) for (name,) in connection.execute(query)]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED] + ([f"{more} more"] if more > 0 else []))


def _pages(connection: apsw.Connection, room: int, last: int, since: float) -> Iterator[Said]:
    after, earliest = 0, int(since * 1e6)
    while True:
        # Each page is a transaction of its own, so that the log of what is written meanwhile can
        # be copied into the database.
        rows: Any = connection.execute(_PAGE, (room, after, last, PAGE)).fetchall()
        if not rows:
            return
        for number, at, author, text in rows:
            if at >= earliest:
                yield Said(number, at / 1e6, author, text)
        after = rows[-1][0]
