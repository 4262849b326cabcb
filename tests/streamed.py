"""Much through a program and back, while it is watched what memory that takes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from jackfield.net.children import listed_below

MIB = 1024 * 1024
LOOK = 16 * MIB
"""Bytes that come back between two looks at the memory."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What has come of it. size: bytes that came back. is_same: whether they are those that went.

    server, client: bytes of memory that each had at the most, all of its processes together.
    """

    size: int
    is_same: bool
    server: int
    client: int


def stream(size: int, client: subprocess.Popen[bytes], server: int) -> Streamed:
    """Write so many bytes to what sends them back, hash both, and look at the memory meanwhile.

    client: has pipes. server: the process of one. Each piece is another one, and none is kept.
    """
    assert client.stdin
    assert client.stdout
    there, back = hashlib.sha256(), hashlib.sha256()
    pipe = client.stdin
    piece = bytearray(os.urandom(MIB))

    def write() -> None:
        for number in range(size // MIB):
            piece[:8] = number.to_bytes(8, "big")
            there.update(piece)
            pipe.write(piece)
        pipe.close()

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    got = looked = 0
    most = [0, 0]
    while data := os.read(client.stdout.fileno(), MIB):
        back.update(data)
        got += len(data)
        if got - looked >= LOOK or got == size:
            looked = got
            most = [max(pair) for pair in zip(most, map(memory, (server, client.pid)), strict=True)]
    writing.join()
    return Streamed(got, there.digest() == back.digest(), *most)


def memory(root: int) -> int:
    """Give the bytes that a process and all below it have been resident with, each at its peak.

    The system keeps the peak, so nothing is missed between two looks.
    """
    return sum(map(_peak, (root, *listed_below(root))))


def _peak(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    found = [line.split() for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(found[0][1]) * 1024 if found else 0  # one that ends has no memory any more
