"""Measure how many messages a second a board's store keeps, each on the disk when it is said so.

    python -m benchmarks.store HOW WRITERS MILLISECONDS FOLDER

In FOLDER, say one of the disk that counts, so many writers each have one message on its way at a
time; 120 bytes of text, a mention, words in two scripts. HOW:

together  as the store is, with all that waits in one commit.
alone     with a commit for each message.
busy      together, with a loop that has something else to do all the time, in turns of 2 ms.

Prints one line of JSON: messages, seconds, CPU seconds, messages in a commit, how long one took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from jackfield.board import database as store
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.net.ioloop import new_event_loop
from jackfield.services.chat.history import NewMessage, RoomRecord

TURN = 0.002
TEXT = (
    "an ordinary message of about a hundred characters, with a mention of @bob, and with 你好世界 "
)


async def busy() -> None:
    """Keep the loop busy."""
    while True:
        end = time.perf_counter() + TURN
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


async def measure(path: Path, writers: int, seconds: float, *, is_busy: bool) -> dict[str, float]:
    """Keep messages for a while; give what came of it."""
    database = await Database.open(str(path))
    history = StoredHistory(database)
    await history.make_room(RoomRecord("lobby"))
    took: list[float] = []
    commits, cpu, began = database.commits, time.process_time(), time.perf_counter()

    async def write(writer: int) -> None:
        number = 0
        while (now := time.perf_counter()) < began + seconds:
            name = f"{writer}-{number}"
            await history.append(NewMessage("lobby", f"p{writer % 50}", name, TEXT + name))
            took.append(time.perf_counter() - now)
            number += 1

    other = asyncio.ensure_future(busy()) if is_busy else None
    await asyncio.gather(*map(write, range(writers)))
    passed, cpu = time.perf_counter() - began, time.process_time() - cpu
    if other is not None:
        other.cancel()
    together = len(took) / (database.commits - commits)
    await history.close()
    await database.close()
    took.sort()
    return {
        "messages": len(took),
        "seconds": passed,
        "cpu": cpu,
        "together": together,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
    }


def main() -> None:
    """Run as a command."""
    how, writers, milliseconds, folder = sys.argv[1:]
    if how == "alone":
        store.MOST_TOGETHER = 1
    with (
        tempfile.TemporaryDirectory(dir=folder) as data,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        keep = measure(
            Path(data) / "board.db", int(writers), int(milliseconds) / 1000, is_busy=how == "busy"
        )
        print(json.dumps(runner.run(keep)))


if __name__ == "__main__":
    main()
