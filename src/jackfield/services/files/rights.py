"""Who may do what, and how much there may be: what files need somebody to know.

`Rights` and `Room` say what that is. `Anybody` and `Measured` are enough for a service by itself; a
board has accounts, and knows the owner of each file.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from jackfield.net.folders import FileRefused, Folder
from jackfield.net.incoming import Incoming

DENIED = "denied"
"""Why of a `FileRefused`: it is not theirs to do."""

AGAIN = 10.0
"""Seconds after which a folder is measured anew, since others may write in it too."""

REST = 20
"""Before something is refused the folder is measured, too, unless not so many times as long has
passed since as it took: asking for too much again and again is not to keep the disk at work."""


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

    def claim(self, who: str, incoming: Incoming, size: int) -> None:
        """Count in a file on its way, which is to have so many bytes; else refuse by FileRefused.

        Again: it is to have another number of bytes.
        """

    def release(self, incoming: Incoming) -> None:
        """That file is on its way no more: what of it is not there takes no room."""


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

    What is on its way counts as if all of it had come. The folder is measured every `AGAIN` seconds
    and before something is refused, as files may have been removed or replaced, and counted in
    between; so what several processes write in such a time may pass the bound together.
    """

    def __init__(self, folder: Folder, most: int, keep: float) -> None:
        """keep: seconds after which a part that nobody writes to is removed, as `Folder.sweep`."""
        self._folder = folder
        self._most = most
        self._keep = keep
        self._lock = threading.Lock()
        self._used = 0
        self._measured_at = -AGAIN
        self._took = 0.0
        self._coming: dict[Incoming, int] = {}
        """Files on their way, and the bytes that each is to have, which are in `_used`."""

    def claim(self, who: str, incoming: Incoming, size: int) -> None:
        """As `Room`."""
        del who
        with self._lock:
            since = time.monotonic() - self._measured_at
            more = size - self._coming.get(incoming, incoming.size)
            is_scarce = more > self._most - self._used
            if since >= (min(AGAIN, REST * self._took) if is_scarce else AGAIN):
                self._measure()
            left = self._most - self._used
            if more > max(0, left):
                raise FileRefused(
                    f"{more} bytes more are past the {self._most} that may be here; "
                    f"there is room for {max(0, left)}",
                    "full",
                )
            self._used += more
            self._coming[incoming] = size

    def _measure(self) -> None:
        began = time.monotonic()
        missing = sum(size - incoming.size for incoming, size in self._coming.items())
        self._used = self._folder.sweep(self._keep).size + missing
        self._measured_at = time.monotonic()
        self._took = self._measured_at - began

    def release(self, incoming: Incoming) -> None:
        """As `Room`."""
        with self._lock:
            size = self._coming.pop(incoming, None)
            if size is not None:
                self._used -= size - incoming.size


class Unmeasured:
    """No bound but the disk's."""

    def claim(self, who: str, incoming: Incoming, size: int) -> None:
        """As `Room`."""

    def release(self, incoming: Incoming) -> None:
        """As `Room`."""
