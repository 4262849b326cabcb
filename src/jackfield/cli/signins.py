"""What was kept of earlier sign-ins: for each board a name and a token, in files of the user's own.

A token lets in whoever has it, so a file of it is readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.net import files

MOST = 16 * 1024
"""Bytes of a file."""


class SignIn(NamedTuple):
    """Who one is at a board."""

    name: str
    token: str


def path_of(board: Endpoint) -> Path:
    """Give the file of a board, whether or not there is one. Raises ConfigurationError."""
    at = board.path or f"{board.host}:{board.port}"
    return _folder() / f"{quote(at, safe='.:-[]')}.json"


def _folder() -> Path:
    """Give the folder of all of them: in the user's configuration, as the platform has it."""
    home = os.environ.get("JACKFIELD_HOME")
    if home:
        return Path(home) / "boards"
    try:
        if sys.platform == "win32":
            base = os.environ.get("APPDATA", "") or str(Path.home() / "AppData" / "Roaming")
        elif sys.platform == "darwin":
            base = str(Path.home() / "Library" / "Application Support")
        else:
            base = os.environ.get("XDG_CONFIG_HOME", "") or str(Path.home() / ".config")
    except RuntimeError:
        msg = "this user has no home folder for what is kept of boards; name one in JACKFIELD_HOME"
        raise ConfigurationError(msg) from None
    return Path(base) / "jackfield" / "boards"


def kept(board: Endpoint) -> SignIn | None:
    """Give what was kept of a board; None without. Raises ConfigurationError."""
    path = str(path_of(board))
    if not files.is_file(path):
        return None
    try:
        found = json.loads(files.read(path, MOST))
        return SignIn(str(found["name"]), str(found["token"]))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{path}: is damaged; remove it and sign in again") from None


def keep(board: Endpoint, sign_in: SignIn) -> None:
    """Keep a token for the next time. Raises ConfigurationError."""
    path = path_of(board)
    files.make_folders(str(path.parent))
    files.replace(str(path), json.dumps(sign_in._asdict()).encode(), 0o600)
