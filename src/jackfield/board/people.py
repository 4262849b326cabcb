"""The people of a board, as its chat, its page and its commands know them.

The rules this file owns:

1. Somebody is who their secret says. Where the board is open, a name that nobody holds is enough:
   who comes by one is a guest. A guest is never an operator, and has the name as long as they are
   here and, where they have a secret, `GUEST` seconds more, so that a page can be loaded anew.
2. Nobody finds what a guest of the same name has left: a new guest is in no room but the lobby.
3. Who tries and fails has to wait, by where they come from.
4. A secret that is made useless takes effect at once: who is here by it is told so and sent away.
   So do another role, another name, and the end of an account.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from jackfield.board.accounts import Account, Accounts, Role, hash_of
from jackfield.board.database import Database
from jackfield.board.roster import Roster
from jackfield.board.throttle import Throttle
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.services.chat import renaming, words
from jackfield.services.chat.doors import Doors
from jackfield.services.chat.hub import Hub, Person, Session
from jackfield.services.chat.words import NotSaid, key_of

GUEST = 120.0
"""Seconds for which a guest who has gone keeps the name."""

SWEEP = 10.0
"""Seconds between two looks at which guests are here."""

REVOKED = "your access was revoked by the owner of this board"

MOST_GUESTS = 2000
"""Guests at a time."""


_FORGET = "DELETE FROM members WHERE person NOT IN (SELECT key FROM people)"


@dataclass(slots=True)
class _Guest:
    """A guest: whoever has the secret, of which this is the hash.

    seen: when they were last known to be here. types: whether they come by lines, and were never
    told the secret: the name is free as soon as they have gone.
    """

    name: str
    hashed: bytes
    seen: float
    types: bool = False


class BoardPeople(Doors):
    """Who may come in, for all ways into a board.

    is_open: whether anybody may come in, by a name that nobody holds.
    clock: gives the time, in seconds since 1970. ticks: gives seconds that never go back.
    """

    def __init__(
        self,
        database: Database,
        *,
        is_open: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.accounts = Accounts(database, clock)
        self.roster = Roster(database, clock)
        self.is_open = is_open
        self.question = (
            "What is your name? Who has a token types that."
            if is_open
            else "Your token? Who is invited types a name, a space, and the last part of the link."
        )
        self._database = database
        self._ticks = ticks
        self._throttle = Throttle(ticks)
        self._guests: dict[str, _Guest] = {}  # by the key of their name
        self._by_hash: dict[bytes, str] = {}
        self._coming: set[str] = set()  # keys of names that are becoming accounts
        self._sweeping: asyncio.TimerHandle | None = None
        self._hub: Hub | None = None
        self.on_ended: list[Callable[[], None]] = []
        """Called when somebody may be here no more by what they came by, or may do less."""

    @property
    def doors(self) -> Doors:
        """What the chat asks."""
        return self

    @property
    def own_doors(self) -> Doors:
        """What the chat asks where a program is of this machine and of the board's own user."""
        return _OwnDoors(self)

    def use(self, hub: Hub) -> None:
        """Know who is in the chat; before anybody comes in."""
        self._hub = hub
        hub.on_gone = self._free
        hub.knows = self._is_known

    async def _is_known(self, key: str) -> bool:
        return await self.accounts.named(key) is not None

    async def open(self) -> None:
        """Begin: whoever is a member of a room and has no account was a guest, and is forgotten."""
        with contextlib.suppress(KeepingFailed):  # the state of the store is told elsewhere
            await self._database.write(lambda db: db.execute(_FORGET).get)

    # Coming in

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        types = name == token  # all on one line
        if types:
            first, _, last = token.rpartition(" ")
            is_secret = not self.is_open or await self.is_secret(last)
            name, token = (first.strip(), last) if is_secret else (token, "")
        person, secret = await self.sign_in(name, token, source)
        if types and person.guest and not token:
            self.types(person)
        return person, "" if secret == _secret_in(token) else secret

    async def still(self, person: Person) -> Person:
        if person.guest:
            return person
        if person.token:
            account = await self.accounts.by_number(person.token)
        else:
            account = await self.accounts.named(person.name)
        if account is None:
            raise NotSaid(REVOKED)
        return account.person

    async def is_secret(self, token: str) -> bool:
        """Whether a token, or the last word of what somebody types, is known at all."""
        secret = _secret_in(token.rpartition(" ")[2])
        return hash_of(secret) in self._by_hash or await self.accounts.kind_of(secret) is not None

    async def sign_in(self, name: str, token: str, source: str) -> tuple[Person, str]:
        """Give who somebody is, and the secret of their session.

        name: what they want to be called, or empty. token: of a session, an invitation, a one-time
        link, or the whole of such a link; or empty. source: the address they come from.
        Raises NotSaid, with words for them, for who may not come in; and KeepingFailed.
        """
        self._see_calm(source)
        try:
            return await self._sign_in(name, _secret_in(token))
        except NotSaid:
            self._throttle.fail(source)
            raise

    def _see_calm(self, source: str) -> None:
        """See to it that nobody guesses secrets. Raises NotSaid."""
        wait = self._throttle.wait_of(source)
        if wait > 0:
            msg = f"too many tries from where you are: wait {int(wait) + 1} s, then try again"
            raise NotSaid(msg, wait)

    async def _sign_in(self, name: str, token: str) -> tuple[Person, str]:
        if not token:
            if self.is_open:
                return await self.guest(name)
            raise NotSaid("this board is for those who are invited; ask for an invitation")
        person = await self.by_session(token)
        if person is not None:
            return person, token
        kind = await self.accounts.kind_of(token)
        if kind in {"invite", "login"}:
            return await self._redeem(token, name)
        if kind == "session" and await self.accounts.by_token(token) is not None:
            raise NotSaid("that token is for files alone; sign in by a link or an invitation")
        if kind == "session":
            raise NotSaid("that was revoked, or is over; ask for an invitation")
        raise NotSaid("that token is no good, or no more; ask for an invitation")

    async def _redeem(self, token: str, name: str) -> tuple[Person, str]:
        key = key_of(words.name_of(name)) if name else ""
        if key in self._guests:
            raise NotSaid(f"a guest is called {name} now; choose another name, or wait")
        if key in self._coming:
            raise NotSaid(f"{name} is somebody's name here; choose another")
        self._coming |= {key} - {""}
        try:
            account, secret = await self.accounts.redeem(token, name)
        finally:
            self._coming.discard(key)
        return account.person, secret

    async def guest(self, name: str) -> tuple[Person, str]:
        """Let somebody in under a name that nobody holds."""
        name = words.name_of(name)
        key = key_of(name)
        assert self._hub is not None
        if key in self._guests or any(True for _ in self._hub.sessions_of(key)):
            raise NotSaid(f"{name} is here already; choose another name")
        if len(self._guests) >= MOST_GUESTS:
            raise NotSaid(f"{MOST_GUESTS} guests are here already; come back later")
        secret = secrets.token_urlsafe(32)
        self._guests[key] = _Guest(name, hash_of(secret), self._ticks())  # before anybody else
        try:
            if key in self._coming or await self.accounts.is_held(name):
                raise NotSaid(f"{name} is somebody's name here; choose another, or sign in")
            await self._hub.history.forget(key)
        except BaseException:
            del self._guests[key]
            raise
        self._by_hash[hash_of(secret)] = key
        if self._sweeping is None:
            self._sweep()
        return Person(name, guest=True), secret

    def _sweep(self) -> None:
        """Free the names of guests who have gone."""
        assert self._hub is not None
        now = self._ticks()
        for key, guest in tuple(self._guests.items()):
            if any(True for _ in self._hub.sessions_of(key)):
                guest.seen = now
            elif now - guest.seen > GUEST:
                self._drop(key)
        self._sweeping = None
        if self._guests:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def types(self, person: Person) -> None:
        """Note that a guest comes by lines, and cannot come back by a secret."""
        self._guests[person.key].types = True

    def _free(self, key: str) -> None:
        """Free the name of somebody who has gone, unless they can come back by a secret."""
        guest = self._guests.get(key)
        if guest is not None and guest.types:
            self._drop(key)

    def _drop(self, key: str) -> None:
        guest = self._guests.pop(key)
        self._by_hash.pop(guest.hashed, None)

    async def by_session(self, secret: str) -> Person | None:
        """Give whose session this is; None where it is nobody's, or over."""
        key = self._by_hash.get(hash_of(secret))
        if key is not None:
            guest = self._guests[key]
            guest.seen = self._ticks()
            return Person(guest.name, guest=True)
        account = await self.accounts.by_session(secret)
        return None if account is None else account.person

    async def by_token(self, token: str, source: str) -> Account:
        """Give whose session a program has the secret of.

        source: the address it comes from. Raises NotSaid, with words for them; and KeepingFailed.
        """
        self._see_calm(source)
        account = await self.accounts.by_token(token)
        if account is None:
            self._throttle.fail(source)
            raise NotSaid("that token is no good here; the page makes one, under Files")
        return account

    async def sign_out(self, secret: str) -> None:
        """End a session, if there is one."""
        key = self._by_hash.get(hash_of(secret))
        if key is not None:
            self._drop(key)
        else:
            await self.accounts.sign_out(secret)
            self._tell_ended()

    async def owner(self) -> Person:
        """Give the board's owner, who is here now. Raises NotSaid before there is one."""
        account = await self.accounts.owner()
        if account is None:
            raise NotSaid("this board has no owner yet")
        await self.accounts.seen(account)
        return account.person

    # What the owner asks for

    async def first_owner(self) -> str | None:
        """Make the board's owner, unless there is one; give the secret of their one-time link.

        None once the owner has come in. They are called as the system calls who runs the board,
        until they say otherwise.
        """
        name = os.environ.get("LOGNAME") or os.environ.get("USER") or ""
        try:
            name = words.name_of(name)
        except NotSaid:
            name = "owner"
        return await self.accounts.first_owner(name)

    async def invite(self, role: str, expires: float, uses: int) -> str:
        """Make an invitation; give its secret. As `Accounts.invite()`, in the owner's name."""
        if role not in {"member", "operator"}:
            raise ConfigurationError(f"nobody is invited as {role!r}: as member or operator")
        as_role: Role = "operator" if role == "operator" else "member"
        by = await self.accounts.owner()
        return await self.accounts.invite(as_role, expires=expires, uses=uses, by=by)

    async def tokens(self) -> list[dict[str, Any]]:
        """Give all tokens, the newest first, with the fields of `Token`."""
        return [asdict(one) for one in await self.accounts.tokens()]

    async def revoke(self, number: int) -> str:
        """Make a token useless; who is here by a session is sent away. Say what was done.

        Raises ConfigurationError when there is none of the number.
        """
        token = await self.accounts.revoke(number)
        for session in self._sessions_of(key_of(token.name)):
            if session.person.token == number:
                session.end(REVOKED)
        self._tell_ended()
        whose = f" of {token.name}" if token.name else ""
        return f"Token {number}, {token.kind}{whose}, is of no use any more."

    def _tell_ended(self) -> None:
        for tell in self.on_ended:
            tell()

    def _sessions_of(self, key: str) -> Iterable[Session]:
        return () if self._hub is None else self._hub.sessions_of(key)

    async def people(self) -> list[dict[str, Any]]:
        """Give all accounts with the fields of `Listed`, and `here`: connections they have now."""
        found = [asdict(one) for one in await self.roster.people()]
        return [one | {"here": len([*self._sessions_of(key_of(one["name"]))])} for one in found]

    async def set_role(self, name: str, role: str) -> str:
        """Let somebody do more, or less, from now on. Say what was done.

        Raises ConfigurationError where that cannot be.
        """
        account = await self.roster.set_role(name, role)
        if self._hub is not None:
            self._hub.promote(account.person.key, operator=account.person.operator)
        self._tell_ended()
        return f"{account.name} is {account.role} now."

    async def rename(self, name: str, new: str) -> str:
        """Call somebody otherwise; they come back under the new name. Say what was done.

        Raises ConfigurationError where that cannot be.
        """
        key = key_of(new)
        if key in self._guests or key in self._coming:
            raise ConfigurationError(f"a guest is called {new} now; choose another name, or wait")
        self._coming.add(key)
        try:
            before, after = await self.roster.rename(name, new)
        finally:
            self._coming.discard(key)
        old = before.person.key
        if self._hub is not None and old != key:
            renaming.rename(self._hub, old, key)
        for session in self._sessions_of(old):
            session.end(f"you are called {after.name} here now: come in again")
        self._tell_ended()
        return f"{before.name} is called {after.name} now; the old name stays theirs."

    async def link(self, name: str) -> tuple[str, str]:
        """Make a link by which somebody comes in as themselves, once, within a day.

        Gives their name, and its secret. Raises ConfigurationError where nobody has the name.
        """
        account = await self.roster.find(name)
        return account.name, await self.accounts.login_link(account)

    async def remove(self, name: str) -> str:
        """Remove somebody's account; who is here by it is sent away. Say what was done.

        Raises ConfigurationError where that cannot be.
        """
        account = await self.roster.remove(name)
        for session in self._sessions_of(account.person.key):
            session.end("your account was removed by the owner of this board")
        self._tell_ended()
        return f"{account.name} is removed. What they said stays, and nobody else gets the name."


class _OwnDoors(Doors):
    """For programs of whoever runs the board: they need no secret, since they could read them all.

    Any name will do; by the owner's they are the owner.
    """

    question = "What is your name?"

    def __init__(self, people: BoardPeople) -> None:
        self._people = people

    async def who(self, name: str, token: str, source: str) -> tuple[Person, str]:
        people = self._people
        if await people.is_secret(token):
            return await people.who(name, token, source)
        owner = await people.accounts.owner()
        if owner is not None and key_of(name.strip()) == owner.person.key:
            return owner.person, ""
        person, _ = await people.guest(name)
        people.types(person)
        return person, ""

    async def still(self, person: Person) -> Person:
        return await self._people.still(person)


def _secret_in(token: str) -> str:
    """Give the secret of a token that may be the whole of a link."""
    return token.strip().rstrip("/").rpartition("/")[2]
