"""The load that runs commands: `true`, one after another, each when the one before has ended.

    python -m benchmarks.load_commands jackfield PORT PEM WARM_MS MEASURE_MS
    python -m benchmarks.load_commands ssh PORT FOLDER WARM_MS MEASURE_MS

It says and waits for what load.c does; a message here is one command. The connection is made
before: Jackfield's client holds it, over TLS with PEM; `ssh` is started for each command and goes
by the connection that a master holds (ControlPath), with the key FOLDER/client.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from benchmarks.taken import told

HOST = "127.0.0.1"

Run = Callable[[], Awaitable[None]]


async def by_jackfield(port: int, pem: str, stack: AsyncExitStack) -> Run:
    """Connect; give what runs a command."""
    from jackfield import connect  # noqa: PLC0415  not where ssh is measured
    from jackfield.services.commands import wire  # noqa: PLC0415
    from jackfield.services.commands.client import CommandClient  # noqa: PLC0415

    endpoint = f"tls://{HOST}:{port}?ca={pem}"
    conn = await stack.enter_async_context(connect(endpoint, wire.framing()))
    client = CommandClient(conn)
    await client.come_in()

    async def put(_number: int, _data: bytes) -> None:
        raise RuntimeError("true says nothing")

    async def run() -> None:
        over = await client.run(wire.Run(("true",)), None, put)
        if over.status:
            raise RuntimeError(f"it ended by {over}")

    return run


async def by_ssh(port: int, folder: str, _: AsyncExitStack) -> Run:
    """Start a master; give what runs a command by it."""
    where = f"-o ControlPath={folder}/control -p {port} -F none -o LogLevel=ERROR {HOST}"
    first = f"-i {folder}/client -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    # its session ends with the pipe, and so does the master, however this program ends
    await asyncio.create_subprocess_exec(
        *["ssh", "-M", *first.split(), *where.split(), "cat"], stdin=subprocess.PIPE
    )
    await asyncio.to_thread(wait_for, Path(folder, "control"))

    async def run() -> None:
        subprocess.run(["ssh", *where.split(), "true"], check=True)  # noqa: ASYNC221  we only wait

    return run


def wait_for(path: Path) -> None:
    """Wait until there is such a file."""
    while not path.exists():
        time.sleep(0.01)


async def measure(run: Run, seconds: float) -> dict[str, float]:
    """Run commands for a while; say how long each took."""
    took: list[int] = []
    begin = time.monotonic()
    while not took or time.monotonic() - begin < seconds:
        before = time.monotonic_ns()
        await run()
        took.append(time.monotonic_ns() - before)
    passed = time.monotonic() - begin
    return told(took, passed)


async def main() -> None:
    """Do what the top of this file says."""
    kind, port, place, warm_ms, measure_ms = sys.argv[1:]
    async with AsyncExitStack() as stack:
        run = await (by_ssh if kind == "ssh" else by_jackfield)(int(port), place, stack)
        await measure(run, int(warm_ms) / 1000)
        print("warm", flush=True)
        if sys.stdin.readline():
            print(json.dumps(await measure(run, int(measure_ms) / 1000)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
