"""The load of c/load.c in Python, for machines without a C compiler: same arguments, same words.

It is slower than the fast servers here, so their throughput and round trips are its own; the
CPU time per message of a server stays comparable.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from typing import cast

from benchmarks.taken import told

CHUNK = 65536
STALL_S = 10.0


class Lines(asyncio.Protocol):
    """Keeps a window of lines in flight on one connection."""

    def __init__(self, window: int, line: bytes) -> None:
        self.sending = False
        self.took: list[int] = []
        self.failed = ""
        self._window = window
        self._line = line
        self._sent_at: deque[int] = deque()
        self._part = b""
        self._rested = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are asyncio.Transports, though they do what it says.
        self._transport = cast("asyncio.Transport", transport)

    def begin(self) -> None:
        self.took = []
        self.sending = True
        self._rested.clear()
        self._send(self._window)

    async def rest(self) -> None:
        """Wait until nothing is in flight. Raises RuntimeError, at a stall too."""
        self.sending = False
        try:
            async with asyncio.timeout(STALL_S):
                await self._rested.wait()
        except TimeoutError:
            raise RuntimeError(f"no reply for {STALL_S:g} s") from None
        if self.failed:
            raise RuntimeError(self.failed)

    def _send(self, count: int) -> None:
        self._sent_at.extend([time.monotonic_ns()] * count)
        self._transport.write(self._line * count)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        *lines, self._part = (self._part + data).split(b"\n")
        if len(lines) > len(self._sent_at) or any(line + b"\n" != self._line for line in lines):
            self._fail("a reply is not the line that was sent")
            return
        self.took += [now - self._sent_at.popleft() for _ in lines]
        if self.sending and lines:
            self._send(len(lines))
        elif not self._sent_at:
            self._rested.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the server closed a connection ({exc})")

    def _fail(self, why: str) -> None:
        self.failed = self.failed or why
        self.sending = False
        self._rested.set()


class Flood(asyncio.Protocol):
    """Sends empty lines for as long as they are taken; drops what comes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are asyncio.Transports, though they do what it says.
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._loop.call_soon(self._send)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._loop.call_soon(self._send)

    def _send(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.write(b"\n" * CHUNK)
            self._loop.call_soon(self._send)


async def measure(all_lines: list[Lines], seconds: float) -> dict[str, float]:
    """Send for so long, wait for what is in flight, and say what came back."""
    begin = time.monotonic()
    for lines in all_lines:
        lines.begin()
    await asyncio.sleep(seconds)
    for lines in all_lines:
        await lines.rest()
    passed = time.monotonic() - begin
    return told([ns for lines in all_lines for ns in lines.took], passed)


async def main() -> None:
    """Do what c/load.c says."""
    port, connections, window, size, warm_ms, measure_ms, flood = map(int, sys.argv[1:])
    loop = asyncio.get_running_loop()
    line = b"x" * (size - 1) + b"\n"
    all_lines = []
    for _ in range(connections):
        made = await loop.create_connection(lambda: Lines(window, line), "127.0.0.1", port)
        all_lines.append(made[1])
    if flood:
        await loop.create_connection(Flood, "127.0.0.1", port)
    await measure(all_lines, warm_ms / 1000)
    print("warm", flush=True)
    if not await loop.run_in_executor(None, sys.stdin.readline):
        return
    print(json.dumps(await measure(all_lines, measure_ms / 1000)), flush=True)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
