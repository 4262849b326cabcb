"""A board's remote commands: who may run what, over endpoints of their own and through the page.

The rules this file owns:

1. Only operators and owners run anything, whatever a policy says. It calls them by their names, as
   names are compared in the chat, or by what they are; an account that is called as a role is, is
   no one's role.
2. Who somebody is, and what they are, is looked up for each command. Who may do less than before is
   refused from then on, and what they run and may not any more is ended.
3. A policy is checked as a whole with the configuration. One that cannot be used changes nothing.
4. A token that was made for files is good for nothing here.
5. While the service does not run nothing is allowed, and what ran is ended.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jackfield.board.accounts import Accounts, hash_of
from jackfield.board.config import ServiceConfig
from jackfield.board.people import BoardPeople
from jackfield.errors import ConfigurationError, KeepingFailed
from jackfield.events import Event, Events, Reloaded, Stopped, Warned
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.chat.words import key_of
from jackfield.services.commands import LIMITS, Commands, Source, policy, users, wire
from jackfield.services.commands.people import Proof, Tokens
from jackfield.services.commands.policy import ANYONE, ME, Line, Policy

_ROLES = {"owner": ("owner", "operator"), "operator": ("operator",)}
"""What a policy may call somebody of a role by."""

_NOT_NAMES = frozenset({"owner", "operator", "member", "guest", ANYONE, ME})


class Served:
    """The handler, while the service runs. policy: what it was started with."""

    def __init__(self, commands: Commands, found: Policy) -> None:
        self.policy = found
        self._commands = commands

    async def __call__(self, conn: Connection[Any]) -> None:
        """Serve one client of an endpoint."""
        await self._commands(conn)


class BoardCommands:
    """The commands of a board: their `Who`, their `Record`, and what the page has of them.

    events: are told of what is run and refused, and tell of a configuration that was read anew.
    serving: gives the service's handler, None while it does not run.
    """

    def __init__(
        self, people: BoardPeople, events: Events, serving: Callable[[], Served | None]
    ) -> None:
        self._accounts: Accounts = people.accounts
        self._events = events
        self._source = _Current(serving)
        self._own = Events()
        self._own.subscribe(Warned, events.emit)
        self._commands: Commands | None = None
        people.on_ended.append(self.look_again)
        events.subscribe(Reloaded, lambda _: self.look_again())

    def service(self, config: ServiceConfig) -> Service[Any]:
        """Make the service of a configuration. Raises ConfigurationError."""
        if sys.platform != "linux":
            raise ConfigurationError(
                "commands needs Linux, which alone can end all that a program starts"
            )
        found = policy.load(dict(config.options)["policy"], wrong=_wrong)
        users.find(found.user)
        lines = (replace(one, who=frozenset(map(key_of, one.who))) for one in found.lines)
        commands = self._all()
        commands.check(config.endpoints, config.model)
        served = Served(commands, replace(found, lines=tuple(lines)))
        return Service(
            "commands", served, wire.framing(), LIMITS, silent=True, check=commands.check
        )

    def _all(self) -> Commands:
        if self._commands is None:
            self._commands = Commands(self._source, who=self, record=self, events=self._own)
        return self._commands

    def look_again(self) -> None:
        """See what is allowed now, and to whom: end what is not any more."""
        self._own.emit(Reloaded())

    def stop(self) -> None:
        """End it for good, once nothing serves it any more."""
        self._own.emit(Stopped())

    # As `Who` and `Record`

    async def names(self, proof: Proof) -> tuple[str, ...]:
        """Give what a policy may call somebody by. Nobody is known but by a board's session."""
        if not proof.digest:
            return ()
        try:
            account = await self._accounts.signed_in(proof.digest)
        except KeepingFailed:  # nobody can say so now
            return ()
        if account is None or account.role not in _ROLES:
            return ()
        key, roles = key_of(account.name), _ROLES[account.role]
        if key in _NOT_NAMES.difference(roles):
            return (f"account:{account.name}", *roles)
        return (account.name, key, *roles)

    def note(self, event: Event) -> None:
        """Tell the board's operator of it."""
        self._events.emit(event)

    # As the page has it

    @property
    def is_served(self) -> bool:
        """As `needs.Running`."""
        return self._source.is_served

    async def may_run(self, secret: str) -> bool:
        """As `needs.Running`."""
        return self.is_served and bool(await self.names(_proof(secret)))

    async def allowed(self, secret: str) -> list[dict[str, Any]]:
        """As `needs.Running`."""
        names = frozenset(await self.names(_proof(secret)))
        return [_told(line) for line in self._source.now.lines if names & line.who]

    async def serve(self, conn: Connection[Any], secret: str) -> None:
        """As `needs.Running`."""
        await self._all().serve(conn, _proof(secret) if secret else None)


class _Current(Source):
    """What the service that runs has of its policy."""

    def __init__(self, serving: Callable[[], Served | None]) -> None:
        super().__init__(None, (), None)
        self._serving = serving

    @property
    def is_served(self) -> bool:
        """Whether the service runs."""
        return self._serving() is not None

    @property
    def now(self) -> Policy:
        """What is allowed: nothing while it does not run."""
        served = self._serving()
        return Policy(source="the policy") if served is None else served.policy

    def tokens(self) -> Tokens:
        """A board has no token file."""
        return Tokens()

    def policy(self, tokens: Tokens) -> Policy:
        """As `Source`; it was read and checked before."""
        del tokens
        return self.now


def _wrong(name: str) -> str:
    """Say why a board's policy has no line for somebody of this name; "" where it can have one."""
    if name in {ANYONE, ME, "guest", "member"} or name.startswith("certificate:"):
        return (
            f"on a board {name} runs nothing: name operators by their accounts, or write "
            '"operator" for all of them, "owner" for who owns the board'
        )
    return ""


def _proof(secret: str) -> Proof:
    return Proof(hash_of(secret)) if secret else Proof()


def _told(line: Line) -> dict[str, Any]:
    """Say what a line allows, as the page shows it."""
    return {
        "program": line.program,
        "name": posixpath.basename(line.program),
        "args": None if line.args is None else [one.pattern for one in line.args],
        "many": line.many,
        "folder": line.folder,
        "time": line.bounds.time,
    }
