"""The same connection for a handler in a thread of its own.

The rules this file owns:

1. The I/O stays in the loop's thread. A handler's thread takes messages from the inbox the
   loop has filled, and hands over what it sends: one hand-over each way per wake-up.
2. No lock is held by either side. Both rely on lists whose operations are atomic, and each
   writes its own flag before it looks at the other's.

`BlockingConnection` is what `def` handlers and plain `with connect()` have. `BridgedConnection`
is what an `async def` handler has in a thread and an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from jackfield.endpoints import Transport
from jackfield.errors import ConnectionClosed, EndOfStream, PeerLost, ReceiveTimeout
from jackfield.framing.base import Framing
from jackfield.net.connection import CHUNK, Connection
from jackfield.net.described import Described
from jackfield.net.ioloop import DONE

M = TypeVar("M")
N = TypeVar("N")
T = TypeVar("T")


_LOOP_CLOSED = "the event loop that did this connection's I/O is closed"


class Gate:
    """What a thread waits at until the loop opens it. Opening it twice is opening it once."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def done(self) -> bool:
        """A thread waits until it is woken or its time is up, so never."""
        return False

    def set_result(self, _result: None, /) -> None:
        """Open it."""
        if self._lock.locked():
            self._lock.release()

    def go_on(self) -> None:
        """Open it."""
        self.set_result(None)

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is opened, and close it behind oneself; False when time is up."""
        return self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout))


class _LoopGate:
    """The same to a future of another event loop."""

    __slots__ = ("_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
        self._loop = loop
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, _result: None, /) -> None:
        try:
            self._loop.call_soon_threadsafe(self._open)
        except RuntimeError:  # that loop is closed: nobody waits any more
            return

    def go_on(self) -> None:
        """The same."""
        self.set_result(None)

    def _open(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class _Crossing(Described[M]):
    """What both have in common: everything that needs no waiting."""

    def __init__(self, core: Connection[M]) -> None:
        self._core = core
        self._io = core.io_loop
        self._out: list[bytes] = []  # encoded, not handed over yet
        self._given = 0  # bytes that were put there; for the handler's thread alone to change
        self._taken = 0  # and taken by the loop, which alone changes this
        self._handing_over = False

    @property
    def core(self) -> Connection[M]:
        return self._core

    def _put(self, encoded: list[bytes]) -> bool:
        """Hand over what is sent; whether the peer lags so much that it should be waited for."""
        self._out += encoded
        self._given += sum(map(len, encoded))
        if not self._handing_over:
            self._handing_over = True
            self._io.run(self._hand_over)
        waiting = self._given - self._taken
        return waiting + self._core.unsent > self._core.limits.write_high

    def _hand_over(self) -> None:
        """In the loop's thread: take what the handler has sent so far."""
        self._handing_over = False  # before the look: what is appended later asks again
        count = len(self._out)
        batch = self._out[:count]
        del self._out[:count]
        self._core.send_batch(batch)
        self._taken += sum(map(len, batch))  # from here on `unsent` has what is left of them

    def _encoded(self, message: M) -> bytes:
        core = self._core
        if core.over is not None:
            raise core.over.with_traceback(None)
        return core.encode(message)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have the loop do it. Raises ConnectionClosed when the loop is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._io.loop)
        except RuntimeError:
            work.close()
            raise ConnectionClosed(_LOOP_CLOSED) from None

    def post(self, message: M) -> bool:
        """As `Connection.post()`."""
        return self._core.post(message)

    def abort(self, reason: str = "") -> None:
        """As `Connection.abort()`."""
        self._io.run(self._core.abort, reason)

    @property
    def transport(self) -> Transport:
        """What it runs on."""
        return self._core.transport

    @property
    def framing(self) -> Framing[M]:
        """The framing in use."""
        return self._core.framing

    @property
    def draining(self) -> bool:
        """Whether the server is stopping, so that the handler should come to an end."""
        return self._core.draining

    @property
    def number(self) -> int:
        """Its own number among the connections of the server."""
        return self._core.number

    @property
    def messages_received(self) -> int:
        """Messages received so far."""
        return self._core.messages_received

    @property
    def messages_sent(self) -> int:
        """Messages sent so far."""
        return self._core.messages_sent

    @property
    def bytes_received(self) -> int:
        """Bytes received so far."""
        return self._core.bytes_received

    @property
    def bytes_sent(self) -> int:
        """Bytes sent so far."""
        return self._core.bytes_sent


class BlockingConnection(_Crossing[M]):
    """A connection whose methods block the calling thread, and nothing else.

    The same names, results and errors as `Connection`. One thread at a time receives, and
    one at a time sends; they may be two.
    """

    def __init__(self, core: Connection[M]) -> None:
        super().__init__(core)
        self._gate = Gate()

    def __iter__(self) -> Iterator[M]:
        """Give message after message, until the peer ends its side or is lost."""
        core = self._core
        while True:
            inbox = core.inbox
            while inbox:
                yield inbox.pop()
            if not core.inbox:
                try:
                    self._more(None)
                except (EndOfStream, PeerLost):
                    return

    def receive(self, timeout: float | None = None) -> M:
        """As `Connection.receive()`."""
        if not self._core.inbox:
            self._more(timeout)
        return self._core.inbox.pop()

    def _more(self, timeout: float | None) -> None:
        core = self._core
        gate = self._gate
        deadline = None if timeout is None else time.monotonic() + timeout
        while not core.inbox:
            core.claim(gate)
            try:
                ended = core.is_ended  # before the look: what came before the end is there by then
                if core.inbox:  # filled before the claim was seen
                    return
                if core.is_held:
                    self._io.run(core.release)
                elif ended:
                    raise core.end_of_input()
                left = None if deadline is None else deadline - time.monotonic()
                if not gate.wait(left) and not core.inbox:
                    msg = f"no message came within {timeout:g} s"
                    raise ReceiveTimeout(msg)
            finally:  # after a KeyboardInterrupt, too
                core.unclaim(gate)

    def send(self, message: M) -> None:
        """As `Connection.send()`; waits for a peer that lags."""
        if self._put([self._encoded(message)]):
            self._wait_for(self._core.drained())

    def send_many(self, messages: Iterable[M]) -> None:
        """As `Connection.send_many()`."""
        if self._put([self._encoded(message) for message in messages]):
            self._wait_for(self._core.drained())

    def receive_chunk(self, max_bytes: int = CHUNK) -> bytes:
        """As `Connection.receive_chunk()`."""
        return self._wait_for(self._core.receive_chunk(max_bytes))

    def send_chunk(self, data: bytes) -> None:
        """As `Connection.send_chunk()`."""
        self._wait_for(self._core.send_chunk(data))

    def send_file(
        self, file: BinaryIO, offset: int = 0, count: int | None = None, *, head: bytes = b""
    ) -> int:
        """As `Connection.send_file()`."""
        return self._wait_for(self._core.send_file(file, offset, count, head=head))

    def send_eof(self) -> None:
        """As `Connection.send_eof()`."""
        self._wait_for(self._core.send_eof())

    def start_tls(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """As `Connection.start_tls()`."""
        self._wait_for(self._core.start_tls(context, server_hostname))

    def close(self) -> None:
        """As `Connection.close()`."""
        with contextlib.suppress(ConnectionClosed):
            self._wait_for(self._core.close())

    def switch(self, framing: Framing[N]) -> BlockingConnection[N]:
        """As `Connection.switch()`."""
        self._wait_for(_called(self._core.switch, framing))
        return self  # type: ignore[return-value]  # from here on it is of N

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the loop do it; wait for its result."""
        future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            raise ConnectionClosed(_LOOP_CLOSED) from None
        except BaseException:  # a KeyboardInterrupt, say: what it would receive is not for nobody
            future.cancel()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class BridgedConnection(_Crossing[M]):
    """A connection for an event loop other than the one that does its I/O.

    The same names, results and errors as `Connection`, which it stands in for.
    """

    def __init__(self, core: Connection[M]) -> None:
        super().__init__(core)
        self._loop = asyncio.get_running_loop()

    async def __aiter__(self) -> AsyncIterator[M]:
        """Give message after message, until the peer ends its side or is lost."""
        core = self._core
        while True:
            inbox = core.inbox
            while inbox:
                yield inbox.pop()
            if not core.inbox:
                try:
                    await self._more(None)
                except (EndOfStream, PeerLost):
                    return

    async def receive(self, timeout: float | None = None) -> M:
        """As `Connection.receive()`."""
        if not self._core.inbox:
            await self._more(timeout)
        return self._core.inbox.pop()

    async def _more(self, timeout: float | None) -> None:
        core = self._core
        while not core.inbox:
            future: asyncio.Future[None] = self._loop.create_future()
            gate = _LoopGate(self._loop, future)
            core.claim(gate)
            try:
                ended = core.is_ended  # before the look: what came before the end is there by then
                if core.inbox:  # filled before the claim was seen
                    return
                if core.is_held:
                    self._io.run(core.release)
                elif ended:
                    raise core.end_of_input()
                async with asyncio.timeout(timeout):
                    await future
            except TimeoutError:
                if not core.inbox:
                    msg = f"no message came within {timeout:g} s"
                    raise ReceiveTimeout(msg) from None
            finally:
                core.unclaim(gate)

    def send(self, message: M) -> Awaitable[None]:
        """As `Connection.send()`."""
        if self._put([self._encoded(message)]):
            return self._result_of(self._core.drained())
        return DONE

    async def send_many(self, messages: Iterable[M]) -> None:
        """As `Connection.send_many()`."""
        if self._put([self._encoded(message) for message in messages]):
            await self._result_of(self._core.drained())

    async def receive_chunk(self, max_bytes: int = CHUNK) -> bytes:
        """As `Connection.receive_chunk()`; but what is cancelled may have taken a chunk with it."""
        return await self._result_of(self._core.receive_chunk(max_bytes))

    async def send_chunk(self, data: bytes) -> None:
        """As `Connection.send_chunk()`."""
        await self._result_of(self._core.send_chunk(data))

    async def send_file(
        self, file: BinaryIO, offset: int = 0, count: int | None = None, *, head: bytes = b""
    ) -> int:
        """As `Connection.send_file()`."""
        return await self._result_of(self._core.send_file(file, offset, count, head=head))

    async def send_eof(self) -> None:
        """As `Connection.send_eof()`."""
        await self._result_of(self._core.send_eof())

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """As `Connection.start_tls()`."""
        await self._result_of(self._core.start_tls(context, server_hostname))

    async def close(self) -> None:
        """As `Connection.close()`."""
        with contextlib.suppress(ConnectionClosed):
            await self._result_of(self._core.close())

    def switch(self, framing: Framing[N]) -> BridgedConnection[N]:
        """As `Connection.switch()`. Takes one turn of the loop that does the I/O."""
        self._begin(_called(self._core.switch, framing)).result()
        return self  # type: ignore[return-value]  # from here on it is of N

    async def _result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(self._begin(work))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _called(call: Callable[[Framing[N]], object], framing: Framing[N]) -> None:
    call(framing)
