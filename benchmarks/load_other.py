"""Loads that c/load.c does not know: lines over TLS, datagrams, and short connections.

    python -m benchmarks.load_other KIND PORT CONNECTIONS WINDOW SIZE WARM_MS MEASURE_MS [CA]

It says and waits for what load.c does. KIND:

tls    CONNECTIONS connections, each with WINDOW lines of SIZE bytes in flight.
udp    the same with datagrams, each from a socket of its own.
short  one connection after another: connect, send a line, read it back, close.

It is slower than the servers, so throughput and round trips are its own; the CPU time of a server
stays comparable.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import sys
import time
from collections import deque
from typing import cast

from benchmarks.load_fallback import Lines, measure

HOST = "127.0.0.1"
STALL_S = 10.0


class Datagrams(asyncio.DatagramProtocol):
    """Keeps a window of datagrams in flight on one socket."""

    def __init__(self, window: int, unit: bytes) -> None:
        self.took: list[int] = []
        self._window = window
        self._unit = unit
        self._sending = False
        self._sent_at: deque[int] = deque()
        self._rested = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are asyncio's, though they do what it says.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def begin(self) -> None:
        self.took = []
        self._sending = True
        self._rested.clear()
        for _ in range(self._window):
            self._send()

    def _send(self) -> None:
        self._sent_at.append(time.monotonic_ns())
        self._transport.sendto(self._unit)

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if data != self._unit:
            raise SystemExit("a reply is not the datagram that was sent")
        self.took.append(time.monotonic_ns() - self._sent_at.popleft())
        if self._sending:
            self._send()
        elif not self._sent_at:
            self._rested.set()

    async def rest(self) -> None:
        """Wait until nothing is in flight. Raises RuntimeError at a loss."""
        self._sending = False
        try:
            async with asyncio.timeout(STALL_S):
                await self._rested.wait()
        except TimeoutError:
            raise RuntimeError(f"no reply for {STALL_S:g} s") from None


class Short:
    """Connects again and again, from an address of its own: one has but 28,000 ports."""

    def __init__(self, port: int, line: bytes) -> None:
        self._port = port
        self._line = line
        self._source = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.1"  # noqa: S311

    def measure(self, seconds: float) -> dict[str, float]:
        """Do so for a while; say how long each took."""
        took: list[int] = []
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            before = time.monotonic_ns()
            self._once()
            took.append(time.monotonic_ns() - before)
        passed = time.monotonic() - begin
        took.sort()
        return {
            "messages": len(took),
            "seconds": passed,
            "p50": took[len(took) // 2],
            "p99": took[len(took) * 99 // 100],
            "max": took[-1],
        }

    def _once(self) -> None:
        with socket.create_connection((HOST, self._port), STALL_S, (self._source, 0)) as sock:
            sock.sendall(self._line)
            reply = b""
            while len(reply) < len(self._line):
                part = sock.recv(len(self._line))
                if not part:
                    raise RuntimeError("the server closed a connection")
                reply += part


async def main() -> None:
    """Do what the top of this file says."""
    kind, *numbers = sys.argv[1:8]
    port, connections, window, size, warm_ms, measure_ms = map(int, numbers)
    loop = asyncio.get_running_loop()
    line = b"x" * (size - 1) + b"\n"
    if kind == "short":
        short = Short(port, line)
        short.measure(warm_ms / 1000)
        print("warm", flush=True)
        sys.stdin.readline()
        print(json.dumps(short.measure(measure_ms / 1000)), flush=True)
        return
    peers: list[Lines] = []
    context = ssl.create_default_context(cafile=sys.argv[8]) if kind == "tls" else None
    for _ in range(connections):
        if kind == "tls":
            made = await loop.create_connection(
                lambda: Lines(window, line), HOST, port, ssl=context
            )
            peers.append(made[1])
        else:
            address = (HOST, port)
            opened = await loop.create_datagram_endpoint(
                lambda: Datagrams(window, line), remote_addr=address
            )
            peers.append(cast("Lines", opened[1]))
    await measure(peers, warm_ms / 1000)
    print("warm", flush=True)
    if not await loop.run_in_executor(None, sys.stdin.readline):
        return
    print(json.dumps(await measure(peers, measure_ms / 1000)), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
