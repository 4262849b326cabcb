"""Services that give each message one answer: what `echo` and `upper` share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.limits import FEW
from jackfield.net.connection import Connection
from jackfield.service import Service

MOST_DELAY = 3600.0
"""Seconds that an answer may be delayed."""

Answer = Callable[[Any], Any]


def answering(
    name: str,
    answer: Answer,
    framing: Framing[Any],
    *,
    once: bool,
    delay: float,
    amplifies: bool = False,
) -> Service[Any]:
    """Make a service of a function from message to answer.

    once: close after the first answer. delay: seconds to wait before each; a negative one, or
    one past `MOST_DELAY`, raises ConfigurationError. amplifies: whether an answer may be longer.
    """
    made: Service[Any]
    if not once and not delay:
        made = Service.reply(name, answer, framing)
    else:
        made = Service(name, Answerer(answer, once, checked_delay(name, delay)), framing)
    return replace(made, limits=FEW, amplifies=True) if amplifies else made


@dataclass(frozen=True)
class Answerer:
    """The handler when there is more to it than the answer."""

    answer: Answer
    once: bool
    delay: float

    async def __call__(self, conn: Connection[Any]) -> None:
        """Answer message by message."""
        async for message in conn:
            if self.delay:
                await asyncio.sleep(self.delay)
            await conn.send(self.answer(message))
            if self.once:
                return


def checked_delay(name: str, delay: float) -> float:
    """Give back a delay that makes sense. Raises ConfigurationError for another."""
    if not 0 <= delay <= MOST_DELAY:
        raise ConfigurationError(
            f"{name}: a delay of {delay:g} s, where 0 to {MOST_DELAY:g} is possible"
        )
    return delay
