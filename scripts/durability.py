"""Kill the store at random moments under load, and cut its disk's power; count what is lost.

    python scripts/durability.py [KILLS [CUTS]]

A process keeps messages of several writers in several rooms, and prints each one when it is
acknowledged. At a random moment it is ended by SIGKILL; or the disk under it, ext4 on a loop
device, is shut down by EXT4_IOC_SHUTDOWN, so that nothing gets there any more and what was not
synced is lost, and then it is killed, and the disk mounted again. The next process opens the same
store and checks all of it: each acknowledged message is there, with its number and its text; no id
is there twice; numbers have no gaps, in the order in which each writer has said them; the index
finds each message once. What was not acknowledged it says again by the same ids, and goes on.

200 kills and 100 power cuts unless told otherwise. Cuts are left out, with the reason, where disks
cannot be mounted. Fails when anything was lost, doubled or out of order. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jackfield.board.database import Database  # noqa: E402  it runs as a file
from jackfield.board.messages import StoredHistory  # noqa: E402
from jackfield.board.sqlite import find_damage  # noqa: E402
from jackfield.errors import KeepingFailed  # noqa: E402
from jackfield.services.chat.history import (  # noqa: E402
    MOST_AT_ONCE,
    Message,
    NewMessage,
    RoomRecord,
)
from tests.disks import CannotMount, Disk  # noqa: E402

KILLS = 200
CUTS = 100
ROOMS = ("lobby", "tea", "ops")
WRITERS = 12
AT_ONCE = 3
"""Messages that each writer has on their way at a time."""

LONGEST = 0.6
"""Seconds, at the most, between the first acknowledged message and the kill."""

SERIES = 20
"""Rounds after which a new store is begun: each round looks at all messages of its store."""

DISK = 128 * 1024 * 1024
PATIENCE = 60.0


# The process that is killed


async def keep(path: str) -> None:
    """Keep messages until killed. What to say at first comes by stdin, a line of JSON each."""
    database = await Database.open(path)
    history = StoredHistory(database)
    for room in ROOMS:
        await history.make_room(RoomRecord(room))
    heard: list[Message] = []
    history.tell(heard.append)
    print("open", flush=True)
    again: dict[str, list[tuple[str, str]]] = json.loads(sys.stdin.readline())
    number = int(sys.stdin.readline())

    async def say(writer: str, room: str, name: str) -> None:
        try:
            kept, _ = await history.append(NewMessage(room, writer, name, text_of(writer, name)))
        except KeepingFailed:  # the power is gone, and soon this process
            await asyncio.Event().wait()
        print(json.dumps([kept.room, writer, name, kept.number]), flush=True)

    async def write(writer: str) -> None:
        nonlocal number
        for room, name in again.get(writer, []):  # in the order in which they were said
            await say(writer, room, name)
        while True:
            group = []
            for _ in range(AT_ONCE):
                number += 1
                room = ROOMS[number % len(ROOMS)]
                print(json.dumps([room, writer, str(number)]))
                group.append(say(writer, room, str(number)))
            sys.stdout.flush()
            await asyncio.gather(*group)

    await asyncio.gather(*(write(f"w{at}") for at in range(WRITERS)))


def text_of(writer: str, name: str) -> str:
    """Give the text of a message: of any length, with a word that no other has."""
    chance = random.Random(f"{writer} {name}")  # noqa: S311  the same each time
    return f"{writer} id{name} " + "你好 words " * chance.randrange(1, 60)


# The process that kills


@dataclass
class Told:
    """What the killed processes have said: of each writer, in order, what they were to keep.

    kept: room, writer and id, with the number that was acknowledged.
    """

    said: dict[tuple[str, str, str], None] = field(default_factory=dict)
    kept: dict[tuple[str, str, str], int] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)

    def hear(self, line: bytes, *, acknowledged: bool = True) -> None:
        """Note a line of theirs; the last one may have been cut."""
        try:
            room, writer, name, *number = json.loads(line)
        except ValueError:
            return
        if number and not acknowledged:
            return
        if number:
            before = self.kept.setdefault((room, writer, name), number[0])
            self.wrong["acknowledged with two numbers"] += before != number[0]
        else:
            self.said[room, writer, name] = None

    def open(self) -> dict[str, list[tuple[str, str]]]:
        """Give what was said and not acknowledged, by writer."""
        found: dict[str, list[tuple[str, str]]] = {}
        for room, writer, name in self.said:
            if (room, writer, name) not in self.kept:
                found.setdefault(writer, []).append((room, name))
        return found


def run_once(path: Path, told: Told, end: Callable[[], None]) -> None:
    """Have one process keep messages for a while; end what it runs on, then itself."""
    with subprocess.Popen(
        [sys.executable, __file__, "--keep", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"open\n", "the store did not open"
            child.stdin.write(f"{json.dumps(told.open())}\n{len(told.said)}\n".encode())
            child.stdin.flush()
            data = b""
            seconds = random.uniform(0, LONGEST)  # noqa: S311  when, is for chance
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                if select.select([child.stdout], [], [], left)[0]:
                    data += os.read(child.stdout.fileno(), 1 << 20)
            end()
        finally:
            child.kill()
        rest = child.stdout.read()
    heard, _, cut = data.rpartition(b"\n")
    for line in heard.splitlines():
        told.hear(line)
    # A machine without power tells nobody anything: what this one, which goes on for a moment, says
    # after the cut has not been acknowledged. In that moment fsync(2) was seen to succeed for what
    # was gone then.
    for line in (cut + rest).splitlines():
        told.hear(line, acknowledged=end is nothing)


async def messages_of(history: StoredHistory, room: str) -> AsyncIterator[Message]:
    """Give all messages of a room."""
    after = 0
    while page := await history.page(room, after=after, most=MOST_AT_ONCE):
        for message in page:
            yield message
        after = page[-1].number


async def check(path: Path, told: Told) -> int:
    """Compare the store with what was said and acknowledged; give how many messages it has."""
    wrong = told.wrong
    database = await Database.open(str(path))
    history = StoredHistory(database)
    try:
        wrong["damaged"] += database.state.name != "ok"
        wrong["damaged"] += bool(await database.read(lambda db: find_damage(db, PATIENCE)))
        there: dict[tuple[str, str, str], int] = {}
        latest: dict[tuple[str, str], int] = {}
        count = 0
        for room in ROOMS:
            last = 0
            async for message in messages_of(history, room):
                count += 1
                key = (room, message.author, message.id)
                wrong["twice"] += key in there
                wrong["with a gap before it"] += message.number != last + 1
                wrong["with another text"] += message.text != text_of(message.author, message.id)
                wrong["never said"] += key not in told.said
                last = message.number
                there[key] = last
                own = room, message.author
                wrong["out of order"] += int(message.id) < latest.get(own, 0)
                latest[own] = int(message.id)
        for key, number in told.kept.items():
            if key not in there:
                wrong["acknowledged and missing"] += 1
            elif there[key] != number:
                wrong["under another number"] += 1
        for room, writer, name in random.sample([*there], min(20, len(there))):
            found = await history.search(f"{writer} id{name}", [room])
            wrong["not found once by search"] += [one.id for one in found] != [name]
        return count
    finally:
        await database.close()


def rounds(
    folder: Path, count: int, end: Callable[[], None], mend: Callable[[], None]
) -> Counter[str]:
    """Kill and check so many times, with a new store now and then; give what was wrong."""
    wrong: Counter[str] = Counter()
    said = kept = messages = 0
    for begin in range(0, count, SERIES):
        path, told = folder / f"{begin}.db", Told(wrong=wrong)
        for _ in range(min(SERIES, count - begin)):
            run_once(path, told, end)
            mend()
            found = asyncio.run(check(path, told))
        said, kept, messages = said + len(told.said), kept + len(told.kept), messages + found
        done = min(begin + SERIES, count)
        print(f"  {done}: {said} said, {kept} acknowledged, {messages} kept", flush=True)
        if any(wrong.values()):
            break
    return wrong


def nothing() -> None:
    """The kill alone is enough."""


def report(what: str, found: Counter[str]) -> bool:
    """Say what was found; whether nothing was wrong."""
    wrong = {name: count for name, count in found.items() if count}
    for name in ("acknowledged and missing", "twice", "out of order"):
        wrong.setdefault(name, 0)
    print(f"{what}: " + ", ".join(f"{name} {count}" for name, count in wrong.items()), flush=True)
    return not any(wrong.values())


def kills(count: int) -> bool:
    """Kill the process; whether nothing was wrong."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = rounds(Path(folder), count, nothing, nothing)
    return report(f"{count} kills", wrong)


def cuts(count: int) -> bool:
    """Cut the power; whether nothing was wrong, or it could not be tried."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = Disk(Path(folder) / "disk", DISK, ext4=True)
        except CannotMount as error:
            print(f"power cuts: left out: {error}", flush=True)
            return True

        def mend() -> None:
            disk.unmount()
            disk.mount()

        try:
            wrong = rounds(disk.folder, count, disk.cut, mend)
        finally:
            disk.unmount()
    return report(f"{count} power cuts", wrong)


def main() -> int:
    """Run as a command."""
    if sys.argv[1:2] == ["--keep"]:
        asyncio.run(keep(sys.argv[2]))
        return 1
    numbers = [int(text) for text in sys.argv[1:]] + [KILLS, CUTS][len(sys.argv) - 1 :]
    results = [kills(numbers[0]), cuts(numbers[1])]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
