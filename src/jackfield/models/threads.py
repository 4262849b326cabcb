"""Model `threads`: each handler in a thread of its own.

The I/O stays on one loop, so a handler that blocks stops nothing but itself. A thread cannot
be killed: at a server's deadline its connection is cut, and the process leaves without it.
"""

from __future__ import annotations

from typing import Any

from jackfield.models.model import Model
from jackfield.models.running import Done, Serving, Threads
from jackfield.net.connection import Connection


class ThreadsModel(Model):
    """Handlers in threads."""

    name = "threads"

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        self._threads = Threads(serving)

    @property
    def capacity(self) -> int | None:
        return self.serving.limits.threads

    def attend(self, conn: Connection[Any], done: Done) -> None:
        self._threads.start(conn, done)

    def peers(self) -> list[str]:
        return self._threads.peers()
