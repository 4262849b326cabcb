"""What all connections on one event loop share.

One `IOLoop` for each event loop: the answer to "written already", the connections whose
output waits for the end of this turn, and the way in from other threads.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Generator
from socket import socket
from typing import Protocol, TypeVar, TypeVarTuple, cast

from jackfield.net.polling import Poller, new_poller

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@types.coroutine
def _nothing() -> Generator[None, None, None]:
    return
    yield


_over = _nothing()
next(_over, None)

DONE: Awaitable[None] = cast("Awaitable[None]", _over)
"""What is given where there was nothing to wait for: it can be awaited any number of times.

A generator that has ended: no other awaitable costs so little. A future that is done costs two
to three times as much from Python 3.12 on.
"""


class Flushable(Protocol):
    """What `flush_soon()` takes: a connection."""

    def flush(self) -> None:
        """Write what waits."""


class Watchable(Protocol):
    """What an in-memory socket offers in place of a descriptor."""

    def watch_read(self, io: IOLoop, call: Callable[[], None] | None, /) -> None:
        """Call `call()` in the loop whenever there is something to read; None ends it."""

    def watch_write(self, io: IOLoop, call: Callable[[], None] | None, /) -> None:
        """Call `call()` in the loop whenever there is room to write; None ends it."""


class IOLoop:
    """The part of an event loop that connections need.

    done: a future that is done, for calls that had nothing to wait for. Awaiting it costs no
    task switch and it is never cancelled, since it is over.
    """

    __slots__ = ("_dirty", "_poller", "call_soon", "create_future", "done", "loop", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.call_soon = loop.call_soon
        self.create_future = loop.create_future
        self.thread = threading.get_ident()
        self.done: asyncio.Future[None] = loop.create_future()
        self.done.set_result(None)
        self._dirty: list[Flushable] = []
        self._poller: Poller | None = None

    def flush_soon(self, connection: Flushable) -> None:
        """Have `connection.flush()` called once this turn of the loop is over."""
        dirty = self._dirty
        dirty.append(connection)
        if len(dirty) == 1:
            self.call_soon(self._flush_all)

    def _flush_all(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def _watching(self) -> Poller:
        if self._poller is None:
            self._poller = new_poller(self.loop)
        return self._poller

    def watch_read(self, sock: socket, call: Callable[[], None]) -> None:
        """Have `call()` called whenever `sock` can be read."""
        if sock.fileno() >= 0:
            self._watching().set_reader(sock.fileno(), call)
        else:
            _memory(sock).watch_read(self, call)

    def watch_write(self, sock: socket, call: Callable[[], None]) -> None:
        """Have `call()` called whenever `sock` can be written."""
        if sock.fileno() >= 0:
            self._watching().set_writer(sock.fileno(), call)
        else:
            _memory(sock).watch_write(self, call)

    def unwatch_read(self, sock: socket) -> None:
        """End `watch_read()`."""
        if sock.fileno() >= 0:
            self._watching().set_reader(sock.fileno(), None)
        else:
            _memory(sock).watch_read(self, None)

    def unwatch_write(self, sock: socket) -> None:
        """End `watch_write()`."""
        if sock.fileno() >= 0:
            self._watching().set_writer(sock.fileno(), None)
        else:
            _memory(sock).watch_write(self, None)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Have another thread call, and wait for what comes of it.

        Unlike one of the loop's executor, that thread keeps no process from leaving, however
        long a name server may take to answer.
        """
        future: asyncio.Future[T] = self.loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(cast("T", result))
            else:
                future.set_exception(error)

        def work() -> None:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
                self.run(settle, None, error)
            else:
                self.run(settle, result, None)

        threading.Thread(target=work, name="jackfield look-up", daemon=True).start()
        return await future

    def run(self, call: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call `call(*args)` in the loop's thread: now if this is it, else soon.

        From another thread, a loop that is closed already is no error: whoever asks is on
        the way out too.
        """
        if threading.get_ident() == self.thread:
            call(*args)
            return
        try:
            self.loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed
            return


def _memory(sock: object) -> Watchable:
    """An in-memory socket is told by its descriptor, -1, and says itself when it is ready."""
    return cast("Watchable", sock)


_loops: dict[asyncio.AbstractEventLoop, IOLoop] = {}


def current() -> IOLoop:
    """Give the running event loop's IOLoop. Raises RuntimeError when no loop runs."""
    loop = asyncio.get_running_loop()
    found = _loops.get(loop)
    if found is None:
        for other in tuple(_loops):  # several threads may be here
            if other.is_closed():
                _loops.pop(other, None)
        found = _loops[loop] = IOLoop(loop)
    return found


def new_plain_event_loop() -> asyncio.AbstractEventLoop | None:
    """Make asyncio's own event loop; None when the system has no descriptor left for it.

    For a handler in a thread of its own: uvloop's costs 346 KB and 7 descriptors each.
    """
    try:
        return asyncio.SelectorEventLoop()
    except OSError:
        return None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop there is that watches sockets: uvloop's where it runs."""
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()  # the proactor loop cannot watch a socket
    try:
        import uvloop  # noqa: PLC0415  not everywhere, and slow to load where it is not used
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()
