"""Things that happen, as typed events. Logs, screens and counters all subscribe to these.

An event is emitted once, in the thread of the server's I/O loop or, for what a handler
thread did, in that thread; a subscriber is called right there, so it must be quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a server."""


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """The server accepts peers at `endpoint`, port filled in."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class ConnectionOpened(Event):
    """A peer came. `number` is its own among all connections of the server."""

    number: int
    endpoint: Endpoint
    peer: str


@dataclass(frozen=True, slots=True)
class ConnectionEnded(Event):
    """A peer's connection is over. `reason` is a few words, or empty when all went well."""

    number: int
    endpoint: Endpoint
    peer: str
    reason: str
    bytes_received: int
    bytes_sent: int
    messages_received: int
    messages_sent: int


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A handler was given a message. Emitted only while somebody subscribes."""

    number: int
    peer: str
    message: Any


@dataclass(frozen=True, slots=True)
class MessageSent(Event):
    """A handler sent a message. Emitted only while somebody subscribes."""

    number: int
    peer: str
    message: Any


@dataclass(frozen=True, slots=True)
class BytesReceived(Event):
    """Bytes came from a peer, TLS taken off. Emitted only while somebody subscribes."""

    number: int
    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BytesSent(Event):
    """Bytes went to a peer, before TLS. Emitted only while somebody subscribes."""

    number: int
    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A peer was turned away, and was told `reason` where the framing can carry it.

    limit: the field of `Limits` that it has passed; empty when it was something else.
    """

    endpoint: Endpoint
    peer: str
    reason: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """An HTTP request was answered. `size` counts bytes of the answer's body, `seconds` the time.

    status: 0 where the peer was gone before there was an answer.
    """

    number: int
    peer: str
    method: str
    target: str
    version: str
    status: int
    size: int
    seconds: float
    user: str
    referer: str
    agent: str


@dataclass(frozen=True, slots=True)
class CommandStarted(Event):
    """A peer has a command run on this machine. who: as the policy calls it."""

    number: int
    peer: str
    who: str
    command: str


@dataclass(frozen=True, slots=True)
class CommandEnded(Event):
    """A command is over, and none of its processes is left.

    status, signal: how it ended, one of them, or neither where nobody knows.
    why: "exit" where it ended by itself, else what ended it. killed: processes that had to be.
    received, sent: bytes of its standard input, and of its output.
    """

    number: int
    peer: str
    who: str
    command: str
    status: int | None
    signal: str | None
    why: str
    killed: int
    seconds: float
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class CommandRefused(Event):
    """A peer wanted a command run that it may not, or that could not be started."""

    number: int
    peer: str
    who: str
    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class HandlerFailed(Event):
    """A handler raised. The traceback is for the operator; nothing of it reached the peer."""

    number: int
    peer: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class ChildLost(Event):
    """A process died with a connection in it. It is replaced; that connection is over."""

    peer: str
    process: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerLost(Event):
    """A worker died, and its connections with it. Another takes its place."""

    worker: int
    process: int
    reason: str


@dataclass(frozen=True, slots=True)
class DatagramsDropped(Event):
    """Datagrams were lost on this side: `reason` says where."""

    endpoint: Endpoint
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptPaused(Event):
    """No connection can be accepted for now. It goes on by itself; told once, not each time."""

    endpoint: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptResumed(Event):
    """Connections are accepted again."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Suspended(Event):
    """Nobody is accepted until `resume()`; who is there stays."""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """Peers are accepted again, after `suspend()`."""


@dataclass(frozen=True, slots=True)
class Reloaded(Event):
    """Certificates and configuration were read anew. They hold for new connections."""


@dataclass(frozen=True, slots=True)
class StoreChanged(Event):
    """What a board keeps things in is otherwise than before, which is told once.

    state: `ok`; `full`, `read-only` or `failing`, which end by themselves; or `damaged`, which a
    backup ends. why: what it is and what to do; empty when all is well.
    """

    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something the operator should know, in one line or a few."""

    text: str


@dataclass(frozen=True, slots=True)
class Draining(Event):
    """The server accepts nobody any more; `connections` have until the deadline to finish."""

    connections: int
    deadline: float


@dataclass(frozen=True, slots=True)
class Cut(Event):
    """The deadline passed and these peers were still there; they were cut."""

    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The server is over."""


BY_NAME = frozenset({MessageReceived, MessageSent, BytesReceived, BytesSent})
"""The kinds that must be asked for by name: to tell of each message or byte has its cost."""

E = TypeVar("E", bound=Event)


class Events:
    """One server's events: who wants which."""

    def __init__(self) -> None:
        self._subscribers: dict[type[Event], list[Callable[[Any], None]]] = {}
        self._all: list[Callable[[Event], None]] = []

    def subscribe(self, kind: type[E], call: Callable[[E], None]) -> None:
        """Have `call(event)` called for each event of exactly this kind.

        `Event` means all of them but those of `BY_NAME`: messages and bytes.
        """
        if kind is Event:
            self._all.append(call)  # type: ignore[arg-type]  # E is Event here
        else:
            self._subscribers.setdefault(kind, []).append(call)

    def wants(self, *kinds: type[Event]) -> bool:
        """Whether somebody subscribes to one of these kinds by name."""
        return any(kind in self._subscribers for kind in kinds)

    def listens(self, kind: type[Event]) -> bool:
        """Whether somebody is told of this kind, by name or with all others."""
        return bool(self._all) or kind in self._subscribers

    def emit(self, event: Event) -> None:
        """Tell the subscribers."""
        for call in self._subscribers.get(type(event), ()):
            call(event)
        if self._all and type(event) not in BY_NAME:
            for call in self._all:
                call(event)
