"""Loads that c/load.c does not know: TLS, WebSocket, datagrams, and short connections.

    python -m benchmarks.load_other KIND PORT CONNECTIONS WINDOW SIZE WARM_MS MEASURE_MS [CA]

It says and waits for what load.c does. KIND:

tls        CONNECTIONS connections, each with WINDOW lines of SIZE bytes in flight.
websocket  the same with text messages, in frames that were made and masked beforehand.
udp        the same with datagrams, each from a socket of its own.
short      one connection after another: connect, send a line, read it back, close.

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

from benchmarks.load_fallback import CHUNK, Lines, measure
from benchmarks.taken import told

HOST = "127.0.0.1"
STALL_S = 10.0
MASK = b"\x37\xfa\x21\x3d"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Messages(Lines):
    """Keeps a window of WebSocket messages in flight; RFC 6455. All are the same."""

    def __init__(self, window: int, text: bytes) -> None:
        masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(text))
        super().__init__(window, bytes([0x81, 0x80 | len(text)]) + MASK + masked)
        reply = bytes([0x81, len(text)]) + text
        self._size = len(reply)
        self._replies = reply * (CHUNK // len(reply) + 2)
        self._read = 0  # bytes of a reply that has come in part
        self._head = b""
        self._opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        if not self._opened.done():
            self._open(data)
            return
        now = time.monotonic_ns()
        for start in range(0, len(data), CHUNK):
            part = data[start : start + CHUNK]
            if part != self._replies[self._read : self._read + len(part)]:
                self._fail("a reply is not the message that was sent")
                return
            count, self._read = divmod(self._read + len(part), self._size)
            self.took += [now - self._sent_at.popleft() for _ in range(count)]
            if self.sending and count:
                self._send(count)
        if not self._sent_at:
            self._rested.set()

    async def open(self) -> None:
        """Wait until it is agreed that this is WebSocket. Raises RuntimeError."""
        try:
            async with asyncio.timeout(STALL_S):
                await self._opened
        except TimeoutError:
            raise RuntimeError(f"no answer to a request to upgrade for {STALL_S:g} s") from None

    def _open(self, data: bytes) -> None:
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            if self._head.startswith(b"HTTP/1.1 101 "):
                self._opened.set_result(None)
            else:
                self._fail(f"it answered {self._head[:40]!r}")

    def _fail(self, why: str) -> None:
        super()._fail(why)
        if not self._opened.done():
            self._opened.set_exception(RuntimeError(why))


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
        return told(took, passed)

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
        elif kind == "websocket":
            opening = await loop.create_connection(
                lambda: Messages(window, b"x" * size), HOST, port
            )
            await opening[1].open()
            peers.append(opening[1])
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
