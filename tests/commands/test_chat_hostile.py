"""A chat that is up to no good, and who comes to it: the terminal shows no more than text.

What it shows is read by a terminal that fails on any sequence that the program does not use, and on
any character that cannot be seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield.framing.json_lines import JSONLines
from jackfield.net.connection import Connection
from jackfield.service import Service
from tests.commands.fullscreen import FullScreen
from tests.commands.people import Piped
from tests.live import Live

CSI = "\x1b[2J\x1b[31m\x1b[?1049l"
EVIL = f"<b>{CSI}\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x9b5n\x00\x08\r\u202e\u2066\u200bend"
"""Clears the screen, colours, leaves it, names the window, takes the clipboard, asks the terminal
to type, goes back, turns what follows around."""

HUGE = 5000


def room(name: str, topic: str = EVIL) -> dict[str, Any]:
    return {
        "room": name,
        "kind": "room",
        "topic": topic,
        "last": 0,
        "read": 0,
        "mentions": 0,
        "keeper": True,
    }


def said(number: int, **fields: Any) -> dict[str, Any]:
    message = {"room": "lobby", "number": number, "author": EVIL, "id": f"{number}", "text": EVIL}
    return {"is": "said", "at": 1.0} | message | fields


TOLD: list[dict[str, Any]] = [
    {"is": "here", "room": "lobby", "count": 2, "names": [EVIL, "x" * HUGE]},
    {"is": "room", "room": room("lobby", EVIL)},
    {"is": "room", "room": room(EVIL)},
    {"is": "room", "room": room("r" * HUGE, "t" * HUGE)},
    said(1),
    said(2, author="a" * HUGE),
    said(3, text="long " * HUGE),
    said(4, author="", text=""),
    said(5, text=f"@dora {EVIL}\n\t{EVIL}\n" * 3),
    {"is": "out", "room": EVIL, "why": EVIL},
    {"is": "error", "do": EVIL, "why": EVIL},
    {"is": EVIL, EVIL: EVIL},
    said(6, author="ann", text="that was all"),
]


@pytest.fixture
def server() -> Iterator[str]:
    """A chat that welcomes anybody and says all of that, at once and to whatever it is asked."""

    async def serve(conn: Connection[Any]) -> None:
        await conn.receive()
        welcome = {"is": "welcome", "name": "dora", "operator": False, "rooms": [room("lobby")]}
        await conn.send(welcome)
        for message in TOLD:
            await conn.send(message)
        async for asked in conn:
            await conn.send({"is": "error", "why": EVIL, "ask": asked.get("ask"), "id": EVIL})

    service = Service("chat", serve, JSONLines(1 << 20), silent=True)
    with Live(service, "ws://127.0.0.1:0/") as live:
        yield str(live.endpoints[0])


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"JACKFIELD_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}


def test_the_screen_shows_text_and_nothing_else(server: str, home: dict[str, str]) -> None:
    with FullScreen("chat", server, "--name", "dora", columns=80, **home) as dora:
        screen = dora.await_screen("that was all")
        assert "<b>" in screen
        dora.press("/topic x\r")
        dora.await_screen("* <b>")
        for hidden in ("\x07", "\x9b", "\x1b]", "\x1b[2J\x1b[31m", "\u202e", "\u2066"):
            assert hidden.encode() not in dora.read
        dora.press("\x03")
        assert dora.finish() == 130


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_lines_are_text_and_nothing_else(
    server: str, home: dict[str, str], how: tuple[str, ...]
) -> None:
    with Piped("chat", server, "--name", "dora", "--plain", *how, **home) as dora:
        dora.await_output("that was all")
        dora.write("hello\n")
        dora.await_error("<b>")
        text = dora.read.decode() + dora.errors.decode()
        for line in text.split("\n"):
            assert line.replace("\t", " ").isprintable(), line
        if how:
            assert json.loads(dora.read.decode().splitlines()[-1])["text"] == "that was all"
