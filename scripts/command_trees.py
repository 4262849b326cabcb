"""End remote commands that cling to life, in every way, and see how soon all of them is gone.

Then pass 1 GiB through one and back, and see in how much memory.

    python scripts/command_trees.py [TIMES]

Each command is four processes: three have forked twice into sessions of their own and closed
their descriptors, and all are deaf to TERM. They are ended by the client (it says so, is cut, ends
its side, breaks the rules, is killed), by the server (it stops, is cut, is killed, its policy does
not allow them any more), by their time, by the program's own end, and by killing their supervisor
and its helper; with a cgroup where there may be one, and without.

100 times each unless told otherwise; 0 leaves all but the GiB out. Fails when a process was left a
second after KILL was due, or was still there when the client was told that all was over; when a
byte of the GiB has changed; and when the server with all below it, or the client, was resident
with more than 150 MiB. Linux only.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from jackfield.services.commands.wire import Exit, Run  # noqa: E402  it runs as a file
from tests.commands.test_run import GIB, MOST_MEMORY, Running, commands  # noqa: E402
from tests.faults.test_command_trees import GRACE, WAYS, ended  # noqa: E402
from tests.remote import Clinging, Output, client_of, served, wait_until  # noqa: E402
from tests.streamed import MIB, stream  # noqa: E402

TIMES = 100
AT_ONCE = 2
GIVEN = 0.1
"""Seconds between TERM and KILL: what `GRACE` says."""

MOST = 1.0
"""Seconds that there may be from when KILL is due until nobody is left."""

TIME = 1.0
LIMITS = f'limits = {{ grace = "{GIVEN}s", time = "{TIME}s" }}'


def in_process(way: str, cgroups: bool) -> float:  # noqa: FBT001  one of a table
    """End one in a way that the tests have; give the seconds until all was gone."""
    end, _ = WAYS[way]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clinging = Clinging(folder)
        times: list[float] = []

        def watch() -> None:
            wait_until(lambda: not clinging.alive())
            times.append(time.monotonic())

        watching = threading.Thread(target=watch)

        async def noted(*arguments: Any) -> None:
            times.append(time.monotonic())
            watching.start()
            await end(*arguments)

        with served(folder, GRACE, cgroups=cgroups) as live:
            told = asyncio.run(ended(live, clinging, noted, folder))
            if told is not None and told.why != "lost" and clinging.alive():
                raise RuntimeError(f"{way}: told that all was over, and it was not")
            watching.join()
        began, gone = times
        return gone - began


def by_itself(*, stays: bool, cgroups: bool) -> float:
    """Have one end by its time, or by its own end; give the seconds from then on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clinging = Clinging(folder)

        async def run(at: object) -> Exit:
            async with client_of(at) as (client, _):  # type: ignore[arg-type]  # an endpoint
                return await client.run(Run(clinging.args(stays=stays)), None, Output().put)

        with served(folder, LIMITS if stays else GRACE, cgroups=cgroups) as live:
            over = asyncio.run(run(live.endpoints[0]))
            told = time.time()
            if clinging.alive():
                raise RuntimeError(f"{over.why}: told that all was over, and it was not")
            # the program ends when the last of the others has made its note
            return over.seconds - TIME if stays else told - clinging.noted_at()


def killed(who: str, *, cgroups: bool) -> float:
    """Kill the client or the server; give the seconds until all was gone."""
    del cgroups  # a server of its own has them where it may
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clinging = Clinging(folder)
        with commands(folder) as server, Running(server, "--", *clinging.args()) as client:
            clinging.await_all()
            began = time.monotonic()
            (server if who == "server" else client).process.kill()
            wait_until(lambda: not clinging.alive())
            return time.monotonic() - began


def passed_through() -> bool:
    """Pass 1 GiB through a command and back, and tell in how much memory; give whether it held."""
    with tempfile.TemporaryDirectory() as name, commands(Path(name)) as server:
        began = time.monotonic()
        with Running(server, "--", "sh", "-c", "exec cat") as client:
            streamed = stream(GIB, client.process, server.process.pid)
            status, _, _ = client.finish()
        took = time.monotonic() - began
    is_same = streamed.is_same and streamed.size == GIB and status == 0
    print(
        f"1 GiB there and back: {'the same bytes' if is_same else 'NOT THE SAME'}, {took:.0f} s; "
        f"resident at the most: server and all below it {streamed.server // MIB} MiB, "
        f"client {streamed.client // MIB} MiB",
        flush=True,
    )
    return is_same and max(streamed.server, streamed.client) < MOST_MEMORY


def main() -> int:
    """Run as a command."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    ways: dict[str, Callable[[bool], float]] = {
        **{way: partial(in_process, way) for way in WAYS},
        "timeout": lambda cgroups: by_itself(stays=True, cgroups=cgroups),
        "its own end": lambda cgroups: by_itself(stays=False, cgroups=cgroups),
        "client killed": lambda cgroups: killed("client", cgroups=cgroups),
        "server killed": lambda cgroups: killed("server", cgroups=cgroups),
    }
    failed = False
    pool = ThreadPoolExecutor(AT_ONCE)
    for name, end in ways.items() if times else ():
        for cgroups in (False, True):
            late = [took - GIVEN for took in pool.map(end, [cgroups] * times)]
            gone = sum(one <= MOST for one in late)
            failed |= gone < times
            how = "with a cgroup" if cgroups else "without"
            print(
                f"{name:18} {how:14} {gone} of {times}, at the latest {max(late):.3f} s", flush=True
            )
    failed |= not passed_through()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
