"""The handler of remote commands, and what it has while its server runs."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.events import Event, Events, Reloaded, Stopped, Warned
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.commands import people, policy, users, wire
from jackfield.services.commands.launcher import Launcher
from jackfield.services.commands.people import Proof, Record, Tokens, Who
from jackfield.services.commands.policy import ME, Policy
from jackfield.services.commands.session import Session

LIMITS = Limits(connections=256, connections_per_source=64, first_message=10, write_time=60)


_NAMED: dict[str, set[str]] = {}
"""By token file, the names that had a token in it once: a policy may name them when it has gone."""


class Source:
    """Where policy and tokens are read from, again and again.

    policy_file, allow: one of them. Programs are looked for on PATH once, here.
    """

    def __init__(
        self, policy_file: str | None, allow: tuple[str, ...], token_file: str | None
    ) -> None:
        self.policy_file = policy_file
        self.token_file = token_file
        self._named = _NAMED.setdefault(token_file or "", set())
        self._programs = policy.of_names(allow, shutil.which, (ME,)).lines if allow else ()

    def tokens(self) -> Tokens:
        """Read the tokens. Raises ConfigurationError."""
        return Tokens() if self.token_file is None else people.load(self.token_file)

    def policy(self, tokens: Tokens) -> Policy:
        """Read the policy. Raises ConfigurationError."""
        if self.policy_file is not None:
            self._named.update(tokens.digests)
            return policy.load(self.policy_file, frozenset(self._named))
        who = frozenset(tokens.digests or (ME,))
        return Policy(tuple(replace(line, who=who) for line in self._programs))


class Commands:
    """The handler. source: of what is allowed, read anew when the server is reloaded.

    who, record: in place of tokens and of the server's events. cgroups: whether a call gets one,
    where that can be. events: in place of the server's, where it is reached through several: they
    tell that what is allowed was read anew, and that it stops.
    """

    def __init__(
        self,
        source: Source,
        *,
        who: Who | None = None,
        record: Record | None = None,
        cgroups: bool = True,
        events: Events | None = None,
    ) -> None:
        self._source = source
        self._given_who = who
        self._given_record = record
        self._cgroups = cgroups
        self._events = events
        self._live: Live | None = None
        self._lock = threading.Lock()
        tokens = source.tokens()
        users.find(source.policy(tokens).user)  # so that what cannot be used is told at once
        self._is_proof_asked = bool(tokens.digests) or who is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._source, self._given_who, self._given_record, self._cgroups)

    async def __call__(self, conn: Connection[Any]) -> None:
        """Serve one client."""
        await self.serve(conn)

    async def serve(self, conn: Connection[Any], proof: Proof | None = None) -> None:
        """Serve one client. proof: what it has shown already, in place of its token."""
        live = self._live_for(conn)
        session = Session(live, conn, proof)
        live.sessions[session] = None
        try:
            await session.run()
        finally:
            del live.sessions[session]

    def _live_for(self, conn: Connection[Any]) -> Live:
        with self._lock:
            if self._live is None:
                events = self._events or conn.core.events
                assert events is not None  # it is a server's
                self._live = Live(
                    self._source, events, self._given_who, self._given_record, self._cgroups
                )
            return self._live

    def check(self, endpoints: tuple[Endpoint, ...], model: str) -> None:
        """See whether it may be served so. Raises ConfigurationError, which says what to do."""
        if model == "processes":
            raise ConfigurationError(
                "commands has a process for each call by itself; choose --model asyncio, threads "
                "or inline"
            )
        for endpoint in endpoints:
            if endpoint.is_datagram:
                raise ConfigurationError(
                    f"commands needs a connection, and {endpoint.transport}:// has none; serve it "
                    "at tcp://, tls:// or unix://"
                )
            if endpoint.is_loopback:
                continue
            if not endpoint.transport.uses_tls:
                raise ConfigurationError(
                    f"commands off loopback is served over TLS alone: tls://{endpoint.address} in "
                    f"place of {endpoint.transport}://"
                )
            if not self._is_proof_asked and not endpoint.options.ca:
                raise ConfigurationError(
                    "commands off loopback is for people who prove who they are: give them tokens "
                    "by --token-file FILE, or ask for certificates by --ca FILE"
                )


class Live:
    """What a handler has while its server runs: what holds now, and the way to programs."""

    def __init__(
        self,
        source: Source,
        events: Events,
        who: Who | None,
        record: Record | None,
        cgroups: bool,  # noqa: FBT001  one of ours
    ) -> None:
        self._source = source
        self._events = events
        self._given_who = who
        self.record: Record = record or _Told(events)
        self.launcher = Launcher(cgroups=cgroups)
        self.sessions: dict[Session, None] = {}
        self._running = 0
        self._lock = threading.Lock()
        self._read()
        events.subscribe(Reloaded, self._reload)
        events.subscribe(Stopped, self._stop)

    def _read(self) -> None:
        tokens = self._source.tokens()
        self.policy = self._source.policy(tokens)
        self.run_as = users.find(self.policy.user)
        self.who: Who = self._given_who or tokens

    def _reload(self, event: Reloaded) -> None:
        """Read anew; of what cannot be read nothing is allowed."""
        del event
        try:
            self._read()
        except ConfigurationError as error:
            self.policy = Policy(source=self.policy.source)
            self._events.emit(Warned(f"nothing is allowed until this is put right: {error}"))
        for session in tuple(self.sessions):
            session.look_again()

    def _stop(self, event: Stopped) -> None:
        del event
        self.launcher.close()

    def may_start(self) -> bool:
        """Take one of the places for commands; False when all are taken."""
        with self._lock:
            if self._running >= self.policy.at_once:
                return False
            self._running += 1
            return True

    def has_ended(self) -> None:
        """Give it back."""
        with self._lock:
            self._running -= 1


class _Told:
    """The record of a server that runs alone: its events, which the log writes."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def note(self, event: Event, /) -> None:
        """Tell whoever subscribes."""
        self._events.emit(event)


def _again(source: Source, who: Who | None, record: Record | None, cgroups: bool) -> Commands:  # noqa: FBT001
    return Commands(source, who=who, record=record, cgroups=cgroups)


def service_of(source: Source) -> Service[Any]:
    """Make the service, of one that runs alone. Raises ConfigurationError."""
    handler = Commands(source)
    how: dict[str, Any] = {"silent": True, "rereads": True, "check": handler.check}
    return Service("commands", handler, wire.framing(), LIMITS, **how)
