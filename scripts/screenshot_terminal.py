"""Take the picture of `jackfield chat` that the documentation shows, into docs/pictures/.

A board runs, some people talk in it by lines, and the real client shows it in a terminal of tmux.
What stands there, cell by cell, is painted by the Chromium of this machine. It needs tmux, and
fonts for all that is said (Debian: fonts-dejavu-core, fonts-noto-cjk, fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.async_api import async_playwright

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "chat-terminal.png"

COLUMNS, ROWS = 96, 24
CELL_WIDTH, CELL_HEIGHT, SIZE = 9, 20, 15
"""Pixels of a cell, and of its font: DejaVu Sans Mono is 0.602 of its size wide."""

PATIENCE = 30.0
"""Seconds for what is waited for."""

ME = "mara"
OTHERS = ["jonas", "priya", "tomás", "李伟", "陈晓", "olu"]

SAID = [  # to be read already when the picture is taken
    ("jonas", "The new switch is in rack 3, and this time the cables are labelled."),
    ("priya", "A first. 🎉"),
    ("李伟", "早上好！串口服务器今天能用了吗？"),
    ("陈晓", "可以了，端口是 7001。用 nc board 7001 就能连上，不用装任何东西。"),
    ("priya", "Does anybody know why the sensor reader keeps seeing half a line?"),
    ("jonas", "It takes each recv() for one message. Cut at the newline, and it will hold."),
    ("mara", "Or have jackfield serve it: a message there is a whole line, always."),
    ("priya", "That was it. Two years of 'flaky hardware' 😅"),
]
NEW = [
    ("tomás", "@mara the demo for the class is at 14:00 in 2.07, could you bring the patch cords?"),
    ("陈晓", "@mara 学生的邀请链接我已经发出去了，今天来 38 个人。"),
    ("jonas", "Then we will see a full lobby for once."),
]
ELSEWHERE = [
    ("deploy", "jonas", "@mara version 0.9 is on both machines."),
    ("机房", "陈晓", "空调修好了"),
]
TOPIC = "Racks, sensors, and who has the key to 2.07"

CONFIG = """
[board]
name = "Network lab"
[services.chat]
endpoints = ["unix://{folder}/chat"]
[services.page]
endpoints = ["tcp://127.0.0.1:0"]
"""

COLOURS = [
    *("#2a3138", "#f08a72", "#8bd49c", "#e8c16a", "#84bdf7", "#d9a5e8", "#6fd6cb", "#d7dee3"),
    *("#7d8a95", "#ffa491", "#a8e6b5", "#f6d78e", "#a5d0ff", "#e9c1f5", "#93e8de", "#ffffff"),
]
"""The 16 of a terminal: black, red, green, yellow, blue, magenta, cyan, white; and bright ones."""

INK, PAPER = "#dfe5e9", "#12181c"


@dataclass(frozen=True, slots=True)
class Look:
    """How a cell looks: what SGR has said of it."""

    ink: str = ""
    paper: str = ""
    bold: bool = False
    dim: bool = False
    underlined: bool = False
    reversed: bool = False

    def after(self, code: int) -> Look:
        """Give how it looks after one more number of SGR."""
        flags = {1: "bold", 2: "dim", 4: "underlined", 7: "reversed"}
        if code == 0:
            return Look()
        if code in flags:
            return replace(self, **{flags[code]: True})  # type: ignore[arg-type]  # all are bool
        for first, name in ((30, "ink"), (40, "paper"), (90, "ink"), (100, "paper")):
            if 0 <= code - first < 8:
                colour = COLOURS[code - first + (8 if first >= 90 else 0)]
                return replace(self, **{name: colour})  # type: ignore[arg-type]  # both are str
            if code == first + 9:
                return replace(self, **{name: ""})  # type: ignore[arg-type]
        raise ValueError(code)

    @property
    def style(self) -> str:
        """The same in CSS."""
        ink, paper = self.ink or INK, self.paper
        if self.reversed:
            ink, paper = paper or PAPER, ink
        parts = [f"color:{ink}"]
        if paper:
            parts.append(f"background:{paper}")
        if self.bold:
            parts.append("font-weight:700")
        if self.dim:
            parts.append("opacity:.62")
        if self.underlined:
            parts.append("text-decoration:underline")
        return ";".join(parts)


def width_of(char: str) -> int:
    """Give how many cells a character takes; 0 for a mark on the one before."""
    if unicodedata.combining(char) or char in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cells_of(line: str) -> list[tuple[str, int, Look]]:
    """Give the characters of a captured line, each with its width and its look."""
    found: list[tuple[str, int, Look]] = []
    look = Look()
    for part in re.split(r"(\x1b\[[\d;]*m|\x1b\([0B]|\x0e|\x0f)", line):
        if part.startswith("\x1b["):
            for code in part[2:-1].split(";"):
                look = look.after(int(code or 0))
        elif part and part[0] not in "\x1b\x0e\x0f":
            for char in part:
                width = width_of(char)
                if width:
                    found.append((char, width, look))
                else:
                    before, cells, same = found[-1]
                    found[-1] = (before + char, cells, same)
    return found


def page_of(lines: list[str], cursor: tuple[int, int]) -> str:
    """Paint what was captured: every run of text stands at its column, to the pixel."""
    spans = []
    for row, line in enumerate(lines):
        column = 0
        runs = itertools.groupby(cells_of(line), key=lambda cell: (cell[0] == "│", *cell[1:]))
        for (_, width, look), run in runs:
            chars = [char for char, _, _ in run]
            for text in chars if width == 2 else ["".join(chars)]:
                cells = width if width == 2 else len(chars)
                place = f"left:{column * CELL_WIDTH}px;top:{row * CELL_HEIGHT}px"
                kind = "wide" if width == 2 else "bar" if text == "│" else ""
                style = f"{place};width:{cells * CELL_WIDTH}px;{look.style}"
                spans.append(f'<span class="{kind}" style="{style}">{html.escape(text)}</span>')
                column += cells
        assert column <= COLUMNS, (row, column)
    left, top = cursor[0] * CELL_WIDTH, cursor[1] * CELL_HEIGHT
    spans.append(f'<i style="left:{left}px;top:{top}px"></i>')
    return f"""<!doctype html><meta charset="utf-8"><style>
        body {{ margin: 0; background: transparent; }}
        main {{ width: max-content; border-radius: 10px; background: {PAPER}; overflow: hidden;
                border: 1px solid #38444c; }}
        header {{ height: 34px; background: #202a31; color: #a9b7bf; display: flex; gap: 7px;
                  align-items: center; padding: 0 14px; font: 13px "Noto Sans", sans-serif; }}
        header b {{ width: 11px; height: 11px; border-radius: 50%; background: #46535c; }}
        header span {{ margin-left: 8px; }}
        div {{ position: relative; margin: 12px 14px; width: {COLUMNS * CELL_WIDTH}px;
               height: {ROWS * CELL_HEIGHT}px; }}
        div span, i {{ position: absolute; height: {CELL_HEIGHT}px; white-space: pre;
            font: {SIZE}px/{CELL_HEIGHT}px "DejaVu Sans Mono", "Noto Sans Mono CJK SC",
            "Noto Color Emoji"; letter-spacing: {CELL_WIDTH - SIZE * 0.60205:.4f}px; }}
        .bar {{ transform: scaleY(1.25); }}
        div .wide {{ letter-spacing: 0; text-align: center; font-size: {SIZE + 1.5}px;
            font-family: "Noto Sans Mono CJK SC", "Noto Color Emoji"; }}
        i {{ width: {CELL_WIDTH}px; background: {INK}; opacity: .75; }}
        </style><main><header><b></b><b></b><b></b><span>jackfield chat</span></header>
        <div>{"".join(spans)}</div></main>"""


def environment(folder: Path) -> dict[str, str]:
    """The environment in which the board and its client run: it is 10:42 there."""
    now = time.gmtime()
    ahead = (10 * 60 + 42 - now.tm_hour * 60 - now.tm_min) % (24 * 60)
    ahead -= 24 * 60 if ahead > 12 * 60 else 0
    zone = f"LAB{'-' if ahead >= 0 else '+'}{abs(ahead) // 60}:{abs(ahead) % 60:02}"
    own = {
        "HOME": str(folder),
        "JACKFIELD_DATA": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder),
        "LOGNAME": ME,
        "LC_ALL": "C.UTF-8",
        "TZ": zone,
    }
    return {"PATH": os.environ["PATH"]} | own


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[None]:
    """Have a board run."""
    config = folder / "jackfield.toml"
    config.write_text(CONFIG.format(folder=folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jackfield", "up", "--open", "--config", str(config)),
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while b"invite lets others in" not in await process.stdout.readline():
            assert process.returncode is None
        yield
    finally:
        process.terminate()
        await process.communicate()


class Talker:
    """Somebody who talks by lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def come(cls, folder: Path, name: str) -> Talker:
        """Come in."""
        talker = cls(*await asyncio.open_unix_connection(str(folder / "chat")))
        talker.say(name)
        await talker.hear("Hello")
        return talker

    def say(self, text: str) -> None:
        """Say something."""
        self._writer.write(f"{text}\n".encode())

    async def hear(self, heard: str) -> None:
        """Wait until this is said by somebody else, or told by the board."""
        async with asyncio.timeout(PATIENCE):
            while heard not in (line := (await self._reader.readline()).decode()):
                assert line, f"the board has ended before it said {heard!r}"

    def go(self) -> None:
        """Leave."""
        self._writer.close()


class Terminal:
    """A terminal of tmux in which the client runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def tmux(self, *arguments: str) -> str:
        """Have tmux do something; give what it says."""
        process = await asyncio.create_subprocess_exec(
            *("tmux", "-f", os.devnull, "-S", str(self._folder / "tmux"), *arguments),
            env=environment(self._folder),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return said.decode()

    async def start(self) -> None:
        """Start the client."""
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        command = f"exec {sys.executable} -m jackfield chat"
        await self.tmux("new-session", "-d", *size, command, ";", "set", "-g", "status", "off")

    async def type(self, text: str) -> None:
        """Type a line."""
        await self.tmux("send-keys", "-l", text)
        await self.tmux("send-keys", "Enter")

    async def shows(self, holds: Callable[[str], bool]) -> str:
        """Wait until what it shows is right; give that, with its escape sequences."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if holds(await self.tmux("capture-pane", "-p")):
                    return await self.tmux("capture-pane", "-e", "-p", "-N")
                await asyncio.sleep(0.1)


async def converse(folder: Path, terminal: Terminal) -> tuple[list[str], tuple[int, int]]:
    """Have them talk; give the lines of the terminal, and where its cursor is."""
    people = {name: await Talker.come(folder, name) for name in OTHERS}
    witness = people.pop("olu")

    async def go(name: str, room: str) -> None:
        people[name].say(f"/join {room}")
        await people[name].hear(room)

    await terminal.start()
    await terminal.shows(lambda shown: "connected" in shown and "#lobby" in shown)
    for room, name, _ in ELSEWHERE:
        await go(name, room)
        await go(name, "lobby")
        await terminal.type(f"/join {room}")
        await terminal.shows(lambda shown, room=room: f"│ #{room}" in shown)  # type: ignore[misc]
    await terminal.type("/join lobby")
    await terminal.shows(lambda shown: "│ #lobby" in shown)
    await terminal.type(f"/topic {TOPIC}")
    await terminal.shows(lambda shown: TOPIC in shown)
    for name, text in SAID:
        if name == ME:
            await terminal.type(text)
        else:
            people[name].say(text)
        await witness.hear(text)
    await terminal.shows(lambda shown: SAID[-1][1] in shown)
    await terminal.tmux("send-keys", "C-n")  # so that what comes next is new
    await terminal.shows(lambda shown: "│ #lobby" not in shown)
    for name, text in NEW:
        people[name].say(text)
        await witness.hear(text)
    await terminal.shows(lambda shown: "@2" in shown)
    await terminal.type("/join lobby")
    await terminal.shows(lambda shown: NEW[-1][1] in shown)
    for room, name, text in ELSEWHERE:
        await go(name, room)
        people[name].say(text)
        await go(name, "lobby")
    await terminal.tmux("send-keys", "-l", "On my way with all forty of them")
    shown = await terminal.shows(lambda shown: "forty" in shown and "@1" in shown)
    column, row = (await terminal.tmux("display", "-p", "#{cursor_x} #{cursor_y}")).split()
    for one in (witness, *people.values()):
        one.go()
    return shown.splitlines(), (int(column), int(row))


async def main() -> None:
    """Take the picture."""
    chromium = shutil.which("chromium")
    if chromium is None or shutil.which("tmux") is None:
        sys.exit("screenshot_terminal: needs chromium and tmux (Debian: apt install chromium tmux)")
    with tempfile.TemporaryDirectory(prefix="jf") as name:
        folder = Path(name)
        async with running(folder):
            terminal = Terminal(folder)
            try:
                lines, cursor = await converse(folder, terminal)
            finally:
                await terminal.tmux("kill-server")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(device_scale_factor=2)
        await page.set_content(page_of(lines, cursor))
        await page.locator("main").screenshot(path=PICTURE, omit_background=True)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
