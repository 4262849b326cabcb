from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import (
    BadMessage,
    ConnectionClosed,
    EndOfStream,
    LocalProtocolError,
    MessageTooLong,
    PeerLost,
)
from jackfield.framing import lines, raw
from jackfield.framing.base import Framing
from jackfield.limits import Limits
from jackfield.net.ioloop import current
from jackfield.net.packets import (
    UDP_OVER_IPV4,
    UDP_OVER_IPV6,
    UNIT,
    PacketConnection,
    largest_unit,
)
from jackfield.net.roles import Plan
from tests import handlers
from tests.live import PATIENCE, Live, in_loop

SEQPACKET = Transport.UNIX_SEQPACKET


class Ends:
    """A packet connection with a plain socket at its other end."""

    def __init__(
        self,
        kind: int = socket.SOCK_SEQPACKET,
        framing: Framing[Any] | None = None,
        limits: Limits | None = None,
    ) -> None:
        ours, self.peer = socket.socketpair(socket.AF_UNIX, kind)
        ours.setblocking(False)
        self.peer.setblocking(False)
        transport = SEQPACKET if kind == socket.SOCK_SEQPACKET else Transport.UNIX_DATAGRAM
        plan = Plan(current(), framing or lines(), limits or Limits())
        self.conn: PacketConnection[Any] = PacketConnection(plan, ours, transport)
        self.conn.open()

    async def read(self) -> bytes:
        """What the peer gets next."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            return await loop.sock_recv(self.peer, 1 << 20)

    def close(self) -> None:
        self.conn.abort()
        self.peer.close()


def fill(conn: PacketConnection[str], most: int = 0) -> int:
    """Send until the system takes no more and `most` bytes wait; give how many messages."""
    count = 0
    while conn.unsent <= most:
        conn.send_batch([b"%05d " % count + b"x" * 1000])
        count += 1
    return count


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# How much fits


def test_the_largest_unit_is_what_the_protocol_and_the_system_say() -> None:
    for family, largest in ((socket.AF_INET, UDP_OVER_IPV4), (socket.AF_INET6, UDP_OVER_IPV6)):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            assert largest_unit(sock) == largest
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)
        assert largest_unit(one) == 100_000 - 32
        one.send(b"x" * largest_unit(one))
        with pytest.raises(OSError, match="Message too long"):
            one.send(b"x" * (largest_unit(one) + 1))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
        assert largest_unit(one) == UNIT  # more would be cut where it arrives


@in_loop
async def test_a_larger_one_fails_before_the_socket_and_nothing_of_it_is_sent() -> None:
    ends = Ends(framing=raw(max_message=UNIT))
    largest = ends.conn.largest
    await ends.conn.send(b"x" * largest)
    with pytest.raises(LocalProtocolError) as caught:
        ends.conn.send(b"y" * (largest + 1))
    assert str(caught.value) == (
        f"a message of {largest + 1} bytes, and one unit over unix+seqpacket carries {largest} "
        "at the most; send it in parts, or over a stream"
    )
    assert await ends.read() == b"x" * largest
    assert ends.conn.messages_sent == 1
    ends.close()


@in_loop
async def test_all_of_several_is_sent_or_nothing() -> None:
    ends = Ends(framing=raw())
    too_long = b"y" * (ends.conn.largest + 1)
    with pytest.raises(LocalProtocolError):
        ends.conn.send_all([b"x", too_long])
    with pytest.raises(LocalProtocolError):
        await ends.conn.send_many([b"x", too_long])
    ends.conn.send_all([b"one", b"two"])
    await ends.conn.send_many([b"three", b"four"])
    assert [await ends.read() for _ in range(4)] == [b"one", b"two", b"three", b"four"]
    ends.close()


@in_loop
async def test_one_that_was_cut_is_never_taken_for_what_was_left_of_it() -> None:
    """A peer with a larger buffer can send more than there is room for here."""
    ends = Ends(framing=raw(max_message=10 * UNIT))
    ends.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * UNIT)
    ends.peer.send(b"good")
    ends.peer.send(b"x" * (UNIT + 1))
    assert await ends.conn.receive() == b"good"
    with pytest.raises(MessageTooLong, match=f"a message longer than {UNIT} bytes"):
        await ends.conn.receive()
    await ends.conn.send(b"sending works still")
    assert await ends.read() == b"sending works still"
    ends.close()


# Messages


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_one_unit_is_one_message(kind: int) -> None:
    @in_loop
    async def main() -> None:
        ends = Ends(kind)
        for unit in (b"one\n", b"two", b"three\r\n", b"fo\nur"):
            ends.peer.send(unit)
        assert [await ends.conn.receive() for _ in range(4)] == ["one", "two", "three", "fo\nur"]
        await ends.conn.send("five")
        assert await ends.read() == b"five"
        assert ends.conn.messages_received == 4
        assert ends.conn.bytes_received == 4 + 3 + 7 + 5
        assert (ends.conn.messages_sent, ends.conn.bytes_sent) == (1, 4)
        ends.close()

    main()


@in_loop
async def test_an_empty_unit_is_a_message_of_datagrams_alone() -> None:
    datagrams = Ends(socket.SOCK_DGRAM, raw())
    await datagrams.conn.send(b"")
    assert await datagrams.read() == b""
    datagrams.peer.send(b"")
    assert await datagrams.conn.receive() == b""
    datagrams.close()
    ends = Ends(framing=raw())
    with pytest.raises(LocalProtocolError, match="empty"):
        ends.conn.send(b"")  # over seqpacket it would mean the end
    ends.close()


@in_loop
async def test_good_ones_before_a_bad_one_are_delivered_and_it_ends_the_input() -> None:
    ends = Ends()
    for unit in (b"good", b"better", b"\xff\xff", b"never"):
        ends.peer.send(unit)
    assert [await ends.conn.receive(), await ends.conn.receive()] == ["good", "better"]
    for _ in range(2):
        with pytest.raises(BadMessage):
            await ends.conn.receive()
    ends.close()


@in_loop
async def test_one_past_the_framings_bound_is_not_even_decoded() -> None:
    ends = Ends(framing=lines(max_message=10))
    ends.peer.send(b"0123456789\r\n")
    ends.peer.send(b"x" * 13)
    assert await ends.conn.receive() == "0123456789"
    with pytest.raises(MessageTooLong, match="a message longer than 10 bytes"):
        await ends.conn.receive()
    ends.close()


@in_loop
async def test_nothing_is_read_while_messages_wait() -> None:
    ends = Ends()
    ends.peer.send(b"one")
    await turns()
    assert ends.conn.messages_at_hand == 1
    ends.peer.send(b"two")
    await turns()
    ends.peer.send(b"three")
    await turns()
    assert ends.conn.messages_at_hand == 1  # the system holds the others
    assert not ends.conn._reading
    assert [await ends.conn.receive() for _ in range(3)] == ["one", "two", "three"]
    ends.close()


@in_loop
async def test_a_switch_holds_for_the_next_message() -> None:
    ends = Ends()
    ends.peer.send(b"text")
    assert await ends.conn.receive() == "text"
    conn = ends.conn.switch(raw())
    ends.peer.send(b"\xff\xff")
    assert await conn.receive() == b"\xff\xff"
    await conn.send(b"\xfe")
    assert await ends.read() == b"\xfe"
    ends.close()


@in_loop
async def test_what_needs_a_stream_says_so() -> None:
    ends = Ends()
    with open(os.devnull, "rb") as file:  # noqa: ASYNC230, PTH123  nothing is read from it
        for call in (
            ends.conn.receive_chunk(),
            ends.conn.send_chunk(b"x"),
            ends.conn.send_file(file),
        ):
            with pytest.raises(LocalProtocolError, match="needs a stream, and unix\\+seqpacket"):
                await call
    ends.close()


# Sending to one that lags


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_what_the_system_does_not_take_waits_and_sending_waits(kind: int) -> None:
    @in_loop
    async def main() -> None:
        ends = Ends(kind, limits=Limits(write_high=5000))
        conn = ends.conn
        count = fill(conn, 5000)
        waits = asyncio.ensure_future(conn.send("waits"))
        several = asyncio.ensure_future(conn.send_many(["a", "b"]))
        await turns()
        assert not waits.done()
        assert not several.done()
        conn.flush()  # nothing more goes now
        for number in range(count):
            assert await ends.read() == b"%05d " % number + b"x" * 1000
        assert [await ends.read() for _ in range(3)] == [b"waits", b"a", b"b"]
        await waits
        await several
        assert conn.unsent == 0
        assert conn.messages_sent == count + 3
        await conn.send("on")
        assert await ends.read() == b"on"
        ends.close()

    main()


@in_loop
async def test_posting_has_its_bound() -> None:
    ends = Ends(limits=Limits(outbox=300_000))
    posted = 0
    while ends.conn.post("x" * 10_000):
        posted += 1
        await turns(1)
    assert ends.conn.unsent <= 300_000
    for _ in range(posted):
        assert len(await ends.read()) == 10_000
    assert ends.conn.post("again")
    assert await ends.read() == b"again"
    ends.close()


@in_loop
async def test_what_was_posted_is_dropped_when_it_is_ended_in_the_same_turn() -> None:
    ends = Ends()
    assert ends.conn.post("too late")
    ends.conn.abort()
    await turns()
    assert await ends.read() == b""
    assert ends.conn.unsent == 0
    ends.close()


# Ends


@in_loop
async def test_the_peers_end_ends_receiving_and_not_sending() -> None:
    ends = Ends()
    ends.peer.send(b"last")
    ends.peer.shutdown(socket.SHUT_WR)
    assert [line async for line in ends.conn] == ["last"]
    with pytest.raises(EndOfStream):
        await ends.conn.receive()
    await ends.conn.send("answer")
    assert await ends.read() == b"answer"
    ends.close()


@in_loop
async def test_send_eof_ends_this_side_once_all_is_written() -> None:
    ends = Ends()
    count = fill(ends.conn)
    ending = asyncio.create_task(ends.conn.send_eof())
    await turns()
    assert not ending.done()
    for number in range(count):
        assert await ends.read() == b"%05d " % number + b"x" * 1000
    assert await ends.read() == b""
    await ending
    with pytest.raises(ConnectionClosed, match=r"send_eof\(\) has ended this side"):
        ends.conn.send("more")
    with pytest.raises(ConnectionClosed):
        await ends.conn.send_many(["more"])
    with pytest.raises(ConnectionClosed):
        ends.conn.send_all(["more"])
    with pytest.raises(ConnectionClosed):
        await ends.conn.send_eof()
    ends.peer.send(b"still heard")
    assert await ends.conn.receive() == "still heard"
    ends.close()


@in_loop
async def test_datagrams_have_no_end_of_one_side() -> None:
    ends = Ends(socket.SOCK_DGRAM)
    with pytest.raises(LocalProtocolError, match=r"has no end of one side: close\(\) instead"):
        await ends.conn.send_eof()
    ends.close()


@in_loop
async def test_send_eof_to_one_that_is_gone_is_no_error() -> None:
    ends = Ends()
    real, ends.conn._sock = ends.conn._sock, Failing()  # type: ignore[assignment]
    await ends.conn.send_eof()
    ends.conn._sock = real
    assert ends.conn.is_over
    ends.close()


@in_loop
async def test_closing_waits_until_all_is_written() -> None:
    ends = Ends()
    count = fill(ends.conn)
    closing = asyncio.create_task(ends.conn.close())
    await turns()
    assert not closing.done()
    with pytest.raises(ConnectionClosed):
        ends.conn.send("more")
    for number in range(count):
        assert await ends.read() == b"%05d " % number + b"x" * 1000
    await closing
    assert await ends.read() == b""
    await ends.conn.close()  # closing twice is closing once
    ends.conn.close_soon()
    ends.conn.abort()
    assert ends.conn.fileno() == -1
    with pytest.raises(ConnectionClosed, match="it has no socket any more"):
        ends.conn.live_socket()
    ends.peer.close()


@in_loop
async def test_closing_waits_no_longer_than_the_limits_say() -> None:
    ends = Ends(limits=Limits(linger_time=0.05))
    fill(ends.conn)
    async with asyncio.timeout(PATIENCE):
        await ends.conn.close()
    assert ends.conn.fileno() == -1
    ends.peer.close()


@in_loop
async def test_closing_ends_who_receives() -> None:
    ends = Ends()
    receiving = asyncio.create_task(ends.conn.receive())
    await turns()
    await ends.conn.close()
    with pytest.raises(ConnectionClosed):
        await receiving
    ends.peer.close()


@in_loop
async def test_a_stop_ends_receiving_once_what_had_arrived_is_received() -> None:
    ends = Ends()
    ends.peer.send(b"one")
    ends.peer.send(b"two")
    ends.conn.end_input()
    ends.conn.end_input()
    ends.peer.send(b"too late")
    assert [line async for line in ends.conn] == ["one", "two"]
    ends.close()


@in_loop
async def test_a_peer_that_is_gone_is_lost_when_it_is_written_to() -> None:
    ends = Ends()
    ends.peer.close()
    await ends.conn.send("anybody?")
    assert str(ends.conn.over) == "the peer has closed the connection (EPIPE)"
    with pytest.raises(PeerLost):
        ends.conn.send("anybody?")
    with pytest.raises(EndOfStream):
        await ends.conn.receive()
    ends.close()


@in_loop
async def test_a_reset_is_a_loss_after_what_came_before_it() -> None:
    ends = Ends()
    await ends.conn.send("unread")  # a close with this unread is a reset
    ends.peer.close()
    await turns()
    with pytest.raises(PeerLost, match=r"the peer reset the connection \(ECONNRESET\)"):
        await ends.conn.receive()
    with pytest.raises(PeerLost):
        ends.conn.send("anybody?")
    ends.close()


@in_loop
async def test_a_loss_while_something_waits_to_be_written() -> None:
    ends = Ends(socket.SOCK_DGRAM)
    fill(ends.conn)
    waiting = asyncio.create_task(ends.conn.drained())
    fill(ends.conn, ends.conn.limits.write_high)
    sending = asyncio.ensure_future(ends.conn.send("last"))
    ends.peer.close()
    for task in (sending, waiting):
        with pytest.raises(PeerLost):
            await task
    assert ends.conn.unsent == 0
    ends.close()


@in_loop
async def test_an_abort_with_something_waiting_leaves_nothing_behind() -> None:
    for kind in (socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        ends = Ends(kind)
        fill(ends.conn)
        ends.conn.abort("enough")
        assert ends.conn.reason == "enough"
        assert ends.conn.unsent == 0
        ends.close()


# Clients


@pytest.fixture
def nobody() -> Iterator[Endpoint]:
    """A UDP port where nobody listens, and nobody else will."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        endpoint = parse(f"udp://127.0.0.1:{sock.getsockname()[1]}")
        sock.connect(("127.0.0.1", 9))  # what comes from elsewhere is refused
        yield endpoint


def test_a_datagram_to_a_port_with_nobody_there_is_a_loss(nobody: Endpoint) -> None:
    @in_loop
    async def main() -> None:
        conn = await connect(nobody, lines())
        await conn.send("anybody?")
        with pytest.raises(PeerLost, match=r"nobody listens at the other end \(ECONNREFUSED\)"):
            await conn.receive(PATIENCE)
        with pytest.raises(PeerLost):
            conn.send("anybody?")
        await conn.close()

    main()


@pytest.mark.parametrize("url", ["udp://127.0.0.1:0", "unix+dgram:@PID", "unix+seqpacket:@PID"])
def test_a_client_is_the_same_connection_from_the_other_end(url: str) -> None:
    with Live(handlers.native, url) as live, connect(live.endpoints[0], lines()) as conn:
        for number in range(100):
            conn.send(f"echo {number}")
            assert conn.receive(PATIENCE) == str(number)
        assert str(conn.peer) == str(live.endpoints[0])
        conn.send("peer")
        assert conn.receive(PATIENCE) == str(conn.local)


def test_seqpacket_tells_who_is_at_the_other_end() -> None:
    with Live(handlers.native, "unix+seqpacket:@PID") as live, connect(live.endpoints[0]) as conn:
        assert conn.credentials is not None
        assert conn.credentials.pid == os.getpid()
        size = struct.calcsize("i")
        option = conn.socket_option(socket.SOL_SOCKET, socket.SO_TYPE, size)
        assert option == struct.pack("i", socket.SOCK_SEQPACKET)
        with pytest.raises(LocalProtocolError, match="TCP_INFO is for TCP connections"):
            conn.tcp_info()


def test_an_error_that_is_none_of_ours_ends_the_connection() -> None:
    """ENOBUFS, as a driver with a full queue gives it."""

    @in_loop
    async def main() -> None:
        ends = Ends(socket.SOCK_DGRAM)
        real, ends.conn._sock = ends.conn._sock, Failing()  # type: ignore[assignment]
        ends.conn.send("hello")
        assert str(ends.conn.over) == "No buffer space available (ENOBUFS)"
        ends.conn._sock = real
        ends.close()

    main()


class Failing:
    def send(self, _: bytes) -> int:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    def shutdown(self, _: int) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
