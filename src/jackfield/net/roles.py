"""What a connection is given, and the parts others play towards it, as small protocols."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jackfield.errors import JackfieldError
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.net.ioloop import IOLoop

if TYPE_CHECKING:  # a client has none, and their many classes take a while to load
    from jackfield.events import Events


@dataclass(frozen=True, slots=True)
class Plan:
    """What all connections of one listener, or one client, have in common.

    context: how to speak TLS; None for plain text.
    amplifies: whether a datagram may be answered by more than it brought, wherever it came from.
    server_hostname: whose certificate to expect; None on a server's side.
    watched: whom to tell of all bytes; None where nobody wants to know.
    upgrade: what begins WebSocket, once TCP and TLS are there; None where there is none.
    """

    io: IOLoop
    framing: Framing[Any]
    limits: Limits
    context: ssl.SSLContext | None = None
    server_hostname: str | None = None
    amplifies: bool = True
    watched: Events | None = None
    upgrade: Upgrade | None = None


class Upgrade(Protocol):
    """What begins another protocol by HTTP, before there are messages."""

    @property
    def http(self) -> Framing[Any]:
        """What is spoken until then."""

    def begin(self, conn: Any, ready: Callable[[JackfieldError | None], None], /) -> None:
        """Begin; `ready(error)` is called once, when messages can be exchanged or cannot."""


class Waiter(Protocol):
    """Who waits for input: a task of the loop, or another thread at a gate."""

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, result: None, /) -> object:
        """Wake the one who waits."""

    def go_on(self) -> None:
        """The same, from a callback of the loop: a task goes on within this call."""


class Receiver(Protocol):
    """Takes messages straight from the read, instead of a handler that asks for them."""

    def take(self, messages: list[Any]) -> None:
        """Use these messages, in order, now."""

    def over(self) -> None:
        """Nothing more comes."""


class Keeper(Protocol):
    """Who keeps a list of connections: a server."""

    def forget(self, conn: Any, /) -> None:
        """The connection is over."""
