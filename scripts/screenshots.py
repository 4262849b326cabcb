"""Take the pictures of the board's page that the documentation shows, into docs/pictures/.

It starts a board's page with a conversation that was made up, and looks at it with the Chromium of
this machine, at the size of a phone and of a desktop, light and dark. The machine needs fonts for
all that is said (Debian: fonts-noto-core, fonts-noto-cjk, fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from playwright.async_api import Browser, FilePayload, Page, ViewportSize, async_playwright

from jackfield.board import web
from jackfield.board.codes import picture_of
from jackfield.http.exchange import Exchange
from jackfield.net.connection import Connection
from jackfield.server import Server
from jackfield.services.chat import Chat
from jackfield.services.chat.history import Message, NewMessage, RoomRecord
from jackfield.services.chat.hub import LOBBY, Person, RoomState, direct_name
from jackfield.services.commands import wire

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"

SIZES: dict[str, ViewportSize] = {
    "390": {"width": 390, "height": 844},
    "1440": {"width": 1440, "height": 900},
}

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

ME = "Mara"
TOPIC = "Racks, sensors, and who has the key to 2.07"

WIKI = "The new switch is in rack 3. Port map is on the wiki: https://wiki.lab.example/racks/3"
CODE = """It treats each recv() as one message. Cut at the newline instead:
```python
async for line in conn:
    reading = json.loads(line)
    await store(reading)
```"""
CORDS = "@Mara the demo for the class is at 14:00 in room 2.07, could you bring the patch cords?"

SLIDES = "slides-week-9.pdf (2.3 MiB) https://board.lab.example/files/slides-week-9.pdf"

TALK = [  # seconds before now, who, what
    (18 * 3600, "Jonas", WIKI),
    (18 * 3600 - 60, "Jonas", "Cables are labelled this time, I promise."),
    (18 * 3600 - 240, "Priya", "A first. 🎉"),
    (2400, "李伟", "早上好！串口服务器今天能用了吗？"),
    (2290, "陈晓", "可以了，端口是 7001。用 `nc board 7001` 就能连上。"),
    (2250, "李伟", "太好了，谢谢！"),
    (1800, "Priya", "Does anybody know why the sensor reader keeps seeing half a line?"),
    (1710, "Jonas", CODE),
    (1650, "Priya", "That was it. Two years of 'flaky hardware' 😅"),
    (1500, "Tomás", CORDS),
    (1470, "Tomás", SLIDES),
    (1440, ME, "On my way with all forty of them."),
    (600, "陈晓", "@Mara 学生的邀请链接我已经发出去了，今天来 38 个人。"),
    (540, "Tomás", "Then we will see a full lobby for once."),
    (120, "Priya", "Reading values now, not a single broken line since 9:12."),
]
UNREAD = 3

ROOMS = [  # the last number there that has been read
    ("class-2b", "Jonas", "How do I leave the room again?", 0),
    ("deploy", "Jonas", "Version 0.9 is on both machines.", 1),
    ("机房", "陈晓", "空调已经修好了。", 1),
]
DIRECTS = [("Priya", "Coffee after the demo?", 0), ("李伟", "好的", 1)]

PEOPLE = ["Jonas", "Priya", "Tomás", "李伟", "陈晓", "Amélie", "Olu", "Sakura"]


class Guests:
    """Lets everybody in as the one whose page is looked at."""

    is_open = True

    async def sign_in(self, name: str, token: str, source: str) -> tuple[Person, str]:
        del token, source
        return Person(name), name

    async def by_session(self, secret: str) -> Person | None:
        return Person(secret)

    async def sign_out(self, secret: str) -> None:
        """Let them go."""


def service(name: str, state: str, ago: float, *endpoints: str, **more: Any) -> dict[str, Any]:
    """Make up how a service is."""
    usual = {"service": name, "why": "", "model": "asyncio", "connections": 0, "opened": 0}
    rates = {"refused": {}, "messages_per_second": 0.0, "bytes_per_second": 0.0}
    own = {"name": name, "state": state, "since": time.time() - ago, "endpoints": list(endpoints)}
    return usual | rates | own | more


def token(number: int, kind: str, name: str, used: float | None, **more: Any) -> dict[str, Any]:
    """Make up a token. used: seconds before now."""
    now = int(time.time())
    usual = {"role": "member", "label": "", "made": now - 86400 * 9, "expires": now + 86400 * 81}
    own = {"number": number, "kind": kind, "name": name, "uses": None, "state": "good"}
    return usual | own | {"own": False, "last_used": used and now - int(used)} | more


class Shown:
    """Has the board be as it is in the pictures, for whoever asks."""

    async def is_owner(self, secret: str) -> bool:
        return secret == ME

    async def answer(
        self, asked: dict[str, Any], secret: str, leaving: asyncio.Future[None]
    ) -> dict[str, Any]:
        del secret, leaving
        now = time.time()
        if asked["do"] == "invite":
            link = "https://board.lab.example/in/dgxouTfH_hWuo1NGhtxS7lWmjYnrJlHk3S5Fr-ERfq8"
            made = {"expires": now + asked["expires"], "uses": asked["uses"], "role": asked["role"]}
            return made | {"link": link, "picture": picture_of(link)}
        if asked["do"] == "tokens":
            return {
                "more": 0,
                "tokens": [
                    token(31, "session", "Sakura", 60),
                    token(30, "session", ME, 20, own=True),
                    token(28, "invite", "", 2400, uses=12, expires=now + 6 * 3600),
                    token(27, "session", "李伟", 2250),
                    token(26, "session", "Jonas", 1650),
                    token(25, "machine", "", 5, label="sensor reader", expires=None),
                    token(19, "invite", "", None, uses=1, role="operator"),
                ],
            }
        taken = "tcp://0.0.0.0:7020: this address is in use; another program listens there"
        lines = {"connections": 41, "opened": 1204, "refused": {"connections": 12, "idle": 3}}
        return {
            "name": "Network lab",
            "process": 2718,
            "since": now - 9 * 86400,
            "data": "/srv/lab",
            "people": 46,
            "store": {"state": "ok", "why": ""},
            "services": [
                service(
                    "chat",
                    "running",
                    9 * 86400,
                    "tcp://127.0.0.1:7000",
                    "tls://0.0.0.0:7001",
                    messages_per_second=86.4,
                    bytes_per_second=11264.0,
                    **lines,
                ),
                service(
                    "page",
                    "running",
                    3 * 3600,
                    "tls://0.0.0.0:7443",
                    connections=17,
                    opened=392,
                    messages_per_second=23.1,
                    bytes_per_second=48230.0,
                ),
                service("clock", "stopped", 1500, "udp://0.0.0.0:7013", service="time"),
                service("echo", "failed", 240, "tcp://0.0.0.0:7020", why=taken),
            ],
        }


LINK = "https://board.lab.example/files/"

FILES = [  # seconds before now, who, what, bytes
    (300, "Priya", "readings 2026-11-28.csv", 18_400_000),
    (1490, "Tomás", "slides-week-9.pdf", 2_412_000),
    (5000, ME, "port-map-rack-3.ods", 48_200),
    (90_000, "李伟", "实验报告-第九周.docx", 88_300),
    (190_000, "Jonas", "serial-server-firmware-1.4.2.bin", 524_288),
]


class Kept:
    """Has the board's files be these, for whoever asks."""

    async def about(self, secret: str) -> dict[str, Any]:
        del secret
        return {"put": True, "link": LINK}

    async def answer(self, exchange: Exchange, path: str, secret: str) -> None:
        del path, secret
        async for _ in exchange.pieces():  # of a file that stays on its way
            await asyncio.sleep(0.1)
        now = time.time()
        files = [
            {"name": name, "kind": "file", "size": size, "modified": now - ago, "put": now - ago}
            | {"owner": who, "mine": who == ME}
            for ago, who, name, size in FILES
        ]
        folder = {"name": "photos", "kind": "folder", "size": 0, "modified": now - 400_000}
        found = {"files": [*files, folder | {"mine": False}], "more": False}
        more = {"max_file": 10 << 30, "read_only": False, "no_remove": False}
        await exchange.respond(200, json.dumps(found | more), "application/json")

    async def make_token(self, secret: str) -> str:
        del secret
        return "dgxouTfH_hWuo1NGhtxS7lWmjYnrJlHk3S5Fr-ERfq8"


ALLOWED = [
    ("/usr/bin/df", ["-h"], False),
    ("/usr/bin/rsync", ["-av", "/srv/readings/", "[a-z-]+:readings/"], False),
    ("/usr/bin/systemctl", ["restart|status", "sensors|serial-server"], False),
    ("/usr/bin/uptime", [], False),
]

DF = """\
Filesystem      Size  Used Avail Use% Mounted on
/dev/nvme0n1p2  916G  311G  559G  36% /
/dev/sda1       3.6T  2.9T  532G  85% /srv
"""

RSYNC = [
    (wire.STDOUT, "sending incremental file list\n"),
    (wire.STDOUT, "2026-11-26.csv\n2026-11-27.csv\n"),
    (wire.STDERR, "rsync: [sender] send_files failed to open rack-3.csv: Permission denied (13)\n"),
    (wire.STDOUT, "2026-11-28.csv\n实验/温度.csv\n"),
]


class Ran:
    """Has commands be allowed, and run: `df` to its end, all others without one."""

    is_served = True

    async def may_run(self, secret: str) -> bool:
        del secret
        return True

    async def allowed(self, secret: str) -> list[dict[str, Any]]:
        del secret
        return [
            {"program": program, "name": Path(program).name, "args": args, "many": many}
            for program, args, many in ALLOWED
        ]

    async def serve(self, conn: Connection[Any], secret: str) -> None:
        del secret
        await conn.receive()
        await conn.send(wire.encode(wire.Welcome(wire.VERSION, ME)))
        run = wire.from_client(await conn.receive())
        assert isinstance(run, wire.Run)
        is_df = run.args[0] == "df"
        await conn.send(wire.encode(wire.Started()))
        for stream, text in [(wire.STDOUT, DF)] if is_df else RSYNC:
            await conn.send(wire.data(stream, text.encode()))
        if is_df:
            over = wire.Exit(0, None, "exit", 0, 0.006, 0, len(DF), 0)
            await conn.send(wire.encode(over))
        async for _ in conn:
            pass


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

    def out(self, room: str, why: str) -> None:
        """Nobody puts them out."""

    def became(self) -> None:
        """Nobody makes anything of them."""

    def read(self, room: str, number: int) -> None:
        """Nobody else is them."""

    def end(self, why: str) -> None:
        """Nobody sends them away."""


async def fill(chat: Chat) -> None:
    """Have the conversation take place."""
    hub, keep = chat.hub, chat.hub.history
    now = datetime.now().astimezone().replace(hour=10, minute=42).timestamp()
    key = Person(ME).key

    async def say(room: str, author: str, text: str, ago: float) -> None:
        with mock.patch("time.time", return_value=now - ago):
            await keep.append(NewMessage(room, author, f"{author}{ago}", text))

    await keep.make_room(RoomRecord(LOBBY))
    await keep.set_topic(LOBBY, TOPIC)
    for ago, author, text in TALK:
        await say(LOBBY, author, text, ago)
    await keep.join(key, LOBBY, len(TALK) - UNREAD)
    for name, author, text, read in ROOMS:
        await keep.make_room(RoomRecord(name, owner=Person(author).key))
        await say(name, author, text, 3000)
        await keep.join(key, name, read)
    for author, text, read in DIRECTS:
        room = direct_name(key, Person(author).key)
        await keep.make_room(RoomRecord(room, "direct"))
        await say(room, author, text, 900)
        await keep.join(key, room, read)
    await chat.open()
    for name in PEOPLE:
        await hub.come(Stood(name))


async def run_commands(page: Page) -> None:
    """Have two commands be run, of which one goes on."""
    await page.wait_for_selector(".allowed-one")
    for line, seen in (
        ("df -h", ".state.done"),
        ("rsync -av /srv/readings/ backup:readings/", ".line-of.err"),
    ):
        await page.fill("#run-line", line)
        await page.press("#run-line", "Enter")
        await page.wait_for_selector(seen)


async def take(browser: Browser, name: str, size: ViewportSize, scheme: Scheme) -> None:
    """Take the pictures of one size, light or dark."""
    chat = Chat()
    await fill(chat)
    is_phone = size["width"] < 900
    board = web.Page(
        chat, Guests(), name="Network lab", owner=Shown(), files=Kept(), commands=Ran()
    )
    async with Server(board.service(), "tcp://127.0.0.1:0") as server:
        context = await browser.new_context(
            viewport=size, color_scheme=scheme, locale="en-GB", has_touch=is_phone
        )
        page = await context.new_page()

        async def shoot(what: str) -> None:
            await page.mouse.move(0, 0)
            await page.wait_for_timeout(300)  # for what moves to have come to rest
            await page.screenshot(path=PICTURES / f"board-{what}-{name}.png")

        address = f"http://127.0.0.1:{server.endpoints[0].port}/"
        await page.goto(address)
        await page.fill("#name", ME)
        if is_phone:
            await shoot("door")
        await page.click("#door-go")
        await page.wait_for_selector(".message")
        await shoot("chat")
        if is_phone:
            await page.click("#side-button")
            await shoot("rooms")
        else:
            await page.keyboard.press("Control+k")
            await shoot("find")
            await page.keyboard.press("Escape")
        await page.goto(f"{address}#tab/files")
        await page.wait_for_selector(".file")
        await page.set_input_files(
            "#files-chosen",
            [
                FilePayload(name="lab-image.img", mimeType="", buffer=bytes(20_000_000)),
                FilePayload(name="slides-week-9.pdf", mimeType="", buffer=b"another one"),
            ],
        )
        await page.wait_for_selector(".upload .why")
        await page.wait_for_selector(".upload-note:has-text('/s')")
        await shoot("files")
        await page.goto(f"{address}#tab/commands")
        await run_commands(page)
        await shoot("commands")
        await page.goto(f"{address}#tab/board")
        await page.wait_for_selector(".service")
        await page.wait_for_selector(".token")
        await shoot("owner")
        if is_phone:
            await page.fill("#invite-uses", "30")
            await page.click("#invite-go")
            await page.wait_for_selector("#invite-made")
            await page.evaluate("document.activeElement.blur()")
            await shoot("invite")
        await context.close()


async def main() -> None:
    """Take all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("screenshots: needs chromium (Debian: apt install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in SCHEMES:
            for width, size in SIZES.items():
                await take(browser, f"{width}-{scheme}", size, scheme)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
