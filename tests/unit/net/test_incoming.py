from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net import incoming as module
from jackfield.net.folders import FileRefused, Folder, part_of
from jackfield.net.incoming import Incoming, Source


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    folder = Folder(str(tmp_path / "root"))
    yield folder
    folder.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def begun(folder: Folder, *names: bytes) -> Incoming:
    incoming = Incoming(folder, names)
    incoming.begin()
    return incoming


def whole(folder: Folder, name: bytes, data: bytes, *, replace: bool = False) -> None:
    incoming = begun(folder, name)
    try:
        incoming.write([data])
        incoming.finish(0o640, 7, replace=replace)
    finally:
        incoming.leave()


def refused(call: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(FileRefused) as caught:
        call(*args, **kwargs)  # type: ignore[operator]  # it can be called
    return caught.value.why


@pytest.fixture(params=["renameat2", "link"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a file its name in each of the ways there are."""
    if request.param == "link":
        monkeypatch.setattr(module, "_libc", None)


@pytest.mark.usefixtures("way")
def test_a_file_appears_whole_with_its_mode_and_time(folder: Folder, root: Path) -> None:
    incoming = begun(folder, b"a", b"b", "名".encode())
    incoming.write([b"12", b"", b"345"])
    (hidden,) = (root / "a" / "b").iterdir()
    assert hidden.stat().st_mode & 0o777 == 0o600
    assert incoming.size == 5
    incoming.finish(0o4755, 1_600_000_000_000_000_001, replace=False)
    incoming.leave()
    (path,) = (root / "a" / "b").iterdir()
    assert path.name == "名"
    assert path.read_bytes() == b"12345"
    assert path.stat().st_mode & 0o7777 == 0o755
    assert path.stat().st_mtime_ns == 1_600_000_000_000_000_001


PARTS = [bytes([number % 251]) * (number % 7) for number in range(3 * 1024 + 5)]
"""More than one call of the system takes, every seventh of them empty."""


@pytest.mark.some(2)
@pytest.mark.parametrize("most", [None, 1, 5, 4096])
@pytest.mark.parametrize(
    "parts", [PARTS, [b"", *PARTS, b""], [b""] * 2000, [], [b"x" * 10_000, b"", b"y"]]
)
def test_all_parts_are_written_in_order(
    parts: list[bytes],
    most: int | None,
    folder: Folder,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many there are, and however few bytes the system takes at once."""
    writev = os.writev

    def short(fd: int, buffers: list[memoryview]) -> int:
        left, given = most or sys.maxsize, list[memoryview]()
        assert len(buffers) <= 1024
        for buffer in buffers:
            given.append(buffer[:left])
            left -= len(given[-1])
        return writev(fd, given)

    monkeypatch.setattr(os, "writev", short)
    incoming = begun(folder, b"f")
    incoming.write([b"before"])
    incoming.write(parts)
    data = b"before" + b"".join(parts)
    assert incoming.size == len(data)
    incoming.finish(0o644, 0, replace=False)
    incoming.leave()
    assert (root / "f").read_bytes() == data


def test_what_is_written_before_the_disk_is_full_counts(
    folder: Folder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writev = os.writev
    room = 10

    def full(fd: int, buffers: list[memoryview]) -> int:
        nonlocal room
        data = b"".join(buffers)[: min(room, 4)]
        if not data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= len(data)
        return writev(fd, [data])

    monkeypatch.setattr(os, "writev", full)
    incoming = begun(folder, b"f")
    assert refused(incoming.write, [b"123", b"", b"456", b"78901234"]) == "full"
    assert incoming.size == 10
    incoming.leave()
    (part,) = root.iterdir()
    assert part.read_bytes() == b"1234567890"
    room = 100
    again = begun(folder, b"f")
    assert again.size == 10
    again.write([b"1234"])
    again.finish(0o644, 0, replace=False)
    again.leave()
    assert (root / "f").read_bytes() == b"12345678901234"


@pytest.mark.usefixtures("way")
def test_a_name_that_is_taken_stays_as_it_is_unless_it_is_to_be_replaced(
    folder: Folder, root: Path
) -> None:
    (root / "f").write_bytes(b"old")
    assert refused(whole, folder, b"f", b"new") == "exists"
    assert (root / "f").read_bytes() == b"old"
    whole(folder, b"f", b"", replace=True)
    assert (root / "f").read_bytes() == b"new"  # of which the first try had come
    assert [path.name for path in root.iterdir()] == ["f"]


@pytest.mark.usefixtures("way")
def test_a_name_that_is_taken_meanwhile_stays_too(folder: Folder, root: Path) -> None:
    incoming = begun(folder, b"f")
    incoming.write([b"new"])
    (root / "f").write_bytes(b"other")
    assert refused(incoming.finish, 0o600, 0, replace=False) == "exists"
    incoming.leave()
    assert (root / "f").read_bytes() == b"other"


def test_what_has_come_is_gone_on_with(folder: Folder, root: Path) -> None:
    incoming = begun(folder, b"f")
    incoming.write([b"one "])
    incoming.leave()
    incoming = begun(folder, b"f")
    assert incoming.size == 4
    incoming.write([b"two"])
    incoming.finish(0o600, 0, replace=False)
    incoming.leave()
    assert (root / "f").read_bytes() == b"one two"


def test_it_can_begin_anew_and_an_empty_one_leaves_nothing(folder: Folder, root: Path) -> None:
    incoming = begun(folder, b"f")
    incoming.write([b"wrong"])
    incoming.restart()
    assert incoming.size == 0
    incoming.leave()
    incoming.close()
    assert list(root.iterdir()) == []


def test_one_writes_at_a_time(folder: Folder, root: Path) -> None:
    first = begun(folder, b"f")
    first.write([b"1"])
    second = Incoming(folder, [b"f"])
    assert refused(second.begin) == "busy"
    second.close()
    first.finish(0o600, 0, replace=False)
    third = begun(folder, b"f")  # what the first one still has open is the file by now
    assert third.size == 0
    third.leave()
    first.leave()
    assert (root / "f").read_bytes() == b"1"


def test_a_part_that_has_its_name_already_is_not_written_to(folder: Folder, root: Path) -> None:
    """The power may go between link() and unlink(), and then both names are there."""
    (root / "f").write_bytes(b"whole")
    os.link(root / "f", root / os.fsdecode(part_of(b"f")))
    incoming = begun(folder, b"f")
    assert incoming.size == 0
    incoming.write([b"new"])
    incoming.leave()
    assert (root / "f").read_bytes() == b"whole"


@pytest.mark.parametrize("kind", ["folder", "link", "fifo", "socket"])
def test_what_is_no_file_is_not_replaced(kind: str, folder: Folder, root: Path) -> None:
    made: dict[str, Callable[[Path], object]] = {
        "folder": lambda path: path.mkdir(),
        "link": lambda path: path.symlink_to("../outside/secret"),
        "fifo": os.mkfifo,
        "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    }
    made[kind](root / "f")
    incoming = Incoming(folder, [b"f"])
    assert refused(incoming.begin) == ("folder" if kind == "folder" else "odd")
    incoming.close()
    assert [path.name for path in root.iterdir()] == ["f"]


def test_a_part_that_is_a_link_is_not_followed(folder: Folder, root: Path) -> None:
    secret = root.parent / "outside" / "secret"
    secret.write_bytes(b"secret")
    (root / os.fsdecode(part_of(b"f"))).symlink_to(secret)
    incoming = Incoming(folder, [b"f"])
    assert refused(incoming.begin) == "system"
    incoming.close()
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a\0b", b"a/b", b"n" * 256, b".jackfield-x"])
def test_names_that_no_file_can_have(name: bytes, folder: Folder) -> None:
    assert refused(Incoming, folder, [name]) == "odd"
    assert refused(Incoming, folder, [name, b"f"]) == "odd"


def test_a_way_that_leads_through_a_link_or_a_file_is_refused(folder: Folder, root: Path) -> None:
    (root / "link").symlink_to("../outside")
    (root / "file").touch()
    assert refused(Incoming, folder, [b"link", b"f"]) == "none"
    assert refused(Incoming, folder, [b"link", b"new", b"f"]) == "none"
    assert refused(Incoming, folder, [b"file", b"f"]) == "folder"
    assert list((root.parent / "outside").iterdir()) == []


def test_a_folder_that_is_removed_meanwhile(folder: Folder, root: Path) -> None:
    incoming = begun(folder, b"d", b"f")
    incoming.write([b"data"])
    folder.remove([b"d"], deep=True)
    assert refused(incoming.finish, 0o600, 0, replace=False) == "system"
    incoming.leave()
    assert list(root.iterdir()) == []


def test_a_time_that_no_file_can_have(folder: Folder) -> None:
    incoming = begun(folder, b"f")
    incoming.write([b"data"])
    with pytest.raises(FileRefused, match="its time cannot be kept"):
        incoming.finish(0o600, 1 << 100, replace=False)
    incoming.leave()


def test_a_source_is_read_and_tells_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789" * 300_000)
    source = Source.at(str(path))
    assert source.read(7, 6) == b"789012"
    seen = bytearray()
    assert source.feed(seen.extend, 5, 2_999_999) == 2_999_999
    assert seen == (b"0123456789" * 300_000)[5:2_999_999]
    assert source.feed(seen.extend, 2_999_999, 5_000_000) == 3_000_000
    assert not source.has_changed()
    path.write_bytes(b"x")
    assert source.has_changed()
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("name", "why"), [("none", "system"), ("a\0b", "system"), ("fifo", "odd"), ("d", "folder")]
)
def test_what_is_no_source(name: str, why: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "d").mkdir()
    assert refused(Source.at, f"{tmp_path}/{name}") == why


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ENOENT"):
        Folder(str(tmp_path / "none"))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("data", [b"whole", b""])
def test_what_has_its_name_stays_although_its_folder_is_not_synced(
    folder: Folder, root: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fail_for_folders(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    incoming = begun(folder, b"f")
    incoming.write([data])
    refused(incoming.finish, 0o640, 7, replace=False)
    other = begun(folder, b"f")
    incoming.restart()
    incoming.leave()
    assert (root / "f").read_bytes() == data
    other.write([b"more"])
    other.leave()
    assert (root / os.fsdecode(part_of(b"f"))).read_bytes() == b"more"
