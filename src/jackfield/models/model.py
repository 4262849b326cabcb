"""What a model is to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.models.running import ConnectionStatus, Done, Serving
from jackfield.net.connection import Connection
from jackfield.net.handing import Socket


class Model:
    """Where handlers run.

    capacity: handlers at a time; None when it has no bound of its own.
    on_room: called in the loop when there is room for another handler of which nobody knows.
    takes_sockets: whether it wants accepted sockets rather than connections.
    one_at_a_time: whether datagrams are answered one after another.
    """

    name = ""
    takes_sockets = False
    one_at_a_time = False

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.on_room: Callable[[], None] = _nothing

    def has_room(self, running: int) -> bool:
        """Whether another handler could begin now beside so many that run."""
        return self.capacity is None or running < self.capacity

    @property
    def capacity(self) -> int | None:
        """Handlers at a time."""
        raise NotImplementedError

    def check(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Raise ConfigurationError for an endpoint that makes no sense under this model.

        So does one at which the service will not be served.
        """
        service = self.serving.service
        if service.single and self.name != "asyncio":
            raise ConfigurationError(
                f"{service.name} has all its connections in one event loop: serve it by model"
                f" asyncio, not {self.name}"
            )
        if service.check is not None:
            service.check(endpoints, self.name)
        for endpoint in endpoints:
            if endpoint.keeps_boundaries and self.serving.framing.only_streams:
                raise ConfigurationError(
                    f"{self.serving.service.name} needs a stream, and {endpoint.transport}:// "
                    "keeps messages; serve it at tcp://, tls:// or unix://"
                )

    async def start(self) -> None:
        """Get ready. Raises ConfigurationError for a service that cannot run so."""

    def attend(self, conn: Connection[Any], done: Done) -> None:
        """Run the handler on a connection; `done()` is called when it has finished."""
        raise NotImplementedError

    def attend_socket(
        self, sock: Socket, endpoint: Endpoint, number: int, address: Any, done: Done
    ) -> None:
        """The same for an accepted socket, when `takes_sockets`."""
        raise NotImplementedError

    async def reload(self) -> None:
        """What `serving` says of the service has changed, for handlers that begin from now on.

        Raises ConfigurationError when that cannot be, and all is as before.
        """

    @property
    def busy(self) -> int:
        """Connections that only the model knows of, not the server."""
        return 0

    def status(self) -> list[ConnectionStatus]:
        """The connections that only the model knows of."""
        return []

    def peers(self) -> list[str]:
        """Whose handlers run, as far as the server does not know of their connections."""
        raise NotImplementedError

    def drain(self) -> None:
        """The server stops: let handlers finish."""

    def cut(self) -> None:
        """The deadline has passed: end what can be ended."""

    async def stop(self) -> None:
        """All handlers are done or cut: free what `start()` took."""


def _nothing() -> None:
    """There is nothing to do."""
