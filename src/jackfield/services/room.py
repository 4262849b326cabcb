"""room: what one sends, all others hear, with who came and went.

Who is who is told by address. A peer that stops reading is disconnected once `Limits.outbox`
bytes wait for it, and slows nobody. `quit`, `exit` or `q` leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jackfield.framing.base import Framing
from jackfield.framing.lines import lines
from jackfield.limits import FEW
from jackfield.net.connection import Connection
from jackfield.rooms import Room
from jackfield.service import Service
from jackfield.services.speech import Speech, is_leaving, plain

MOST_TEXT = 4000
"""Characters that one may say at a time: with a name before them, they have to fit in a message."""


def make(*, framing: Framing[Any] | None = None) -> Service[Any]:
    """Make the service, with a room of its own.

    framing: what is said at a time; lines unless given.
    """
    framing = framing or lines()
    host = Host(Room("room"), Speech.of(framing, "room"))
    return Service("room", host, framing, FEW, joins_rooms=True, silent=True, amplifies=True)


@dataclass(frozen=True)
class Host:
    """The handler."""

    room: Room[Any]
    speech: Speech

    async def __call__(self, conn: Connection[Any]) -> None:
        """Let the others hear what the peer says, until it leaves."""
        who = plain(conn.peer.address) or f"guest {conn.number}"
        self.room.join(conn)
        self._tell(f"{who} came", conn)
        try:
            await self.speech.say(conn, f"You are {who}; the others hear what you say. q leaves.")
            async for message in conn:
                text = self.speech.hear(message)
                if is_leaving(text):
                    return
                if len(text) > MOST_TEXT:
                    most = f"At most {MOST_TEXT} characters at a time, please."
                    await self.speech.say(conn, most)
                elif text:
                    self._tell(f"{who}: {plain(text)}", conn)
        finally:
            self.room.leave(conn)
            self._tell(f"{who} went", conn)

    def _tell(self, text: str, but: Connection[Any]) -> None:
        self.room.publish(self.speech.message(text), but)
