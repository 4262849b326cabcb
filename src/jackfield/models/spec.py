"""What a server tells its processes: plain data, made by one of ours for another of ours.

Everything goes from parent to helper and from parent to child; what a child sends back is
JSON and bytes, never pickled, since a child reads what peers send.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.service import Service

# From the parent to the helper
FORK = b"F"
KILL = b"K"  # and a process id
# From the helper to the parent
READY = b"R"
FAILED = b"!"  # and why
CHILD = b"C"  # and a process id, with the socket to it
EXITED = b"X"  # and a process id, and how it ended as waitpid(2) has it
# From the parent to a child
JOB = b"J"  # and a pickled Job, with the peer's socket
DRAIN = b"S"
HEAR = b"H"  # and a room's name, a NUL, and the encoded message
# From a child to the parent
JOIN = b"+"  # and the room's policy, a blank, its name
LEAVE = b"-"  # and a room's name
PUBLISH = b"P"  # and a room's name, a NUL, the size of the first in four bytes, two encodings
EVENT = b"E"  # and JSON: what happened
DONE = b"D"  # and JSON: the counts


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


@dataclass(frozen=True, slots=True)
class Job:
    """One connection for one child."""

    endpoint: Endpoint
    address: Any
    number: int
    largest: int
    """Bytes of the largest unit, where the socket is a relay for datagrams; else 0."""


def pickled(spec: Spec) -> bytes:
    """Give the spec as bytes. Raises ConfigurationError when a part has no name to find it by."""
    try:
        data = pickle.dumps(spec)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        msg = (
            f"service {spec.service.name}: its handler cannot be found by name from another "
            f"process ({error}); under processes it must stand at the top level of a module"
        )
        raise ConfigurationError(msg) from error
    if b"__main__" in data and main_path() is None:
        msg = (
            f"service {spec.service.name}: its handler was typed in, not imported; under "
            "processes it must stand in a file"
        )
        raise ConfigurationError(msg)
    return data


def main_path() -> str | None:
    """Give the file this process was started with, which is where __main__ names live."""
    path: str | None = getattr(sys.modules.get("__main__"), "__file__", None)
    return path
