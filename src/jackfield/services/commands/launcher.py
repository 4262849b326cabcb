"""The way to the helper, seen from the server: supervisors that wait for a call.

From any thread. A few are kept ready. One whose call is over is used again, after all others, so
that it has the time to get its next program's process ready; `more()` has another one made where
none would be left.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from jackfield.errors import ConfigurationError, LocalError
from jackfield.net.handing import Socket, hand, start_process, take, take_files
from jackfield.services.commands import prepared

LEAST = 1
MOST = 4
"""Supervisors that wait for a call: fewer are made up for, and more are let go."""

PATIENCE = 60.0
"""Seconds for the helper to load, and for a supervisor to be made: one that is gone is noticed at
once, so this is for a machine that is very busy."""

_PACKAGES = str(Path(__file__).parents[3])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "import jackfield.services.commands.helper as h; h.main()"
)
"""The helper, found where this module was, however that came to be on the path."""


class Prepared(NamedTuple):
    """A supervisor that waits for a call: the socket to it, and its program's three pipes."""

    control: Socket
    stdin: int
    stdout: int
    stderr: int

    def close(self) -> None:
        """Let it go."""
        self.control.close()
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)


class Launcher:
    """One helper process, started when it is needed and again when it is gone.

    cgroups: whether they are used, where there are any.
    """

    def __init__(self, *, cgroups: bool = True) -> None:
        self._cgroups = cgroups
        self._turn = threading.Lock()  # held by the one who waits for the helper
        self._counting = threading.Lock()  # never held for long
        self._takers = 0
        self._asked = 0  # supervisors that are being made, or wait to be heard of
        self._idle: deque[Socket] = deque()  # those whose call is over
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Socket | None = None
        self._is_closed = False

    def take(self) -> Prepared:
        """Give a supervisor. Waits.

        Raises LocalError when there is none to be had.
        """
        with self._counting:
            self._takers += 1
            self._ask(self._takers)
        try:
            with self._turn:
                return self._take_one()
        finally:
            with self._counting:
                self._takers -= 1

    def more(self) -> None:
        """Have one made, if none waits: once a call goes, which it would hold up."""
        with self._counting:
            self._ask(self._takers + LEAST)

    def give_back(self, supervisor: Socket) -> None:
        """Take one back whose call is over. It does not block."""
        with self._counting:
            is_wanted = len(self._idle) + self._asked < MOST and not self._is_closed
            if is_wanted:
                self._idle.append(supervisor)
        if not is_wanted:
            supervisor.close()

    def _ask(self, count: int) -> None:
        """Have so many be there, or on their way."""
        control = self._control
        while control is not None and self._asked + len(self._idle) < count:
            self._asked += 1
            hand(control, prepared.PREPARE)

    def _take_one(self) -> Prepared:
        for _ in range(2):  # the second time by a helper that was just started
            if self._is_closed:
                raise LocalError("the server stops")
            while (idle := self._next_idle()) is not None:
                found = _pipes_of(idle)
                if found is not None:
                    return found
            if self._control is None:
                self._start()
            with self._counting:
                self._ask(self._takers)  # what was counted on may be gone
            found = self._take()
            if found is not None:
                return found
            self._drop()
        raise LocalError("no program can be started: the system has no process or descriptor left")

    def _start(self) -> None:
        mode = "cgroups" if self._cgroups else "alone"
        try:
            process, ours = start_process([sys.executable, "-c", _START, _PACKAGES, mode])
        except ConfigurationError as error:
            raise LocalError(str(error)) from error
        self._process = process
        assert process.stdin is not None
        process.stdin.close()
        ours.settimeout(PATIENCE)
        is_ready = take(ours)[0] == prepared.READY
        with self._counting:
            self._control, self._asked = ours, 0
            self._ask(self._takers + LEAST if is_ready else 0)
        if not is_ready:
            self._drop()
            raise LocalError("no program can be started: the helper for that does not start")

    def _next_idle(self) -> Socket | None:
        """Give the one whose call has been over for longest, unless one from the helper is here."""
        with self._counting:
            if not self._idle or (self._control is not None and _has_news(self._control)):
                return None
            return self._idle.popleft()

    def _take(self) -> Prepared | None:
        assert self._control is not None
        _, sock = take(self._control)
        with self._counting:
            self._asked -= 1
        return None if sock is None else _pipes_of(sock)

    def _drop(self) -> None:
        """Let the helper go: it ends when its socket does."""
        with self._counting:
            control, self._control = self._control, None
            idle = list(self._idle)
            self._idle.clear()
        for one in idle:
            one.close()
        process, self._process = self._process, None
        if control is not None:
            # what it has got ready already comes as sockets, and is let go with them
            control.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while (found := take(control))[0]:
                    if found[1] is not None:
                        found[1].close()
            control.close()
        if process is not None:
            threading.Thread(target=process.wait, name="jackfield helper", daemon=True).start()

    def close(self) -> None:
        """Let it go for good. What still runs ends when its own socket is closed."""
        self._is_closed = True
        # whoever waits for the helper at the moment is not waited for here
        threading.Thread(target=self._close, name="jackfield helper", daemon=True).start()

    def _close(self) -> None:
        with self._turn:
            self._drop()


def _pipes_of(supervisor: Socket) -> Prepared | None:
    """Wait for the pipes of its next program; None where it is gone, or has none."""
    supervisor.settimeout(PATIENCE)
    message, fds = take_files(supervisor, 3)
    if message != prepared.PIPES or len(fds) != 3 or _has_news(supervisor):  # that is its end
        supervisor.close()
        for fd in fds:
            os.close(fd)
        return None
    supervisor.setblocking(False)
    return Prepared(supervisor, *fds)


def _has_news(sock: Socket) -> bool:
    """Whether there is something to be heard at once."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
