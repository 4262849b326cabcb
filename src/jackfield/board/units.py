"""One service of a board: started, stopped, started again; the others do not notice.

A service that cannot be started is `failed`, with the reason, and the board goes on without it.
One without endpoints of its own has no server: it is reached through the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from jackfield.board.config import ServiceConfig
from jackfield.board.counting import Counts
from jackfield.endpoints import DEFAULT_OPTIONS
from jackfield.errors import JackfieldError
from jackfield.events import Events
from jackfield.server import Server
from jackfield.service import Service

State = Literal["running", "stopped", "failed"]

Make = Callable[[ServiceConfig], Service[Any]]
"""Makes the service that a configuration names. Raises ConfigurationError."""

Follow = Callable[[Events, str], None]
"""Is given the events of a service that is about to start, and its name."""


class Unit:
    """A service with a name. `why` tells what has failed; `since` is in seconds since 1970.

    service: what runs, while it does. server: at its endpoints, if it has any.
    """

    def __init__(self, config: ServiceConfig, make: Make, follow: Follow) -> None:
        self.config = config
        self._make = make
        self._follow = follow
        self.service: Service[Any] | None = None
        self.server: Server[Any] | None = None
        self.counts: Counts | None = None
        self.state: State = "stopped"
        self.why = ""
        self.since = time.time()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.config.name

    async def start(self) -> None:
        """Start it, unless it runs. Raises JackfieldError, and it is `failed` then."""
        if self.service is not None:
            return
        config = self.config
        try:
            service = self._make(config)
            if not config.endpoints:
                if service.check is not None:
                    service.check((), config.model)
                self.service = service
                self._is("running")
                return
            events = Events()
            self._follow(events, config.name)
            server = Server(
                service,
                *config.endpoints,
                model=config.model,
                limits=config.limits_over(service.limits),
                events=events,
            )
            counts = Counts(server)
            await server.start()
        except JackfieldError as error:
            self._is("failed", str(error))
            raise
        self.service, self.server, self.counts = service, server, counts
        self._is("running")

    async def stop(self, drain: float | None = None) -> None:
        """Stop it, if it runs: handlers have `drain` seconds, or what its limits say."""
        server, self.server, self.service = self.server, None, None
        if server is not None:
            await server.stop(drain)
        self._is("stopped")

    async def reload(self) -> None:
        """Have it read anew what it serves from. Raises ConfigurationError; it goes on then."""
        if self.service is None:
            return
        service = self._make(self.config)
        if self.server is not None:
            await self.server.reload(service)
        self.service = service

    def cut(self) -> None:
        """End what still goes on while it stops."""
        if self.server is not None:
            self.server.cut()

    def _is(self, state: State, why: str = "") -> None:
        if state != self.state or why != self.why:
            self.since = time.time()
        self.state, self.why = state, why

    async def look(self) -> None:
        """See what has moved by now."""
        if self.server is not None and self.counts is not None:
            await self.counts.look()

    def status(self) -> dict[str, Any]:
        """Give how it is, as `jackfield status --json` shows it."""
        server, counts = self.server, self.counts
        if server is not None:
            endpoints = [replace(one, options=DEFAULT_OPTIONS) for one in server.endpoints]
        else:
            endpoints = [replace(one, options=DEFAULT_OPTIONS) for one in self.config.endpoints]
        found: dict[str, Any] = {
            "name": self.name,
            "service": self.config.service,
            "state": self.state,
            "why": self.why,
            "since": self.since,
            "model": self.config.model,
            "endpoints": [str(one) for one in endpoints],
            "connections": 0 if server is None else server.connections,
            "opened": 0 if counts is None else counts.opened,
            "refused": {} if counts is None else dict(counts.refused),
        }
        rates = None if counts is None or server is None else counts.rates
        found["messages_per_second"] = 0.0 if rates is None else round(rates.messages, 2)
        found["bytes_per_second"] = 0.0 if rates is None else round(rates.bytes, 2)
        return found
