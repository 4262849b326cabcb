"""The control socket: what a board's owner tells it from another terminal, and how it answers.

One JSON object a line, over a UNIX socket that only processes of the same user, or of root, may
use: the system says whose they are (SO_PEERCRED of unix(7)). Asked::

    {"do": "status"}
    {"do": "start" | "stop" | "restart" | "reload", "names": [NAME, …]}    no names: all
    {"do": "down"}
    {"do": "backup", "file": PATH}
    {"do": "invite", "role": …, "expires": SECONDS, "uses": N}
    {"do": "tokens"}    {"do": "revoke", "number": NUMBER}
    {"do": "people"}    {"do": "link", "name": …}    {"do": "role", "name": …, "role": …}
    {"do": "rename", "name": …, "new": …}    {"do": "remove", "name": …}

and answered by `{"is": "done", …}` or `{"is": "error", "why": …, "usage": …}`: `usage` where it
was asked for in a way that cannot be.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jackfield.client import connect
from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectionEnded,
    JackfieldError,
    ReceiveTimeout,
)
from jackfield.framing.json_lines import JSONLines
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.details import credentials
from jackfield.service import Service

MOST = 1024 * 1024
"""Bytes of one message: the status of a hundred services is far below that."""

PATIENCE = 60.0
"""Seconds that a command may take: stopping has its own deadline."""

LIMITS = Limits(connections=32, first_message=10, idle=120, message_time=10)

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Does what is asked; gives the answer. Raises JackfieldError."""


def make(do: Do) -> Service[Any]:
    """Make the service of the control socket."""
    return Service("control", _Control(do), JSONLines(MOST), LIMITS)


class _Control:
    def __init__(self, do: Do) -> None:
        self._do = do

    async def __call__(self, conn: Connection[Any]) -> None:
        """Answer the owner, and nobody else."""
        if not is_own(conn):
            await conn.send({"is": "error", "why": "only the owner of this board may do that"})
            return
        async for message in conn:
            answer: dict[str, Any]
            try:
                if not isinstance(message, dict):
                    raise ConfigurationError("a command is an object")
                answer = {"is": "done"} | await self._do(message)
            except JackfieldError as error:
                usage = isinstance(error, ConfigurationError)
                answer = {"is": "error", "why": str(error), "usage": usage}
            await conn.send(answer)


def is_own(conn: Connection[Any]) -> bool:
    """Whether a peer on a UNIX socket is a process of this user, or of root."""
    found = credentials(conn.core.live_socket())
    return found is not None and found.uid in {0, os.getuid()}


def ask(socket: Path, what: dict[str, Any]) -> dict[str, Any]:
    """Ask the board behind a control socket; give its answer.

    Raises JackfieldError: ConfigurationError or Refusal with what the board says, NoBoard where
    there is none.
    """
    endpoint = Endpoint(Transport.UNIX, path=str(socket))
    try:
        with connect(endpoint, framing=JSONLines(MOST)) as conn:
            conn.send(what)
            answer = conn.receive(PATIENCE)
    except ConnectError:
        raise NoBoard(f"no board runs here ({socket}); start it with: jackfield up") from None
    except ReceiveTimeout:
        raise NoBoard(f"the board has not answered within {PATIENCE:g} s") from None
    except ConnectionEnded as error:
        if what.get("do") == "down":
            return {"is": "done"}
        raise NoBoard(f"the board has ended the connection: {error}") from None
    if not isinstance(answer, dict) or answer.get("is") != "done":
        told = answer if isinstance(answer, dict) else {}
        why = str(told.get("why") or "the board's answer makes no sense")
        raise ConfigurationError(why) if told.get("usage") else Refusal(why)
    return answer


class NoBoard(JackfieldError):
    """There is no board to be asked. The text says how to start one."""


class Refusal(JackfieldError):
    """The board would not do it. The text is what it says."""
