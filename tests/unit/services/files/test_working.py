from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
from blake3 import blake3

from jackfield.errors import ConfigurationError
from jackfield.net.incoming import Source
from jackfield.services.files import hashing, working
from jackfield.services.files.hashing import Hashes, feed, new_hash
from jackfield.services.files.working import begin, finished, patiently, work
from tests.live import PATIENCE, in_loop


@in_loop
async def test_a_thread_calls_and_what_comes_of_it_comes_back() -> None:
    assert await work(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await work(lambda: 1 // 0)
    await finished(None)
    await finished(begin(lambda: None))


@in_loop
async def test_who_is_cancelled_goes_on_only_when_the_thread_is_done() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        ended.set()

    task = asyncio.ensure_future(work(call))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@in_loop
async def test_who_waits_says_so_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "STILL", 0.01)
    said = asyncio.Event()

    async def still() -> None:
        said.set()

    async def waiting() -> str:
        await said.wait()
        return "done"

    assert await patiently(waiting(), still) == "done"

    async def lost() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await patiently(asyncio.sleep(PATIENCE), lost)


@in_loop
async def test_a_file_is_hashed_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SLICE", 1000)
    data = os.urandom(10_500)
    (tmp_path / "f").write_bytes(data)
    source = Source.at(str(tmp_path / "f"))
    digest = new_hash()
    await feed(digest, source, 0, 5_500)
    await feed(digest, source, 5_500, 20_000)
    assert digest.hexdigest() == blake3(data).hexdigest()
    source.close()


@in_loop
async def test_hashes_are_remembered_of_files_that_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"first")
    hashes = Hashes()
    source = Source.at(str(path))
    assert await hashes.of(source) == blake3(b"first").hexdigest()
    assert hashes.get(source.info) == ""  # it may change once more in the same moment
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 10)
    await hashes.of(source)
    assert hashes.get(source.info) == blake3(b"first").hexdigest()
    monkeypatch.setattr(source, "read", None)
    assert await hashes.of(source) == blake3(b"first").hexdigest()
    source.close()
    path.write_bytes(b"other")
    os.utime(path, (now, now + 1))  # else it may be of the same moment as the first
    source = Source.at(str(path))
    assert await hashes.of(source) == blake3(b"other").hexdigest()
    source.close()


def test_a_bounded_number_of_hashes_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "MOST_REMEMBERED", 3)
    hashes, infos = Hashes(), []
    for number in range(5):
        path = tmp_path / str(number)
        path.touch()
        os.utime(path, (number, number))
        infos.append(path.stat())
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 10)
    for number, info in enumerate(infos):
        hashes.keep(info, str(number))
    assert [hashes.get(info) for info in infos] == ["", "", "2", "3", "4"]


def test_without_its_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'jackfield\[files\]'"):
        new_hash()
