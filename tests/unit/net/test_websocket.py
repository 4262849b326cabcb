"""WebSocket on a stream, with a peer whose every byte is the test's own."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import pytest
from websockets.speedups import apply_mask

from jackfield import Connection, Service, connect, framing
from jackfield.errors import (
    ConnectionClosed,
    EndOfStream,
    LocalProtocolError,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.events import ConnectionEnded, HandlerFailed, Refused
from jackfield.limits import Limits
from jackfield.net import deadlines
from jackfield.service import find
from tests.live import PATIENCE, Live, until

MASK = b"\x05\x06\x07\x08"
ASK = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)
WS = "ws://127.0.0.1:0"
SHORT = Limits(linger_time=0.2)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "TICK", 0.02)


class Browser:
    """A peer that speaks WebSocket by hand."""

    def __init__(self, live: Live, path: str = "/", fields: str = "", more: bytes = b"") -> None:
        endpoint = live.server.endpoints[0]
        self.sock = socket.create_connection((endpoint.host, endpoint.port), PATIENCE)
        self.sock.sendall(ASK.format(path, fields).encode() + more)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def head(self) -> str:
        """Read the answer's head."""
        lines = []
        while (line := self.file.readline()) not in {b"", b"\r\n"}:
            lines.append(line.decode().strip())
        return "\n".join(lines)

    def open(self) -> Browser:
        assert self.head().startswith("HTTP/1.1 101 ")
        return self

    def send(self, first: int, payload: bytes = b"") -> None:
        self.sock.sendall(framed(first, payload))

    def frame(self) -> tuple[int, bytes]:
        """Read a frame; (0, b"") at the end."""
        head = self.file.read(2)
        if not head:
            return 0, b""
        size = head[1]
        assert size < 128
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return head[0], self.file.read(size)

    def close_frame(self) -> tuple[int, str]:
        """Read a Close: its code and reason."""
        first, payload = self.frame()
        assert first == 0x88
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def framed(first: int, payload: bytes = b"") -> bytes:
    head = struct.pack("!BB", first, 0x80 | len(payload)) if len(payload) < 126 else b""
    head = head or struct.pack("!BBH", first, 0x80 | 126, len(payload))
    return head + MASK + apply_mask(payload, MASK)


@pytest.fixture
def echo() -> Iterator[Live]:
    with Live(find("echo"), WS, limits=SHORT) as live:
        yield live
        assert live.broken == []


# Refusals


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/other", "", "404 Not Found"),
        ("/", "Origin: http://evil.example\r\n", "403 Forbidden"),
        ("/", "Content-Length: 3\r\n", "400 Bad Request"),
        ("/", "Host: b\r\n", "400 Bad Request"),
        ("/", "X: a\0b\r\n", "400 Bad Request"),
    ],
)
def test_a_handshake_that_is_refused(echo: Live, path: str, fields: str, status: str) -> None:
    with Browser(echo, path, fields) as browser:
        assert browser.head().startswith(f"HTTP/1.1 {status}\n")
        body = browser.file.read().decode()
        refused = echo.await_event(Refused)
        assert body == f"{refused.reason}\n"
        assert refused.reason.startswith(status)
        echo.await_event(ConnectionEnded)
        assert len(echo.of(Refused)) == 1


def test_something_else_than_http(echo: Live) -> None:
    endpoint = echo.server.endpoints[0]
    with socket.create_connection((endpoint.host, endpoint.port), PATIENCE) as sock:
        sock.sendall(b"\x81\x85 this is no HTTP\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_peer_that_leaves_before_its_request_is_whole(echo: Live) -> None:
    endpoint = echo.server.endpoints[0]
    with socket.create_connection((endpoint.host, endpoint.port), PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
    reason = echo.await_event(Refused).reason
    assert "the stream ended inside the head" in reason


def test_a_peer_that_never_asks_is_told_so() -> None:
    with Live(find("echo"), WS, limits=replace(SHORT, handshake=0.1)) as live:
        endpoint = live.server.endpoints[0]
        with socket.create_connection((endpoint.host, endpoint.port), PATIENCE) as sock:
            assert sock.recv(1000).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            refused = live.await_event(Refused)
            assert (refused.limit, refused.reason) == (
                "handshake",
                "no handshake of WebSocket within 0.1 s",
            )


def test_one_too_many_is_refused_by_http() -> None:
    with (
        Live(find("echo"), WS, limits=replace(SHORT, connections=1)) as live,
        Browser(live) as first,
    ):
        first.open()
        second = Browser(live)
        assert second.head().startswith("HTTP/1.1 503 Service Unavailable\n")
        second.__exit__()


def test_who_stops_during_a_handshake_closes() -> None:
    with Live(find("echo"), WS, limits=SHORT) as live:
        endpoint = live.server.endpoints[0]
        sock = socket.create_connection((endpoint.host, endpoint.port), PATIENCE)
        until(lambda: live.server.connections == 1)
        live.stop()
        sock.close()


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (framed(0x83), 1002, "a frame of the unknown kind 3"),
        (framed(0x81, b"\xff"), 1007, "a message of text that is not UTF-8 (invalid start byte)"),
        (b"\x82\xff" + bytes(8), 1009, ""),
        (b"\x82\x01a", 1002, "a frame is not masked, as a client's must be"),
    ],
)
def test_what_breaks_the_rules_is_answered_by_a_close(
    echo: Live, data: bytes, code: int, reason: str
) -> None:
    data = data if code != 1009 else b"\x82\xff" + (1 << 40).to_bytes(8, "big") + MASK
    with Browser(echo, more=framed(0x82, b"good") + data) as browser:
        assert browser.open().frame() == (0x82, b"good")
        found = browser.close_frame()
        assert found[0] == code
        assert not reason or found[1] == reason
        assert echo.await_event(Refused).reason.startswith(found[1][:100])
        assert browser.frame() == (0, b"")


def test_a_limit_is_named_in_the_close() -> None:
    limits = replace(SHORT, first_message=0.1)
    with Live(find("echo"), WS, limits=limits) as live, Browser(live) as browser:
        assert browser.open().close_frame() == (1008, "no message came within 0.1 s")


async def failing(conn: Connection[Any]) -> None:
    async for _ in conn:
        raise ZeroDivisionError("for a test")


def test_a_handler_that_fails_says_1011() -> None:
    service = Service("fails", failing, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        browser.open().send(0x82, b"a")
        assert browser.close_frame() == (1011, "")
        assert "for a test" in live.await_event(HandlerFailed).error


def test_a_server_that_stops_says_1001(echo: Live) -> None:
    with Browser(echo) as browser:
        browser.open().send(0x82, b"a")
        assert browser.frame() == (0x82, b"a")
        stopping = threading.Thread(target=echo.stop)
        stopping.start()
        assert browser.close_frame() == (1001, "")
        browser.send(0x88, b"\x03\xe9")
        assert browser.frame() == (0, b"")
        stopping.join(PATIENCE)


# Pings


def test_pings_are_answered_before_the_messages_that_came_with_them(echo: Live) -> None:
    with Browser(echo) as browser:
        browser.open()
        browser.sock.sendall(
            framed(0x02, b"in ") + framed(0x89, b"1") + framed(0x80, b"two") + framed(0x89, b"2")
        )
        assert [browser.frame() for _ in range(3)] == [
            (0x8A, b"1"),
            (0x8A, b"2"),
            (0x82, b"in two"),
        ]


async def slow(conn: Connection[Any]) -> None:
    async for message in conn:
        if message == b"wait":
            await conn.send(b"waiting")
            await asyncio.to_thread(go_on.wait, PATIENCE)
        await conn.send(message)


def slow_too(conn: Any) -> None:
    for message in conn:
        if message == b"wait":
            conn.send(b"waiting")
            go_on.wait(PATIENCE)
        conn.send(message)


go_on = threading.Event()


@pytest.mark.some(1)
@pytest.mark.parametrize("handler", [slow, slow_too])
def test_pings_are_answered_while_the_handler_lags(handler: Any) -> None:
    go_on.clear()
    service = Service("slow", handler, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        browser.open()
        browser.sock.sendall(framed(0x82, b"wait") + framed(0x82, b"1") + framed(0x82, b"2"))
        assert browser.frame() == (0x82, b"waiting")
        for number in range(3, 40):
            browser.send(0x82, b"%d" % number)
            browser.send(0x89, b"%d" % number)
            assert browser.frame() == (0x8A, b"%d" % number)
        for _ in range(20):  # past what is read ahead
            browser.send(0x82, bytes(1000))
        browser.send(0x88, b"\x03\xe8")
        go_on.set()
        assert browser.frame() == (0x82, b"wait")
        for number in range(1, 40):
            assert browser.frame() == (0x82, b"%d" % number)
        for _ in range(20):
            assert browser.frame() == (0x82, bytes(1000))
        assert browser.close_frame() == (1000, "")
        assert live.of(Refused) == []


def test_what_breaks_the_rules_comes_after_what_was_read_ahead() -> None:
    go_on.clear()
    service = Service("slow", slow, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        browser.open()
        browser.sock.sendall(framed(0x82, b"wait") + framed(0x82, b"1"))
        assert browser.frame() == (0x82, b"waiting")
        browser.sock.sendall(framed(0x82, b"2") + framed(0x89) + framed(0x83))
        assert browser.frame() == (0x8A, b"")
        go_on.set()
        assert [browser.frame()[1] for _ in range(3)] == [b"wait", b"1", b"2"]
        assert browser.close_frame()[0] == 1002


def test_a_silent_peer_is_pinged_and_lost_if_it_does_not_answer() -> None:
    limits = replace(SHORT, ping=0.4)  # a busy machine has to answer in time
    with Live(find("room"), WS, limits=limits) as live, Browser(live) as browser:
        assert browser.open().frame()[0] == 0x81  # its welcome
        for _ in range(3):
            assert browser.frame() == (0x89, b"")
            browser.send(0x8A)
        assert browser.frame() == (0x89, b"")
        assert browser.close_frame() == (1008, "it did not answer a ping within 0.4 s")
        refused = live.await_event(Refused)
        assert refused.limit == "ping"
        assert live.await_event(ConnectionEnded).reason == refused.reason


def test_pings_do_not_keep_one_who_says_nothing() -> None:
    limits = replace(SHORT, ping=0.4, idle=1.2, first_message=1.2)
    with Live(find("echo"), WS, limits=limits) as live, Browser(live) as browser:
        browser.open()
        while (found := browser.frame())[0] == 0x89:
            browser.send(0x8A)
        assert found[1][2:] == b"no message came within 1.2 s"


async def flood(conn: Connection[Any]) -> None:
    async for message in conn:
        await conn.send(message * 2_000_000)


def test_pings_of_a_peer_that_does_not_read_pile_up_nowhere() -> None:
    service = Service("flood", flood, framing=framing.raw(max_message=1 << 24))
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        browser.open().send(0x82, b"abcdefgh")
        conn = next(iter(live.server._live.values()))
        until(lambda: conn.is_blocked)
        waits, received = conn.unsent, conn.bytes_received
        pings = [framed(0x89, b"%d" % number) for number in range(5000)]
        for ping in pings:
            browser.sock.sendall(ping)
        until(lambda: conn.bytes_received == received + sum(map(len, pings)))
        assert conn.unsent <= waits
        first, payload = browser.frame()
        assert (first, len(payload)) == (0x82, 16_000_000)
        pongs = [browser.frame() for _ in range(32)]
        assert pongs[-1] == (0x8A, b"4999")


# The end


def test_a_close_is_answered_after_what_was_said_before_it(echo: Live) -> None:
    with Browser(echo) as browser:
        browser.open()
        browser.sock.sendall(framed(0x82, b"a") + framed(0x88, b"\x0f\xa1bye") + b"garbage")
        assert browser.frame() == (0x82, b"a")
        assert browser.close_frame() == (4001, "")
        assert browser.frame() == (0, b"")
        browser.sock.close()
        assert echo.await_event(ConnectionEnded).reason == ""
        assert echo.of(Refused) == []


ended = threading.Event()


async def last_words(conn: Connection[Any]) -> None:
    with pytest.raises(EndOfStream):
        await conn.receive()
    await conn.send(b"last words")
    await conn.send_eof()
    with pytest.raises(ConnectionClosed):
        await conn.send(b"more")


def test_what_is_sent_after_a_close_comes_before_our_own() -> None:
    service = Service("last words", last_words, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        browser.open().send(0x88)
        assert browser.frame() == (0x82, b"last words")
        assert browser.frame() == (0x88, b"")
        assert browser.frame() == (0, b"")
        assert live.of(HandlerFailed) == []


async def one_word(conn: Connection[Any]) -> None:
    await conn.send(b"word")


def test_the_peers_close_is_waited_for_and_all_else_dropped() -> None:
    service = Service("one word", one_word, framing=framing.raw())
    with Live(service, WS, limits=replace(SHORT, linger_time=PATIENCE)) as live:
        with Browser(live) as browser:
            assert browser.open().frame() == (0x82, b"word")
            assert browser.close_frame() == (1000, "")
            browser.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):  # TCP is not ended yet
                browser.sock.recv(1)
            browser.sock.settimeout(PATIENCE)
            browser.send(0x82, b"late")
            browser.send(0x89, b"late")
            browser.send(0x88, b"\x03\xe8")
            assert browser.sock.recv(1) == b""
        assert live.await_event(ConnectionEnded).reason == ""


@pytest.mark.parametrize("how", ["nothing", "garbage", "much", "reset"])
def test_a_peer_that_never_closes_is_left(how: str) -> None:
    service = Service("one word", one_word, framing=framing.raw())
    limits = replace(SHORT, linger_time=0.1 if how == "nothing" else PATIENCE, linger_bytes=10_000)
    with Live(service, WS, limits=limits) as live, Browser(live) as browser:
        assert browser.open().frame() == (0x82, b"word")
        assert browser.close_frame()[0] == 1000
        if how == "garbage":
            browser.sock.sendall(b"\xff\xff")
        elif how == "much":
            # at once: after the first ten nobody may be there any more
            browser.sock.sendall(framed(0x82, bytes(1000)) * 20)
        if how in {"garbage", "reset"}:
            browser.file.close()
            browser.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            browser.sock.close()
        live.await_event(ConnectionEnded)


noted: list[BaseException] = []


async def noting(conn: Connection[Any]) -> None:
    try:
        while True:
            await conn.receive()
    except (PeerLost, RemoteProtocolError) as error:
        noted.append(error)
        raise


def test_a_stream_that_ends_without_a_close_was_cut_off() -> None:
    noted.clear()
    service = Service("noting", noting, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live:
        with Browser(live) as browser:
            browser.open().send(0x82, b"a")
            browser.sock.sendall(framed(0x82, b"half")[:5])
        reason = live.await_event(ConnectionEnded).reason
        assert reason == "the stream was cut off: TCP ended without WebSocket's Close"
        assert isinstance(noted[0], PeerLost)


# What is not there


async def only_streams(conn: Connection[Any]) -> None:
    assert conn.keeps_boundaries
    with pytest.raises(LocalProtocolError, match="needs a stream, and ws keeps messages"):
        await conn.receive_chunk()
    for call in (
        lambda: conn.send_chunk(b"a"),
        lambda: conn.send_file(open("/dev/null", "rb")),  # noqa: SIM115, PTH123  never used
        lambda: conn.start_tls(None),  # type: ignore[arg-type]  # never used
    ):
        with pytest.raises(LocalProtocolError):
            await call()
    conn.switch(framing.json_lines())
    await conn.send({"now": "json"})
    assert await conn.receive() == [1]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_only_streams_have() -> None:
    service = Service("only streams", only_streams, framing=framing.raw())
    with Live(service, WS, limits=SHORT) as live, Browser(live) as browser:
        assert browser.open().frame() == (0x81, b'{"now":"json"}')
        browser.send(0x81, b"[1]")
        assert browser.close_frame() == (1000, "")
        assert live.of(HandlerFailed) == []


def test_from_the_other_end() -> None:
    async def talk(url: str) -> None:
        async with connect(url) as conn:
            assert conn.state == "at work"
            assert (conn.has_pings, conn.keeps_boundaries) == (True, True)
            await conn.send(b"")
            assert await conn.receive() == b""
            await conn.send_eof()
            assert not conn.has_pings
            with pytest.raises(EndOfStream):
                await conn.receive()
            with pytest.raises(ConnectionClosed):
                await conn.send_eof()
        assert conn.reason == ""

    with Live(find("echo"), WS, limits=replace(SHORT, linger_time=PATIENCE)) as live:
        asyncio.run(talk(str(live.server.endpoints[0])))
        assert live.await_event(ConnectionEnded).reason == ""
