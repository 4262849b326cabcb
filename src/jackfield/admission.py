"""Who is let in, by address, by number and by source; and how who is not is told so.

The rules this file owns:

1. Past a limit a new peer is told why and closed. Of those who are being told there are at most
   `MOST_REFUSED`: in a flood those past it are reset without a word.
2. Over TLS nobody is told: it would take a handshake, which is what a flood is after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.errors import JackfieldError
from jackfield.limits import Limits, Passed
from jackfield.net.access import Access
from jackfield.net.connection import Connection
from jackfield.net.opening import begin
from jackfield.net.roles import Plan

MOST_REFUSED = 256
"""Refused peers that are being told why at a time."""


class Admission:
    """Lets peers in, or turns them away.

    forgotten: called when somebody who was turned away is gone.
    access: whose connections are taken at all.
    refused: who is being told why not.
    """

    def __init__(self, limits: Limits, forgotten: Callable[[], None]) -> None:
        self.access = Access(limits.allow, limits.deny)
        self.refused: set[Connection[Any]] = set()
        self._limits = limits
        self._forgotten = forgotten
        self._sources: dict[str, int] = {}

    def refusal(self, host: str, source: str, connections: int) -> Passed | None:
        """Why a new connection cannot be taken beside so many; None when it can."""
        if not self.access.permits(host):
            return Passed("deny", "your address may not connect here")
        if connections >= self._limits.connections:
            return Passed("connections", "the server is full; try again later")
        if source and self._sources.get(source, 0) >= self._limits.connections_per_source:
            return Passed("connections_per_source", "too many connections from your address")
        return None

    def count(self, source: str) -> None:
        """One more has come from a source; "" is none."""
        if source:
            self._sources[source] = self._sources.get(source, 0) + 1

    def uncount(self, source: str) -> None:
        """One of a source is gone."""
        if source:
            left = self._sources.get(source, 1) - 1
            if left:
                self._sources[source] = left
            else:
                self._sources.pop(source, None)

    def turn_away(self, plan: Plan, conn: Connection[Any], passed: Passed) -> None:
        """Tell a peer why it is not served, as the rules above say."""
        if plan.context is not None or len(self.refused) >= MOST_REFUSED:
            conn.abort(passed.reason)
            return
        self.refused.add(conn)
        conn.call_when_over(lambda: self._forget(conn))
        begin(plan, conn, _nothing)
        conn.refuse(passed.reason, passed.limit)

    def _forget(self, conn: Connection[Any]) -> None:
        self.refused.discard(conn)
        self._forgotten()


def _nothing(_error: JackfieldError | None) -> None:
    """There is nothing to do."""
