from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from jackfield.client import connect
from jackfield.endpoints import parse
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.server import Server
from jackfield.service import Service
from jackfield.services.talk import wire
from jackfield.services.talk.conversation import is_leaving
from jackfield.services.talk.events import Event, Heard, Met, PeerGone, PeerLeft, TakenForPlain
from jackfield.services.talk.line import REMEMBERED, Line
from tests.live import PATIENCE, in_loop

OUTBOX = 16 * 1024
"""Bytes, so that a test need not send many."""

PEER = "bbbbbbbbbbbbbbbb"
HELLO = wire.hello(PEER, "Bob", "utf-8")


def frame(kind: str, number: int = 0, ack: int = 0, text: str = "", sender: str = PEER) -> bytes:
    return bytes(wire.Frame(sender, kind, number, ack, text))


class Script:
    """A person who says what the test says."""

    def __init__(self, *, at_terminal: bool = True) -> None:
        self.at_terminal = at_terminal
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.happened: list[Event] = []
        self.unsent: list[str] = []
        self.conversations = 0
        self.broken: Exception | None = None
        self._news = asyncio.Event()

    async def line(self) -> str | None:
        return await self.lines.get()

    def began(self, conn: Connection[bytes]) -> None:
        self.conversations += 1

    def show(self, event: Event) -> None:
        self.happened.append(event)
        self._news.set()

    def said(self, text: str) -> None:
        self._news.set()

    def not_sent(self, text: str, reason: str) -> None:
        self.unsent.append(text)
        self._news.set()

    async def shown(self) -> None:
        if self.broken is not None:
            raise self.broken

    def ended(self) -> None:
        self.conversations -= 1
        self._news.set()

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait until something that is told makes this true."""
        async with asyncio.timeout(PATIENCE):
            while not met():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def listening(url: str, person: Script) -> AsyncIterator[tuple[Line, Server[bytes]]]:
    line = Line(person, "Ann", "utf-8")
    service = Service("talk", line.attend, framing=Raw(), limits=Limits(outbox=OUTBOX))
    async with Server(service, url) as server:
        typing = asyncio.create_task(line.type())
        yield line, server
        line.hang_up()
        typing.cancel()


@contextlib.asynccontextmanager
async def bare(server: Server[bytes]) -> AsyncIterator[Connection[bytes]]:
    async with connect(server.endpoints[0], Raw()) as conn:
        yield conn


async def next_frame(conn: Connection[bytes]) -> wire.Frame:
    """The next frame that comes, past the hello."""
    while True:
        found = wire.read((await conn.receive(PATIENCE)).removesuffix(b"\n"), "utf-8")
        if isinstance(found, wire.Frame):
            return found


@pytest.mark.parametrize("word", ["bye", "Quit", " EXIT ", "q", "Q\t"])
def test_leaving_words(word: str) -> None:
    assert is_leaving(word)
    assert not is_leaving(f"{word}!")


@in_loop
async def test_frames_of_a_conversation_nobody_knows_are_told_so() -> None:
    person = Script()
    async with listening("udp://127.0.0.1:0", person) as (_, server), bare(server) as conn:
        await conn.send(frame(wire.LINE, 5, 0, "hello"))
        assert (await next_frame(conn)).kind == wire.UNKNOWN
        await conn.send(frame(wire.UNKNOWN))
        await conn.send(HELLO)
        assert (await next_frame(conn)).kind == wire.ACK
    assert person.happened[0] == Met("Bob")


@in_loop
async def test_what_is_doubled_after_the_end_begins_nothing() -> None:
    person = Script()
    async with listening("udp://127.0.0.1:0", person) as (_, server), bare(server) as conn:
        await conn.send(HELLO)
        await next_frame(conn)
        await conn.send(frame(wire.BYE, 1))
        assert (await next_frame(conn)).ack == 1
        await person.until(lambda: not person.conversations)
        await conn.send(HELLO)
        await conn.send(frame(wire.BYE, 1))
        assert (await next_frame(conn)).ack == 1
    assert person.happened == [Met("Bob"), PeerLeft()]


@in_loop
async def test_a_caller_still_confirms_the_goodbye_when_it_is_said_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(PATIENCE)
        peer.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{peer.getsockname()[1]}"

        def answer_thrice() -> None:
            _, address = peer.recvfrom(65536)
            peer.sendto(HELLO, address)
            for _ in range(3):
                peer.sendto(frame(wire.BYE, 1), address)
                while b" A 0 1" not in peer.recv(65536):
                    pass

        async with connect(parse(url), Raw()) as conn:
            person = Script()
            answering = asyncio.create_task(asyncio.to_thread(answer_thrice))
            await Line(person, "Ann", "utf-8").call(conn)
            await answering
            assert person.happened == [Met("Bob"), PeerLeft()]


@in_loop
async def test_a_peer_that_asks_and_never_reads_is_given_up() -> None:
    person = Script()
    small = "tcp://127.0.0.1:0?sndbuf=4k"
    async with listening(small, person) as (_, server), bare(server) as conn:
        await conn.send(HELLO)
        flood = frame(wire.ASK) * 1000
        while not any(isinstance(event, PeerGone) for event in person.happened):
            conn.post(flood)
            await asyncio.sleep(0)
    assert PeerGone("it does not read what it is sent") in person.happened


@in_loop
async def test_lines_wait_while_the_peer_does_not_take_them() -> None:
    person = Script(at_terminal=False)
    async with listening("udp://127.0.0.1:0", person) as (_, server), bare(server) as conn:
        for number in range(500):
            person.lines.put_nowait(str(number))
        await conn.send(HELLO)
        heard: list[str] = []
        acked = -1
        while len(heard) < 500:
            found = await next_frame(conn)
            if found.kind == wire.LINE and found.number == len(heard) + 1:
                heard.append(found.text)
            if len(heard) != acked:
                acked = len(heard)
                assert person.lines.qsize() >= 500 - acked - 32 - 64 - 2
                await conn.send(frame(wire.ACK, 0, acked))
        assert heard == [str(number) for number in range(500)]


@in_loop
async def test_a_script_without_anybody_waits_for_one_and_then_for_the_next() -> None:
    person = Script(at_terminal=False)
    async with listening("tcp://127.0.0.1:0", person) as (_, server):
        async with bare(server) as conn:
            await conn.send(b"hello\nquit\n")
            await person.until(lambda: PeerLeft() in person.happened)
            await person.until(lambda: not person.conversations)
        person.lines.put_nowait("for the next one")
        async with bare(server) as conn:
            await conn.send(b"me\n")
            read = b""
            while b"for the next one\n" not in read:
                read += await conn.receive(PATIENCE)
    assert person.unsent == []


@in_loop
async def test_while_one_that_is_over_still_closes_there_is_nobody() -> None:
    """A second Ctrl-D is another one, and no line goes to who has been left."""
    person = Script()
    line = Line(person, "Ann", "utf-8")
    service = Service("talk", line.attend, framing=Raw())
    async with Server(service, "tcp://127.0.0.1:0") as server, bare(server) as conn:
        typing = asyncio.create_task(line.type())
        await conn.send(b"hello\n")  # and this side keeps it open, so that its end is waited for
        await person.until(lambda: any(isinstance(one, Heard) for one in person.happened))
        for typed in (None, "too late", None):
            person.lines.put_nowait(typed)
        async with asyncio.timeout(PATIENCE):
            await typing
        assert person.unsent == ["too late"]
        assert server.connections == 1
        conn.abort()


@in_loop
async def test_what_is_typed_while_nobody_is_there_is_told() -> None:
    person = Script()
    async with listening("tcp://127.0.0.1:0", person):
        person.lines.put_nowait("hello?")
        await person.until(lambda: person.unsent == ["hello?"])


@in_loop
async def test_only_so_many_conversations_are_remembered() -> None:
    person = Script()
    async with listening("udp://127.0.0.1:0", person) as (_, server):
        for number in range(REMEMBERED + 1):
            sender = f"{number:016x}"
            async with bare(server) as conn:
                await conn.send(wire.hello(sender, "Bob", "utf-8"))
                await next_frame(conn)
                await conn.send(frame(wire.BYE, 1, sender=sender))
                await next_frame(conn)
            await person.until(lambda: not person.conversations)
        async with bare(server) as conn:
            await conn.send(frame(wire.BYE, 1, sender=f"{1:016x}"))
            assert (await next_frame(conn)).kind == wire.ACK
            await conn.send(frame(wire.BYE, 1, sender=f"{0:016x}"))
            assert (await next_frame(conn)).kind == wire.UNKNOWN


@in_loop
async def test_what_fails_in_showing_ends_the_line() -> None:
    person = Script()
    async with listening("tcp://127.0.0.1:0", person) as (line, server), bare(server) as conn:
        person.broken = RuntimeError("no screen")
        await conn.send(b"hello\n")
        with pytest.raises(RuntimeError, match="no screen"):
            await asyncio.wait_for(asyncio.shield(line.failed), PATIENCE)


@in_loop
async def test_a_caller_that_is_gone_at_once_is_nobody() -> None:
    person = Script()
    async with listening("tcp://127.0.0.1:0", person) as (line, server):
        async with bare(server) as first:
            await first.send(b"one\n")
            await person.until(lambda: Heard("one") in person.happened)
            async with bare(server) as second:
                second.abort()
        await person.until(lambda: not person.conversations)
        assert not line.failed.done()
    assert person.happened == [TakenForPlain(), Heard("one"), PeerLeft()]
