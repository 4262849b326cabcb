"""What the board's database is made of, version by version.

Each script leads from one version to the next, in one transaction, and is never changed once it
has been released: what is to be otherwise is a further one. The database says how many it has been
through, by SQLite's own `user_version`.
"""

from __future__ import annotations

import apsw

from jackfield.errors import ConfigurationError

APPLICATION = 0x4A61636B
"""What marks a database file as a board's (`PRAGMA application_id`): "Jack"."""

MIGRATIONS: tuple[str, ...] = (
    # 1: what is said. Times are microseconds since 1970; `position` is the order of all messages.
    """
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('room', 'direct')),
        topic TEXT NOT NULL,
        owner TEXT NOT NULL,
        last INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE messages (
        position INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms (id),
        number INTEGER NOT NULL,
        author TEXT NOT NULL,
        author_key TEXT NOT NULL,
        client_id TEXT NOT NULL,
        text TEXT NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (room, number),
        UNIQUE (author_key, client_id)
    ) STRICT;
    CREATE TABLE mentions (
        person TEXT NOT NULL,
        room INTEGER NOT NULL REFERENCES rooms (id),
        number INTEGER NOT NULL,
        PRIMARY KEY (person, room, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE members (
        person TEXT NOT NULL,
        room INTEGER NOT NULL REFERENCES rooms (id),
        read INTEGER NOT NULL,
        PRIMARY KEY (person, room)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE words USING fts5 (
        room, text, content = '', columnsize = 0, tokenize = 'ascii'
    );
    """,
    # 2: who may come in. Times are seconds since 1970.
    """
    CREATE TABLE people (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('owner', 'operator', 'member')),
        made INTEGER NOT NULL,
        seen INTEGER
    ) STRICT;
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('session', 'invite', 'login', 'machine')),
        person INTEGER REFERENCES people (id),
        role TEXT CHECK (role IN ('owner', 'operator', 'member')),
        label TEXT NOT NULL,
        made INTEGER NOT NULL,
        made_by INTEGER REFERENCES people (id),
        expires INTEGER,
        uses INTEGER,
        used INTEGER,
        revoked INTEGER
    ) STRICT;
    CREATE INDEX tokens_of_person ON tokens (person);
    CREATE INDEX tokens_made_by ON tokens (made_by);
    """,
    # 3: names that nobody else is to have: an account's former ones, and of accounts that were
    # removed, where `person` is NULL. `since` is in seconds since 1970.
    """
    CREATE TABLE kept_names (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        person INTEGER REFERENCES people (id),
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX kept_names_of_person ON kept_names (person);
    """,
    # 4: who has put which file, by its name below the folder of files. `at` is in seconds since
    # 1970. Of an account that is removed, and of what was put there otherwise, nobody is known.
    """
    CREATE TABLE files (
        name TEXT PRIMARY KEY,
        person INTEGER REFERENCES people (id) ON DELETE SET NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_of_person ON files (person);
    """,
)

NEWEST = len(MIGRATIONS)


def version_of(connection: apsw.Connection) -> int:
    """Give how many migrations a database has been through."""
    return int(connection.pragma("user_version"))


def refuse_others(connection: apsw.Connection, path: str) -> None:
    """See to it that this is a board's database, or an empty one, and not newer than this program.

    Raises ConfigurationError.
    """
    version = version_of(connection)
    mark = int(connection.pragma("application_id"))
    empty = not connection.execute("SELECT count(*) FROM sqlite_schema").get
    if mark != APPLICATION and not (empty and version == 0):
        raise ConfigurationError(f"{path}: is a database of something else, and no board's")
    if version > NEWEST:
        raise ConfigurationError(
            f"{path}: was written by a newer Jackfield (version {version} of the store; this one"
            f" knows {NEWEST}): install that one, or start with a backup from before"
        )


def migrate(connection: apsw.Connection) -> None:
    """Bring a database to the newest version. Whatever stops it, each step is done or not."""
    for version in range(version_of(connection), NEWEST):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) == version:
                connection.execute(MIGRATIONS[version])
                connection.pragma("application_id", APPLICATION)
                connection.pragma("user_version", version + 1)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
