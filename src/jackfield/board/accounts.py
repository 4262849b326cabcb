"""Who may come in: people, and the secrets they do it by, in the board's store.

The rules this file owns:

1. A secret is shown once, when it is made. The store has its SHA-256, so whoever reads the store,
   or a backup of it, comes in by nothing of it. It is 32 random bytes: there is nothing to guess
   that a slow hash would have to protect.
2. A name belongs to one account for good, also when it is called otherwise later or is removed.
   Names are compared as the chat compares them.
3. An invitation is used up in the same transaction that makes the account, so two people cannot
   have the last use of one.
4. A session that nobody has used for `SESSION` seconds is over.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import apsw

from jackfield.board.database import Database
from jackfield.errors import ConfigurationError
from jackfield.services.chat import words
from jackfield.services.chat.hub import Person
from jackfield.services.chat.words import NotSaid, key_of

Role = Literal["owner", "operator", "member"]
Kind = Literal["session", "invite", "login", "machine"]

SESSION = 90 * 24 * 3600
"""Seconds for which a session is good after it was last used."""

LOGIN = 24 * 3600
"""Seconds for which a one-time link is good."""

MOST_USES = 10_000
"""People that one invitation lets in."""

MOST_TOKENS = 100_000
"""Tokens that are kept; those that are of no use any more go first."""

MOST_LABEL = 64
"""Characters of what a token is called."""

NOTED = 60
"""Seconds between two notes that a token is used: its last use is told to a minute."""

KEPT_AFTER = 30 * 24 * 3600
"""Seconds for which a token that is of no use any more is still listed."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who holds a name. id: of the store. token: the number of what they came by, or 0."""

    id: int
    name: str
    role: Role
    token: int = field(default=0, compare=False)

    @property
    def person(self) -> Person:
        """Who that is in the chat."""
        return Person(self.name, self.role != "member", token=self.token)


@dataclass(frozen=True, slots=True)
class Token:
    """A secret as it is listed: all but itself. Times are seconds since 1970.

    number: what it is revoked by. name: of whoever it belongs to, or empty. label: what it is
    called. uses: how often it may still be used; None without a bound. state: `good`, `revoked`,
    `expired` or `used up`.
    """

    number: int
    kind: Kind
    name: str
    role: str
    label: str
    made: int
    expires: int | None
    uses: int | None
    last_used: int | None
    state: str


class Accounts:
    """The accounts of a board. Every method may raise KeepingFailed.

    clock: gives the time, in seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[bytes, float] = {}

    # People

    async def first_owner(self, name: str) -> str | None:
        """Make the board's owner, unless there is one; give a one-time link's secret.

        Until the owner has come in, each call gives a new one, and the one before is of no use any
        more; None from then on. name: what the owner is called until they say otherwise.
        """
        now = self._now()
        secret, hashed = _new_secret()

        def make(db: apsw.Connection) -> str | None:
            found: Any = db.execute("SELECT id, seen FROM people WHERE role = 'owner'").fetchone()
            if found is not None and found[1] is not None:
                return None
            owner = _make_person(db, name, "owner", now) if found is None else found[0]
            db.execute(
                "UPDATE tokens SET revoked = ? WHERE person = ? AND kind = 'login'"
                " AND revoked IS NULL",
                (now, owner),
            )
            _make_token(db, hashed, "login", now, person=owner, expires=now + LOGIN, uses=1)
            return secret

        return await self._database.write(make)

    async def owner(self) -> Account | None:
        """Give the board's owner: where there are several, who is so for the longest."""
        return await self._database.read(lambda db: _account(db, "role = 'owner'", ()))

    async def named(self, name: str) -> Account | None:
        """Give who holds a name."""
        key = key_of(name)
        return await self._database.read(lambda db: _account(db, "key = ?", (key,)))

    async def is_held(self, name: str) -> bool:
        """Whether a name is somebody's, or was."""
        key = key_of(name)
        return await self._database.read(lambda db: is_held(db, key))

    async def people(self) -> list[Account]:
        """Give all accounts, in the order in which they were made."""
        rows: Any = await self._database.read(
            lambda db: db.execute("SELECT id, name, role FROM people ORDER BY id").fetchall()
        )
        return [Account(*row) for row in rows]

    async def seen(self, account: Account) -> None:
        """Note that somebody is here."""
        now = self._now()
        await self._database.write(
            lambda db: db.execute("UPDATE people SET seen = ? WHERE id = ?", (now, account.id)).get
        )

    # Secrets

    async def invite(
        self, role: Role = "member", *, expires: float, uses: int = 1, by: Account | None = None
    ) -> str:
        """Make an invitation; give its secret.

        expires: until when it is good, in seconds since 1970. uses: how many people may come by it.
        Raises ConfigurationError for another role than member and operator, and past the bounds.
        """
        if role not in {"member", "operator"}:
            raise ConfigurationError(f"nobody is invited as {role}: as member or operator")
        if not 1 <= uses <= MOST_USES:
            raise ConfigurationError(f"an invitation is for 1 to {MOST_USES} people, not {uses}")
        now = self._now()
        if not now < expires < now + 100 * 365 * 86400:
            raise ConfigurationError("an invitation is good until some time from now on")
        return await self._make(
            "invite", role=role, expires=int(expires), uses=uses, made_by=by and by.id
        )

    async def login_link(self, account: Account) -> str:
        """Make a link by which somebody comes in once more, on another device; give its secret."""
        return await self._make("login", person=account.id, expires=self._now() + LOGIN, uses=1)

    async def session(self, account: Account, label: str) -> str:
        """Begin a session of somebody who is here, for a program of theirs; give its secret."""
        expires = self._now() + SESSION
        return await self._make("session", person=account.id, label=label, expires=expires)

    async def machine(self, label: str, by: Account | None = None) -> str:
        """Make a secret for a program; it is good until it is revoked."""
        label = words.clean(label, lines=False)[:MOST_LABEL]
        return await self._make("machine", label=label, made_by=by and by.id)

    async def _make(self, kind: Kind, **fields: Any) -> str:
        secret, hashed = _new_secret()
        now = self._now()

        def make(db: apsw.Connection) -> None:
            _drop_old(db, now)
            _make_token(db, hashed, kind, now, **fields)

        await self._database.write(make)
        return secret

    async def redeem(self, secret: str, name: str) -> tuple[Account, str]:
        """Come in by an invitation or a one-time link; give the account and a new session's secret.

        name: what whoever comes by an invitation wants to be called; by a link to an account it may
        be empty, and is taken up only by an owner who is here for the first time.
        Raises NotSaid, with words for them, and uses nothing up then.
        """
        hashed, now = hash_of(secret), self._now()
        session, session_hash = _new_secret()

        def redeem(db: apsw.Connection) -> Account:
            row: Any = db.execute(
                "SELECT id, kind, person, role, expires, uses, revoked FROM tokens WHERE hash = ?",
                (hashed,),
            ).fetchone()
            if row is None or row[1] not in {"invite", "login"}:
                raise NotSaid("that lets nobody in; ask for a new invitation")
            token, _, person, role, expires, uses, revoked = row
            state = _state(now, expires, uses, revoked)
            if state != "good":
                raise NotSaid(f"this link is {state}; ask for a new one")
            if person is None:
                person = _make_person(db, words.name_of(name), role, now)
            else:
                _name_owner(db, person, name)
            db.execute("UPDATE tokens SET uses = uses - 1, used = ? WHERE id = ?", (now, token))
            db.execute("UPDATE people SET seen = ? WHERE id = ?", (now, person))
            _drop_old(db, now)
            number = _make_token(
                db, session_hash, "session", now, person=person, expires=now + SESSION
            )
            account = _account(db, "id = ?", (person,), number)
            assert account is not None
            return account

        return await self._database.write(redeem), session

    async def kind_of(self, secret: str) -> Kind | None:
        """Give what kind of secret this is, whether or not it is still good."""
        hashed = hash_of(secret)
        found: Any = await self._database.read(
            lambda db: db.execute("SELECT kind FROM tokens WHERE hash = ?", (hashed,)).get
        )
        return found  # type: ignore[no-any-return]  # one of them: the schema says so

    async def by_session(self, secret: str) -> Account | None:
        """Give who has come in themselves by a session; None where it is nobody's, or over."""
        return await self.signed_in(hash_of(secret))

    async def by_token(self, secret: str) -> Account | None:
        """Give whose session this is, one that was made for a program included."""
        return await self._by_hash("hash = ?", hash_of(secret))

    async def signed_in(self, hashed: bytes) -> Account | None:
        """Give who has come in themselves by a session: not one that was made for a program.

        hashed: what `hash_of()` gives of its secret.
        """
        return await self._by_hash("hash = ? AND label = ''", hashed)

    async def _by_hash(self, where: str, hashed: bytes) -> Account | None:
        now = self._now()
        account = await self._database.read(lambda db: _by_session(db, where, hashed, now))
        if account is not None:
            self._note(hashed, now)
        return account

    async def by_number(self, token: int) -> Account | None:
        """Give whose session a token is, by its number; None where it is none, or over."""
        now = self._now()
        return await self._database.read(lambda db: _by_session(db, "id = ?", token, now))

    async def number_of(self, secret: str) -> int | None:
        """Give the number that a token is listed by, whether or not it is still good."""
        hashed = hash_of(secret)
        found: Any = await self._database.read(
            lambda db: db.execute("SELECT id FROM tokens WHERE hash = ?", (hashed,)).get
        )
        return found  # type: ignore[no-any-return]  # a number: the schema says so

    async def is_machine(self, secret: str) -> bool:
        """Whether this is a program's secret, and good."""
        hashed, now = hash_of(secret), self._now()
        found = await self._database.read(
            lambda db: (
                db.execute(
                    "SELECT id FROM tokens WHERE hash = ? AND kind = 'machine' AND revoked IS NULL",
                    (hashed,),
                ).get
            )
        )
        if found is not None:
            self._note(hashed, now)
        return found is not None

    def _note(self, hashed: bytes, now: int) -> None:
        """Note that a token is used, now and then: nobody waits for it, nor misses it."""
        if now - self._noted.get(hashed, 0) < NOTED:
            return
        if len(self._noted) >= 10_000:
            self._noted.clear()
        self._noted[hashed] = now

        def note(db: apsw.Connection) -> None:
            db.execute(
                "UPDATE tokens SET used = ?1, expires = CASE kind WHEN 'session' THEN ?2"
                " ELSE expires END WHERE hash = ?3",
                (now, now + SESSION, hashed),
            )
            db.execute(
                "UPDATE people SET seen = ? WHERE id = (SELECT person FROM tokens WHERE hash = ?)",
                (now, hashed),
            )

        self._database.write_later(note)

    async def sign_out(self, secret: str) -> None:
        """End a session, if there is one."""
        hashed, now = hash_of(secret), self._now()
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE tokens SET revoked = ? WHERE hash = ? AND kind = 'session'"
                    " AND revoked IS NULL",
                    (now, hashed),
                ).get
            )
        )

    async def tokens(self) -> list[Token]:
        """Give all tokens, the newest first."""
        now = self._now()
        rows: Any = await self._database.read(lambda db: db.execute(_LIST).fetchall())
        told = [(*row[:9], _state(now, row[6], row[7], row[9])) for row in rows]
        return [Token(*row) for row in told]

    async def revoke(self, number: int) -> Token:
        """Make a token of no use any more, at once; give it.

        Raises ConfigurationError when there is none of the number.
        """
        now = self._now()

        def revoke(db: apsw.Connection) -> bool:
            db.execute("UPDATE tokens SET revoked = ? WHERE id = ?", (now, number))
            return db.changes() > 0

        if await self._database.write(revoke):
            return next(one for one in await self.tokens() if one.number == number)
        raise ConfigurationError(f"there is no token {number}; jackfield tokens lists them")

    def _now(self) -> int:
        return int(self._clock())


_LIST = """
    SELECT tokens.id, kind, coalesce(people.name, ''), coalesce(tokens.role, people.role, ''),
        label, tokens.made, expires, uses, used, revoked
    FROM tokens LEFT JOIN people ON people.id = tokens.person
    ORDER BY tokens.id DESC
"""


def _new_secret() -> tuple[str, bytes]:
    """Give a new secret, and what is kept of it."""
    secret = secrets.token_urlsafe(32)
    return secret, hash_of(secret)


def hash_of(secret: str) -> bytes:
    """Give what is kept of a secret."""
    # It is looked up by this, so how long that takes tells nothing about any secret.
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _state(now: int, expires: int | None, uses: int | None, revoked: int | None) -> str:
    if revoked is not None:
        return "revoked"
    if uses == 0:
        return "used up"
    return "expired" if expires is not None and expires <= now else "good"


def _account(
    db: apsw.Connection, where: str, values: tuple[Any, ...], token: int = 0
) -> Account | None:
    sql = f"SELECT id, name, role FROM people WHERE {where} ORDER BY id"  # noqa: S608  of this file
    row: Any = db.execute(sql, values).fetchone()
    return None if row is None else Account(row[0], row[1], row[2], token)


def _by_session(db: apsw.Connection, where: str, value: Any, now: int) -> Account | None:
    row: Any = db.execute(
        f"SELECT person, id FROM tokens WHERE {where} AND kind = 'session'"  # noqa: S608  likewise
        " AND revoked IS NULL AND expires > ?",
        (value, now),
    ).fetchone()
    return None if row is None else _account(db, "id = ?", row[:1], row[1])


def _make_person(db: apsw.Connection, name: str, role: str, now: int) -> int:
    """Make an account. Raises NotSaid for a name that somebody holds."""
    _see_free(db, name)
    db.execute(
        "INSERT INTO people (key, name, role, made) VALUES (?, ?, ?, ?)",
        (key_of(name), name, role, now),
    )
    return db.last_insert_rowid()


def _name_owner(db: apsw.Connection, person: int, name: str) -> None:
    """Let an owner who was never here choose what they are called. Raises NotSaid."""
    row: Any = db.execute("SELECT role, seen, key FROM people WHERE id = ?", (person,)).fetchone()
    role, seen, key = row
    if not name or role != "owner" or seen is not None:
        return
    name = words.name_of(name)
    if key_of(name) != key:
        _see_free(db, name)
    db.execute("UPDATE people SET key = ?, name = ? WHERE id = ?", (key_of(name), name, person))


def is_held(db: apsw.Connection, key: str) -> bool:
    """Whether a name, by its key, is somebody's, or was."""
    held = "SELECT 1 FROM people WHERE key = ?1 UNION SELECT 1 FROM kept_names WHERE key = ?1"
    return db.execute(held, (key,)).get is not None


def _see_free(db: apsw.Connection, name: str) -> None:
    if is_held(db, key_of(name)):
        raise NotSaid(f"{name} is somebody's name here; choose another")


def _make_token(db: apsw.Connection, hashed: bytes, kind: Kind, now: int, **fields: Any) -> int:
    row = {"hash": hashed, "kind": kind, "label": "", "made": now} | fields
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    db.execute(f"INSERT INTO tokens ({names}) VALUES ({marks})", row)  # noqa: S608  of this file
    return db.last_insert_rowid()


def _drop_old(db: apsw.Connection, now: int) -> None:
    """Drop tokens that are of no use any more; past the bound, even those not for long."""
    db.execute(
        "DELETE FROM tokens WHERE coalesce(revoked, expires) < ?1 OR"
        " (uses = 0 AND coalesce(used, made) < ?1)",
        (now - KEPT_AFTER,),
    )
    if db.execute("SELECT count(*) FROM tokens").get >= MOST_TOKENS:
        raise NotSaid(f"there are {MOST_TOKENS} tokens; revoke those that nobody needs")
