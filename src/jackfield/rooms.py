"""Rooms: connections that hear the same messages.

The rules this file owns:

1. Sharing between connections goes through a room, from any thread and, under `processes`,
   between processes of one server. Nobody waits: a message goes into each member's outbox.
2. A message is encoded once for each framing among the members, not once for each member.
3. A member whose outbox is full falls under the room's policy and slows nobody:
   "disconnect" (the default) ends its connection, "skip" leaves this message out for it.
4. A connection that is over has left.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Generic, Literal, Protocol, TypeVar

from jackfield.errors import ConfigurationError
from jackfield.net.connection import Connection

M = TypeVar("M")

Policy = Literal["disconnect", "skip"]


class HasCore(Protocol):
    """A connection, as any handler has it."""

    @property
    def core(self) -> Connection[Any]:
        """The connection itself."""


class Backplane(Protocol):
    """What carries a room's traffic beyond this process."""

    def join(self, room: Room[Any], member: Connection[Any]) -> None:
        """Have `member` hear what is published elsewhere."""

    def leave(self, room: Room[Any], member: Connection[Any]) -> None:
        """Take `join()` back."""

    def publish(self, room: Room[Any], message: Any) -> None:
        """Have the members elsewhere hear a message."""


class Room(Generic[M]):
    """A set of connections that hear the same messages.

    name: what it is called; under `processes`, rooms of one name in the processes of one
    server are one room.
    policy: what befalls a member whose outbox is full.
    """

    def __init__(self, name: str, policy: Policy = "disconnect") -> None:
        if policy not in {"disconnect", "skip"}:
            msg = f"a room's policy is 'disconnect' or 'skip', not {policy!r}"
            raise ConfigurationError(msg)
        self.name = name
        self.policy = policy
        self._members: dict[Connection[Any], None] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Room[Any]], tuple[str, Policy]]:
        return type(self), (self.name, self.policy)

    def __len__(self) -> int:
        """Members in this process."""
        return len(self._members)

    def __contains__(self, conn: HasCore) -> bool:
        return conn.core in self._members

    def join(self, conn: HasCore) -> None:
        """Let a connection hear what is published from now on. Joining twice is joining once."""
        core = conn.core
        with self._lock:
            if core in self._members or core.is_over:
                return
            if _backplane is not None:
                _backplane.join(self, core)
            self._members[core] = None
        core.call_when_over(lambda: self.leave(core))
        if core.is_over:  # meanwhile, in another thread
            self.leave(core)

    def leave(self, conn: HasCore) -> None:
        """Let a connection hear no more. Leaving when not a member does nothing."""
        core = conn.core
        with self._lock:
            if core not in self._members:
                return
            del self._members[core]
        if _backplane is not None:
            _backplane.leave(self, core)

    def publish(self, message: M, but: HasCore | None = None) -> None:
        """Send a message to every member, except `but`.

        Raises LocalProtocolError when a member's framing cannot carry it and, under `processes`,
        when it is too long to cross between them (about 100 KiB). Nobody has it then.
        """
        out = None if but is None else but.core
        deliveries = self._deliveries(message, out)
        if _backplane is not None:
            _backplane.publish(self, message)
        for member, data in deliveries:
            self.deliver(member, data)

    def hear(self, message: M) -> None:
        """Send what was published elsewhere to the members in this process."""
        for member, data in self._deliveries(message, None):
            self.deliver(member, data)

    def _deliveries(
        self, message: M, out: Connection[Any] | None
    ) -> list[tuple[Connection[Any], bytes]]:
        """Encode a message for each member but one: all of it before any is sent."""
        with self._lock:
            members = [member for member in self._members if member is not out]
        encoded: dict[Hashable, bytes] = {}
        deliveries = []
        for member in members:
            kind = member.encoding
            if kind not in encoded:
                encoded[kind] = member.encode(message)
            deliveries.append((member, encoded[kind]))
        return deliveries

    def deliver(self, member: Connection[Any], data: bytes) -> None:
        """Put encoded bytes into a member's outbox, or treat it by the policy."""
        if member.post_encoded(data) or member.is_over or self.policy == "skip":
            return
        reason = f"it did not read what room {self.name!r} sent it"
        member.io.run(member.abort, reason)


_backplane: Backplane | None = None


def use_backplane(backplane: Backplane | None) -> None:
    """Have this process' rooms reach beyond it. Called once, by a child or a worker."""
    global _backplane  # noqa: PLW0603  one for each process, set before any room is used
    _backplane = backplane
