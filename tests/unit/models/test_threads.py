from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

import pytest

from jackfield.events import ConnectionEnded, ConnectionOpened
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.live import PATIENCE, Live, all_closed, until

TCP = "tcp://127.0.0.1:0"
Ts = TypeVarTuple("Ts")


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        (handlers.native, "BridgedConnection"),
        (handlers.blocking, "BlockingConnection"),
        (handlers.replying, "NoneType"),
    ],
)
def test_each_handler_has_a_thread_of_its_own(service: Service[str], kind: str) -> None:
    with Live(service, TCP, model="threads") as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            assert [peer.ask("thread") for peer in peers] == [
                f"{kind} {service.name} {number}" for number in (1, 2, 3)
            ]
            idents = {peer.ask("ident") for peer in peers}
            assert len(idents) == 3
            assert str(live.thread.ident) not in idents
    until(lambda: not idents & {str(thread.ident) for thread in threading.enumerate()})


def test_a_session_of_datagrams_has_one_too() -> None:
    with (
        Live(handlers.blocking, "udp://127.0.0.1:0", model="threads") as live,
        live.connect() as one,
        live.connect() as other,
    ):
        assert one.ask("thread") == "BlockingConnection obey 1"
        assert other.ask("thread") == "BlockingConnection obey 2"


def test_an_async_handler_has_a_plain_asyncio_loop_there_and_any_library_works() -> None:
    async def handler(conn: Connection[str]) -> None:
        loop = asyncio.get_running_loop()
        async for line in conn:
            host, _, port = line.partition(" ")
            reader, writer = await asyncio.open_connection(host, int(port))
            said = await reader.readline()
            writer.close()
            await writer.wait_closed()
            doubled = await asyncio.to_thread(lambda text: text * 2, said.decode().strip())
            await conn.send(f"{type(loop).__module__} {doubled}")

    def hello(conn: BlockingConnection[str]) -> None:
        conn.send("hello")

    with (
        Live(Service("hello", hello, lines()), TCP) as other,
        Live(Service("asks", handler, lines()), TCP, model="threads") as live,
        live.connect() as peer,
    ):
        assert peer.ask(f"127.0.0.1 {other.endpoints[0].port}") == (
            "asyncio.unix_events hellohello"
        )


async def _blocks(conn: Connection[str]) -> None:
    """It may block: it has a loop of its own."""
    go: threading.Event = conn.framing.go  # type: ignore[attr-defined]
    async for line in conn:
        if line == "block":
            go.wait(PATIENCE)
        await conn.send(line)


def _blocks_plainly(conn: BlockingConnection[str]) -> None:
    go: threading.Event = conn.framing.go  # type: ignore[attr-defined]
    for line in conn:
        if line == "block":
            go.wait(PATIENCE)
        conn.send(line)


@pytest.mark.parametrize("handler", [_blocks, _blocks_plainly])
def test_a_blocked_handler_stops_nothing_but_itself(handler: Callable[[Any], Any]) -> None:
    """Its I/O goes on too: what others post to it arrives, what its peer sends is read."""
    framing = lines()
    go = framing.go = threading.Event()  # type: ignore[attr-defined]
    service = Service("blocks", handler, framing)
    with Live(service, TCP, model="threads") as live, live.connect() as stuck:
        stuck.send("block")
        live.await_event(ConnectionOpened)
        until(lambda: live.call(lambda: live.server._live[1].messages_received) == 1)
        with live.connect() as other:
            assert other.ask("hello") == "hello"
        assert live.server._live[1].post("posted")
        assert stuck.line() == "posted"
        stuck.send("more")
        until(lambda: live.call(lambda: live.server._live[1].messages_received) == 2)
        go.set()
        assert [stuck.line(), stuck.line()] == ["block", "more"]


class Counting(asyncio.SelectorEventLoop):
    """Counts what comes in from other threads."""

    handed_over = 0

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.handed_over += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_messages_are_handed_over_once_for_each_wake_up(service: Service[str]) -> None:
    """500 lines in one write and their 500 answers cross in far fewer steps."""
    with Live(service, TCP, model="threads", loop_factory=Counting) as live:
        loop = live.loop
        assert isinstance(loop, Counting)
        with live.connect() as peer:
            assert peer.ask("echo ready") == "ready"
            before = loop.handed_over
            peer.sock.sendall(b"echo x\n" * 500)
            assert [peer.line() for _ in range(500)] == ["x"] * 500
            assert loop.handed_over - before < 200


def test_the_default_cap_is_the_limits_and_the_model_says_so() -> None:
    assert Limits().threads == 256
    with Live(handlers.native, TCP, model="threads") as live:
        assert live.server._model.capacity == 256
        assert Server(handlers.native, TCP).limits.threads == 256


def test_at_the_cap_nobody_is_refused_and_all_are_served() -> None:
    """Thirty peers, three handlers at a time."""
    together = threading.Lock()
    running: list[int] = []
    most = 0

    def handler(conn: BlockingConnection[str]) -> None:
        nonlocal most
        with together:
            running.append(conn.number)
            most = max(most, len(running))
        conn.send(conn.receive(PATIENCE))
        time.sleep(0.001)
        with together:
            running.remove(conn.number)

    service = Service("few", handler, lines())
    with Live(service, TCP, model="threads", limits=Limits(threads=3)) as live:
        peers = [live.connect() for _ in range(30)]
        with all_closed(peers):
            for number, peer in enumerate(peers):
                peer.send(str(number))
            assert [peer.line() for peer in peers] == [str(number) for number in range(30)]
        live.await_events(ConnectionEnded, 30)
    assert most == 3
