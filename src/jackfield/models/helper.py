"""The way to a helper (`forking.py`), seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from jackfield.errors import ConfigurationError
from jackfield.models import spec
from jackfield.net.handing import Socket, hand, start_process, take
from jackfield.net.ioloop import IOLoop

PATIENCE = 1.5
"""Seconds for the helper to end by itself, children included, once it is not needed any more."""

_PACKAGES = str(Path(__file__).parents[2])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import jackfield.models.forking as f; f.main()"
)
"""The helper, found where this module was, however that came to be on the path."""


class Owner(Protocol):
    """What the model is to its helpers."""

    def child_came(self, helper: Helper, pid: int, sock: Socket, /) -> None:
        """A child that was asked for is ready."""

    def no_descriptor(self, helper: Helper, /) -> None:
        """A child was ready, but there is no descriptor left for the socket to it."""

    def child_exited(self, pid: int, status: int, /) -> None:
        """A child has ended, as waitpid(2) has it."""

    def helper_lost(self, helper: Helper, why: str, /) -> None:
        """It is gone without having been asked to go; `why` may be empty."""


class Helper:
    """One helper process.

    asked: forks asked for that have not come yet.
    """

    def __init__(self, io: IOLoop, owner: Owner) -> None:
        self.asked = 0
        self._io = io
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Socket | None = None
        self._retired = False

    async def start(self, name: str, start: bytes) -> None:
        """Have it load a service, which `spec.pickled()` gave as `start`.

        Raises ConfigurationError, and it is gone then.
        """
        self._process, ours = start_process([sys.executable, "-c", _START, _PACKAGES])
        self._control = ours
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pickle.dump((sys.path, spec.main(), start), pipe)
        ready = self._io.create_future()
        self._io.watch_read(ours, lambda: _set(ready))
        try:
            await ready
        except asyncio.CancelledError:
            await self.end()
            raise
        message, _ = take(ours)
        if message != spec.READY:
            await self.end()
            why = _why(message) or "its process ended at once"
            raise ConfigurationError(f"service {name} cannot be loaded in a process: {why}")
        self._io.watch_read(ours, self._on_control)

    def _on_control(self) -> None:
        assert self._control is not None
        while True:
            try:
                message, sock = take(self._control)
            except BlockingIOError:
                return
            if message[:1] == spec.CHILD and sock is not None:
                self.asked -= 1
                self._owner.child_came(self, int(message[1:]), sock)
            elif message[:1] == spec.CHILD:
                self.asked -= 1
                self._owner.no_descriptor(self)
            elif message[:1] == spec.EXITED:
                pid, status = map(int, message[1:].split())
                self._owner.child_exited(pid, status)
            else:
                self._hang_up()
                if not self._retired:
                    self._owner.helper_lost(self, _why(message))
                return

    def fork(self, count: int) -> None:
        """Ask for so many children more."""
        for _ in range(count):
            self.asked += self._say(spec.FORK)

    def kill(self, pid: int) -> None:
        """Have it kill a child, if it is one of its own still."""
        self._say(spec.KILL + str(pid).encode())

    def retire(self) -> None:
        """Have it fork no more, and end with the last of its children."""
        self._retired = True
        self._say(spec.RETIRE)

    @property
    def pid(self) -> int:
        """Of the process; 0 before there is one."""
        return 0 if self._process is None else self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._process is None or self._process.poll() is not None

    def _say(self, message: bytes) -> bool:
        return self._control is not None and hand(self._control, message)

    def _hang_up(self) -> None:
        if self._control is not None:
            self._io.unwatch_read(self._control)
            self._control.close()
            self._control = None

    async def end(self) -> None:
        """End it and its children. Never raises."""
        self._hang_up()
        if self._process is not None:
            await asyncio.to_thread(_wait_for, self._process)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _why(message: bytes) -> str:
    """Give what the helper said of its failure; nothing when it said nothing."""
    return message[1:].decode(errors="replace") if message[:1] == spec.FAILED else ""


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
