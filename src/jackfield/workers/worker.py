"""What runs in a worker: a server on endpoints that the supervisor has bound.

The rules this file owns:

1. It does as the supervisor says; signals to its whole group are the supervisor's to act on,
   but for SIGTERM, which ends it in good order whoever sends it.
2. Once a second it gives a sign of life, from the loop that does its I/O.
3. When the supervisor is gone it stops as a server does, and leaves.

`main()` is given the number of a descriptor, the socket to the supervisor, as its last argument,
and pickled start data on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import sys
import threading
from dataclasses import replace
from typing import Any, cast

from jackfield.endpoints import Transport
from jackfield.errors import JackfieldError, LocalProtocolError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Event,
    Events,
    MessageReceived,
    MessageSent,
    Reloaded,
    Warned,
)
from jackfield.framing.raw import Raw
from jackfield.models.names import ModelName
from jackfield.models.spec import parts_of, with_parts
from jackfield.models.starting import leave, read_start
from jackfield.net.binding import Bound
from jackfield.net.connection import Connection
from jackfield.net.handing import Socket, adopt, hand, take
from jackfield.net.heap import keep_freed
from jackfield.net.ioloop import current, new_event_loop
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan
from jackfield.rooms import Room, use_backplane
from jackfield.server import Server
from jackfield.workers import wire

LIFE = 1.0
"""Seconds between two signs of life."""

MOST_WAITING = 16 * 1024 * 1024
"""Bytes that may wait for the supervisor; events past it are counted and left out."""

AT_ONCE = 200
"""Connections told of in one message."""


class Worker:
    """The server here, and the way to the supervisor."""

    def __init__(self, control: Socket, given: wire.Spec, bound: list[Bound]) -> None:
        io = self._io = current()
        self._given = given
        limits = replace(given.limits, outbox=MOST_WAITING)
        plan = Plan(io, Raw(UNIT), limits)
        self._supervisor: PacketConnection[bytes] = PacketConnection(
            plan, control, Transport.UNIX_SEQPACKET
        )
        self._supervisor.answer_by(self)
        events = Events()
        events.subscribe(Event, self._tell)
        by_name: list[type[Event]] = [MessageReceived, MessageSent] if given.shows else []
        by_name += [BytesReceived, BytesSent] if given.watches else []
        for kind in by_name:
            events.subscribe(kind, self._tell)
        self._server: Server[Any] = Server(
            given.service,
            *given.endpoints,
            model=cast("ModelName", given.model),
            limits=given.limits,
            framing=given.framing,
            events=events,
            bound=bound,
        )
        self._rooms: dict[str, dict[Room[Any], int]] = {}  # of one name, with their members here
        self._lock = threading.Lock()  # handlers in threads join and leave
        self._left_out = 0
        self._stops = False
        self._pause = min(LIFE, given.limits.heartbeat / 4)
        self._ending: asyncio.Task[None] | None = None
        self._over = io.loop.create_future()
        use_backplane(self)

    async def run(self) -> None:
        """Serve until the supervisor wants no more."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        try:
            await self._server.prepare()
        except JackfieldError as error:
            self._say(wire.FAILED + str(error).encode()[: wire.MOST_TEXT])
        else:
            self._say(wire.READY)
            self._supervisor.open()
            self._show_life()
            await self._over
            assert self._ending is not None
            await self._ending
        await self._supervisor.close()

    def _show_life(self) -> None:
        self._say(wire.ALIVE)
        if self._left_out and self._supervisor.unsent < MOST_WAITING // 2:
            count, self._left_out = self._left_out, 0
            self._tell(Warned(f"{count} events of a worker came too fast, and were left out"))
        self._io.loop.call_later(self._pause, self._show_life)

    def _say(self, message: bytes) -> None:
        self._supervisor.send_batch([message])

    def _tell(self, event: Event) -> None:
        counts = isinstance(event, ConnectionOpened | ConnectionEnded)  # else it would miscount
        most = math.inf if counts else MOST_WAITING
        for message in wire.packed(event):
            self._io.run(self._send_event, message, most)

    def _send_event(self, message: bytes, most: float) -> None:
        if self._supervisor.unsent > most:
            self._left_out += 1
        else:
            self._say(message)

    # From the supervisor

    def take(self, messages: list[bytes]) -> None:
        """Do as the supervisor says."""
        for message in messages:
            kind, rest = message[:1], message[1:]
            if kind == wire.GO:
                self._server.open()
            elif kind == wire.RETIRE:
                self._server.retire()
                self._say(wire.RETIRED)
                self._end_by(self._server.when_quiet())
            elif kind == wire.RELOADED:
                self._server.events.emit(Reloaded())
                self._say(wire.REREAD)
            elif kind == wire.STOP:
                self._end(json.loads(rest))
            elif kind == wire.CUT:
                self._io.loop.call_soon(self._server.cut)  # a stop may be about to begin
            elif kind == wire.ASK:
                self._io.loop.create_task(self._answer(rest))
            elif kind == wire.HEAR:
                name, unit = parts_of(message)
                self._hear(name.decode(), unit)

    def over(self) -> None:
        """The supervisor is gone."""
        self._end()

    def _end(self, drain: float | None = None) -> None:
        if not self._stops:  # a signal to its whole group reaches it, and the supervisor too
            self._stops = True
            self._end_by(self._server.stop(drain))

    def _end_by(self, work: Any) -> None:
        """Leave once this is done; what is asked for later, goes before."""
        before, self._ending = self._ending, self._io.loop.create_task(work)
        self._ending.add_done_callback(self._see_if_over)
        if before is not None:
            before.cancel()

    def _see_if_over(self, task: asyncio.Task[None]) -> None:
        if task is self._ending and not self._over.done():
            self._over.set_result(None)

    async def _answer(self, question: bytes) -> None:
        """Say who is connected."""
        found = await self._server.status()
        for at in range(0, len(found), AT_ONCE):
            some = [
                [str(f)[:200] if isinstance(f, str) else f for f in one]
                for one in found[at : at + AT_ONCE]
            ]
            self._say(wire.STATUS + json.dumps(some).encode())
        self._say(wire.ALL_TOLD + question)

    # The rooms' way to the other workers

    def join(self, room: Room[Any], _member: Connection[Any]) -> None:
        """Note that a room has a member here."""
        with self._lock:
            rooms = self._rooms.setdefault(room.name, {})
            rooms[room] = rooms.get(room, 0) + 1

    def leave(self, room: Room[Any], _member: Connection[Any]) -> None:
        """Note that it has one less."""
        with self._lock:
            rooms = self._rooms[room.name]
            rooms[room] -= 1
            if not rooms[room]:
                del rooms[room]
            if not rooms:
                del self._rooms[room.name]

    def publish(self, room: Room[Any], message: Any) -> None:
        """Have the members in the other workers hear a message."""
        framing = self._given.framing or self._given.service.framing
        unit = framing.encode_unit(message)
        packed = with_parts(wire.PUBLISH, room.name.encode(), unit)
        if len(packed) > self._supervisor.largest:
            msg = (
                f"a message of {len(unit)} bytes for room {room.name!r}, and about "
                f"{self._supervisor.largest} can cross between workers; send it in parts"
            )
            raise LocalProtocolError(msg)
        self._io.run(self._say, packed)

    def _hear(self, name: str, unit: bytes) -> None:
        """Pass on what was said in a room in another worker."""
        framing = self._given.framing or self._given.service.framing
        with self._lock:
            rooms = list(self._rooms.get(name, ()))
        for room in rooms:
            try:
                room.hear(framing.decode_unit(unit))
            except JackfieldError as error:  # a member here may have switched its framing
                self._tell(Warned(f"what room {name!r} was told is not heard here: {error}"))


def main() -> None:
    """Load, say so, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keep_freed()
    control = adopt(int(sys.argv[-1]))
    try:
        given = read_start()
        assert isinstance(given, wire.Spec)
    except Exception as error:  # noqa: BLE001  whatever it is, the supervisor is told
        text = f"{type(error).__name__}: {error}"
        hand(control, wire.FAILED + text.encode()[: wire.MOST_TEXT])
        # left with something of the supervisor's unread, what was just said would be lost
        while take(control)[0]:
            pass
        leave(1)
    bound = []
    for endpoint in given.endpoints:
        _, sock = take(control)
        if sock is None:  # the supervisor is gone, or has no descriptor to give
            leave(1)
        sock.setblocking(False)
        bound.append(Bound(sock, endpoint))
    control.setblocking(False)
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(_run(control, given, bound))
    leave(0)


async def _run(control: Socket, given: wire.Spec, bound: list[Bound]) -> None:
    await Worker(control, given, bound).run()
