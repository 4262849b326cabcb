from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import DatagramsDropped, HandlerFailed, Refused
from jackfield.framing import lines
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.server import Server
from jackfield.service import Service
from tests import handlers
from tests.live import PATIENCE, Live, all_closed, until

UDP = "udp://127.0.0.1:0"


class Diary:
    """Handlers that note when they begin and end with a message."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def native(self, conn: Connection[str]) -> None:
        async for line in conn:
            self.notes.append(f"begin {line}")
            await asyncio.sleep(0.001)  # others might go on meanwhile
            self.notes.append(f"end {line}")
            await conn.send(line)

    async def once(self, conn: Connection[str]) -> None:
        line = await conn.receive()
        self.notes.append(f"begin {line}")
        await conn.send(line)
        await asyncio.sleep(0.001)
        self.notes.append(f"end {line}")

    def blocking(self, conn: BlockingConnection[str]) -> None:
        for line in conn:
            self.notes.append(f"begin {line}")
            self.notes.append(f"end {line}")
            conn.send(line)

    def service(self, kind: str) -> Service[Any]:
        if kind == "reply":
            return Service.reply("reply", self.replied, lines())
        return Service(kind, getattr(self, kind), lines())

    def replied(self, line: str) -> str:
        self.notes += [f"begin {line}", f"end {line}"]
        return line


@pytest.mark.parametrize("kind", ["native", "once", "blocking", "reply"])
@pytest.mark.parametrize("url", [UDP, "unix+dgram:@PID"])
def test_datagrams_are_answered_in_order_of_arrival_whoever_sent_them(kind: str, url: str) -> None:
    diary = Diary()
    with Live(diary.service(kind), url, model="inline") as live:
        peers = [live.connect() for _ in range(4)]
        with all_closed(peers):
            # 0 1 2 3 3 2 1 0 and so on, five times
            turns = [*range(4), *reversed(range(4))] * 5
            for number, turn in enumerate(turns):
                peers[turn].send(f"{turn} {number}")
            for number, turn in enumerate(turns):
                assert peers[turn].line() == f"{turn} {number}"
        until(lambda: len(diary.notes) == 80)
    sent = [f"{turn} {number}" for number, turn in enumerate(turns)]
    assert diary.notes == [f"{step} {line}" for line in sent for step in ("begin", "end")]


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
def test_a_held_stream_does_not_stop_datagrams(service: Service[str]) -> None:
    with (
        Live(service, "tcp://127.0.0.1:0", UDP, model="inline") as live,
        live.connect(0) as held,
        live.connect(0) as waiting,
        live.connect(1) as datagrams,
    ):
        assert held.ask("echo mine") == "mine"
        waiting.send("echo later")
        assert datagrams.ask("echo now") == "now"
        assert datagrams.ask("echo again") == "again"
        held.close()
        assert waiting.line() == "later"


def test_datagrams_do_not_stop_a_stream() -> None:
    diary = Diary()
    with (
        Live(diary.service("native"), "tcp://127.0.0.1:0", UDP, model="inline") as live,
        live.connect(1) as datagrams,
        live.connect(0) as stream,
    ):
        assert datagrams.ask("one") == "one"  # its session goes on
        assert stream.ask("two") == "two"


def test_one_that_fails_or_makes_no_sense_does_not_stop_the_next() -> None:
    with Live(handlers.native, UDP, model="inline") as live:
        with live.connect() as bad, live.connect() as good:
            bad.sock.send(b"\xff")
            assert bad.line().startswith("error: ")
            bad.send("fail now", "echo after")
            assert good.ask("echo next") == "next"
            assert bad.line() == "after"  # a new session
        assert live.of(Refused)
        assert live.of(HandlerFailed)[0].error == "ValueError: now"


def test_while_one_is_answered_so_many_wait_and_no_more() -> None:
    go = threading.Event()

    def handler(conn: BlockingConnection[str]) -> None:
        for line in conn:
            go.wait(PATIENCE)
            conn.send(line)

    service = Service("slow", handler, lines())
    limits = Limits(session_inbox=2)
    with Live(service, UDP, model="inline", limits=limits) as live, live.connect() as peer:
        peer.send("0")
        until(lambda: live.server._listeners[0]._busy)  # type: ignore[union-attr]
        peer.send("1", "2", "3", "4")
        until(lambda: sum(event.count for event in live.of(DatagramsDropped)) == 2)
        go.set()
        assert [peer.line(), peer.line(), peer.line()] == ["0", "1", "2"]
        assert peer.ask("5") == "5"
    reasons = {event.reason for event in live.of(DatagramsDropped)}
    assert reasons == {"more datagrams wait for a handler than session_inbox allows"}


def test_a_stream_of_a_room_is_refused_with_the_reason() -> None:
    service = handlers.lines_of(handlers.obey, joins_rooms=True)
    server = Server(service, UDP, "unix:@jackfield-inline", model="inline")
    with pytest.raises(ConfigurationError, match="under inline a stream has one; choose"):
        asyncio.run(server.start())
    with Live(service, UDP, model="inline") as live, live.connect() as one, live.connect() as other:
        assert one.ask("join") == "done"
        assert other.ask("tell hello") == "done"
        assert one.line() == "hello"
