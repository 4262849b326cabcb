"""A service without a port: served in memory, for a test to be its client."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from jackfield.client import Connector, connect, in_background
from jackfield.events import BY_NAME, Event, Events
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.server import Server
from jackfield.service import Service

M = TypeVar("M")
E = TypeVar("E", bound=Event)

_numbers = itertools.count(1)


class Served(Generic[M]):
    """Serves a service in memory, within `async with` or `with`.

    model, limits, framing: as those of `Server`; not model `processes`, which memory does not
    reach.
    told: the events so far, those of messages among them.
    """

    def __init__(
        self,
        service: Service[M],
        *,
        model: ModelName = "asyncio",
        limits: Limits | None = None,
        framing: Framing[M] | None = None,
    ) -> None:
        self.told: list[Event] = []
        self._framing = framing or service.framing
        self._where = f"memory://testing-{next(_numbers)}"
        events = Events()
        for kind in (Event, *BY_NAME):
            events.subscribe(kind, self.told.append)
        self.server: Server[M] = Server(
            service, self._where, model=model, limits=limits, framing=framing, events=events
        )

    def connect(self, framing: Framing[Any] | None = None) -> Connector[Any]:
        """Connect to it: what this gives is used as what `jackfield.connect()` gives.

        framing: in place of the service's own.
        """
        return connect(self._where, framing or self._framing)

    def of(self, kind: type[E]) -> list[E]:
        """Give the events of one kind so far."""
        return [event for event in self.told if isinstance(event, kind)]

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    def __enter__(self) -> Self:
        in_background(self.server.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        in_background(self.server.stop())
