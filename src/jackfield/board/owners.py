"""Whose each file is, in the board's store, and so who may replace and remove it.

The rules this file owns:

1. A file is whoever's account has put it, over whatever way. Somebody else may replace or remove
   it only as an operator, or as the board's owner; so with one of which nobody knows who has put
   it, and with folders.
2. Who somebody is, is looked up each time: one whose access was revoked, or whose account was
   removed, may do nothing from then on.
3. A file is noted once it has its name. Power that goes in between leaves one that is nobody's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apsw

from jackfield.board.accounts import Account
from jackfield.board.database import Database
from jackfield.board.people import BoardPeople
from jackfield.errors import KeepingFailed
from jackfield.net.folders import FileRefused, Folder
from jackfield.services.chat.words import NotSaid
from jackfield.services.files.rights import DENIED
from jackfield.services.files.wire import names_of
from jackfield.services.files.working import work

LOST = "your access was revoked, or is over; ask for an invitation"


class Owned(NamedTuple):
    """Who has put a file. id: of the account. at: when, in seconds since 1970."""

    id: int
    name: str
    at: int


class Owners:
    """The files of a board, by whose they are: `Rights` of the service.

    path: of the folder where they are. changed: called when there are others than before.
    """

    def __init__(
        self,
        database: Database,
        people: BoardPeople,
        path: str,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._people = people
        self._path = path
        self._folder: Folder | None = None
        self._changed = changed
        self._clock = clock

    def open(self) -> Folder:
        """Open the folder, once. Raises ConfigurationError."""
        if self._folder is None:
            self._folder = Folder(self._path)
        return self._folder

    @staticmethod
    def who(account: Account) -> str:
        """Call an account as `Rights` does: with what it came by, which may be revoked."""
        return f"{account.id}:{account.token}"

    async def enter(self, token: str, source: str) -> str:
        """As `Rights`: by the secret of a session."""
        try:
            account = await self._people.by_token(token, source)
        except (NotSaid, KeepingFailed) as error:
            raise FileRefused(str(error), DENIED) from error
        return self.who(account)

    async def may_change(self, who: str, name: str) -> None:
        """As `Rights`."""
        account = await self._account(who)
        if account.role != "member":
            return
        names = names_of(name)
        is_folder = await work(lambda: self._is_folder(names))
        if is_folder is None:
            return
        if is_folder:
            raise FileRefused("only operators of this board remove folders", DENIED)
        owner = (await self.about([name])).get(name)
        if owner is None:
            raise FileRefused(
                "nobody knows whose it is, so only an operator may replace or remove it", DENIED
            )
        if owner.id != account.id:
            raise FileRefused(
                f"it is {owner.name}'s: only they or an operator may replace or remove it", DENIED
            )

    def _is_folder(self, names: list[bytes]) -> bool | None:
        """Say what has a name; None for nothing."""
        try:
            opened = self.open().find(names)
        except FileRefused as error:
            if error.why != "none":
                raise
            # a link, which nobody gets, may be there: it is nobody's
            return False if os.path.lexists(b"/".join((os.fsencode(self._path), *names))) else None
        os.close(opened.fd)
        return opened.is_folder

    async def _account(self, who: str) -> Account:
        number, _, token = who.partition(":")
        try:
            account = await self._people.accounts.by_number(int(token))
        except KeepingFailed as error:
            raise FileRefused(str(error)) from error
        if account is None or account.id != int(number):
            raise FileRefused(LOST, DENIED)
        return account

    async def changed(self, who: str, name: str, size: int | None) -> None:
        """As `Rights`."""
        person, now = int(who.partition(":")[0]), int(self._clock())

        def note(db: apsw.Connection) -> None:
            if size is None:
                below = (name, f"{name}/", f"{name}0")  # which is what comes after a slash
                db.execute("DELETE FROM files WHERE name = ? OR (name > ? AND name < ?)", below)
            else:
                found = "(SELECT id FROM people WHERE id = ?)"  # it may be removed by now
                db.execute(f"REPLACE INTO files VALUES (?, {found}, ?)", (name, person, now))  # noqa: S608  of this file

        try:
            await self._database.write(note)
        except KeepingFailed as error:
            raise FileRefused(f"it is done, but not whose it is: {error}") from error
        finally:
            self._changed()

    async def about(self, names: Sequence[str]) -> dict[str, Owned]:
        """Give who has put these, as far as that is known. Raises FileRefused."""

        def find(db: apsw.Connection) -> list[Any]:
            sql = (
                "SELECT files.name, people.id, people.name, files.at FROM files"
                " JOIN people ON people.id = files.person WHERE files.name = ?"
            )
            return [row for name in names for row in db.execute(sql, (name,))]

        try:
            rows = await self._database.read(find)
        except KeepingFailed as error:
            raise FileRefused(str(error)) from error
        return {name: Owned(*more) for name, *more in rows}
