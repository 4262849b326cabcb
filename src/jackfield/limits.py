"""Every limit and timeout: its unit, its default, and why.

Sizes are in bytes, times in seconds. The bound on one message belongs to its framing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from jackfield.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server allows its peers. Every field can be set; none can be switched off.

    Raises ConfigurationError for a number that is not above zero.
    """

    connections: int = 10_000
    """Connections in total. Past it a new one is told so and closed."""

    connections_per_source: int = 256
    """Connections from one IPv4 address or IPv6 /64: a class of forty behind one router, several
    each."""

    allow: tuple[str, ...] = ()
    """Networks that alone may connect, such as "192.0.2.0/24"; empty: all. Others are told so."""

    deny: tuple[str, ...] = ()
    """Networks that may not connect, whatever `allow` says."""

    threads: int = 256
    """Handler threads. Past it connections wait in the listen queue; 18 KB and a stack each."""

    processes: int = 64
    """Handler processes. Past it connections wait in the listen queue; about 3 MB each."""

    handshake: float = 10.0
    """Seconds for the TLS handshake, and as many for WebSocket's."""

    first_message: float = 60.0
    """Seconds for the first message: people type it, programs are far below that."""

    idle: float = 600.0
    """Seconds without a byte either way while a message is waited for: people think."""

    ping: float = 20.0
    """Seconds of silence after which a WebSocket peer is pinged, and as many more for its answer:
    those on the way may forget a silent connection after about a minute."""

    message_time: float = 30.0
    """Seconds in which a message that has begun is whole; `message_rate` gives long ones more."""

    message_rate: int = 1024
    """Bytes a second, at which a long message may take as long as it likes: a slow modem's."""

    write_time: float = 30.0
    """Seconds that a peer may take nothing of what waits for it."""

    outbox: int = 256 * 1024
    """Bytes that may wait for a slow peer to whom rooms and `post()` send."""

    write_high: int = 64 * 1024
    """Bytes written and not yet taken by the system, past which `send()` waits."""

    sessions: int = 4096
    """Datagram peers at a time. Past it a datagram from a new one is dropped and counted."""

    datagrams_per_source: int = 10_000
    """Datagrams a second from one source; past it they are dropped and counted. Far above what
    people and most programs send."""

    session_idle: float = 60.0
    """Seconds without a datagram after which a peer's session ends."""

    session_inbox: int = 256
    """Datagrams that may wait for a session's handler. Past it new ones are dropped and counted."""

    linger_bytes: int = 1024 * 1024
    """Input read and dropped after the last word, so that a reset does not destroy it."""

    linger_time: float = 2.0
    """Seconds for which the same is done."""

    heartbeat: float = 10.0
    """Seconds without a sign of life after which a worker is taken for stuck, and replaced."""

    drain: float = 5.0
    """Seconds that handlers are given to finish when a server stops."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) or value > 0:
                continue
            msg = f"the limit {field.name} is {value!r}; it can be large, but not off"
            raise ConfigurationError(msg)


DEFAULT = Limits()

FEW = Limits(datagrams_per_source=100)
"""For services that say more than they are told, so that over UDP little can be made of them
against others; far more than a person asks for."""

NAMES = frozenset(field.name for field in fields(Limits))
"""What limits are called, in events and counters too."""


class Passed(NamedTuple):
    """A limit that a peer has passed, by the name of its field, and what to say of it."""

    limit: str
    reason: str
