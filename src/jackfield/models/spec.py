"""What a server tells its processes: plain data, made by one of ours for another of ours.

Everything goes from parent to helper and from parent to child; what a child sends back is
JSON and bytes, never pickled, since a child reads what peers send.
"""

from __future__ import annotations

import pickle
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.service import Service

# From the parent to the helper
FORK = b"F"
KILL = b"K"  # and a process id
RETIRE = b"E"  # no more forks: end with the last child
# From the helper to the parent
READY = b"R"
FAILED = b"!"  # and why
CHILD = b"C"  # and a process id, with the socket to it
EXITED = b"X"  # and a process id, and how it ended as waitpid(2) has it
# From the parent to a child
JOB = b"J"  # and a pickled Job, with the peer's socket
DRAIN = b"S"
HEAR = b"H"  # and a room's name, and the encoded message, as `with_parts()` has them
# From a child to the parent
JOIN = b"+"  # and when(), a room's name, and its policy, likewise
LEAVE = b"-"  # and when() and a room's name, likewise
PUBLISH = b"P"  # and when(), a room's name, and the message encoded for streams and for units
EVENT = b"E"  # and JSON: what happened
COUNTS = b"N"  # and JSON: the `Counts` so far, what goes on in place of the reason, and `unsent`
DONE = b"D"  # and JSON: the `Counts`; the parent closes its end when it has them


importing = False
"""Whether this process is a helper that runs a script anew, to find the handler in it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What the helper needs to serve any connection."""

    service: Service[Any]
    framing: Framing[Any]
    limits: Limits
    tls: tuple[Endpoint, ...]
    """The endpoints whose certificates are to be loaded before the first fork."""
    shows: bool
    """Whether somebody subscribes to messages."""
    watches: bool
    """Whether somebody subscribes to bytes."""


@dataclass(frozen=True, slots=True)
class Main:
    """Where the names of `__main__` live: a file and, under `python -m`, a module."""

    path: str
    module: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One connection for one child."""

    endpoint: Endpoint
    address: Any
    number: int
    largest: int
    """Bytes of the largest unit, where the socket is a relay for datagrams; else 0."""


class Counts(NamedTuple):
    """What a connection came to, in the order of `ConnectionEnded`."""

    reason: str
    bytes_received: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    messages_sent: int = 0


def pickled(what: object, service: str, where: str) -> bytes:
    """Give what another process needs to serve a service, as bytes.

    where: "under processes", say, for the error. Raises ConfigurationError when a part has no
    name to find it by there.
    """
    try:
        data = pickle.dumps(what)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        msg = (
            f"service {service}: its handler cannot be found by name from another process "
            f"({error}); {where} it must stand at the top level of a module"
        )
        raise ConfigurationError(msg) from error
    if b"__main__" in data and main() is None:
        msg = (
            f"service {service}: its handler was typed in, not imported; {where} it must stand "
            "in a file"
        )
        raise ConfigurationError(msg)
    return data


def main() -> Main | None:
    """Say what this process was started with; None where that was neither file nor module."""
    module = sys.modules.get("__main__")
    path: str | None = getattr(module, "__file__", None)
    if path is None:
        return None
    found = getattr(module, "__spec__", None)
    return Main(path, None if found is None else found.name)


def when() -> bytes:
    """Say when this is, by the clock that all processes of one machine share."""
    return time.monotonic_ns().to_bytes(8, "big")


def with_parts(kind: bytes, *parts: bytes) -> bytes:
    """Make a message of parts, each with its size before it."""
    return kind + b"".join(struct.pack("!I", len(part)) + part for part in parts)


def parts_of(message: bytes) -> list[bytes]:
    """Give the parts back. Raises ValueError or struct.error for what has none."""
    found = []
    at = 1
    while at < len(message):
        (size,) = struct.unpack_from("!I", message, at)
        found.append(message[at + 4 : at + 4 + size])
        at += 4 + size
    return found
