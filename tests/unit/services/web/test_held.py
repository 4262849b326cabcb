from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.net.tree import Tree
from jackfield.services.web import held as module
from jackfield.services.web.held import IN_MEMORY, KEPT_OPEN, HeldFile, HeldFiles
from tests.descriptors import descriptors


@pytest.fixture
def files(tmp_path: Path) -> Iterator[HeldFiles]:
    tree = Tree(str(tmp_path))
    yield HeldFiles(tree)
    tree.close()


def write(folder: Path, name: str, data: bytes, *, age: float = 100) -> None:
    path = folder / name
    path.write_bytes(data)
    os.utime(path, (time.time() - age, time.time() - age))


def hold(files: HeldFiles, name: str, coding: str = "") -> HeldFile:
    opened = files._tree.open([name.encode()])
    assert opened is not None
    return files.hold(name, name.encode(), opened, coding)


def test_a_small_file_is_in_memory_and_closed(files: HeldFiles, tmp_path: Path) -> None:
    before = descriptors(tmp_path)
    write(tmp_path, "a.txt", b"x" * IN_MEMORY)
    held = hold(files, "a.txt")
    assert (held.body, held.size) == (b"x" * IN_MEMORY, IN_MEMORY)
    assert files.get("a.txt") is held
    assert descriptors(tmp_path) == before
    head = held.head.decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {IN_MEMORY}\r\n" in head
    assert "Content-Type: text/plain; charset=utf-8\r\n" in head
    assert "Vary: Accept-Encoding\r\n" in head
    assert f"ETag: {held.tag}\r\n" in head
    assert head.endswith("\r\n")
    assert not head.endswith("\r\n\r\n")


def test_a_longer_one_is_kept_open_until_nobody_has_it(files: HeldFiles, tmp_path: Path) -> None:
    before = descriptors(tmp_path)
    write(tmp_path, "a.bin", b"x" * (IN_MEMORY + 1))
    held = hold(files, "a.bin")
    assert held.body is None
    assert os.pread(held.fileno(), 3, 0) == b"xxx"
    assert files.get("a.bin") is held
    assert "Vary" not in held.head.decode()
    write(tmp_path, "a.bin", b"y" * (IN_MEMORY + 1), age=50)
    assert files.get("a.bin") is None
    assert os.pread(held.fileno(), 3, 0)  # who sends it, goes on
    del held
    assert descriptors(tmp_path) == before


@pytest.mark.long
def test_a_large_one_is_not_kept(files: HeldFiles, tmp_path: Path) -> None:
    before = descriptors(tmp_path)
    write(tmp_path, "a.bin", b"")
    os.truncate(tmp_path / "a.bin", KEPT_OPEN + 1)
    os.utime(tmp_path / "a.bin", (0, 0))
    held = hold(files, "a.bin")
    assert held.size == KEPT_OPEN + 1
    assert files.get("a.bin") is None
    del held
    assert descriptors(tmp_path) == before


@pytest.mark.parametrize("age", [0, 1.5, -100])
def test_one_that_was_just_changed_is_not_kept(
    files: HeldFiles, tmp_path: Path, age: float
) -> None:
    """Another change may leave its time as it is. So may a time that is still to come."""
    write(tmp_path, "a", b"one", age=age)
    assert hold(files, "a").body == b"one"
    assert files.get("a") is None


def test_whatever_is_changed_is_read_anew(files: HeldFiles, tmp_path: Path) -> None:
    path = tmp_path / "a"

    def replaced() -> None:
        write(tmp_path, "b", b"two", age=path.stat().st_mtime - time.time())
        (tmp_path / "b").replace(path)

    def as_it_was() -> None:
        when = path.stat().st_mtime_ns
        path.write_bytes(b"two")
        os.utime(path, ns=(when, when))

    for change in (
        replaced,
        as_it_was,
        path.unlink,
        lambda: os.truncate(path, 1),
        lambda: path.rename(tmp_path / "c"),
        lambda: path.chmod(0o600),
    ):
        write(tmp_path, "a", b"one")
        hold(files, "a")
        assert files.get("a") is not None
        change()
        assert files.get("a") is None


def test_one_that_shrinks_while_it_is_read_has_the_length_it_has(
    files: HeldFiles, tmp_path: Path
) -> None:
    write(tmp_path, "a", b"12345")
    opened = files._tree.open([b"a"])
    assert opened is not None
    os.truncate(tmp_path / "a", 2)
    held = files.hold("a", b"a", opened)
    assert (held.body, held.size) == (b"12", 2)
    assert b"Content-Length: 2\r\n" in held.head
    assert files.get("a") is None


def test_one_that_grows_while_it_is_read_too(files: HeldFiles, tmp_path: Path) -> None:
    write(tmp_path, "a", b"12345")
    opened = files._tree.open([b"a"])
    assert opened is not None
    write(tmp_path, "a", b"1234567890")
    held = files.hold("a", b"a", opened)
    assert (held.body, held.size) == (b"12345", 5)
    assert files.get("a") is None


@pytest.mark.long
def test_there_is_a_bound_to_all_of_it(
    files: HeldFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors(tmp_path)
    monkeypatch.setattr(module, "MOST", 20)
    monkeypatch.setattr(module, "MOST_BYTES", 10 * 1000)
    monkeypatch.setattr(module, "MOST_OPEN", 5)
    for number in range(30):
        write(tmp_path, f"small{number}", b"x" * (10 if number < 20 else 1000))
        hold(files, f"small{number}")
    assert len(files._held) <= 20
    assert files._bytes == sum(len(held.body or b"") for held in files._held.values()) <= 10_000
    assert files.get("small0") is None
    assert files.get("small29") is not None
    for number in range(10):
        write(tmp_path, f"long{number}", b"x" * (IN_MEMORY + 1))
        hold(files, f"long{number}")
    assert files._open == 5
    assert descriptors(tmp_path) == before + 5
    hold(files, "long9")  # once more under the same name
    assert files._open == 5


def test_a_coding_is_told_and_the_kind_is_that_of_the_name_within(
    files: HeldFiles, tmp_path: Path
) -> None:
    write(tmp_path, "a.html.gz", b"zip")
    write(tmp_path, "a.html", b"zip")
    held = hold(files, "a.html.gz", "gzip")
    assert b"Content-Encoding: gzip\r\n" in held.head
    assert b"Content-Type: text/html; charset=utf-8\r\n" in held.head
    assert held.varies
    assert b"Content-Encoding" not in hold(files, "a.html.gz").head
    os.utime(tmp_path / "a.html", (0, 0))
    os.utime(tmp_path / "a.html.gz", (0, 0))
    assert hold(files, "a.html").tag != hold(files, "a.html.gz", "gzip").tag


def test_a_folder_is_no_file_to_be_held(files: HeldFiles, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert files.get("a") is None
