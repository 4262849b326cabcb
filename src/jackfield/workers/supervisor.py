"""A server of several processes: its supervisor, which binds, watches and replaces the workers.

The rules this file owns:

1. The supervisor binds the endpoints and keeps the sockets; it accepts nobody itself. Streams
   have one listening socket, shared by all workers and by those that come after them, so that
   no connection in its queue is lost. A UDP endpoint has one SO_REUSEPORT socket for each
   worker, so that a peer's datagrams stay with one.
2. A worker that ends is replaced, at once the first time and then ever later, up to
   `LONGEST_PAUSE`. One that gives no sign of life for `Limits.heartbeat` is killed first.
3. A reload starts a new worker, has the old one let go of its sockets, and lets the new one
   accept; then the next. Who is connected stays with the old one, which leaves with the last.
   When a new one cannot start, the reload ends there, and all goes on.
4. A worker does its own I/O, and `Limits` hold for each of them. What happens there is told
   here, and what is said in a room passes here on its way to the other workers.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Self, TypeVar

from jackfield.endpoints import DEFAULT_OPTIONS, Endpoint, Transport, parse
from jackfield.errors import ConfigurationError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Draining,
    Event,
    Events,
    Listening,
    MessageReceived,
    MessageSent,
    Reloaded,
    Stopped,
    Warned,
    WorkerLost,
)
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.models.names import MODELS, ModelName
from jackfield.models.running import ConnectionStatus
from jackfield.models.spec import pickled, with_parts
from jackfield.net.binding import Bound, bind_for_workers, unlink_own
from jackfield.net.handing import SUPPORTED
from jackfield.net.ioloop import IOLoop, current
from jackfield.service import Service
from jackfield.tls import authority
from jackfield.tls.renewal import keep_renewed
from jackfield.workers import wire
from jackfield.workers.running import Running

M = TypeVar("M")

MOST = 256
"""Workers of one server."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds before a worker is replaced for the second time, and the longest; doubled between."""

STEADY = 10.0
"""Seconds after which a worker has lived well, and the next loss counts as the first."""

LOOK = 1.0
"""Seconds between two looks at the signs of life."""

LATE = 1.0
"""Seconds past the deadline of a stop after which a worker is killed."""


class Supervisor(Generic[M]):
    """Serves `service` at `endpoints` in so many processes; used as a `Server` is.

    Raises ConfigurationError for model `processes`, which has its own, for a service that is served
    in one process alone, for an endpoint that cannot be shared, and where the platform has no
    processes that sockets can be handed to.
    """

    def __init__(
        self,
        service: Service[M],
        *endpoints: str | Endpoint,
        workers: int,
        model: ModelName = "asyncio",
        limits: Limits | None = None,
        framing: Framing[M] | None = None,
        events: Events | None = None,
    ) -> None:
        if not endpoints:
            msg = "a server needs an endpoint, for example tcp://127.0.0.1:9999"
            raise ConfigurationError(msg)
        if not 1 <= workers <= MOST:
            raise ConfigurationError(f"{workers} workers, where 1 to {MOST} is possible")
        if model not in MODELS:
            raise ConfigurationError(f"there is no model {model!r}; there are {', '.join(MODELS)}")
        if model == "processes":
            msg = "workers are processes already; use them with asyncio or threads, not processes"
            raise ConfigurationError(msg)
        if service.single:
            msg = f"{service.name} has all its connections in one process; leave out workers"
            raise ConfigurationError(msg)
        if not SUPPORTED:
            msg = "this platform has no way to share a socket between processes; leave out workers"
            raise ConfigurationError(msg)
        self.service = service
        self.events = events or Events()
        self.limits = limits or service.limits
        self._framing = framing
        self._model = model
        self._count = workers
        self._wanted = [parse(e) if isinstance(e, str) else e for e in endpoints]
        for endpoint in self._wanted:
            _check(endpoint)
        self._shares: list[list[Bound]] = []  # for each worker the sockets it serves
        self._workers: dict[int, Running] = {}
        self._retiring: set[Running] = set()
        self._pauses: dict[int, float] = {}
        self._replacing: dict[int, asyncio.Task[None]] = {}
        self._starting: set[Running] = set()
        self._open: dict[int, tuple[Running, ConnectionOpened]] = {}
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._stopping = False

    # Starting

    async def start(self) -> None:
        """Bind, and start the workers. Raises BindError and ConfigurationError; nothing is left."""
        self._io: IOLoop = current()
        self._stopping = False
        try:
            for endpoint in self._wanted:
                found = await self._io.in_thread(partial(_bind, endpoint, self._count))
                before = self._shares or [[]] * self._count
                self._shares = [a + b for a, b in zip(before, found, strict=True)]
            start = self._start_data(self.service)
            made = [self._new(number) for number in range(1, self._count + 1)]
            await _all(self._start(worker, start) for worker in made)
        except BaseException:
            await self._end_all()
            raise
        for worker in made:
            worker.go()
        for bound in self._shares[0]:
            self.events.emit(Listening(bound.endpoint))
        self._looking = self._io.loop.create_task(self._look())
        cert = authority.own_among(self.endpoints)
        if cert:
            renewal = keep_renewed(self._io, cert, self.reload, self.events)
            self._renewing = self._io.loop.create_task(renewal)

    def _start_data(self, service: Service[M]) -> bytes:
        wants = self.events.wants
        return pickled(
            wire.Spec(
                service,
                self._framing,
                self.limits,
                self._model,
                tuple(bound.endpoint for bound in self._shares[0]),
                wants(MessageReceived, MessageSent),
                wants(BytesReceived, BytesSent),
            ),
            service.name,
            "with workers",
        )

    def _new(self, number: int) -> Running:
        worker = self._workers[number] = Running(self, self._io, number)
        return worker

    async def _start(self, worker: Running, start: bytes) -> None:
        sockets = [bound.sock for bound in self._shares[worker.number - 1]]
        self._starting.add(worker)
        try:
            await worker.start(self.service.name, start, sockets, self.limits)
        finally:
            self._starting.discard(worker)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where it listens, ports filled in. Empty before it has started."""
        return [bound.endpoint for bound in self._shares[0]] if self._shares else []

    @property
    def connections(self) -> int:
        """Connections there are now, in all workers."""
        return len(self._open)

    async def status(self) -> list[ConnectionStatus]:
        """As `Server.status()`: the workers are asked, and one that is stuck is left out."""
        running = [*self._workers.values(), *self._retiring]
        found = await asyncio.gather(*(worker.connections() for worker in running))
        return sorted(itertools.chain(*found))

    # While it runs

    async def reload(self, service: Service[M] | None = None) -> None:
        """Replace the workers one by one; who is connected stays. Raises ConfigurationError."""
        async with self._turn:
            if self._stopping or not self._shares:
                raise ConfigurationError(f"{self.service.name} is not served; start it first")
            start = self._start_data(service or self.service)
            for number in range(1, self._count + 1):
                worker = Running(self, self._io, number)
                await self._start(worker, start)
                before = self._workers.get(number)  # not earlier: it may have ended meanwhile
                self._workers[number] = worker
                if before is not None:
                    self._retiring.add(before)
                    await before.retire()
                worker.go()
                if self._stopping:
                    return
            self.service = service or self.service
            await asyncio.gather(*(worker.reloaded() for worker in self._retiring))
        self.events.emit(Reloaded())

    async def _look(self) -> None:
        """Kill who has given no sign of life for too long."""
        last = self._io.loop.time()
        pause = min(LOOK, self.limits.heartbeat / 4)
        while True:
            await asyncio.sleep(pause)
            now = self._io.loop.time()
            for worker in (*self._workers.values(), *self._retiring):
                if now - last > 2 * pause:  # it is us who did not run: a suspended machine, say
                    worker.heard = now
                elif worker.status is None and now - worker.heard > self.limits.heartbeat:
                    text = f"worker {worker.number} (process {worker.pid}) gives no sign of life"
                    self.events.emit(Warned(f"{text}; it is killed"))
                    worker.heard = now
                    worker.kill()
            last = now

    def gone(self, worker: Running) -> None:
        """Forget a worker that has ended; replace it if it was to go on."""
        for number in [number for number, (by, _) in self._open.items() if by is worker]:
            _, opened = self._open.pop(number)
            reason = f"its worker {worker.ending}"
            ended = ConnectionEnded(number, opened.endpoint, opened.peer, reason, 0, 0, 0, 0)
            self.events.emit(ended)
        self._retiring.discard(worker)
        if self._workers.get(worker.number) is worker:
            del self._workers[worker.number]
            if worker.wanted and not self._stopping:
                self.events.emit(WorkerLost(worker.number, worker.pid, worker.ending))
                self._replace(worker)

    def _replace(self, lost: Running) -> None:
        number = lost.number
        lived = self._io.loop.time() - lost.began
        pause = 0.0 if lived > STEADY else self._pauses.get(number, 0.0)
        self._pauses[number] = min(LONGEST_PAUSE, pause * 2 or FIRST_PAUSE)
        task = self._io.loop.create_task(self._start_again(number, pause))
        self._replacing[number] = task
        task.add_done_callback(lambda _: self._replacing.pop(number, None))

    async def _start_again(self, number: int, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            async with self._turn:
                if number in self._workers:  # a reload has started one meanwhile
                    return
                worker = Running(self, self._io, number)
                try:
                    await self._start(worker, self._start_data(self.service))
                except ConfigurationError as error:
                    self.events.emit(Warned(f"{error}; trying again"))
                    pause = min(LONGEST_PAUSE, pause * 2 or FIRST_PAUSE)
                    continue
                self._workers[number] = worker
                worker.go()
                return

    # From the workers

    def told(self, worker: Running, event: Event) -> None:
        """Tell what happened there as if it had been here."""
        if isinstance(event, ConnectionOpened):
            number = worker.numbers[event.number] = next(self._numbers)
            event = replace(event, number=number)
            self._open[number] = worker, event
        elif hasattr(event, "number"):
            there = event.number
            event = replace(event, number=worker.numbers.get(there, 0))  # type: ignore[call-arg]
            if isinstance(event, ConnectionEnded):
                worker.forget(there)
                self._open.pop(event.number, None)
        self.events.emit(event)

    def nonsense(self, worker: Running, error: Exception) -> None:
        """It says what makes no sense."""
        text = f"worker {worker.number} makes no sense: {type(error).__name__}: {error}"
        self.events.emit(Warned(text[:1000]))

    def publish(self, worker: Running, room: str, unit: bytes) -> None:
        """Pass a message on to the other workers.

        To all of them: who has joined there a moment ago hears it, as it would in one process.
        """
        message = with_parts(wire.HEAR, room.encode(), unit)
        for other in (*self._workers.values(), *self._retiring):
            if other is worker:
                continue
            if other.hear(message):
                other.lags = other.lags and not other.has_caught_up
            elif not other.lags:
                other.lags = True
                text = f"worker {other.number} lags, and did not hear what room {room!r} was told"
                self.events.emit(Warned(text))

    # Stopping

    async def stop(self, drain: float | None = None) -> None:
        """Stop as `Server.stop()` does, all workers at once."""
        if self._stopping or not self._shares:
            return
        self._stopping = True
        deadline = self.limits.drain if drain is None else drain
        self.events.emit(Draining(self.connections, deadline))
        for worker in (*self._workers.values(), *self._retiring):
            worker.stop(deadline)
        await self._end_all(deadline + LATE)
        self.events.emit(Stopped())

    def cut(self) -> None:
        """End what still goes on, now. For a second Ctrl-C."""
        for worker in (*self._workers.values(), *self._retiring):
            worker.cut()

    async def _end_all(self, patience: float = 0.0) -> None:
        """Wait for all workers to end, kill those that do not, and let go of the endpoints."""
        self._stopping = True
        own = self._looking, self._renewing, *self._replacing.values()
        tasks = [task for task in own if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        running = [*self._workers.values(), *self._retiring]
        running = [worker for worker in running if worker.pid]
        if running and patience:
            await asyncio.wait({worker.over_soon for worker in running}, timeout=patience)
        for worker in (*running, *self._starting):
            worker.wanted = False
            worker.kill()
        if running:
            await asyncio.wait({worker.over_soon for worker in running})
        self._workers.clear()
        for bound in {id(bound): bound for share in self._shares for bound in share}.values():
            bound.sock.close()
            unlink_own(bound)
        self._shares = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _check(endpoint: Endpoint) -> None:
    """Raise ConfigurationError for what several processes cannot serve."""
    why = ""
    if endpoint.transport is Transport.MEMORY:
        why = "memory:// stays in one process"
    elif endpoint.transport is Transport.UNIX_DATAGRAM:
        why = "a UNIX datagram socket is one for all, so that no peer could stay with its worker"
    elif endpoint.transport is Transport.UDP and endpoint.options.group is not None:
        why = "each worker would hear what is sent to a group"
    elif endpoint.transport is Transport.UDP and sys.platform != "linux":
        why = "only Linux keeps a peer's datagrams with one of several processes"
    if why:
        at = replace(endpoint, options=DEFAULT_OPTIONS)
        raise ConfigurationError(f"{at}: {why}; serve it without workers")


def _bind(endpoint: Endpoint, count: int) -> list[list[Bound]]:
    """Bind for the workers, with this machine's certificate for TLS that has none of its own."""
    return bind_for_workers(authority.with_certificate(endpoint), count)


async def _all(work: Any) -> None:
    """Do all of it; when one fails, wait for the others, and raise what it raised."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
