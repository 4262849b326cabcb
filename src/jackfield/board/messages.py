"""What is said, kept in the board's store: the lasting `History` of the chat.

The rules this file owns:

1. Messages that wait together are kept by a handful of statements, however many they are. Each
   call into SQLite gives Python's lock away, and waits to have it back while the loop is busy.
2. The numbers of a room are given out by the one writer, in the transaction that keeps them, so
   they have no gaps. The same holds for positions, which are the order of all messages.
3. What somebody searches for is never read as FTS5's query language: every word is quoted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

from jackfield.board.database import Database
from jackfield.errors import KeepingFailed
from jackfield.services.chat.history import (
    MOST_AT_ONCE,
    History,
    Message,
    NewMessage,
    RoomRecord,
)
from jackfield.services.chat.words import indexed, key_of, mentions_in, phrases_of

READ_EVERY = 0.5
"""Seconds for which it is collected how far people have read, before it is written."""

_KNOWN = """
    SELECT json_group_array(json_array(author_key, rooms.name, number, author, client_id, text, at))
    FROM json_each(?1) AS new
    JOIN messages ON author_key = new.value ->> 0 AND client_id = new.value ->> 1
    JOIN rooms ON rooms.id = messages.room
"""
_ROOMS = """
    SELECT (SELECT max(position) FROM messages), json_group_array(json_array(name, rooms.id, last))
    FROM json_each(?1) AS new JOIN rooms ON name = new.value
"""
_KEEP = (
    """
    INSERT INTO messages (position, room, number, author, author_key, client_id, text, at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7
    FROM json_each(?1)
    """,
    """
    INSERT INTO words (rowid, room, text) SELECT value ->> 0, 'r' || (value ->> 1), value ->> 8
    FROM json_each(?1)
    """,
)
_MENTION = """
    INSERT INTO mentions (person, room, number) SELECT value ->> 0, value ->> 1, value ->> 2
    FROM json_each(?1)
"""
_LAST = """
    UPDATE rooms SET last = new.value ->> 1 FROM json_each(?1) AS new
    WHERE rooms.id = new.value ->> 0
"""
_BEFORE = """
    SELECT json_group_array(
        json_array(rooms.name, number, author, client_id, text, at) ORDER BY number
    ) FROM (
        SELECT * FROM messages WHERE room = (SELECT id FROM rooms WHERE name = ?1) AND number < ?2
        ORDER BY number DESC LIMIT ?3
    ) AS found JOIN rooms ON rooms.id = found.room
"""
_AFTER = """
    SELECT json_group_array(
        json_array(rooms.name, number, author, client_id, text, at) ORDER BY number
    ) FROM (
        SELECT * FROM messages WHERE room = (SELECT id FROM rooms WHERE name = ?1) AND number > ?2
        ORDER BY number LIMIT ?3
    ) AS found JOIN rooms ON rooms.id = found.room
"""
_ROOM_IDS = """
    SELECT group_concat('"r' || rooms.id || '"', ' OR ') FROM json_each(?1) AS wanted
    JOIN rooms ON name = wanted.value
"""
_POSITION = """
    SELECT position FROM messages
    WHERE room = (SELECT id FROM rooms WHERE name = ?1) AND number = ?2
"""
_SEARCH = """
    SELECT json_group_array(
        json_array(rooms.name, number, author, client_id, text, at) ORDER BY position DESC
    ) FROM (
        SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3
    ) AS found JOIN messages ON position = found.rowid JOIN rooms ON rooms.id = messages.room
"""
_MENTIONS = """
    SELECT count(*) FROM mentions
    WHERE person = ?1 AND room = (SELECT id FROM rooms WHERE name = ?2) AND number > ?3
"""
QUERIES = (_KNOWN, _ROOMS, _BEFORE, _AFTER, _ROOM_IDS, _POSITION, _SEARCH, _MENTIONS)
"""What is asked of the database: a test sees to it that none of it reads a whole table."""

_ALL_ROOMS = "SELECT name, kind, topic, owner, last FROM rooms"
_SET_READ = """
    UPDATE members SET read = max(read, new.value ->> 2)
    FROM json_each(?1) AS new JOIN rooms ON rooms.name = new.value ->> 1
    WHERE members.person = new.value ->> 0 AND members.room = rooms.id
"""

_END = 1 << 62


class _New(NamedTuple):
    """A message that waits to be kept, with what is made of it on the loop's side."""

    message: NewMessage
    key: str
    words: str
    mentions: list[str]


class StoredHistory(History):
    """A history in the board's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: list[Callable[[Message], None]] = []
        self._read: dict[tuple[str, str], int] = {}
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Write what is still collected. The database is closed by whoever has opened it."""
        task, self._reading = self._reading, None
        if task is not None:
            task.cancel()
        await self._write_read()

    # Rooms

    async def rooms(self) -> list[RoomRecord]:
        found: Any = await self._database.read(lambda db: db.execute(_ALL_ROOMS).fetchall())
        return [RoomRecord(*row) for row in found]

    async def make_room(self, room: RoomRecord) -> RoomRecord:
        def make(db: apsw.Connection) -> Any:
            db.execute(
                "INSERT INTO rooms (name, kind, topic, owner) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                (room.name, room.kind, room.topic, room.owner),
            )
            return db.execute(_ALL_ROOMS + " WHERE name = ?", (room.name,)).fetchone()

        return RoomRecord(*await self._database.write(make))

    async def set_topic(self, room: str, topic: str) -> None:
        await self._database.write(
            lambda db: db.execute("UPDATE rooms SET topic = ? WHERE name = ?", (topic, room)).get
        )

    # Messages

    async def append(self, message: NewMessage) -> tuple[Message, bool]:
        new = _New(
            message, key_of(message.author), indexed(message.text), [*mentions_in(message.text)]
        )
        return await self._database.write_one(_keep, new, self._tell)

    def tell(self, call: Callable[[Message], None]) -> None:
        self._told.append(call)

    def _tell(self, kept: tuple[Message, bool]) -> None:
        message, is_new = kept
        if is_new:
            for call in self._told:
                call(message)

    async def page(
        self, room: str, *, before: int | None = None, after: int | None = None, most: int = 50
    ) -> list[Message]:
        most = min(max(most, 0), MOST_AT_ONCE)
        query, number = (_BEFORE, _END if before is None else before)
        if after is not None:
            query, number = _AFTER, after
        return _messages(
            await self._database.read(lambda db: db.execute(query, (room, number, most)).get)
        )

    async def search(
        self,
        text: str,
        rooms: list[str],
        *,
        before: tuple[str, int] | None = None,
        most: int = 50,
    ) -> list[Message]:
        phrases = phrases_of(text)
        if not phrases:
            return []
        most = min(max(most, 0), MOST_AT_ONCE)
        wanted = " AND ".join(f"text : {_quoted(words)}" for words in phrases)

        def find(db: apsw.Connection) -> str:
            ids = db.execute(_ROOM_IDS, (json.dumps(sorted(set(rooms))),)).get
            end = _END if before is None else db.execute(_POSITION, before).get
            if ids is None or end is None:
                return "[]"
            query = f"room : ({ids}) AND {wanted}"
            return str(db.execute(_SEARCH, (query, end, most)).get)

        return _messages(await self._database.read(find))

    # Who is where, and has read what

    async def read_up_to(self, person: str) -> dict[str, int]:
        found: Any = await self._database.read(
            lambda db: db.execute(
                "SELECT name, read FROM members JOIN rooms ON rooms.id = room WHERE person = ?",
                (person,),
            ).fetchall()
        )
        return {room: max(number, self._read.get((person, room), number)) for room, number in found}

    async def join(self, person: str, room: str, number: int) -> None:
        def join(db: apsw.Connection) -> None:
            known = db.execute("SELECT id FROM rooms WHERE name = ?", (room,)).get
            if known is None:
                raise KeyError(room)
            db.execute(
                "INSERT INTO members (person, room, read) VALUES (?, ?, ?)"
                " ON CONFLICT (person, room) DO NOTHING",
                (person, known, number),
            )

        if (person, room) in self._read:  # from before: it is of no account for what is to come
            await self._write_read()
        await self._database.write(join)

    async def set_read(self, person: str, room: str, number: int) -> None:
        self._read[person, room] = max(number, self._read.get((person, room), number))
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._write_read_soon())

    async def _write_read_soon(self) -> None:
        await asyncio.sleep(READ_EVERY)
        self._reading = None
        await self._write_read()

    async def _write_read(self) -> None:
        if not self._read:
            return
        # It is left where read_up_to() finds it until it is written.
        read = dict(self._read)
        rows = json.dumps([[person, room, number] for (person, room), number in read.items()])
        with contextlib.suppress(KeepingFailed):  # it will be read again, which is no loss
            await self._database.write(lambda db: db.execute(_SET_READ, (rows,)).get)
        for key, number in read.items():
            if self._read.get(key) == number:
                del self._read[key]

    async def leave(self, person: str, room: str) -> None:
        self._read.pop((person, room), None)
        await self._database.write(
            lambda db: (
                db.execute(
                    "DELETE FROM members WHERE person = ?"
                    " AND room = (SELECT id FROM rooms WHERE name = ?)",
                    (person, room),
                ).get
            )
        )

    async def forget(self, person: str) -> None:
        for key in [key for key in self._read if key[0] == person]:
            del self._read[key]
        await self._database.write(
            lambda db: db.execute("DELETE FROM members WHERE person = ?", (person,)).get
        )

    async def mentions_of(self, person: str, room: str, after: int) -> int:
        return await self._database.read(
            lambda db: int(db.execute(_MENTIONS, (person, room, after)).get)
        )


def _keep(db: apsw.Connection, news: list[_New]) -> list[tuple[Message, bool] | Exception]:
    """Keep messages: in a thread of the store, within a transaction."""
    ids = _json([[new.key, new.message.id] for new in news])
    known: dict[tuple[str, str], Message] = {
        (key, row[3]): _message(row) for key, *row in json.loads(db.execute(_KNOWN, (ids,)).get)
    }
    names = _json(sorted({new.message.room for new in news}))
    table: Any = db.execute(_ROOMS, (names,)).fetchone()
    position = table[0] or 0
    rooms = {name: [room_id, last] for name, room_id, last in json.loads(table[1])}
    results: list[tuple[Message, bool] | Exception] = []
    rows: list[list[Any]] = []
    mentions: list[list[Any]] = []
    for message, key, words, people in news:
        before = known.get((key, message.id))
        room = rooms.get(message.room)
        if before is not None:
            results.append((before, False))
            continue
        if room is None:
            results.append(KeyError(message.room))
            continue
        room[1] += 1
        position += 1
        at = int(time.time() * 1e6)
        number = room[1]
        kept = Message(message.room, number, message.author, message.id, message.text, at / 1e6)
        known[key, message.id] = kept
        rows.append(
            [position, room[0], number, message.author, key, message.id, message.text, at, words]
        )
        mentions += [[person, room[0], number] for person in people]
        results.append((kept, True))
    if rows:
        whole = _json(rows)
        for statement in _KEEP:
            db.execute(statement, (whole,))
        if mentions:
            db.execute(_MENTION, (_json(mentions),))
        db.execute(_LAST, (_json([*rooms.values()]),))
    return results


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _quoted(words: list[str]) -> str:
    """Write a phrase for FTS5, within quotes, in which nothing but a quote means anything."""
    return '"' + " ".join(words).replace('"', '""') + '"'


def _message(row: list[Any]) -> Message:
    room, number, author, id, text, at = row  # noqa: A001  as messages have it
    return Message(room, number, author, id, text, at / 1e6)


def _messages(found: str) -> list[Message]:
    return [_message(row) for row in json.loads(found)]
