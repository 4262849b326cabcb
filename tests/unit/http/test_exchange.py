"""Exchanges, each over a real socket: what a handler does, and what the peer then gets."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from jackfield.errors import JackfieldError, LocalProtocolError
from jackfield.events import ConnectionEnded as Ended
from jackfield.events import HandlerFailed, Refused, RequestAnswered
from jackfield.framing.http import HTTP, HTTPError
from jackfield.http import exchange as module
from jackfield.http.exchange import DROPPED, Exchange, serve
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.service import Service
from tests.live import Live, Peer

Answer = Callable[[Exchange], Awaitable[None]]
LIMITS = Limits(linger_time=0.1)
CLOSE = b"Connection: close\r\n"


def serving(answer: Answer) -> Live:
    async def handler(conn: Connection[Any]) -> None:
        await serve(conn, answer)

    return Live(Service("web", handler, HTTP()), "tcp://127.0.0.1:0", limits=LIMITS)


def request(method: str = "GET", version: str = "1.1", fields: bytes = b"") -> bytes:
    return f"{method} / HTTP/{version}\r\nHost: a\r\n".encode() + fields + b"\r\n"


def said(answer: Answer, data: bytes) -> bytes:
    """All that a peer gets back which sends this."""
    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(data)
        return peer.rest()


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


async def echo(exchange: Exchange) -> None:
    await exchange.respond(200, await exchange.read())


async def hello(exchange: Exchange) -> None:
    await exchange.respond(200, "héllo")


def test_an_answer_at_once() -> None:
    reply = said(hello, request(fields=CLOSE))
    head, _, body = reply.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "HTTP/1.1 200 OK"
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields.pop("Date").endswith(" GMT")
    assert fields == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "6",
        "Connection": "close",
    }
    assert body == "héllo".encode()


@pytest.mark.parametrize(
    ("version", "field", "answered"),
    [
        ("1.1", b"", b""),
        ("1.1", CLOSE, b"Connection: close"),
        ("1.0", b"", b"Connection: close"),
        ("1.0", b"Connection: keep-alive\r\n", b"Connection: keep-alive"),
    ],
)
def test_who_goes_on_is_told_so_where_it_is_not_the_rule(
    version: str, field: bytes, answered: bytes
) -> None:
    with serving(hello) as live, live.connect() as peer:
        peer.sock.sendall(request(version=version, fields=field))
        reply = peer.sock.recv(1 << 16)
        assert (answered in reply) if answered else (b"Connection" not in reply)
        if answered == b"Connection: close":
            assert peer.rest() == b""
        else:
            peer.sock.sendall(request(fields=CLOSE))
            assert peer.rest().startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_head_gets_the_length_and_no_body() -> None:
    reply = said(hello, request("HEAD", fields=CLOSE))
    assert b"Content-Length: 6\r\n" in reply
    assert body_of(reply) == b""


@pytest.mark.parametrize("status", [204, 304])
def test_some_have_neither(status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(status, "never sent")

    reply = said(answer, request(fields=CLOSE))
    assert b"Content-" not in reply
    assert body_of(reply) == b""


def test_a_body_is_read_and_the_connection_goes_on() -> None:
    with serving(echo) as live:
        conn = HTTPConnection("127.0.0.1", live.endpoints[0].port, timeout=20)
        for body in (b"abc", b"x" * 300_000, iter([b"in ", b"chunks"])):
            wanted = b"in chunks" if not isinstance(body, bytes) else body
            conn.request("POST", "/", body, encode_chunked=True)
            assert answered(conn) == (200, wanted)
        conn.close()


def answered(conn: HTTPConnection) -> tuple[int, bytes]:
    response: HTTPResponse = conn.getresponse()
    return response.status, response.read()


def test_answers_come_in_the_order_of_requests() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, await exchange.read() + exchange.request.method.encode())

    posts = b"".join(
        request("POST", fields=b"Content-Length: 2\r\n") + b"%02d" % number for number in range(50)
    )
    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(posts + request(fields=CLOSE))
        reply = peer.rest()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in reply.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"%02dPOST" % number for number in range(50)] + [b"GET"]


# Bodies in pieces


async def in_pieces(exchange: Exchange) -> None:
    await exchange.begin(200, {"X": "y"})
    for piece in (b"one", b"", b"two"):
        await exchange.write(piece)
    await exchange.end()


def test_of_unknown_length_in_chunks() -> None:
    reply = said(in_pieces, request(fields=CLOSE))
    assert b"Transfer-Encoding: chunked\r\n" in reply
    assert b"Content-Length" not in reply
    assert body_of(reply) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


def test_to_http_1_0_until_the_end() -> None:
    reply = said(in_pieces, request(version="1.0", fields=b"Connection: keep-alive\r\n"))
    assert b"chunked" not in reply
    assert b"Connection: close\r\n" in reply
    assert body_of(reply) == b"onetwo"


def test_to_a_head_none() -> None:
    reply = said(in_pieces, request("HEAD") + request(fields=CLOSE))
    assert reply.count(b"HTTP/1.1 200 OK") == 2
    assert reply.count(b"one") == 1


def test_of_a_known_length() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {}, 6)
        await exchange.write(b"one")
        await exchange.write(b"two")
        with pytest.raises(LocalProtocolError, match="longer than was announced"):
            await exchange.write(b"!")

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request(fields=CLOSE))
        with pytest.raises(ConnectionResetError):
            assert body_of(peer.rest()) == b"onetwo"  # it may be read, or not: it was cut
        assert live.await_event(Ended).reason == "its answer was begun and not ended"


def test_a_shorter_one_is_cut() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {}, 6)
        await exchange.write(b"one")
        await exchange.end()

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request())
        with pytest.raises(ConnectionResetError):
            peer.rest()
        assert live.await_event(Ended).reason == "the body came to less than was announced"


def test_a_file_that_is_shorter_than_it_was_is_cut() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 10)
        file.flush()

        async def answer(exchange: Exchange) -> None:
            await exchange.begin(200, {}, 20)
            await exchange.send_file(file, 0, 20)
            await exchange.end()

        with serving(answer) as live, live.connect() as peer:
            peer.sock.sendall(request())
            with pytest.raises(ConnectionResetError):
                peer.rest()
            assert live.await_event(RequestAnswered).size == 10


# What goes wrong


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("secret"), 500), (JackfieldError("busy"), 503)]
)
def test_a_handler_that_fails_gets_an_answer_said_for_it(error: Exception, status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        raise error

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request())
        reply = peer.rest()
        assert reply.startswith(b"HTTP/1.1 %d " % status)
        assert str(error).encode() not in reply
        assert b"Connection: close\r\n" in reply
        assert live.await_event(RequestAnswered).status == status
        assert str(error) in live.await_event(HandlerFailed).error


def test_one_that_answers_nothing_too() -> None:
    async def answer(exchange: Exchange) -> None:
        pass

    reply = said(answer, request() + request(fields=CLOSE))
    assert reply.count(b"HTTP/1.1 500 ") == 2


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_one_that_fails_in_the_middle_is_cut(version: str) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {})
        await exchange.write(b"half")
        raise RuntimeError

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request(version=version))
        with pytest.raises(ConnectionResetError):
            peer.rest()
        assert live.await_event(RequestAnswered).size == 4


def test_one_that_forgets_the_end_is_cut() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {})

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request() + request())
        with pytest.raises(ConnectionResetError):
            peer.rest()
        assert live.await_event(Ended).reason == "its answer was begun and not ended"


def test_an_answer_is_given_once() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, "first")
        with pytest.raises(LocalProtocolError, match="answered already"):
            await exchange.respond(200, "second")
        with pytest.raises(LocalProtocolError, match="answered already"):
            await exchange.begin(200, {})

    reply = said(answer, request(fields=CLOSE))
    assert reply.count(b"HTTP/1.1 ") == 1
    assert body_of(reply) == b"first"


def test_an_error_after_the_answer_adds_none() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, "first")
        raise RuntimeError

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request())
        assert peer.rest().count(b"HTTP/1.1 ") == 1
        live.await_event(HandlerFailed)


@pytest.mark.parametrize("reads", ["before", "after", "never"])
@pytest.mark.parametrize("body", [b"3\r\nabcd", b"3\r\nab"])
def test_a_broken_body_has_one_answer(body: bytes, reads: str) -> None:
    """400 where it was not answered yet; else the connection ends, and that is all."""

    async def answer(exchange: Exchange) -> None:
        if reads == "before":
            await exchange.read()
        await exchange.respond(200, "well")
        if reads == "after":
            await exchange.read()

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(request("POST", fields=b"Transfer-Encoding: chunked\r\n") + body)
        peer.sock.shutdown(1)
        reply = peer.rest()
        assert reply.count(b"HTTP/1.1 ") == 1
        assert reply.startswith(b"HTTP/1.1 400 " if reads == "before" else b"HTTP/1.1 200 ")
        live.await_event(Refused)
        assert live.of(HandlerFailed) == []


def test_a_broken_body_while_its_answer_is_on_its_way_cuts_it() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {})
        async for piece in exchange.pieces():
            await exchange.write(piece)
        await exchange.end()

    with serving(answer) as live, live.connect() as peer:
        peer.sock.sendall(
            request("POST", fields=b"Transfer-Encoding: chunked\r\n") + b"1\r\na\r\nx"
        )
        with pytest.raises(ConnectionResetError):
            peer.rest()
        live.await_event(Ended)


def test_a_body_longer_than_is_read_is_413() -> None:
    async def answer(exchange: Exchange) -> None:
        with pytest.raises(HTTPError):
            await exchange.read(2)
        raise HTTPError(413, "too long for this")

    reply = said(answer, request("POST", fields=b"Content-Length: 3\r\n") + b"abc")
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert reply.count(b"HTTP/1.1 ") == 1


# Bodies that nobody reads, and those that wait


def test_a_body_nobody_has_read_is_dropped() -> None:
    data = request(fields=b"Content-Length: 100000\r\n") + b"G" * 100_000 + request(fields=CLOSE)
    assert said(hello, data).count(b"HTTP/1.1 200 OK") == 2


def test_a_longer_one_closes_the_connection() -> None:
    size = DROPPED + 100_000
    data = request(fields=b"Content-Length: %d\r\n" % size) + b"G" * size + request()
    assert said(hello, data).count(b"HTTP/1.1 ") == 1


def test_100_is_said_when_the_body_is_asked_for() -> None:
    expects = request("POST", fields=b"Content-Length: 3\r\nExpect: 100-Continue\r\n")
    with serving(echo) as live, live.connect() as peer:
        peer.sock.sendall(expects)
        assert peer.sock.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sock.sendall(b"abc" + request(fields=CLOSE))
        assert peer.rest().count(b"HTTP/1.1 200 OK") == 2


def test_it_is_not_where_the_answer_came_first() -> None:
    expects = request("POST", fields=b"Content-Length: 3\r\nExpect: 100-continue\r\n")
    reply = said(hello, expects)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in reply


def test_http_1_0_expects_nothing() -> None:
    fields = b"Content-Length: 3\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n"
    reply = said(echo, request("POST", "1.0", fields) + b"abc" + request(fields=CLOSE))
    assert b" 100 " not in reply
    assert reply.count(b"HTTP/1.1 200 OK") == 2


def test_another_expectation_is_417_and_no_handler_sees_it() -> None:
    seen: list[str] = []

    async def answer(exchange: Exchange) -> None:
        seen.append(exchange.path)
        await exchange.respond(200)

    expects = request("POST", fields=b"Content-Length: 3\r\nExpect: more\r\n")
    assert said(answer, expects).startswith(b"HTTP/1.1 417 ")
    assert seen == []


# Events


def test_each_answer_is_told() -> None:
    with serving(in_pieces) as live, live.connect() as peer:
        fields = b"Referer: http://a/\r\nUser-Agent: " + b"x" * 2000 + b"\r\n"
        peer.sock.sendall(request(fields=fields) + request("HEAD", fields=CLOSE))
        peer.rest()
        told, head = live.await_events(RequestAnswered, 2)
    assert (told.method, told.target, told.version, told.status) == ("GET", "/", "1.1", 200)
    assert (told.size, told.referer, told.agent) == (6, "http://a/", "x" * module.MOST_TOLD)
    assert 0 <= told.seconds < 20
    assert (head.method, head.size) == ("HEAD", 0)


def test_a_peer_that_went_away_is_told_of_too() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin(200, {})
        while True:
            await exchange.write(b"x" * 100_000)

    with serving(answer) as live:
        with live.connect() as peer:
            peer.sock.sendall(request())
            assert peer.sock.recv(1000)
        assert live.await_event(RequestAnswered).status == 200
        assert live.of(HandlerFailed) == []


def test_the_last_answer_of_a_server_that_stops_says_so() -> None:
    """Of two requests at hand the second is not looked at any more."""

    async def answer(exchange: Exchange) -> None:
        exchange.conn.core.draining = True
        await exchange.respond(200)

    reply = said(answer, request() + request())
    assert reply.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close\r\n" in reply


def test_the_path_is_the_target_without_its_query() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, exchange.path)

    data = b"GET /a%20b?c?d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert body_of(said(answer, data)) == b"/a%20b"


def test_two_peers_do_not_wait_for_each_other() -> None:
    with serving(echo) as live, live.connect() as slow, live.connect() as quick:
        slow.sock.sendall(request("POST", fields=b"Content-Length: 3\r\n" + CLOSE))
        quick.sock.sendall(request(fields=CLOSE))
        assert quick.rest().startswith(b"HTTP/1.1 200 OK")
        slow.sock.sendall(b"abc")
        assert body_of(slow.rest()) == b"abc"


def test_peers_can_half_close_and_still_get_their_answer() -> None:
    with serving(hello) as live, Peer(live.endpoints[0]) as peer:
        peer.sock.sendall(request() + request())
        peer.sock.shutdown(1)
        assert peer.rest().count("héllo".encode()) == 2
