"""A child of model `processes`: waits for one connection, serves it, and exits.

It does its own I/O, as any model does. The socket to the parent carries what crosses between
processes: rooms, events, the counts at the end. When the parent is gone, so is the child.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
import ssl
from dataclasses import astuple, replace
from functools import cache, partial
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError, JackfieldError, LocalProtocolError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    Event,
    Events,
    HandlerFailed,
    MessageReceived,
    MessageSent,
    Refused,
    RequestAnswered,
)
from jackfield.framing.raw import Raw
from jackfield.limits import Passed
from jackfield.models import spec
from jackfield.models.running import Serving, Tasks, shake_off, start_thread
from jackfield.models.starting import leave
from jackfield.net.connection import Connection
from jackfield.net.deadlines import Deadlines, end_late
from jackfield.net.handing import Socket, take
from jackfield.net.ioloop import current, new_event_loop
from jackfield.net.opening import begin, make_connection, upgrade_of
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan
from jackfield.net.tap import tap_messages
from jackfield.net.tls import context_for
from jackfield.rooms import Room, use_backplane

MOST_TEXT = 16 * 1024
"""Characters, or bytes, of a message or a traceback that the parent is told: what crosses must
fit in one unit even where each is written as the six of a JSON escape."""

REPORT = 1.0
"""Seconds between two reports of what a connection has come to so far."""

MOST_ERROR = 4096
"""The same of an error's own text."""

MANY = 16
"""Outboxes' worth of room traffic that may wait for the parent: it is on its way to many."""


@cache
def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Load an endpoint's certificate; once, in the helper, before the first fork."""
    return context_for(endpoint)


def serve_one(control: Socket, loaded: spec.Spec) -> None:
    """Wait for a connection and serve it to its end; return at once when the parent is gone."""
    message, sock = take(control)
    if not message or sock is None:
        return
    job: spec.Job = pickle.loads(message[1:])  # noqa: S301  from our own parent
    sock.setblocking(False)
    control.setblocking(False)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(control, sock, job, loaded))


async def _serve(control: Socket, sock: Socket, job: spec.Job, loaded: spec.Spec) -> None:
    child = Child(control, sock, job, loaded)
    # `timeout` and systemd send SIGTERM to the whole group; SIGINT is the terminal's Ctrl-C, on
    # which the parent decides. Either way the handler gets to finish.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, child.drain)
    await child.serve()


class Child:
    """The one connection, and the way to the parent."""

    def __init__(self, control: Socket, sock: Socket, job: spec.Job, loaded: spec.Spec) -> None:
        io = self._io = current()
        self._spec = loaded
        limits = replace(loaded.limits, outbox=MANY * loaded.limits.outbox)
        plan = Plan(io, Raw(UNIT), limits)
        self._parent: PacketConnection[bytes] = PacketConnection(
            plan, control, Transport.UNIX_SEQPACKET
        )
        self._parent.answer_by(self)
        self._rooms: dict[str, Room[Any]] = {}
        context = tls_context(job.endpoint) if job.endpoint.transport.uses_tls else None
        self._events = events = Events()
        events.subscribe(Event, self._tell)
        if loaded.shows:
            events.subscribe(MessageReceived, self._tell)
            events.subscribe(MessageSent, self._tell)
        if loaded.watches:
            events.subscribe(BytesReceived, self._tell_bytes)
            events.subscribe(BytesSent, self._tell_bytes)
        watched = events if loaded.watches else None
        upgrade = upgrade_of(job.endpoint, accepts=True)
        self._plan = Plan(
            io, loaded.framing, loaded.limits, context, watched=watched, upgrade=upgrade
        )
        self._conn = make_connection(self._plan, sock, job.endpoint, job.address, accepted=True)
        if job.largest and isinstance(self._conn, PacketConnection):
            self._conn.largest = job.largest
        self._conn.keep(self, job.number)
        self._conn.events = events
        self._over = io.loop.create_future()
        self._handled = io.loop.create_future()
        self._dismissed: asyncio.Future[None] | None = None

    async def serve(self) -> None:
        """Serve the connection to its end."""
        loaded, io, conn, events = self._spec, self._io, self._conn, self._events
        if loaded.shows:
            tap_messages(conn, events)
        use_backplane(self)
        serving = Serving(loaded.service, loaded.framing, io, events, loaded.limits)
        self._parent.open()
        self._report(())
        begin(self._plan, conn, lambda error: self._ready(serving, error))
        await self._handled
        await self._over
        unread = len(conn.inbox) if conn.keeps_boundaries else 0  # the relay counts what was not
        counts = spec.Counts(
            conn.reason[:MOST_ERROR],
            conn.bytes_received,
            conn.bytes_sent,
            conn.messages_received - unread,
            conn.messages_sent,
        )
        self._dismissed = io.loop.create_future()
        self._send(spec.DONE + _json(counts))
        # closed with something of the parent's unread, the socket would lose what was just sent
        await self._dismissed
        await self._parent.close()

    def _ready(self, serving: Serving, error: JackfieldError | None) -> None:
        conn = self._conn
        if error is not None:
            shake_off(conn, error, serving.events)
            self._done()
            return
        if not conn.local.is_datagram:  # whose session has deadlines of its own, in the server
            deadlines = Deadlines(
                self._io, serving.limits, partial(_late, serving), silent=serving.service.silent
            )
            deadlines.watch(conn)
            conn.call_when_over(partial(deadlines.forget, conn))
        if serving.service.is_async:
            Tasks(serving).start(conn, self._done)
        else:
            start_thread(serving, conn, self._done)

    def _report(self, before: tuple[Any, ...]) -> None:
        """Tell the parent now and then how much has come and gone, if that has changed."""
        conn = self._conn
        now = (
            conn.state,
            conn.bytes_received,
            conn.bytes_sent,
            conn.messages_received,
            conn.messages_sent,
            conn.unsent,
        )
        if now != before:
            self._send(spec.COUNTS + _json(now))
        self._io.loop.call_later(REPORT, self._report, now)

    def _done(self) -> None:
        self._handled.set_result(None)

    def forget(self, _conn: Connection[Any], /) -> None:
        """The connection is over: it says so itself."""
        self._over.set_result(None)

    def _tell(self, event: Event) -> None:
        """Send the parent an event it cannot see from where it is."""
        fields: dict[str, Any] = {"kind": type(event).__name__}
        if isinstance(event, Refused):
            fields["limit"] = event.limit
            fields["reason"] = event.reason[:MOST_ERROR]
        elif isinstance(event, HandlerFailed):
            fields["error"] = event.error[:MOST_ERROR]
            fields["traceback"] = event.traceback[-MOST_TEXT:]
        elif isinstance(event, RequestAnswered):
            fields["answer"] = astuple(event)[2:]  # but number and peer, which the parent knows
        else:
            assert isinstance(event, (MessageReceived, MessageSent))  # there are no others here
            message = event.message
            if isinstance(message, bytes):
                fields["bytes"] = message[:MOST_TEXT].decode("latin-1")
            else:
                text = message if isinstance(message, str) else repr(message)
                fields["text"] = text[:MOST_TEXT]
        self._io.run(self._send, spec.EVENT + _json(fields))

    def _tell_bytes(self, event: BytesReceived | BytesSent) -> None:
        """Send the parent bytes, all of them, in pieces that fit; an empty unit is one piece."""
        kind, data = type(event).__name__, event.data
        pieces = [data[at : at + MOST_TEXT] for at in range(0, len(data), MOST_TEXT)] or [b""]
        for piece in pieces:
            fields = {"kind": kind, "bytes": piece.decode("latin-1")}
            self._io.run(self._send, spec.EVENT + _json(fields))

    def _send(self, message: bytes) -> None:
        self._parent.send_batch([message])

    def drain(self) -> None:
        """Let the handler finish: its input ends."""
        self._conn.drain()

    # From the parent

    def take(self, messages: list[bytes]) -> None:
        """Do as the parent says."""
        for message in messages:
            if message == spec.DRAIN:
                self.drain()
            elif message[:1] == spec.HEAR:
                name, data = spec.parts_of(message)
                room = self._rooms.get(name.decode())
                if room is not None:
                    self._hear(room, data)

    def _hear(self, room: Room[Any], data: bytes) -> None:
        """Pass on what another process has said in a room."""
        conn, framing = self._conn, self._spec.framing
        if self._spec.shows:
            said = [framing.decode_unit(data)] if conn.keeps_boundaries else None
            for message in said or framing.decoder().feed(data):
                self._tell(MessageSent(conn.number, str(conn.peer), message))
        room.deliver(conn, conn.framed(data))

    def over(self) -> None:
        """The parent has closed its end: it has all it wanted, or it is gone."""
        if self._dismissed is None:
            self._conn.abort("the server is gone")
            leave(1)
        self._dismissed.set_result(None)

    # The rooms' way to the other processes

    def join(self, room: Room[Any], member: Connection[Any]) -> None:
        """Tell the parent that this connection is in a room."""
        if member.framing is not self._spec.framing and not self._spec.shows:
            msg = "under processes a connection that switched its framing cannot join a room"
            raise ConfigurationError(msg)
        self._rooms[room.name] = room
        parts = spec.when(), room.name.encode(), room.policy.encode()
        message = spec.with_parts(spec.JOIN, *parts)
        self._io.run(self._send, message)

    def leave(self, room: Room[Any], _member: Connection[Any]) -> None:
        """Tell the parent that it is not any more."""
        self._rooms.pop(room.name, None)
        self._io.run(self._send, spec.with_parts(spec.LEAVE, spec.when(), room.name.encode()))

    def publish(self, room: Room[Any], message: Any) -> None:
        """Have the others hear a message: encoded here, for streams and for units."""
        framing = self._spec.framing
        stream, unit = framing.encode(message), framing.encode_unit(message)
        packed = spec.with_parts(spec.PUBLISH, spec.when(), room.name.encode(), stream, unit)
        most = self._parent.largest
        if len(packed) > most:
            msg = (
                f"a message of {len(unit)} bytes for room {room.name!r}, and under processes "
                f"about {most // 2} can cross to the others; send it in parts"
            )
            raise LocalProtocolError(msg)
        if self._parent.post(packed):
            # before anything that the handler says next can bring its peer to act on it
            self._io.run(self._parent.flush)
        elif room.policy != "skip":
            reason = f"it says more in room {room.name!r} than can be passed on"
            self._io.run(self._conn.abort, reason)


def _late(serving: Serving, conn: Connection[Any], passed: Passed) -> None:
    end_late(conn, passed, serving.events.emit)


def _json(fields: object) -> bytes:
    """Give JSON in which a character takes six bytes at the most."""
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace")
