from __future__ import annotations

import importlib.util
import pickle
import sys
from typing import Any, TypeVar

import pytest

from jackfield.errors import (
    ConfigurationError,
    IncompleteMessage,
    LocalProtocolError,
    RemoteProtocolError,
)
from jackfield.framing import http
from jackfield.framing.http import (
    END,
    HTTP,
    MAX_BODY,
    HTTPError,
    Request,
    Response,
    chunked,
    encode_head,
    phrase,
)

T = TypeVar("T")

HOST = b"Host: a\r\n"


def server(**options: Any) -> Any:
    return HTTP("server", **options).decoder()


def client(**options: Any) -> Any:
    return HTTP("client", **({"max_body": None} | options)).decoder()


def error_of(data: bytes, **options: Any) -> RemoteProtocolError:
    decoder = server(**options)
    decoder.feed(data)
    assert decoder.error is not None
    error: RemoteProtocolError = decoder.error
    return error


# What a server receives


def test_a_request_in_parts() -> None:
    decoder = server()
    assert decoder.feed(b"GET /a?b=c HT") == []
    assert decoder.unfinished == 13
    (request,) = decoder.feed(b"TP/1.1\r\nHost: a\r\nX-Y: 1\r\nx-y: 2\r\n\r\n")
    assert (request.method, request.target, request.version) == ("GET", "/a?b=c", "1.1")
    assert request.fields == {"host": "a", "x-y": "1, 2"}
    assert (request.has_body, request.keep_alive, request.upgrade) == (False, True, False)
    assert repr(request) == "GET /a?b=c HTTP/1.1"
    assert (decoder.unfinished, decoder.pieces, decoder.error) == (0, 0, None)


def test_a_body_comes_in_pieces_and_has_an_end() -> None:
    decoder = server()
    head, piece = decoder.feed(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\nabc")
    assert (head.has_body, piece) == (True, b"abc")
    assert decoder.need > 1
    assert decoder.feed(b"def") == [b"def", END]
    assert (decoder.need, decoder.pieces, decoder.unfinished) == (1, 3, 0)


def test_chunks_that_come_together_are_one_piece() -> None:
    decoder = server()
    data = chunked(b"ab") + chunked(b"cd") + b"0\r\nX: y\r\n\r\n"
    head, piece, end = decoder.feed(
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + data
    )
    assert (piece, end) == (b"abcd", END)
    assert "x" not in head.fields  # what a trailer says is nobody's


def test_cookies_are_joined_as_cookies_are() -> None:
    (request,) = server().feed(b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n")
    assert request.fields["cookie"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("first", "field", "keeps"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_who_wants_to_go_on(first: bytes, field: bytes, keeps: bool) -> None:
    (request,) = server().feed(first + b"\r\n" + HOST + field + b"\r\n")
    assert request.keep_alive is keeps


def test_behind_a_request_to_upgrade_nothing_is_parsed() -> None:
    decoder = server()
    upgrade = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
    (request,) = decoder.feed(upgrade + b"\x81\x00")
    assert (request.upgrade, request.keep_alive) == (True, False)
    assert decoder.feed(b"more") == []
    assert decoder.rest(0) == b"\x81\x00more"
    assert decoder.error is None
    with pytest.raises(LocalProtocolError):
        decoder.rest(1)


def test_what_follows_a_request_to_upgrade_has_a_bound() -> None:
    decoder = server()
    decoder.feed(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n")
    for _ in range(80):
        decoder.feed(b"x" * 1024)
    assert decoder.error.status == 400
    assert len(decoder.rest(0)) < 80 * 1024


@pytest.mark.parametrize("name", ["Content-Length: 7", "Transfer-Encoding: chunked"])
def test_a_body_has_a_bound(name: str) -> None:
    data = b"POST / HTTP/1.1\r\n" + HOST + name.encode() + b"\r\n\r\n" + b"7\r\nabcdefg\r\n"
    assert str(error_of(data, max_body=6)).startswith("413 ")
    assert server(max_body=7).feed(data)[1].startswith(b"7" if "L" in name else b"a")


def test_errors_stay_and_end_it_all() -> None:
    decoder = server()
    (request,) = decoder.feed(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n\0")
    assert request.target == "/"
    assert decoder.attention
    error = decoder.error
    assert decoder.feed(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") == []
    assert decoder.error is error
    assert decoder.unfinished == 0
    assert error.__traceback__ is None
    decoder.drop()
    assert decoder.attention
    decoder.finish()
    assert decoder.error is error


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"GET / HT", "head"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nab", "body"),
    ],
)
def test_a_stream_that_ends_in_the_middle(data: bytes, where: str) -> None:
    decoder = server()
    decoder.feed(data)
    decoder.finish()
    assert isinstance(decoder.error, IncompleteMessage)
    assert where in str(decoder.error)
    assert decoder.attention


def test_a_stream_that_ends_between_messages_is_well() -> None:
    decoder = server()
    decoder.feed(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    decoder.finish()
    assert decoder.error is None
    assert not decoder.attention


def test_memory_for_what_never_ends_is_bound() -> None:
    """A head byte by byte, and a chunk's extension: an error comes before the bytes are many."""
    for begin in (b"GET / HTTP/1.1\r\nX: ", b"G", b"GET /", b"\r\n"):
        decoder = server()
        decoder.feed(begin)
        fed = 0
        while decoder.error is None:
            decoder.feed(b"x" * 100 if begin != b"\r\n" else b"\r\n" * 50)
            fed += 100
            assert fed <= http.MAX_HEAD + 3 * http.MAX_TARGET, begin
    decoder = server()
    decoder.feed(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1;a=")
    fed = 0
    while decoder.error is None:
        decoder.feed(b"x" * 1000)
        fed += 1000
        assert fed < 4 * http.MAX_HEAD
    assert decoder.error.status == 400


# What a client receives


def test_a_response_with_a_length() -> None:
    decoder = client()
    response, body, end = decoder.feed(
        b"HTTP/1.1 200 Very Well\r\nContent-Length: 2\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nok"
    )
    assert (response.status, response.reason, response.version) == (200, "Very Well", "1.1")
    assert response.raw == [("Content-Length", "2"), ("Set-Cookie", "a"), ("set-cookie", "b")]
    assert response.fields["set-cookie"] == "a, b"
    assert (response.has_body, response.until_close, response.keep_alive) == (True, False, True)
    assert (body, end) == (b"ok", END)
    assert repr(response) == "HTTP/1.1 200 Very Well"


def test_a_trailer_is_no_field_of_a_response() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    response, end = client().feed(head + b"0\r\nX: y\r\n\r\n")
    assert response.raw == [("Transfer-Encoding", "chunked")]
    assert end is END


def test_a_response_until_the_connection_ends() -> None:
    decoder = client()
    response, body = decoder.feed(b"HTTP/1.0 200 OK\r\n\r\nok")
    assert (response.until_close, response.keep_alive, body) == (True, False, b"ok")
    assert decoder.feed(b"more") == [b"more"]
    decoder.finish()
    assert decoder.error is None


def test_one_that_ends_early_is_an_error() -> None:
    for fields in (
        b"Content-Length: 3\r\n\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ):
        decoder = client()
        assert decoder.feed(b"HTTP/1.1 200 OK\r\n" + fields)[1] == b"ab"
        decoder.finish()
        assert isinstance(decoder.error, IncompleteMessage)


@pytest.mark.parametrize("status", [204, 304])
def test_some_have_no_body_whatever_they_say(status: int) -> None:
    decoder = client()
    (response,) = decoder.feed(b"HTTP/1.1 %d x\r\nETag: y\r\n\r\n" % status)
    assert (response.has_body, response.until_close) == (False, False)
    (second,) = decoder.feed(b"HTTP/1.1 %d x\r\n\r\n" % status)
    assert second.status == status


def test_the_answer_to_a_head_has_none_either() -> None:
    decoder = client(bodiless=True)
    (response,) = decoder.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert (response.has_body, response.keep_alive, decoder.error) == (False, True, None)
    (response,) = decoder.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (response.has_body, decoder.error) == (False, None)


@pytest.mark.parametrize(("field", "keeps"), [(b"", True), (b"Connection: close\r\n", False)])
def test_one_that_says_nothing_of_its_length_can_be_followed_too(field: bytes, keeps: bool) -> None:
    (response,) = client(bodiless=True).feed(b"HTTP/1.1 200 OK\r\n" + field + b"\r\n")
    assert (response.has_body, response.keep_alive) == (False, keeps)


def test_interim_answers_come_first() -> None:
    decoder = client()
    first, second, end = decoder.feed(
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert [first.status, second.status, end] == [103, 200, END]


def test_switching_protocols() -> None:
    decoder = client()
    (response,) = decoder.feed(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nrest"
    )
    assert (response.status, response.upgrade) == (101, True)
    assert decoder.rest(0) == b"rest"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\n\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
    ],
)
def test_broken_answers(data: bytes) -> None:
    decoder = client()
    decoder.feed(data)
    assert isinstance(decoder.error, RemoteProtocolError)


def test_a_client_may_bound_bodies_too() -> None:
    decoder = client(max_body=3)
    decoder.feed(b"HTTP/1.1 200 OK\r\n\r\nabcd")
    assert decoder.error.status == 413


# What is sent


def test_heads_are_encoded() -> None:
    framing = HTTP()
    assert framing.encode(Response(200, {"A": "b"}, b"body")) == (
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody"
    )
    assert framing.encode(Response(299, [("A", "b"), ("A", "c")])) == (
        b"HTTP/1.1 299 \r\nA: b\r\nA: c\r\n\r\n"
    )
    assert (
        framing.encode(Request("GET", "/", {"Host": "a"})) == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert framing.encode(b"as it is") == framing.encode(bytearray(b"as it is")) == b"as it is"
    assert (phrase(404), phrase(799)) == ("Not Found", "")


@pytest.mark.parametrize("bad", ["a\r\nB: c", "a\n", "a\r", "a\0"])
def test_no_value_gets_to_begin_a_line(bad: str) -> None:
    for fields in ({"A": bad}, {bad: "a"}):
        with pytest.raises(LocalProtocolError, match="CR, LF or NUL"):
            encode_head("HTTP/1.1 200 OK", fields)
    with pytest.raises(LocalProtocolError):
        HTTP().encode(Response(200, reason=bad))


def test_what_is_not_latin_1_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="percent-encode"):
        encode_head("HTTP/1.1 200 OK", {"A": "中"})


@pytest.mark.parametrize("message", ["text", 5, None, END])
def test_what_is_no_message_is_refused(message: object) -> None:
    with pytest.raises((LocalProtocolError, TypeError)):
        HTTP().encode(message)


def test_chunks() -> None:
    assert chunked(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunked(b"") == b"0\r\n\r\n"


# Refusals


def status_and_body(data: bytes) -> tuple[int, bytes]:
    response, *body = client().feed(data)
    assert response.fields["connection"] == "close"
    return response.status, b"".join(body[:-1])


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("431 Request Header Fields Too Large: why", 431),
        ("you speak TLS, and this endpoint does not", 400),
        ("999 is no status", 400),
        ("", 400),
        ("ä\r\nX: y \ud800", 400),
    ],
)
def test_a_refusal_is_an_answer(reason: str, status: int) -> None:
    found, body = status_and_body(HTTP().refusal(reason))
    assert found == status
    assert body == f"{reason}\n".encode("utf-8", "replace")


@pytest.mark.parametrize(
    ("limit", "status"),
    [("first_message", 408), ("message_time", 408), ("connections", 503), ("threads", 503)],
)
def test_a_limit_that_was_passed_has_its_status(limit: str, status: int) -> None:
    assert status_and_body(HTTP().refusal_past(limit, "why"))[0] == status


def test_a_client_refuses_without_a_word() -> None:
    assert HTTP("client").refusal("why") == HTTP("client").refusal_past("idle", "why") == b""


# The framing itself


def test_without_httptools_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "httptools", None)
    with pytest.raises(ConfigurationError, match=r"jackfield\[web\]"):
        HTTP()


def crossed(message: T) -> T:
    """What comes out of a pipe between processes of one server."""
    came: T = pickle.loads(pickle.dumps(message))  # noqa: S301  it is our own
    return came


def test_it_can_be_imported_without_httptools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    spec = importlib.util.spec_from_file_location("another", http.__file__)
    assert spec is not None
    assert spec.loader is not None
    another = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(another)
    with pytest.raises(ConfigurationError, match="httptools"):
        another.HTTP()


def test_what_the_parser_sees_to_is_seen_to_twice() -> None:
    """What it lets through one day is refused all the same."""
    with pytest.raises(HTTPError, match="there is a length, and chunks too"):
        http._check_coding({"content-length": "1", "transfer-encoding": "chunked"}, "1.1")
    for decoder in (server(), client()):
        decoder._fail(ValueError("of the parser's own"))
        assert str(decoder.error) == "400 Bad Request: what came is no HTTP"
    first = decoder.error
    decoder._fail(None)
    assert decoder.error is first


def test_framings_and_what_they_give_can_cross_processes() -> None:
    framing = crossed(HTTP("client", bodiless=True, max_body=5))
    assert (framing.side, framing.bodiless, framing.max_body) == ("client", True, 5)
    assert crossed(END) is END
    assert repr(END) == "END"
    error = crossed(HTTPError(413, "a: b"))
    assert (error.status, str(error)) == (413, str(HTTPError(413, "a: b")))
    assert HTTP().max_body == MAX_BODY
    assert HTTP().rests
