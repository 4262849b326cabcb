"""Model `asyncio`: `async def` handlers are tasks on the loop that does the I/O.

A `def` handler gets a thread of its own here too, since it would block the loop.
"""

from __future__ import annotations

from typing import Any

from jackfield.models.model import Model
from jackfield.models.running import Done, Reply, Serving, Tasks, Threads
from jackfield.net.connection import Connection

LAST = 0.5
"""Seconds for tasks to end once they are cancelled. One that goes on is left behind."""


class AsyncioModel(Model):
    """Handlers as tasks."""

    name = "asyncio"

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        self._tasks = Tasks(serving)
        self._threads = Threads(serving)

    @property
    def capacity(self) -> int | None:
        service = self.serving.service
        return None if service.is_async or service.is_reply else self.serving.limits.threads

    def attend(self, conn: Connection[Any], done: Done) -> None:
        service = self.serving.service
        if service.is_reply:
            conn.answer_by(Reply(self.serving, conn, done))
        elif service.is_async:
            self._tasks.start(conn, done)
        else:
            self._threads.start(conn, done)

    def peers(self) -> list[str]:
        return self._threads.peers()

    def cut(self) -> None:
        self._tasks.cut()

    async def stop(self) -> None:
        await self._tasks.wait(LAST)
