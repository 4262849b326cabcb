"""menu: a numbered menu; a choice gets its text, anything else a request to choose again.

Menus nest: `0` or `back` goes back, `help` shows where one is, and `quit`, `exit` or `q` ends
it. Over a stream the menu is shown at once; over datagrams and with framing `raw` it waits to
be spoken to, and each message gets exactly one reply.

The menu is a file of one's own (see `jackfield.services.menu.file`) or a built-in one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.framing.lines import lines
from jackfield.limits import FEW
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.answering import checked_delay
from jackfield.services.menu.file import MOST_CHOICES, Choice, Menu, load
from jackfield.services.speech import Speech, is_leaving

LANGUAGES = {"en": "en.toml", "zh": "zh.toml"}
"""The built-in menus."""


def make(
    *,
    file: str | None = None,
    language: str | None = None,
    once: bool = False,
    delay: float = 0.0,
    framing: Framing[Any] | None = None,
) -> Service[Any]:
    """Make the service.

    file: the menu, a TOML file; one that is wrong raises ConfigurationError naming the key.
    language: of the built-in menu, when there is no file: "en" (the default) or "zh".
    once: answer once, then close.
    delay: seconds to wait before each answer.
    framing: what a choice is; lines unless given.
    """
    if file is not None and language is not None:
        raise ConfigurationError(
            "menu: --language is for the built-in menus; --file brings its own"
        )
    language = language or "en"
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise ConfigurationError(f"menu: no built-in menu in {language!r}; there are {known}")
    menu = load(file or str(Path(__file__).with_name(LANGUAGES[language])))
    framing = framing or lines()
    speech = Speech.of(framing, "menu")
    speech.check(framing, menu.texts(), "the text of the menu")
    guide = Guide(menu, speech, once, checked_delay("menu", delay))
    return Service("menu", guide, framing, FEW, amplifies=True)


@dataclass(frozen=True)
class Guide:
    """The handler."""

    menu: Menu
    speech: Speech
    once: bool
    delay: float

    async def __call__(self, conn: Connection[Any]) -> None:
        """Lead the peer through the menu until it leaves."""
        visit = Visit(self.menu)
        if not self.speech.waits and not conn.local.is_datagram:
            await self.speech.say(conn, visit.listing())
        async for message in conn:
            answer = visit.answer(self.speech.hear(message))
            if answer is None:
                return
            if self.delay:
                await asyncio.sleep(self.delay)
            await self.speech.say(conn, answer)
            if self.once:
                return


class Visit:
    """Where one peer is in a menu. Each peer has its own."""

    def __init__(self, menu: Menu) -> None:
        self._words = menu.words
        self._path = [menu.top]

    def answer(self, text: str) -> str | None:
        """Answer what the peer has said; None when it leaves."""
        words = self._words
        said = text.lower()
        if is_leaving(said) or said == words.leave.lower():
            return None
        if said in {"help", words.help.lower()}:
            path = " > ".join(choice.name for choice in self._path)
            return f"{words.here} {path}\n{self._choices()}"
        if len(self._path) > 1 and said in {"0", "back", words.back.lower()}:
            self._path.pop()
            return self.listing()
        chosen = self._chosen(said)
        if chosen is None:
            return words.choose.replace("{last}", str(len(self._path[-1].choices)))
        if chosen.choices:
            self._path.append(chosen)
            return self.listing()
        return chosen.text

    def listing(self) -> str:
        """Show the menu where the peer is."""
        return f"{self._path[-1].name}\n{self._choices()}"

    def _chosen(self, said: str) -> Choice | None:
        if not said.isdecimal() or len(said) > len(str(MOST_CHOICES)):
            return None
        choices = self._path[-1].choices
        number = int(said)
        return choices[number - 1] if 0 < number <= len(choices) else None

    def _choices(self) -> str:
        lines = [f"{n:3}  {choice.name}" for n, choice in enumerate(self._path[-1].choices, 1)]
        if len(self._path) > 1:
            lines.append(f"{0:3}  {self._words.back}")
        return "\n".join(lines)
