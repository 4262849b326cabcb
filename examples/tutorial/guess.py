"""A service of one's own: guess a number from 1 to 100, in at most seven tries."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from jackfield import Connection, Server, Service, connect, framing
from jackfield.errors import ReceiveTimeout

PATIENCE = 60.0
"""Seconds to wait for a guess."""


@dataclass(frozen=True)
class Game:
    """The handler: its fields are the rules of the game."""

    most: int
    tries: int

    async def __call__(self, conn: Connection[str]) -> None:
        number = random.randint(1, self.most)  # noqa: S311  a game, no secret
        await conn.send(f"I think of a number from 1 to {self.most}.")
        for left in range(self.tries - 1, -1, -1):
            try:
                guess = await conn.receive(timeout=PATIENCE)
            except ReceiveTimeout:
                await conn.send("You take too long. Goodbye.")
                return
            if guess.strip() == str(number):
                await conn.send("Right!")
                return
            if left:
                await conn.send(hint(guess, number))
        await conn.send(f"It was {number}.")


def hint(guess: str, number: int) -> str:
    """Tell a guess that is wrong from one that is no number."""
    try:
        return "higher" if int(guess) < number else "lower"
    except ValueError:
        return "That is no number."


def make(*, most: int = 100, tries: int = 7) -> Service[str]:
    """Make the service: what a program that serves it calls."""
    return Service("guess", Game(most, tries), framing=framing.lines(max_message=1000))


service = make()


async def play() -> None:
    """Play against it in memory: no port, no network."""
    async with (
        Server(service, "memory://guess") as server,
        connect(server.endpoints[0], framing=framing.lines()) as conn,
    ):
        print(await conn.receive())
        low, high = 1, 100
        reply = ""
        while reply != "Right!":
            middle = (low + high) // 2
            await conn.send(str(middle))
            reply = await conn.receive()
            if reply == "higher":
                low = middle + 1
            elif reply == "lower":
                high = middle - 1
        print(reply)


if __name__ == "__main__":
    asyncio.run(play())
