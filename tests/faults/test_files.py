"""Files on bad networks and disks: what came is gone on with, and nothing half is ever seen."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield.cli import filing
from jackfield.cli.main import run
from jackfield.errors import JackfieldError
from jackfield.services.files import asking, make
from jackfield.services.files.client import Remote
from jackfield.services.files.working import STILL
from tests.cable import Cable
from tests.disks import disk
from tests.live import Live, in_loop, until
from tests.moved import (
    Seen,
    Served,
    command,
    contents,
    do,
    over,
    parts_in,
    put,
    put_tree,
    stream,
)

MB = 1024 * 1024
LONG = os.urandom(24 * MB + 1)


class Bad(Cable):
    """A cable that changes what it carries. `carry` gives what becomes of a chunk; None cuts it."""

    def __init__(self, port: int, carry: Callable[[bytes], bytes | None]) -> None:
        super().__init__(port)
        self.becomes = carry

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one of them is gone
            while data := one.recv(65536):
                changed = self.becomes(data)
                if changed is None:
                    break
                other.sendall(changed)
        for end in (one, other):
            with contextlib.suppress(OSError):  # likewise
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_after(port: int, size: int) -> Iterator[str]:
    """Give a server's place over a network that cuts once so many bytes have passed."""
    with Bad(port, Cutter(1, size, size)) as cable, pytest.raises(JackfieldError):
        yield f"tcp://127.0.0.1:{cable.port}"


class Cutter:
    """Cuts connections after a number of bytes that chance gives, so many times."""

    def __init__(self, times: int, least: int, most: int) -> None:
        self.left = times
        self._chance = random.Random(7)
        self._range = least, most
        self._until = self._chance.randint(least, most)
        self._lock = threading.Lock()

    def __call__(self, data: bytes) -> bytes | None:
        with self._lock:
            self._until -= len(data)
            if self._until > 0 or not self.left:
                return data
            self.left -= 1
            self._until = self._chance.randint(*self._range)
            return None


class Flipper:
    """Flips a bit in a chunk now and then, so many times."""

    def __init__(self, times: int, every: int) -> None:
        self.left = times
        self._chance = random.Random(8)
        self._every = every
        self._lock = threading.Lock()

    def __call__(self, data: bytes) -> bytes:
        with self._lock:
            if not self.left or self._chance.randrange(self._every):
                return data
            self.left -= 1
            changed = bytearray(data)
            changed[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
            return bytes(changed)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and give up soon: no end of a line comes where its bits have flipped."""
    monkeypatch.setattr(asking, "IDLE", 3 * STILL)
    monkeypatch.setattr(filing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(filing, "LONGEST_PAUSE", 0.2)


def served(folder: Path, **options: Any) -> Live:
    folder.mkdir(exist_ok=True)
    return Live(make(folder=str(folder), **options), "tcp://127.0.0.1:0")


def url(cable: Cable, name: str = "") -> str:
    return f"tcp://127.0.0.1:{cable.port}/{name}"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of many files, most of them small."""
    many = tmp_path / "many"
    chance = random.Random(9)
    for number in range(150):
        path = many / str(number % 7) / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice([0, 10, 5000, 200_000, 600_000])))
    return many


def same(one: Path, other: Path) -> bool:
    return {name: data for name, (_, _, data) in contents(one).items()} == {
        name: data for name, (_, _, data) in contents(other).items()
    }


# Networks


@pytest.mark.some(1)
@pytest.mark.parametrize("way", ["put", "get"])
def test_a_long_file_goes_on_after_cuts(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.bin").write_bytes(LONG)
    there = tmp_path / "there"
    cutter = Cutter(6, MB, 6 * MB)
    with served(there) as live, Bad(live.endpoints[0].port, cutter) as cable:
        if way == "put":
            words = ["put", str(tmp_path / "long.bin"), url(cable)]
            found = there / "long.bin"
        else:
            (there / "long.bin").write_bytes(LONG)
            found = tmp_path / "back.bin"
            words = ["get", url(cable, "long.bin"), str(tmp_path), "--name", found.name]
        assert run([*words, "--json", "--retries", "20"]) == 0, capsys.readouterr().err
        assert found.read_bytes() == LONG
        assert cutter.left == 0
        assert '"resumed_at": 0' not in capsys.readouterr().out
        assert parts_in(tmp_path) == []


@pytest.mark.some(1)
@pytest.mark.parametrize("way", ["put", "get"])
def test_many_files_arrive_over_a_network_that_cuts(
    way: str, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    cutter = Cutter(12, 50_000, MB)
    source = many if way == "put" else there / "many"
    with served(there) as live, Bad(live.endpoints[0].port, cutter) as cable:
        if way == "get":
            many.rename(source)
            words = ["get", "-r", url(cable, "many"), str(back)]
            back /= "many"
        else:
            words = ["put", "-r", str(many), url(cable)]
            back = there / "many"
        assert run([*words, "--retries", "40"]) == 0, capsys.readouterr().err
        assert cutter.left == 0
        assert same(source, back)
        assert parts_in(tmp_path) == []


@pytest.mark.some(1)
@pytest.mark.parametrize("way", ["put", "get"])
def test_bits_that_flip_are_noticed_and_what_has_them_is_sent_anew(
    way: str, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In what files hold, and in what is said of them: no name becomes another name."""
    (many / "long.bin").write_bytes(LONG)
    there, back = tmp_path / "there", tmp_path / "back"
    flipper = Flipper(12, 25)
    source = many if way == "put" else there / "many"
    with served(there) as live, Bad(live.endpoints[0].port, flipper) as cable:
        if way == "get":
            many.rename(source)
            words = ["get", "-r", url(cable, "many"), str(back)]
            back /= "many"
        else:
            words = ["put", "-r", str(many), url(cable)]
            back = there / "many"
        for _ in range(12):
            if run([*words, "--retries", "40"]) == 0:
                break
        assert flipper.left == 0
        assert same(source, back), capsys.readouterr().err
        assert parts_in(tmp_path) == []


def test_a_network_that_delays_and_dribbles(tmp_path: Path) -> None:
    """Everything comes in pieces of a few bytes, and late."""
    pause = threading.Event()

    def dribble(data: bytes) -> bytes:
        pause.wait(0.002)
        return data

    there, file = tmp_path / "there", tmp_path / "file.bin"
    file.write_bytes(LONG[:2_000_000])
    with served(there) as live, Bad(live.endpoints[0].port, dribble) as cable:
        assert run(["put", str(file), url(cable)]) == 0
        assert run(["get", url(cable, "file.bin"), str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "file.bin").read_bytes() == file.read_bytes()


@in_loop
async def test_what_came_before_a_cut_is_not_sent_again(tmp_path: Path) -> None:
    (tmp_path / "long.bin").write_bytes(LONG)
    there = tmp_path / "there"
    with served(there) as live:
        port = live.endpoints[0].port
        with cut_after(port, 12 * MB) as bad:
            await do(bad, put(tmp_path / "long.bin"))
        (part,) = parts_in(there)
        until(lambda: part.stat().st_size > 8 * MB)
        assert list(there.iterdir()) == [part]
        seen = await do(live.endpoints[0], put(tmp_path / "long.bin"))
        moved = seen.moved["long.bin"]
        assert moved is not None
        assert 8 * MB < moved.resumed_at < len(LONG)
        assert (there / "long.bin").read_bytes() == LONG
        assert parts_in(there) == []


# Sources that change


@in_loop
async def test_a_source_that_is_another_one_by_now_is_sent_anew(tmp_path: Path) -> None:
    file, there = tmp_path / "long.bin", tmp_path / "there"
    file.write_bytes(LONG)
    with served(there) as live:
        with cut_after(live.endpoints[0].port, 12 * MB) as bad:
            await do(bad, put(file))
        file.write_bytes(LONG[::-1])
        seen = await do(live.endpoints[0], put(file))
        moved = seen.moved["long.bin"]
        assert moved is not None
        assert moved.resumed_at == 0
        assert (there / "long.bin").read_bytes() == LONG[::-1]


@in_loop
async def test_a_source_that_changes_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    file, there = tmp_path / "long.bin", tmp_path / "there"
    file.write_bytes(LONG)
    with served(there) as live:

        async def doing(remote: Remote, seen: Seen) -> None:
            original = seen.moving

            def moving(task: Any, done: int, total: int | None) -> None:
                original(task, done, total)
                if done:
                    with file.open("r+b") as opened:
                        opened.write(b"changed")

            seen.moving = moving  # type: ignore[method-assign]  # for this one
            await remote.do(put(file))

        seen, _ = await over(live.endpoints[0], doing)
        assert seen.why("long.bin") == "Changed"
        assert not (there / "long.bin").exists()
        assert (await do(live.endpoints[0], put(file))).errors == {}
        assert (there / "long.bin").read_bytes() == file.read_bytes()


# Names that are taken


@in_loop
async def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file, there = tmp_path / "long.bin", tmp_path / "there"
    file.write_bytes(LONG)
    there.mkdir()
    (there / "long.bin").write_bytes(b"old")
    with served(there) as live:
        at = live.endpoints[0]
        assert (await do(at, put(file))).why("long.bin") == "exists"
        assert (await do(at, stream(b"new", "long.bin"))).why("long.bin") == "exists"
        assert (there / "long.bin").read_bytes() == b"old"
        with cut_after(at.port, 12 * MB) as bad:
            await do(bad, put(file, replace=True))
        assert (there / "long.bin").read_bytes() == b"old"
        seen = await do(at, put(file, replace=True))
        moved = seen.moved["long.bin"]
        assert moved is not None
        assert moved.resumed_at > 0
        assert (there / "long.bin").read_bytes() == LONG
        small = tmp_path / "small"
        small.write_bytes(b"small")
        assert (await do(at, put(small, "long.bin"))).why("small") == "exists"
        assert (await do(at, put(small, "long.bin", replace=True))).errors == {}
        assert (there / "long.bin").read_bytes() == b"small"
        assert parts_in(there) == []


# Disks


@in_loop
async def test_a_full_disk_is_told_and_what_came_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "long.bin"
    file.write_bytes(LONG)
    with disk(tmp_path / "disk", 16 * MB) as mounted, Served(mounted.folder) as server:
        ballast = mounted.folder / "ballast"
        ballast.write_bytes(bytes(4 * MB))
        small = tmp_path / "small"
        small.write_bytes(b"small")
        seen = await do(server.url, put(file), put(small))
        assert seen.why("long.bin") == "full"
        assert "there is no room on the disk (ENOSPC)" in str(seen.errors["long.bin"])
        (part,) = parts_in(mounted.folder)
        assert part.stat().st_size > 8 * MB
        ballast.unlink()
        file.write_bytes(LONG[: 14 * MB])
        seen = await do(server.url, put(file))
        assert seen.errors == {}, seen.errors
        moved = seen.moved["long.bin"]
        assert moved is not None
        assert moved.resumed_at > 8 * MB
        assert (mounted.folder / "long.bin").read_bytes() == LONG[: 14 * MB]


def test_a_full_disk_here_is_told_and_the_other_files_come(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "long.bin").write_bytes(LONG[: 14 * MB])
    (there / "small").write_bytes(b"small")
    with disk(tmp_path / "disk", 16 * MB) as mounted, served(there) as live:
        back = mounted.folder
        (mounted.folder / "ballast").write_bytes(bytes(4 * MB))
        urls = [f"{live.endpoints[0]}/{name}" for name in ("long.bin", "small")]
        done = subprocess.run(
            command("get", *urls, str(back)), capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr == (
            f"jackfield: {back}/long.bin: there is no room on the disk (ENOSPC)\n"
            f"jackfield: {back}/small: there is no room on the disk (ENOSPC)\n"
        )
        (part,) = parts_in(back)
        assert part.stat().st_size > 8 * MB
        assert not (back / "long.bin").exists()
        (back / "ballast").unlink()
        done = subprocess.run(
            command("get", "--json", *urls, str(back)), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert '"resumed_at": 0' not in done.stdout.splitlines()[0]


@in_loop
async def test_a_bound_of_the_system_on_files_is_as_a_full_disk(tmp_path: Path) -> None:
    file, there = tmp_path / "long.bin", tmp_path / "there"
    file.write_bytes(LONG)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with served(there) as live:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * MB, hard))
        try:
            seen = await do(live.endpoints[0], put(file))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert seen.why("long.bin") == "full"
        assert (await do(live.endpoints[0], put(file))).errors == {}
    assert (there / "long.bin").read_bytes() == LONG


@in_loop
async def test_bounds_of_the_service(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "had").write_bytes(bytes(3 * MB))
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(LONG[: 5 * MB])
    small.write_bytes(LONG[:100_000])
    with served(there, quota=6 * MB, max_file=5 * MB) as live:
        seen = await do(
            live.endpoints[0],
            put(large),
            stream(LONG[: 5 * MB], "streamed"),
            stream(LONG[: 6 * MB], "longer"),
            put(small),
        )
        assert {label: seen.why(label) for label in seen.errors} == dict.fromkeys(
            ["large", "streamed", "longer"], "full"
        )
        assert "5242880 bytes more are past the 6291456 that may be here" in str(
            seen.errors["large"]
        )
        assert (there / "small").read_bytes() == LONG[:100_000]
        assert {path.name for path in there.iterdir()} - {"had", "small"} == {
            path.name for path in parts_in(there)
        }
    with served(there, max_file=MB) as live:
        seen = await do(live.endpoints[0], put(large), stream(LONG[: 2 * MB], "streamed"))
        assert seen.why("large") == seen.why("streamed") == "full"


@in_loop
async def test_what_is_served_read_only_or_with_nothing_removed(tmp_path: Path) -> None:
    there, file = tmp_path / "there", tmp_path / "file"
    there.mkdir()
    (there / "had").write_bytes(b"had")
    file.write_bytes(b"mine")

    async def remove(remote: Remote, seen: Seen) -> str:
        del seen
        with pytest.raises(JackfieldError) as caught:
            await remote.remove([b"had"])
        return str(caught.value)

    with served(there, read_only=True) as live:
        seen = await do(live.endpoints[0], put(file), stream(b"x", "s"))
        assert "read-only" in str(seen.errors["file"])
        assert "read-only" in str(seen.errors["s"])
        assert "nothing can be removed" in (await over(live.endpoints[0], remove))[1]
        assert (await put_tree(live.endpoints[0], there, "up")).errors != {}
    with served(there, no_remove=True) as live:
        seen = await do(live.endpoints[0], put(file, "had", replace=True))
        assert "nothing is replaced here" in str(seen.errors["file"])
        assert (await do(live.endpoints[0], put(file, "new", replace=True))).errors == {}
        assert "nothing can be removed" in (await over(live.endpoints[0], remove))[1]
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        "had": b"had",
        "new": b"mine",
    }


@in_loop
async def test_parts_that_nobody_goes_on_with_expire(tmp_path: Path) -> None:
    there, file = tmp_path / "there", tmp_path / "long.bin"
    file.write_bytes(LONG)
    with served(there) as live, cut_after(live.endpoints[0].port, MB) as bad:
        await do(bad, put(file))
    (part,) = parts_in(there)
    os.utime(part, (0, part.stat().st_mtime - 3600))
    with served(there, keep_parts=7200.0) as live:
        await do(live.endpoints[0])
        assert part.exists()
    with served(there, keep_parts=1800.0) as live:
        await do(live.endpoints[0])
        until(lambda: not part.exists())
