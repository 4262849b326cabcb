"""time: what the clock says, by RFC 867 (daytime, for people) or RFC 868 (time, for programs).

Over a connection it sends the time and closes; over datagrams it answers each one, whatever is
in it. Daytime is a line such as `Tuesday, February 22, 1982 17:37:43-UTC`; time is the seconds
since the beginning of 1900, UTC, in 32 bits, which start anew in February 2036.

Over datagrams an answer goes to whoever the datagram says it is from. Two services that answer
everything can so be made to answer each other for ever: do not serve this beyond your own
network, and neither `echo`.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from jackfield.errors import ConfigurationError
from jackfield.limits import FEW
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.answering import checked_delay

_SINCE_1900 = 2_208_988_800
"""Seconds from the beginning of 1900 to that of 1970 (RFC 868)."""

# Not from strftime(), whose names are those of the operator's language.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def make(*, protocol: str = "daytime", delay: float = 0.0) -> Service[bytes]:
    """Make the service.

    protocol: "daytime" or "time"; anything else raises ConfigurationError.
    delay: seconds to wait before each answer.
    """
    if protocol not in {"daytime", "time"}:
        raise ConfigurationError(f"time speaks the protocols daytime and time, not {protocol!r}")
    clock = Clock(is_binary=protocol == "time", delay=checked_delay("time", delay))
    return Service("time", clock, limits=FEW, amplifies=True)


@dataclass(frozen=True)
class Clock:
    """The handler."""

    is_binary: bool
    delay: float

    async def __call__(self, conn: Connection[bytes]) -> None:
        """Tell the time once, or as often as datagrams ask."""
        if not conn.local.is_datagram:
            await self._tell(conn)
            return
        async for _ in conn:
            await self._tell(conn)

    async def _tell(self, conn: Connection[bytes]) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        now = datetime.now(UTC)
        await conn.send(seconds(now) if self.is_binary else daytime(now))


def daytime(now: datetime) -> bytes:
    """Give a time in UTC as the line of RFC 867."""
    day, month = _DAYS[now.weekday()], _MONTHS[now.month - 1]
    return f"{day}, {month} {now.day}, {now.year} {now:%H:%M:%S}-UTC\r\n".encode("ascii")


def seconds(now: datetime) -> bytes:
    """Give a time as the four bytes of RFC 868."""
    return struct.pack("!I", (int(now.timestamp()) + _SINCE_1900) % 2**32)
