"""A whole board in a thread of its own, and its owner, who asks it over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from jackfield import framing
from jackfield.board.board import Board
from jackfield.board.config import load
from jackfield.board.paths import Paths
from jackfield.server import Server
from jackfield.service import Service
from tests.live import Live, free_port, until
from tests.web import Browser, Reply

JSON = "application/json"
DAY = 86400

CONFIG = """
[board]
name = "The lab"
[services.chat]
endpoints = ["tcp://127.0.0.1:{chat}"]
[services.page]
endpoints = ["tcp://127.0.0.1:{page}"]
[services.clock]
service = "time"
endpoints = ["tcp://127.0.0.1:{clock}"]
"""


class Lab(Live):
    """A board that runs in a thread, and the ways to ask it something over HTTP."""

    def __init__(self, folder: Path, *, is_open: bool) -> None:
        nothing = Service("none", lambda _: None, framing.lines())
        super().__init__(nothing, "tcp://127.0.0.1:0", drain=1.0)
        self.ports = {name: free_port() for name in ("chat", "page", "clock")}
        self.file = folder / "jackfield.toml"
        self.write(CONFIG)
        paths = Paths.of(str(folder / "data"))
        path = str(self.file)
        follow = lambda events, name: None  # noqa: E731, ARG005  nobody listens
        self.board = Board(paths, load(path), path=path, is_open=is_open, follow=follow)
        self.server = cast("Server[Any]", self.board)  # it is started and stopped as one

    @property
    def url(self) -> str:
        """Where the page is, as long as it has not moved."""
        return f"http://127.0.0.1:{self.ports['page']}/"

    def write(self, text: str) -> None:
        """Have the configuration say this from the next time on that it is read."""
        self.file.write_text(text.format(**self.ports))

    def ask(self, path: str, what: Any, cookie: str = "", **fields: str) -> Reply:
        """Send a request of the page; on a connection of its own, since the page may be stopped."""
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        more = {"Content_Type": JSON} | ({"Cookie": cookie} if cookie else {}) | fields
        with Browser(self.board.units["page"].config.endpoints[0]) as browser:
            return browser.ask(path, "POST", body, **more)

    def come(self, name: str, token: str = "") -> str:
        """Sign in; give the cookie."""
        reply = self.ask("/sign-in", {"name": name, "token": token})
        assert reply.status == 200, reply.text
        return reply.fields["set-cookie"].partition(";")[0]

    def owner(self) -> str:
        """Sign in as the owner; give the cookie."""
        return self.come("Ann", self.wait_for(self.board.owner_link())[1])

    def invited(self, name: str, role: str) -> str:
        secret = self.wait_for(self.board.people.invite(role, time.time() + DAY, 1))
        return self.come(name, secret)

    def do(self, cookie: str, what: str, **fields: Any) -> Any:
        """Have the owner do something; give the answer."""
        reply = self.ask("/board", {"do": what, **fields}, cookie)
        assert reply.status == 200, reply.text
        return json.loads(reply.body)

    def refused(self, cookie: str, what: Any, status: int = 409) -> str:
        reply = self.ask("/board", what, cookie)
        assert reply.status == status, reply.text
        why: str = json.loads(reply.body)["why"]
        return why

    def numbers(self) -> list[tuple[int, str]]:
        """Give which tokens there are, and how each is."""
        return [(one["number"], one["state"]) for one in self.wait_for(self.board.people.tokens())]

    def settle(self) -> None:
        """Wait until what was asked for last is done."""
        until(lambda: not self.board._changing.locked())

    def state(self, name: str) -> str:
        return self.board.units[name].state


@contextmanager
def lab(folder: Path, *, is_open: bool = False) -> Iterator[Lab]:
    with Lab(folder, is_open=is_open) as made:
        yield made
