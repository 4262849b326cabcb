"""greet: greets whoever connects, then answers each NAME with `Hello, NAME!`.

Over a connection it says `Welcome!` first; over datagrams, which have no beginning, it does
not. `quit`, `exit` or `q` ends it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from jackfield.framing.base import Framing
from jackfield.framing.lines import lines
from jackfield.limits import FEW
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.answering import checked_delay
from jackfield.services.speech import Speech, is_leaving

MOST_NAME = 1000
"""Characters in a name: with the greeting around it, it has to fit in a message."""


def make(
    *, once: bool = False, delay: float = 0.0, framing: Framing[Any] | None = None
) -> Service[Any]:
    """Make the service.

    once: greet one name, then close.
    delay: seconds to wait before each greeting.
    framing: what a name is; lines unless given.
    """
    framing = framing or lines()
    greeter = Greeter(Speech.of(framing, "greet"), once, checked_delay("greet", delay))
    return Service("greet", greeter, framing, FEW, amplifies=True)


@dataclass(frozen=True)
class Greeter:
    """The handler."""

    speech: Speech
    once: bool
    delay: float

    async def __call__(self, conn: Connection[Any]) -> None:
        """Greet until the peer leaves."""
        if not conn.local.is_datagram:
            await self.speech.say(conn, "Welcome!")
        async for message in conn:
            name = self.speech.hear(message)
            if is_leaving(name):
                return
            if self.delay:
                await asyncio.sleep(self.delay)
            await self.speech.say(conn, greeting(name))
            if self.once:
                return


def greeting(name: str) -> str:
    """Greet a name, or ask for one that is none."""
    if not name:
        return "Please send a name."
    if len(name) > MOST_NAME:
        return f"Please send a shorter name, of at most {MOST_NAME} characters."
    return f"Hello, {name}!"
