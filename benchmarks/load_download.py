"""The load that downloads: one file, again and again, over one connection of HTTP/1.1.

    python -m benchmarks.load_download PORT PATH SIZE WARM_MS MEASURE_MS

It says and waits for what load.c does; a message here is one download. What comes is read and
dropped, so that this is a small part of the work; the harness has compared a download before.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time

from benchmarks.taken import told

HOST = "127.0.0.1"
STALL_S = 10.0
BUFFER = 1024 * 1024
LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.IGNORECASE)


class Downloads:
    """One connection."""

    def __init__(self, port: int, path: str, size: int) -> None:
        self._sock = socket.create_connection((HOST, port), STALL_S)
        self._ask = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()
        self._size = size
        self._buffer = bytearray(BUFFER)

    def once(self) -> None:
        """Get it. Raises RuntimeError when it is not what it should be."""
        view = memoryview(self._buffer)
        self._sock.sendall(self._ask)
        head = b""
        while b"\r\n\r\n" not in head:
            head += view[: self._read()]
        head, _, body = head.partition(b"\r\n\r\n")
        found = LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or not found or int(found[1]) != self._size:
            raise RuntimeError(f"it answered {head[:100]!r}")
        left = self._size - len(body)
        while left > 0:
            left -= self._read()
        if left:
            raise RuntimeError("more came than was announced")

    def _read(self) -> int:
        count = self._sock.recv_into(self._buffer)
        if not count:
            raise RuntimeError("the server closed the connection")
        return count

    def measure(self, seconds: float) -> dict[str, float]:
        """Get it for a while, once at least; say how long each took."""
        took: list[int] = []
        begin = time.monotonic()
        while not took or time.monotonic() - begin < seconds:
            before = time.monotonic_ns()
            self.once()
            took.append(time.monotonic_ns() - before)
        passed = time.monotonic() - begin
        return told(took, passed)


def main() -> None:
    """Do what the top of this file says."""
    port, path, size, warm_ms, measure_ms = sys.argv[1:]
    downloads = Downloads(int(port), path, int(size))
    downloads.measure(int(warm_ms) / 1000)
    print("warm", flush=True)
    if sys.stdin.readline():
        print(json.dumps(downloads.measure(int(measure_ms) / 1000)), flush=True)


if __name__ == "__main__":
    main()
