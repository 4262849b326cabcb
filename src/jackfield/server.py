"""A server: a service bound to endpoints under a model and limits, with a life cycle.

The rules this file owns:

1. Starting is all or nothing: when one endpoint cannot be bound, none stays bound.
2. Past a limit a new peer is told why and closed, one event each. Past the model's capacity
   it is not accepted yet: it waits in the listen queue.
3. Stopping: nobody new is accepted; receiving ends once what was read is received; handlers
   have until the deadline; those still there are named and cut.
"""

from __future__ import annotations

import asyncio
import itertools
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import (
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    Draining,
    Events,
    Listening,
    MessageReceived,
    MessageSent,
    Refused,
    Stopped,
)
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.limits import Limits, Passed
from jackfield.models.asyncio import AsyncioModel
from jackfield.models.inline import InlineModel
from jackfield.models.model import Model
from jackfield.models.processes import ProcessesModel
from jackfield.models.running import Serving
from jackfield.models.threads import ThreadsModel
from jackfield.net import details, memory, options
from jackfield.net.access import Access, host_of, source_of
from jackfield.net.binding import Bound, bind, unlink_own
from jackfield.net.connection import Connection
from jackfield.net.datagrams import DatagramListener, Session
from jackfield.net.deadlines import Deadlines, end_late
from jackfield.net.details import is_address
from jackfield.net.handing import Socket
from jackfield.net.ioloop import IOLoop, current
from jackfield.net.listening import Listener
from jackfield.net.opening import begin, make_connection
from jackfield.net.packets import UNIT
from jackfield.net.roles import Plan
from jackfield.net.tap import tap_messages
from jackfield.net.tls import server_context
from jackfield.service import Service

M = TypeVar("M")

ModelName = Literal["asyncio", "threads", "processes", "inline"]

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (AsyncioModel, ThreadsModel, ProcessesModel, InlineModel)
}


class Server(Generic[M]):
    """Serves `service` at `endpoints`; an async context manager.

    endpoints: URLs, or parsed ones. A TLS one names its files in the URL (`?cert=…&key=…`).
    model: where handlers run.
    limits, framing: in place of the service's own.
    events: where to tell what happens; a new `Events` unless given.

    After a failed start nothing is left bound, and it can be started again.
    """

    def __init__(
        self,
        service: Service[M],
        *endpoints: str | Endpoint,
        model: ModelName = "asyncio",
        limits: Limits | None = None,
        framing: Framing[M] | None = None,
        events: Events | None = None,
    ) -> None:
        if not endpoints:
            msg = "a server needs an endpoint, for example tcp://127.0.0.1:9999"
            raise ConfigurationError(msg)
        if model not in MODELS:
            msg = f"there is no model {model!r}; there are {', '.join(MODELS)}"
            raise ConfigurationError(msg)
        self.service = service
        self.events = events or Events()
        self.limits = limits or service.limits
        self._access = Access(self.limits.allow, self.limits.deny)
        self._framing = framing or service.framing
        self._wanted = [parse(e) if isinstance(e, str) else e for e in endpoints]
        self._model_class = MODELS[model]
        self._bound: list[Bound] = []
        self._listeners: list[Listener | DatagramListener | memory.MemoryListener] = []
        self._plans: dict[Endpoint, Plan] = {}
        self._live: dict[int, Connection[Any]] = {}
        self._refused: set[Connection[Any]] = set()  # being told why
        self._sources: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._handlers = 0
        self._full = False
        self._quiet: asyncio.Future[None] | None = None
        self._stopping = False

    # Starting

    async def start(self) -> None:
        """Bind the endpoints and begin to accept. Raises BindError and ConfigurationError."""
        self._io: IOLoop = current()
        self._serving = Serving(self.service, self._framing, self._io, self.events, self.limits)
        self._model = self._model_class(self._serving)
        self._deadlines = Deadlines(self._io, self.limits, self._late, silent=self.service.silent)
        self._when_done = self._handler_done  # one for all: each look makes another
        self._stopping = False
        try:
            for endpoint in self._wanted:
                if endpoint.transport is Transport.MEMORY:
                    self._listen_in_memory(endpoint)
                    continue
                bound = await self._bind(endpoint)
                self._bound += bound
                for one in bound:
                    self._listen(one, endpoint)
            self._model.check(tuple(self.endpoints))
            await self._model.start()
        except BaseException:
            self._close_listeners()
            await self._model.stop()
            raise
        for listener in self._listeners:
            listener.open()
            self.events.emit(Listening(listener.endpoint))
        self._model.on_room = self._make_room
        self._is_full()

    async def _bind(self, endpoint: Endpoint) -> list[Bound]:
        """Bind; a name is looked up in a thread, since that may take long."""
        if endpoint.host and not is_address(endpoint.host):
            return await self._io.in_thread(lambda: bind(endpoint))
        return bind(endpoint)

    def _listen(self, bound: Bound, wanted: Endpoint) -> None:
        io, endpoint = self._io, bound.endpoint
        if endpoint.is_datagram:
            # a session that goes to another process is carried there as it came
            framing = Raw(UNIT) if self._model.takes_sockets else self._framing
            self._listeners.append(
                DatagramListener(
                    Plan(io, framing, self.limits, amplifies=self.service.amplifies),
                    bound.sock,
                    endpoint,
                    self.events,
                    self._accept_session,
                    access=self._access,
                    one_at_a_time=self._model.one_at_a_time,
                )
            )
            return
        context = None
        if endpoint.transport is Transport.TLS:
            files = wanted.options
            context = server_context(files.cert or "", files.key or "", files.ca or "")
        self._plans[endpoint] = Plan(io, self._framing, self.limits, context)
        if self.service.silent:
            options.keep_alive(bound.sock, endpoint)
        self._listeners.append(Listener(io, bound.sock, endpoint, self.events, self._accept))

    def _listen_in_memory(self, endpoint: Endpoint) -> None:
        self._plans[endpoint] = Plan(self._io, self._framing, self.limits)
        self._listeners.append(memory.MemoryListener(self._io, endpoint, self._accept))

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where it listens, ports filled in. Empty before it has started."""
        return [listener.endpoint for listener in self._listeners]

    @property
    def connections(self) -> int:
        """Connections there are now."""
        return len(self._live) + (self._model.busy if self._listeners else 0)

    # Accepting

    def _accept(self, endpoint: Endpoint, sock: Socket, address: Any) -> None:
        """Take an accepted socket: to the model, or turned away."""
        plan = self._plans[endpoint]
        host = host_of(address)
        source = source_of(host)
        passed = self._refusal(host, source)
        if passed is not None:
            conn = make_connection(plan, sock, endpoint, address, accepted=True)
            self.events.emit(Refused(endpoint, str(conn.peer), passed.reason, passed.limit))
            self._turn_away(plan, conn, passed.reason)
            return
        number = next(self._numbers)
        if source:
            self._sources[source] = self._sources.get(source, 0) + 1
        self._begin_handler()
        if self._model.takes_sockets:
            self._opened(number, endpoint, str(details.endpoint_of(endpoint.transport, address)))
            self._model.attend_socket(sock, endpoint, number, address, self._child_done(source))
            return
        conn = make_connection(plan, sock, endpoint, address, accepted=True)
        self._keep(conn, number)
        if plan.context is None:
            begin(plan, conn, _nothing)
            self._attend(conn)
        else:
            begin(plan, conn, lambda error: self._ready(conn, error))

    def _ready(self, conn: Connection[Any], error: JackfieldError | None) -> None:
        """The TLS handshake is over, well or not."""
        if error is None:
            self._attend(conn)
            return
        self.events.emit(Refused(conn.local, str(conn.peer), str(error)))
        conn.reason = str(error)
        conn.close_soon()
        self._handler_done()

    def _attend(self, conn: Connection[Any]) -> None:
        self._deadlines.watch(conn)
        self._model.attend(conn, self._when_done)

    def _late(self, conn: Connection[Any], passed: Passed) -> None:
        """A peer keeps somebody waiting for too long."""
        self.events.emit(Refused(conn.local, str(conn.peer), passed.reason, passed.limit))
        end_late(conn, passed)

    def _turn_away(self, plan: Plan, conn: Connection[Any], reason: str) -> None:
        """Tell a peer why it is not served, where that takes no handshake."""
        if plan.context is not None:
            conn.abort(reason)
            return
        self._refused.add(conn)
        conn.call_when_over(lambda: self._forget_refused(conn))
        begin(plan, conn, _nothing)
        conn.refuse(reason)

    def _forget_refused(self, conn: Connection[Any]) -> None:
        self._refused.discard(conn)
        self._see_if_quiet()

    def _refusal(self, host: str, source: str) -> Passed | None:
        """Why a new connection cannot be taken; None when it can."""
        if not self._access.permits(host):
            return Passed("deny", "your address may not connect here")
        if self.connections >= self.limits.connections:
            return Passed("connections", "the server is full; try again later")
        if source and self._sources.get(source, 0) >= self.limits.connections_per_source:
            return Passed("connections_per_source", "too many connections from your address")
        return None

    def _accept_session(self, session: Session) -> bool:
        """Take a new datagram peer: False when it has to wait for a handler."""
        counted = not self._model.one_at_a_time
        if counted and self._is_full():
            return False
        number = next(self._numbers)
        if counted:
            self._begin_handler()
        self._keep(session, number)
        self._model.attend(session, self._when_done if counted else _nothing)
        return True

    def _keep(self, conn: Connection[Any], number: int) -> None:
        conn.keep(self, number)
        self._live[number] = conn
        shows = self.events.wants(MessageReceived) or self.events.wants(MessageSent)
        if shows and not self._model.takes_sockets:  # where the messages are is another process
            tap_messages(conn, self.events)
        if self.events.listens(ConnectionOpened):
            self._opened(number, conn.local, str(conn.peer))

    def _opened(self, number: int, endpoint: Endpoint, peer: str) -> None:
        self.events.emit(ConnectionOpened(number, endpoint, peer))

    def forget(self, conn: Connection[Any]) -> None:
        """A connection is over: the connection itself says so."""
        del self._live[conn.number]
        self._deadlines.forget(conn)
        source = conn.source
        if not conn.keeps_boundaries or conn.transport is Transport.UNIX_SEQPACKET:
            self._forget_source(source)
        if self.events.listens(ConnectionEnded):
            self.events.emit(
                ConnectionEnded(
                    conn.number,
                    conn.local,
                    str(conn.peer),
                    conn.reason,
                    conn.bytes_received,
                    conn.bytes_sent,
                    conn.messages_received,
                    conn.messages_sent,
                )
            )
        self._see_if_quiet()

    def _forget_source(self, source: str) -> None:
        if source:
            left = self._sources.get(source, 1) - 1
            if left:
                self._sources[source] = left
            else:
                self._sources.pop(source, None)

    # The model's capacity

    def _begin_handler(self) -> None:
        self._handlers += 1
        self._is_full()

    def _is_full(self) -> bool:
        """Whether no handler could begin now; then nobody is accepted until one can."""
        if self._model.has_room(self._handlers):
            return False
        self._full = True
        for listener in self._listeners:
            if not isinstance(listener, DatagramListener):
                listener.suspend()
        return True

    def _make_room(self) -> None:
        """Accept again, if there is room for those who wait."""
        if not self._full or self._stopping or not self._model.has_room(self._handlers):
            return
        self._full = False
        for listener in self._listeners:
            if isinstance(listener, DatagramListener):
                listener.next()
            else:
                listener.resume()
            if self._full:  # a datagram that waited has taken the place
                break

    def _handler_done(self) -> None:
        self._handlers -= 1
        self._make_room()
        self._see_if_quiet()

    def _child_done(self, source: str) -> Any:
        def done() -> None:
            self._forget_source(source)
            self._handler_done()

        return done

    # Stopping

    async def stop(self, drain: float | None = None) -> None:
        """Stop as the rules above say, with `drain` seconds in place of the limit's."""
        if self._stopping or not self._listeners:
            return
        self._stopping = True
        deadline = self.limits.drain if drain is None else drain
        for listener in self._listeners:
            listener.drain()
        self.events.emit(Draining(self.connections, deadline))
        self._model.drain()
        for conn in list(self._live.values()):
            conn.end_input()
        if not await self._wait_until_quiet(deadline):
            self._cut()
            await self._wait_until_quiet(0.5)
        await self._model.stop()
        self._close_listeners()
        self.events.emit(Stopped())

    def cut(self) -> None:
        """End what still goes on, now. For a second Ctrl-C."""
        if self._stopping and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    def _cut(self) -> None:
        peers = [str(conn.peer) for conn in self._live.values()] + self._model.peers()
        if peers:
            self.events.emit(Cut(tuple(dict.fromkeys(peers))))
        for conn in (*self._live.values(), *self._refused):
            conn.abort("cut at the deadline")
        self._model.cut()

    async def _wait_until_quiet(self, timeout: float) -> bool:
        """Wait until no connection and no handler is left; False when time is up, or at cut()."""
        self._quiet = self._io.create_future()
        timer = self._io.loop.call_later(timeout, _set, self._quiet)
        self._see_if_quiet()
        try:
            await self._quiet
        finally:
            timer.cancel()
            self._quiet = None
        return self._is_quiet

    @property
    def _is_quiet(self) -> bool:
        return not (self._live or self._handlers or self._refused)

    def _see_if_quiet(self) -> None:
        if self._quiet is not None and self._is_quiet:
            _set(self._quiet)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        for bound in self._bound:
            bound.sock.close()
            unlink_own(bound)
        self._listeners.clear()
        self._bound.clear()
        self._plans.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def _nothing(_error: JackfieldError | None = None) -> None:
    """There is nothing to do."""


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
