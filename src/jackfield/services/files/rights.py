"""Who may do what, and how much there may be: what files need somebody to know.

`Rights` and `Room` say what that is. `Anybody` and `Measured` are enough for a service by itself; a
board has accounts, and knows the owner of each file.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from jackfield.net.folders import FileRefused, Folder

DENIED = "denied"
"""Why of a `FileRefused`: it is not theirs to do."""

AGAIN = 10.0
"""Seconds after which a folder is measured anew, since others may write in it too."""


class Rights(Protocol):
    """Knows people, and whose a file is. Each raises FileRefused with words for them."""

    async def enter(self, token: str, source: str) -> str:
        """Give who this is. source: the address they come from, for which attempts are counted."""

    async def may_change(self, who: str, name: str) -> None:
        """Refuse what they may not replace or remove."""

    async def changed(self, who: str, name: str, size: int | None) -> None:
        """Note whose a file is from now on, and its bytes; None: it is gone."""


class Room(Protocol):
    """Knows how many bytes there may be. Called from any thread; may wait for a disk."""

    def claim(self, who: str, size: int) -> None:
        """Refuse, by FileRefused, so many bytes more; else count them in."""


class Anybody:
    """Everybody may do everything: `Rights` of a service by itself."""

    async def enter(self, token: str, source: str) -> str:
        """They have no name."""
        del token, source
        return ""

    async def may_change(self, who: str, name: str) -> None:
        """They may."""

    async def changed(self, who: str, name: str, size: int | None) -> None:
        """Nobody keeps account."""


class Measured:
    """A folder that holds no more than so many bytes: `Room` of a service by itself.

    What is on its way counts too. It is measured every `AGAIN` seconds and counted in between; so
    what several processes write in such a time may pass the bound together.
    """

    def __init__(self, folder: Folder, most: int, keep: float) -> None:
        """keep: seconds after which a part that nobody writes to is removed, as `Folder.sweep`."""
        self._folder = folder
        self._most = most
        self._keep = keep
        self._lock = threading.Lock()
        self._used = 0
        self._measured_at = -AGAIN

    def claim(self, who: str, size: int) -> None:
        """As `Room`."""
        del who
        with self._lock:
            if time.monotonic() - self._measured_at >= AGAIN:
                self._used = self._folder.sweep(self._keep).size
                self._measured_at = time.monotonic()
            left = self._most - self._used
            if size > left:
                raise FileRefused(
                    f"{size} bytes more are past the {self._most} that may be here; "
                    f"there is room for {max(0, left)}",
                    "full",
                )
            self._used += size


class Unmeasured:
    """No bound but the disk's."""

    def claim(self, who: str, size: int) -> None:
        """As `Room`."""
