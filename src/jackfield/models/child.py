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
import struct
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import Event, Events, HandlerFailed, MessageReceived, MessageSent, Refused
from jackfield.framing.raw import Raw
from jackfield.models import spec
from jackfield.models.running import Serving, run_task, start_thread
from jackfield.net.connection import Connection
from jackfield.net.handing import Socket, take
from jackfield.net.ioloop import IOLoop, current, new_event_loop
from jackfield.net.opening import begin, make_connection
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan
from jackfield.net.tap import tap_messages
from jackfield.net.tls import server_context
from jackfield.rooms import Room, use_backplane


@cache
def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Load an endpoint's certificate; once, in the helper, before the first fork."""
    options = endpoint.options
    return server_context(options.cert or "", options.key or "", options.ca or "")


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
    child = Child(control, current(), loaded)
    # `timeout` and systemd send SIGTERM to the whole group; SIGINT is the terminal's Ctrl-C, on
    # which the parent decides. Either way the handler gets to finish.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, child.drain)
    await child.serve(sock, job)


class Child:
    """The one connection, and the way to the parent."""

    def __init__(self, control: Socket, io: IOLoop, loaded: spec.Spec) -> None:
        self._io = io
        self._spec = loaded
        plan = Plan(io, Raw(UNIT), replace(loaded.limits, session_inbox=1_000_000))
        self._parent: PacketConnection[bytes] = PacketConnection(
            plan, control, Transport.UNIX_SEQPACKET
        )
        self._parent.answer_by(self)
        self._rooms: dict[str, Room[Any]] = {}
        self._conn: Connection[Any] | None = None
        self._over = io.loop.create_future()
        self._handled = io.loop.create_future()

    async def serve(self, sock: Socket, job: spec.Job) -> None:
        """Serve one connection to its end."""
        loaded, io = self._spec, self._io
        context = tls_context(job.endpoint) if job.endpoint.transport is Transport.TLS else None
        plan = Plan(io, loaded.framing, loaded.limits, context)
        conn = make_connection(plan, sock, job.endpoint, job.address, accepted=True)
        if job.largest and isinstance(conn, PacketConnection):
            conn.largest = job.largest
        self._conn = conn
        conn.keep(self, job.number)
        events = Events()
        events.subscribe(Event, self._tell)
        if loaded.shows:
            events.subscribe(MessageReceived, self._tell)
            events.subscribe(MessageSent, self._tell)
            tap_messages(conn, events)
        use_backplane(self)
        serving = Serving(loaded.service, loaded.framing, io, events, loaded.limits)
        self._parent.open()
        begin(plan, conn, lambda error: self._ready(serving, conn, error))
        await self._handled
        await self._over
        counts = {
            "reason": conn.reason,
            "bytes_received": conn.bytes_received,
            "bytes_sent": conn.bytes_sent,
            "messages_received": conn.messages_received,
            "messages_sent": conn.messages_sent,
        }
        if not self._parent.is_over:
            await self._parent.send(spec.DONE + json.dumps(counts).encode())
        await self._parent.close()

    def _ready(self, serving: Serving, conn: Connection[Any], error: JackfieldError | None) -> None:
        if error is not None:
            serving.events.emit(Refused(conn.local, str(conn.peer), str(error)))
            conn.reason = str(error)
            conn.close_soon()
            self._done()
        elif serving.service.is_async:
            self._task = self._io.loop.create_task(run_task(serving, conn, self._done))
        else:
            start_thread(serving, conn, self._done)

    def _done(self) -> None:
        if not self._handled.done():
            self._handled.set_result(None)

    def forget(self, _conn: Connection[Any], /) -> None:
        """The connection is over: it says so itself."""
        if not self._over.done():
            self._over.set_result(None)

    def _tell(self, event: Event) -> None:
        """Send the parent an event it cannot see from where it is."""
        fields: dict[str, Any] = {"kind": type(event).__name__}
        if isinstance(event, Refused):
            fields["reason"] = event.reason
        elif isinstance(event, HandlerFailed):
            fields |= {"error": event.error, "traceback": event.traceback[-32_768:]}
        elif isinstance(event, (MessageReceived, MessageSent)):
            message = event.message
            if isinstance(message, bytes):
                fields["bytes"] = message[:16_384].decode("latin-1")
            else:
                text = message if isinstance(message, str) else repr(message)
                fields["text"] = text[:16_384]
        else:
            fields |= {"text": str(asdict(event))[:16_384]}
        self._io.run(self._send, spec.EVENT + json.dumps(fields).encode())

    def _send(self, message: bytes) -> None:
        if not self._parent.is_over:
            self._parent.send(message)

    def drain(self) -> None:
        """Let the handler finish: its input ends."""
        if self._conn is not None:
            self._conn.end_input()

    # From the parent

    def take(self, messages: list[bytes]) -> None:
        """Do as the parent says."""
        conn = self._conn
        for message in messages:
            if message == spec.DRAIN:
                self.drain()
            elif message[:1] == spec.HEAR and conn is not None:
                name, _, data = message[1:].partition(b"\0")
                room = self._rooms.get(name.decode())
                if room is not None:
                    room.deliver(conn, data)

    def over(self) -> None:
        """The parent is gone."""
        if self._conn is not None:
            self._conn.abort("the server is gone")

    # The rooms' way to the other processes

    def join(self, room: Room[Any], member: Connection[Any]) -> None:
        """Tell the parent that this connection is in a room."""
        if member.framing is not self._spec.framing and not self._spec.shows:
            msg = "under processes a connection that switched its framing cannot join a room"
            raise ConfigurationError(msg)
        self._rooms[room.name] = room
        self._io.run(self._send, spec.JOIN + f"{room.policy} {room.name}".encode())

    def leave(self, room: Room[Any], _member: Connection[Any]) -> None:
        """Tell the parent that it is not any more."""
        self._rooms.pop(room.name, None)
        self._io.run(self._send, spec.LEAVE + room.name.encode())

    def publish(self, room: Room[Any], message: Any) -> None:
        """Have the others hear a message: encoded here, for streams and for units."""
        stream = self._spec.framing.encode(message)
        unit = self._spec.framing.encode_unit(message)
        packed = struct.pack("!I", len(stream)) + stream + unit
        self._io.run(self._send, spec.PUBLISH + room.name.encode() + b"\0" + packed)
