"""Kill the server and the client of files at random moments, cut the disk's power; compare.

    python scripts/moving.py [SERVER [CLIENT [CUTS]]]

A long file and many small ones are put, again and again by the same command, while at random
moments the server, or the client, is ended by SIGKILL; or the disk under the server, ext4 on a loop
device, is shut down by EXT4_IOC_SHUTDOWN. After each, every name that is there must hold what was
put under it, whole, and what was acknowledged must be there. In the end everything is. Likewise
`get`, whose client is killed. Exit status 1 when anything was wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.disks import CannotMount, Disk  # noqa: E402  once it is found

KILLS, CUTS = 100, 30
LONG = 160 * 1024 * 1024
SMALL, MANY = 40_000, 60
DISK = 512 * 1024 * 1024
LONGEST = 0.6
"""Seconds from the first byte to the kill, at the most."""

PATIENCE = 120.0

MIDWAY = "in the middle of a file"
"""How many of them were. That is not wrong."""


def command(*words: str) -> list[str]:
    """Give the command line."""
    return [sys.executable, "-m", "jackfield", *words]


class Server:
    """A server of files in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            command("serve", "files", str(folder), "tcp://127.0.0.1:0"),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", self._process.stdout.readline())
        assert found is not None, "the server does not serve"
        self.url = f"tcp://127.0.0.1:{found[1]}"

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.communicate()


def put(source: Path, url: str) -> subprocess.Popen[str]:
    """Begin to put all there is."""
    return subprocess.Popen(
        command("put", "-r", "--json", "--retries", "0", f"{source}/.", url),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def get(url: str, to: Path) -> subprocess.Popen[str]:
    """Begin to get all there is."""
    return subprocess.Popen(
        command("get", "-r", "--json", "--retries", "0", url, str(to)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def acknowledged(output: str) -> set[str]:
    """Give the names that a client has said are there."""
    found = set()
    for line in output.splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # it was killed while it wrote this one
            continue
        if "hash" in told:
            found.add(told["file"].rpartition("/")[2])
    return found


def check(source: Path, there: Path, told: set[str], wrong: Counter[str]) -> int:
    """Compare what is there with what was put; give how many files there are."""
    count = 0
    for path in there.rglob("*"):
        if not path.is_file() or path.name.startswith(".jackfield-"):
            continue
        count += 1
        original = source / path.name
        wrong["half-written or other than was put"] += not (
            original.is_file() and original.read_bytes() == path.read_bytes()
        )
        told.discard(path.name)
    wrong["acknowledged and missing"] += len(told)
    return count


def fill(folder: Path) -> None:
    """Make what is to be put."""
    folder.mkdir()
    (folder / "long.bin").write_bytes(os.urandom(LONG))
    for number in range(MANY):
        (folder / f"{number}.bin").write_bytes(os.urandom(random.randrange(SMALL)))  # noqa: S311  no secret


def at_random(folder: Path, client: subprocess.Popen[str]) -> None:
    """Wait until a client has changed something in a folder, or has ended; then for a moment."""
    before = _sizes(folder)
    while _sizes(folder) == before and client.poll() is None:
        time.sleep(0.01)
    time.sleep(random.uniform(0, LONGEST))  # noqa: S311  when, is for chance


def _sizes(folder: Path) -> dict[str, int]:
    found = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has its name by now
            found[path.name] = path.stat().st_size
    return found


def _heard(client: subprocess.Popen[str]) -> str:
    """Give what a client has printed so far."""
    assert client.stdout is not None
    fd, parts = client.stdout.fileno(), []
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    os.set_blocking(fd, True)
    return b"".join(parts).decode()


def empty(folder: Path) -> None:
    """Begin anew."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


def server_kills(count: int, folder: Path) -> Counter[str]:
    """Kill the server so many times."""
    return _rounds(count, folder, folder / "there", kills_server=True)


def client_kills(count: int, folder: Path) -> Counter[str]:
    """Kill the client so many times, half of them while it gets."""
    wrong = _rounds(count - count // 2, folder, folder / "there", kills_server=False)
    source, back = folder / "source", folder / "back"
    back.mkdir(exist_ok=True)
    server = Server(source)
    try:
        for _ in range(count // 2):
            client = get(server.url, back)
            at_random(back, client)
            client.kill()
            wrong[MIDWAY] += bool(list(back.rglob(".jackfield-*")))
            told = acknowledged(client.communicate()[0])
            if check(source, back, told, wrong) == MANY + 1:
                empty(back)
        _finish(lambda: get(server.url, back), wrong)
        check(source, back, {path.name for path in source.iterdir()}, wrong)
    finally:
        server.kill()
    return wrong


def _rounds(count: int, folder: Path, there: Path, *, kills_server: bool) -> Counter[str]:
    wrong: Counter[str] = Counter()
    source = folder / "source"
    there.mkdir(exist_ok=True)
    empty(there)
    server = Server(there)
    try:
        for _ in range(count):
            client = put(source, server.url)
            at_random(there, client)
            if kills_server:
                server.kill()
            else:
                client.kill()
            told = acknowledged(client.communicate(timeout=PATIENCE)[0])
            wrong[MIDWAY] += bool(list(there.rglob(".jackfield-*")))
            if kills_server:
                server = Server(there)
            if check(source, there, told, wrong) == MANY + 1:
                empty(there)
        url = server.url
        _finish(lambda: put(source, url), wrong)
        check(source, there, {path.name for path in source.iterdir()}, wrong)
        wrong["parts left"] += len(list(there.rglob(".jackfield-*")))
    finally:
        server.kill()
    return wrong


def _finish(begin: Callable[[], subprocess.Popen[str]], wrong: Counter[str]) -> None:
    """Let the command end by itself."""
    client = begin()
    client.communicate(timeout=PATIENCE)
    wrong["not done in the end"] += client.returncode != 0


def power_cuts(count: int, folder: Path) -> Counter[str] | None:
    """Cut the power so many times; None where it cannot be tried."""
    try:
        disk = Disk(folder / "disk", DISK, ext4=True)
    except CannotMount as error:
        print(f"power cuts: left out: {error}", flush=True)
        return None
    wrong: Counter[str] = Counter()
    source, there = folder / "source", disk.folder / "there"
    try:
        there.mkdir()
        subprocess.run(["sync", "-f", str(there)], check=True)
        for _ in range(count):
            server = Server(there)
            client = put(source, server.url)
            # What this machine, which goes on, hears after the cut has not been acknowledged; but
            # what a client has printed by then has, so it is read until then.
            at_random(there, client)
            heard = _heard(client)
            wrong[MIDWAY] += bool(list(there.rglob(".jackfield-*")))
            disk.cut()
            server.kill()
            client.kill()
            client.communicate()
            disk.unmount()
            disk.mount()
            if check(source, there, acknowledged(heard), wrong) == MANY + 1:
                empty(there)
        server = Server(there)
        try:
            _finish(lambda: put(source, server.url), wrong)
        finally:
            server.kill()
        check(source, there, {path.name for path in source.iterdir()}, wrong)
    finally:
        disk.unmount()
    return wrong


def report(what: str, found: Counter[str]) -> bool:
    """Say what was found; whether nothing was wrong."""
    names = ["half-written or other than was put", "acknowledged and missing"]
    midway = found.pop(MIDWAY)
    wrong = {name: found[name] for name in names} | {k: v for k, v in found.items() if v}
    print(
        f"{what}, {midway} {MIDWAY}: "
        + ", ".join(f"{name} {count}" for name, count in wrong.items()),
        flush=True,
    )
    return not any(wrong.values())


def main() -> int:
    """Run as a command."""
    numbers = [int(text) for text in sys.argv[1:]] + [KILLS, KILLS, CUTS][len(sys.argv) - 1 :]
    held = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "source")
        if numbers[0]:
            found = server_kills(numbers[0], folder)
            held &= report(f"{numbers[0]} kills of the server", found)
        if numbers[1]:
            found = client_kills(numbers[1], folder)
            held &= report(f"{numbers[1]} kills of the client", found)
        if numbers[2]:
            cut = power_cuts(numbers[2], folder)
            held &= cut is None or report(f"{numbers[2]} power cuts", cut)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
