"""Model `processes`: each connection in a child process of its own, which serves it and exits.

The rules this file owns:

1. Children are forked ahead by a helper (`forking.py`), so that a connection finds one ready.
2. A child that crashes or is killed loses its own connection only; that is an event, and
   another takes its place. Nothing is shared that it could leave held: each child has one
   private socket to the server, and only encoded bytes and JSON come back over it.
3. A datagram peer's session stays here; its datagrams go to a child and back by a socket pair.
4. Rooms meet here: a child says which it is in, and what one publishes goes to the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError
from jackfield.events import (
    ChildLost,
    ConnectionEnded,
    DatagramsDropped,
    HandlerFailed,
    MessageReceived,
    MessageSent,
    Refused,
    Warned,
)
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models import spec
from jackfield.models.model import Model
from jackfield.models.running import Done, Serving
from jackfield.net.connection import Connection
from jackfield.net.details import endpoint_of
from jackfield.net.handing import (
    SUPPORTED,
    Socket,
    control_pair,
    datagram_pair,
    hand,
    pass_unit,
    relay_units,
    take,
)
from jackfield.net.packets import UNIT, PacketConnection, UnitConnection
from jackfield.net.roles import Plan

AHEAD = 4
"""Children kept ready for the next connections."""

_PACKAGES = str(Path(__file__).parents[2])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import jackfield.models.forking as f; f.main()"
)
"""The helper, found where this module was, however that came to be on the path."""

REPORT = 1.0
"""Seconds to wait for how a child ended once its socket has."""


class ProcessesModel(Model):
    """Handlers in processes."""

    name = "processes"
    takes_sockets = True

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        self._helper: subprocess.Popen[bytes] | None = None
        self._control: Socket | None = None
        self._endpoints: tuple[Endpoint, ...] = ()
        self._idle: deque[Child] = deque()
        self._children: dict[int, Child] = {}
        self._asked = 0  # forks asked for that have not come yet
        self._waiting: deque[Callable[[Child], None]] = deque()
        self._stopping = False
        self.rooms: dict[str, dict[Child, str]] = {}

    @property
    def capacity(self) -> int | None:
        return self.serving.limits.processes

    @property
    def busy(self) -> int:
        return sum(child.holds_socket for child in self._children.values()) + len(self._waiting)

    def peers(self) -> list[str]:
        return [child.peer for child in self._children.values() if child.holds_socket]

    def check(self, endpoints: tuple[Endpoint, ...]) -> None:
        if not SUPPORTED:
            msg = "this platform cannot fork, so there is no model processes; choose threads"
            raise ConfigurationError(msg)
        if any(endpoint.transport is Transport.MEMORY for endpoint in endpoints):
            msg = "memory:// stays in this process; choose another model than processes"
            raise ConfigurationError(msg)
        self._endpoints = endpoints

    async def start(self) -> None:
        await self._start_helper()
        self._fork_ahead()

    async def _start_helper(self) -> None:
        serving = self.serving
        tls = tuple(e for e in self._endpoints if e.transport is Transport.TLS)
        shows = serving.events.wants(MessageReceived) or serving.events.wants(MessageSent)
        data = spec.pickled(spec.Spec(serving.service, serving.framing, serving.limits, tls, shows))
        ours, theirs = control_pair()
        self._control = ours
        self._helper = subprocess.Popen(  # noqa: ASYNC220  our own, and quick to start
            [sys.executable, "-c", _START, _PACKAGES, str(theirs.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert self._helper.stdin is not None
        with self._helper.stdin as pipe:
            pickle.dump((sys.path, spec.main_path(), data), pipe)
        ours.setblocking(False)
        ready = serving.io.create_future()
        serving.io.watch_read(ours, lambda: _set(ready))
        await ready
        message, _ = take(ours)
        if message != spec.READY:
            await self._end_helper()
            why = message[1:].decode(errors="replace") or "its process ended at once"
            msg = f"service {serving.service.name} cannot be loaded in a process: {why}"
            raise ConfigurationError(msg)
        serving.io.watch_read(ours, self._on_control)

    def _fork_ahead(self) -> None:
        """Have enough children ready, and one for each connection that waits for one."""
        assert self._control is not None
        wanted = AHEAD + len(self._waiting) - len(self._idle) - self._asked
        for _ in range(wanted):
            self._asked += hand(self._control, spec.FORK)

    def _on_control(self) -> None:
        assert self._control is not None
        while True:
            try:
                message, sock = take(self._control)
            except BlockingIOError:
                return
            if message[:1] == spec.CHILD and sock is not None:
                self._asked -= 1
                self._welcome(Child(self, int(message[1:]), sock))
            elif message[:1] == spec.EXITED:
                pid, status = map(int, message[1:].split())
                if pid in self._children:
                    self._children[pid].exited(status)
            else:
                self._helper_lost()
                return

    def _helper_lost(self) -> None:
        """The helper is gone: start another. Children with a connection go on."""
        assert self._control is not None
        self.serving.io.unwatch_read(self._control)
        self._control.close()
        if not self._stopping:
            self.serving.events.emit(Warned("the process that forks children died; restarting it"))
            self._asked = 0
            self._restart = self.serving.io.loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        await self._end_helper()
        await self._start_helper()
        self._fork_ahead()

    def _welcome(self, child: Child) -> None:
        self._children[child.pid] = child
        if self._waiting:
            self._waiting.popleft()(child)
        else:
            self._idle.append(child)

    def attend_socket(
        self, sock: Socket, endpoint: Endpoint, number: int, address: Any, done: Done
    ) -> None:
        def give(child: Child) -> None:
            child.take_socket(sock, endpoint, number, address, done)

        self._give(give)

    def attend(self, conn: Connection[Any], done: Done) -> None:
        """Serve a datagram session: its datagrams go to a child, and back."""
        assert isinstance(conn, UnitConnection)
        relay = Relay(conn, self.serving)
        self._give(lambda child: child.take_relay(relay, done))

    def _give(self, give: Callable[[Child], None]) -> None:
        while self._idle:
            child = self._idle.popleft()
            if child.alive:
                give(child)
                break
        else:
            self._waiting.append(give)
        self._fork_ahead()

    def gone(self, child: Child) -> None:
        """A child is over."""
        self._children.pop(child.pid, None)
        if child in self._idle:
            self._idle.remove(child)
        for members in self.rooms.values():
            members.pop(child, None)

    def publish(self, sender: Child, message: bytes) -> None:
        """Pass a message on to the other members of its room."""
        name, _, packed = message[1:].partition(b"\0")
        (size,) = struct.unpack_from("!I", packed)
        stream, unit = packed[4 : 4 + size], packed[4 + size :]
        head = spec.HEAR + name + b"\0"
        for member, policy in tuple(self.rooms.get(name.decode(), {}).items()):
            if member is not sender:
                data = unit if member.keeps_boundaries else stream
                if not member.hear(head + data) and policy == "disconnect":
                    self.kill(member.pid)

    def kill(self, pid: int) -> None:
        """Have the helper kill a child, if it is one still."""
        if self._control is not None:
            hand(self._control, spec.KILL + str(pid).encode())

    def drain(self) -> None:
        self._stopping = True
        for child in self._children.values():
            child.drain()

    def cut(self) -> None:
        for child in tuple(self._children.values()):
            self.kill(child.pid)

    async def stop(self) -> None:
        self._stopping = True
        for child in tuple(self._children.values()):
            child.dismiss()
        await self._end_helper()

    async def _end_helper(self) -> None:
        if self._control is not None and self._control.fileno() >= 0:
            self.serving.io.unwatch_read(self._control)
            self._control.close()
        if self._helper is not None:
            await asyncio.to_thread(_wait_for, self._helper)


def _wait_for(helper: subprocess.Popen[bytes]) -> None:
    try:
        helper.wait(5)
    except subprocess.TimeoutExpired:
        helper.kill()
        helper.wait()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Relay:
    """Carries a datagram session's units to a child and back."""

    def __init__(self, conn: UnitConnection[bytes], serving: Serving) -> None:
        self.conn = conn
        self._serving = serving
        self._ours, self._theirs = datagram_pair()
        self._child: Child | None = None
        self._early: list[bytes] = []
        conn.answer_by(self)

    def start(self, child: Child) -> Socket:
        """Begin to carry; gives the socket for the child."""
        self._child = child
        self._serving.io.watch_read(self._ours, self._back)
        for unit in self._early:
            self._forth(unit)
        self._early.clear()
        return self._theirs

    def started(self) -> None:
        """The child has its socket."""
        self._theirs.close()

    def take(self, units: list[bytes]) -> None:
        """The peer has sent these."""
        if self._child is None:
            self._early += units
            return
        for unit in units:
            self._forth(unit)

    def _forth(self, unit: bytes) -> None:
        if not pass_unit(self._ours, unit):
            reason = "its handler's process lags"
            self._serving.events.emit(DatagramsDropped(self.conn.local, 1, reason))

    def _back(self) -> None:
        relay_units(self._ours, self._send)

    def _send(self, unit: bytes) -> None:
        self.conn.send_batch([unit])

    def over(self) -> None:
        """The peer has been silent for long, or the server stops."""
        if self._child is not None:
            self._child.drain()

    def finish(self) -> None:
        """The child is done: what it sent last goes out first."""
        if self._ours.fileno() >= 0:
            self._back()
            self._serving.io.unwatch_read(self._ours)
            self._ours.close()
            self._theirs.close()
            self.conn.close_soon()


class Child:
    """A child process, seen from the server."""

    def __init__(self, model: ProcessesModel, pid: int, sock: Socket) -> None:
        self.pid = pid
        self.alive = True
        self.peer = ""
        self.holds_socket = False
        self.keeps_boundaries = False
        self._model = model
        self._serving = model.serving
        self._sock = sock
        self._number = 0
        self._endpoint: Endpoint | None = None
        self._done: Done | None = None
        self._relay: Relay | None = None
        self._counts: dict[str, Any] | None = None
        self._status: int | None = None
        self._timer: TimerHandle | None = None
        sock.setblocking(False)
        limits = Limits(outbox=self._serving.limits.outbox)
        plan = Plan(self._serving.io, Raw(UNIT), limits)
        self._conn: PacketConnection[bytes] = PacketConnection(plan, sock, Transport.UNIX_SEQPACKET)
        self._conn.answer_by(self)
        self._conn.open()

    def take_socket(
        self, sock: Socket, endpoint: Endpoint, number: int, address: Any, done: Done
    ) -> None:
        """Give it a connection that was accepted."""
        self.peer = str(endpoint_of(endpoint.transport, address))
        self.holds_socket = True
        self._begin(spec.Job(endpoint, address, number, 0), sock, done)
        sock.close()

    def take_relay(self, relay: Relay, done: Done) -> None:
        """Give it a datagram session."""
        conn = relay.conn
        self.peer = str(conn.peer)
        self._relay = relay
        job = spec.Job(conn.local, conn.address, conn.number, conn.largest)
        self._begin(job, relay.start(self), done)
        relay.started()

    def _begin(self, job: spec.Job, sock: Socket, done: Done) -> None:
        self._number = job.number
        self._endpoint = job.endpoint
        self.keeps_boundaries = job.endpoint.keeps_boundaries
        self._done = done
        if not hand(self._sock, spec.JOB + pickle.dumps(job), sock):
            self.over()

    def hear(self, message: bytes) -> bool:
        """Pass on what a room hears; False when too much waits already."""
        return self._conn.post(message) or self._conn.is_over

    def drain(self) -> None:
        """Let its handler finish."""
        if self._done is not None and not self._conn.is_over:
            self._conn.send(spec.DRAIN)

    def dismiss(self) -> None:
        """It is not needed any more."""
        self._conn.abort()

    # From the child

    def take(self, messages: list[bytes]) -> None:
        """It has something to say. What makes no sense is ignored: it reads what peers send."""
        for message in messages:
            kind, rest = message[:1], message[1:]
            try:
                if kind == spec.JOIN:
                    policy, _, name = rest.decode().partition(" ")
                    self._model.rooms.setdefault(name, {})[self] = policy
                elif kind == spec.LEAVE:
                    self._model.rooms.get(rest.decode(), {}).pop(self, None)
                elif kind == spec.PUBLISH:
                    self._model.publish(self, message)
                elif kind == spec.EVENT:
                    self._emit(json.loads(rest))
                elif kind == spec.DONE:
                    self._counts = json.loads(rest)
            except (ValueError, KeyError, struct.error) as error:
                self._serving.events.emit(Warned(f"process {self.pid} makes no sense: {error}"))

    def _emit(self, fields: dict[str, Any]) -> None:
        emit = self._serving.events.emit
        assert self._endpoint is not None
        kind = fields["kind"]
        if kind == "Refused":
            emit(Refused(self._endpoint, self.peer, fields["reason"]))
        elif kind == "HandlerFailed":
            emit(HandlerFailed(self._number, self.peer, fields["error"], fields["traceback"]))
        elif kind in {"MessageReceived", "MessageSent"}:
            message = fields["bytes"].encode("latin-1") if "bytes" in fields else fields["text"]
            event = MessageReceived if kind == "MessageReceived" else MessageSent
            emit(event(self._number, self.peer, message))
        else:
            emit(Warned(f"process {self.pid}: {fields.get('text', kind)}"))

    def over(self) -> None:
        """Its socket has ended: it has exited, or is about to."""
        self.alive = False
        if self._done is None or self._counts is not None or self._status is not None:
            self._finish()
        elif self._timer is None:  # how it ended is on its way
            self._timer = self._serving.io.loop.call_later(REPORT, self._finish)

    def exited(self, status: int) -> None:
        """The helper says how it ended."""
        self._status = status
        if self._timer is not None:
            self._finish()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._conn.abort()
        self._model.gone(self)
        done, self._done = self._done, None
        if done is None:
            return
        if self._counts is None:
            reason = _ending(self._status)
            self._serving.events.emit(ChildLost(self.peer, self.pid, reason))
        if self._relay is not None:
            self._relay.finish()
        elif self._endpoint is not None:
            self._emit_end(self._endpoint)
        self.holds_socket = False
        done()

    def _emit_end(self, endpoint: Endpoint) -> None:
        counts = self._counts or {"reason": f"its process {_ending(self._status)}"}
        self._serving.events.emit(
            ConnectionEnded(
                self._number,
                endpoint,
                self.peer,
                str(counts.get("reason", "")),
                int(counts.get("bytes_received", 0)),
                int(counts.get("bytes_sent", 0)),
                int(counts.get("messages_received", 0)),
                int(counts.get("messages_sent", 0)),
            )
        )


def _ending(status: int | None) -> str:
    """Say how a process ended."""
    if status is None:
        return "ended without a word"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with status {code}"
