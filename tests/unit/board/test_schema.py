"""The versions of the store: each of them becomes the newest, with all that is in it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from jackfield.board import schema
from jackfield.board.sqlite import open_reader, open_writer

FILL = (
    """
    INSERT INTO rooms VALUES (7, 'lobby', 'room', 'tea', 'ann', 2);
    INSERT INTO messages VALUES (1, 7, 1, 'Ann', 'ann', 'a1', 'hello @bob', 1700000000000000);
    INSERT INTO messages VALUES (2, 7, 2, 'Bob', 'bob', 'b1', '你好', 1700000000000001);
    INSERT INTO words (rowid, room, text) VALUES (1, 'r7', 'hello bob'), (2, 'r7', '你 好');
    INSERT INTO mentions VALUES ('bob', 7, 1);
    INSERT INTO members VALUES ('ann', 7, 2);
    """,
    """
    INSERT INTO people VALUES (1, 'ann', 'Ann', 'owner', 1700000000, NULL);
    INSERT INTO tokens VALUES
        (1, x'00', 'login', 1, NULL, '', 1700000000, NULL, 1700086400, 1, NULL, NULL);
    """,
    """
    INSERT INTO kept_names VALUES ('anna', 'Anna', 1, 1700000000);
    """,
    """
    INSERT INTO files VALUES ('a/b.txt', 1, 1700000000), ('c', NULL, 1700000000);
    """,
)
"""What is put into a database of each version: of the tables that this version brings."""


def shape(db: apsw.Connection) -> list[tuple[object, ...]]:
    return db.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def contents(db: apsw.Connection, tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
    return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608


def at_version(path: Path, version: int) -> apsw.Connection:
    """Make a database as the program of that version did."""
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    for number in range(version):
        db.execute(schema.MIGRATIONS[number])
        db.execute(FILL[number])
    db.pragma("user_version", version)
    db.pragma("application_id", schema.APPLICATION if version else 0)
    return db


def tables_of(db: apsw.Connection) -> list[str]:
    return [
        str(name)
        for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'words%'"
        )
    ]


def test_there_is_something_to_put_into_each_version() -> None:
    assert len(FILL) == schema.NEWEST


@pytest.mark.parametrize("version", range(schema.NEWEST + 1))
def test_each_version_becomes_the_newest_and_keeps_what_it_has(
    tmp_path: Path, version: int
) -> None:
    old = at_version(tmp_path / "old.db", version)
    tables = tables_of(old)
    before = contents(old, tables)
    old.close()
    migrated, new = open_writer(str(tmp_path / "old.db")), open_writer(str(tmp_path / "new.db"))
    assert schema.version_of(migrated) == schema.NEWEST
    assert shape(migrated) == shape(new)
    assert contents(migrated, tables) == before
    if version:
        found = "SELECT rowid FROM words WHERE words MATCH 'room : r7 AND text : \"你 好\"'"
        assert migrated.execute(found).get == 2
    assert migrated.pragma("integrity_check") == "ok"
    assert migrated.execute("PRAGMA foreign_key_check").fetchall() == []
    for db in (migrated, new):
        db.close()
    again = open_writer(str(tmp_path / "old.db"))  # which has nothing left to do
    assert contents(again, tables) == before
    again.close()


def test_a_migration_is_done_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "CREATE TABLE half (a); INSERT INTO half VALUES (1); CREATE TABLE half (a);"
    path = str(tmp_path / "board.db")
    open_writer(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    monkeypatch.setattr(schema, "NEWEST", schema.NEWEST + 1)
    db = apsw.Connection(path)
    before = shape(db)
    with pytest.raises(apsw.SQLError, match="already exists"):
        schema.migrate(db)
    assert not db.in_transaction
    assert shape(db) == before
    assert schema.version_of(db) == schema.NEWEST - 1
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS[:-1], "CREATE TABLE half (a);"))
    schema.migrate(db)
    assert schema.version_of(db) == schema.NEWEST
    db.close()


def test_two_that_migrate_at_once_do_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "board.db")
    one, other = apsw.Connection(path), apsw.Connection(path)
    old = schema.version_of(other)
    schema.migrate(one)
    monkeypatch.setattr(schema, "version_of", _first(old, schema.version_of))
    schema.migrate(other)  # which has looked before, and finds all done
    monkeypatch.undo()
    assert schema.version_of(other) == schema.NEWEST
    one.close()
    other.close()


def _first(value: int, then: object) -> object:
    """Give a value at the first call, and what another function gives at all others."""
    given = [value]

    def call(db: apsw.Connection) -> object:
        return given.pop() if given else then(db)  # type: ignore[operator]  # a function

    return call


def test_who_reads_refuses_what_is_not_for_this_program(tmp_path: Path) -> None:
    path = tmp_path / "board.db"
    db = at_version(path, schema.NEWEST)
    db.pragma("user_version", schema.NEWEST + 7)
    db.close()
    with pytest.raises(ValueError, match=f"version {schema.NEWEST + 7} of the store"):
        open_reader(str(path))
