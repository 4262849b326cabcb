"""Three people in one room: at the page, at `jackfield chat`, and by `nc`.

The network of the first two is cut, the board is ended in the middle, and people go on typing. At
the end there is one transcript: what the store has is what all three see.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Browser, Page, expect

from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.services.chat.history import Message
from tests.cable import Cable
from tests.commands.fullscreen import FullScreen
from tests.commands.people import end, read_until
from tests.commands.test_up import Up, link_in

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not shutil.which("nc"), reason="there is no nc on this machine"),
]

ROOM = "plans"
_SAID = re.compile(r"\d\d:\d\d (?:#plans )?(\w+): (.*)")

Said = list[tuple[str, str]]
"""Author and text, in order."""


class Netcat:
    """Somebody at `nc`."""

    def __init__(self, port: int) -> None:
        command = ["nc", "127.0.0.1", str(port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0)
        self.read = bytearray()

    def type(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def sees(self, text: str) -> str:
        """Wait until a text has come; give all that has."""
        assert self.process.stdout is not None
        read_until(self.process.stdout.fileno(), lambda read: text.encode() in read, self.read)
        return self.read.decode()

    def ask(self, command: str, until: str) -> str:
        """Type a command; give what comes from then on, once it has all of it."""
        self.read.clear()
        self.type(command)
        return self.sees(until)

    def come(self, name: str) -> None:
        """Come into the room; nothing that was shown on the way counts as heard."""
        self.sees("your name?")
        self.type(name, f"/join {ROOM}")
        self.sees(f"You are in {ROOM} with")
        self.ask("/who", f"in {ROOM}:")
        self.read.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Three:
    """A board, and three people in a room of it: Mia at the page, Tom in a terminal, Nora by nc.

    Mia and Tom have cables of their own.
    """

    def __init__(self, folder: Path, browser: Browser) -> None:
        self._folder = folder
        self._browser = browser
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.board = stack.enter_context(Up(self._folder))
            self._cables = [stack.enter_context(Cable(self.board.ports["page"])) for _ in range(2)]
            self.mia = self._at_page(stack, link_in(self.board.text))
            self.tom = self._in_terminal(stack)
            self._nc = stack.enter_context(ExitStack())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _by(self, cable: Cable, link: str) -> str:
        return link.replace(f":{self.board.ports['page']}/", f":{cable.port}/")

    def _at_page(self, stack: ExitStack, link: str) -> Page:
        context = stack.enter_context(self._browser.new_context(locale="en-GB"))
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(self._by(self._cables[0], link))
        page.fill("#name", "Mia")
        page.click("#door-go")
        expect(page.locator(".link-state.open")).to_have_count(1, timeout=20_000)
        self.page_says(page, f"/join {ROOM}")
        expect(page.locator("#room-name")).to_have_text(f"#{ROOM}", timeout=20_000)
        return page

    def _in_terminal(self, stack: ExitStack) -> FullScreen:
        link = json.loads(self.board.told("invite", "--json"))["link"]
        arguments = ("chat", self._by(self._cables[1], link), "--name", "Tom", "--room", ROOM)
        home = {"JACKFIELD_HOME": str(self._folder / "home"), **self.board.env}
        tom = stack.enter_context(FullScreen(*arguments, columns=100, **home))
        tom.await_screen(f"│ #{ROOM}")
        tom.await_screen("2 here: Mia, Tom")
        return tom

    @staticmethod
    def page_says(page: Page, text: str) -> None:
        page.fill("#text", text)
        page.press("#text", "Enter")

    def nora_comes(self) -> None:
        """Have Nora come, or come again."""
        self._nc.close()
        self.nora = self._nc.enter_context(Netcat(self.board.ports["chat"]))
        self.nora.come("Nora")

    def cut(self) -> None:
        """Take the network from Mia and Tom; they notice."""
        for cable in self._cables:
            cable.cut()
        self.notice()

    def notice(self) -> None:
        """Wait until Mia and Tom see that they are cut off."""
        expect(self.mia.locator("#banner.lost")).to_be_visible(timeout=20_000)
        self.tom.await_screen("reconnecting")

    def mend(self) -> None:
        for cable in self._cables:
            cable.mend()

    def type_meanwhile(self, mias: str, toms: str) -> None:
        """Have those who are cut off type; they see that it waits."""
        self.page_says(self.mia, mias)
        expect(self.mia.locator(".waiting .text")).to_have_text([mias], timeout=20_000)
        self.tom.press(f"{toms}\r")
        self.tom.await_screen(f"… Tom: {toms}")

    def await_all(self, *texts: str) -> None:
        """Wait until Mia and Tom see these, as kept, and Nora does who has not typed them."""
        for text in texts:
            kept = self.mia.locator(".message:not(.waiting) .text")
            expect(kept.get_by_text(text, exact=True)).to_have_count(1, timeout=20_000)
            self.tom.await_screen(f": {text}")
        expect(self.mia.locator(".waiting")).to_have_count(0, timeout=20_000)
        read_until(self.tom.keyboard, lambda _: "…" not in self.tom.screen, self.tom.read)

    # What each of them sees of the whole

    def at_page(self) -> list[str]:
        return self.mia.locator(".message .text").all_inner_texts()

    def in_terminal(self) -> Said:
        return said_in("\n".join(row.partition("│")[2] for row in self.tom.screen.splitlines()))


def said_in(text: str) -> Said:
    """Read what is shown on lines of a terminal."""
    return [(line[1], line[2]) for row in text.splitlines() if (line := _SAID.match(row.strip()))]


async def read_store(path: Path) -> list[Message]:
    database = await Database.open(str(path))
    try:
        return await StoredHistory(database).page(ROOM, after=0, most=200)
    finally:
        await database.close()


def stored(path: Path) -> Said:
    """All that a board's store has of the room, once the board has ended."""
    with ThreadPoolExecutor(1) as thread:  # Playwright has the event loop of this one
        page = thread.submit(lambda: asyncio.run(read_store(path))).result()
    assert [message.number for message in page] == list(range(1, len(page) + 1))
    return [(message.author, message.text) for message in page]


# How the board ends in the middle; each is done while both cables are whole, and gives it back.

Meanwhile = Callable[[], None]


def kill(three: Three, meanwhile: Meanwhile) -> None:
    """It is killed, and started again with the same data."""
    three.board.process.process.kill()
    three.board.process.finish()
    meanwhile()
    three.board = three._stack.enter_context(Up(three._folder))


def down_and_up(three: Three, meanwhile: Meanwhile) -> None:
    """Its owner takes it down and starts it again."""
    assert three.board.told("down") == "The lab stops.\n"
    assert three.board.process.finish()[0] == 0
    meanwhile()
    three.board = three._stack.enter_context(Up(three._folder))


def restart(three: Three, meanwhile: Meanwhile) -> None:
    """Its services are stopped and started, while the process goes on."""
    assert three.board.told("stop") == "chat, page, files, clock: stopped.\n"
    meanwhile()
    assert three.board.told("start") == "chat, page, files, clock: started.\n"
    assert "restarted" in three.board.told("restart")


@pytest.mark.timeout(180)
@pytest.mark.long
@pytest.mark.parametrize("ended", [kill, down_and_up, restart])
def test_three_people_agree_on_what_was_said(
    tmp_path: Path, browser: Browser, ended: Callable[[Three, Meanwhile], None]
) -> None:
    with Three(tmp_path, browser) as three:
        # They talk, and who comes later sees what was said before.
        three.page_says(three.mia, "早上好, shall we plan")
        three.await_all("早上好, shall we plan")
        three.tom.press("the terminal is ready\r")
        three.await_all("the terminal is ready")
        three.nora_comes()
        shown = said_in(three.nora.ask("/history", "is ready\n"))
        assert shown == [("Mia", "早上好, shall we plan"), ("Tom", "the terminal is ready")]
        three.tom.await_screen("3 here: Mia, Nora, Tom")
        three.nora.type("so is nc")
        three.await_all("so is nc")

        # They search.
        found = said_in(three.nora.ask("/search 早上", "plan\n"))
        assert found == [("Mia", "早上好, shall we plan")]
        three.tom.press("/search terminal\r")
        three.tom.await_screen(f"#{ROOM} Tom: the terminal is ready")
        page = three.mia
        page.keyboard.press("Control+k")
        page.keyboard.type("nc")
        page.get_by_role("option", name="Search messages").click()
        expect(page.locator("#search-list .text")).to_have_text(["so is nc"], timeout=20_000)
        page.keyboard.press("Escape")

        # Two of them lose the network, and type; the third talks on.
        three.nora.read.clear()
        three.cut()
        three.type_meanwhile("Mia without a network", "Tom without a network")
        three.nora.type("they do not hear this", "nor this")
        three.mend()
        three.await_all(
            "they do not hear this", "nor this", "Mia without a network", "Tom without a network"
        )
        heard = three.nora.sees("Mia without a network\n") and three.nora.sees("Tom without")
        assert sorted(said_in(heard)) == [
            ("Mia", "Mia without a network"),
            ("Tom", "Tom without a network"),
        ]

        # The board ends, and is there again; who has only nc comes again by hand.
        def meanwhile() -> None:
            three.notice()
            three.type_meanwhile("Mia without a board", "Tom without a board")

        ended(three, meanwhile)
        three.await_all("Mia without a board", "Tom without a board")
        three.nora_comes()
        three.nora.type("here I am again")
        three.await_all("here I am again")
        three.tom.press("then we agree\r")
        three.await_all("then we agree")
        assert said_in(three.nora.sees("we agree\n")) == [("Tom", "then we agree")]

        by_nc = said_in(three.nora.ask("/history 200", "we agree\n"))
        in_terminal, at_page = three.in_terminal(), three.at_page()
        page.reload()
        expect(page.locator(".message .text").last).to_have_text("then we agree", timeout=20_000)
        assert three.at_page() == at_page
        assert three.board.stop(signal.SIGTERM) == 0
        kept = stored(tmp_path / "data" / "board.db")
        assert len(kept) == 11
        assert len(set(kept)) == 11
        assert by_nc == kept
        assert in_terminal == kept
        assert at_page == [text for _, text in kept]
