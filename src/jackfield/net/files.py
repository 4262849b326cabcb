"""Files and folders that options name, with the system's errors put into words."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jackfield.errors import ConfigurationError
from jackfield.net.oserrors import code


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
        raise ConfigurationError(f"{path}: is not a folder of yours alone; remove it first")
    return path
