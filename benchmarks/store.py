"""Measure how many messages a second a board's store keeps, each on the disk when it is said so.

    python -m benchmarks.store [FOLDER]

In FOLDER, or where temporary files are: say a folder of the disk that counts. So many writers each
have one message on its way at a time; 120 bytes of text, a mention, words in two scripts. Once as
the store is, with all that waits in one commit; once with a commit for each message; and once with
a loop that has something else to do all the time, in turns of two milliseconds.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from jackfield.board import database as store
from jackfield.board.database import Database
from jackfield.board.messages import StoredHistory
from jackfield.net.ioloop import new_event_loop
from jackfield.services.chat.history import NewMessage, RoomRecord

SECONDS = 2.0
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


async def measure(path: Path, writers: int, *, is_busy: bool) -> tuple[float, float, float]:
    """Give messages a second, messages a commit, and the slowest hundredth's milliseconds."""
    database = await Database.open(str(path))
    history = StoredHistory(database)
    await history.make_room(RoomRecord("lobby"))
    took: list[float] = []
    began = time.perf_counter()

    async def write(writer: int) -> None:
        number = 0
        while (now := time.perf_counter()) < began + SECONDS:
            name = f"{writer}-{number}"
            await history.append(NewMessage("lobby", f"p{writer % 50}", name, TEXT + name))
            took.append(time.perf_counter() - now)
            number += 1

    other = asyncio.ensure_future(busy()) if is_busy else None
    commits = database.commits
    await asyncio.gather(*map(write, range(writers)))
    seconds = time.perf_counter() - began
    if other is not None:
        other.cancel()
    together = len(took) / (database.commits - commits)
    await history.close()
    await database.close()
    return len(took) / seconds, together, sorted(took)[len(took) * 99 // 100] * 1000


def main() -> None:
    """Run as a command."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    print(f"{'':28}{'on their way':>14}{'messages/s':>12}{'a commit':>10}{'99 % in ms':>12}")
    most = store.MOST_TOGETHER
    for what, together, is_busy in (
        ("all that waits in a commit", most, False),
        ("a commit for each", 1, False),
        ("the loop busy", most, True),
    ):
        store.MOST_TOGETHER = together
        for writers in (1, 10, 100, 1000):
            with (
                tempfile.TemporaryDirectory(dir=folder) as data,
                asyncio.Runner(loop_factory=new_event_loop) as runner,
            ):
                path = Path(data) / "board.db"
                rate, kept, slow = runner.run(measure(path, writers, is_busy=is_busy))
            print(f"{what:28}{writers:14,}{rate:12,.0f}{kept:10,.1f}{slow:12,.1f}", flush=True)


if __name__ == "__main__":
    main()
