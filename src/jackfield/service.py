"""A service: a named handler with its framing and default limits. And the ready ones' names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.limits import DEFAULT, Limits
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection

M = TypeVar("M")

AsyncHandler = Callable[[Connection[M]], Awaitable[None]]
BlockingHandler = Callable[[BlockingConnection[M]], None]
Handler = AsyncHandler[M] | BlockingHandler[M]

Check = Callable[[tuple[Endpoint, ...], str], None]

ENTRY_POINTS = "jackfield.services"
"""The entry-point group by which other packages add services."""

READY = ("chat", "commands", "echo", "files", "greet", "menu", "room", "time", "upper", "web")
"""The services that come with Jackfield: modules of `jackfield.services` with a `make()`."""


def _raw() -> Framing[Any]:
    return Raw()


@dataclass(frozen=True)
class Service(Generic[M]):
    """What a server serves.

    name: how messages and lists call it.
    handler: called with each connection. An `async def` gets a `Connection`; a plain `def`
    gets a `BlockingConnection` and a thread of its own. When it returns, what it has sent is
    delivered and the connection closed.
    framing: how its bytes are cut into messages.
    limits: its defaults; a server may be given others.
    joins_rooms: whether connections hear each other, so that there must be room for several.
    silent: whether peers may listen in silence, as in a room: keep-alive then stands in for the
    deadlines of the first message and of idleness.
    amplifies: whether over UDP it may say more than it was told, to an address that may be a false
    one. Without, what is more is dropped and counted, but on loopback: else a server can be had
    to flood others. Services of datagrams that let their peers prove their address say so.
    single: whether what its connections share is the handler's own, in one event loop. Then it is
    served under asyncio and without workers, and by the same handler after a reload.
    rereads: whether its handler hears `Reloaded`, and reads anew then what it goes by. The same one
    serves after a reload, and who is connected to it is not left to what held before.
    check: called before anybody is let in, with the endpoints and the model's name. Raises
    ConfigurationError where it must not be served so.
    """

    name: str
    handler: Handler[M]
    framing: Framing[M] = field(default_factory=_raw)
    limits: Limits = DEFAULT
    joins_rooms: bool = False
    silent: bool = False
    amplifies: bool = False
    single: bool = False
    rereads: bool = False
    check: Check | None = None

    @staticmethod
    def reply(
        name: str,
        fn: Callable[[M], M | None],
        framing: Framing[M] | None = None,
        limits: Limits = DEFAULT,
    ) -> Service[M]:
        """Make a service of a function from message to reply, or to None for no reply.

        It is called for each message, under `asyncio` straight from the read with no task
        switch, so it should be quick there.
        """
        handler = Replier(fn)
        if framing is None:
            return Service(name, handler, limits=limits)
        return Service(name, handler, framing, limits)

    @cached_property
    def is_reply(self) -> bool:
        """Whether it was made by `reply()`."""
        return isinstance(self.handler, Replier)

    @cached_property
    def is_async(self) -> bool:
        """Whether the handler is an `async def`, a partial of one, or an object called so."""
        handler: Any = self.handler
        while isinstance(handler, partial):
            handler = handler.func
        return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004  the method, to see its kind
        )


@dataclass(frozen=True)
class Replier(Generic[M]):
    """The handler of `Service.reply()`: messages in, replies out."""

    fn: Callable[[M], M | None]

    def __call__(self, conn: BlockingConnection[M]) -> None:
        """Answer message by message."""
        for message in conn:
            reply = self.fn(message)
            if reply is not None:
                conn.send(reply)


def find(name: str, **options: Any) -> Service[Any]:
    """Give a service by name: a ready one, one by entry point, or `package.module:service`.

    options: what the service's `make()` takes. Raises ConfigurationError for a name that
    does not exist, with those that do, and for options the service does not have.
    """
    if ":" in name:
        found = _by_path(name)
    elif name in READY:
        found = importlib.import_module(f"jackfield.services.{name}").make
    else:
        found = _by_entry_point(name)
    if isinstance(found, Service):
        if options:
            msg = f"{name} has no option {', '.join(sorted(options))}: it is a service as it is"
            raise ConfigurationError(msg)
        return found
    if not callable(found):
        msg = f"{name} is {found!r}, which is no Service"
        raise ConfigurationError(msg)
    return _made(name, found, options)


def _made(name: str, make: Callable[..., Any], options: dict[str, Any]) -> Service[Any]:
    known = inspect.signature(make).parameters
    for option in options:
        if option not in known:
            takes = ", ".join(f"--{key.replace('_', '-')}" for key in known) or "none"
            msg = f"{name} has no option --{option.replace('_', '-')}; it takes {takes}"
            raise ConfigurationError(msg)
    service = make(**options)
    if not isinstance(service, Service):
        msg = f"{name} made {service!r}, which is no Service"
        raise ConfigurationError(msg)
    return service


def _by_path(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        msg = f"{name}: {module_name!r} is no module; write package.module:service"
        raise ConfigurationError(msg)
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        msg = f"{name}: cannot import {module_name}: {error}"
        raise ConfigurationError(msg) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            msg = f"{name}: {module_name} has no {attribute}"
            raise ConfigurationError(msg)
        found = getattr(found, part)
    return found


def _by_entry_point(name: str) -> Any:
    # both are slow to load, and most services are found without them
    import difflib  # noqa: PLC0415
    from importlib import metadata  # noqa: PLC0415

    points = metadata.entry_points(group=ENTRY_POINTS)
    for point in points:
        if point.name == name:
            return point.load()
    names = sorted({*READY, *(point.name for point in points)})
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    msg = (
        f"there is no service called {name!r}; {hint}there are {', '.join(names)}, "
        "and your own as package.module:service"
    )
    raise ConfigurationError(msg)
