"""Model `processes`: each connection in a child process of its own, which serves it and exits.

The rules this file owns:

1. Children are forked ahead by a helper (`forking.py`), so that a connection finds one ready.
   Without helper another is started; the children there are go on. So they do when a reload
   has another fork the next ones.
2. A child that crashes or is killed loses its own connection only; that is an event, and
   another takes its place. Nothing is shared that it could leave held: each child has one
   private socket to the server, and only encoded bytes and JSON come back over it.
3. A datagram peer's session stays here; `relay.py` carries its datagrams.
4. Rooms meet here: a child says which it is in, and what one publishes goes to the others.
   What was asked for first is done first, whichever child asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError
from jackfield.events import BytesReceived, BytesSent, MessageReceived, MessageSent, Warned
from jackfield.models import spec
from jackfield.models.helper import Helper
from jackfield.models.model import Model
from jackfield.models.process import CUT, Process, Work
from jackfield.models.relay import Relay
from jackfield.models.running import ConnectionStatus, Done, Serving
from jackfield.net.connection import Connection
from jackfield.net.details import endpoint_of
from jackfield.net.handing import SUPPORTED, Socket
from jackfield.net.packets import UnitConnection

AHEAD = 4
"""Children kept ready for the next connections."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds of the first and of the longest pause when no child can be had; doubled between."""


class ProcessesModel(Model):
    """Handlers in processes."""

    name = "processes"
    takes_sockets = True

    def __init__(self, serving: Serving) -> None:
        super().__init__(serving)
        if spec.importing:
            msg = (
                "processes import the script anew to find its handler, so what starts the server "
                'must stand under: if __name__ == "__main__":'
            )
            raise ConfigurationError(msg)
        self._helper: Helper | None = None
        self._retired: list[Helper] = []  # who look after children of before a reload
        self._endpoints: tuple[Endpoint, ...] = ()
        self._processes: dict[int, Process] = {}
        self._idle: deque[Process] = deque()
        self._waiting: deque[Work] = deque()
        self._rooms: dict[str, dict[Process, str]] = {}
        self._traffic: list[tuple[bytes, Callable[[], None]]] = []  # of rooms, read in this turn
        self._restarting: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._again: asyncio.TimerHandle | None = None  # when children are asked for again
        self._stopping = False

    @property
    def capacity(self) -> int | None:
        return self.serving.limits.processes

    def has_room(self, running: int) -> bool:
        """Only with a child at hand: what is accepted earlier holds a descriptor meanwhile."""
        begun = sum(process.work is not None for process in self._processes.values())
        return running < min(self.capacity or 0, begun + len(self._idle))

    def _works(self) -> Iterator[Work]:
        """Give the work there is, begun or not, that only this model knows of."""
        begun = [process.work for process in self._processes.values()]
        return (work for work in (*begun, *self._waiting) if work and work.relay is None)

    @property
    def busy(self) -> int:
        return sum(1 for _ in self._works())

    def status(self) -> list[ConnectionStatus]:
        found = [process.status() for process in self._processes.values()]
        return [one for one in found if one is not None]

    def peers(self) -> list[str]:
        return [work.peer for work in self._works()]

    def check(self, endpoints: tuple[Endpoint, ...]) -> None:
        super().check(endpoints)
        if not SUPPORTED:
            msg = "this platform cannot fork, so there is no model processes; choose threads"
            raise ConfigurationError(msg)
        if any(endpoint.transport is Transport.MEMORY for endpoint in endpoints):
            msg = "memory:// stays in this process; choose another model than processes"
            raise ConfigurationError(msg)
        self._endpoints = endpoints

    # The helper

    async def start(self) -> None:
        self._helper = await self._new_helper()
        self._fork_ahead()

    async def _new_helper(self) -> Helper:
        serving = self.serving
        tls = tuple(e for e in self._endpoints if e.transport.uses_tls)
        shows = serving.events.wants(MessageReceived, MessageSent)
        watches = serving.events.wants(BytesReceived, BytesSent)
        what = spec.Spec(serving.service, serving.framing, serving.limits, tls, shows, watches)
        start = spec.pickled(what, serving.service.name, "under processes")
        helper = Helper(serving.io, self)
        await helper.start(serving.service.name, start)
        return helper

    def helper_lost(self, helper: Helper, why: str) -> None:
        """The helper is gone: start another."""
        how = f"failed ({why})" if why else "died"
        self.serving.events.emit(Warned(f"the process that forks children {how}; restarting it"))
        self._restarting = self.serving.io.loop.create_task(self._start_again(helper))

    async def _start_again(self, lost: Helper) -> None:
        await lost.end()
        while True:
            await asyncio.sleep(self._pause)
            self._pause_longer()
            try:
                self._helper = await self._new_helper()
            except ConfigurationError as error:
                self.serving.events.emit(Warned(f"{error}; trying again"))
            else:
                self._fork_ahead()
                return

    async def reload(self) -> None:
        """Have children for what is served from now on; those at work go on."""
        if self._restarting is not None and not self._restarting.done():
            msg = "the process that forks children is being restarted; try again in a moment"
            raise ConfigurationError(msg)
        helper = await self._new_helper()
        before, self._helper = self._helper, helper
        if before is not None:
            before.retire()
            self._retired = [before, *(one for one in self._retired if not one.is_over)]
        while self._idle:
            self._idle.popleft().dismiss()
        self._fork_ahead()

    def _pause_longer(self) -> None:
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)

    # Children

    def _fork_ahead(self) -> None:
        """Have enough children ready, and one for each connection that waits for one."""
        helper = self._helper
        if self._again is not None or helper is None:
            return
        helper.fork(AHEAD + len(self._waiting) - len(self._idle) - helper.asked)

    def no_descriptor(self, helper: Helper) -> None:
        """There is a child, but no descriptor left for the socket to it: the child leaves again."""
        if self._again is not None:
            return
        if not self._pause:
            text = "no descriptor is left for another process (see ulimit -n); trying again"
            self.serving.events.emit(Warned(text))
        self._pause_longer()
        self._ask_later(self._pause)

    def _ask_later(self, pause: float) -> None:
        if self._again is None and not self._stopping:
            self._again = self.serving.io.loop.call_later(pause, self._ask_again)

    def _ask_again(self) -> None:
        self._again = None
        self._fork_ahead()

    def child_came(self, helper: Helper, pid: int, sock: Socket) -> None:
        """A child is ready for its connection."""
        process = Process(self, self.serving, pid, sock)
        if helper is not self._helper:  # it would serve what was before a reload
            process.dismiss()
            return
        self._pause = 0.0
        self._processes[process.pid] = process
        if not self._waiting:
            self._idle.append(process)
            self.on_room()
        elif process.take_up(self._waiting[0]):
            self._waiting.popleft()
            if self._stopping:
                process.drain()
        else:
            self._fork_ahead()

    def child_exited(self, pid: int, status: int) -> None:
        """How a child ended."""
        if pid in self._processes:
            self._processes[pid].exited(status)

    def attend_socket(
        self, sock: Socket, endpoint: Endpoint, number: int, address: Any, done: Done
    ) -> None:
        peer = str(endpoint_of(endpoint.transport, address))
        self._give(Work(spec.Job(endpoint, address, number, 0), sock, peer, done))

    def attend(self, conn: Connection[Any], done: Done) -> None:
        """Serve a datagram session: its datagrams go to a child, and back."""
        assert isinstance(conn, UnitConnection)
        relay = Relay(conn, self.serving.events)
        job = spec.Job(conn.local, conn.address, conn.number, conn.largest)
        self._give(Work(job, relay.theirs, str(conn.peer), done, relay))

    def _give(self, work: Work) -> None:
        while self._idle:
            if self._idle.popleft().take_up(work):
                break
        else:
            self._waiting.append(work)
        self._fork_ahead()

    def gone(self, process: Process) -> None:
        """Forget a process that is over."""
        self._processes.pop(process.pid, None)
        if process in self._idle:
            self._idle.remove(process)
            self._ask_later(FIRST_PAUSE)
        for room in [name for name, members in self._rooms.items() if process in members]:
            self.leave(process, room)

    def kill(self, pid: int) -> None:
        """Have the helper kill a child, if it is one still."""
        for helper in (self._helper, *self._retired):  # each knows its own
            if helper is not None:
                helper.kill(pid)

    # Rooms

    def in_turn(self, when: bytes, call: Callable[[], None]) -> None:
        """Do what a process asked for at a time, after what others asked for before.

        Which of two sockets is read first is chance. But whoever was told of one thing and then
        asks for another has the first one waiting in a socket by then. So what was asked for
        until now is there to be read in the next turn of the loop, and after that in order.
        """
        self._traffic.append((min(when, spec.when()), call))  # none can ask later than it is read
        if len(self._traffic) == 1:
            self.serving.io.call_soon(self._wait_a_turn)

    def _wait_a_turn(self) -> None:
        self.serving.io.call_soon(self._do_until, spec.when())

    def _do_until(self, now: bytes) -> None:
        self._traffic.sort(key=itemgetter(0))
        count = sum(when <= now for when, _ in self._traffic)
        due = self._traffic[:count]
        del self._traffic[:count]
        if self._traffic:
            self._wait_a_turn()
        for _, call in due:
            call()

    def join(self, process: Process, room: str, policy: str) -> None:
        """Have a process hear a room."""
        if process.pid not in self._processes:  # it has ended meanwhile
            return
        self._rooms.setdefault(room, {})[process] = policy

    def leave(self, process: Process, room: str) -> None:
        """Have it hear the room no more."""
        members = self._rooms.get(room, {})
        members.pop(process, None)
        if not members:
            self._rooms.pop(room, None)

    def publish(self, process: Process, room: str, stream: bytes, unit: bytes) -> None:
        """Pass a message on to the other members of a room."""
        name = room.encode()
        for member, policy in tuple(self._rooms.get(room, {}).items()):
            if member is process:
                continue
            data = unit if member.keeps_boundaries else stream
            heard = member.hear(spec.with_parts(spec.HEAR, name, data))
            if not heard and policy == "disconnect":
                member.kill(f"it did not read what room {room!r} sent it")

    # Stopping

    def drain(self) -> None:
        self._stopping = True
        for process in self._processes.values():
            process.drain()

    def cut(self) -> None:
        while self._waiting:
            self._waiting.popleft().end(self.serving.events, spec.Counts(CUT))
        for process in tuple(self._processes.values()):
            if process.work is not None:
                process.kill(CUT)

    async def stop(self) -> None:
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait({self._restarting})
        if self._again is not None:
            self._again.cancel()
        for process in tuple(self._processes.values()):
            process.dismiss()
        helpers = [helper for helper in (self._helper, *self._retired) if helper is not None]
        await asyncio.gather(*(helper.end() for helper in helpers))
        self._retired.clear()
