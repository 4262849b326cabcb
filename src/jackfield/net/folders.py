"""A folder that others may read, write and tidy: what is in it, made, listed and removed by name.

The rules this file owns:

1. As in `tree.py`: a name is opened relative to the folder's own descriptor, component by
   component or by openat2(2), and here no link is followed at all, not even one that stays inside.
2. Names that begin with `RESERVED` are this program's own: nobody lists, opens or removes them.
3. What a method has made or removed is on the disk when it returns.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from jackfield.errors import JackfieldError
from jackfield.net.oserrors import code
from jackfield.net.tree import FolderBusy, Opened, Tree, is_name

RESERVED = b".jackfield-"
"""What names begin with that are this program's own."""

_PART = RESERVED + b"part-"

MOST_LISTED = 100_000
"""Names of one folder that are listed."""

MODE_BITS = 0o777
"""Of a mode, what is set: never setuid, setgid or sticky."""

REASONS = ("none", "exists", "busy", "full", "folder", "odd", "filled", "differs", "system")
"""Why something was not done, as a word: there is no such file, the name is taken, somebody else
writes it, there is no room, it is a folder (or none), it is no regular file, the folder is not
empty, its contents are other ones than were sent, the system refuses."""

Kind = Literal["file", "folder", "link", "other"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FileRefused(JackfieldError):
    """What was asked of a file was not done. The text says why; `why` says it in a word."""

    def __init__(self, text: str, why: str = "system") -> None:
        super().__init__(text)
        self.why = why

    def __reduce__(self) -> tuple[type[FileRefused], tuple[str, str]]:
        return type(self), (str(self), self.why)


class Item(NamedTuple):
    """What a folder has under one name. mtime: in nanoseconds since 1970."""

    name: bytes
    kind: Kind
    size: int
    mode: int
    mtime: int


class Sweep(NamedTuple):
    """What a folder holds in all. expired: how many parts were removed."""

    size: int
    expired: int


def part_of(name: bytes) -> bytes:
    """Give the name under which the file of this name is written until it is whole."""
    return _PART + hashlib.blake2b(name, digest_size=16).hexdigest().encode()


def refused(error: OSError) -> FileRefused:
    """Say what the system has refused."""
    if error.errno in _FULL:
        return FileRefused(f"there is no room on the disk ({code(error)})", "full")
    return FileRefused(f"{error.strerror or error} ({code(error)})")


def _none() -> FileRefused:
    return FileRefused("there is no such file", "none")


class Folder(Tree):
    """A folder that is read and written. Its methods may wait for a disk.

    They raise FileRefused. Raises ConfigurationError as `Tree`.
    """

    def __init__(self, path: str) -> None:
        self.fd = -1  # when that fails
        super().__init__(path, no_links=True)

    def __del__(self) -> None:
        self.close()

    def find(self, names: Sequence[bytes]) -> Opened:
        """Open the file or folder of these names; the folder itself without any."""
        if any(name.startswith(RESERVED) for name in names):
            raise _none()
        try:
            opened = self.open(names)
        except FolderBusy as error:
            raise FileRefused(str(error)) from error
        if opened is None:
            raise _none()
        return opened

    def find_file(self, names: Sequence[bytes]) -> Opened:
        """Open the file of these names."""
        opened = self.find(names)
        if opened.is_folder:
            os.close(opened.fd)
            raise FileRefused("it is a folder", "folder")
        return opened

    def find_folder(self, names: Sequence[bytes]) -> int:
        """Open the folder of these names; whoever gets the descriptor closes it."""
        opened = self.find(names)
        if not opened.is_folder:
            os.close(opened.fd)
            raise FileRefused("it is no folder", "folder")
        return opened.fd

    def make(self, names: Sequence[bytes], mode: int | None = None, mtime: int = 0) -> bool:
        """Make a folder, with those above it, as far as they are missing; whether it was.

        With a mode, it gets that mode and time, also when it was there.
        """
        made = False
        for count in range(1, len(names) + 1):
            made = self._make(names[:count])
        if mode is not None:
            fd = self.find_folder(names)
            try:
                os.fchmod(fd, mode & MODE_BITS)
                os.utime(fd, ns=(mtime, mtime))
                os.fsync(fd)
            except (OSError, OverflowError) as error:
                raise _told(error) from error
            finally:
                os.close(fd)
        return made

    def _make(self, names: Sequence[bytes]) -> bool:
        name = names[-1]
        if not is_name(name) or name.startswith(RESERVED):
            raise FileRefused("no folder can have that name", "odd")
        parent = self.find_folder(names[:-1])
        try:
            os.mkdir(name, dir_fd=parent)
            os.fsync(parent)
        except FileExistsError:
            os.close(self.find_folder(names))  # which refuses what is none
            return False
        except OSError as error:
            raise refused(error) from error
        finally:
            os.close(parent)
        return True

    def remove(self, names: Sequence[bytes], *, deep: bool = False) -> None:
        """Remove a file, or an empty folder; `deep`: a folder with all that is in it."""
        name = names[-1]
        if not is_name(name) or name.startswith(RESERVED):
            raise _none()
        parent = self.find_folder(names[:-1])
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(info.st_mode):
                os.unlink(name, dir_fd=parent)
            elif deep:
                shutil.rmtree(os.fsdecode(name), dir_fd=parent)
            else:
                os.rmdir(name, dir_fd=parent)
            os.fsync(parent)
        except FileNotFoundError as error:
            raise _none() from error
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise refused(error) from error
            raise FileRefused(
                "the folder is not empty, be it of unfinished files alone; -r removes all of it",
                "filled",
            ) from error
        finally:
            os.close(parent)

    def items(self, fd: int) -> tuple[list[Item], bool]:
        """List the folder open as `fd`, by name: at most `MOST_LISTED`, and whether that is all."""
        found: list[Item] = []
        try:
            with os.scandir(fd) as listed:
                for one in listed:
                    name = os.fsencode(one.name)
                    if name.startswith(RESERVED):
                        continue
                    if len(found) == MOST_LISTED:
                        return sorted(found), False
                    with contextlib.suppress(FileNotFoundError):  # it is gone meanwhile
                        found.append(item_of(name, one.stat(follow_symlinks=False)))
        except OSError as error:
            raise refused(error) from error
        return sorted(found), True

    def sweep(self, keep: float) -> Sweep:
        """Say how much it holds, and remove parts that nobody has written to for `keep` seconds."""
        size = expired = 0
        before = time.time() - keep
        try:
            for _, _, names, fd in os.fwalk(".", dir_fd=self.fd, follow_symlinks=False):
                for name in names:
                    with contextlib.suppress(OSError):  # it is gone, or is not ours to judge
                        info = os.stat(name, dir_fd=fd, follow_symlinks=False)
                        if not stat.S_ISREG(info.st_mode):
                            continue
                        is_part = os.fsencode(name).startswith(_PART)
                        if is_part and info.st_mtime < before and _expire(name, fd):
                            expired += 1
                        else:
                            size += info.st_size
        except OSError as error:
            raise refused(error) from error
        return Sweep(size, expired)


def item_of(name: bytes, info: os.stat_result) -> Item:
    """Give what is told of a file."""
    mode = info.st_mode
    kind: Kind = "other"
    if stat.S_ISREG(mode):
        kind = "file"
    elif stat.S_ISDIR(mode):
        kind = "folder"
    elif stat.S_ISLNK(mode):
        kind = "link"
    size = info.st_size if kind == "file" else 0
    return Item(name, kind, size, mode & MODE_BITS, info.st_mtime_ns)


def _told(error: OSError | OverflowError) -> FileRefused:
    return refused(error) if isinstance(error, OSError) else FileRefused(str(error))


def _expire(name: str, folder: int) -> bool:
    """Remove a part, unless somebody writes it. Raises OSError."""
    fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if not locked(fd):
            return False
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(fd)
    return True


def locked(fd: int) -> bool:
    """Lock a file until it is closed; False where somebody else has. Raises OSError."""
    import fcntl  # noqa: PLC0415  Windows has none, and no `Folder` either

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
