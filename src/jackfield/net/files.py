"""Files and folders that options name, with the system's errors put into words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.net.oserrors import code

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def read(path: str, most: int, *, trusted: bool = False) -> bytes:
    """Read a file of at most `most` bytes.

    trusted: whether it says who may do what, so that no others may change it: nobody but its owner
    and, where people have a group of their own and a umask of 002, our own group.
    Raises ConfigurationError naming the file, for one that is longer or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            info = os.fstat(file.fileno())
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error} ({code(error)})") from error
    except ValueError as error:  # a NUL in the name
        raise ConfigurationError(f"{path!r}: {error}") from error
    if trusted and os.name == "posix" and stat.S_ISREG(info.st_mode):
        allowed = 0o020 if info.st_gid == os.getegid() else 0
        if info.st_mode & 0o022 & ~allowed:
            msg = f"{path}: others may change it, and so what they may do: chmod go-w {path}"
            raise ConfigurationError(msg)
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


def make_private(path: str) -> bool:
    """Make an empty file, unless it is there, and let its owner alone read and write it.

    Gives whether that could be done: a disk that is full or read-only is told by what is written
    next. Raises ConfigurationError naming what is there and is no file.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except IsADirectoryError as error:
        raise ConfigurationError(f"{path}: is a folder, and no file") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ConfigurationError(f"{path}: is a link, and no file") from error
        return False
    try:
        if os.name == "posix" and os.fstat(fd).st_mode & 0o077:
            os.fchmod(fd, 0o600)
        os.fsync(fd)
        sync_folder(Path(path).parent)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def size_of(path: str) -> int:
    """Give the bytes of a file; 0 where there is none. Raises nothing."""
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return 0


def may_write(path: str) -> bool:
    """Whether this user may write a file, or where there is none, make it. Raises nothing."""
    try:
        folder = os.access(Path(path).parent, os.W_OK)
        return folder and (os.access(path, os.W_OK) or not os.path.lexists(path))
    except ValueError:
        return False


def put_away(path: str, name: str) -> str:
    """Call a file otherwise, if it is there; give why that failed, or nothing."""
    try:
        if os.path.lexists(path):
            Path(path).rename(name)
    except OSError as error:
        return f"{path}: {error.strerror or error} ({code(error)})"
    return ""


@contextlib.contextmanager
def made_whole(path: str) -> Iterator[str]:
    """Have a file made under another name, in the same folder; then it is called `path`.

    The name that is given is of an empty file for its owner alone. When what is in the `with`
    fails, nothing is left. On the disk when it ends. Raises ConfigurationError naming the file,
    when it is there already, or cannot be made.
    """
    target = Path(path)
    try:
        if os.path.lexists(target):
            msg = f"{path}: is there already; name another, or remove it first"
            raise ConfigurationError(msg)
        fd, new = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(fd)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{path}: {_said(error)}") from error
    try:
        yield new
        try:
            fd = os.open(new, os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            Path(new).rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise ConfigurationError(f"{path}: {_said(error)}") from error
    finally:
        for name in (new, f"{new}-journal", f"{new}-wal", f"{new}-shm"):  # as SQLite calls its own
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108  names that were just made


def write_new(path: str, parts: Iterable[bytes]) -> None:
    """Make a new file of these parts, for its owner alone: all of it or nothing.

    Raises ConfigurationError as `made_whole()`, and whatever `parts` raise.
    """
    with made_whole(path) as new:
        try:
            with open(new, "wb") as file:  # noqa: PTH123  a name that was just made
                file.writelines(parts)
        except OSError as error:
            if isinstance(error, JackfieldError):
                raise
            raise ConfigurationError(f"{path}: {_said(error)}") from error


def copy(path: str, target: str) -> None:
    """Copy a file to a name that is there. Raises ConfigurationError naming the one at fault."""
    try:
        with Path(path).open("rb") as source, Path(target).open("wb") as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
    except OSError as error:
        where = error.filename or target
        raise ConfigurationError(f"{where}: {_said(error)}") from error


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error} ({code(error)})"
    return str(error)


class Lock:
    """Held by one process at a time, within `with`; by way of a file, which stays.

    Waits for who has it, or not. Where the system has no flock(2), it locks nothing; nor does one
    that does not wait on a disk that cannot be written, where there is nothing to lose.

    Raises ConfigurationError, when it cannot be had.
    """

    def __init__(self, path: str, *, wait: bool = True) -> None:
        self._path = path
        self._wait = wait
        self._fd = -1

    def __enter__(self) -> None:
        fd = -1
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is not None:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if self._wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            os.close(fd)
            raise ConfigurationError(f"{self._path}: another process has it") from error
        except OSError as error:
            if not self._wait and fd < 0 and error.errno in {errno.EROFS, errno.ENOSPC}:
                return
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
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
