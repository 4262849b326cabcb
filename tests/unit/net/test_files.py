from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net import files
from jackfield.net.files import (
    Lock,
    append,
    copy,
    create,
    lines_of,
    made_whole,
    make_folders,
    make_private,
    may_write,
    own_folder,
    put_away,
    read,
    replace,
    size_of,
)
from tests.descriptors import descriptors


def test_a_file_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read(str(path), 5) == b"12345"
    with pytest.raises(ConfigurationError, match=r"file: more than the 4 bytes that such a file"):
        read(str(path), 4)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", r"No such file or directory \(ENOENT\)"),
        ("folder", r"Is a directory \(EISDIR\)"),
        ("file/x", r"Not a directory \(ENOTDIR\)"),
        ("x" * 300, r"File name too long \(ENAMETOOLONG\)"),
        ("nul\0", "null byte"),
    ],
)
def test_one_that_cannot_be_read_is_named_with_the_reason(
    name: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=why):
        read(f"{tmp_path}/{name}", 100)


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new"
    assert own_folder(str(path)) == str(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert own_folder(str(path)) == str(path)  # it is there already


def test_a_folder_that_is_not_ours_alone_is_refused(tmp_path: Path) -> None:
    shared, link, file = tmp_path / "shared", tmp_path / "link", tmp_path / "file"
    shared.mkdir()
    shared.chmod(0o770)
    link.symlink_to(tmp_path)
    file.touch()
    for path in (shared, link):
        with pytest.raises(ConfigurationError, match="is no folder of yours alone: others"):
            own_folder(str(path))
    with pytest.raises(ConfigurationError, match=r"file: File exists \(EEXIST\)"):
        own_folder(str(file))
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        own_folder(str(tmp_path / "none" / "new"))


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(ConfigurationError, match="is no folder of yours alone"):
        own_folder(str(tmp_path / "new"))


def test_the_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n\nthree is long\nlast")
    assert list(lines_of(str(path), 100)) == [b"one\n", b"\n", b"three is long\n", b"last"]
    assert list(lines_of(str(path), 8)) == [b"one\n", b"\n", b"three is", b" long\n", b"last"]
    with pytest.raises(ConfigurationError, match=r"none: No such file or directory \(ENOENT\)"):
        list(lines_of(str(tmp_path / "none"), 100))
    with pytest.raises(ConfigurationError, match=r"Is a directory \(EISDIR\)"):
        list(lines_of(str(tmp_path), 100))


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with create(str(path)) as file:
        assert append(file, "one") == ""
        assert path.read_text() == "one\n"  # at once
        assert append(file, "two") == ""
    assert path.read_text() == "one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="file: is there already; name another"):
        create(str(path))
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        create(str(tmp_path / "none" / "file"))
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        ConfigurationError, match="is there already"
    ):  # not even through a link to nothing
        create(str(path))
    assert not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_written_is_said_in_words() -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        assert append(full, "line") == "No space left on device (ENOSPC)"


def test_folders_are_made_down_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    make_folders(str(path))
    make_folders(str(path))
    for folder in (path, path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/x: .+ \(ENOTDIR\)"):
        make_folders(str(tmp_path / "file" / "x"))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(str(path), b"old", 0o644)
    with path.open("rb") as open_still:
        replace(str(path), b"new", 0o600)
        assert open_still.read() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, fails)
            with pytest.raises(ConfigurationError, match=r"file: No space left on device \(ENOSP"):
                replace(str(path), b"new", 0o600)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder: Is a directory \(EISDIR\)"):
        replace(str(tmp_path / "folder"), b"new", 0o600)
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        replace(str(tmp_path / "none" / "file"), b"new", 0o600)


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    held: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with Lock(path):
            held.append("second")

    with Lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        with open(path, "rb") as other, pytest.raises(BlockingIOError):  # noqa: PTH123  flock(2)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append("first")
    thread.join(20)
    assert held == ["first", "second"]
    with Lock(path):  # it can be had again, the file being there
        pass


def test_a_lock_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        Lock(str(tmp_path / "none" / "lock")).__enter__()

    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fails)  # as a network file system may
    with pytest.raises(ConfigurationError, match=r"lock: No locks available \(ENOLCK\)"):
        Lock(str(tmp_path / "lock")).__enter__()
    assert descriptors(tmp_path) == 0
    monkeypatch.setattr(files, "fcntl", None)  # as on Windows
    with Lock(str(tmp_path / "lock")):
        pass


def test_a_lock_that_is_held_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "lock")
    with Lock(path, wait=False):
        with pytest.raises(ConfigurationError, match="lock: another process has it"):
            Lock(path, wait=False).__enter__()
        assert descriptors(tmp_path) == 1
    with Lock(path, wait=False):
        pass

    def fails(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", fails)  # on a read-only disk there is nothing to lose
    with Lock(path, wait=False):
        pass
    with pytest.raises(ConfigurationError, match=r"Read-only file system \(EROFS\)"):
        Lock(path).__enter__()


def test_a_private_file_is_made_or_becomes_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    assert make_private(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("kept")
    path.chmod(0o664)
    assert make_private(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "kept"
    assert not make_private(str(tmp_path / "none" / "file"))

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    assert not make_private(str(path))
    assert descriptors(tmp_path) == 0


def test_what_is_no_file_is_not_made_private(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="link: is a link, and no file"):
        make_private(str(link))
    with pytest.raises(ConfigurationError, match="is a folder, and no file"):
        make_private(str(tmp_path))


def test_what_there_is_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for wrong in (str(path), "nul\0", str(tmp_path / ("x" * 300))):
        assert size_of(wrong) == 0
    assert may_write(str(path))
    assert not may_write("nul\0")
    assert not may_write(str(tmp_path / "none" / "file"))
    path.write_bytes(b"12345")
    assert size_of(str(path)) == 5
    assert may_write(str(path))


def test_a_file_is_put_away_under_another_name(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_text("kept")
    assert put_away(str(path), str(other)) == ""
    assert other.read_text() == "kept"
    assert put_away(str(path), str(other)) == ""  # it is not there
    said = put_away(str(other), str(tmp_path / "none" / "file"))
    assert said == f"{other}: No such file or directory (ENOENT)"


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with made_whole(str(path)) as new:
        assert Path(new).stat().st_mode & 0o777 == 0o600
        Path(new).write_text("whole")
        Path(f"{new}-journal").touch()
        assert not path.exists()
    assert path.read_text() == "whole"
    with (
        pytest.raises(ConfigurationError, match="file: is there already; name another"),
        made_whole(str(path)),
    ):
        pytest.fail("it is not begun")
    with pytest.raises(ZeroDivisionError), made_whole(str(tmp_path / "half")):
        raise ZeroDivisionError
    with (
        pytest.raises(ConfigurationError, match="gone: No such file or directory"),
        made_whole(str(tmp_path / "gone")) as new,
    ):
        Path(new).unlink()
    for wrong, why in (("none/file", "ENOENT"), ("nul\0", "null"), ("x" * 300, "ENAMETOOLONG")):
        with pytest.raises(ConfigurationError, match=why), made_whole(f"{tmp_path}/{wrong}"):
            pytest.fail("it is not begun")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_copy_names_the_file_at_fault(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    with pytest.raises(ConfigurationError, match=r"file: No such file or directory \(ENOENT\)"):
        copy(str(path), str(other))
    path.write_bytes(b"12345")
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}: Is a directory \(EISDIR\)"):
        copy(str(path), str(tmp_path))
    copy(str(path), str(other))
    assert other.read_bytes() == b"12345"
