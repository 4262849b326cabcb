"""What is promised of a connection, over every stream and by every face alike."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import Transport
from jackfield.errors import (
    BadMessage,
    ConcurrencyError,
    ConnectionClosed,
    EndOfStream,
    IncompleteMessage,
    JackfieldError,
    LocalProtocolError,
    MessageTooLong,
    PeerLost,
    ReceiveTimeout,
)
from jackfield.framing import lines
from jackfield.framing.header import Header
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from tests.unit.net.conftest import Opener
from tests.unit.net.wires import FaceName, Kind, Wires, read, rest, spawn, until

# Receiving


def test_a_message_is_whole_however_it_comes(opener: Opener) -> None:
    wire = opener()
    wire.peer.send("héllo\nwo".encode()[:2])
    waiting = wire.conn.begin_receive()
    wire.peer.send("héllo\nwo".encode()[2:])
    assert waiting.result() == "héllo"
    with pytest.raises(ReceiveTimeout, match=r"^no message came within 0\.001 s$"):
        wire.conn.receive(0.001)
    wire.peer.send(b"rld\r\n")
    assert wire.conn.receive() == "world"


def test_messages_are_iterated_until_the_peer_ends_its_side(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"one\ntwo\nthree\n")
    assert wire.conn.take(2) == ["one", "two"]
    wire.peer.send(b"four\n")
    wire.peer.eof()
    assert wire.conn.rest() == ["three", "four"]
    assert wire.conn.rest() == []
    for _ in range(2):
        with pytest.raises(EndOfStream, match=r"^the peer has ended its side of the connection$"):
            wire.conn.receive()


def test_the_end_wakes_who_waits(opener: Opener) -> None:
    wire = opener()
    waiting = wire.conn.begin_receive()
    wire.peer.eof()
    with pytest.raises(EndOfStream):
        waiting.result()


def test_an_end_inside_a_message_is_told_after_the_good_ones(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"whole\nhal")
    wire.peer.eof()
    assert wire.conn.receive() == "whole"
    for _ in range(2):
        with pytest.raises(IncompleteMessage, match=r"^the stream ended 3 bytes into a message"):
            wire.conn.receive()
    with pytest.raises(IncompleteMessage):
        wire.conn.rest()


@pytest.mark.parametrize("before", [1, 3])
def test_a_good_message_before_a_bad_one_is_delivered(opener: Opener, before: int) -> None:
    wire = opener(lines(max_message=100))
    wire.peer.send(b"good\n" * before + b"\xff\n" + b"good\n" * 1000)
    assert wire.conn.take(before) == ["good"] * before
    for _ in range(2):
        with pytest.raises(BadMessage):
            wire.conn.receive()
    with pytest.raises(BadMessage):
        wire.conn.rest()


def test_an_endless_message_is_refused_at_its_bound(opener: Opener) -> None:
    wire = opener(lines(max_message=100_000))
    sending = spawn(lambda: wire.peer.send(b"good\n" + b"x" * 4_000_000))
    assert wire.conn.receive() == "good"
    with pytest.raises(MessageTooLong):
        wire.conn.receive()
    assert wire.core.bytes_received < 300_000
    wire.conn.do("abort")
    assert isinstance(sending.exception(20), OSError | None)


def test_a_receive_that_times_out_loses_nothing(opener: Opener) -> None:
    wire = opener()
    for number in range(20):
        with pytest.raises(ReceiveTimeout):
            wire.conn.receive(0.0005)
        wire.peer.send(b"%d\n" % number)
        assert wire.conn.receive(20) == str(number)


def test_a_time_that_is_over_gives_what_is_at_hand(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"one\ntwo\n")
    assert wire.conn.receive() == "one"
    assert wire.conn.receive(0) == "two"
    with pytest.raises(ReceiveTimeout):
        wire.conn.receive(0)


@pytest.mark.parametrize("face", ["native", "bridged"])
def test_a_cancelled_receive_loses_nothing(wires: Wires, kind: Kind, face: FaceName) -> None:
    wire = wires.open(kind, face)
    for number in range(20):
        for call in ("receive", "receive_chunk"):
            future = wire.conn.begin(call)
            until(lambda: wire.core._waiter is not None)
            future.cancel()
            with pytest.raises(CancelledError):
                future.result()
            until(lambda: wire.core._waiter is None or wire.core._waiter.done())
        taking = wire.conn.begin_take(1)
        until(lambda: wire.core._waiter is not None and not wire.core._waiter.done())
        taking.cancel()
        until(lambda: wire.core._waiter is None or wire.core._waiter.done())
        wire.peer.send(b"%d\n" % number)
        assert wire.conn.receive() == str(number)


def test_a_second_receive_at_a_time_raises_and_the_first_goes_on(opener: Opener) -> None:
    wire = opener()
    waiting = wire.conn.begin_receive()
    for second in (
        wire.conn.receive,
        lambda: wire.conn.receive(0.001),
        lambda: wire.conn.take(1),
        wire.conn.chunk,
    ):
        with pytest.raises(ConcurrencyError, match="another receive"):
            second()
    wire.peer.send(b"fir")
    wire.io.turn()
    with pytest.raises(ConcurrencyError):
        wire.conn.chunk()
    wire.peer.send(b"st\nsecond\n")
    assert waiting.result(20) == "first"
    assert wire.conn.receive() == "second"


def test_a_second_one_while_iterating_raises_too(opener: Opener) -> None:
    wire = opener()
    taking = wire.conn.begin_take(2)
    until(lambda: wire.core._waiter is not None)
    with pytest.raises(ConcurrencyError):
        wire.conn.receive()
    wire.peer.send(b"one\ntwo\n")
    assert taking.result(20) == ["one", "two"]


def test_a_second_one_while_a_chunk_is_awaited_raises_too(opener: Opener) -> None:
    wire = opener()
    waiting = wire.conn.begin("receive_chunk")
    until(lambda: wire.core._waiter is not None)
    for second in (wire.conn.receive, wire.conn.chunk):
        with pytest.raises(ConcurrencyError):
            second()
    wire.peer.send(b"bytes")
    assert waiting.result(20) == b"bytes"


# When the peer is lost


def test_a_lost_peer_ends_receiving_and_fails_sending(opener: Opener, kind: Kind) -> None:
    wire = opener()
    wire.peer.send(b"one\n")
    assert wire.conn.receive() == "one"
    taking = wire.conn.begin_take(5)
    until(lambda: wire.core._waiter is not None)
    if kind == "unix":
        wire.conn.send("unread")  # what is unread when a UNIX socket is closed is reset
        wire.io.turn()
    wire.peer.reset()
    assert taking.result(20) == []  # neither an error nor a cancellation

    def lost() -> bool:
        try:
            wire.conn.send("x")
        except PeerLost:
            return True
        return False

    until(lost)
    with pytest.raises(PeerLost):
        wire.conn.send("x")
    with pytest.raises(PeerLost):
        wire.conn.do("send_many", ["x", "y"])
    if kind != "memory":  # where a peer that is gone has just ended its side
        with pytest.raises(PeerLost):
            wire.conn.receive()
        assert "(ECONNRESET)" in wire.core.reason or "(EPIPE)" in wire.core.reason
    wire.conn.do("close")
    wire.until_over()


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_what_a_lost_peer_said_first_is_received(wires: Wires, kind: Kind, face: FaceName) -> None:
    wire = wires.open(kind, face)
    wire.peer.send(b"one\ntwo\n")
    assert wire.conn.receive() == "one"
    wire.peer.reset()
    assert wire.conn.receive() == "two"
    with pytest.raises(PeerLost, match=r"^the peer reset the connection \(ECONNRESET\)$"):
        wire.conn.receive()


def test_the_loss_is_told_to_a_sender_that_waits(opener: Opener) -> None:
    wire = opener(Raw())

    def fill() -> None:
        while True:
            wire.conn.send(b"x" * 65536)

    filling = spawn(fill)
    until(lambda: wire.core._writers)
    wire.peer.reset()
    with pytest.raises(PeerLost):
        filling.result(20)


# Another framing


HEADER = Header(">4sI", length=1, max_message=1 << 20)


@pytest.mark.parametrize("at_once", [True, False])
def test_text_after_a_header_is_neither_cut_nor_refused(opener: Opener, at_once: bool) -> None:
    """With the old framing erring on it, and with messages decoded and not received."""
    wire = opener(lines(max_message=64))
    body = b"\xff\xfe" + b"\n" * 7 + b"y" * 500 + bytes(range(256)) * 30
    whole = b"PUT\n" + b"JACK" + len(body).to_bytes(4, "big") + body + b"one\ntwo\n"
    if at_once:
        wire.peer.send(whole)
    else:
        for start in range(64):
            wire.peer.send(whole[start : start + 1])
        wire.peer.send(whole[64:])
    assert wire.conn.receive() == "PUT"
    if at_once:
        until(lambda: wire.core.is_held or wire.core.is_ended)
    assert wire.conn.do("switch", HEADER) is wire.conn.conn
    assert wire.conn.conn.framing is HEADER
    assert wire.conn.receive() == ((b"JACK",), body)
    wire.conn.do("switch", lines())
    assert wire.conn.take(2) == ["one", "two"]
    assert wire.core.messages_received == 4


def test_an_error_already_raised_is_forgotten_by_a_switch(opener: Opener) -> None:
    wire = opener(lines())
    wire.peer.send(b"good\n\xff\xff\nmore\n")
    wire.peer.eof()
    assert wire.conn.receive() == "good"
    with pytest.raises(BadMessage):
        wire.conn.receive()
    wire.conn.do("switch", lines("latin-1"))
    assert wire.conn.rest() == ["ÿÿ", "more"]


def test_an_incomplete_end_is_whole_to_another_framing(opener: Opener) -> None:
    wire = opener(lines())
    wire.peer.send(b"good\nrest")
    wire.peer.eof()
    assert wire.conn.receive() == "good"
    with pytest.raises(IncompleteMessage):
        wire.conn.receive()
    wire.conn.do("switch", Raw())
    assert b"".join(wire.conn.rest()) == b"rest"
    with pytest.raises(EndOfStream):
        wire.conn.receive()


def test_a_switch_after_the_end_leaves_the_end(opener: Opener) -> None:
    wire = opener(lines())
    wire.peer.eof()
    assert wire.conn.rest() == []
    wire.conn.do("switch", Raw())
    with pytest.raises(EndOfStream):
        wire.conn.receive()


def test_what_is_sent_after_a_switch_is_in_the_new_framing(opener: Opener) -> None:
    wire = opener(lines())
    wire.conn.send("line")
    wire.conn.do("switch", HEADER)
    wire.conn.send(((b"JACK",), b"hi"))
    assert read(wire.peer, 15) == b"line\nJACK\0\0\0\2hi"


@pytest.mark.parametrize("face", ["native"])
def test_a_switch_while_another_task_receives_goes_on_from_there(
    wires: Wires, kind: Kind, face: FaceName
) -> None:
    wire = wires.open(kind, face)
    waiting = wire.conn.begin_receive()
    wire.peer.send(b"no end of line")
    until(lambda: wire.core.bytes_received >= 14)
    wire.conn.do("switch", Raw())
    assert waiting.result(20) == b"no end of line"


# Chunks


def test_chunks_come_as_they_are_and_then_messages_again(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"GET 10\n\xff123456789\xfeone\ntwo\n")
    assert wire.conn.receive() == "GET 10"
    got = b""
    while len(got) < 10:
        got += wire.conn.chunk(10 - len(got))
    assert got == b"\xff123456789"
    assert wire.conn.chunk(1) == b"\xfe"
    assert wire.conn.take(2) == ["one", "two"]
    assert wire.core.messages_received == 3
    wire.peer.send(b"three\nrest")
    wire.peer.eof()
    assert wire.conn.receive() == "three"
    assert wire.conn.chunk() == b"rest"
    assert wire.conn.chunk() == b""
    assert wire.conn.chunk() == b""
    with pytest.raises(EndOfStream):
        wire.conn.receive()


def test_a_chunk_of_what_broke_the_framing(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"ok\n\xff\nmore")
    wire.peer.eof()
    assert wire.conn.receive() == "ok"
    with pytest.raises(BadMessage):
        wire.conn.receive()
    assert wire.conn.chunk() == b"\xff\nmore"
    assert wire.conn.chunk() == b""


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_chunk_of_a_lost_peer(wires: Wires, kind: Kind, face: FaceName) -> None:
    wire = wires.open(kind, face)
    wire.peer.send(b"said\n")
    assert wire.conn.chunk() == b"said\n"
    wire.peer.reset()
    with pytest.raises(PeerLost):
        wire.conn.chunk()


def test_a_long_stream_in_chunks(opener: Opener) -> None:
    wire = opener()
    body = bytes(range(256)) * 8192
    sending = spawn(lambda: (wire.peer.send(b"go\n" + body), wire.peer.eof()))
    assert wire.conn.receive() == "go"
    got = bytearray()
    while part := wire.conn.chunk():
        got += part
    assert got == body
    sending.result(20)


# Sending


def test_what_is_sent_is_there(opener: Opener) -> None:
    wire = opener()
    wire.conn.send("one")
    assert read(wire.peer, 4) == b"one\n"
    wire.conn.do("send_many", ["two", "three"])
    assert read(wire.peer, 10) == b"two\nthree\n"
    wire.conn.do("send_many", [])
    wire.conn.do("send_chunk", b"raw")
    assert read(wire.peer, 3) == b"raw"


def test_of_what_cannot_be_sent_nothing_is(opener: Opener) -> None:
    wire = opener(lines(max_message=10))
    with pytest.raises(LocalProtocolError):
        wire.conn.send("a\nb")
    with pytest.raises(LocalProtocolError):
        wire.conn.do("send_many", ["fine", "x" * 11])
    with pytest.raises(LocalProtocolError):
        wire.conn.do("post", "x" * 11)
    wire.conn.send("fine")
    wire.conn.do("close")
    assert rest(wire.peer) == b"fine\n"
    assert wire.core.messages_sent == 1


def test_sending_waits_for_a_peer_that_lags(opener: Opener) -> None:
    """By whatever face, no more waits here than the limit and one message."""
    size = 200_000
    wire = opener(Raw(max_message=size), Limits(write_high=100_000))
    count = 0

    def fill() -> None:
        nonlocal count
        for number in range(60):
            wire.conn.send(bytes([number]) * size)
            count += 1
        wire.conn.do("close")

    filling = spawn(fill)
    until(lambda: wire.core._writers)
    most = 0
    got = bytearray()
    while part := wire.peer.recv(10_000):
        got += part
        most = max(most, wire.core.unsent)
    filling.result(20)
    assert got == b"".join(bytes([number]) * size for number in range(60))
    assert most <= 100_000 + 2 * size + 50_000  # TLS adds a little


def test_reading_pauses_while_the_handler_lags(opener: Opener) -> None:
    wire = opener(lines())
    line = b"x" * 4095 + b"\n"
    sending = spawn(lambda: (wire.peer.send(line * 2000), wire.peer.eof()))
    assert wire.conn.receive() == "x" * 4095
    until(lambda: wire.core.is_held and (wire.core.inbox or wire.core._backlog))
    wire.io.turn()
    assert wire.core.bytes_received < 150_000
    assert len(wire.conn.rest()) == 1999
    sending.result(20)


def test_each_end_can_end_its_side_and_go_on_with_the_other(opener: Opener) -> None:
    wire = opener()
    wire.conn.send("last")
    wire.conn.do("send_eof")
    assert rest(wire.peer) == b"last\n"
    with pytest.raises(ConnectionClosed, match=r"^send_eof\(\) has ended this side$"):
        wire.conn.send("x")
    with pytest.raises(ConnectionClosed):
        wire.conn.do("send_eof")
    wire.peer.send(b"still\n" * 10_000)
    assert wire.conn.take(10_000) == ["still"] * 10_000
    wire.peer.send(b"here\n")
    wire.peer.eof()
    assert wire.conn.rest() == ["here"]
    wire.conn.do("close")
    wire.until_over()


def test_a_peer_that_has_ended_its_side_still_hears(opener: Opener) -> None:
    wire = opener()
    wire.peer.send(b"question\n")
    wire.peer.eof()
    assert wire.conn.rest() == ["question"]
    wire.conn.send("x" * 60_000)
    wire.conn.begin("send_many", ["answer"] * 10_000)
    until(lambda: wire.core.messages_sent == 10_001)
    wire.conn.begin("close")
    assert rest(wire.peer) == b"x" * 60_000 + b"\n" + b"answer\n" * 10_000


def test_ending_this_side_waits_for_what_was_sent(opener: Opener) -> None:
    wire = opener(Raw(max_message=10_000_000))
    sending = wire.conn.begin("send", b"x" * 10_000_000)
    until(lambda: wire.core.unsent > 0)
    ending = wire.conn.begin("send_eof")
    assert rest(wire.peer) == b"x" * 10_000_000
    ending.result(20)
    assert isinstance(sending.exception(20), ConnectionClosed | None)


def test_close_delivers_everything(opener: Opener) -> None:
    wire = opener(Raw(max_message=20_000_000))
    sending = wire.conn.begin("send", b"x" * 20_000_000)
    until(lambda: wire.core.unsent > 0)
    closing = wire.conn.begin("close")
    got = rest(wire.peer)
    assert len(got) == 20_000_000
    closing.result(20)
    wire.peer.close()
    wire.until_over()
    assert isinstance(sending.exception(20), ConnectionClosed | None)
    wire.conn.do("close")  # closing twice is closing once
    with pytest.raises(ConnectionClosed, match=r"^this side has closed the connection$"):
        wire.conn.send(b"x")
    with pytest.raises(ConnectionClosed):
        wire.conn.receive()
    with pytest.raises(ConnectionClosed):
        wire.conn.chunk()


def test_close_ends_a_receive_that_waits(opener: Opener) -> None:
    wire = opener()
    waiting = wire.conn.begin_receive()
    wire.conn.do("close")
    with pytest.raises(ConnectionClosed, match=r"^this side has closed the connection$"):
        waiting.result(20)


def test_close_gives_up_a_peer_that_takes_nothing(opener: Opener) -> None:
    wire = opener(Raw(max_message=20_000_000), Limits(linger_time=0.05))
    sending = wire.conn.begin("send", b"x" * 20_000_000)
    until(lambda: wire.core.unsent > 0)
    wire.conn.do("close")
    wire.until_over()
    # from another thread it may have been handed over before anything lagged
    assert isinstance(sending.exception(20), ConnectionClosed | None)


def test_abort_drops_what_waits(opener: Opener, kind: Kind) -> None:
    wire = opener(Raw(max_message=20_000_000))
    sending = wire.conn.begin("send", b"x" * 20_000_000)
    until(lambda: wire.core.unsent > 0)
    wire.conn.do("abort", "enough")
    wire.until_over()
    assert isinstance(sending.exception(20), ConnectionClosed | None)  # as above
    assert wire.core.reason == "enough"
    assert wire.core.unsent == 0
    if kind in {"tcp", "tls"}:
        with pytest.raises(ConnectionResetError):
            rest(wire.peer)
    else:
        assert len(rest(wire.peer)) < 20_000_000
    assert wire.conn.conn.fileno() == -1
    wire.conn.do("abort", "again")
    assert wire.core.reason == "enough"


def test_leaving_a_with_block_closes(wires: Wires, kind: Kind, face: FaceName) -> None:
    wire = wires.open(kind, face)
    if face == "blocking":
        with wire.conn.conn as conn:
            conn.send("bye")
    else:

        async def talk() -> None:
            async with wire.conn.conn as conn:
                await conn.send("bye")

        wire.conn.loop.run(talk())
    assert rest(wire.peer) == b"bye\n"


# From any thread


def test_post_from_many_threads(opener: Opener) -> None:
    wire = opener()
    start = threading.Barrier(4)

    def post(name: int) -> int:
        start.wait(20)
        return sum(wire.conn.conn.post(f"{name} {number}") for number in range(200))

    posting = [spawn(partial(post, name)) for name in range(4)]
    assert [future.result(20) for future in posting] == [200] * 4
    wire.conn.do("close")
    heard = rest(wire.peer).decode().splitlines()
    for name in range(4):
        ours = [line for line in heard if line.startswith(f"{name} ")]
        assert ours == [f"{name} {number}" for number in range(200)]
    assert not wire.conn.conn.post("too late")
    assert wire.core.messages_sent == 800


def test_a_full_outbox_takes_nothing_more(opener: Opener) -> None:
    wire = opener(Raw(), Limits(outbox=100_000))
    posted = 0
    unsent = wire.core.unsent  # before each try: the system may take more of it at any time
    while wire.conn.conn.post(b"x" * 50_000):
        posted += 1
        wire.io.turn()
        assert posted < 1000
        unsent = wire.core.unsent
    assert 50_000 <= unsent <= 101_000
    wire.conn.begin("close")
    assert len(rest(wire.peer)) == posted * 50_000
    assert wire.core.messages_sent == posted


def test_the_outbox_is_bounded_before_the_loop_has_seen_it(opener: Opener) -> None:
    wire = opener(Raw(), Limits(outbox=100_000))
    go_on = threading.Event()
    wire.io.loop.call_soon_threadsafe(go_on.wait, 20)
    posted = sum(wire.conn.conn.post(b"x" * 1000) for _ in range(1000))
    go_on.set()
    assert posted == 100
    wire.io.turn()
    assert read(wire.peer, 100_000) == b"x" * 100_000
    assert wire.conn.conn.post(b"again")
    assert read(wire.peer, 5) == b"again"


# What can be asked


def test_counts(opener: Opener, kind: Kind) -> None:
    wire = opener()
    before = wire.core.bytes_received, wire.core.bytes_sent
    if kind != "tls":
        assert before == (0, 0)
    wire.peer.send(b"one\ntwo\nthree\nfour\n")
    wire.peer.eof()
    assert wire.conn.rest() == ["one", "two", "three", "four"]
    wire.conn.send("five")
    wire.conn.do("send_many", ["six", "seven"])
    assert read(wire.peer, 15) == b"five\nsix\nseven\n"
    conn = wire.conn.conn
    assert (conn.messages_received, conn.messages_sent) == (4, 3)
    wire.io.turn()
    received, sent = conn.bytes_received - before[0], conn.bytes_sent - before[1]
    if kind == "tls":
        assert received > 19
        assert sent > 15
    else:
        assert (received, sent) == (19, 15)


def test_it_can_be_asked_what_it_is(opener: Opener, kind: Kind) -> None:
    wire = opener()
    conn = wire.conn.conn
    assert conn.transport is Transport(kind)
    assert conn.core is wire.core
    assert conn.io is wire.core.io_loop
    assert conn.number == 0
    assert not conn.is_over
    assert (conn.fileno() >= 0) == (kind != "memory")
    assert (conn.tls is not None) == (kind == "tls")
    assert repr(conn) == f"<{type(conn).__name__} {conn.peer}>"
    wire.peer.send(b"one\ntwo\n")
    assert wire.conn.receive() == "one"
    assert conn.messages_at_hand == 1
    wire.conn.do("close")
    assert conn.is_over


def test_errors_are_of_the_tree_and_of_the_builtins(opener: Opener) -> None:
    wire = opener()
    caught: list[Exception] = []
    for call in (lambda: wire.conn.receive(0.001), lambda: wire.conn.send("\n")):
        with pytest.raises(JackfieldError) as error:
            call()
        caught.append(error.value)
    assert isinstance(caught[0], TimeoutError)
    assert isinstance(caught[1], ValueError)
    wire.peer.eof()
    with pytest.raises(EOFError):
        wire.conn.receive()
    wire.conn.do("close")
    with pytest.raises(ConnectionError):
        wire.conn.send("x")


# In the loop that does the I/O


def test_a_task_may_break_out_of_iterating_and_go_on(wires: Wires) -> None:
    """No iterator is left behind that ends a later one, and none makes a noise when it ends."""
    wire = wires.open()
    for number in range(50):
        wire.peer.send(b"%d\nnext\n" % number)
        assert wire.conn.take(1) == [str(number)]
        assert wire.conn.receive() == "next"


def test_two_tasks_that_take_turns_lose_nothing(wires: Wires) -> None:
    """One that was woken finds its message taken by another: it goes on waiting."""
    wire = wires.open()

    async def both() -> list[str]:
        first = asyncio.ensure_future(wire.core.receive())
        await asyncio.sleep(0)
        wire.core._waiter.set_result(None)
        await first
        return [first.result()]

    future = wire.io.begin(both())
    wire.io.turn()
    wire.peer.send(b"one\n")
    assert future.result(20) == ["one"]


def test_an_option_of_the_socket_can_be_asked_for(wires: Wires) -> None:
    wire = wires.open()
    assert wire.core.socket_option(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM


def test_what_came_while_the_handler_was_busy_is_taken_without_waiting(wires: Wires) -> None:
    wire = wires.open()
    busy = asyncio.Event()
    got: list[str] = []

    async def handler() -> None:
        async for message in wire.core:
            got.append(message)
            await busy.wait()

    handling = wire.io.begin(handler())
    wire.peer.send(b"one\n")
    until(lambda: got)
    wire.peer.send(b"two\n")
    until(lambda: wire.core.inbox)
    wire.io.call(busy.set)
    until(lambda: len(got) == 2)
    wire.peer.eof()
    handling.result(20)


def test_a_batch_waits_for_a_peer_that_lags(wires: Wires) -> None:
    wire = wires.open("memory", framing=Raw(), limits=Limits(write_high=1000))
    sending = wire.conn.begin("send_many", [b"x" * 50_000] * 4)
    until(lambda: wire.core._writers)
    assert not sending.done()
    assert read(wire.peer, 200_000) == b"x" * 200_000
    sending.result(20)


@pytest.mark.parametrize("how", ["send", "post"])
def test_what_is_handed_over_after_the_end_is_dropped(wires: Wires, how: str) -> None:
    """The end and the message cross: it is no error, and nothing is counted."""
    wire = wires.open("tcp", "blocking")
    go_on = threading.Event()

    def end() -> None:
        go_on.wait(20)
        wire.core.abort()

    wire.io.loop.call_soon_threadsafe(end)
    getattr(wire.conn.conn, how)("late")
    go_on.set()
    wire.io.turn()
    assert wire.core.messages_sent == 0
    assert wire.core._posted == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("receive_chunk", ()),
        ("send_chunk", (b"",)),
        ("send_file", (None,)),
    ],
)
def test_messages_that_keep_their_bounds_have_no_stream(
    name: str, arguments: tuple[Any, ...]
) -> None:
    async def main() -> None:
        conn = await connect("udp://127.0.0.1:9", lines())
        with pytest.raises(LocalProtocolError) as caught:
            await getattr(conn, name)(*arguments)
        assert str(caught.value) == f"{name}() needs a stream, and udp keeps messages"
        with pytest.raises(LocalProtocolError):
            await conn.send_eof()
        await conn.close()

    asyncio.run(main())
