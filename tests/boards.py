"""A whole board in a thread of its own, with real sockets; what it tells; and people at it."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import websockets.sync.client
from websockets.typing import Origin

from jackfield.board import config
from jackfield.board.board import Board
from jackfield.board.paths import Paths
from jackfield.endpoints import Endpoint
from jackfield.events import Event, Events, HandlerFailed
from jackfield.framing import lines
from jackfield.server import Server
from jackfield.service import Service
from tests.live import PATIENCE, Live, Peer
from tests.web import Browser, Reply

CONFIG = """
[board]
name = "The lab"
[services.chat]
endpoints = ["tcp://127.0.0.1:0"]
[services.page]
endpoints = ["tcp://127.0.0.1:0"]
"""

Socket = websockets.sync.client.ClientConnection


class WholeBoard(Live):
    """A board as `jackfield up` starts it: `told` has what its services have told the operator."""

    def __init__(self, *, text: str = CONFIG, is_open: bool = True) -> None:
        super().__init__(Service("none", _nobody, lines()), "tcp://127.0.0.1:0", drain=0.2)
        self._folder = tempfile.TemporaryDirectory(prefix="jf")  # of a name that a socket can have
        folder = Path(self._folder.name)
        self.board = Board(
            Paths(folder / "data", folder / "run" / "jackfield" / "board"),
            config.read(text, "jackfield.toml"),
            is_open=is_open,
            follow=self._follow,
        )
        self.server = cast("Server[Any]", self.board)  # as which it is used

    def _follow(self, events: Events, _name: str) -> None:
        events.subscribe(Event, self._hear)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self._folder.cleanup()

    def endpoint(self, name: str) -> Endpoint:
        """Where a service is."""
        server = self.board.units[name].server
        assert server is not None
        return server.endpoints[0]

    @property
    def origin(self) -> str:
        """The page's own."""
        return f"http://127.0.0.1:{self.endpoint('page').port}"

    # HTTP

    def ask(self, path: str, **fields: str) -> Reply:
        with Browser(self.endpoint("page")) as browser:
            return browser.ask(path, **fields)

    def post(self, path: str, what: Any, **fields: str) -> Reply:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        with Browser(self.endpoint("page")) as browser:
            return browser.ask(path, "POST", body, **{"Content_Type": "application/json", **fields})

    def sign_in(self, name: str = "", token: str = "", **fields: str) -> str:
        """Sign in; give the cookie, as it is sent back."""
        reply = self.post("/sign-in", {"name": name, "token": token}, **fields)
        assert reply.status == 200, reply
        return reply.fields["set-cookie"].partition(";")[0]

    def me(self, cookie: str) -> Any:
        """Give the name that a cookie stands for; None where it is nobody's."""
        return json.loads(self.ask("/me", Cookie=cookie).body)["name"]

    # People

    def socket(self, cookie: str = "", **more: Any) -> Socket:
        """A WebSocket into the chat, as the page opens it, or another program."""
        if cookie:
            more = {"additional_headers": {"Cookie": cookie}, "origin": Origin(self.origin)} | more
        conn: Socket = websockets.sync.client.connect(
            f"ws://127.0.0.1:{self.endpoint('page').port}/chat",
            open_timeout=PATIENCE,
            proxy=None,
            **more,
        )
        return conn

    def at_page(self, name: str = "", **more: Any) -> AtPage:
        """Somebody who has come in, by JSON; without a name, as an Eve whose name is her own."""
        return AtPage(self.socket(self.sign_in(name or f"Eve{next(_numbers)}"), **more))

    def by_lines(self, name: str) -> Peer:
        """Somebody who has come in, by lines."""
        peer = Peer(self.endpoint("chat"))
        peer.send(name)
        while "* Hello, " not in peer.line():
            pass
        peer.send("/who")
        while " in lobby: " not in peer.line():
            pass
        return peer

    @contextmanager
    def bystanders(self) -> Iterator[Bystanders]:
        """Two people who talk, and hear each other and nobody else; meanwhile no handler fails."""
        number, failed = next(_numbers), len(self.of(HandlerFailed))
        with self.at_page(f"Ann{number}") as ann, self.by_lines(f"Bob{number}") as bob:
            yield Bystanders(ann, bob, number)
        failures = self.of(HandlerFailed)[failed:]
        assert not failures, failures[0].traceback


async def _nobody(_conn: Any) -> None:
    """There is no such service."""


_numbers = itertools.count(1)


class AtPage:
    """Somebody who speaks JSON with the chat, and has come in."""

    def __init__(self, conn: Socket, welcome: dict[str, Any] | None = None) -> None:
        """welcome: what was said to them when they came, in place of coming now."""
        self._ends = ExitStack()
        self.conn: Socket = conn if welcome else self._ends.enter_context(conn)
        if welcome is None:
            self.tell(do="come")
        self.name = str((welcome or self.hear("welcome"))["name"])

    def tell(self, **fields: Any) -> None:
        self.conn.send(json.dumps(fields))

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.conn.recv(PATIENCE))
        return found

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while (found := self.next())["is"] != kind:
            pass
        return found

    def say(self, text: str, room: str = "lobby") -> None:
        self.tell(do="say", room=room, id=f"{id(self)}-{next(_numbers)}", text=text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()


class Bystanders:
    """Ann at a page, and Bob by lines: what others do is not to hinder them."""

    def __init__(self, ann: AtPage, bob: Peer, number: int) -> None:
        self.ann = ann
        self.bob = bob
        self.name = f"Ann{number}"
        self._said = 0

    def hear_each_other(self, *, alone: bool = True) -> None:
        """Each says something; the other hears it. alone: and heard nothing else meanwhile."""
        self._said += 1
        texts = f"still here {self._said}", f"so am I {self._said}"
        self.ann.say(texts[0])
        line = self.bob.line()
        while not alone and texts[0] not in line:
            line = self.bob.line()
        assert line.partition(" ")[2] == f"{self.name}: {texts[0]}"
        self.bob.send(texts[1])
        heard = [self.ann.hear("said")["text"]]
        while heard[-1] != texts[1]:
            heard.append(self.ann.hear("said")["text"])
        assert not alone or heard == list(texts)
