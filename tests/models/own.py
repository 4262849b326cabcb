"""Two services of one's own, one of each kind of handler; a process can load them from here."""

from __future__ import annotations

from jackfield import BlockingConnection, Connection, Service, framing


async def shout(conn: Connection[str]) -> None:
    """Send each line back in upper case, until `bye`."""
    async for line in conn:
        await conn.send(line.upper())
        if line == "bye":
            return


def shout_blocking(conn: BlockingConnection[str]) -> None:
    """Do the same by methods that block."""
    for line in conn:
        conn.send(line.upper())
        if line == "bye":
            return


ASYNC = Service("async def", shout, framing.lines())
BLOCKING = Service("def", shout_blocking, framing.lines())
