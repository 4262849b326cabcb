from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net import tree as module
from jackfield.net.tree import LONGEST_NAME, MOST_NAMES, FolderBusy, Opened, Tree, read_all
from tests.descriptors import descriptors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to serve, with one beside it that nobody is to see."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "d" / "e").mkdir(parents=True)
    (root / "a").write_text("alpha")
    (root / "d" / "b").write_text("beta")
    return root


@pytest.fixture(params=["openat2", "step by step", "following"])
def tree(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tree]:
    """The folder, opened in each of the ways there are."""
    if request.param == "step by step":
        monkeypatch.setattr(module, "_has_openat2", lambda _: False)
    made = Tree(str(folder), follow_links=request.param == "following")
    if request.param == "openat2" and made._beneath is None:
        pytest.skip("this system has no openat2(2)")
    yield made
    made.close()


def content(opened: Opened | None) -> bytes | None:
    """What there is; None for nothing. It is closed."""
    if opened is None:
        return None
    try:
        return b"/" if opened.is_folder else read_all(opened.fd, opened.info.st_size)
    finally:
        os.close(opened.fd)


def opened(tree: Tree, path: str) -> bytes | None:
    return content(tree.open([os.fsencode(name) for name in path.split("/")] if path else []))


def test_files_and_folders_are_opened(tree: Tree) -> None:
    assert opened(tree, "a") == b"alpha"
    assert opened(tree, "d/b") == b"beta"
    assert opened(tree, "d") == opened(tree, "d/e") == opened(tree, "") == b"/"


@pytest.mark.parametrize(
    "path",
    ["none", "a/b", "d/none", "..", ".", "d/..", "../outside/secret", "d/../a", "./a", "\0", "a\0"],
)
def test_what_is_not_there_and_what_may_not_be_looked_for(tree: Tree, path: str) -> None:
    assert opened(tree, path) is None


def test_odd_names(tree: Tree, folder: Path) -> None:
    for name in (b"\xff\xfe", b"a b", b"%61", b"?#&", b'"<>', b"\n", b"...", b" ", b"-rf", b"\\"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)
        assert content(tree.open([name])) == name
    assert tree.open([b""]) is None
    assert tree.open([b"a/b"]) is None
    assert tree.open([b"d/b"]) is None


def test_names_that_are_too_long_or_too_many(tree: Tree, folder: Path) -> None:
    longest = "n" * LONGEST_NAME
    (folder / longest).write_text("long")
    assert opened(tree, longest) == b"long"
    assert opened(tree, longest + "n") is None
    deep = "/".join(["f"] * (MOST_NAMES - 1))
    (folder / deep).mkdir(parents=True)
    (folder / deep / "g").write_text("deep")
    assert opened(tree, f"{deep}/g") == b"deep"
    assert opened(tree, f"{deep}/g/h") is None
    (folder / deep / "d").mkdir()
    (folder / deep / "d" / "g").write_text("deeper")
    assert opened(tree, f"{deep}/d/g") is None


def follows(tree: Tree) -> bool:
    return tree.follow_links or tree._beneath is not None


def test_links_that_stay_inside_are_followed_where_the_system_can_tell(
    tree: Tree, folder: Path
) -> None:
    (folder / "to-file").symlink_to("d/b")
    (folder / "to-folder").symlink_to("d")
    (folder / "d" / "up").symlink_to("../a")
    (folder / "chain").symlink_to("to-file")
    wanted = b"beta" if follows(tree) else None
    assert opened(tree, "to-file") == opened(tree, "to-folder/b") == opened(tree, "chain") == wanted
    assert opened(tree, "d/up") == (b"alpha" if follows(tree) else None)


def test_links_that_lead_out_are_not_unless_told(tree: Tree, folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "out").symlink_to("../outside/secret")
    (folder / "out-folder").symlink_to("../outside")
    (folder / "absolute").symlink_to(outside / "secret")
    (folder / "absolute-inside").symlink_to(folder / "a")
    (folder / "d" / "far").symlink_to("../../outside/secret")
    (folder / "back").symlink_to("../root/a")
    (folder / "two").symlink_to("out")
    wanted = b"secret" if tree.follow_links else None
    for path in ("out", "out-folder/secret", "absolute", "d/far", "two"):
        assert opened(tree, path) == wanted, path
    for path in ("absolute-inside", "back"):
        assert opened(tree, path) == (b"alpha" if tree.follow_links else None), path


def test_links_that_lead_nowhere(tree: Tree, folder: Path) -> None:
    (folder / "dangling").symlink_to("none")
    (folder / "self").symlink_to("self")
    (folder / "one").symlink_to("other")
    (folder / "other").symlink_to("one")
    (folder / "process").symlink_to("/proc/self/environ")
    (folder / "descriptor").symlink_to("/proc/self/fd/0")
    for path in ("dangling", "self", "one", "other", "self/a"):
        assert opened(tree, path) is None
    if not tree.follow_links:
        assert opened(tree, "process") is None
        assert opened(tree, "descriptor") is None


def test_what_is_no_file_is_not_so_much_as_touched(tree: Tree, folder: Path) -> None:
    """Opening a FIFO would wait for a writer, and this returns."""
    os.mkfifo(folder / "fifo")
    (folder / "to-fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(folder / "socket"))
        assert opened(tree, "socket") is None
    assert opened(tree, "fifo") is None
    assert opened(tree, "to-fifo") is None
    assert opened(tree, "fifo/x") is None
    if os.geteuid() == 0:
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(folder / "full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        assert opened(tree, "null") is None
        assert opened(tree, "full") is None
    entries, _ = listed(tree)
    assert {entry.name for entry in entries} == {"a", "d"}


def listed(tree: Tree, most: int = 100) -> tuple[list[module.Entry], bool]:
    top = tree.open([])
    assert top is not None
    try:
        return tree.entries([], top.fd, most)
    finally:
        os.close(top.fd)


def test_a_folder_is_listed_as_it_can_be_opened(tree: Tree, folder: Path) -> None:
    (folder / "out").symlink_to("../outside")
    (folder / "in").symlink_to("d")
    (folder / "dangling").symlink_to("none")
    entries, is_all = listed(tree)
    found = {entry.name: (entry.is_folder, entry.size) for entry in entries}
    wanted = {"a": (False, 5), "d": (True, (folder / "d").stat().st_size)}
    if follows(tree):
        wanted["in"] = wanted["d"]
    if tree.follow_links:
        wanted["out"] = (True, (folder / "out").stat().st_size)
    assert (found, is_all) == (wanted, True)
    assert next(e for e in entries if e.name == "a").modified == (folder / "a").stat().st_mtime


def test_a_listing_has_a_bound(tree: Tree, folder: Path) -> None:
    for number in range(20):
        (folder / f"f{number}").touch()
    entries, is_all = listed(tree, 10)
    assert (len(entries), is_all) == (10, False)
    entries, is_all = listed(tree, 22)
    assert (len(entries), is_all) == (22, True)


def test_a_folder_that_is_moved_stays_the_one_that_is_served(tree: Tree, folder: Path) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.mkdir()
    (folder / "a").write_text("another")
    assert opened(tree, "a") == b"alpha"
    (moved / "a").write_text("changed")
    assert opened(tree, "a") == b"changed"


def test_a_folder_that_is_gone_has_nothing(tree: Tree, folder: Path) -> None:
    shutil.rmtree(folder)
    assert opened(tree, "a") is None
    assert opened(tree, "") == b"/"  # it is there until nobody has it open
    assert listed(tree) == ([], True)


def test_the_same_file_is_known_again(tree: Tree, folder: Path) -> None:
    found = tree.open([b"a"])
    assert found is not None
    os.close(found.fd)
    assert tree.same(b"a", found.info)
    os.utime(folder / "a", ns=(0, found.info.st_mtime_ns + 1))
    assert not tree.same(b"a", found.info)
    os.utime(folder / "a", ns=(0, found.info.st_mtime_ns))
    assert not tree.same(b"a", found.info)  # its ctime tells
    (folder / "a").unlink()
    assert not tree.same(b"a", found.info)


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN]
)
def test_what_has_nothing_to_do_with_the_name_is_told(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*args: object, **kwargs: object) -> int:
        raise OSError(number, os.strerror(number))

    top = tree.open([])
    assert top is not None
    monkeypatch.setattr(os, "open", fails)
    monkeypatch.setattr(os, "dup", fails)
    monkeypatch.setattr(os, "scandir", fails)
    monkeypatch.setattr(os, "pread", fails)
    if tree._beneath is not None:
        monkeypatch.setattr(module, "_openat2", fails)
    with pytest.raises(FolderBusy, match=errno.errorcode[number]):
        tree.open([b"a"])
    with pytest.raises(FolderBusy, match=errno.errorcode[number]):
        tree.entries([], top.fd, 10)
    with pytest.raises(FolderBusy, match=errno.errorcode[number]):
        read_all(top.fd, 1)
    os.close(top.fd)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP, errno.EXDEV])
def test_what_has_to_do_with_it_is_not(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*args: object, **kwargs: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fails)
    monkeypatch.setattr(module, "_openat2", fails)
    assert tree.open([b"a"]) is None


def test_a_file_is_read_as_far_as_it_goes(folder: Path) -> None:
    with (folder / "a").open("rb") as file:
        assert read_all(file.fileno(), 3) == b"alp"
        assert read_all(file.fileno(), 50) == b"alpha"
        assert read_all(file.fileno(), 0) == b""


def test_what_may_not_be_read_is_not_there(tree: Tree, folder: Path) -> None:
    (folder / "a").chmod(0)
    (folder / "d").chmod(0)
    nobody = os.geteuid() or 65534
    root = os.geteuid() == 0
    os.seteuid(nobody)  # for root there is no such thing
    try:
        assert opened(tree, "a") is None
        assert opened(tree, "d") is None
        assert opened(tree, "d/b") is None
    finally:
        if root:
            os.seteuid(0)
        (folder / "d").chmod(0o700)


@pytest.mark.some(1)
def test_no_descriptor_is_left_open(tree: Tree, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("d")
    (folder / "out").symlink_to("/etc")
    before = descriptors(folder)
    for path in ("a", "d/b", "none", "a/b", "fifo", "link", "link/b", "out", "", "d/none/x"):
        opened(tree, path)
        listed(tree)
    assert descriptors(folder) == before


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("none", r"none: .*ENOENT.*; name a folder"),
        ("a", "ENOTDIR"),
        ("\0", "null (byte|character)"),
    ],
)
def test_what_is_no_folder_is_refused_by_name(folder: Path, name: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Tree(str(folder / name))


def test_a_system_without_openat_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with pytest.raises(ConfigurationError, match="openat"):
        Tree(str(folder))


@pytest.mark.some(1)
def test_a_file_that_becomes_a_fifo_meanwhile_is_none(
    tree: Tree, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at what it is and the opening of it; nobody waits for a writer then."""
    is_plain = module._is_plain
    looks = []

    def swap(info: os.stat_result) -> bool:
        looks.append(info)
        if len(looks) == 1:
            (folder / "a").unlink()
            os.mkfifo(folder / "a")
        return is_plain(info)

    monkeypatch.setattr(module, "_is_plain", swap)
    before = descriptors(folder)
    assert opened(tree, "a") is None
    assert len(looks) == 2
    assert descriptors(folder) == before


def test_a_rename_that_went_on_meanwhile_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy:
        """The system while there are renames, for so many calls."""

        left = 3

        def syscall(self, *arguments: object) -> int:
            Busy.left -= 1
            if Busy.left >= 0:
                ctypes.set_errno(errno.EAGAIN)
                return -1
            return os.open(folder / "a", os.O_RDONLY)

    tree = Tree(str(folder))
    if tree._beneath is None:
        pytest.skip("this system has no openat2(2)")
    monkeypatch.setattr(module, "_libc", Busy())
    assert opened(tree, "a") == b"alpha"
    Busy.left = 1000
    with pytest.raises(FolderBusy, match="EAGAIN"):
        tree.open([b"a"])
    tree.close()


def test_a_system_whose_calls_are_not_known_does_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    tree = Tree(str(folder))
    assert tree._beneath is None
    assert opened(tree, "d/b") == b"beta"
    tree.close()


def test_closing_twice_is_closing_once(folder: Path) -> None:
    tree = Tree(str(folder))
    tree.close()
    tree.close()
    assert tree.fd == -1


@pytest.mark.parametrize("way", ["openat2", "step by step"])
def test_no_link_is_followed_when_none_is_to_be(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that stays inside, be it on the way or at its end."""
    (folder / "in").symlink_to("d")
    (folder / "d" / "c").symlink_to("b")
    if way == "step by step":
        monkeypatch.setattr(module, "_has_openat2", lambda _: False)
    tree = Tree(str(folder), no_links=True)
    assert [opened(tree, path) for path in ("d/b", "in", "in/b", "d/c")] == [
        b"beta",
        None,
        None,
        None,
    ]
    tree.close()
