"""Hold 10,000 connections in one server process, with messages on each, and watch its memory.

    python scripts/hold_connections.py [SECONDS [CONNECTIONS]]

Each connection sends a line about every ten seconds and has it echoed. Fails when a line is lost
or another comes back, or when the server's resident memory, once all have come and the first
`SETTLE` seconds are over, is not flat to 5 %. Ten minutes unless told otherwise. Linux only.
"""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).resolve().parent.parent
EVERY = 10.0
"""Seconds between two lines of one connection."""

SETTLE = 30.0
LOOK = 5.0
"""Seconds between two looks at the memory."""

FLAT = 1.05
SPARE = 500
"""Descriptors beside those of the connections."""


def resident(pid: int) -> float:
    """Give the resident memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


class Peer(asyncio.Protocol):
    """One connection: sends a line, waits for it, sends the next one later."""

    count = 0
    wrong = ""

    def __init__(self, number: int, until: float) -> None:
        self._number = number
        self._until = until
        self._sent = 0
        self._line = b""
        self._read = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no asyncio.WriteTransport, though it does what that says
        self._transport = cast("asyncio.WriteTransport", transport)
        loop = asyncio.get_running_loop()
        loop.call_later(EVERY * (self._number % 1000) / 1000, self._send)

    def _send(self) -> None:
        if time.monotonic() > self._until:
            self._end()
            return
        self._sent += 1
        self._line = b"%d %d\n" % (self._number, self._sent)
        self._transport.write(self._line)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._read.endswith(b"\n"):
            return
        if self._read != self._line:
            Peer.wrong = f"{self._line!r} came back as {self._read!r}"
        self._read = b""
        Peer.count += 1
        asyncio.get_running_loop().call_later(EVERY, self._send)

    def connection_lost(self, exc: Exception | None) -> None:
        if time.monotonic() < self._until:
            Peer.wrong = f"connection {self._number} was lost ({exc})"
        self._end()

    def _end(self) -> None:
        self._transport.close()
        if not self.over.done():
            self.over.set_result(None)


async def hold(port: int, pid: int, seconds: float, count: int) -> list[float]:
    """Hold them; give what memory was seen."""
    loop = asyncio.get_running_loop()
    until = time.monotonic() + seconds
    peers = []
    for number in range(count):
        _, peer = await loop.create_connection(partial(Peer, number, until), "127.0.0.1", port)
        peers.append(peer)
    print(f"{count} connections in {time.monotonic() - until + seconds:.1f} s", flush=True)
    await asyncio.sleep(SETTLE)
    seen = []
    while time.monotonic() < until - LOOK:
        seen.append(resident(pid))
        await asyncio.sleep(LOOK)
    await asyncio.gather(*(peer.over for peer in peers))
    return seen


def main() -> int:
    """Do it, and say what came of it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + SPARE, hard), hard))
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers.jackfield_lines", "0", "asyncio"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        seen = uvloop.run(hold(port, server.pid, seconds, count))
    finally:
        server.terminate()
        server.wait()
    most, least = max(seen), min(seen)
    print(f"{Peer.count} lines came back in {seconds:g} s; wrong: {Peer.wrong or 'none'}")
    print(f"resident: {least:.1f} to {most:.1f} MiB, {(most / least - 1) * 100:.2f} % apart")
    return 0 if not Peer.wrong and most <= least * FLAT else 1


if __name__ == "__main__":
    sys.exit(main())
