"""What may wait for a disk or take long, off the event loop: in a few threads that all share.

The rules this file owns:

1. Whatever waits for such a call goes on only when it is over, also when it is cancelled: nobody
   closes a file that a thread still writes.
2. While one side works, the other hears `still` now and then, so that it does not give up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 8
"""Calls at a time, of all connections of a process."""

STILL = 5.0
"""Seconds between two `still`."""


class _Threads:
    """Made when they are first needed, and anew in a child."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        pool = self._pool
        if pool is None:
            pool = self._pool = ThreadPoolExecutor(THREADS, "jackfield files")
        return asyncio.get_running_loop().run_in_executor(pool, call)


_threads = _Threads()


def begin(call: Callable[[], T]) -> asyncio.Future[T]:
    """Have a thread call; `finished()` waits for it."""
    return _threads.submit(call)


async def finished(future: asyncio.Future[Any] | None) -> None:
    """Wait until this is over, also when that is cancelled; then raise its error, if it has one."""
    if future is None:
        return
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    found = None if future.cancelled() else future.exception()
    if cancelled is not None:
        raise cancelled
    if found is not None:
        raise found


async def work(call: Callable[[], T], still: Callable[[], Awaitable[None]] | None = None) -> T:
    """Have a thread call; give what it gives, and raise what it raises.

    still: called now and then while it takes long.
    """
    future = begin(call)
    try:
        while still is not None and not (await asyncio.wait([future], timeout=STILL))[0]:
            await still()
    finally:
        await finished(future)
    return future.result()


async def patiently(working: Awaitable[T], still: Callable[[], Awaitable[None]]) -> T:
    """Wait for something, calling `still()` now and then."""
    task = asyncio.ensure_future(working)
    try:
        while not (await asyncio.wait([task], timeout=STILL))[0]:
            await still()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await finished(task)
