"""A process of model `processes`, seen from the server: what it is given and what it says.

The rules this file owns:

1. A process serves one piece of work. When it says that it is done, the socket to it is
   closed, whereupon it exits.
2. One that ends without having said so was lost: that is an event, unless the server itself
   had it killed, for a reason that then stands with the connection.
3. What it says is JSON and bytes. What makes no sense is told and ignored: it reads what
   peers send.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import time
from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from jackfield.endpoints import DEFAULT_OPTIONS, Transport
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ChildLost,
    ConnectionEnded,
    Events,
    HandlerFailed,
    MessageReceived,
    MessageSent,
    Refused,
    RequestAnswered,
    Warned,
)
from jackfield.framing.raw import Raw
from jackfield.limits import NAMES
from jackfield.models import spec
from jackfield.models.relay import Relay
from jackfield.models.running import ConnectionStatus, Done, Serving
from jackfield.net.handing import Socket, hand
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan

REPORT = 1.0
"""Seconds to wait for how a process ended once the socket to it has."""

NONSENSE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)
"""What taking a message apart raises that is none."""

CUT = "cut at the deadline"


@dataclass(frozen=True, eq=False, slots=True)
class Work:
    """One connection to serve: a socket that was accepted, or one end of a relay."""

    job: spec.Job
    sock: Socket
    peer: str
    done: Done
    relay: Relay | None = None
    began: float = field(default_factory=time.time)

    def end(self, events: Events, counts: spec.Counts) -> None:
        """It is over, or will never begin."""
        self.sock.close()
        if self.relay is not None:
            self.relay.finish(counts.reason)
        else:
            job = self.job
            events.emit(ConnectionEnded(job.number, job.endpoint, self.peer, *counts))
        self.done()


class Owner(Protocol):
    """What the model is to its processes."""

    def gone(self, process: Process, /) -> None:
        """It is over."""

    def kill(self, pid: int, /) -> None:
        """Have it killed."""

    def in_turn(self, when: bytes, call: Callable[[], None], /) -> None:
        """Do what it asked for at a time, after what others asked for before."""

    def join(self, process: Process, room: str, policy: str, /) -> None:
        """It wants to hear a room."""

    def leave(self, process: Process, room: str, /) -> None:
        """It does not any more."""

    def publish(self, process: Process, room: str, stream: bytes, unit: bytes, /) -> None:
        """It has a message for a room, encoded for streams and for units."""


class Process:
    """One process."""

    def __init__(self, owner: Owner, serving: Serving, pid: int, sock: Socket) -> None:
        self.pid = pid
        self.work: Work | None = None
        self._owner = owner
        self._serving = serving
        self._sock = sock
        self.so_far: tuple[str, int, int, int, int, int] = "waiting", 0, 0, 0, 0, 0
        self._counts: spec.Counts | None = None
        self._status: int | None = None
        self._reason = ""  # why the server had it killed
        self._timer: TimerHandle | None = None
        self._gone = False
        sock.setblocking(False)
        plan = Plan(serving.io, Raw(UNIT), serving.limits)
        self._conn: PacketConnection[bytes] = PacketConnection(plan, sock, Transport.UNIX_SEQPACKET)
        self._conn.answer_by(self)
        self._conn.open()

    def take_up(self, work: Work) -> bool:
        """Give it its work; False when it is gone already."""
        if self._gone or not hand(self._sock, spec.JOB + pickle.dumps(work.job), work.sock):
            return False
        self.work = work
        work.sock.close()
        if work.relay is not None:
            work.relay.start(self.drain)
        return True

    @property
    def keeps_boundaries(self) -> bool:
        """Whether its connection's transport does."""
        return self.work is not None and self.work.job.endpoint.keeps_boundaries

    def status(self) -> ConnectionStatus | None:
        """Say what its connection came to, about a second ago; None when it has none here."""
        work = self.work
        if work is None or work.relay is not None:
            return None
        at = str(replace(work.job.endpoint, options=DEFAULT_OPTIONS))
        return ConnectionStatus(work.job.number, at, work.peer, work.began, *self.so_far)

    def hear(self, message: bytes) -> bool:
        """Pass on what a room hears; False when too much waits already."""
        return self._conn.post(message) or self._conn.is_over

    def drain(self) -> None:
        """Let its handler finish."""
        if self.work is not None:
            self._conn.send_batch([spec.DRAIN])

    def kill(self, reason: str) -> None:
        """End it and its connection."""
        if not self._reason:
            self._reason = reason
            self._owner.kill(self.pid)

    def dismiss(self) -> None:
        """It is not needed any more, whatever it does."""
        self._reason = self._reason or CUT
        self._finish()

    # From the process

    def take(self, messages: list[bytes]) -> None:
        """It has something to say."""
        for message in messages:
            try:
                self._take(message)
            except NONSENSE as error:
                text = f"process {self.pid} makes no sense: {type(error).__name__}: {error}"
                self._serving.events.emit(Warned(text))

    def _take(self, message: bytes) -> None:
        kind, rest = message[:1], message[1:]
        owner = self._owner
        if kind == spec.JOIN:
            when, name, policy = spec.parts_of(message)
            owner.in_turn(when, partial(owner.join, self, name.decode(), policy.decode()))
        elif kind == spec.LEAVE:
            when, name = spec.parts_of(message)
            owner.in_turn(when, partial(owner.leave, self, name.decode()))
        elif kind == spec.PUBLISH:
            when, name, stream, unit = spec.parts_of(message)
            owner.in_turn(when, partial(owner.publish, self, name.decode(), stream, unit))
        elif kind == spec.EVENT:
            self._tell(json.loads(rest))
        elif kind == spec.COUNTS:
            state, *numbers = json.loads(rest)
            received, sent, messages_received, messages_sent, unsent = map(int, numbers)
            counts = received, sent, messages_received, messages_sent, unsent
            self.so_far = str(state), *counts
        elif kind == spec.DONE:
            reason, *numbers = json.loads(rest)
            self._counts = spec.Counts(str(reason), *map(int, numbers))
            self._finish()

    def _tell(self, fields: dict[str, Any]) -> None:
        """Tell what happened there as if it had been here."""
        work, emit, kind = self.work, self._serving.events.emit, fields["kind"]
        if work is None:
            return
        number, peer = work.job.number, work.peer
        if kind == "Refused":
            limit = fields["limit"] if fields["limit"] in NAMES else ""
            emit(Refused(work.job.endpoint, peer, fields["reason"], limit))
        elif kind == "HandlerFailed":
            emit(HandlerFailed(number, peer, fields["error"], fields["traceback"]))
        elif kind == "RequestAnswered":
            emit(RequestAnswered(number, peer, *fields["answer"]))
        else:
            event = _WITH_CONTENT[kind]
            message = fields["bytes"].encode("latin-1") if "bytes" in fields else fields["text"]
            emit(event(number, peer, message))

    def over(self) -> None:
        """The socket to it has ended: it has exited, or is about to."""
        if self.work is None or self._reason or self._status is not None:
            self._finish()
        elif self._timer is None:  # how it ended is on its way
            self._timer = self._serving.io.loop.call_later(REPORT, self._finish)

    def exited(self, status: int) -> None:
        """The helper says how it ended."""
        self._status = status
        if self._timer is not None:
            self._finish()

    def _finish(self) -> None:
        if self._gone:
            return
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        self._conn.abort()
        self._owner.gone(self)
        work, self.work = self.work, None
        if work is None:
            return
        counts = self._counts
        if counts is not None and work.relay is not None:
            work.relay.count_unread(counts.messages_received)
        so_far = self.so_far[1:5]  # at the least
        if counts is None and self._reason:
            counts = spec.Counts(self._reason, *so_far)
        elif counts is None:
            reason = _ending(self._status)
            self._serving.events.emit(ChildLost(work.peer, self.pid, reason))
            counts = spec.Counts(f"its process {reason}", *so_far)
        work.end(self._serving.events, counts)


_WITH_CONTENT = {
    kind.__name__: kind for kind in (MessageReceived, MessageSent, BytesReceived, BytesSent)
}


def _ending(status: int | None) -> str:
    """Say how a process ended."""
    if status is None:
        return "ended without a word"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with status {code}"
