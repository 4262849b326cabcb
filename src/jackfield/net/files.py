"""Files and folders that options name, with the system's errors put into words."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

from jackfield.errors import ConfigurationError
from jackfield.net.oserrors import code

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def read(path: str, most: int) -> bytes:
    """Read a file of at most `most` bytes.

    Raises ConfigurationError naming the file, for one that is longer or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error
    except ValueError as error:  # a NUL in the name
        raise ConfigurationError(f"{path!r}: {error}") from error
    if len(data) > most:
        raise ConfigurationError(f"{path}: more than the {most} bytes that such a file may have")
    return data


def lines_of(path: str, longest: int) -> Iterator[bytes]:
    """Give the lines of a file, each with its ending, and cut after `longest` bytes.

    Raises ConfigurationError naming the file when it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            while line := file.readline(longest):
                yield line
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error


def is_file(path: str) -> bool:
    """Whether there is a file with this name. Raises nothing."""
    return os.path.isfile(path)  # noqa: PTH113  that raises for a path too long


def count_in(path: str) -> int:
    """Say how many names a folder has. Raises ConfigurationError naming it."""
    try:
        return len(os.listdir(path))  # noqa: PTH208  their number is all that is wanted
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error


def create(path: str) -> TextIO:
    """Make a new file of ASCII text that its owner alone can read.

    Raises ConfigurationError naming the file when it is there already or cannot be made.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        msg = f"{path}: is there already; name another, or remove it first"
        raise ConfigurationError(msg) from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error
    return os.fdopen(fd, "w", encoding="ascii")


def append(file: TextIO, line: str) -> str:
    """Write a line at once; give what was wrong, in words, or nothing. Then it is closed."""
    try:
        file.write(line + "\n")
        file.flush()
    except OSError as error:
        with contextlib.suppress(OSError):  # it tries again what has just failed
            file.close()
        return f"{error.strerror or error} ({code(error)})"
    return ""


def own_folder(path: str) -> str:
    """Make a folder, unless it is there, in which nobody else can put anything; give its path.

    Raises ConfigurationError when it cannot be made, or when others own it or may write in it.
    """
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not mine or found.st_mode & 0o022:
        raise ConfigurationError(
            f"{path}: is no folder of yours alone: others own it, or may write in it"
        )
    return path


def make_folders(path: str) -> None:
    """Make a folder and those above it, as far as they are missing, for their owner alone.

    Raises ConfigurationError naming it.
    """
    try:
        for folder in reversed([Path(path), *Path(path).parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error


def replace(path: str, data: bytes, mode: int) -> None:
    """Put a file with this content and mode in place of what is there: all of it or nothing.

    It is on the disk when this returns. Raises ConfigurationError naming the file.
    """
    target = Path(path)
    try:
        fd, new = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                os.chmod(new, mode)  # noqa: PTH101  a name that was just made
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.replace(new, path)  # noqa: PTH105  likewise
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new)  # noqa: PTH108  likewise
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be opened. Raises OSError."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Lock:
    """Held by one process at a time, within `with`; by way of a file, which stays.

    Waits for who has it. Where the system has no flock(2), it locks nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> None:
        fd = -1
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is not None:
                fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            msg = f"{self._path}: {error.strerror or error} ({code(error)})"
            raise ConfigurationError(msg) from error
        self._fd = fd

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)
