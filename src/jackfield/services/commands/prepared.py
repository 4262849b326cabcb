"""What the server, its helper and the supervisors say to each other: plain data of our own.

Between server and helper, a private socket::

    server: PREPARE                          one supervisor more is to be got ready
    helper: READY                            it has loaded
            PREPARED, with a socket          a supervisor's; or PREPARED alone, when there is none

Between server and supervisor, that socket::

    supervisor: PIPES, with three files      to write standard input, to read the two outputs
    server:     RUN and JSON of an `Order`
    supervisor: STARTED, or FAILED and JSON of a `Failure`, and that is its end
    server:     SIGNAL and a number; END and why
    supervisor: OVER and JSON of an `Over`

After OVER it begins again with PIPES; SIGNAL and END that come before the next RUN are of the call
that is over, and passed by. When the server closes its end, or is gone, the supervisor ends the
call and itself.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

PREPARE = b"+"
READY = b"R"
PREPARED = b"S"
PIPES = b"P"
RUN = b"G"
STARTED = b"s"
FAILED = b"!"
SIGNAL = b"K"
END = b"E"
OVER = b"O"


class Order(NamedTuple):
    """What a supervisor is to run.

    folder: a path that the policy names; below: names of folders in it, opened one by one and
    without following links. user: number of the user and group, and of its other groups; None for
    our own. at_most: descriptors and such are bounded by the system's own limits beside these.
    """

    program: str
    args: tuple[str, ...]
    env: dict[str, str]
    folder: str
    below: tuple[str, ...]
    user: tuple[int, int, tuple[int, ...]] | None
    time: float
    memory: int
    processes: int
    grace: float


class Failure(NamedTuple):
    """Why a program could not be started: the system's error, by number, and what it is about."""

    number: int
    what: str


class Over(NamedTuple):
    """How a call has ended. As `wire.Exit`."""

    status: int | None
    signal: str | None
    why: str
    killed: int
    seconds: float


def packed(kind: bytes, what: Order | Failure | Over) -> bytes:
    """Write it behind its kind."""
    return kind + json.dumps(what._asdict()).encode()


def order_of(message: bytes) -> Order:
    """Read an order."""
    found: dict[str, Any] = json.loads(message[1:])
    user = found.pop("user")
    args, below = tuple(found.pop("args")), tuple(found.pop("below"))
    who = None if user is None else (user[0], user[1], tuple(user[2]))
    return Order(args=args, below=below, user=who, **found)


def failure_of(message: bytes) -> Failure:
    """Read a failure."""
    return Failure(**json.loads(message[1:]))


def over_of(message: bytes) -> Over:
    """Read an end."""
    return Over(**json.loads(message[1:]))
