"""Where a board keeps what: its data, and the sockets by which its owner reaches it."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jackfield.net import files


@dataclass(frozen=True, slots=True)
class Paths:
    """The places of one board. Nothing is made before `make()`.

    data: the folder that is kept. runtime: the folder of sockets, good until the machine restarts.
    """

    data: Path
    runtime: Path

    @classmethod
    def of(cls, data: str | None) -> Paths:
        """Give the places of the board in a data folder, or of this user's own board."""
        own = default_data()
        folder = own if data is None else Path(data).expanduser().absolute()
        name = "board"
        if folder != own:
            name += "-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        return cls(folder, _runtime() / name)

    @property
    def store(self) -> Path:
        """The database."""
        return self.data / "board.db"

    @property
    def control(self) -> Path:
        """The socket for commands of the owner."""
        return self.runtime / "control.sock"

    @property
    def chat(self) -> Path:
        """The socket for the chat's clients on this machine."""
        return self.runtime / "chat.sock"

    def make(self) -> None:
        """Make both folders, for their owner alone. Raises ConfigurationError."""
        files.make_folders(str(self.data))
        files.own_folder(str(self.data))
        files.make_folders(str(self.runtime.parent.parent))
        files.own_folder(str(self.runtime.parent))
        files.own_folder(str(self.runtime))


def default_data() -> Path:
    """Give the folder of this user's own board: XDG_DATA_HOME of the XDG base directories."""
    chosen = os.environ.get("JACKFIELD_DATA", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME", "") or str(Path.home() / ".local" / "share")
    return Path(base) / "jackfield"


def _runtime() -> Path:
    """Give the folder of this user's sockets."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "jackfield"
    user = os.getuid() if hasattr(os, "getuid") else "me"
    return Path(tempfile.gettempdir()) / f"jackfield-{user}"
