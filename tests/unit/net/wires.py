"""A connection under test with a plain socket at its other end, over any transport, by any face.

The connection does its I/O in a loop in a thread of its own, as a server's does. The test stands
in the main thread, asks for what it wants by blocking calls, and plays the peer by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, BinaryIO, Literal, Protocol, TypeVar

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import JackfieldError
from jackfield.events import Events, HandlerFailed, Refused
from jackfield.framing import lines
from jackfield.framing.base import Framing
from jackfield.limits import DEFAULT, Limits
from jackfield.models.running import Reply, Serving
from jackfield.net import memory
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection, BridgedConnection
from jackfield.net.ioloop import IOLoop, current, new_event_loop
from jackfield.net.opening import begin, make_connection
from jackfield.net.roles import Plan
from jackfield.service import Service

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which what was to happen has not happened. Only a failing test waits so long."""

Kind = Literal["tcp", "tls", "unix", "memory"]
KINDS: tuple[Kind, ...] = ("tcp", "tls", "unix", "memory")
FaceName = Literal["native", "blocking", "bridged"]
FACES: tuple[FaceName, ...] = ("native", "blocking", "bridged")

_ENDPOINTS: dict[Kind, Endpoint] = {
    "tcp": parse("tcp://127.0.0.1:0"),
    "tls": parse("tls://127.0.0.1:0"),
    "unix": parse("unix:@wires"),
    "memory": Endpoint(Transport.MEMORY, path="wires"),
}


def until(holds: Callable[[], object]) -> None:
    """Wait for something of which nobody tells: a thread that has come to wait, say."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, inspect.getsource(holds)
        pause.wait(0.001)


def spawn(call: Callable[[], T]) -> Future[T]:
    """Run something in a thread that keeps nobody from leaving, should it hang."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Loop:
    """An event loop in a thread of its own; it notes every error that escapes into it."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop) -> None:
        self.broken: list[dict[str, Any]] = []
        self._runner = asyncio.Runner(loop_factory=factory)
        self.loop = self._runner.get_loop()
        self.loop.set_exception_handler(lambda _, context: self.broken.append(context))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.io: IOLoop = self.call(current)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self._runner.close()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there; give its result."""
        return self.begin(work).result(PATIENCE)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function there. All that was begun before has got as far as it could."""

        async def called() -> T:
            return function()

        return self.run(called())

    def turn(self) -> None:
        """Let the loop turn, twice: what was ready has been seen to."""

        async def turned() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.run(turned())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


# The other end


class Peer(Protocol):
    """Plain bytes, blocking. `recv()` gives b"" at an end that was said, and raises at a reset."""

    def send(self, data: bytes) -> None: ...
    def recv(self, size: int = ...) -> bytes: ...
    def eof(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


class SocketPeer:
    """The other end of TCP or of a UNIX stream."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def recv(self, size: int = 65536) -> bytes:
        return self.sock.recv(size)

    def eof(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        if self.sock.family == socket.AF_INET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class TLSPeer(SocketPeer):
    """The other end of TLS, by a MemoryBIO, so that it can half-close, and be cut off.

    One thread may send while another one receives, which OpenSSL's object is not made for.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        super().__init__(sock)
        self._lock = threading.Lock()  # never held while the socket is waited for
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._in,
            self._out,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self._going = True
        while self._going:
            try:
                self.tls.do_handshake()
                self._going = False
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            data = self._out.read()
        self.sock.sendall(data)

    def _fill(self) -> None:
        data = self.sock.recv(65536)
        with self._lock:
            if data:
                self._in.write(data)
            else:
                self._in.write_eof()

    def send(self, data: bytes) -> None:
        with self._lock:
            self.tls.write(data)
        self._flush()

    def recv(self, size: int = 65536) -> bytes:
        while True:
            try:
                with self._lock:
                    return self.tls.read(size)
            except ssl.SSLWantReadError:
                self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    def eof(self) -> None:
        self.say_goodbye()
        super().eof()

    def say_goodbye(self) -> None:
        """Send close_notify alone."""
        with contextlib.suppress(ssl.SSLError), self._lock:
            self.tls.unwrap()
        self._flush()

    def cut(self) -> None:
        """End TCP without close_notify."""
        super().eof()


class MemoryPeer:
    """The other end of an in-memory pair."""

    def __init__(self, sock: memory.MemorySocket, io: IOLoop) -> None:
        self.sock = sock
        self._io = io
        self._ready = threading.Event()

    def _wait(self, watch: Callable[[IOLoop, Callable[[], None] | None], None]) -> None:
        self._ready.clear()

        def ready() -> None:
            watch(self._io, None)
            self._ready.set()

        watch(self._io, ready)
        assert self._ready.wait(PATIENCE)

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.sock.send(rest) :]
            except BlockingIOError:
                self._wait(self.sock.watch_write)

    def recv(self, size: int = 65536) -> bytes:
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                self._wait(self.sock.watch_read)

    def eof(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.close()


def read(peer: Peer, size: int) -> bytes:
    """Exactly so many bytes from a peer; fewer when it ends before."""
    data = bytearray()
    while len(data) < size:
        part = peer.recv(min(65536, size - len(data)))
        if not part:
            break
        data += part
    return bytes(data)


def rest(peer: Peer) -> bytes:
    """All that comes until the end."""
    data = bytearray()
    while part := peer.recv():
        data += part
    return bytes(data)


# The connection under test, by each of its faces


class Face:
    """A connection by blocking calls: `begin()` starts one, the others wait for its result."""

    def __init__(self, core: Connection[Any], loop: Loop) -> None:
        self.core: Any = core
        self.conn: Any = core
        self.loop = loop  # where its coroutines run

    def begin(self, name: str, *args: Any, **options: Any) -> Future[Any]:
        raise NotImplementedError

    def begin_take(self, count: int) -> Future[list[Any]]:
        """Iterate until there are so many messages, or no more."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind."""

    def do(self, name: str, *args: Any, **options: Any) -> Any:
        return self.begin(name, *args, **options).result(PATIENCE)

    def take(self, count: int) -> list[Any]:
        return self.begin_take(count).result(PATIENCE)

    def rest(self) -> list[Any]:
        return self.take(1 << 60)

    def receive(self, timeout: float | None = None) -> Any:
        return self.do("receive", timeout)

    def send(self, message: Any) -> None:
        self.do("send", message)

    def chunk(self, size: int = 65536) -> bytes:
        data: bytes = self.do("receive_chunk", size)
        return data

    def send_file(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        sent: int = self.do("send_file", file, offset, count)
        return sent

    def begin_receive(self) -> Future[Any]:
        """Start a receive(); it waits when this returns."""
        future = self.begin("receive")
        until(lambda: self.core._waiter is not None)
        return future


async def _result(call: Callable[[], Any]) -> Any:
    result = call()
    return await result if inspect.isawaitable(result) else result


async def _taken(conn: Any, count: int) -> list[Any]:
    taken: list[Any] = []
    if count:
        async for message in conn:
            taken.append(message)
            if len(taken) == count:
                break
    return taken


class Native(Face):
    """`async` in the loop that does the I/O."""

    def begin(self, name: str, *args: Any, **options: Any) -> Future[Any]:
        return self.loop.begin(_result(lambda: getattr(self.conn, name)(*args, **options)))

    def begin_take(self, count: int) -> Future[list[Any]]:
        return self.loop.begin(_taken(self.conn, count))


class Bridged(Native):
    """`async` in a loop of its own."""

    def __init__(self, core: Connection[Any], _io: Loop) -> None:
        super().__init__(core, Loop(asyncio.SelectorEventLoop))
        self.conn = self.loop.call(lambda: BridgedConnection(core))

    def close(self) -> None:
        self.loop.close()
        assert not self.loop.broken


class Blocking(Face):
    """Blocking methods, in threads."""

    def __init__(self, core: Connection[Any], io: Loop) -> None:
        super().__init__(core, io)
        self.conn = BlockingConnection(core)

    def begin(self, name: str, *args: Any, **options: Any) -> Future[Any]:
        return spawn(lambda: getattr(self.conn, name)(*args, **options))

    def begin_take(self, count: int) -> Future[list[Any]]:
        def take() -> list[Any]:
            taken: list[Any] = []
            if count:
                for message in self.conn:
                    taken.append(message)
                    if len(taken) == count:
                        break
            return taken

        return spawn(take)


_FACES: dict[FaceName, type[Native | Blocking]] = {
    "native": Native,
    "blocking": Blocking,
    "bridged": Bridged,
}


class Replying:
    """Makes the receiver that `Service.reply()` has, and notes what comes of it."""

    def __init__(
        self, loop: Loop, fn: Callable[[Any], Any], framing: Framing[Any] | None = None
    ) -> None:
        self.done = 0
        self.events = Events()
        self.failed: list[HandlerFailed] = []
        self.refused: list[Refused] = []
        self.events.subscribe(HandlerFailed, self.failed.append)
        self.events.subscribe(Refused, self.refused.append)
        framing = framing or lines()
        service = Service.reply("reply", fn, framing)
        self._serving = Serving(service, framing, loop.io, self.events, DEFAULT)

    def __call__(self, conn: Connection[Any]) -> Reply:
        return Reply(self._serving, conn, self._over)

    def _over(self) -> None:
        self.done += 1


class Wire:
    """A connection under test, `conn`, and the plain other end, `peer`."""

    def __init__(self, io: Loop, conn: Face, peer: Any) -> None:
        self.io = io
        self.conn = conn
        self.core: Any = conn.core  # tests look at what is private to each kind
        self.peer = peer

    def call(self, function: Callable[[Connection[Any]], T]) -> T:
        """Call something with the connection in the loop's thread."""
        return self.io.call(lambda: function(self.core))

    def until_over(self) -> None:
        """Wait until the descriptor is free."""
        until(lambda: self.core._sock is None)


def connected(kind: Kind, buffer: int = 0) -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection of the system's, whose buffers are of about `buffer` bytes."""
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        client.connect(listener.getsockname())
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener.accept()[0], client


class Wires:
    """Opens wires, and at the end closes them and looks whether any error escaped into a loop."""

    def __init__(self, server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
        self._contexts = server_context, client_context
        self._loops: list[Loop] = []
        self._faces: list[Face] = []
        self._cores: list[tuple[Loop, Connection[Any]]] = []
        self._peers: list[Any] = []
        self._last: list[Callable[[], object]] = []

    def at_end(self, call: Callable[[], object]) -> None:
        """Have this called before the loops are closed, last one first."""
        self._last.append(call)

    def loop(self, factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop) -> Loop:
        self._loops.append(Loop(factory))
        return self._loops[-1]

    def open(
        self,
        kind: Kind = "tcp",
        face: FaceName = "native",
        framing: Framing[Any] | None = None,
        limits: Limits = DEFAULT,
        *,
        accepted: bool = True,
        io: Loop | None = None,
        receiver: Callable[[Connection[Any]], Any] | None = None,
        buffer: int = 0,
    ) -> Wire:
        """Connect; by default the connection under test is the one that was accepted."""
        loop = io or self.loop()
        if kind == "memory":
            ours: Any
            ours, theirs = memory.pair("wires")
            peer: Any = MemoryPeer(theirs, loop.io)
        else:
            ours, other = connected(kind, buffer)
            ours.setblocking(False)
            if kind != "tls":
                peer = SocketPeer(other)
        core, ready = self.start(
            loop, kind, ours, framing, limits, accepted=accepted, receiver=receiver
        )
        if kind == "tls":
            context = self._contexts[1 if accepted else 0]
            peer = TLSPeer(other, context, "127.0.0.1" if accepted else None)
        assert ready.result(PATIENCE) is None
        self._peers.append(peer)
        self._faces.append(_FACES[face](core, loop))
        return Wire(loop, self._faces[-1], peer)

    def start(
        self,
        loop: Loop,
        kind: Kind,
        sock: Any,
        framing: Framing[Any] | None = None,
        limits: Limits = DEFAULT,
        *,
        accepted: bool = True,
        receiver: Callable[[Connection[Any]], Any] | None = None,
    ) -> tuple[Connection[Any], Future[JackfieldError | None]]:
        """Make the connection of a socket; what comes of its beginning is in the future."""
        context = self._contexts[0 if accepted else 1] if kind == "tls" else None
        name = "127.0.0.1" if kind == "tls" and not accepted else None
        plan = Plan(loop.io, framing or lines(), limits, context, name)
        endpoint = _ENDPOINTS[kind]
        address = sock.getpeername() if sock.fileno() >= 0 else None
        ready: Future[JackfieldError | None] = Future()

        def make() -> Connection[Any]:
            conn: Connection[Any] = make_connection(
                plan, sock, endpoint, address, accepted=accepted
            )
            if receiver is not None:
                conn.answer_by(receiver(conn))
            begin(plan, conn, ready.set_result)
            return conn

        core = loop.call(make)
        self._cores.append((loop, core))
        return core, ready

    def close(self) -> None:
        for call in reversed(self._last):
            call()
        for loop, core in self._cores:
            loop.call(core.abort)
        for peer in self._peers:
            peer.close()
        for face in self._faces:
            face.close()
        for loop in self._loops:
            loop.close()
        broken = [context for loop in self._loops for context in loop.broken]
        assert not broken, broken
