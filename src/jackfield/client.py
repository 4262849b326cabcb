"""connect(): the same connection, from the other end; async and blocking."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import ConnectError, ConnectTimeout, JackfieldError, TLSError
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.limits import DEFAULT, Limits
from jackfield.net import memory
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.net.dialing import Attempt, OnAddresses, dial
from jackfield.net.ioloop import IOLoop, current, new_event_loop
from jackfield.net.opening import begin, make_connection, upgrade_of
from jackfield.net.roles import Plan
from jackfield.net.tls import client_context
from jackfield.tls import authority

M = TypeVar("M")
T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds that connecting may take, all addresses and the TLS handshake together."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds before the first and the longest later try, with `retry=`; doubled between."""


@dataclass(frozen=True, slots=True)
class _How:
    """The options of `connect()`."""

    timeout: float
    retry: int
    limits: Limits
    on_attempt: Callable[[Attempt], None] | None
    on_addresses: OnAddresses | None = None


class Connector(Generic[M]):
    """What `connect()` gives: `async with` it, `await` it, or use a plain `with`."""

    def __init__(self, endpoint: Endpoint, framing: Framing[M], how: _How) -> None:
        self._endpoint = endpoint
        self._framing = framing
        self._how = how
        self._connection: Connection[M] | None = None
        self._blocking: BlockingConnection[M] | None = None

    def __await__(self) -> Generator[Any, None, Connection[M]]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection[M]:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._connection is not None
        await self._connection.close()

    def open(self) -> BlockingConnection[M]:
        """Connect and give a connection with blocking methods; close() it in the end."""
        return BlockingConnection(_background.result_of(self._connect()))

    def __enter__(self) -> BlockingConnection[M]:
        self._blocking = self.open()
        return self._blocking

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._blocking is not None
        self._blocking.close()

    async def _connect(self) -> Connection[M]:
        """Try, and try again as `retry` says."""
        pause = FIRST_PAUSE
        tries_left = self._how.retry
        while True:
            try:
                return await self._try()
            except ConnectError:
                if tries_left <= 0:
                    raise
            tries_left -= 1
            # a little chance in it, so that clients who lost one server do not return as one
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _try(self) -> Connection[M]:
        io = current()
        endpoint = self._endpoint
        started = io.loop.time()
        plan = self._plan(io)
        sock: Any
        address: Any
        if endpoint.transport is Transport.MEMORY:
            sock, address = memory.connect(endpoint), endpoint.path
        else:
            how = self._how
            sock, address = await dial(
                io,
                endpoint,
                timeout=how.timeout,
                on_attempt=how.on_attempt,
                on_addresses=how.on_addresses,
            )
        conn: Connection[M] = make_connection(plan, sock, endpoint, address, accepted=False)
        ready: asyncio.Future[JackfieldError | None] = io.loop.create_future()
        begin(plan, conn, lambda error: _set(ready, error))
        left = max(0.01, self._how.timeout - (io.loop.time() - started))
        try:
            error = await asyncio.wait_for(ready, left)
        except TimeoutError:
            conn.abort()
            which = "TLS" if conn.tls_layer is not None and conn.tls is None else "WebSocket"
            msg = f"{endpoint}: no {which} handshake within {self._how.timeout:g} s"
            raise ConnectTimeout(msg) from None
        except asyncio.CancelledError:
            conn.abort()
            raise
        if error is not None:
            conn.abort()
            kind = type(error) if isinstance(error, ConnectError) else TLSError
            raise kind(f"{endpoint}: {error}") from error
        return conn

    def _plan(self, io: IOLoop) -> Plan:
        """Say how to speak. Raises ConfigurationError where a file or a package does not do."""
        endpoint, limits = self._endpoint, self._how.limits
        upgrade = upgrade_of(endpoint, accepts=False)
        if not endpoint.transport.uses_tls:
            return Plan(io, self._framing, limits, upgrade=upgrade)
        files = endpoint.options
        also = () if files.ca else authority.trusted()
        context = client_context(
            files.ca or "", files.cert or "", files.key or "", files.alpn or "", also
        )
        name = endpoint.host.partition("%")[0]
        return Plan(io, self._framing, limits, context, name, upgrade=upgrade)


@overload
def connect(
    endpoint: str | Endpoint,
    *,
    timeout: float = ...,
    retry: int = ...,
    limits: Limits = ...,
    on_attempt: Callable[[Attempt], None] | None = ...,
    on_addresses: OnAddresses | None = ...,
) -> Connector[bytes]: ...
@overload
def connect(
    endpoint: str | Endpoint,
    framing: Framing[M],
    *,
    timeout: float = ...,
    retry: int = ...,
    limits: Limits = ...,
    on_attempt: Callable[[Attempt], None] | None = ...,
    on_addresses: OnAddresses | None = ...,
) -> Connector[M]: ...
def connect(
    endpoint: str | Endpoint,
    framing: Framing[Any] | None = None,
    *,
    timeout: float = TIMEOUT,
    retry: int = 0,
    limits: Limits = DEFAULT,
    on_attempt: Callable[[Attempt], None] | None = None,
    on_addresses: OnAddresses | None = None,
) -> Connector[Any]:
    """Connect to an endpoint.

    ``async with connect(url) as conn:`` or ``conn = await connect(url)`` gives a `Connection`;
    ``with connect(url) as conn:`` or ``connect(url).open()`` gives a `BlockingConnection`, whose
    I/O a thread in the background does.

    framing: how bytes are cut into messages; raw unless given.
    timeout: seconds for all addresses and the TLS handshake together.
    retry: how often to try again after a failure, pausing ever longer.
    on_attempt: called with each address tried and what came of it.
    on_addresses: called with all addresses that the host stands for, in the order in which they
    are tried, and the seconds that looking them up took.

    Raises EndpointError now, and ConnectError (refused, timed out, unreachable, name not
    found, TLS: each its class) when connecting, saying what was tried, address by address.
    """
    parsed = parse(endpoint) if isinstance(endpoint, str) else endpoint
    return Connector(
        parsed, framing or Raw(), _How(timeout, retry, limits, on_attempt, on_addresses)
    )


def _set(future: asyncio.Future[JackfieldError | None], error: JackfieldError | None) -> None:
    if not future.done():
        future.set_result(error)


class _Background:
    """The loop in a thread of its own that does the I/O of all blocking connections."""

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)  # the thread stays in the parent

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there; wait for its result."""
        with self._lock:
            if self._loop is None:
                self._loop = new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="jackfield I/O", daemon=True
                ).start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise


_background = _Background()


def in_background(work: Coroutine[Any, Any, T]) -> T:
    """Have the thread that does the I/O of blocking clients do this; wait for its result."""
    return _background.result_of(work)
