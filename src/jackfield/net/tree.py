"""A folder and what is in it, opened by names that a peer has sent.

The rules this file owns:

1. A name is opened relative to the folder's own descriptor, never by a path put together, so a
   folder that is moved or replaced meanwhile changes nothing about where a name can lead.
2. No name leads out of the folder: by openat2(2) with RESOLVE_BENEATH, links that stay inside are
   followed and others are not. Where there is no such call, no link is followed at all.
3. Regular files and folders can be opened and nothing else: a device or FIFO is not so much as
   touched, since opening one may already do something, or wait.
4. Whatever cannot be opened because of its name is None, and nobody learns why.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.net.oserrors import code

LONGEST_NAME = 255
"""Bytes of one name: NAME_MAX of Linux and most file systems."""

MOST_NAMES = 64
"""Names in one path."""

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_ONLY_NAMED = getattr(os, "O_PATH", 0)

_OPENAT2 = 437
_BENEATH = 0x08 | 0x02
"""RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS of linux/openat2.h."""
_NO_LINKS = 0x04
"""RESOLVE_NO_SYMLINKS."""

_TRANSIENT = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.EAGAIN}
)
"""Why opening may fail that has nothing to do with the name."""


class FolderBusy(JackfieldError):
    """The system cannot open anything now; it may be able to in a moment."""


class Opened(NamedTuple):
    """An open file or folder; whoever has it closes `fd`."""

    fd: int
    info: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.info.st_mode)


class Entry(NamedTuple):
    """What a folder has under one name."""

    name: str
    is_folder: bool
    size: int
    modified: float
    """In seconds since 1970."""


class Tree:
    """A folder whose contents are opened by name.

    follow_links: whether links may lead out of it. no_links: whether none is followed at all.
    Raises ConfigurationError when it is no folder that can be read, or the system has no openat().
    """

    def __init__(self, folder: str, *, follow_links: bool = False, no_links: bool = False) -> None:
        if os.open not in os.supports_dir_fd:
            raise ConfigurationError("files are served by openat(2), which this system lacks")
        try:
            self.fd = os.open(folder, _FLAGS | _FOLDER)
        except OSError as error:
            msg = f"{folder}: {error.strerror or error} ({code(error)}); name a folder to serve"
            raise ConfigurationError(msg) from error
        except ValueError as error:  # a NUL in the name
            raise ConfigurationError(f"{folder!r}: {error}") from error
        self.follow_links = follow_links
        self._resolve = _BENEATH | (_NO_LINKS if no_links else 0)
        self._beneath = _openat2 if _has_openat2(self.fd) else None

    def close(self) -> None:
        """Let go of the folder."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def open(self, names: Sequence[bytes]) -> Opened | None:
        """Open what these names lead to, one folder after another; none is the folder itself.

        None where they lead to nothing that may be opened. Raises FolderBusy.
        """
        if not all(map(is_name, names)) or len(names) > MOST_NAMES:
            return None
        path = b"/".join(names) or b"."
        try:
            if self.follow_links:
                return self._open(path, 0)
            if self._beneath is not None:
                return self._open_beneath(path)
            return self._open_step_by_step(names)
        except OSError as error:
            if error.errno in _TRANSIENT:
                raise FolderBusy(f"nothing can be opened now ({code(error)})") from error
            return None

    def same(self, path: bytes, info: os.stat_result) -> bool:
        """Whether a path, all of whose names were opened once, still leads to the same contents."""
        try:
            now = os.stat(path, dir_fd=self.fd)
        except OSError:
            return False
        return (
            now.st_mtime_ns == info.st_mtime_ns
            and now.st_size == info.st_size
            and now.st_ino == info.st_ino
            and now.st_ctime_ns == info.st_ctime_ns
            and now.st_dev == info.st_dev
        )

    def entries(self, names: Sequence[bytes], fd: int, most: int) -> tuple[list[Entry], bool]:
        """List the folder at `names`, open as `fd`: `most` entries, and whether those are all.

        Only what `open()` would open is listed; a link as what it leads to. Raises FolderBusy.
        """
        found: list[Entry] = []
        try:
            with os.scandir(fd) as listed:
                for one in listed:
                    if len(found) == most:
                        return found, False
                    info = self._info_of(names, one)
                    if info is not None and _is_plain(info):
                        is_folder = stat.S_ISDIR(info.st_mode)
                        found.append(Entry(one.name, is_folder, info.st_size, info.st_mtime))
        except OSError as error:
            raise FolderBusy(f"the folder cannot be read now ({code(error)})") from error
        return found, True

    def _info_of(self, names: Sequence[bytes], one: os.DirEntry[str]) -> os.stat_result | None:
        with suppress(OSError):  # it is gone
            if not one.is_symlink():
                return one.stat(follow_symlinks=False)
            opened = self.open([*names, os.fsencode(one.name)])
            if opened is not None:
                os.close(opened.fd)
                return opened.info
        return None

    def _open(self, path: bytes, extra: int, dir_fd: int | None = None) -> Opened | None:
        """Open a path as the system resolves it, once it is known to be a file or folder."""
        at = self.fd if dir_fd is None else dir_fd
        before = os.stat(path, dir_fd=at, follow_symlinks=not extra & _NO_LINK)
        if not _is_plain(before):
            return None
        return _checked(os.open(path, _FLAGS | _NO_WAIT | extra, dir_fd=at))

    def _open_beneath(self, path: bytes) -> Opened | None:
        """Open by openat2(2): at first only to see what it is, which touches no device."""
        resolve = self._resolve
        named = _openat2(self.fd, path, _ONLY_NAMED | os.O_CLOEXEC, resolve)
        try:
            if not _is_plain(os.fstat(named)):
                return None
        finally:
            os.close(named)
        return _checked(_openat2(self.fd, path, _FLAGS | _NO_WAIT, resolve))

    def _open_step_by_step(self, names: Sequence[bytes]) -> Opened | None:
        at = os.dup(self.fd)
        try:
            for name in names[:-1]:
                below = os.open(name, _FLAGS | _FOLDER | _NO_LINK, dir_fd=at)
                os.close(at)
                at = below
            return self._open(names[-1] if names else b".", _NO_LINK, at)
        finally:
            os.close(at)


def read_all(fd: int, size: int) -> bytes:
    """Read a file from its beginning: `size` bytes, or fewer where it has become shorter.

    Raises FolderBusy.
    """
    parts = []
    at = 0
    try:
        while at < size:
            part = os.pread(fd, size - at, at)
            if not part:
                break
            parts.append(part)
            at += len(part)
    except OSError as error:
        raise FolderBusy(f"the file cannot be read now ({code(error)})") from error
    return b"".join(parts)


def is_name(name: bytes) -> bool:
    """Whether this is one name, which a folder can have something under."""
    return 0 < len(name) <= LONGEST_NAME and name not in {b".", b".."} and not _ODD & set(name)


_ODD = frozenset(b"/\0" + (b"\\:" if sys.platform == "win32" else b""))


def _is_plain(info: os.stat_result) -> bool:
    return stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)


def _checked(fd: int) -> Opened | None:
    """See whether what was opened is still what it was taken for."""
    info = os.fstat(fd)
    if _is_plain(info):
        return Opened(fd, info)
    os.close(fd)
    return None


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _openat2(at: int, path: bytes, flags: int, resolve: int = _BENEATH) -> int:
    """Call openat2(2), beneath `at`. Raises OSError."""
    assert _libc is not None
    how = struct.pack("=QQQ", flags, 0, resolve)  # struct open_how
    for _ in range(8):  # EAGAIN: a rename went on meanwhile, and it could not tell
        fd = int(_libc.syscall(_OPENAT2, at, path, how, len(how)))
        number = ctypes.get_errno()
        if fd >= 0 or number != errno.EAGAIN:
            break
    if fd < 0:
        raise OSError(number, os.strerror(number))
    return fd


def _has_openat2(fd: int) -> bool:
    """Whether the system has openat2(2): Linux from 5.6 on, where nothing filters it out."""
    if _libc is None or platform.machine() not in {"x86_64", "aarch64", "riscv64"}:
        return False
    try:
        os.close(_openat2(fd, b".", _ONLY_NAMED | os.O_CLOEXEC))
    except OSError:
        return False
    return True
