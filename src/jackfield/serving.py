"""serve(): the blocking way to run a server, until Ctrl-C or SIGTERM; SIGHUP reloads it.

The rules this file owns:

1. The first signal stops the servers: nobody new is accepted, and handlers have until
   `Limits.drain` to finish. The second one cuts what is left at once.
2. SIGHUP reads certificates and configuration anew; connections that are there go on. What
   cannot be used is told, and all goes on as before. When it means that the terminal is gone
   from which the server was started, it stops the server instead.
3. A service manager that asks for it (sd_notify(3)) is told when the server is ready, reloads
   and stops, and that its loop is alive.
4. It ends. A handler thread that is stuck is left behind. Should the loop itself be held up,
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
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import Events, Warned
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.logs import Log
from jackfield.models.names import ModelName
from jackfield.net import notify
from jackfield.net.binding import reach_commands, warning_off_loopback
from jackfield.net.heap import keep_freed
from jackfield.net.ioloop import new_event_loop
from jackfield.net.stdio import has_terminal
from jackfield.server import Server
from jackfield.service import Service
from jackfield.tls import authority
from jackfield.workers.supervisor import Supervisor

M = TypeVar("M")

GRACE = 3.0
"""Seconds past the deadline after which what holds up the loop is waited for no longer."""

AnyServer = Server[Any] | Supervisor[Any]

Start = Callable[[list[AnyServer]], Awaitable[None]]
"""Starts servers, and puts each into the list when it begins to: it may be held up at once."""

Renew = Callable[[], Service[Any]]
"""Makes the service of a server anew when it is reloaded, from files that may have changed."""


def serve(
    service: Service[M],
    *endpoints: str | Endpoint,
    model: ModelName = "asyncio",
    limits: Limits | None = None,
    framing: Framing[M] | None = None,
    events: Events | None = None,
    workers: int | None = None,
) -> None:
    """Serve `service` at `endpoints` until SIGINT (Ctrl-C) or SIGTERM, then stop.

    endpoints: URLs, or parsed ones.
    model: where handlers run.
    workers: so many processes that share the endpoints; without, this one serves them.
    limits, framing: in place of the service's own.
    events: where to tell what happens. Without, it is written to standard error.

    Returns when all has ended, at the latest `Limits.drain` and a few seconds after the signal;
    a second signal makes it at once. Raises BindError and ConfigurationError, the latter also
    outside the main thread, the only one that signals reach: use `Server` there.
    """
    if events is None:
        events = Events()
        Log().follow(events)
    how: dict[str, Any] = {"model": model, "limits": limits, "framing": framing, "events": events}
    if workers is None:
        run(Server(service, *endpoints, **how))
    else:
        run(Supervisor(service, *endpoints, workers=workers, **how))


def run(
    server: AnyServer,
    *others: AnyServer,
    connect_framing: str = "",
    renew: Renew | None = None,
) -> None:
    """Serve until a signal, as `serve()` does.

    others: what runs beside it.

    connect_framing: what clients have to name with `--framing`, for the commands that a server
    off loopback tells.
    renew: makes the service anew at SIGHUP; without, the same one goes on.
    """

    async def start(servers: list[AnyServer]) -> None:
        try:
            for one in (server, *others):
                servers.append(one)
                await one.start()
        except BaseException:
            await server.stop()
            raise
        for one in (server, *others):
            for endpoint in one.endpoints:
                warning = warning_off_loopback(endpoint)
                if warning is not None:
                    ways = _ways_in(endpoint, connect_framing) if one is server else []
                    one.events.emit(Warned("\n".join([warning, *ways])))

    run_until_signal(start, renew)


def _ways_in(endpoint: Endpoint, framing: str) -> list[str]:
    """Give the commands that reach an endpoint from another machine."""
    commands = reach_commands(endpoint, framing)
    if not authority.own_among([endpoint]):
        return commands
    # whose authority the other machine has to be told of once, and then trusts
    return [
        "jackfield cert show > here.pem       on this machine, to be taken to the other one",
        "jackfield cert trust here.pem        there, once",
        *(command.replace(" --ca FILE", "") for command in commands),
    ]


def run_until_signal(start: Start, renew: Renew | None = None) -> None:
    """Run the servers that `start()` starts until a signal comes, then stop them all.

    renew: as in `run()`, for the first of them.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("serve() waits for signals, which reach the main thread alone")
    until = _UntilSignal(renew)
    keep_freed()
    before = {number: signal.signal(number, until.on_signal) for number in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(until.run(start))
    finally:
        until.watchdog.call_off()
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


_SIGHUP = getattr(signal, "SIGHUP", None)  # Windows has none

_SIGNALS = tuple(number for number in (signal.SIGINT, signal.SIGTERM, _SIGHUP) if number)


class _UntilSignal:
    """Servers, from their start to their end."""

    def __init__(self, renew: Renew | None) -> None:
        self.watchdog = _Watchdog(self._tell)
        self._renew = renew
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        self._signals = 0
        self._servers: list[AnyServer] = []
        self._at_terminal = has_terminal()
        self._reloading: asyncio.Task[None] | None = None
        self._reload_again = False

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
        notify.notify("READY=1")
        alive = self._show_life()
        try:
            await asked
        finally:
            if alive is not None:
                alive.cancel()
        notify.notify("STOPPING=1")
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.wait({self._reloading})
        await asyncio.gather(*(server.stop() for server in self._servers))

    def _show_life(self) -> asyncio.Task[None] | None:
        """Tell the service manager again and again that the loop turns, if it wants to know."""
        interval = notify.watchdog_interval()
        return None if interval is None else asyncio.create_task(_show_life(interval))

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Python's own handler, not the loop's, which would wait behind a blocked loop.

        It may come between any two steps of this very thread, so it takes no lock.
        """
        del frame
        if number == _SIGHUP and (not self._at_terminal or has_terminal()):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._reload)
            return
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

    def _reload(self) -> None:
        """Reload the servers; once more afterwards, when it is asked for meanwhile."""
        if self._asked.is_set():
            return
        if self._reloading is not None and not self._reloading.done():
            self._reload_again = True
            return
        self._reloading = asyncio.create_task(self._reload_all())

    async def _reload_all(self) -> None:
        again = True
        while again:
            self._reload_again = False
            notify.reloading()
            for server in self._servers:
                first = server is self._servers[0]
                try:
                    await server.reload(self._renew() if self._renew and first else None)
                except JackfieldError as error:
                    text = f"reloading failed, and all goes on as before: {error}"
                    server.events.emit(Warned(text))
            notify.notify("READY=1")
            again = self._reload_again

    def _tell(self) -> None:
        for server in self._servers:
            server.events.emit(
                Warned("a handler holds up the event loop past the deadline; left without it")
            )


async def _show_life(interval: float) -> None:
    while True:
        notify.notify("WATCHDOG=1")
        await asyncio.sleep(interval)


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
