"""What the page needs others to know and to do: people, the owner, files and commands."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from jackfield.http.exchange import Exchange
from jackfield.net.connection import Connection
from jackfield.services.chat.hub import Person


class People(Protocol):
    """What the page needs somebody to know about people."""

    is_open: bool
    """Whether anybody may come in, by a name alone."""

    async def sign_in(self, name: str, token: str, source: str) -> tuple[Person, str]:
        """Give who somebody is, and the secret of their new session.

        name: what they want to be called, or empty. token: an invitation or a token, or empty.
        source: the address they come from, for which attempts are counted.
        Raises NotSaid, with words for them, for who may not come in, and KeepingFailed.
        """

    async def by_session(self, secret: str) -> Person | None:
        """Give whose session this is; None where it is nobody's, or over."""

    async def sign_out(self, secret: str) -> None:
        """End a session, if there is one."""


class Owner(Protocol):
    """What the page needs somebody to do for the board's owner."""

    async def is_owner(self, secret: str) -> bool:
        """Whether a session is the owner's, now. Raises KeepingFailed."""

    async def answer(
        self, asked: dict[str, Any], secret: str, leaving: asyncio.Future[None]
    ) -> dict[str, Any]:
        """Do what the owner asks; give the answer. Raises JackfieldError, with a line for them.

        secret: of the session that asks. leaving: is done when the page is about to stop.
        """


class Files(Protocol):
    """What the page needs somebody to know about files."""

    async def about(self, secret: str) -> dict[str, Any] | None:
        """Say what the page needs of them, to whoever has this session; None: no files for them."""

    async def answer(self, exchange: Exchange, path: str, secret: str) -> None:
        """Answer a request for what is at a path of theirs, by whoever has this session."""

    async def make_token(self, secret: str) -> str:
        """Make a secret for programs of whoever has this session.

        Raises NotSaid for who may have none, and KeepingFailed.
        """


class Running(Protocol):
    """What the page needs somebody to do about remote commands."""

    @property
    def is_served(self) -> bool:
        """Whether there are any now."""

    async def may_run(self, secret: str) -> bool:
        """Whether whoever has this session may run anything here, now."""

    async def allowed(self, secret: str) -> list[dict[str, Any]]:
        """Say what whoever has this session may run."""

    async def serve(self, conn: Connection[Any], secret: str) -> None:
        """Run what whoever has this session asks for; without one they tell a token."""
