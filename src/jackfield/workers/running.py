"""One worker process, seen from the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
import signal
import struct
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from jackfield.endpoints import Transport
from jackfield.errors import ConfigurationError
from jackfield.events import Event
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models.running import ConnectionStatus
from jackfield.models.spec import main, parts_of
from jackfield.net.handing import Socket, hand, start_process
from jackfield.net.ioloop import IOLoop
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan
from jackfield.workers import wire

LOADING = 60.0
"""Seconds that it is given to load what it serves."""

STATUS_TIME = 2.0
"""Seconds that a worker is given to say who is connected."""

_PACKAGES = str(Path(__file__).parents[2])
_START = (
    "import signal as s; s.signal(s.SIGINT, s.SIG_IGN); s.signal(s.SIGHUP, s.SIG_IGN); "
    "import sys; sys.path.insert(0, sys.argv[1]); import jackfield.workers.worker as w; w.main()"
)
"""The worker, found where this module was, however that came to be on the path. What it is sent
with its whole group is not for it from the beginning."""

REMEMBERED = 1000
"""Connections that are over and whose numbers are known still: a handler may fail after that."""


class Owner(Protocol):
    """What the supervisor is to its workers."""

    def told(self, worker: Running, event: Event, /) -> None:
        """An event from there."""

    def nonsense(self, worker: Running, error: Exception, /) -> None:
        """It says what makes no sense."""

    def publish(self, worker: Running, room: str, unit: bytes, /) -> None:
        """It has a message for a room."""

    def gone(self, worker: Running, /) -> None:
        """It has ended, whyever; `status` is how."""


class Running:
    """One worker process.

    number: which of the workers it is. pid: of its process.
    wanted: whether it has started and is to go on, so that another takes its place when it ends.
    heard: when it last gave a sign of life, by the loop's clock.
    numbers: of its connections here, by those there.
    lags: whether it did not hear the last message for a room.
    status: how it ended, as subprocess has it; None while it has not.
    """

    def __init__(self, owner: Owner, io: IOLoop, number: int) -> None:
        self.number = number
        self.pid = 0
        self.wanted = False
        self.heard = self.began = io.loop.time()
        self.numbers: dict[int, int] = {}
        self.lags = False
        self.status: int | None = None
        self.over_soon: asyncio.Future[None] = io.create_future()
        self._owner = owner
        self._io = io
        self._process: subprocess.Popen[bytes] | None = None
        self._conn: PacketConnection[bytes] | None = None
        self._ready: asyncio.Future[str] = io.create_future()
        self._retired: asyncio.Future[None] = io.create_future()
        self._reread: asyncio.Future[None] = io.create_future()
        self._asked: asyncio.Future[None] | None = None
        self._questions = 0
        self._told: list[ConnectionStatus] = []
        self._over: deque[int] = deque()
        self._reaping: asyncio.Task[None] | None = None

    async def start(self, name: str, start: bytes, sockets: list[Socket], limits: Limits) -> None:
        """Start it, up to where it could accept. Raises ConfigurationError, and it is gone then.

        start: a `wire.Spec`, pickled.
        """
        self._process, control = start_process([sys.executable, "-c", _START, _PACKAGES])
        self.pid = self._process.pid
        for sock in sockets:
            hand(control, wire.SOCKET, sock)
        plan = Plan(self._io, Raw(UNIT), limits)
        self._conn = PacketConnection(plan, control, Transport.UNIX_SEQPACKET)
        self._conn.answer_by(self)
        self._conn.open()
        pipe = self._process.stdin
        assert pipe is not None
        try:
            await self._io.in_thread(lambda: _feed(pipe, pickle.dumps((sys.path, main(), start))))
            await asyncio.wait({self._ready}, timeout=LOADING)
            if not self._ready.done():
                self.kill()
                await self.over_soon
                msg = f"worker {self.number} of {name} was not ready after {LOADING:g} s"
                raise ConfigurationError(msg)
            problem = self._ready.result()
        except asyncio.CancelledError:
            self.kill()
            await self.over_soon
            raise
        self.wanted = not problem
        if problem:
            await self.over_soon
            raise ConfigurationError(f"worker {self.number} of {name} cannot start: {problem}")

    def go(self) -> None:
        """Let it accept."""
        self._say(wire.GO)

    async def retire(self) -> None:
        """Have it let go of the endpoints, and wait until it has; it leaves with its last peer."""
        self.wanted = False
        self._say(wire.RETIRE)
        await self._until(self._retired)

    async def reloaded(self) -> None:
        """Have those who are there still go by what has changed, and wait until they do."""
        self._reread = self._io.create_future()
        self._say(wire.RELOADED)
        await self._until(self._reread)

    async def _until(self, done: asyncio.Future[None]) -> None:
        """Wait for that, or for its end: one that is stuck is killed before long."""
        await asyncio.wait({done, self.over_soon}, return_when=asyncio.FIRST_COMPLETED)

    def stop(self, drain: float) -> None:
        """Have it stop as a server does, and leave."""
        self.wanted = False
        self._say(wire.STOP + json.dumps(drain).encode())

    def cut(self) -> None:
        """Have it end what still goes on."""
        self._say(wire.CUT)

    def hear(self, message: bytes) -> bool:
        """Pass on what a room hears; False when too much waits already."""
        conn = self._conn
        return conn is None or conn.is_over or conn.post(message)

    @property
    def has_caught_up(self) -> bool:
        """Whether no more than half of what may wait for it does."""
        conn = self._conn
        return conn is None or conn.unsent <= conn.limits.outbox // 2

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self.status is None:
            self._process.kill()

    async def connections(self) -> list[ConnectionStatus]:
        """Say who is connected there; nobody when it does not answer in time."""
        if self._asked is None:
            self._asked = self._io.create_future()
            self._told = []
            self._questions += 1
            self._say(wire.ASK + b"%d" % self._questions)
        asked = self._asked
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asked), STATUS_TIME)
        self._asked = None
        return self._told if asked.done() else []

    def _say(self, message: bytes) -> None:
        if self._conn is not None and self._conn.over is None:
            self._conn.send_batch([message])

    # From the worker

    def take(self, messages: list[bytes]) -> None:
        """It has something to say."""
        self.heard = self._io.loop.time()
        for message in messages:
            try:
                self._take(message)
            except (ValueError, KeyError, TypeError, struct.error) as error:
                self._owner.nonsense(self, error)

    def _take(self, message: bytes) -> None:
        kind, rest = message[:1], message[1:]
        if kind == wire.EVENT:
            self._owner.told(self, wire.unpacked(rest))
        elif kind == wire.PUBLISH:
            name, unit = parts_of(message)
            self._owner.publish(self, name.decode(), unit)
        elif kind == wire.READY:
            _set(self._ready, "")
        elif kind == wire.FAILED:
            _set(self._ready, rest.decode(errors="replace"))
            if self._conn is not None:
                self._io.call_soon(self._conn.abort)  # it waits for that before it leaves
        elif kind == wire.RETIRED:
            _set(self._retired, None)
        elif kind == wire.REREAD:
            _set(self._reread, None)
        elif kind == wire.STATUS:
            self._told += map(self._renumbered, wire.statuses(rest))
        elif kind == wire.ALL_TOLD:
            self._all_told(rest)

    def _all_told(self, question: bytes) -> None:
        if question != b"%d" % self._questions:  # one that was given up before
            self._told = []
        elif self._asked is not None:
            _set(self._asked, None)

    def _renumbered(self, one: ConnectionStatus) -> ConnectionStatus:
        return one._replace(number=self.numbers.get(one.number, 0))

    def forget(self, number: int) -> None:
        """Its connection of that number there is over."""
        self._over.append(number)
        if len(self._over) > REMEMBERED:
            self.numbers.pop(self._over.popleft(), None)

    def over(self) -> None:
        """The socket to it has ended: it has exited, or is about to."""
        if self._reaping is None:
            self._reaping = self._io.loop.create_task(self._reap())

    async def _reap(self) -> None:
        process = self._process
        assert process is not None
        self.status = await self._io.in_thread(process.wait)
        if self._conn is not None:
            self._conn.abort()
        _set(self._ready, _ending(self.status))
        _set(self.over_soon, None)
        self._owner.gone(self)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return _ending(self.status or 0)


def _ending(status: int) -> str:
    if status < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"was killed by {known.get(-status, f'signal {-status}')}"
    return f"exited with status {status}"


def _feed(pipe: Any, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(data)


def _set(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)
