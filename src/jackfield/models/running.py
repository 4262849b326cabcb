"""Running a handler on a connection, from its first message to its close.

The rules this file owns:

1. When a handler returns, what it has sent is delivered and the connection closed.
2. A peer that broke the protocol is told so, and it is an event.
3. A handler's own error, sys.exit() included, ends its connection only. Its traceback goes to
   the operator by an event; nothing of it reaches the peer.
4. A handler whose peer is lost is not cancelled: its receiving ends and its sending raises,
   and that error, when it lets it through, is nobody's fault.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from jackfield.endpoints import DEFAULT_OPTIONS
from jackfield.errors import (
    ConnectionEnded,
    ConnectTimeout,
    JackfieldError,
    RemoteProtocolError,
    TLSError,
)
from jackfield.events import ConnectionEnded as Ended
from jackfield.events import Events, HandlerFailed, Refused
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.models.stepping import Stepping
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection, BridgedConnection
from jackfield.net.ioloop import IOLoop, new_plain_event_loop
from jackfield.net.stream import StreamConnection
from jackfield.service import Replier, Service


@dataclass(slots=True)
class Serving:
    """What a model is given to work with. A reload changes service and framing."""

    service: Service[Any]
    framing: Framing[Any]
    io: IOLoop
    events: Events
    limits: Limits


class ConnectionStatus(NamedTuple):
    """One connection, as it is now.

    state: "shaking hands", "waiting" for input, "at work", "lagging" when the peer does not take
    what is sent to it, or "closing".
    since: in seconds since 1970. unsent: bytes that wait for the peer.
    """

    number: int
    endpoint: str
    peer: str
    since: float
    state: str
    bytes_received: int
    bytes_sent: int
    messages_received: int
    messages_sent: int
    unsent: int


def status_of(conn: Connection[Any]) -> ConnectionStatus:
    """Say how a connection is."""
    return ConnectionStatus(
        conn.number,
        str(replace(conn.local, options=DEFAULT_OPTIONS)),
        str(conn.peer),
        conn.since,
        conn.state,
        conn.bytes_received,
        conn.bytes_sent,
        conn.messages_received,
        conn.messages_sent,
        conn.unsent,
    )


def ended(conn: Connection[Any]) -> Ended:
    """Say what a connection that is over has come to."""
    return Ended(
        conn.number,
        conn.local,
        str(conn.peer),
        conn.reason,
        conn.bytes_received,
        conn.bytes_sent,
        conn.messages_received,
        conn.messages_sent,
    )


Done = Callable[[], None]
"""Called in the loop's thread when a handler is done with its connection."""


def settle(conn: Connection[Any], error: BaseException | None, events: Events) -> None:
    """Close a connection as its handler's end asks for. In the loop's thread."""
    if error is None:
        conn.close_soon()
    elif isinstance(error, (RemoteProtocolError, TLSError)):
        if not conn.is_over:
            events.emit(Refused(conn.local, str(conn.peer), str(error)))
        conn.refuse(str(error))
    elif isinstance(error, ConnectionEnded):
        conn.reason = conn.reason or str(error)
        conn.close_soon()
    elif isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        conn.abort("the server stopped")
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        lines = "".join(traceback.format_exception(error))
        conn.reason = conn.reason or f"its handler failed: {text}"
        events.emit(HandlerFailed(conn.number, str(conn.peer), text, lines))
        conn.close_failed()


def shake_off(conn: Connection[Any], error: JackfieldError, events: Events) -> None:
    """Close a connection whose TLS handshake has failed, and tell both sides."""
    reason = str(error)
    events.emit(Refused(conn.local, str(conn.peer), reason, _limit_of(error)))
    layer = conn.tls_layer
    if layer is not None and layer.is_foreign and isinstance(conn, StreamConnection):
        where = f"{conn.transport}://"
        conn.refuse_in_plain(f"you do not speak TLS, and this endpoint does; connect to {where}")
    else:
        conn.reason = reason
        conn.close_soon()


def _limit_of(error: JackfieldError) -> str:
    return "handshake" if isinstance(error, ConnectTimeout) else ""


class Tasks:
    """The handler tasks of one server, on the loop that does the I/O."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._running: dict[Connection[Any], asyncio.Task[None]] = {}

    def start(self, conn: Connection[Any], done: Done) -> None:
        """Run an `async def` handler in a task of its own."""
        self._running[conn] = self._serving.io.loop.create_task(self._run(conn, done))

    async def _run(self, conn: Connection[Any], done: Done) -> None:
        error: BaseException | None = None
        try:
            awaited = cast("Callable[[Any], Awaitable[None]]", self._serving.service.handler)(conn)
            if asyncio.iscoroutine(awaited):
                awaited = Stepping(awaited, self._serving.io)
            await awaited
        except asyncio.CancelledError as cancelled:
            error = cancelled
        except (Exception, SystemExit) as failed:  # noqa: BLE001  as said: this connection's alone
            error = failed
        del self._running[conn]
        _over(self._serving, conn, error, done)

    def cut(self) -> None:
        """Cancel all of them."""
        for task in self._running.values():
            task.cancel()

    async def wait(self, timeout: float) -> None:
        """Wait for the end of all, `timeout` seconds at the most."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout)


class Threads:
    """The handler threads of one server."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._running: dict[Connection[Any], None] = {}

    def start(self, conn: Connection[Any], done: Done) -> None:
        """Run a handler in a thread of its own."""

        def over() -> None:
            del self._running[conn]
            done()

        self._running[conn] = None
        start_thread(self._serving, conn, over)

    def peers(self) -> list[str]:
        """The peers whose handlers run still, even where the connection is over."""
        return [str(conn.peer) for conn in self._running]


def start_thread(serving: Serving, conn: Connection[Any], done: Done) -> None:
    """Run a handler in a thread of its own: `def` plainly, `async def` in a loop there."""
    thread = threading.Thread(
        target=_run_thread,
        args=(serving, conn, done),
        name=f"{serving.service.name} {conn.number}",
        daemon=True,  # a thread cannot be killed, and must not keep the process from leaving
    )
    try:
        thread.start()
    except RuntimeError:  # the system has no more of them
        serving.io.call_soon(_turn_away, serving, conn, done)


def _run_thread(serving: Serving, conn: Connection[Any], done: Done) -> None:
    handler = cast("Callable[[Any], Any]", serving.service.handler)
    error: BaseException | None = None
    try:
        if serving.service.is_async:
            loop = new_plain_event_loop()
            if loop is None:
                serving.io.run(_turn_away, serving, conn, done)
                return
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(_bridged(handler, conn))
        else:
            handler(BlockingConnection(conn))
    except BaseException as failed:  # noqa: BLE001  whatever it is, it is this connection's alone
        error = failed
    serving.io.run(_over, serving, conn, error, done)


def _turn_away(serving: Serving, conn: Connection[Any], done: Done) -> None:
    """The system gives no thread, or no event loop for one."""
    reason = "the server has no room for another; try again later"
    try:
        serving.events.emit(Refused(conn.local, str(conn.peer), reason))
    finally:
        conn.refuse(reason, "threads")
        done()


def _over(serving: Serving, conn: Connection[Any], error: BaseException | None, done: Done) -> None:
    """The handler has ended; in the loop's thread."""
    try:
        settle(conn, error, serving.events)
    finally:  # a subscriber may have failed
        conn.close_soon()
        done()
        _forget_frames(error)


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what the handler held: its frames are in the error, which its connection keeps.

    Else open files, among others, would wait for the garbage collector.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


async def _bridged(handler: Callable[[Any], Awaitable[None]], conn: Connection[Any]) -> None:
    await handler(BridgedConnection(conn))


class Reply:
    """A `Service.reply()` run straight from the read, with no task, in a context of its own."""

    __slots__ = ("_conn", "_context", "_done", "_finished", "_fn", "_serving")

    def __init__(self, serving: Serving, conn: Connection[Any], done: Done) -> None:
        self._serving = serving
        self._conn = conn
        self._done = done
        self._finished = False
        self._fn = cast("Replier[Any]", serving.service.handler).fn
        self._context = copy_context()

    def take(self, messages: list[Any]) -> None:
        """Answer messages in order, in one write."""
        if not self._finished:
            self._context.run(self._answer, messages)

    def _answer(self, messages: list[Any]) -> None:
        fn = self._fn
        replies: list[Any] = []
        error: BaseException | None = None
        try:
            for message in messages:
                reply = fn(message)
                if reply is not None:
                    replies.append(reply)
        except (Exception, SystemExit) as failed:  # noqa: BLE001  this connection's alone
            error = failed
        if replies:
            try:
                self._conn.send_all(replies)
            except Exception as failed:  # noqa: BLE001  likewise
                error = error or failed
        if error is not None:
            self._finish(error)

    def over(self) -> None:
        """The input has ended."""
        error = self._conn.end_of_input()
        self._finish(None if isinstance(error, ConnectionEnded) else error)

    def _finish(self, error: BaseException | None) -> None:
        if not self._finished:
            self._finished = True
            _over(self._serving, self._conn, error, self._done)
