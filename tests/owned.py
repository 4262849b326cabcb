"""A whole board in a thread of its own, and its owner, who asks it over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.boards import WholeBoard
from tests.live import free_port, until
from tests.web import Reply

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


class Lab(WholeBoard):
    """A board with a configuration file, and the ways to ask it something as a page does."""

    def __init__(self, *, is_open: bool) -> None:
        self.ports = {name: free_port() for name in ("chat", "page", "clock")}
        super().__init__(text=CONFIG.format(**self.ports), is_open=is_open)
        self.drain = 1.0  # a page may be in the middle of something
        self.file = self.board.paths.data.parent / "jackfield.toml"
        self.board._path = str(self.file)

    @property
    def url(self) -> str:
        """Where the page is, as long as it has not moved."""
        return f"http://127.0.0.1:{self.ports['page']}/"

    def write(self, text: str) -> None:
        """Have the configuration say this from the next time on that it is read."""
        self.file.write_text(text.format(**self.ports))

    def order(self, what: Any, cookie: str = "", **fields: str) -> Reply:
        """Ask the board for something, as the owner's tab does."""
        return self.post("/board", what, **({"Cookie": cookie} if cookie else {}), **fields)

    def owner(self) -> str:
        """Sign in as the owner; give the cookie."""
        return self.sign_in("Ann", self.wait_for(self.board.owner_link())[1])

    def invited(self, name: str, role: str) -> str:
        secret = self.wait_for(self.board.people.invite(role, time.time() + DAY, 1))
        return self.sign_in(name, secret)

    def do(self, cookie: str, what: str, **fields: Any) -> Any:
        """Have the owner do something; give the answer."""
        reply = self.order({"do": what, **fields}, cookie)
        assert reply.status == 200, reply.text
        return json.loads(reply.body)

    def refused(self, cookie: str, what: Any, status: int = 409) -> str:
        reply = self.order(what, cookie)
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
def lab(*, is_open: bool = False) -> Iterator[Lab]:
    with Lab(is_open=is_open) as made:
        yield made
