"""serve(): the blocking way to run a server, until Ctrl-C or SIGTERM.

The rules this file owns:

1. The first signal stops the servers: nobody new is accepted, and handlers have until
   `Limits.drain` to finish. The second one cuts what is left at once.
2. It ends. A handler thread that is stuck is left behind. Should the loop itself be held up,
   by an `async def` handler that blocks or that will not be cancelled, the process is ended
   `GRACE` seconds after the deadline, with exit status 1 and one line that says so.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError
from jackfield.events import Events, Warned
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.logs import Log
from jackfield.net.binding import reach_commands, warning_off_loopback
from jackfield.net.ioloop import new_event_loop
from jackfield.server import ModelName, Server
from jackfield.service import Service

M = TypeVar("M")

GRACE = 3.0
"""Seconds past the deadline after which what holds up the loop is waited for no longer."""

Start = Callable[[list[Server[Any]]], Awaitable[None]]
"""Starts servers, and puts each into the list when it begins to: it may be held up at once."""


def serve(
    service: Service[M],
    *endpoints: str | Endpoint,
    model: ModelName = "asyncio",
    limits: Limits | None = None,
    framing: Framing[M] | None = None,
    events: Events | None = None,
) -> None:
    """Serve `service` at `endpoints` until SIGINT (Ctrl-C) or SIGTERM, then stop.

    endpoints: URLs, or parsed ones.
    model: where handlers run.
    limits, framing: in place of the service's own.
    events: where to tell what happens. Without, it is written to standard error.

    Returns when all has ended, at the latest `Limits.drain` and a few seconds after the signal;
    a second signal makes it at once. Raises BindError and ConfigurationError, the latter also
    outside the main thread, the only one that signals reach: use `Server` there.
    """
    if events is None:
        events = Events()
        Log().follow(events)
    server = Server(service, *endpoints, model=model, limits=limits, framing=framing, events=events)
    run(server)


def run(server: Server[Any], *, connect_framing: str = "") -> None:
    """Serve until a signal, as `serve()` does.

    connect_framing: what clients have to name with `--framing`, for the commands that a server
    off loopback tells.
    """

    async def start(servers: list[Server[Any]]) -> None:
        servers.append(server)
        await server.start()
        for endpoint in server.endpoints:
            warning = warning_off_loopback(endpoint)
            if warning is not None:
                commands = reach_commands(endpoint, connect_framing)
                server.events.emit(Warned("\n".join([warning, *commands])))

    run_until_signal(start)


def run_until_signal(start: Start) -> None:
    """Run the servers that `start()` starts until a signal comes, then stop them all."""
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("serve() waits for signals, which reach the main thread alone")
    until = _UntilSignal()
    before = {number: signal.signal(number, until.on_signal) for number in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(until.run(start))
    finally:
        until.watchdog.call_off()
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _UntilSignal:
    """Servers, from their start to their end."""

    def __init__(self) -> None:
        self.watchdog = _Watchdog(self._tell)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        self._signals = 0
        self._servers: list[Server[Any]] = []

    async def run(self, start: Start) -> None:
        """Start, wait for a signal, stop."""
        self._loop = asyncio.get_running_loop()
        try:
            if not self._signals:  # else it came before the loop ran
                await self._run(start)
        finally:
            self._loop = None

    async def _run(self, start: Start) -> None:
        asked = asyncio.create_task(self._asked.wait())
        starting = asyncio.ensure_future(start(self._servers))
        await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        if starting.cancelled():
            return
        starting.result()
        await asked
        await asyncio.gather(*(server.stop() for server in self._servers))

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Python's own handler, not the loop's, which would wait behind a blocked loop.

        It may come between any two steps of this very thread, so it takes no lock.
        """
        del number, frame
        self._signals += 1
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ask, self._signals)
        drain = max((server.limits.drain for server in self._servers), default=0.0)
        self.watchdog.end_in(GRACE + (drain if self._signals == 1 else 0.0))

    def _ask(self, signals: int) -> None:
        self._asked.set()
        if signals > 1:
            for server in self._servers:
                server.cut()

    def _tell(self) -> None:
        for server in self._servers:
            server.events.emit(
                Warned("a handler holds up the event loop past the deadline; left without it")
            )


class _Watchdog:
    """Ends the process when its time is up and nobody has called it off.

    last_words: called before.
    """

    def __init__(self, last_words: Callable[[], None]) -> None:
        self._last_words = last_words
        self._deadlines: SimpleQueue[float | None] = SimpleQueue()  # put() is reentrant
        threading.Thread(target=self._watch, name="jackfield deadline", daemon=True).start()

    def _watch(self) -> None:
        deadline = math.inf
        while True:
            left = deadline - time.monotonic()
            try:
                wanted = self._deadlines.get(timeout=None if left == math.inf else max(0.0, left))
            except Empty:
                break
            if wanted is None:
                return
            deadline = min(deadline, wanted)
        telling = threading.Thread(target=self._last_words, daemon=True)
        telling.start()
        telling.join(1.0)  # whoever holds up the loop may hold up the screen as well
        os._exit(1)

    def end_in(self, seconds: float) -> None:
        """End the process in `seconds`, or when an earlier call has said."""
        self._deadlines.put(time.monotonic() + seconds)

    def call_off(self) -> None:
        """It has ended by itself."""
        self._deadlines.put(None)
