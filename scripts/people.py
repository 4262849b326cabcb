"""Have 2,000 people in one board for five minutes, a tenth of whom come and go; see what is lost.

    python scripts/people.py [SECONDS [PEOPLE]]

The board is `jackfield up --open`, with its store on disk. Half of the people are pages, by
WebSocket, and half type lines. Ten times a second somebody says something, and all others hear it.
A tenth, who are pages, stay for a few seconds, are gone for a few, by a close or by a cut
connection, come back by their token, and ask for what they missed after the last number they have
seen.

Fails when anybody misses a message, has one twice or out of order, or another than was said; or
when the board's resident memory, once the first `SETTLE` seconds are over, is not flat to 5 %.
Linux only.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.machine import allow_connections  # noqa: E402  it runs as a file
from benchmarks.servers.programs import free_port  # noqa: E402
from benchmarks.tongues import CHAT, PAGE, ROOM, SIZE, UPGRADE, Tongue, frame  # noqa: E402
from scripts.hold_connections import FLAT, LOOK, resident  # noqa: E402

RATE = 10.0
"""Messages a second."""

SETTLE = 90.0
"""Seconds in which memory comes to rest. What grows after that is the store's cache of what is
said, which has a bound: a megabyte for some four thousand messages."""

IN = (1.0, 6.0)
AWAY = (0.5, 3.0)
"""Seconds for which those who come and go are here, and are not."""

AT_ONCE = 50
"""People who come in at a time, at first."""

MOST_PAGE = 100
"""Messages that are asked for at a time."""

TRIES = 3
PATIENCE = 60.0
"""Seconds after which what was to happen has not."""

CONFIG = """
[services.chat]
endpoints = ["tcp://127.0.0.1:{chat}"]
limits = {{ connections_per_source = 10000 }}
[services.page]
endpoints = ["tcp://127.0.0.1:{page}"]
limits = {{ connections_per_source = 10000 }}
"""

T = TypeVar("T")
_NUMBER = re.compile(rb'"number":(\d+),')


class Told:
    """What was said, and what came of it.

    said: texts -> how many were said before. order: the room's numbers -> texts.
    wrong, count: what went wrong, and what else there is to tell, by name.
    """

    def __init__(self) -> None:
        self.said: dict[bytes, int] = {}
        self.order: dict[int, bytes] = {}
        self.wrong: Counter[str] = Counter()
        self.count: Counter[str] = Counter()
        self.is_over = False

    def next_text(self) -> bytes:
        """Give something to say that nobody has said."""
        text = (b"%07d hello there, who is here and what is there to say" % len(self.said)).ljust(
            SIZE, b"."
        )
        self.said[text] = len(self.said)
        return text


class Peer(asyncio.Protocol):
    """One connection of somebody."""

    tongue: Tongue

    def __init__(self, told: Told, name: str) -> None:
        self.told = told
        self.name = name
        self.is_in = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._leaves = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no asyncio.Transport, though it does what that says
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        units, taken = self.tongue.cut(data)
        self._rest = data[taken:]
        for unit in units:
            self.take(unit)

    def take(self, unit: bytes) -> None:
        """Take a line, or a message."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_in.done():
            self.is_in.set_exception(ConnectionError(f"{self.name} was not let in"))
        elif not self._leaves and not self.told.is_over:
            self.told.wrong["lost by the board"] += 1

    def go(self) -> None:
        """Leave, or be cut off."""
        self._leaves = True
        if random.random() < 0.5:  # noqa: S311  how, is for chance
            self.transport.close()
        else:
            self.transport.abort()


class Typist(Peer):
    """Somebody who types lines. They see no numbers, so that their order is compared at the end."""

    tongue = CHAT

    def __init__(self, told: Told, name: str) -> None:
        super().__init__(told, name)
        self.heard = array("I")  # what they were shown, as numbers of what was said
        self.own: set[int] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self.name.encode() + b"\n")

    def take(self, unit: bytes) -> None:
        if b" p" in unit[:8]:
            number = self.told.said.get(unit[-SIZE:])
            if number is None:
                self.told.wrong["never said"] += 1
            else:
                self.heard.append(number)
                self.told.count["deliveries"] += 1
        elif b"quit leaves." in unit:
            self.is_in.set_result(None)
        elif unit.startswith(b"* ") and self.is_in.done():
            self.told.wrong[unit[2:60].decode()] += 1

    def say(self, text: bytes) -> None:
        """Say something; it is not shown to them."""
        self.own.add(self.told.said[text])
        self.transport.write(text + b"\n")

    def has_all(self) -> bool:
        """Whether they have heard as much as there is."""
        return len(self.heard) + len(self.own) >= len(self.told.said)

    def check(self, order: list[int]) -> None:
        """Compare what they were shown with what was said, in the room's order."""
        wrong = self.told.wrong
        due = [number for number in order if number not in self.own]
        shown = Counter(self.heard)
        wrong["missing"] += sum(number not in shown for number in due)
        wrong["twice"] += len(self.heard) - len(shown)
        wrong["out of order"] += sorted(due) == sorted(self.heard) and due != list(self.heard)


class Visitor:
    """Somebody with a page, over all of their connections. last: the number they have seen."""

    def __init__(self, told: Told, name: str) -> None:
        self.told = told
        self.name = name
        self.token = ""
        self.last = 0
        self.page: Page | None = None

    def accept(self, number: int, text: bytes) -> None:
        """See the next message."""
        self.last = number
        self.told.count["deliveries"] += 1
        if text not in self.told.said:
            self.told.wrong["never said"] += 1
        elif self.told.order.setdefault(number, text) != text:
            self.told.wrong["different from what others have"] += 1

    def say(self, text: bytes) -> None:
        """Say something; it is heard as everything else is."""
        assert self.page is not None
        id_ = f"{self.name}-{self.told.said[text]}"
        self.page.send({"do": "say", "room": ROOM, "id": id_, "text": text.decode()})

    def has_all(self) -> bool:
        """Whether they have heard as much as there is."""
        return self.last >= len(self.told.said)

    def check(self, _order: list[int]) -> None:
        """Say what is missing; the rest was compared when it came."""
        self.told.wrong["missing"] += len(self.told.said) - self.last


class Page(Peer):
    """A connection of a page."""

    tongue = PAGE

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(visitor.told, visitor.name)
        self._visitor = visitor
        self._ahead: dict[int, bytes] = {}  # heard while what is before it was asked for
        self._known = 0  # the last number that a page has had, or is to have, when they came

    def send(self, what: Mapping[str, object]) -> None:
        """Send a message."""
        self.transport.write(frame(what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(UPGRADE)

    def take(self, unit: bytes) -> None:
        text = PAGE.text_of(unit)
        if text is not None:
            found = _NUMBER.search(unit)
            assert found
            self._hear(int(found[1]), text)
        elif unit.startswith(b"HTTP/1.1 101 "):
            self._come()
        elif answer := PAGE.answer(unit):
            self.transport.write(answer)
        else:
            self._answer(json.loads(unit))

    def _come(self) -> None:
        token = self._visitor.token
        if not self.transport.is_closing():
            self.send({"do": "come"} | ({"token": token} if token else {"name": self.name}))

    def _answer(self, found: dict[str, Any]) -> None:
        visitor = self._visitor
        if found["is"] == "welcome":
            visitor.token = found.get("token", visitor.token)
            (self._known,) = (one["last"] for one in found["rooms"])
            self._ask()
        elif found["is"] == "page":
            self.told.count["asked for"] += len(found["messages"])
            self._known = max([self._known, *(one["number"] for one in found["messages"])])
            for one in found["messages"]:
                if one["number"] == visitor.last + 1:
                    visitor.accept(one["number"], one["text"].encode())
                else:
                    self.told.wrong["out of order"] += 1
            self._ask()
        elif found["is"] == "error" and found["do"] == "come" and "wait" in found:
            self.told.count["told to wait"] += 1
            asyncio.get_running_loop().call_later(found["wait"], self._come)
        elif found["is"] in {"error", "missed"}:
            self.told.wrong[str(found.get("why", "missed"))] += 1

    def _ask(self) -> None:
        """Ask for the rest, or go on with what has come meanwhile."""
        visitor = self._visitor
        while visitor.last + 1 in self._ahead:
            visitor.accept(visitor.last + 1, self._ahead.pop(visitor.last + 1))
        if visitor.last < self._known:
            after = {"room": ROOM, "after": visitor.last, "most": MOST_PAGE}
            self.send({"do": "page"} | after)
            return
        if self._ahead and max(self._ahead) > visitor.last:
            self.told.wrong["out of order"] += 1
        self._ahead.clear()
        if not self.is_in.done():
            self.is_in.set_result(None)

    def _hear(self, number: int, text: bytes) -> None:
        visitor = self._visitor
        if number <= visitor.last:
            # What was kept before a page was read, and told afterwards, is on that page as well.
            self.told.wrong["twice"] += number > self._known
        elif not self.is_in.done():
            self.told.wrong["twice"] += number in self._ahead
            self._ahead[number] = text
        elif number == visitor.last + 1:
            visitor.accept(number, text)
        else:
            self.told.wrong["out of order"] += 1


class Crowd:
    """All people, at a board of these ports."""

    def __init__(self, chat: int, page: int, people: int) -> None:
        self.told = Told()
        self._chat = chat
        self._page = page
        self._typists = [f"p{number}" for number in range(people // 2)]
        pages = range(people // 2, people)
        self._visitors = [Visitor(self.told, f"p{number}") for number in pages]
        self._guests = self._visitors[: people // 10]
        self._people: list[Typist | Visitor] = [*self._visitors]

    async def come(self) -> None:
        """Bring all in."""
        for some in _by(AT_ONCE, self._typists):
            await asyncio.gather(*map(self._come_by_lines, some))
        for others in _by(AT_ONCE, self._visitors):
            await asyncio.gather(*map(self._come_by_page, others))

    async def _come_by_lines(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        typist = Typist(self.told, name)
        await loop.create_connection(lambda: typist, "127.0.0.1", self._chat)
        await asyncio.wait_for(typist.is_in, PATIENCE)
        self._people.append(typist)

    async def _come_by_page(self, visitor: Visitor) -> None:
        """Have a page come, or try again, as pages do while a board is too busy to let them in."""
        loop = asyncio.get_running_loop()
        for _ in range(TRIES):
            page = Page(visitor)
            await loop.create_connection(lambda page=page: page, "127.0.0.1", self._page)  # type: ignore[misc]
            try:
                await asyncio.wait_for(page.is_in, PATIENCE)
            except (ConnectionError, TimeoutError):
                self.told.count["tried again"] += 1
                page.go()
            else:
                visitor.page = page
                return
        self.told.wrong["not let in"] += 1

    async def talk(self, seconds: float) -> None:
        """Have them talk, and a tenth come and go, until all have heard all of it."""
        until = time.monotonic() + seconds
        goings = [asyncio.ensure_future(self._go_and_come(one, until)) for one in self._guests]
        stay = [one for one in self._people if one not in self._guests]
        begin = time.monotonic()
        while (now := time.monotonic()) < until:
            if len(self.told.said) < (now - begin) * RATE:
                random.choice(stay).say(self.told.next_text())  # noqa: S311  who, is for chance
            else:
                await asyncio.sleep(0.01)
        await asyncio.gather(*goings)
        late = time.monotonic() + PATIENCE
        while not all(one.has_all() for one in self._people):
            await asyncio.sleep(0.1)
            if time.monotonic() > late:
                break
        order = [self.told.said[text] for _, text in sorted(self.told.order.items())]
        for one in self._people:
            one.check(order)
        self.told.is_over = True

    async def _go_and_come(self, visitor: Visitor, until: float) -> None:
        while True:
            await _sleep(IN, until)
            if time.monotonic() >= until:
                return
            if visitor.page is None:
                return
            visitor.page.go()
            await _sleep(AWAY, until)
            await self._come_by_page(visitor)
            self.told.count["came back"] += 1


def _by(size: int, people: list[T]) -> Iterable[list[T]]:
    """Divide people into groups of a size."""
    return (people[begin : begin + size] for begin in range(0, len(people), size))


async def _sleep(span: tuple[float, float], until: float) -> None:
    left = until - time.monotonic()
    await asyncio.sleep(max(0.0, min(random.uniform(*span), left)))  # noqa: S311  as above


async def look(pid: int, seen: list[float]) -> None:
    """Look at a process' memory now and then, once it has settled."""
    begin = time.monotonic()
    while True:
        passed = time.monotonic() - begin
        now = resident(pid)
        if passed >= SETTLE:
            seen.append(now)
        if round(passed / LOOK) % 6 == 0:
            print(f"  {passed:4.0f} s: resident {now:.1f} MiB", flush=True)
        await asyncio.sleep(LOOK)


async def run(chat: int, page: int, pid: int, seconds: float, people: int) -> tuple[Told, bool]:
    """Do it; give what was told, and whether the memory was flat."""
    crowd = Crowd(chat, page, people)
    began = time.monotonic()
    await crowd.come()
    print(f"{people} people came in {time.monotonic() - began:.1f} s", flush=True)
    seen: list[float] = []
    looking = asyncio.ensure_future(look(pid, seen))
    await crowd.talk(seconds)
    looking.cancel()
    if not seen:
        print("resident: too short a time to tell")
        return crowd.told, True
    most, least = max(seen), min(seen)
    print(f"resident: {least:.1f} to {most:.1f} MiB, {(most / least - 1) * 100:.2f} % apart")
    return crowd.told, most <= least * FLAT


def report(told: Told) -> bool:
    """Say what was found; whether nothing was wrong."""
    count, wrong = told.count, {name: many for name, many in told.wrong.items() if many}
    print(
        f"{len(told.said)} messages were said, {count['deliveries']} deliveries; "
        f"{count['came back']} times somebody came back, and asked for {count['asked for']} of them"
    )
    if tries := count["told to wait"] + count["tried again"]:
        print(f"{tries} times they had to try again, since the board was too busy to let them in")
    for name in ("missing", "twice", "out of order"):
        wrong.setdefault(name, 0)
    print(", ".join(f"{name} {many}" for name, many in wrong.items()), flush=True)
    return not any(wrong.values())


def wait_for(ports: Iterable[int]) -> None:
    """Wait until a board listens. Raises OSError when it does not."""
    end = time.monotonic() + PATIENCE
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                break


def main() -> int:
    """Run as a command."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    people = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    if allow_connections(people) < people:
        print(f"{people} connections are more than the limit on descriptors", file=sys.stderr)
        return 2
    chat, page = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "jackfield.toml")
        config.write_text(CONFIG.format(chat=chat, page=page))
        command = [sys.executable, "-m", "jackfield", "up", "--open", "--config", str(config)]
        board = subprocess.Popen(
            [*command, "--data", str(Path(folder, "data"))], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        try:
            wait_for((chat, page))
            told, flat = uvloop.run(run(chat, page, board.pid, seconds, people))
        finally:
            board.terminate()
            board.wait()
    return 0 if report(told) and flat else 1


if __name__ == "__main__":
    sys.exit(main())
