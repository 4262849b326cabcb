"""The ranges of ports (RFC 6335, section 6), and who may bind them on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jackfield.net.oserrors import unprivileged_port
from jackfield.tools.ports.names import LAST

_LOCAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

DYNAMIC = (49152, LAST)
"""What RFC 6335 leaves to whoever needs a port for a while."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ports with one purpose."""

    name: str
    first: int
    last: int
    words: str


RANGES = (
    Range("system", 0, 1023, "given by IANA to protocols that everybody uses"),
    Range("user", 1024, 49151, "given by IANA to whoever asks for one"),
    Range("dynamic", *DYNAMIC, "never given to anybody: for a while, and for oneself"),
)


@dataclass(frozen=True, slots=True)
class Rights:
    """What this machine does with its ports."""

    unprivileged: int
    """The first port that everybody may bind; below it root, and who has CAP_NET_BIND_SERVICE."""
    local_first: int
    local_last: int
    """From here the system takes one where a program asks for none, as clients do."""


def rights() -> Rights:
    """Read what this machine does with its ports; where it does not tell, what is usual."""
    return Rights(unprivileged_port(), *read_local(_text()))


def _text() -> str:
    try:
        return _LOCAL.read_text("ascii")
    except (OSError, ValueError):
        return ""


def read_local(text: str) -> tuple[int, int]:
    """Read the range of ports that the system takes by itself; what is none gives RFC 6335's."""
    try:
        first, last = map(int, text.split())
    except ValueError:
        return DYNAMIC
    return (first, last) if 0 < first <= last <= LAST else DYNAMIC


def range_of(port: int) -> Range:
    """Give the range in which a port is."""
    return next(one for one in RANGES if port <= one.last)
