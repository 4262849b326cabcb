"""The token by which somebody is known to a service."""

from __future__ import annotations

import os

from jackfield.errors import ConfigurationError
from jackfield.net import files

MOST_FILE = 4096
"""Bytes of a file with a token."""


def read_token(path: str | None, most: int) -> str:
    """Give the token of a file, or of JACKFIELD_TOKEN where none is named; "" without.

    most: characters that the service takes. Raises ConfigurationError for one that cannot be.
    """
    if path is None:
        token = os.environ.get("JACKFIELD_TOKEN", "")
    else:
        token = files.read(path, MOST_FILE).decode("utf-8", "replace").strip()
        if not token:
            raise ConfigurationError(f"{path}: there is no token in it")
    if len(token) > most:
        raise ConfigurationError(f"a token has {most} characters at the most")
    return token
