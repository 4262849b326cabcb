from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from jackfield.errors import EndOfStream, LocalProtocolError
from jackfield.events import (
    ConnectionEnded,
    ConnectionOpened,
    DatagramsDropped,
    HandlerFailed,
    Refused,
)
from jackfield.framing import lines, raw
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net import datagrams as module
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.net.datagrams import DatagramListener
from jackfield.net.sessions import SessionConnection
from jackfield.service import Service
from tests import handlers
from tests.live import PATIENCE, SEVERAL, Live, Peer, all_closed, until
from tests.unit.net.machine import needs_ipv6

UDP = "udp://127.0.0.1:0"
DGRAM = "unix+dgram:@PID"


def listener_of(live: Live) -> DatagramListener:
    listener = live.server._listeners[0]
    assert isinstance(listener, DatagramListener)
    return listener


def dropped(live: Live) -> dict[str, int]:
    """Why datagrams were dropped, and how many."""
    counts: dict[str, int] = {}
    for event in live.of(DatagramsDropped):
        counts[event.reason] = counts.get(event.reason, 0) + event.count
    return counts


def queued(sock: socket.socket) -> int:
    """Bytes of the next datagram that waits there: FIONREAD of udp(7)."""
    return int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), sys.byteorder)


class Held:
    """A blocking handler that does nothing with a message before it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, conn: BlockingConnection[str]) -> None:
        for line in conn:
            self.go.wait(PATIENCE)
            conn.send(line)


# Sessions


@pytest.mark.parametrize("url", [UDP, DGRAM, pytest.param("udp://[::1]:0", marks=needs_ipv6)])
def test_each_peer_has_a_session_of_its_own(url: str) -> None:
    with Live(handlers.native, url) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            assert [peer.ask(f"echo {number}") for number, peer in enumerate(peers)] == [*"012"]
            assert [peer.ask("peer") for peer in peers] == [
                event.peer for event in live.of(ConnectionOpened)
            ]
            assert live.server.connections == 3
            assert [peer.ask("quit") for peer in peers] == ["done"] * 3
            live.await_events(ConnectionEnded, 3)
            assert peers[0].ask("echo again") == "again"  # a new one
            assert len(live.of(ConnectionOpened)) == 4


@pytest.mark.parametrize("model", SEVERAL)
def test_a_session_ends_after_so_long_a_silence(model: ModelName) -> None:
    limits = Limits(session_idle=0.1)
    with Live(handlers.native, UDP, model=model, limits=limits) as live, live.connect() as peer:
        assert peer.ask("echo hello") == "hello"
        ended = live.await_event(ConnectionEnded)
        assert (ended.reason, ended.peer) == ("", peer.name)
        assert live.server.connections == 0


def test_a_peer_that_speaks_now_and_then_keeps_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Live(handlers.native, UDP) as live, live.connect() as peer, live.connect() as silent:
        assert peer.ask("echo hello") == "hello"
        assert silent.ask("echo hello") == "hello"
        listener = listener_of(live)
        one, other = live.call(lambda: list(listener._sessions.values()))

        def sweep() -> None:
            one.last_heard -= listener._limits.session_idle / 2
            other.last_heard -= listener._limits.session_idle * 2
            assert listener._sweep is not None
            listener._sweep.cancel()
            listener._sweep_sessions()

        live.call(sweep)
        assert live.await_event(ConnectionEnded).peer == silent.name
        assert peer.ask("echo still") == "still"
        live.call(sweep)
        assert peer.ask("echo here") == "here"
        assert len(live.of(ConnectionOpened)) == 2


def test_past_the_bound_on_sessions_a_new_peer_is_dropped_and_counted() -> None:
    with Live(handlers.native, UDP, limits=Limits(sessions=2)) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            assert [peer.ask("echo in") for peer in peers[:2]] == ["in", "in"]
            peers[2].send("echo one", "echo two")
            until(lambda: dropped(live) == {"more peers at a time than sessions allows": 2})
            assert peers[0].ask("quit") == "done"
            live.await_event(ConnectionEnded)
            assert peers[2].ask("echo three") == "three"


def test_past_its_inbox_a_session_drops_and_counts() -> None:
    held = Held()
    service = Service("held", held, lines())
    with Live(service, UDP, limits=Limits(session_inbox=3)) as live, live.connect() as peer:
        # one is at hand, three wait, and the handler may have taken one more
        peer.send("0")
        live.await_event(ConnectionOpened)
        until(lambda: live.call(lambda: live.server._live[1].messages_received) == 1)
        until(lambda: not live.server._live[1].inbox)
        peer.send(*"123456789")
        reason = "its handler lags by more than session_inbox datagrams"
        until(lambda: dropped(live) == {reason: 5})
        held.go.set()
        assert [peer.line() for _ in range(5)] == [*"01234"]
        assert peer.ask("on") == "on"


def test_what_waits_for_a_handler_has_a_bound_and_order() -> None:
    """One thread; the datagrams of other peers wait, and a peer's own stay in order."""
    held = Held()
    service = Service("held", held, lines())
    limits = Limits(threads=1, session_inbox=4, session_idle=0.2)
    with Live(service, UDP, model="threads", limits=limits) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed(peers):
            peers[0].send("first")
            until(lambda: live.of(ConnectionOpened))
            peers[1].send("a1")
            peers[2].send("b1")
            peers[1].send("a2")
            peers[2].send("b2", "b3")
            reason = "more datagrams wait for a handler than session_inbox allows"
            until(lambda: dropped(live) == {reason: 1})
            held.go.set()
            assert peers[0].line() == "first"
            # the silent session ends, and the next one has all its datagrams
            assert [peers[1].line(), peers[1].line()] == ["a1", "a2"]
            assert [peers[2].line(), peers[2].line()] == ["b1", "b2"]


def test_a_session_that_begins_gets_its_own_before_what_comes_later() -> None:
    """A new datagram must not overtake one that waits behind another peer's."""
    held = Held()
    service = Service("held", held, lines())
    with Live(service, UDP, model="threads", limits=Limits(threads=2)) as live:
        peers = [live.connect() for _ in range(4)]
        with all_closed(peers):
            first, other, mine, late = peers
            first.send("x")
            other.send("y")
            live.await_events(ConnectionOpened, 2)
            mine.send("1")
            late.send("z")
            mine.send("2")
            until(lambda: len(listener_of(live)._waiting) == 3)
            live.call(lambda: end(live, 1))
            live.await_events(ConnectionOpened, 3)
            mine.send("3")
            held.go.set()
            assert [mine.line() for _ in range(3)] == ["1", "2", "3"]


@contextlib.contextmanager
def lagging() -> Iterator[tuple[Held, Peer, SessionConnection[str], Live]]:
    """Give a session whose handler, in a thread, has one message at hand and two that wait."""
    held = Held()
    with (
        Live(Service("held", held, lines()), UDP, model="threads") as live,
        live.connect() as peer,
    ):
        peer.send("1")
        live.await_event(ConnectionOpened)
        (session,) = live.server._live.values()
        assert isinstance(session, SessionConnection)
        until(lambda: session.messages_received == 1 and not session.inbox)  # it has the first one
        peer.send("2", "3", "4")
        until(lambda: len(session._units) == 2)
        yield held, peer, session, live


def test_who_asks_twice_in_another_thread_is_given_all_that_waits() -> None:
    """It may be woken, and given something, before the loop has heard that it asked."""
    with lagging() as (held, peer, session, live):
        live.call(session.release)
        held.go.set()
        assert [peer.line() for _ in range(4)] == ["1", "2", "3", "4"]


def test_who_is_to_be_idle_is_so_after_all_that_waits() -> None:
    with lagging() as (held, peer, session, live):
        idle: list[int] = []
        live.call(lambda: session.expect_idle(lambda: idle.append(session.messages_received)))
        live.call(session.release)
        assert idle == []
        held.go.set()
        assert [peer.line() for _ in range(4)] == ["1", "2", "3", "4"]
        until(lambda: idle == [4])


def end(live: Live, number: int) -> None:
    """End a session, and free its handler."""
    live.server._live[number].abort()
    live.server._handler_done()
    live.server._handlers += 1  # the thread gives it back, later


def test_a_service_that_answers_once_serves_datagram_after_datagram() -> None:
    async def once(conn: Connection[str]) -> None:
        await conn.send(f"{conn.number} {await conn.receive()}")

    with Live(Service("once", once, lines()), UDP) as live, live.connect() as peer:
        assert [peer.ask("hello"), peer.ask("again")] == ["1 hello", "2 again"]


@pytest.mark.parametrize("service", [handlers.native, handlers.blocking])
@pytest.mark.parametrize("model", ["asyncio", "threads", "inline"])
def test_what_comes_right_behind_a_handlers_last_datagram_begins_another_session(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, UDP, model=model) as live, live.connect() as peer:
        for _ in range(5):
            peer.send("echo a", "quit", "echo b", "echo c", "quit", "echo d")
            assert sorted(peer.line() for _ in range(6)) == ["a", "b", "c", "d", "done", "done"]
        assert dropped(live) == {}


def test_one_that_ends_without_having_received_does_not_begin_another_for_ever() -> None:
    async def says_its_number(conn: Connection[str]) -> None:
        await conn.send(f"{conn.number}")

    with Live(Service("number", says_its_number, lines()), UDP) as live, live.connect() as peer:
        peer.send("one", "two")
        assert [peer.line(), peer.line()] == ["1", "2"]
        assert peer.ask("three") == "3"


def test_under_processes_it_is_dropped_and_counted() -> None:
    with Live(handlers.native, UDP, model="processes") as live, live.connect() as peer:
        child = int(peer.ask("pid"))
        os.kill(child, signal.SIGSTOP)
        peer.send("quit", "echo b", "echo c")
        (session,) = live.server._live.values()
        until(lambda: session.messages_received == 4)
        os.kill(child, signal.SIGCONT)
        assert peer.line() == "done"
        live.await_event(DatagramsDropped)
        assert dropped(live) == {"its handler ended, and its process with it": 2}
        assert peer.ask("echo d") == "d"


def test_a_refusal_is_one_datagram_and_ends_the_session() -> None:
    with Live(handlers.native, UDP) as live, live.connect() as peer:
        peer.sock.send(b"\xff")
        assert peer.line() == f"error: {live.await_event(Refused).reason}"
        assert peer.ask("echo well") == "well"
        peer.send("fail now")
        live.await_event(HandlerFailed)
        assert peer.ask("echo well") == "well"


# Whole or not at all


@pytest.mark.parametrize(
    ("url", "largest"), [(UDP, 65_507), pytest.param("udp://[::1]:0", 65_527, marks=needs_ipv6)]
)
def test_the_largest_datagram_goes_both_ways_and_a_larger_one_fails_before_the_socket(
    url: str, largest: int
) -> None:
    failed: list[str] = []

    async def double(conn: Connection[bytes]) -> None:
        async for data in conn:
            await conn.send(data)
            with pytest.raises(LocalProtocolError) as caught:
                conn.send(data + b"x")
            failed.append(str(caught.value))
            await conn.send(b"still here")

    framing = raw(max_message=100_000)
    with Live(Service("double", double, framing), url) as live, live.connect() as peer:
        peer.sock.send(b"x" * largest)
        assert len(peer.sock.recv(100_000)) == largest
        assert peer.sock.recv(100) == b"still here"
    assert failed == [
        (
            f"a message of {largest + 1} bytes, and one unit over udp carries {largest} at the most"
            "; send it in parts, or over a stream"
        )
    ]


def test_an_empty_datagram_is_a_message() -> None:
    with (
        Live(Service.reply("size", lambda data: b"%d" % len(data), raw()), UDP) as live,
        live.connect() as peer,
    ):
        peer.sock.send(b"")
        assert peer.sock.recv(100) == b"0"


def test_a_datagram_that_was_cut_is_dropped_and_counted() -> None:
    """Over UNIX sockets larger ones can be sent than there is room for here."""
    with Live(handlers.native, DGRAM) as live, live.connect() as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        peer.sock.send(b"x" * 300_000)
        until(lambda: dropped(live) == {"a datagram larger than the largest there can be": 1})
        assert peer.ask("echo next") == "next"


def test_a_peer_without_an_address_cannot_be_answered() -> None:
    with Live(handlers.native, DGRAM) as live, socket.socket(socket.AF_UNIX, 2) as nameless:
        nameless.connect("\0" + live.endpoints[0].path[1:])
        nameless.send(b"echo hello")
        reason = "a peer without an address of its own, which cannot be answered"
        until(lambda: dropped(live) == {reason: 1})
        assert live.of(ConnectionOpened) == []


def test_what_the_kernel_drops_is_counted_and_reported() -> None:
    """The server is busy while more arrives than its socket's buffer holds: SO_RXQ_OVFL."""
    with Live(handlers.native, f"{UDP}?rcvbuf=4096") as live, live.connect() as peer:
        assert peer.ask("echo before") == "before"
        sent = 200
        live.call(lambda: peer.send(*["x" * 400] * sent))
        sock = listener_of(live)._sock
        until(lambda: not queued(sock))  # else there is no room for what follows either
        for number in range(20):  # the count comes with the datagrams that follow
            peer.ask(f"echo {number}")
            if dropped(live):
                break
        (reason,) = dropped(live)
        assert reason == "no room in the socket's buffer; a larger ?rcvbuf= helps"
        lost = dropped(live)[reason]
        assert 0 < lost < sent
        until(lambda: live.call(lambda: live.server._live[1].messages_received) >= sent - lost)


def test_the_kernels_count_goes_round() -> None:
    with Live(handlers.native, UDP) as live:
        listener = listener_of(live)

        def read(total: int) -> None:
            option = (socket.SOL_SOCKET, module._RXQ_OVFL, struct.pack("=I", total))
            listener._read_ancillary([option])
            listener._report_drops()

        for total in (5, 5, 0xFFFF_FFFF, 2):
            live.call(partial(read, total))
        assert [event.count for event in live.of(DatagramsDropped)] == [5, 0xFFFF_FFFA, 3]


def test_an_error_of_the_socket_is_told_and_reading_goes_on() -> None:
    with Live(handlers.native, UDP) as live, live.connect() as peer:
        listener = listener_of(live)
        real = listener._sock

        def fail() -> None:
            listener._sock = FailingSocket()  # type: ignore[assignment]
            listener._on_readable()
            listener._sock = real

        live.call(fail)
        assert dropped(live) == {"the socket failed (ENOMEM)": 1}
        assert peer.ask("echo on") == "on"


class FailingSocket:
    def recvmsg_into(self, *_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


# The way back


def ask_at(live: Live, sock: socket.socket, host: str, line: str) -> tuple[str, str]:
    """Send to one of the server's addresses; the answer, and where it came from."""
    sock.settimeout(PATIENCE)
    sock.sendto(line.encode(), (host, live.endpoints[0].port))
    data, address = sock.recvfrom(1000)
    return data.decode(), address[0]


@pytest.mark.parametrize("model", SEVERAL)
def test_on_a_wildcard_the_reply_leaves_from_the_address_written_to(model: ModelName) -> None:
    with Live(handlers.native, "udp://0.0.0.0:0", model=model) as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            for host in ("127.0.0.2", "127.0.0.3", "127.0.0.1"):
                assert ask_at(live, sock, host, "echo hello") == ("hello", host)
        assert len(live.of(ConnectionOpened)) == 1


@needs_ipv6
def test_likewise_on_a_dual_stack_socket() -> None:
    with Live(handlers.native, "udp://[::]:0") as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            assert ask_at(live, sock, "127.0.0.2", "echo four") == ("four", "127.0.0.2")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
            assert ask_at(live, sock, "::1", "echo six") == ("six", "::1")
            assert ask_at(live, sock, "::1", "peer")[0].startswith("udp://[::1]:")


def test_the_interface_is_kept_for_link_local_addresses_alone() -> None:
    with Live(handlers.native, UDP) as live:
        listener = listener_of(live)

        def way_back(address: str) -> list[Any]:
            data = socket.inet_pton(socket.AF_INET6, address) + struct.pack("=I", 7)
            return listener._read_ancillary([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, data)])

        assert way_back("fe80::1")[0][2][16:] == struct.pack("=I", 7)
        assert way_back("2001:db8::1")[0][2][16:] == b"\0" * 4
        assert way_back("ff02::1") == []  # a group's address is nobody's to send from
        assert listener._read_ancillary([(1, 2, b"")]) == []


# A peer that does not read


async def _floods(conn: Connection[str]) -> None:
    """Send until there is no room, say goodbye, and end."""
    await conn.receive()
    while conn.unsent < 10_000:
        conn.send("x" * 1000)
    with pytest.raises(LocalProtocolError, match="has no end of one side: close"):
        await conn.send_eof()


def test_one_that_takes_nothing_is_given_up_when_its_session_ends() -> None:
    limits = Limits(linger_time=0.1)
    with (
        Live(Service("floods", _floods, lines()), DGRAM, limits=limits) as live,
        live.connect() as peer,
    ):
        peer.send("go")
        ended = live.await_event(ConnectionEnded)
        assert ended.bytes_sent > 0
        assert live.server.connections == 0


def test_one_that_takes_it_late_gets_all() -> None:
    service = Service("floods", _floods, lines())
    with Live(service, DGRAM, limits=Limits(linger_time=PATIENCE)) as live, live.connect() as peer:
        peer.send("go")
        until(lambda: live.server._live and live.server._live[1].unsent >= 10_000)
        lines_sent = 0
        peer.sock.settimeout(0.1)
        is_over = False
        while not is_over:
            is_over = bool(live.of(ConnectionEnded))  # and then what it has sent is there
            with contextlib.suppress(TimeoutError):
                while peer.line() == "x" * 1000:
                    lines_sent += 1
        ended = live.await_event(ConnectionEnded)
        assert ended.messages_sent == lines_sent
        assert ended.bytes_sent == lines_sent * 1000


@pytest.mark.parametrize("model", SEVERAL)
def test_sending_waits_for_one_that_lags(model: ModelName) -> None:
    limits = Limits(write_high=5000)
    service = handlers.lines_of(handlers.chatter)
    with Live(service, DGRAM, model=model, limits=limits) as live, live.connect() as peer:
        peer.send("go")
        live.await_event(ConnectionOpened)
        session = live.call(lambda: next(iter(live.server._live.values())))
        until(lambda: session.unsent > 1000)
        for number in range(100):
            assert session.unsent < 12_000
            assert peer.line().startswith(f"{number:06} ")


def test_a_peer_that_is_gone_ends_its_session() -> None:
    ended: list[str] = []

    async def says_on(conn: Connection[str]) -> None:
        await conn.send(await conn.receive())
        with contextlib.suppress(ConnectionError):
            while not conn.is_over:
                await conn.send("more")
                await asyncio.sleep(0)
        ended.append(str(conn.over))
        with pytest.raises(ConnectionError):
            conn.send("anybody?")
        with pytest.raises(ConnectionError):
            await conn.receive()

    with Live(Service("says", says_on, lines()), DGRAM) as live:
        with live.connect() as peer:
            assert peer.ask("hello") == "hello"
        live.await_event(ConnectionEnded)
    assert ended == ["nobody listens at the other end (ECONNREFUSED)"]


def test_a_path_narrower_than_the_transport_loses_one_datagram_and_no_more() -> None:
    """EMSGSIZE, as an interface with a small MTU and no fragments gives it."""

    async def handler(conn: Connection[str]) -> None:
        async for line in conn:
            session: Any = conn
            real = session._listening.sock
            session._listening.sock = Narrow(real)
            await conn.send("x" * 2000)
            await conn.send(line)
            session._listening.sock = real

    with Live(Service("narrow", handler, lines()), UDP) as live, live.connect() as peer:
        assert peer.ask("hello") == "hello"
        assert peer.ask("again") == "again"


class Narrow:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def sendto(self, data: bytes, address: Any) -> int:
        if len(data) > 1472:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        return self.sock.sendto(data, address)


# Stopping


@pytest.mark.parametrize("model", ["asyncio", "threads", "inline"])
def test_what_waits_is_answered_when_the_server_stops(model: ModelName) -> None:
    held = Held()
    with Live(Service("held", held, lines()), UDP, model=model) as live, live.connect() as peer:
        peer.send("one")
        live.await_event(ConnectionOpened)
        if model != "inline":
            peer.send("two", "three")
            until(lambda: live.call(lambda: units(live)) == 2)
        stopping = threading.Thread(target=live.stop)
        stopping.start()
        until(lambda: live.server._stopping)
        held.go.set()
        assert peer.line() == "one"
        if model != "inline":
            assert [peer.line(), peer.line()] == ["two", "three"]
        stopping.join(PATIENCE)


def units(live: Live) -> int:
    """How many of the first session wait for its handler."""
    conn: Any = live.server._live[1]
    return len(conn.inbox) + len(conn._units)


def test_closing_a_listener_ends_its_sessions() -> None:
    async def handler(conn: Connection[str]) -> None:
        await conn.send(await conn.receive())
        with pytest.raises(EndOfStream):
            await conn.receive()

    with Live(Service("until", handler, lines()), UDP) as live, live.connect() as peer:
        assert peer.ask("hello") == "hello"
        live.stop(0)
        assert live.of(HandlerFailed) == []
