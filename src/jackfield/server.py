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
from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from jackfield.admission import Admission
from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import ConfigurationError, JackfieldError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Cut,
    Draining,
    Events,
    Listening,
    MessageReceived,
    MessageSent,
    Refused,
    Reloaded,
    Resumed,
    Stopped,
    Suspended,
)
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.limits import Limits, Passed
from jackfield.models.names import MODELS, ModelName
from jackfield.models.running import ConnectionStatus, Serving, ended, shake_off, status_of
from jackfield.net import details, memory, options
from jackfield.net.access import host_of, source_of
from jackfield.net.binding import Bound, bind, unlink_own
from jackfield.net.connection import Connection
from jackfield.net.datagrams import DatagramListener, Session
from jackfield.net.deadlines import Deadlines, end_late
from jackfield.net.details import is_address
from jackfield.net.handing import Socket
from jackfield.net.ioloop import IOLoop, current
from jackfield.net.listening import Listener
from jackfield.net.opening import begin, make_connection, upgrade_of
from jackfield.net.packets import UNIT
from jackfield.net.roles import Plan
from jackfield.net.sessions import SessionConnection
from jackfield.net.tap import tap_messages
from jackfield.net.tls import context_for
from jackfield.net.watching import Watcher
from jackfield.service import Service
from jackfield.tls import authority
from jackfield.tls.renewal import keep_renewed

M = TypeVar("M")


class Server(Generic[M]):
    """Serves `service` at `endpoints`; an async context manager.

    endpoints: URLs, or parsed ones. A TLS one names its files in the URL (`?cert=…&key=…`), or
    has the certificate of this machine from the local authority, which is renewed in time.
    model: where handlers run.
    limits, framing: in place of the service's own.
    events: where to tell what happens; a new `Events` unless given.
    bound: sockets that are bound already, in place of binding the endpoints; closed with it.

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
        bound: Sequence[Bound] = (),
    ) -> None:
        if not endpoints:
            raise ConfigurationError("a server needs an endpoint, for example tcp://127.0.0.1:9999")
        if model not in MODELS:
            raise ConfigurationError(f"there is no model {model!r}; there are {', '.join(MODELS)}")
        self.service = service
        self.events = events or Events()
        self.limits = limits or service.limits
        self._admission = Admission(self.limits, self._see_if_quiet)
        self._own_framing = framing
        self._framing = framing or service.framing
        self._wanted = [parse(e) if isinstance(e, str) else e for e in endpoints]
        self._model_class = MODELS[model]
        self._given = bound
        self._bound: list[Bound] = []
        self._listeners: list[Listener | DatagramListener | memory.MemoryListener] = []
        self._plans: dict[Endpoint, Plan] = {}
        self._live: dict[int, Connection[Any]] = {}
        self._numbers = itertools.count(1)
        self._handlers = 0
        self._full = False
        self._suspended = False
        self._renewing: asyncio.Task[None] | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._stopping = False
        self._retired = False  # stopping as well, but for as long as peers like

    # Starting

    async def start(self) -> None:
        """Bind the endpoints and begin to accept. Raises BindError and ConfigurationError."""
        await self.prepare()
        self.open()

    async def prepare(self) -> None:
        """Do all of `start()` but accept. Errors as there."""
        self._io: IOLoop = current()
        self._serving = Serving(self.service, self._framing, self._io, self.events, self.limits)
        self._model = self._model_class(self._serving)
        self._deadlines = Deadlines(self._io, self.limits, self._late, silent=self.service.silent)
        self._watched = self.events if self.events.wants(BytesReceived, BytesSent) else None
        self._when_done = self._handler_done  # one for all: each look makes another
        self._stopping = self._retired = self._suspended = False
        try:
            for one in self._given:
                self._bound.append(one)
                self._listen(one)
            for endpoint in () if self._given else self._wanted:
                if endpoint.transport is Transport.MEMORY:
                    self._listen_in_memory(endpoint)
                    continue
                bound = await self._bind(endpoint)
                self._bound += bound
                for one in bound:
                    self._listen(one)
            self._model.check(tuple(self.endpoints))
            await self._model.start()
        except BaseException:
            self._close_listeners()
            await self._model.stop()
            raise

    def open(self) -> None:
        """Begin to accept, after `prepare()`."""
        for listener in self._listeners:
            listener.open()
            self.events.emit(Listening(listener.endpoint))
        self._model.on_room = self._make_room
        self._is_full()
        cert = authority.own_among(self.endpoints)
        if cert and not self._given:  # with workers the supervisor does it
            renewal = keep_renewed(self._io, cert, self.reload, self.events)
            self._renewing = self._io.loop.create_task(renewal)

    async def _bind(self, endpoint: Endpoint) -> list[Bound]:
        """Bind; what may take long, a name and a certificate of our own, in a thread."""
        own = endpoint.transport.uses_tls and not endpoint.options.cert
        if own or (endpoint.host and not is_address(endpoint.host)):
            return await self._io.in_thread(lambda: bind(authority.with_certificate(endpoint)))
        return bind(endpoint)

    def _listen(self, bound: Bound) -> None:
        io, endpoint = self._io, bound.endpoint
        if endpoint.is_datagram:
            # a session that goes to another process is carried there as it came
            framing = Raw(UNIT) if self._model.takes_sockets else self._framing
            plan = Plan(io, framing, self.limits, amplifies=self.service.amplifies)
            listener = DatagramListener(
                plan, bound.sock, endpoint, self.events, self._accept_session
            )
            listener.access = self._admission.access
            listener.one_at_a_time = self._model.one_at_a_time
            self._listeners.append(listener)
            return
        self._plans[endpoint] = self._plan_for(endpoint, self._framing)
        if self.service.silent:
            options.keep_alive(bound.sock, endpoint)
        self._listeners.append(Listener(io, bound.sock, endpoint, self.events, self._accept))

    def _plan_for(self, endpoint: Endpoint, framing: Framing[M]) -> Plan:
        """Make what the connections of a stream's listener have in common; reads certificates."""
        context = context_for(endpoint) if endpoint.transport.uses_tls else None
        up = upgrade_of(endpoint, accepts=True)
        return Plan(self._io, framing, self.limits, context, watched=self._watched, upgrade=up)

    def _listen_in_memory(self, endpoint: Endpoint) -> None:
        self._plans[endpoint] = self._plan_for(endpoint, self._framing)
        self._listeners.append(memory.MemoryListener(self._io, endpoint, self._accept))

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where it listens, ports filled in. Empty before it has started."""
        return [listener.endpoint for listener in self._listeners]

    @property
    def connections(self) -> int:
        """Connections there are now."""
        return len(self._live) + (self._model.busy if self._listeners else 0)

    async def status(self) -> list[ConnectionStatus]:
        """Say who is connected, since when, how much has gone either way, and what goes on."""
        found = [status_of(conn) for conn in list(self._live.values())]
        return sorted([*found, *self._model.status()])

    # Accepting

    def _accept(self, endpoint: Endpoint, sock: Socket, address: Any) -> None:
        """Take an accepted socket: to the model, or turned away."""
        plan = self._plans[endpoint]
        host = host_of(address)
        source = source_of(host)
        passed = self._admission.refusal(host, source, self.connections)
        if passed is not None:
            conn = make_connection(plan, sock, endpoint, address, accepted=True)
            self.events.emit(Refused(endpoint, str(conn.peer), passed.reason, passed.limit))
            self._admission.turn_away(plan, conn, passed)
            return
        number = next(self._numbers)
        self._admission.count(source)
        self._begin_handler()
        if self._model.takes_sockets:
            peer = str(details.endpoint_of(endpoint.transport, address))
            self.events.emit(ConnectionOpened(number, endpoint, peer))
            self._model.attend_socket(sock, endpoint, number, address, self._child_done(source))
            return
        conn = make_connection(plan, sock, endpoint, address, accepted=True)
        self._keep(conn, number)
        if plan.context is None and plan.upgrade is None:
            begin(plan, conn, _nothing)
            self._attend(conn)
        else:
            begin(plan, conn, lambda error: self._ready(conn, error))

    def _ready(self, conn: Connection[Any], error: JackfieldError | None) -> None:
        """The handshakes are over, well or not."""
        if error is None:
            self._attend(conn)
            return
        shake_off(conn, error, self.events)
        self._handler_done()

    def _attend(self, conn: Connection[Any]) -> None:
        self._deadlines.watch(conn)
        self._model.attend(conn, self._when_done)

    def _late(self, conn: Connection[Any], passed: Passed) -> None:
        """A peer keeps somebody waiting for too long."""
        end_late(conn, passed, self.events.emit)

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
        conn.events = self.events
        self._live[number] = conn
        if not self._model.takes_sockets:  # where the messages are is another process
            if self.events.wants(MessageReceived, MessageSent):
                tap_messages(conn, self.events)
            if self._watched is not None and isinstance(conn, SessionConnection):
                conn.watch_bytes(Watcher(conn, self._watched))
        if self.events.listens(ConnectionOpened):
            self.events.emit(ConnectionOpened(number, conn.local, str(conn.peer)))

    def forget(self, conn: Connection[Any]) -> None:
        """A connection is over: the connection itself says so."""
        del self._live[conn.number]
        self._deadlines.forget(conn)
        source = conn.source
        if not conn.local.is_datagram:
            self._admission.uncount(source)
        if self.events.listens(ConnectionEnded):
            self.events.emit(ended(conn))
        self._see_if_quiet()

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
            elif not self._suspended:
                listener.resume()
            if self._full:  # a datagram that waited has taken the place
                break

    def _handler_done(self) -> None:
        self._handlers -= 1
        self._make_room()
        self._see_if_quiet()

    def _child_done(self, source: str) -> Any:
        def done() -> None:
            self._admission.uncount(source)
            self._handler_done()

        return done

    # While it runs

    def suspend(self) -> None:
        """Accept nobody for now; who is there stays.

        Peers of a stream wait in the listen queue. A datagram from somebody who has no session
        is dropped and counted.
        """
        if self._suspended or self._stopping or not self._listeners:
            return
        self._suspended = True
        for listener in self._listeners:
            if isinstance(listener, DatagramListener):
                listener.admits_new = False
            else:
                listener.suspend()
        self.events.emit(Suspended())

    def resume(self) -> None:
        """Accept again after `suspend()`."""
        if not self._suspended or self._stopping:
            return
        self._suspended = False
        for listener in self._listeners:
            if isinstance(listener, DatagramListener):
                listener.admits_new = True
            elif not self._full:
                listener.resume()
        self.events.emit(Resumed())

    async def reload(self, service: Service[M] | None = None) -> None:
        """Read the certificates anew. Connections that are there go on as they are.

        service: what to serve new connections by from now on, in place of the service so far:
        the same one with other contents. Limits stay; so does one that is `single` or `rereads`.
        Raises ConfigurationError for what cannot be used; all is as before then.
        """
        stays = service is None or self.service.single or self.service.rereads
        served = self.service if service is None or stays else service
        framing = self._own_framing or served.framing
        plans = {endpoint: self._plan_for(endpoint, framing) for endpoint in self._plans}
        before = self._serving.service, self._serving.framing
        self._serving.service, self._serving.framing = served, framing
        try:
            await self._model.reload()
        except ConfigurationError:
            self._serving.service, self._serving.framing = before
            raise
        self.service, self._framing = served, framing
        self._plans = plans
        if not self._model.takes_sockets:
            for listener in self._listeners:
                if isinstance(listener, DatagramListener):
                    listener.use(framing)
        self.events.emit(Reloaded())

    # Stopping

    def retire(self) -> None:
        """Let go of the endpoints, which others serve from now on; who is connected stays.

        Datagram peers have no connection to stay in: their sessions end once their handlers
        have had what has come by now.
        """
        self._stopping = self._retired = True
        for listener in self._listeners:
            listener.drain()
            if isinstance(listener, DatagramListener):
                listener.suspend()
            else:
                listener.close()
        for conn in list(self._live.values()):
            if conn.local.is_datagram:
                conn.drain()

    async def when_quiet(self) -> None:
        """Wait for the end of all connections after `retire()`, and free what is left."""
        if not await self._wait_until_quiet(None):
            self._cut()
            await self._wait_until_quiet(0.5)
        await self._free()

    async def stop(self, drain: float | None = None) -> None:
        """Stop as the rules above say, with `drain` seconds in place of the limit's."""
        if (self._stopping and not self._retired) or not self._listeners:
            return
        self._stopping, self._retired = True, False
        if self._renewing is not None:
            self._renewing.cancel()
        deadline = self.limits.drain if drain is None else drain
        for listener in self._listeners:
            listener.drain()
        self.events.emit(Draining(self.connections, deadline))
        self._model.drain()
        for conn in list(self._live.values()):
            conn.drain()
        if not await self._wait_until_quiet(deadline):
            self._cut()
            await self._wait_until_quiet(0.5)
        await self._free()

    async def _free(self) -> None:
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
        for conn in (*self._live.values(), *self._admission.refused):
            conn.abort("cut at the deadline")
        self._model.cut()

    async def _wait_until_quiet(self, timeout: float | None) -> bool:
        """Wait until no connection and no handler is left; False when time is up, or at cut()."""
        quiet = self._quiet = self._io.create_future()
        timer = None if timeout is None else self._io.loop.call_later(timeout, _set, quiet)
        self._see_if_quiet()
        try:
            await quiet
        finally:
            if timer is not None:
                timer.cancel()
            if self._quiet is quiet:
                self._quiet = None
        return self._is_quiet

    @property
    def _is_quiet(self) -> bool:
        return not (self._live or self._handlers or self._admission.refused)

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

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _nothing(_error: JackfieldError | None = None) -> None:
    """There is nothing to do."""


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
