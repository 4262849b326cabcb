"""Parts of files that nobody goes on with are removed, now and then."""

from __future__ import annotations

import contextlib
import threading
import time

from jackfield.net.folders import FileRefused, Folder

EVERY = 3600.0
"""Seconds between two sweeps of a process, at the least."""


class Sweeper:
    """Sweeps a folder in a thread of its own, which keeps no process from leaving."""

    def __init__(self, folder: Folder, keep: float) -> None:
        """keep: seconds that a part is kept after its last byte has come."""
        self._folder = folder
        self._keep = keep
        self._last = -EVERY

    def sweep_now_and_then(self) -> None:
        """Sweep, unless that was done not long ago."""
        now = time.monotonic()
        if now - self._last < min(EVERY, self._keep):
            return
        self._last = now
        threading.Thread(target=self._sweep, name="jackfield sweep", daemon=True).start()

    def _sweep(self) -> None:
        with contextlib.suppress(FileRefused):  # the next time may do better
            self._folder.sweep(self._keep)
