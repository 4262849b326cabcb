"""What happens on the way to a response, step by step: for `-v` and for `fetch(on_step=...)`."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.endpoints import Endpoint
from jackfield.framing.http import Request, Response
from jackfield.net.details import ChainLink, TLSDetails
from jackfield.net.dialing import Attempt


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A host's addresses are known, in the order in which they are tried."""

    host: str
    addresses: list[Endpoint]
    seconds: float


@dataclass(frozen=True, slots=True)
class Tried:
    """An address was tried."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection is there, and TLS agreed on."""

    peer: Endpoint
    local: Endpoint
    tls: TLSDetails | None
    chain: list[ChainLink]
    """The certificates that the server's was verified by, its own first."""
    seconds: float
    """All of it: looking up, connecting, shaking hands."""


@dataclass(frozen=True, slots=True)
class Reused:
    """A connection that was kept alive is used again."""

    peer: Endpoint


@dataclass(frozen=True, slots=True)
class Asked:
    """A request was sent."""

    request: Request
    body: int
    """Bytes of its body."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The head of a response has come; one of 1xx is followed by another."""

    response: Response
    seconds: float
    """Since the request was sent."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """A redirect is followed."""

    status: int
    url: str


@dataclass(frozen=True, slots=True)
class Pausing:
    """It is tried again after a pause."""

    why: str
    seconds: float
    offset: int
    """Bytes of the body that are there already, from where it goes on; 0 for a new beginning."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The body is whole."""

    size: int
    """Bytes as they came, before any decoding."""
    seconds: float
    """Since the first request was sent."""


Step = LookedUp | Tried | Connected | Reused | Asked | Answered | Redirected | Pausing | Ended
