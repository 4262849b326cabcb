"""The accounts of a board as their owner sees and changes them, in the board's store.

The rules this file owns:

1. There is always an owner: the last one is neither removed nor made anything else.
2. A name stays with who has had it. Who is called otherwise keeps the former name, and may have it
   back; the name of an account that was removed is nobody's any more. What was said stays under
   the name it was said under, so nobody can appear to have said it.
3. Who is called otherwise is in the same rooms as before and owns the same, and their direct
   conversations go on.
4. Who is removed has no secret left, in the same transaction; nor have those that they invite.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import apsw

from jackfield.board.accounts import Account, Role, is_held
from jackfield.board.database import Database
from jackfield.errors import ConfigurationError
from jackfield.services.chat import words
from jackfield.services.chat.renaming import renamed
from jackfield.services.chat.words import NotSaid, key_of

ROLES: tuple[Role, ...] = ("owner", "operator", "member")

MOST_AGAIN = 10_000
"""Messages, the newest of all, that a client may say again after it was called otherwise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An account as it is listed. Times are in seconds since 1970.

    role: `removed` where there is no account of the name any more, since `removed` then.
    since: when it was made. seen: when they were last here, to a minute. sessions: how many are
    good. former: names that it had before.
    """

    name: str
    role: str
    since: int | None
    seen: int | None
    sessions: int
    former: list[str]
    removed: int | None = None


class Roster:
    """Who there is. Every method may raise KeepingFailed.

    clock: gives the time, in seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def people(self) -> list[Listed]:
        """Give all accounts in the order in which they were made, then those that were removed."""
        now = int(self._clock())
        return await self._database.read(lambda db: _listed(db, now))

    async def find(self, name: str) -> Account:
        """Give the account of a name. Raises ConfigurationError where there is none."""
        return await self._database.read(lambda db: _found(db, name))

    async def set_role(self, name: str, role: str) -> Account:
        """Let an account do more, or less; give it as it is now. Raises ConfigurationError."""
        if role not in ROLES:
            raise ConfigurationError(f"nobody is {role!r}: a role is one of {', '.join(ROLES)}")

        def change(db: apsw.Connection) -> Account:
            found = _found(db, name)
            if role != "owner":
                _see_other_owner(db, found)
            db.execute("UPDATE people SET role = ? WHERE id = ?", (role, found.id))
            return _found(db, name)

        return await self._database.write(change)

    async def rename(self, name: str, new: str) -> tuple[Account, Account]:
        """Call an account otherwise; give it as it was and as it is. Raises ConfigurationError."""
        try:
            new = words.name_of(new)
        except NotSaid as error:
            raise ConfigurationError(str(error)) from error
        now = int(self._clock())

        def rename(db: apsw.Connection) -> tuple[Account, Account]:
            before = _found(db, name)
            _call(db, before, new, now)
            return before, _found(db, new)

        return await self._database.write(rename)

    async def remove(self, name: str) -> Account:
        """Remove an account; give it as it was. Raises ConfigurationError."""
        now = int(self._clock())

        def remove(db: apsw.Connection) -> Account:
            found = _found(db, name)
            _see_other_owner(db, found)
            for sql in _REMOVE:
                db.execute(sql, {"id": found.id, "key": key_of(found.name), "now": now})
            return found

        return await self._database.write(remove)


_REMOVE = (
    "UPDATE tokens SET revoked = :now WHERE made_by = :id AND revoked IS NULL",
    "UPDATE tokens SET made_by = NULL WHERE made_by = :id",
    "DELETE FROM tokens WHERE person = :id",
    "UPDATE kept_names SET person = NULL WHERE person = :id",
    "INSERT INTO kept_names SELECT key, name, NULL, :now FROM people WHERE id = :id",
    "DELETE FROM members WHERE person = :key",
    "DELETE FROM people WHERE id = :id",
)

_CALL = (
    "DELETE FROM kept_names WHERE key = :new",
    "INSERT INTO kept_names SELECT key, name, id, :now FROM people WHERE id = :id",
    "UPDATE people SET key = :new, name = :name WHERE id = :id",
    "DELETE FROM members WHERE person = :new",
    "UPDATE members SET person = :new WHERE person = :old",
    "UPDATE OR REPLACE mentions SET person = :new WHERE person = :old",
    "UPDATE rooms SET owner = :new WHERE owner = :old",
    # by which a message that is said again is known
    """
    UPDATE OR IGNORE messages SET author_key = :new
    WHERE author_key = :old AND position > (SELECT max(position) FROM messages) - :again
    """,
)

_LIST = """
    SELECT id, name, role, made, seen, (
        SELECT count(*) FROM tokens WHERE person = people.id AND kind = 'session'
        AND revoked IS NULL AND expires > ?
    ) FROM people ORDER BY id
"""


def _listed(db: apsw.Connection, now: int) -> list[Listed]:
    former: dict[int, list[str]] = {}
    removed: list[Listed] = []
    kept: Any = db.execute("SELECT name, person, since FROM kept_names ORDER BY since, key")
    for name, person, since in kept:
        if person is None:
            removed.append(Listed(name, "removed", None, None, 0, [], since))
        else:
            former.setdefault(person, []).append(name)
    rows: Any = db.execute(_LIST, (now,))
    return [
        *(
            Listed(name, role, made, seen, sessions, former.get(number, []))
            for number, name, role, made, seen, sessions in rows
        ),
        *removed,
    ]


def _found(db: apsw.Connection, name: str) -> Account:
    """Give the account of a name. Raises ConfigurationError where there is none."""
    query = "SELECT id, name, role FROM people WHERE key = ?"
    row: Any = db.execute(query, (key_of(name.removeprefix("@")),)).fetchone()
    if row is not None:
        return Account(*row)
    shown = words.clean(name, lines=False)[:64]
    raise ConfigurationError(
        f"nobody here is called {shown!r}; jackfield people lists who there is"
    )


def _see_other_owner(db: apsw.Connection, account: Account) -> None:
    """See to it that there is an owner beside this one. Raises ConfigurationError."""
    query = "SELECT count(*) FROM people WHERE role = 'owner' AND id != ?"
    if account.role == "owner" and not db.execute(query, (account.id,)).get:
        raise ConfigurationError(
            f"{account.name} is the only owner, and a board has one: make another one first, by"
            " jackfield people role NAME owner"
        )


def _call(db: apsw.Connection, account: Account, name: str, now: int) -> None:
    """Call an account by a new name, with all that goes by its name."""
    old, new = key_of(account.name), key_of(name)
    if old == new:  # it is written otherwise
        db.execute("UPDATE people SET name = ? WHERE id = ?", (name, account.id))
        return
    own = db.execute("SELECT person FROM kept_names WHERE key = ?", (new,)).get
    if own != account.id and is_held(db, new):
        raise ConfigurationError(f"{name} is somebody's name here, or was; choose another")
    values: dict[str, Any] = {"id": account.id, "old": old, "new": new, "name": name}
    values |= {"now": now, "again": MOST_AGAIN}
    for sql in _CALL:
        db.execute(sql, {key: value for key, value in values.items() if f":{key}" in sql})
    rooms: Any = db.execute("SELECT id, name FROM rooms WHERE kind = 'direct'").fetchall()
    names = {room for _, room in rooms}
    for number, room in rooms:
        called = renamed(room, old, new)
        if called in names and called != room:  # of somebody who was here before accounts were
            raise ConfigurationError(f"{name} has conversations from before; choose another name")
        if called != room:
            db.execute("UPDATE rooms SET name = ? WHERE id = ?", (called, number))
