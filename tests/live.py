"""A server in a thread of its own, so that a test can talk to it with plain blocking sockets."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import itertools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from jackfield.endpoints import Endpoint, Transport
from jackfield.events import Event, Events
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.ioloop import new_event_loop
from jackfield.server import Server
from jackfield.service import Service
from jackfield.workers.supervisor import Supervisor

E = TypeVar("E", bound=Event)
T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = 20.0
"""Seconds after which what was to happen has not. Nothing waits so long unless it fails."""

ALL: tuple[ModelName, ...] = ("asyncio", "threads", "processes", "inline")
SEVERAL: tuple[ModelName, ...] = ("asyncio", "threads", "processes")
"""The models that serve several streams at a time."""


def own_name() -> str:
    """An abstract UNIX name that no other process takes."""
    return f"@jackfield-{os.getpid()}-{next(_names)}"


_names = itertools.count(1)


def free_port() -> int:
    """A port that is free, at every address and for UDP as well, and stays so.

    It is below those that the system gives to who asks for none in particular: ip(7),
    ip_local_port_range.
    """
    while True:
        port = 20_000 + next(_ports) % 12_000
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("", port))
        except OSError:  # somebody's, who has chosen it
            continue
        return port


# Far from those of a process of the next number, so that no other one tries the same ones: that is
# the golden section of 12,000, of which a few multiples are as far apart as they can be.
_ports = itertools.count(os.getpid() * 7417)


class Live:
    """A running server, and what it has told.

    urls: with `@PID` for an abstract UNIX name of its own.
    workers: so many processes that serve it, which is a `Supervisor` then.
    """

    def __init__(
        self,
        service: Service[Any],
        *urls: str | Endpoint,
        model: ModelName = "asyncio",
        limits: Limits | None = None,
        framing: Framing[Any] | None = None,
        events: Events | None = None,
        workers: int | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop,
        drain: float = 5.0,
    ) -> None:
        self.told: list[Event] = []
        self.broken: list[dict[str, Any]] = []
        self.drain = drain
        self._news = threading.Condition()
        self._loop_factory = loop_factory
        events = events or Events()
        events.subscribe(Event, self._hear)
        own = [url.replace("@PID", own_name()) if isinstance(url, str) else url for url in urls]
        how: dict[str, Any] = {"model": model, "limits": limits, "framing": framing}
        self.server: Server[Any]
        if workers is None:
            self.server = Server(service, *own, events=events, **how)
        else:
            supervisor = Supervisor(service, *own, workers=workers, events=events, **how)
            self.server = cast("Server[Any]", supervisor)  # as which it is used

    def _hear(self, event: Event) -> None:
        with self._news:
            self.told.append(event)
            self._news.notify_all()

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner(loop_factory=self._loop_factory)
        self.loop = self._runner.get_loop()
        self.loop.set_exception_handler(lambda _, context: self.broken.append(context))
        self._end = threading.Event()
        self.thread = threading.Thread(target=self._run, name="server", daemon=True)
        self.thread.start()
        try:
            self.wait_for(self.server.start())
        except BaseException:
            self._leave()
            raise
        return self

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self._runner.close()

    def _leave(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the server's loop does not end"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            told = "\n".join(str(event) for event in self.told)
            error.add_note(f"told:\n{told}\nbroken: {self.broken}")
        try:
            self.stop()
        finally:
            self._leave()
        if error is None:
            assert not self.broken, self.broken

    def stop(self, drain: float | None = None) -> None:
        self.wait_for(self.server.stop(self.drain if drain is None else drain))

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the server's thread."""

        async def called() -> T:
            return function()

        return self.wait_for(called())

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind so far."""
        return [event for event in self.told if isinstance(event, kind)]

    def await_events(self, kind: type[E], count: int = 1) -> list[E]:
        """Wait until there are so many events of a kind; give all of them."""
        with self._news:
            self._news.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE)
        found = self.of(kind)
        assert len(found) >= count, (kind, len(found), self.told[-20:])
        return found

    def await_event(self, kind: type[E]) -> E:
        return self.await_events(kind)[0]

    @property
    def endpoints(self) -> list[Endpoint]:
        return self.server.endpoints

    def connect(self, number: int = 0) -> Peer:
        return Peer(self.endpoints[number])


class Peer:
    """A plain blocking socket at the other end. It speaks lines, and waits for nothing for ever."""

    def __init__(self, endpoint: Endpoint, *, ca: str = "") -> None:
        self.endpoint = endpoint
        self.sock = dialed(endpoint, ca)
        self._read = b""

    def send(self, *lines: str) -> None:
        for line in lines:
            data = line.encode()
            self.sock.sendall(data if self.endpoint.keeps_boundaries else data + b"\n")

    def line(self) -> str:
        """The next line, or message; "" at the end."""
        if self.endpoint.keeps_boundaries:
            return self.sock.recv(1 << 20).decode().removesuffix("\n")
        while b"\n" not in self._read:
            data = self.sock.recv(1 << 16)
            if not data:
                return ""
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def ask(self, line: str) -> str:
        self.send(line)
        return self.line()

    def rest(self) -> bytes:
        """All that comes until the end. Fails when the end is a reset."""
        read = [self._read]
        while data := self.sock.recv(1 << 16):
            read.append(data)
        return b"".join(read)

    @property
    def name(self) -> str:
        """This end's address, as the server calls it."""
        host, port = self.sock.getsockname()[:2]
        return f"{self.endpoint.transport}://{host}:{port}"

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_FAMILY = {
    Transport.UNIX: socket.SOCK_STREAM,
    Transport.UNIX_DATAGRAM: socket.SOCK_DGRAM,
    Transport.UNIX_SEQPACKET: socket.SOCK_SEQPACKET,
}


def dialed(endpoint: Endpoint, ca: str = "") -> socket.socket:
    """A connected socket; for datagrams, one with a name of its own."""
    with contextlib.ExitStack() as opened:
        if endpoint.path:
            sock = opened.enter_context(socket.socket(socket.AF_UNIX, _FAMILY[endpoint.transport]))
            name = "\0" + endpoint.path[1:] if endpoint.path.startswith("@") else endpoint.path
            if endpoint.transport is Transport.UNIX_DATAGRAM:
                sock.bind("")
            sock.connect(name)
        else:
            kind = socket.SOCK_DGRAM if endpoint.is_datagram else socket.SOCK_STREAM
            family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
            sock = opened.enter_context(socket.socket(family, kind))
            sock.settimeout(PATIENCE)
            sock.connect((endpoint.host, endpoint.port))
        sock.settimeout(PATIENCE)
        if endpoint.transport is Transport.TLS:
            context = ssl.create_default_context(cafile=ca)
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        opened.pop_all()
        return sock


def until(holds: Callable[[], object], what: str = "") -> None:
    """Wait until something holds of which nobody tells: a process gone, a queue filled."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, what or inspect.getsource(getattr(holds, "func", holds))
        pause.wait(0.005)


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def sockets_of(pid: int) -> set[str]:
    """The inode of each socket a process has open."""
    found = set()
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                target = str(Path(entry.path).readlink())
                if target.startswith("socket:"):
                    found.add(target)
    return found


def children_of(pid: int) -> list[int]:
    """The processes a process has started and not reaped."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on the fastest loop there is."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


@contextlib.contextmanager
def all_closed(peers: list[Peer]) -> Iterator[None]:
    """Close these at the end, whatever happens."""
    try:
        yield
    finally:
        for peer in peers:
            peer.close()
