"""A board's page that is served, and Chromium to look at it with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from jackfield.board import web
from jackfield.framing import lines
from jackfield.server import Server
from jackfield.service import Service
from jackfield.services.chat import LONGEST_LINE, Chat
from jackfield.services.chat.history import Message, NewMessage
from jackfield.services.chat.hub import LOBBY, Person, RoomState
from tests.live import Live, Peer, free_port
from tests.pages import Names

CHROMIUM = shutil.which("chromium") or ""

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}

expect.set_options(timeout=20_000)


class Board:
    """A board: its chat, its page, and its lines. It can be stopped, and started where it was."""

    def __init__(
        self, tokens: dict[str, str] | None = None, prefix: str = "", name: str = "The lab"
    ) -> None:
        self.chat = Chat()
        self.people = Names(self.chat.hub, tokens)
        page = web.Page(self.chat, self.people, name=name, prefix=prefix)
        self.live = Live(page.service(), f"tcp://127.0.0.1:{free_port()}", drain=0.1)
        service = Service(
            "lines", self.chat.by_lines, lines(encoding=None, max_message=LONGEST_LINE), silent=True
        )
        self.lines = Server(service, "tcp://127.0.0.1:0")
        self.url = f"http://127.0.0.1:{self.live.server._wanted[0].port}{prefix}/"

    def __enter__(self) -> Self:
        self.live.__enter__()
        self.live.wait_for(self.lines.start())
        self.live.wait_for(self.chat.open())
        return self

    def __exit__(self, *error: object) -> None:
        self.live.wait_for(self.lines.stop(0.1))
        self.live.__exit__(None, None, None)

    def stop(self) -> None:
        """Stop the page, whoever looks at it."""
        self.live.stop(0.1)

    def start(self) -> None:
        """Start it again, at the same address."""
        self.live.wait_for(self.live.server.start())

    def keep(self, author: str, *texts: str, room: str = LOBBY) -> None:
        """Have been said, by somebody who is not here."""
        count = len(self.said(room))
        for number, text in enumerate(texts):
            message = NewMessage(room, author, f"{author}-{count + number}", text)
            self.live.wait_for(self.chat.hub.history.append(message))

    def said(self, room: str = LOBBY) -> list[str]:
        """All that was said in a room, as it is kept."""
        found: list[str] = []
        last = 0
        while page := self.live.wait_for(self.chat.hub.history.page(room, after=last, most=200)):
            found += [message.text for message in page]
            last = page[-1].number
        return found

    def crowd(self, *names: str) -> None:
        """Have these come, all at once."""

        async def come() -> None:
            for name in names:
                await self.chat.hub.come(Stood(name))

        self.live.wait_for(come())

    def typing(self, name: str) -> Peer:
        """Somebody who comes by lines."""
        peer = Peer(self.lines.endpoints[0])
        peer.send(name)
        while "Hello" not in peer.line():
            pass
        return peer


class Stood:
    """Somebody who is here, and does nothing."""

    def __init__(self, name: str) -> None:
        self.person = Person(name)

    def said(self, messages: Sequence[Message]) -> None:
        """Hear nothing."""

    def changed(self, room: RoomState) -> None:
        """Hear nothing of it."""

    def here(self, room: RoomState) -> None:
        """Hear nothing of it."""

    def became(self) -> None:
        """They may do more now, or less."""

    def read(self, room: str, number: int) -> None:
        """They have read nothing elsewhere."""

    def out(self, room: str, why: str) -> None:
        """Nobody puts them out."""

    def end(self, why: str) -> None:
        """Nobody sends them away."""


class Visitor:
    """Somebody at a page: what went wrong there is noted, and what it asked of whom."""

    def __init__(self, board: Board, browser: Browser, **context: Any) -> None:
        context = {"viewport": DESKTOP, "locale": "en-GB"} | context
        self.context: BrowserContext = browser.new_context(**context)
        self.context.set_default_timeout(20_000)
        self.board = board
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.expected = ""  # in errors that are none, since the test brings them about
        self.elsewhere: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.context.on("request", self._watch)

    def _note(self, message: ConsoleMessage) -> None:
        is_expected = bool(self.expected) and self.expected in message.text
        if message.type in {"error", "warning"} and not is_expected:
            self.errors.append(message.text)

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.board.url, "data:")):
            self.elsewhere.append(request.url)

    def come(self, name: str) -> Self:
        """Come in by a name."""
        self.page.goto(self.board.url)
        self.page.fill("#name", name)
        self.page.click("#door-go")
        expect(self.page.locator(".link-state.open")).to_have_count(1)
        return self

    def say(self, text: str) -> None:
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    @property
    def texts(self) -> list[str]:
        """The messages that are shown, from top to bottom."""
        return self.page.locator(".message .text").all_inner_texts()

    def sees(self, *texts: str) -> None:
        """Wait until the last messages shown are these."""
        shown = self.page.locator(".message .text")
        expect(shown.last).to_have_text(texts[-1])
        assert self.texts[-len(texts) :] == list(texts)

    def room(self, name: str) -> Any:
        """The entry of a room in the list."""
        return self.page.locator(".room", has=self.page.get_by_text(name, exact=True))


@contextmanager
def visiting(board: Board, browser: Browser, **context: Any) -> Iterator[Visitor]:
    """Have a visitor, and see that nothing went wrong at their page."""
    visitor = Visitor(board, browser, **context)
    try:
        yield visitor
        assert visitor.errors == []
        assert visitor.elsewhere == []
    finally:
        visitor.context.close()
