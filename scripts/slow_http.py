"""Attack `jackfield serve web` by slowness, with its limits as they are.

    python scripts/slow_http.py [SECONDS]

First four connections of one's own: a half-sent head, a half-sent body, a silent and an idle one;
each is to be closed within ten seconds. Then slowhttptest in its four modes, so many seconds each,
with more connections than a source is allowed by default, while a client asks twice a second on a
new connection: each answer is to be right and to come within `IN_TIME` seconds.
Exit status 1 when one was not.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.request import urlopen

IN_TIME = 2.0
WITHIN = 10.0
CONNECTIONS = 1000

HEAD = b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n"
RESTING = {
    "a half-sent head": (HEAD, b"HTTP/1.1 408 "),
    "a half-sent body": (HEAD + b"Content-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200 "),
    "a silent one": (b"", b""),
    "an idle one": (HEAD + b"\r\n", b"HTTP/1.1 200 "),
}
"""What is sent, and how what comes back begins; the body is nobody's, so its answer comes first."""

MODES = {
    "slow heads": ["-H", "-i", "5", "-x", "24"],
    "slow bodies": ["-B", "-i", "5", "-s", "8192", "-x", "10"],
    "ranges": ["-R", "-a", "5", "-b", "3000"],
    "slow reading": ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"],
}


@contextmanager
def served(folder: str) -> Iterator[int]:
    """Serve a folder by the command; give the port."""
    command = [sys.executable, "-m", "jackfield", "serve", "web", folder, "tcp://127.0.0.1:0"]
    command += ["--max-connections-per-ip", str(10 * CONNECTIONS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
    assert found is not None
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(20)


def resting(port: int) -> bool:
    """Open those four, and see when each is closed."""
    began = time.monotonic()
    left: dict[socket.socket, tuple[str, bytes]] = {}
    for name, (data, begin) in RESTING.items():
        sock = socket.create_connection(("127.0.0.1", port), 5)
        sock.sendall(data)
        left[sock] = (name, begin)
    came = dict.fromkeys(RESTING, b"")
    held = True
    while left and time.monotonic() - began < WITHIN + 5:
        for sock in select.select(list(left), [], [], 0.1)[0]:
            name, begin = left[sock]
            data = sock.recv(65536)
            came[name] += data
            if not data:
                took = time.monotonic() - began
                good = took < WITHIN and came[name].startswith(begin)
                held &= good and came[name].count(b"HTTP/1.1 ") <= 1
                said = came[name].partition(b"\r\n")[0].decode() or "nothing"
                print(f"{name}: closed after {took:.1f} s; it was told {said}")
                del left[sock]
                sock.close()
    return held and not left


class Honest:
    """A client that asks twice a second, each time anew."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.times: list[float] = []
        self.failed: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._end.wait(0.5):
            began = time.monotonic()
            try:
                with urlopen(self.url, timeout=10) as answer:  # noqa: S310  it is our own
                    if answer.read() != b"alpha":
                        self.failed.append("another body")
            except OSError as error:
                self.failed.append(str(error))
            self.times.append(time.monotonic() - began)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()


def attack(name: str, options: list[str], port: int, seconds: int) -> bool:
    """Run slowhttptest in one mode, beside an honest client."""
    url = f"http://127.0.0.1:{port}"
    target = f"{url}/long.bin" if name == "slow reading" else f"{url}/a.txt"
    command = ["slowhttptest", *options, "-u", target, "-c", str(CONNECTIONS), "-r", "300"]
    with Honest(f"{url}/a.txt") as honest:
        done = subprocess.run(
            [*command, "-l", str(seconds), "-p", "3"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    available = re.findall(r"service available: +(\w+)", said)
    ended = re.search(r"Exit status: *(.*)", said)
    slowest = max(honest.times)
    held = not honest.failed and slowest < IN_TIME and "NO" not in available and bool(available)
    print(
        f"{name}: {len(honest.times)} honest requests, the slowest answer after "
        f"{slowest * 1000:.0f} ms, failed: {honest.failed or 'none'}; slowhttptest found it "
        f"available: {', '.join(sorted(set(available)))}; it ended by: {ended[1] if ended else '?'}"
    )
    return held


def main() -> int:
    """Run as a command."""
    if shutil.which("slowhttptest") is None:
        print("slowhttptest is not installed; Debian: apt install slowhttptest")
        return 1
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_text("alpha")
        Path(folder, "long.bin").write_bytes(os.urandom(4_000_000))
        with served(folder) as port:
            held = resting(port)
            for name, options in MODES.items():
                held &= attack(name, options, port, seconds)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
