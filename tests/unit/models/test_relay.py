from __future__ import annotations

import asyncio
import socket

from jackfield.endpoints import Transport
from jackfield.events import DatagramsDropped, Event, Events
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models.relay import Relay
from jackfield.net.ioloop import current
from jackfield.net.packets import UNIT, PacketConnection
from jackfield.net.roles import Plan
from tests.live import PATIENCE, in_loop, until


class Session:
    """A relay for a session whose peer is a plain socket; the process' end is a plain one, too."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.told: list[Event] = []
        events = Events()
        events.subscribe(Event, self.told.append)
        ours, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        self.peer.setblocking(False)
        plan = Plan(current(), Raw(UNIT), limits or Limits())
        self.conn: PacketConnection[bytes] = PacketConnection(plan, ours, Transport.UNIX_DATAGRAM)
        self.relay = Relay(self.conn, events)
        self.conn.open()
        self.process = self.relay.theirs

    async def read(self, sock: socket.socket) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(sock, UNIT)

    def close(self) -> None:
        self.relay.finish("")
        self.process.close()
        self.peer.close()


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@in_loop
async def test_units_go_both_ways_empty_ones_too() -> None:
    session = Session()
    for unit in (b"one", b"", b"three"):
        session.peer.send(unit)
        assert await session.read(session.process) == unit
        session.process.send(unit)
        assert await session.read(session.peer) == unit
    session.close()


@in_loop
async def test_what_comes_before_there_is_a_process_waits_for_it() -> None:
    session = Session()
    session.peer.send(b"early")
    await turns()
    session.relay.start(lambda: None)
    assert await session.read(session.process) == b"early"
    session.close()


@in_loop
async def test_what_is_not_taken_waits_within_a_bound_and_in_order() -> None:
    session = Session(Limits(session_inbox=5))
    count = 0
    while not session.told:
        session.relay.take([b"%05d " % count + b"x" * 4000])
        count += 1
    session.relay.take([b"a", b"b"])
    assert [event.count for event in session.told if isinstance(event, DatagramsDropped)] == [1, 2]
    for number in range(count - 1):
        assert (await session.read(session.process)).startswith(b"%05d " % number)
    session.relay.take([b"on"])
    assert await session.read(session.process) == b"on"
    session.close()


@in_loop
async def test_nothing_is_taken_from_the_process_while_the_peer_lags() -> None:
    session = Session(Limits(write_high=10_000))
    written = 0
    while True:
        try:
            session.process.send(b"%05d " % written + b"x" * 4000)
            written += 1
        except BlockingIOError:
            if session.conn.unsent > 10_000:
                break
            await turns(1)
    await turns()
    assert session.conn.unsent < 20_000
    for number in range(written):
        assert (await session.read(session.peer)).startswith(b"%05d " % number)
    session.close()


@in_loop
async def test_the_process_is_told_once_that_the_input_has_ended() -> None:
    session = Session()
    told: list[str] = []
    session.relay.start(lambda: told.append("drain"))
    session.conn.end_input()
    session.conn.end_input()
    assert told == ["drain"]
    session.close()


@in_loop
async def test_a_process_that_comes_after_the_end_is_told_at_once() -> None:
    session = Session()
    session.conn.end_input()
    told: list[str] = []
    session.relay.start(lambda: told.append("drain"))
    assert told == ["drain"]
    session.close()


@in_loop
async def test_what_the_process_sent_last_goes_out_first() -> None:
    session = Session()
    session.process.send(b"last")
    session.process.send(b"words")
    session.relay.finish("its handler failed")
    assert [await session.read(session.peer) for _ in range(2)] == [b"last", b"words"]
    assert session.conn.is_over
    assert session.conn.reason == "its handler failed"
    session.relay.take([b"too late"])
    session.close()


@in_loop
async def test_when_the_peer_is_lost_the_process_sending_fails() -> None:
    session = Session(Limits(write_high=10_000))
    session.peer.close()
    session.process.send(b"anybody?")
    await turns()
    assert session.conn.is_over
    await asyncio.to_thread(until, lambda: closed(session.process))
    session.close()


@in_loop
async def test_a_peer_that_is_lost_while_it_lags() -> None:
    session = Session(Limits(write_high=10_000))
    while session.conn.unsent <= 10_000:
        if not sent(session.process):
            await turns(1)
    await turns()
    session.peer.close()
    await asyncio.to_thread(until, lambda: closed(session.process))
    assert session.conn.unsent == 0
    session.close()


def sent(sock: socket.socket) -> bool:
    try:
        sock.send(b"x" * 4000)
    except BlockingIOError:
        return False
    return True


def closed(sock: socket.socket) -> bool:
    """Whether the other end is."""
    try:
        sock.send(b"x")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
