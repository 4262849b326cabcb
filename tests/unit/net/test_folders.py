from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.net import folders as module
from jackfield.net.folders import FileRefused, Folder, part_of
from jackfield.net.incoming import Incoming


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "b").write_text("beta")
    (root / "out").symlink_to("../outside")
    (root / "in").symlink_to("d")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def folder(root: Path) -> Iterator[Folder]:
    folder = Folder(str(root))
    yield folder
    folder.close()


def why(call: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(FileRefused) as caught:
        call(*args, **kwargs)  # type: ignore[operator]  # it can be called
    return caught.value.why


def names(path: str) -> list[bytes]:
    return [os.fsencode(name) for name in path.split("/")]


def test_files_and_folders_are_found(folder: Folder) -> None:
    for path in ("d", "d/e"):
        os.close(folder.find_folder(names(path)))
    os.close(folder.find_folder([]))
    opened = folder.find_file(names("d/b"))
    assert os.read(opened.fd, 10) == b"beta"
    os.close(opened.fd)
    assert why(folder.find_file, names("d")) == "folder"
    assert why(folder.find_folder, names("d/b")) == "folder"


@pytest.mark.parametrize(
    "path",
    ["none", "out", "out/secret", "in", "in/b", "fifo", "..", "../outside", "d/..", "", "d//b"],
)
def test_what_is_not_there_and_what_may_not_be_looked_for(path: str, folder: Folder) -> None:
    assert why(folder.find, names(path)) == "none"


def test_own_names_are_not_there(folder: Folder, root: Path) -> None:
    incoming = Incoming(folder, [b"d", b"long"])
    incoming.begin()
    incoming.write([b"part"])
    incoming.leave()
    part = part_of(b"long")
    assert (root / "d" / os.fsdecode(part)).exists()
    assert why(folder.find, [b"d", part]) == "none"
    assert why(folder.remove, [b"d", part]) == "none"
    assert why(folder.make, [b".jackfield-x"]) == "odd"
    fd = folder.find_folder([b"d"])
    items, is_all = folder.items(fd)
    os.close(fd)
    assert ([item.name for item in items], is_all) == ([b"b", b"e"], True)


def test_a_folder_is_listed_by_name_and_kind(
    folder: Folder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / os.fsdecode(b"\xff")).write_bytes(b"12")
    items, is_all = folder.items(folder.fd)
    assert [(item.name, item.kind) for item in items] == [
        (b"d", "folder"),
        (b"fifo", "other"),
        (b"in", "link"),
        (b"out", "link"),
        (b"\xff", "file"),
    ]
    assert is_all
    assert items[-1].size == 2
    monkeypatch.setattr(module, "MOST_LISTED", 3)
    items, is_all = folder.items(folder.fd)
    assert (len(items), is_all) == (3, False)


def test_folders_are_made_with_mode_and_time(folder: Folder, root: Path) -> None:
    assert folder.make(names("x/y/z"))
    assert not folder.make(names("x/y"), 0o4700, 8_000_000_009)
    info = (root / "x" / "y").stat()
    assert (info.st_mode & 0o7777, info.st_mtime_ns) == (0o700, 8_000_000_009)
    assert (root / "x" / "y" / "z").is_dir()
    assert why(folder.make, names("d/b")) == "folder"
    assert why(folder.make, names("out/new")) == "none"
    assert why(folder.make, names("../new")) == "odd"
    assert why(folder.make, names("x"), 0o700, 1 << 100) == "system"
    assert not (root.parent / "outside" / "new").exists()


def test_what_is_removed_is_gone_and_nothing_else(folder: Folder, root: Path) -> None:
    assert why(folder.remove, names("d")) == "filled"
    assert why(folder.remove, names("none")) == "none"
    assert why(folder.remove, names("out/secret")) == "none"
    assert why(folder.remove, names("d/..")) == "none"
    folder.remove(names("d/b"))
    folder.remove(names("d/e"))
    folder.remove(names("d"))
    folder.remove(names("out"))
    (root / "x").mkdir()
    (root / "x" / "link").symlink_to(root.parent / "outside")
    (root / "x" / "file").touch()
    folder.remove(names("x"), deep=True)
    assert sorted(path.name for path in root.iterdir()) == ["fifo", "in"]
    assert (root.parent / "outside" / "secret").read_text() == "secret"


def test_parts_expire_unless_somebody_writes_them(folder: Folder, root: Path) -> None:
    held = Incoming(folder, [b"d", b"held"])
    held.begin()
    held.write([b"12345"])
    for name in (b"old", b"young"):
        incoming = Incoming(folder, [b"d", name])
        incoming.begin()
        incoming.write([b"123"])
        incoming.leave()
    for name in (b"old", b"held"):
        os.utime(root / "d" / os.fsdecode(part_of(name)), (1, 1))
    assert folder.sweep(60) == (4 + 5 + 3, 1)
    assert folder.sweep(1e12) == (4 + 5 + 3, 0)
    assert {path.name for path in (root / "d").iterdir()} == {
        "b",
        "e",
        *(os.fsdecode(part_of(name)) for name in (b"held", b"young")),
    }
    held.leave()


def test_the_error_crosses_between_processes() -> None:
    error = pickle.loads(pickle.dumps(FileRefused("it is full", "full")))  # noqa: S301  our own
    assert (str(error), error.why) == ("it is full", "full")
