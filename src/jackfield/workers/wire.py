"""What a supervisor and its workers say to each other: plain data over a private socket.

A worker reads what peers send, so what it says is JSON and bytes, never pickled, and is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from jackfield.endpoints import Endpoint, parse
from jackfield.events import (
    AcceptPaused,
    AcceptResumed,
    BytesReceived,
    BytesSent,
    CommandEnded,
    CommandRefused,
    CommandStarted,
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    DatagramsDropped,
    Event,
    HandlerFailed,
    MessageReceived,
    MessageSent,
    Refused,
    RequestAnswered,
    Warned,
)
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.models.running import ConnectionStatus
from jackfield.service import Service

# From the supervisor to a worker
SOCKET = b"S"  # with a socket that listens, in the order of `Spec.endpoints`
GO = b"G"  # begin to accept
RETIRE = b"Q"  # let go of the endpoints; serve who is there, and leave with the last
RELOADED = b"L"  # for those who are there still when others serve already what was read anew
STOP = b"T"  # and JSON: seconds until the deadline
CUT = b"C"
ASK = b"?"  # for the status of its connections, and the number of this question
HEAR = b"H"  # and a room's name, and a message as one unit, in parts
# From a worker to the supervisor
READY = b"R"
FAILED = b"!"  # and why
RETIRED = b"q"
REREAD = b"l"  # and heard so
ALIVE = b"A"
EVENT = b"E"  # and JSON
STATUS = b"s"  # and JSON: some connections
ALL_TOLD = b"."  # and the number of the question: that was the last of them
PUBLISH = b"P"  # as HEAR

MOST_TEXT = 16 * 1024
"""Characters, or bytes, of what peers have chosen that is told at once: as JSON it must fit into
one unit even where each of them takes six."""

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        AcceptPaused,
        AcceptResumed,
        BytesReceived,
        BytesSent,
        CommandEnded,
        CommandRefused,
        CommandStarted,
        ConnectionEnded,
        ConnectionOpened,
        Cut,
        DatagramsDropped,
        HandlerFailed,
        MessageReceived,
        MessageSent,
        Refused,
        RequestAnswered,
        Warned,
    )
}
"""What a worker tells of; the rest is for the supervisor to say."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a worker is given to serve."""

    service: Service[Any]
    framing: Framing[Any] | None
    limits: Limits
    model: str
    endpoints: tuple[Endpoint, ...]
    shows: bool
    """Whether somebody subscribes to messages."""
    watches: bool
    """Whether somebody subscribes to bytes."""


def packed(event: Event) -> Iterator[bytes]:
    """Give an event as what is sent of it: nothing, one message, or several for many bytes."""
    kind = type(event).__name__
    if kind not in _KINDS:
        return
    found: dict[str, Any] = {"kind": kind}
    for field in fields(event):
        found[field.name] = _plain(getattr(event, field.name))
    if isinstance(event, (BytesReceived, BytesSent)):
        for at in range(0, max(1, len(event.data)), MOST_TEXT):
            found["data"] = _plain(event.data[at : at + MOST_TEXT])
            yield EVENT + _json(found)
        return
    if isinstance(event, HandlerFailed):
        found["traceback"] = event.traceback[-MOST_TEXT:]
    yield EVENT + _json(found)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"bytes": value[:MOST_TEXT].decode("latin-1")}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, tuple):
        return [str(one)[:200] for one in value[:100]]
    return (value if isinstance(value, str | Endpoint) else repr(value)).__str__()[:MOST_TEXT]


def _json(found: object) -> bytes:
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "backslashreplace")


def unpacked(data: bytes) -> Event:
    """Give the event back. Raises ValueError, KeyError or TypeError for what is none."""
    found = loaded(data)
    if not isinstance(found, dict):
        raise TypeError(f"an event is an object, not {type(found).__name__}")
    kind = _KINDS[found.pop("kind")]
    for name, value in found.items():
        if name == "endpoint":
            found[name] = _endpoint(_checked("str", value))
        elif isinstance(value, dict):
            found[name] = _checked("str", value["bytes"]).encode("latin-1")
        elif isinstance(value, list):
            found[name] = tuple(map(str, value))
    event = kind(**found)
    for field in fields(event):
        _checked(field.type, getattr(event, field.name))
    return event


def statuses(data: bytes) -> list[ConnectionStatus]:
    """Give what a worker says of its connections. Raises ValueError or TypeError."""
    found = []
    for one in loaded(data):
        status = ConnectionStatus(*one)
        for kind, value in zip(ConnectionStatus.__annotations__.values(), status, strict=True):
            _checked(getattr(kind, "__forward_arg__", kind), value)
        found.append(status)
    return found


def loaded(data: bytes) -> Any:
    """Load JSON. Raises ValueError."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


_TYPES: dict[Any, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "int | None": (int, type(None)),
    "str": str,
    "str | None": (str, type(None)),
    "bytes": bytes,
    "Endpoint": Endpoint,
    "tuple[str, ...]": tuple,
    "Any": object,
}
"""What stands in a field, by how its type is written."""


def _checked(kind: Any, value: Any) -> Any:
    if not isinstance(value, _TYPES[kind]):
        raise TypeError(f"{type(value).__name__}, where {kind} should be")
    return value


_endpoint = lru_cache(parse)
