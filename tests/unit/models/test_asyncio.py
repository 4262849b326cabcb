from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from jackfield.errors import ReceiveTimeout
from jackfield.events import ConnectionEnded
from jackfield.framing import lines
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.live import PATIENCE, Live, all_closed

TCP = "tcp://127.0.0.1:0"


def test_it_is_the_default() -> None:
    assert Server(handlers.native, TCP)._model_class.name == "asyncio"


def test_async_handlers_are_tasks_on_the_loop_that_does_the_io() -> None:
    async def handler(conn: Connection[str]) -> None:
        task = asyncio.current_task()
        await conn.send(f"{threading.get_ident()} {id(task)} {id(conn.io.loop)}")
        await conn.receive()

    with Live(Service("where", handler, lines()), TCP) as live:
        peers = [live.connect(), live.connect()]
        with all_closed(peers):
            threads, tasks, loops = zip(*(peer.line().split() for peer in peers), strict=True)
            assert set(threads) == {str(live.thread.ident)}
            assert set(loops) == {str(id(live.loop))}
            assert len(set(tasks)) == 2
            assert live.call(lambda: len(asyncio.all_tasks(live.loop))) == 2 + 1  # and this call


def test_a_handler_that_waits_does_not_keep_others_waiting() -> None:
    with Live(handlers.native, TCP) as live, live.connect() as waits, live.connect() as other:
        waits.send("wait")
        assert other.ask("echo hello") == "hello"
        live.stop(0)


def test_a_reply_has_a_context_for_each_connection() -> None:
    last: ContextVar[str] = ContextVar("last", default="nothing")

    def reply(line: str) -> str:
        before = last.get()
        last.set(line)
        return before

    with (
        Live(Service.reply("last", reply, lines()), TCP) as live,
        live.connect() as one,
        live.connect() as other,
    ):
        assert [one.ask("1"), other.ask("2"), one.ask("3")] == ["nothing", "nothing", "1"]
        assert live.call(last.get) == "nothing"


def test_a_reply_is_made_straight_from_the_read_with_no_task() -> None:
    seen: list[tuple[int, object]] = []

    def reply(line: str) -> str | None:
        seen.append((threading.get_ident(), asyncio.current_task()))
        return None if line == "silence" else line.upper()

    with Live(Service.reply("reply", reply, lines()), TCP) as live, live.connect() as peer:
        peer.sock.sendall(b"one\nsilence\ntwo\n")
        assert [peer.line(), peer.line()] == ["ONE", "TWO"]
        assert seen == [(live.thread.ident, None)] * 3
    assert live.of(ConnectionEnded)[0].messages_sent == 2


def test_replies_of_one_read_leave_before_the_error_that_follows_them() -> None:
    with Live(handlers.replying, TCP) as live, live.connect() as peer:
        peer.sock.sendall(b"echo one\nfail now\necho two\n")
        assert peer.rest() == b"one\n"


def test_a_reply_that_the_framing_cannot_carry_is_the_functions_fault() -> None:
    service = Service.reply("double", lambda line: f"{line}\n{line}", lines())
    with Live(service, TCP) as live, live.connect() as peer:
        peer.send("one")
        assert peer.rest() == b""
        peer.close()
        assert live.await_event(ConnectionEnded).reason.startswith(
            "its handler failed: LocalProtocolError: a line holds a line ending"
        )


@pytest.mark.parametrize("model", ["asyncio", "inline", "threads"])
def test_a_blocking_handler_gets_a_thread_of_its_own(model: ModelName) -> None:
    with Live(handlers.blocking, TCP, model=model) as live, live.connect() as peer:
        assert peer.ask("thread") == "BlockingConnection obey 1"
        assert peer.ask("ident") != str(live.thread.ident)


def test_a_blocking_handler_that_blocks_stops_nothing_but_itself() -> None:
    go = threading.Event()

    def handler(conn: BlockingConnection[str]) -> None:
        for line in conn:
            if line == "block":
                go.wait(PATIENCE)
            conn.send(f"{line} {threading.current_thread().name}")

    service = Service("blocks", handler, lines())
    with Live(service, TCP) as live, live.connect() as stuck, live.connect() as other:
        stuck.send("block")
        assert other.ask("hello") == "hello blocks 2"
        go.set()
        assert stuck.line() == "block blocks 1"


def test_the_methods_of_a_blocking_handler_are_those_of_an_async_one() -> None:
    def handler(conn: BlockingConnection[str]) -> None:
        with pytest.raises(ReceiveTimeout):
            conn.receive(timeout=0)
        conn.send_many(["one", "two"])
        conn.send(conn.receive(timeout=PATIENCE))
        conn.send_eof()
        assert list(conn) == ["last"]

    with Live(Service("all", handler, lines()), TCP) as live, live.connect() as peer:
        assert [peer.line(), peer.line()] == ["one", "two"]
        assert peer.ask("three") == "three"
        assert peer.line() == ""
        peer.send("last")
        peer.close()
        assert live.await_event(ConnectionEnded).reason == ""
