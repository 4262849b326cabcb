"""A board: its store, its people, its chat, and its services, in one process and one event loop.

The rules this file owns:

1. Services are started and stopped one by one; whoever is connected to another notices nothing.
   One that fails is shown as failed, and the board goes on without it.
2. A configuration is checked as a whole before anything of it is used. One that cannot be used
   changes nothing.
3. One board has a data folder. A second one is told so, and by which process it is held.
4. It stops in order: services first, then what they keep things in, and last the way to be asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from jackfield.board import config as configs
from jackfield.board import control
from jackfield.board.codes import code_of
from jackfield.board.commanding import BoardCommands
from jackfield.board.config import CHAT, COMMANDS, FILES, PAGE, Config, ServiceConfig, Where
from jackfield.board.database import Database
from jackfield.board.files import BoardFiles, OverPage
from jackfield.board.messages import StoredHistory
from jackfield.board.nearby import Announcement
from jackfield.board.owning import Owning
from jackfield.board.paths import Paths
from jackfield.board.people import BoardPeople
from jackfield.board.sqlite import CLOSED, OK, State
from jackfield.board.units import Follow, Unit
from jackfield.board.web import Page
from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    AddressInUse,
    ConfigurationError,
    JackfieldError,
    KeepingFailed,
    Unreachable,
)
from jackfield.events import Draining, Events, Reloaded, StoreChanged, Warned
from jackfield.framing.lines import lines
from jackfield.limits import Limits
from jackfield.net.binding import reachable_host, web_address
from jackfield.net.connection import Connection
from jackfield.net.holders import is_users_own
from jackfield.server import Server
from jackfield.service import Service, find
from jackfield.services.chat import LIMITS, LONGEST_LINE, Chat, wire

LOOK = 1.0
"""Seconds between two looks at how much the services move."""

OTHER_PORTS = 20
"""Ports tried after the usual one, where no configuration names one."""


class Board:
    """One board. It is run by `serving.run_until_signal()`, as if it were one server.

    path: of the configuration file; None for the default. where: as for `config.load()`.
    is_open: whether anybody may come in under a name that nobody holds, to talk and no more.
    follow: is given the events of each service that starts, with its name.
    """

    def __init__(
        self,
        paths: Paths,
        config: Config,
        *,
        path: str | None = None,
        where: Where = "here",
        is_open: bool = False,
        follow: Follow,
    ) -> None:
        self.paths = paths
        self.config = config
        self.limits = Limits()
        self.events = Events()
        self.since = time.time()
        self.units: dict[str, Unit] = {}
        self._path = path
        self._where = where
        self._is_open = is_open
        self._follow = follow
        self._control: Server[Any] | None = None
        self._local: Server[Any] | None = None
        self._database: Database | None = None
        self._history: StoredHistory | None = None
        self._looking: asyncio.Task[None] | None = None
        self._announcement: Announcement | None = None
        self._pages: dict[tuple[tuple[str, Any], ...], Page] = {}  # by their options
        self._changing = asyncio.Lock()
        self._is_stopping = False

    async def start(self) -> None:
        """Open what it keeps, and start its services.

        Raises ConfigurationError when it cannot be at all: a board with this data runs already,
        its folder cannot be written, a service of the configuration does not exist.
        """
        self.paths.make()
        await self._start_control()
        try:
            await self._open()
            for config in self.config.services:
                unit = self.units[config.name] = Unit(config, self._make, self._watch)
                self._make(config)
                with suppress(JackfieldError):  # it is shown as failed
                    await self._start(unit)
        except BaseException:
            await self.stop(0)
            raise
        self._looking = asyncio.get_running_loop().create_task(self._look())
        await self._announce()

    async def _announce(self) -> None:
        """Tell the network of the page, where others can reach it."""
        unit = self.units.get(PAGE)
        if unit is None or unit.server is None or unit.server.endpoints[0].is_loopback:
            return
        announcement = Announcement(self.config.name, unit.server.endpoints[0])
        try:
            await announcement.start()
        except Unreachable as error:
            self.warn(str(error))
        else:
            self._announcement = announcement

    async def _start_control(self) -> None:
        endpoint = Endpoint(Transport.UNIX, path=str(self.paths.control))
        server = Server(control.make(self._do), endpoint)
        try:
            await server.start()
        except AddressInUse as error:
            msg = (
                f"{self.paths.data}: a board with this data runs already; jackfield status shows "
                "it, jackfield down stops it, and --data names another folder"
            )
            raise ConfigurationError(msg) from error
        self._control = server

    async def _open(self) -> None:
        self._database = await Database.open(str(self.paths.store))
        self._database.on_state = self._tell_state
        if self._database.state is not OK:
            self._tell_state(self._database.state)
        self._history = StoredHistory(self._database)
        self.people = BoardPeople(self._database, is_open=self._is_open)
        self.chat = Chat(self._history, self.people.doors)
        self.people.use(self.chat.hub)
        await self.people.open()
        self.files = BoardFiles(self._database, self.people, self.chat, self.paths.data)
        self.commands = BoardCommands(self.people, self.events, lambda: self._serving(COMMANDS))
        with suppress(KeepingFailed):  # `status` shows why; it is tried again for whoever comes
            await self.chat.open()
        service = Service(
            "local", self._by_owner, wire.FRAMING, LIMITS, joins_rooms=True, silent=True
        )
        self._local = Server(service, Endpoint(Transport.UNIX, path=str(self.paths.chat)))
        await self._local.start()

    def _tell_state(self, state: State) -> None:
        if state is not CLOSED:
            self.events.emit(StoreChanged(state.name, state.text))

    async def _by_owner(self, conn: Connection[Any]) -> None:
        """Serve a client on this machine: whoever runs the board is its owner."""
        if not control.is_own(conn):
            await conn.send({"is": "error", "why": "only the owner of this board comes in here"})
            return
        await self.chat.by_client(conn, await self.people.owner())

    async def _by_line_or_page(self, conn: Connection[Any]) -> None:
        """Serve the chat's own port: pages and clients by WebSocket, all others by lines."""
        if conn.local.is_websocket:
            await self.chat.by_client(conn.switch(wire.FRAMING))
        else:
            own = control.is_own(conn) if conn.local.path else is_users_own(conn.peer, conn.local)
            await self.chat.by_lines(conn, doors=self.people.own_doors if own else None)

    def _make(self, config: ServiceConfig) -> Service[Any]:
        """Make the service of a configuration. Raises ConfigurationError."""
        if config.name == CHAT:
            framing = lines(encoding=None, max_message=LONGEST_LINE)
            return Service(
                CHAT, self._by_line_or_page, framing, LIMITS, joins_rooms=True, silent=True
            )
        if config.name == PAGE:
            return self._page_of(config).service()
        if config.name == FILES:
            return self.files.service(dict(config.options))
        if config.name == COMMANDS:
            return self.commands.service(config)
        return find(config.service, **dict(config.options))

    def _page_of(self, config: ServiceConfig) -> Page:
        """Give the page of a configuration: the same one as long as that has the same options."""
        page = self._pages.get(config.options)
        if page is None:
            owner = Owning(self.people.accounts, self._do, self.events)
            options: dict[str, Any] = dict(config.options)
            page = Page(
                self.chat,
                self.people,
                name=self.config.name,
                owner=owner,
                files=OverPage(self.files, lambda: self._serving(FILES), self.address),
                commands=self.commands,
                **options,
            )
            self._pages[config.options] = page
        return page

    def _serving(self, name: str) -> Any:
        """Give the handler of a service; None while that does not run."""
        unit = self.units.get(name)
        return None if unit is None or unit.service is None else unit.service.handler

    def _watch(self, events: Events, name: str) -> None:
        """See a service start that has these events."""
        self._follow(events, name)
        if name == PAGE:
            page = self._page_of(self.units[PAGE].config)
            events.subscribe(Draining, page.leave)

    async def _start(self, unit: Unit) -> None:
        """Start a service: where nobody has said which port it is to have, on one that is free.

        Raises ConfigurationError once the board stops: what is asked for then comes too late.
        """
        if self._is_stopping:
            raise ConfigurationError("the board stops")
        tries = OTHER_PORTS if self._path is None else 0
        wanted = unit.config
        for step in range(tries + 1):
            moved = tuple(one.with_port(one.port + step) for one in wanted.endpoints)
            unit.config = replace(wanted, endpoints=moved)
            try:
                await unit.start()
            except AddressInUse:
                if step == tries:
                    unit.config = wanted
                    raise
            else:
                return

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for unit in tuple(self.units.values()):
                await unit.look()

    # As one server

    async def stop(self, drain: float | None = None) -> None:
        """Stop the services, close the store, and answer no more commands."""
        self._is_stopping = True
        announcement, self._announcement = self._announcement, None
        if announcement is not None:
            await announcement.stop()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        await asyncio.gather(*(unit.stop(drain) for unit in self.units.values()))
        if self._database is not None:
            self.commands.stop()
        local, self._local = self._local, None
        if local is not None:
            await local.stop(drain)
        history, self._history = self._history, None
        if history is not None:
            await history.close()
        database, self._database = self._database, None
        if database is not None:
            await database.close()
        asking, self._control = self._control, None
        if asking is not None:
            await asking.stop(0.2)

    def cut(self) -> None:
        """End at once what still goes on while it stops."""
        for unit in self.units.values():
            unit.cut()
        for server in (self._local, self._control):
            if server is not None:
                server.cut()

    async def reload(self, _service: object = None) -> None:
        """Read the configuration anew, and start again what has changed.

        Raises ConfigurationError for one that cannot be used; all is as before then.
        """
        async with self._changing:
            await self._reload()

    async def _reload(self) -> None:
        new = self.config if self._path is None else configs.load(self._path, self._where)
        for config in new.services:
            self._make(config)
        before, self.config = self.config, new
        for name in [name for name in self.units if new.service(name) is None]:
            await self.units.pop(name).stop()
        for config in new.services:
            unit = self.units.get(config.name)
            if unit is not None and before.service(config.name) == config:
                await unit.reload()
                continue
            if unit is not None:
                await unit.stop()
            unit = self.units[config.name] = Unit(config, self._make, self._watch)
            with suppress(JackfieldError):  # it is shown as failed
                await self._start(unit)
        used = {config.options for config in new.services if config.name == PAGE}
        self._pages = {options: page for options, page in self._pages.items() if options in used}
        self.events.emit(Reloaded())

    # What the owner asks

    async def _do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked over the control socket. Raises JackfieldError."""
        what = asked.get("do")
        if what in {"start", "stop", "restart", "reload"}:
            async with self._changing:
                try:
                    return {"text": await self._change(what, self._named(asked))}
                finally:
                    self.commands.look_again()
        if what == "status":
            return self.status(self._named(asked))
        if what == "down":
            loop = asyncio.get_running_loop()
            loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
            return {"text": f"{self.config.name} stops."}
        return await self._manage(what, asked)

    async def _manage(self, what: object, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what concerns what is kept, and who may come in."""
        if what == "backup":
            file = str(asked.get("file", ""))
            assert self._database is not None
            size = await self._database.backup(file)
            return {"text": f"{file}: {size} bytes"}
        if what == "invite":
            return await self._invite(asked)
        if what == "link":
            return await self._link_for(str(asked.get("name", "")))
        if what == "tokens":
            return {"tokens": await self.people.tokens()}
        if what == "people":
            return {"people": await self.people.people()}
        if what in {"revoke", "role", "rename", "remove"}:
            return {"text": await self._change_account(what, asked)}
        raise ConfigurationError("the board knows no such command; is it of another version?")

    async def _change_account(self, what: object, asked: dict[str, Any]) -> str:
        """Do what changes who may come in, and as what; say what was done."""
        if what == "revoke":
            return await self.people.revoke(int(asked.get("number", 0)))
        name = str(asked.get("name", ""))
        if what == "role":
            return await self.people.set_role(name, str(asked.get("role", "")))
        if what == "rename":
            return await self.people.rename(name, str(asked.get("new", "")))
        return await self.people.remove(name)

    def _named(self, asked: dict[str, Any]) -> list[Unit]:
        """Give the services that are named; all when none is. Raises ConfigurationError."""
        names = asked.get("names") or []
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise ConfigurationError("names is a list of names")
        for name in names:
            if name not in self.units:
                there = ", ".join(self.units) or "none"
                raise ConfigurationError(f"there is no service {name!r}; there are {there}")
        return [unit for name, unit in self.units.items() if not names or name in names]

    async def _change(self, what: str, units: list[Unit]) -> str:
        if what == "reload" and len(units) == len(self.units):
            await self._reload()
            return "The configuration was read anew."
        problems = []
        for unit in units:
            if what in {"stop", "restart"}:
                await unit.stop()
            if what == "reload":
                await unit.reload()
            elif what in {"start", "restart"}:
                try:
                    await self._start(unit)
                except JackfieldError as error:
                    problems.append(f"{unit.name}: {error}")
        if problems:
            raise ConfigurationError("; ".join(problems))
        done = {"start": "started", "stop": "stopped", "restart": "restarted", "reload": "reloaded"}
        return f"{', '.join(unit.name for unit in units)}: {done[what]}."

    def status(self, units: list[Unit] | None = None) -> dict[str, Any]:
        """Give how the board is, as `jackfield status --json` shows it."""
        state = None if self._database is None else self._database.state
        return {
            "name": self.config.name,
            "process": os.getpid(),
            "since": self.since,
            "data": str(self.paths.data),
            "people": len(self.chat.hub.people),
            "store": {
                "state": "closed" if state is None else state.name,
                "why": "" if state is None else state.text,
            },
            "services": [
                unit.status() for unit in (self.units.values() if units is None else units)
            ],
        }

    async def _invite(self, asked: dict[str, Any]) -> dict[str, Any]:
        role, uses = str(asked.get("role", "member")), int(asked.get("uses", 1))
        expires = time.time() + float(asked.get("expires", 7 * 86400))
        secret = await self.people.invite(role, expires, uses)
        link = self.link(secret)
        answer = {"link": link, "expires": expires, "uses": uses, "role": role}
        return answer | {"code": code_of(link)}

    async def _link_for(self, name: str) -> dict[str, Any]:
        self.link("")  # before anything is made that nobody could use
        name, secret = await self.people.link(name)
        link = self.link(secret)
        return {"name": name, "link": link, "code": code_of(link)}

    async def owner_link(self) -> tuple[str, str]:
        """Give the owner's name, and a link that signs them in once.

        Raises ConfigurationError while the page does not run.
        """
        secret = await self.people.first_owner()  # also where they come in by a terminal alone
        self.link("")  # before a link is made that nobody could use
        owner = await self.people.accounts.owner()
        assert owner is not None
        if secret is None:  # they have come in before
            secret = await self.people.accounts.login_link(owner)
        return owner.name, self.link(secret)

    def address(self) -> str:
        """Give where the page is, as a browser calls it; empty while it does not run.

        Where a proxy leads to it that is the proxy's address: the first of the page's origins.
        """
        unit = self.units.get(PAGE)
        if unit is None or unit.server is None:
            return ""
        endpoint = unit.server.endpoints[0]
        options = dict(unit.config.options)
        origins = options.get("origins") or (web_address(endpoint, reachable_host(endpoint)),)
        return f"{origins[0].rstrip('/')}{options.get('prefix', '')}/"

    def link(self, secret: str) -> str:
        """Give the link by which a secret lets somebody in. Raises ConfigurationError."""
        address = self.address()
        if not address:
            raise ConfigurationError("the page does not run, so a link would lead nowhere")
        return f"{address}in/{secret}"

    def warn(self, text: str) -> None:
        """Tell the operator something."""
        self.events.emit(Warned(text))
