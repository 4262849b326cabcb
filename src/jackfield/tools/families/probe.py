"""Which address families and types of sockets this system really has: each is opened, and closed.

Nothing is sent. Where a family is a module of Linux that is not loaded, opening a socket of it may
load it, which is how every program comes by it.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from jackfield.net.oserrors import code
from jackfield.tools.families.known import FAMILIES, NUMBERS, Family, Kind


class State(Enum):
    """Whether there is such a socket."""

    HERE = "here"
    FORBIDDEN = "forbidden"
    LACKING = "lacking"


@dataclass(frozen=True, slots=True)
class FoundKind:
    """What came of opening a socket."""

    type: str
    protocol: int
    words: str
    state: State
    error: str
    """The system's name for why not, such as EPERM; "" where it was opened."""
    why: str
    """The same in words."""


@dataclass(frozen=True, slots=True)
class FoundFamily:
    """An address family, and what of it is here."""

    name: str
    number: int
    words: str
    manual: str
    state: State
    kinds: tuple[FoundKind, ...]


_FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})

_WHY = {
    errno.EAFNOSUPPORT: "this family is not in the kernel",
    errno.EPROTONOSUPPORT: "this protocol is not in the kernel",
    errno.ESOCKTNOSUPPORT: "this family has no such type here",
    errno.EINVAL: "this family is not in the kernel",
    errno.ENODEV: "it has no device here",
    errno.ENOPROTOOPT: "this protocol is not in the kernel",
    errno.EMFILE: "this process has too many open files; it cannot be told",
    errno.ENFILE: "this system has too many open files; it cannot be told",
}


def probe(families: Iterable[Family] = FAMILIES) -> list[FoundFamily]:
    """Open a socket of each kind of each family that has a number on this platform."""
    found = []
    for family in families:
        number = number_of(family)
        if number is not None:
            kinds = tuple(_opened(number, kind) for kind in family.kinds)
            state = min((kind.state for kind in kinds), key=list(State).index)
            found.append(
                FoundFamily(family.name, number, family.words, family.manual, state, kinds)
            )
    return found


def number_of(family: Family) -> int | None:
    """Give the number of a family here; None where the platform does not know it."""
    number = getattr(socket, f"AF_{family.name}", None)
    if number is not None:
        return int(number)
    return family.number if family.number and sys.platform == "linux" else None


def _opened(family: int, kind: Kind) -> FoundKind:
    kind_number = getattr(socket, f"SOCK_{kind.type}", NUMBERS[kind.type])
    try:
        socket.socket(family, kind_number, kind.protocol).close()
    except OSError as error:
        if error.errno in _FORBIDDEN:
            needs = f"; it takes {kind.needs}" if kind.needs else ""
            state, why = State.FORBIDDEN, f"not permitted{needs}"
        else:
            why = _WHY.get(error.errno or 0, error.strerror or "it fails")
            state = State.LACKING
        return FoundKind(kind.type, kind.protocol, kind.words, state, code(error), why)
    return FoundKind(kind.type, kind.protocol, kind.words, State.HERE, "", "")
