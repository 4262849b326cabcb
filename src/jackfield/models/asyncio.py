"""Model `asyncio`: `async def` handlers are tasks on the loop that does the I/O.

A `def` handler gets a thread of its own here too, since it would block the loop.
"""

from __future__ import annotations

from typing import Any

from jackfield.models.model import Model
from jackfield.models.running import Done, Reply, Serving, Tasks, Threads
from jackfield.net.connection import Connection
from jackfield.service import Replier

LAST = 0.5
"""Seconds for tasks to end once they are cancelled. One that goes on is left behind."""


class AsyncioModel(Model):
    """Handlers as tasks."""

    name = "asyncio"

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        self._tasks = Tasks(serving)
        self._replies = isinstance(serving.service.handler, Replier)
        self._in_threads = not self._replies and not serving.service.is_async
        self._threads = Threads(serving)

    @property
    def capacity(self) -> int | None:
        return self.serving.limits.threads if self._in_threads else None

    def attend(self, conn: Connection[Any], done: Done) -> None:
        if self._replies:
            conn.answer_by(Reply(self.serving, conn, done))
        elif self._in_threads:
            self._threads.start(conn, done)
        else:
            self._tasks.start(conn, done)

    def peers(self) -> list[str]:
        return self._threads.peers()

    def cut(self) -> None:
        self._tasks.cut()

    async def stop(self) -> None:
        await self._tasks.wait(LAST)
