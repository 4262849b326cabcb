"""A board with remote commands, which tells what was run; and who sits at a socket for one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from jackfield.events import CommandEnded, Event
from jackfield.services.commands import wire
from tests.live import PATIENCE, free_port
from tests.owned import CONFIG, Lab

POLICY = """
[[allow]]
who = ["operator"]
program = "/usr/bin/env"
args = ["echo|cat|printenv", ".*", "..."]

[[allow]]
who = ["operator"]
program = "{python}"
args = "any"

[[allow]]
who = ["Zed"]
program = "/usr/bin/id"
"""

WAITING = "import time; print('begun', flush=True); time.sleep(600)"
WAIT = (sys.executable, "-c", WAITING)


class Running(Lab):
    """A board with commands, which tells what was run."""

    def __init__(self, folder: Path, *, is_open: bool = False, more: str = "") -> None:
        super().__init__(is_open=is_open)
        self.policy = folder / "policy.toml"
        self.allow(POLICY)
        self.ports["commands"] = free_port()
        self.with_commands = f"{CONFIG}\n[services.commands]\npolicy = '{self.policy}'\n{more}"

    def allow(self, text: str) -> None:
        """Have the policy say this from the next time on that it is read."""
        self.policy.write_text(text.format(python=sys.executable))

    def begin(self) -> None:
        """Have the configuration have commands."""
        self.board.events.subscribe(Event, self._hear)
        self.write(self.with_commands)
        self.reload()

    def reload(self) -> None:
        self.wait_for(self.board.reload())

    def ran(self) -> list[CommandEnded]:
        return self.of(CommandEnded)

    def sitting(self, cookie: str = "", **more: Any) -> Sitting:
        """A WebSocket as the page opens one for a command, or another program."""
        if cookie:
            more = {"additional_headers": {"Cookie": cookie}, "origin": Origin(self.origin)} | more
        url = f"ws://127.0.0.1:{self.ports['page']}/commands"
        conn = websockets.sync.client.connect(url, open_timeout=PATIENCE, proxy=None, **more)
        return Sitting(conn)

    def turned_away(self, cookie: str = "", **more: Any) -> int:
        with pytest.raises(InvalidStatus) as refused:
            self.sitting(cookie, **more)
        return refused.value.response.status_code

    def listed(self, cookie: str, **fields: str) -> tuple[int, Any]:
        reply = self.ask("/commands", **({"Cookie": cookie} if cookie else {}), **fields)
        return reply.status, json.loads(reply.body)


class Sitting:
    """Somebody at a socket for commands."""

    def __init__(self, conn: websockets.sync.client.ClientConnection) -> None:
        self.conn = conn
        self.output = {wire.STDOUT: b"", wire.STDERR: b""}

    def tell(self, **fields: Any) -> None:
        self.conn.send(json.dumps(fields))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; output is kept."""
        while True:
            message = self.conn.recv(PATIENCE)
            if isinstance(message, bytes):
                self.output[message[0]] += message[1:]
                continue
            found: dict[str, Any] = json.loads(message)
            if found["is"] == kind:
                return found
            assert found["is"] == "more", found

    def come_in(self, token: str = "") -> str:
        self.tell(do="hello", version=1, **({"token": token} if token else {}))
        return str(self.hear("welcome")["who"])

    def run(self, *args: str) -> None:
        self.tell(do="run", args=args)
        self.hear("started")

    def refused(self, *args: str) -> str:
        self.tell(do="run", args=args)
        return str(self.hear("refused")["why"])

    def begins(self) -> None:
        """Run what goes on until it is ended, and wait until it has begun."""
        self.come_in()
        self.run(*WAIT)
        while b"begun" not in self.output[wire.STDOUT]:
            message = self.conn.recv(PATIENCE)
            assert isinstance(message, bytes)
            self.output[message[0]] += message[1:]

    def is_ended(self) -> None:
        """Wait until the board has ended it."""
        with pytest.raises(ConnectionClosed):
            self._hear_all()

    def _hear_all(self) -> None:
        while True:
            self.conn.recv(PATIENCE)

    def __enter__(self) -> Self:
        self.conn.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.conn.close()


@contextmanager
def running(folder: Path, **how: Any) -> Iterator[Running]:
    with Running(folder, **how) as lab:
        lab.begin()
        yield lab


def token_in(cookie: str) -> str:
    return next(iter(SimpleCookie(cookie).values())).value
