"""Reading files that options name, with the system's errors put into words."""

from __future__ import annotations

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
