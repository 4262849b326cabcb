"""A file on its way: written beside its place, and put there once it is whole.

The rules this file owns:

1. What is being written is FILE.part; FILE is replaced by it at the end, all of it or nothing, and
   on the disk by then. FILE.part.json says by what it can be gone on with.
2. Two processes do not write one FILE.part: it is locked, where the system has flock(2).
3. What is no regular file (a device, a FIFO) is written to as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jackfield.errors import LocalError
from jackfield.net import files
from jackfield.net.oserrors import code

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MOST_NOTE = 16 * 1024
"""Bytes of FILE.part.json."""

_READ = 1024 * 1024

_WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Part:
    """One file on its way. Methods raise LocalError, naming the file, when the system refuses.

    size: bytes that are in it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.part = f"{path}.part"
        self._note = f"{path}.part.json"
        self._fd = -1
        self.size = 0
        with self._in_words(path):
            found = _found(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise LocalError(f"{path}: is a folder; name a file in it")
        self.is_plain = found is None or stat.S_ISREG(found.st_mode)

    def begin(self) -> None:
        """Open it for writing, with what is in it already; `size` says how much."""
        with self._in_words(self.part if self.is_plain else self.path):
            if not self.is_plain:
                self._fd = os.open(self.path, os.O_WRONLY)
                return
            self._open()
            while not self._is_there():  # another process has just put it in its place
                self.close()
                self._open()
            self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def _open(self) -> None:
        self._fd = os.open(self.part, _WRITE, 0o666)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise LocalError(f"{self.part}: another process is writing it; wait for it") from None

    def _is_there(self) -> bool:
        """Whether what was locked is still FILE.part."""
        found = _found(self.part)
        return found is not None and os.path.samestat(found, os.fstat(self._fd))

    def existing(self) -> int:
        """Bytes of FILE itself, where there is one."""
        with self._in_words(self.path):
            found = _found(self.path) if self.is_plain else None
        return 0 if found is None else found.st_size

    def take_over(self) -> None:
        """Go on with FILE itself, in place of FILE.part, which is empty."""
        with self._in_words(self.path):
            os.replace(self.path, self.part)  # noqa: PTH105  two names we have
            self.close()
            self.begin()

    def write(self, data: bytes) -> None:
        """Put these bytes at the end."""
        view = memoryview(data)
        try:
            while view:
                done = os.write(self._fd, view)
                self.size += done
                view = view[done:]
        except OSError as error:
            raise _refused(self.part if self.is_plain else self.path, error) from error

    def restart(self) -> None:
        """Begin anew."""
        self.size = 0
        if self.is_plain:
            with self._in_words(self.part):
                os.ftruncate(self._fd, 0)
                os.lseek(self._fd, 0, os.SEEK_SET)
                self._forget()

    def hash_into(self, digest: hashlib._Hash) -> None:
        """Feed what is in it to a hash."""
        with self._in_words(self.part), Path(self.part).open("rb") as file:
            while data := file.read(_READ):
                digest.update(data)

    def finish(self) -> None:
        """Put it in its place. It is on the disk when this returns."""
        with self._in_words(self.path):
            if self.is_plain:
                os.fsync(self._fd)
                if os.name == "nt":  # which renames nothing that is open
                    self.close()
                os.replace(self.part, self.path)  # noqa: PTH105  as above
                files.sync_folder(Path(self.path).parent)
                self._forget()
            self.close()

    def discard(self) -> None:
        """Remove it, so that nobody goes on with it."""
        self.close()
        if self.is_plain:
            with self._in_words(self.part):
                Path(self.part).unlink(missing_ok=True)
                self._forget()

    def leave(self) -> None:
        """Stop here. An empty one is removed."""
        if self._fd >= 0 and self.is_plain and not self.size:
            self.discard()
        self.close()

    def close(self) -> None:
        """Free the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # What is known of it

    def note(self, text: str) -> None:
        """Keep in FILE.part.json what it takes to go on."""
        files.replace(self._note, text.encode(), 0o644)

    def noted(self) -> str:
        """Give what was kept; "" when there is nothing to be read."""
        try:
            with Path(self._note).open("rb") as file:
                return file.read(MOST_NOTE).decode("utf-8", "replace")
        except OSError:
            return ""

    def _forget(self) -> None:
        Path(self._note).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _in_words(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _refused(path, error) from error
        except ValueError as error:  # a NUL in the name
            raise LocalError(f"{path!r}: {error}") from error


def _refused(path: str, error: OSError) -> LocalError:
    return LocalError(f"{path}: {error.strerror or error} ({code(error)})")


def _found(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None
