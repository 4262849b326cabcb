"""A board's files: the service, over its own endpoints and through the page.

The rules this file owns:

1. Members and operators list, get and put; whose a file is, `owners.py` knows. A guest of an open
   board has no files, or may list and get them where it is configured so, and never changes any.
2. That files have changed is told to pages at most every `PAUSE` seconds, without a word about
   which: they ask for the list when somebody looks at it.
3. Who has come over an endpoint of the service and may be here no more, is sent away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jackfield.board.accounts import Account
from jackfield.board.database import Database
from jackfield.board.filing import with_defaults
from jackfield.board.owners import Owners
from jackfield.board.people import REVOKED, BoardPeople
from jackfield.endpoints import Endpoint
from jackfield.errors import KeepingFailed
from jackfield.http.exchange import Exchange
from jackfield.net import files as folders
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.chat import Chat
from jackfield.services.chat.words import NotSaid
from jackfield.services.files import LIMITS, Files
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.over_http import OverHTTP
from jackfield.services.files.putting import SAVED, Caller
from jackfield.services.files.wire import CONTROL

FOLDER = "files"
"""The folder of the board's data that they are in, unless it is configured otherwise."""

PAUSE = 0.3
"""Seconds in which several changes are told as one."""

_ASK = {"WWW-Authenticate": 'Bearer realm="board"'}


class Served(Files):
    """The handler of a board's files.

    guests: whether guests may list and get them. A folder of the board's own is made.
    """

    def __init__(self, board: BoardFiles, folder: str, options: dict[str, Any]) -> None:
        self.guests = bool(options.pop("guests"))
        self.folder = folder
        self.owners = Owners(board.database, board.people, folder, board.tell_soon)
        self._board = board
        super().__init__(folder, rights=_Entered(self.owners, board), **options)

    def check(self, _endpoints: tuple[Endpoint, ...] = (), _model: str = "") -> None:
        """See to it that they can be served. Raises ConfigurationError."""
        if self.folder == self._board.own:
            folders.make_folders(self.folder)
        new_hash()
        self.owners.open()
        self._board.guests = self.guests

    async def __call__(self, conn: Connection[Any]) -> None:
        """Serve one client, of whom it is known by which session they are here."""
        with self._board.serving(conn):
            await super().__call__(conn)


class _Entered:
    """`Rights` of connections: notes by which session each is here."""

    def __init__(self, owners: Owners, board: BoardFiles) -> None:
        self._owners = owners
        self._board = board
        self.may_change = owners.may_change
        self.changed = owners.changed

    async def enter(self, token: str, source: str) -> str:
        """As `Rights`."""
        who = await self._owners.enter(token, source)
        self._board.note(int(who.partition(":")[2]))
        return who


class BoardFiles:
    """What the files of a board share, whatever is configured of them.

    data: the board's folder. own: the folder of files that it has of its own.
    """

    def __init__(self, database: Database, people: BoardPeople, chat: Chat, data: Path) -> None:
        self.database = database
        self.people = people
        self.own = str(data / FOLDER)
        self.guests = False
        self._data = data
        self._chat = chat
        self._telling: asyncio.TimerHandle | None = None
        self._conns: dict[asyncio.Task[Any] | None, Connection[Any]] = {}
        self._here: dict[Connection[Any], int] = {}  # by the number of which session
        self._looking: asyncio.Task[None] | None = None
        people.on_ended.append(self._look_soon)

    def service(self, options: dict[str, Any]) -> Service[Any]:
        """Make the service, with these options of its configuration."""
        more = with_defaults(options)
        folder = more.pop("folder", None)
        path = self.own if folder is None else str(self._data / Path(folder).expanduser())
        served = Served(self, path, more)
        return Service("files", served, CONTROL, LIMITS, check=served.check)

    # Telling pages

    def tell_soon(self) -> None:
        """Have pages told that files have changed."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(PAUSE, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._chat.tell_clients({"is": "files"}, lambda one: self.guests or not one.guest)

    # Who is here over an endpoint of the service

    @contextmanager
    def serving(self, conn: Connection[Any]) -> Iterator[None]:
        """Know of a connection while it is served, by this task."""
        task = asyncio.current_task()
        self._conns[task] = conn
        try:
            yield
        finally:
            del self._conns[task]
            self._here.pop(conn, None)

    def note(self, number: int) -> None:
        """Note by which session the connection is here that this task serves."""
        self._here[self._conns[asyncio.current_task()]] = number

    def _look_soon(self) -> None:
        """Some may be here no more: see who."""
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        for conn, number in tuple(self._here.items()):
            try:
                account = await self.people.accounts.by_number(number)
            except KeepingFailed:
                account = None  # nobody can say so now
            if account is None:
                conn.core.refuse(REVOKED)


class OverPage:
    """A board's files as its page has them.

    serving: gives the service's handler, None while it does not run.
    address: gives where the page is, as others on the network call it.
    """

    def __init__(
        self, files: BoardFiles, serving: Callable[[], Served | None], address: Callable[[], str]
    ) -> None:
        self._files = files
        self._people = files.people
        self._serving = serving
        self._address = address

    async def about(self, secret: str) -> dict[str, Any] | None:
        """As `needs.Files`."""
        served = self._serving()
        person = None if served is None or not secret else await self._people.by_session(secret)
        if served is None or person is None or (person.guest and not served.guests):
            return None
        return {"put": not person.guest, "link": f"{self._address()}files/"}

    async def answer(self, exchange: Exchange, path: str, secret: str) -> None:
        """As `needs.Files`."""
        served = self._serving()
        if served is None:
            await exchange.fail(503, "the board's files are not served now", SAVED)
            return
        try:
            found = await self._caller(exchange, secret, served)
            if found is None:
                return
            caller, account = found
            listed = _About(served.owners, account)
            await OverHTTP(served.opened(), listed).answer(exchange, path, caller)
        except KeepingFailed as error:
            await exchange.fail(503, str(error), SAVED)

    async def _caller(
        self, exchange: Exchange, secret: str, served: Served
    ) -> tuple[Caller, Account | None] | None:
        """Find out who asks; None where that was answered."""
        if "authorization" in exchange.request.fields:
            try:
                account = await self._people.by_token(secret, exchange.conn.source)
            except NotSaid as error:
                status = 429 if error.wait else 401
                await exchange.fail(status, str(error), SAVED | _ASK)
                return None
        elif await self._is_guest(secret):
            if served.guests:
                return Caller("", may_write=False), None
            await exchange.fail(403, "guests have no files here; ask for an invitation", SAVED)
            return None
        else:
            found = await self._people.accounts.by_session(secret) if secret else None
            if found is None:
                why = "sign in first, or send a token: Authorization: Bearer TOKEN"
                await exchange.fail(401, why, SAVED | _ASK)
                return None
            account = found
        exchange.user = account.name
        return Caller(served.owners.who(account), may_write=True), account

    async def _is_guest(self, secret: str) -> bool:
        person = await self._people.by_session(secret) if secret else None
        return person is not None and person.guest

    async def make_token(self, secret: str) -> str:
        """As `needs.Files`."""
        account = await self._people.accounts.by_session(secret) if secret else None
        if account is None:
            raise NotSaid("guests have no token; ask for an invitation")
        return await self._people.accounts.session(account, "files")


class _About:
    """Tells of files whose they are, and what whoever asks may do with them."""

    def __init__(self, owners: Owners, account: Account | None) -> None:
        self._owners = owners
        self._account = account

    async def __call__(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        account = self._account
        found = await self._owners.about(names)
        told: dict[str, dict[str, Any]] = {}
        for name in names:
            owned = found.get(name)
            is_own = account is not None and owned is not None and owned.id == account.id
            may = is_own or (account is not None and account.role != "member")
            told[name] = {"mine": may}
            if owned is not None:
                told[name] |= {"owner": owned.name, "put": owned.at}
        return told
