"""A file on its way into a folder: written beside its place, and put there whole.

The rules this file owns:

1. What has come lies in the same folder under a reserved name, made of a hash of the file's own, so
   that a name of 255 bytes has one. It outlives a connection and a process, to be gone on with.
2. One writes it at a time, whatever process or thread: it is locked by flock(2).
3. It gets its name by renameat2(2) with RENAME_NOREPLACE, or a link where there is no such call,
   so that a name that is taken, be it meanwhile, stays as it is; only when asked to, it is
   replaced, and the old file is there until that moment. Then both are on the disk: the file
   before it has its name, the folder before anybody is told.
4. Nobody but its owner can read it before it is whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

from jackfield.net.folders import (
    MODE_BITS,
    RESERVED,
    FileRefused,
    Folder,
    locked,
    part_of,
    refused,
)
from jackfield.net.tree import Opened, is_name

_READ = 1024 * 1024
_PIECES = 1024
"""IOV_MAX, as POSIX systems have it."""
_WRITE = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NOREPLACE = 1

_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Incoming:
    """One file on its way. Its methods may wait for a disk, and raise FileRefused.

    size: bytes that have come. fd: open for reading and writing after `begin()`.
    """

    def __init__(self, folder: Folder, names: Sequence[bytes]) -> None:
        """Folders that are missing on the way to it are made."""
        self._name = names[-1]
        if not is_name(self._name) or self._name.startswith(RESERVED):
            raise FileRefused("no file can have that name", "odd")
        if len(names) > 1:
            folder.make(names[:-1])
        self._folder = folder
        self._names = names
        self._part = part_of(self._name)
        self.fd = -1
        self.size = 0
        self._has_name = False  # what it is now is no part any more, whatever fails after that
        self._at = folder.find_folder(names[:-1])

    def begin(self) -> None:
        """Open what has come already; `size` says how much. Refuses when somebody writes it."""
        try:
            self._check_target()
            while self.fd < 0:
                self._open()
            self.size = os.lseek(self.fd, 0, os.SEEK_END)
        except OSError as error:
            raise refused(error) from error

    def _open(self) -> None:
        fd = os.open(self._part, _WRITE, 0o600, dir_fd=self._at)
        kept = False
        try:
            if not locked(fd):
                raise FileRefused(
                    "somebody else is writing it now; try again once they are done", "busy"
                )
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
                # power went between link() and unlink(): it is the finished file, too
                os.unlink(self._part, dir_fd=self._at)
                return
            with contextlib.suppress(FileNotFoundError):  # it has just got its name
                now = os.stat(self._part, dir_fd=self._at, follow_symlinks=False)
                kept = os.path.samestat(info, now)
        finally:
            if kept:
                self.fd = fd
            else:
                os.close(fd)

    def _check_target(self) -> None:
        """Refuse what cannot be replaced by a file."""
        with contextlib.suppress(FileNotFoundError):
            info = os.stat(self._name, dir_fd=self._at, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                raise FileRefused("there is a folder of that name", "folder")
            if not stat.S_ISREG(info.st_mode):
                raise FileRefused("what has that name is no regular file", "odd")

    def existing(self) -> Opened | None:
        """Open the file that has the name now; whoever gets it closes it."""
        try:
            return self._folder.find_file(self._names)
        except FileRefused as error:
            if error.why == "none":
                return None
            raise

    def write(self, parts: Sequence[bytes]) -> None:
        """Put these bytes at the end, in order."""
        left = deque([memoryview(part) for part in parts])
        try:
            while left:
                done = os.writev(self.fd, list(islice(left, _PIECES)))
                self.size += done
                while left and done >= len(left[0]):
                    done -= len(left.popleft())
                if done:
                    left[0] = left[0][done:]
        except OSError as error:
            raise refused(error) from error

    def restart(self) -> None:
        """Begin anew. Nothing is left to do where it has its name."""
        if self._has_name:
            return
        try:
            os.ftruncate(self.fd, 0)
            os.lseek(self.fd, 0, os.SEEK_SET)
        except OSError as error:
            raise refused(error) from error
        self.size = 0

    def finish(self, mode: int, mtime: int, *, replace: bool) -> os.stat_result:
        """Give it its name, mode and time (in nanoseconds since 1970). It is on the disk then."""
        try:
            self._check_target()
            os.fchmod(self.fd, mode & MODE_BITS)
            os.utime(self.fd, ns=(mtime, mtime))
            os.fsync(self.fd)
            if replace:
                os.rename(self._part, self._name, src_dir_fd=self._at, dst_dir_fd=self._at)
            else:
                self._name_it()
            self._has_name = True
            os.fsync(self._at)
            return os.fstat(self.fd)
        except FileExistsError as error:
            raise exists() from error
        except OverflowError as error:
            raise FileRefused(f"its time cannot be kept: {error}") from error
        except OSError as error:
            raise refused(error) from error

    def _name_it(self) -> None:
        """Rename it, unless the name is taken. Raises OSError."""
        call = getattr(_libc, "renameat2", None)
        if call is not None:
            if call(self._at, self._part, self._at, self._name, _NOREPLACE) == 0:
                return
            number = ctypes.get_errno()
            if number not in {errno.EINVAL, errno.ENOSYS}:  # of a file system without it
                raise OSError(number, os.strerror(number))
        os.link(
            self._part,
            self._name,
            src_dir_fd=self._at,
            dst_dir_fd=self._at,
            follow_symlinks=False,
        )
        self._has_name = True
        os.unlink(self._part, dir_fd=self._at)

    def leave(self) -> None:
        """Stop here, with what has come kept for the next time; an empty one is removed."""
        if self.fd >= 0 and not self.size and not self._has_name:
            with contextlib.suppress(OSError):  # it is only tidier so
                os.unlink(self._part, dir_fd=self._at)
        self.close()

    def close(self) -> None:
        """Free the descriptors."""
        for fd in (self.fd, self._at):
            if fd >= 0:
                os.close(fd)
        self.fd = self._at = -1


def exists() -> FileRefused:
    """Say that a name is taken."""
    return FileRefused("there is another file of that name; --replace replaces it", "exists")


class Source:
    """An open file that is read from any place. Its methods may wait for a disk."""

    def __init__(self, fd: int, info: os.stat_result) -> None:
        self._fd = fd
        self.info = info
        self.size = info.st_size

    @staticmethod
    def at(path: str) -> Source:
        """Open a file by its path, links followed. Raises FileRefused."""
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait
        except OSError as error:
            raise refused(error) from error
        except ValueError as error:  # a NUL in the name
            raise FileRefused(str(error)) from error
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            os.close(fd)
            if stat.S_ISDIR(info.st_mode):
                raise FileRefused("it is a folder; -r takes folders", "folder")
            raise FileRefused("it is no regular file", "odd")
        return Source(fd, info)

    @staticmethod
    def of(incoming: Incoming) -> Source:
        """Read what has come of a file, whose descriptor stays its own."""
        return Source(incoming.fd, os.fstat(incoming.fd))

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._fd

    def read(self, at: int, size: int) -> bytes:
        """Give bytes from a place on: fewer at its end."""
        try:
            return os.pread(self._fd, size, at)
        except OSError as error:
            raise refused(error) from error

    def feed(self, update: Any, at: int, end: int) -> int:
        """Call `update()` with what is there between two places; give where it ended.

        It is a buffer that is used again.
        """
        buffer = memoryview(bytearray(min(_READ, max(1, end - at))))
        try:
            while at < end:
                count = os.preadv(self._fd, [buffer[: end - at]], at)
                if not count:
                    break
                update(buffer[:count])
                at += count
        except OSError as error:
            raise refused(error) from error
        return at

    def has_changed(self) -> bool:
        """Whether it is not what it was when it was opened."""
        now, then = os.fstat(self._fd), self.info
        return (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
            then.st_size,
            then.st_mtime_ns,
            then.st_ctime_ns,
        )

    def close(self) -> None:
        """Free the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
