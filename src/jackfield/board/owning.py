"""What the page does for the board's owner: the commands, asked for by a session.

The rules this file owns:

1. Whose session it is is looked up for each request. What somebody was a moment ago counts nothing.
2. A browser may ask for what `ASKED` names and for nothing else: what writes files stays with who
   is at the machine, and so does what ends the board.
3. A command that stops the page goes on although whoever asked for it is gone with the page. How
   it ended is told to the operator then.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from jackfield.board.accounts import Accounts
from jackfield.board.codes import picture_of
from jackfield.board.control import Do
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import Events, Warned

CHANGES = frozenset({"start", "stop", "restart", "reload"})
"""What may stop the page through which it is asked for."""

ASKED = CHANGES | {"status", "invite", "tokens", "revoke"}

MOST_TOKENS = 500
"""Tokens in one answer, the newest; the command lists all."""

MOST_BASE = 400
"""Characters of where a page says that it is."""

_MOST_NUMBER = 2**63 - 1


class Owning:
    """The owner's part of the page. do: what commands are done by. events: are told what failed."""

    def __init__(self, accounts: Accounts, do: Do, events: Events) -> None:
        self._accounts = accounts
        self._do = do
        self._events = events
        self._going: set[asyncio.Task[dict[str, Any]]] = set()

    async def is_owner(self, secret: str) -> bool:
        """Whether a session is the owner's, now. Raises KeepingFailed."""
        account = await self._accounts.by_session(secret)
        return account is not None and account.role == "owner"

    async def answer(
        self, asked: dict[str, Any], secret: str, leaving: asyncio.Future[None]
    ) -> dict[str, Any]:
        """Do what the owner asks; give the answer. Raises JackfieldError, with a line for them.

        asked: as over the control socket. An invitation may say its `base`, where the page is as
        its browser calls it; tokens may say `all`, for those too that are of no use any more.
        secret: of the session that asks. leaving: is done when the page is about to stop: the
        answer is `{"leaves": true}` then, and the command goes on.
        """
        what = asked.get("do")
        if not isinstance(what, str) or what not in ASKED:
            raise ConfigurationError("that is not done on the page; jackfield --help lists it all")
        if what in CHANGES:
            return await self._change(asked, leaving)
        if what == "invite":
            return await self._invite(asked)
        if what == "tokens":
            return await self._tokens(secret, is_all=asked.get("all") is True)
        if what == "revoke":
            return await self._do({"do": "revoke", "number": _number(asked, "number")})
        return await self._do({"do": "status"})

    async def _change(self, asked: dict[str, Any], leaving: asyncio.Future[None]) -> dict[str, Any]:
        order = {"do": asked["do"], "names": asked.get("names")}
        task = asyncio.get_running_loop().create_task(self._in_order(order))
        self._going.add(task)  # the loop alone would forget it
        task.add_done_callback(self._going.discard)
        either: set[asyncio.Future[Any]] = {task, leaving}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.add_done_callback(self._tell)
        return {"leaves": True}

    async def _in_order(self, order: dict[str, Any]) -> dict[str, Any]:
        return await self._do(order)

    def _tell(self, task: asyncio.Task[dict[str, Any]]) -> None:
        """Tell the operator of what has failed while nobody waited for it."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, JackfieldError):
            self._events.emit(Warned(str(error)))
        elif error is not None:
            raise error

    async def _invite(self, asked: dict[str, Any]) -> dict[str, Any]:
        expires, role = asked.get("expires", 7 * 86400), asked.get("role", "member")
        is_time = isinstance(expires, int | float) and abs(expires) <= _MOST_NUMBER
        if not is_time or not isinstance(role, str):
            raise ConfigurationError("expires is a number of seconds, and role a text")
        uses = _number(asked, "uses", 1)
        order = {"do": "invite", "role": role, "expires": expires, "uses": uses}
        found = await self._do(order)
        link = str(found["link"])
        base = asked.get("base")
        if base is not None:
            link = f"{_checked(base)}in/{link.rpartition('/')[2]}"
        told = {key: found[key] for key in ("expires", "uses", "role")}
        return told | {"link": link, "picture": picture_of(link)}

    async def _tokens(self, secret: str, *, is_all: bool) -> dict[str, Any]:
        found = (await self._do({"do": "tokens"}))["tokens"]
        own = await self._accounts.number_of(secret)
        wanted = [one for one in found if is_all or one["state"] == "good"]
        told = [one | {"own": one["number"] == own} for one in wanted[:MOST_TOKENS]]
        return {"tokens": told, "more": len(wanted) - len(told)}


def _number(asked: dict[str, Any], name: str, default: int | None = None) -> int:
    """Give a whole number that was asked for. Raises ConfigurationError."""
    found = asked.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _MOST_NUMBER:
        raise ConfigurationError(f"{name} is a whole number")
    return found


def _checked(base: object) -> str:
    """Give where a page says that it is. Raises ConfigurationError for what is no such place."""
    if isinstance(base, str) and len(base) <= MOST_BASE and base.isascii() and base.isprintable():
        try:
            place = urlsplit(base)
        except ValueError:  # such as half an IPv6 address
            place = urlsplit("")
        if place.scheme in {"http", "https"} and place.netloc and base.endswith("/"):
            return base
    raise ConfigurationError("base is the address of the page, and ends in a slash")
