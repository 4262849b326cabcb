from __future__ import annotations

import asyncio
import gzip
import pickle
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has none
import pytest
import zstandard

import jackfield
from jackfield import fetch
from jackfield.errors import (
    BadMessage,
    ChecksumMismatch,
    ConfigurationError,
    ConnectError,
    ConnectRefused,
    DecodingError,
    EndpointError,
    FetchError,
    HTTPStatusError,
    JackfieldError,
    MessageTooLong,
    NameNotFound,
    RedirectRefused,
    ResponseCut,
    ServerSilent,
    TLSError,
)
from jackfield.fetching import conversation, exchange, resuming
from jackfield.fetching.pool import Pool
from jackfield.fetching.response import BlockingResponse
from jackfield.fetching.steps import Answered, Connected, Ended, LookedUp, Pausing, Reused, Step
from jackfield.version import __version__
from tests.certificates import Certificates
from tests.live import in_loop
from tests.scripted import CUT_OFF, RESET, STAY, Asked, Part, Scripted, chunked, ok, redirect
from tests.unit.net.machine import needs_ipv6

ETAG = 'ETag: "one"'


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "FIRST_PAUSE", 0.01)


def part(body: bytes, first: int, *lines: str, last: int | None = None) -> bytes:
    """A response of a part of a body, from `first` on."""
    last = len(body) - 1 if last is None else last
    where = f"Content-Range: bytes {first}-{last}/{len(body)}"
    return ok(body[first : last + 1], where, *lines, status="206 Partial Content")


# A body, told apart by its length, its chunks, the end of the connection


BODIES = {
    "length": ok(b"hello world"),
    "chunks": chunked([b"hello ", b"world"]),
    "trailers": chunked([b"hello world"], end=b"0\r\nX-Sum: 1\r\n\r\n"),
    "close": b"HTTP/1.1 200 OK\r\n\r\nhello world",
    "1.0": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello world",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"hello world"),
}
EACH_BODY = pytest.mark.parametrize("kind", list(BODIES))


@EACH_BODY
def test_a_body_is_whole_however_its_end_is_told(kind: str) -> None:
    with Scripted([BODIES[kind]]) as server:
        response = fetch(server.url).get()
    assert (response.status, response.body, response.text()) == (200, b"hello world", "hello world")


@EACH_BODY
@in_loop
async def test_so_in_async_code(kind: str) -> None:
    with Scripted([BODIES[kind]], [BODIES[kind]]) as server:
        response = await fetch(server.url)
        assert response.body == b"hello world"
        async with fetch(server.url) as streamed:
            assert b"".join([piece async for piece in streamed]) == b"hello world"


@pytest.mark.parametrize("kind", ["length", "chunks", "close"])
def test_so_over_tls(kind: str, certificates: Certificates) -> None:
    with (
        Scripted([BODIES[kind]], tls=certificates) as server,
        fetch(server.url, ca=certificates.ca) as response,
    ):
        assert b"".join(response) == b"hello world"
        assert response.tls is not None
        assert response.tls.version == "TLSv1.3"


def test_what_is_asked_by_default() -> None:
    with Scripted([ok()]) as server:
        fetch(f"{server.url}/a b?q=ü#part").get()
        (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/a%20b?q=%C3%BC")
    assert asked.fields == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"jackfield/{__version__}",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br, zstd",
    }


@needs_ipv6
def test_an_ipv6_address_is_written_in_brackets() -> None:
    with Scripted([ok(b"six")], host="::1") as server:
        assert fetch(server.url).get().body == b"six"
        assert server.asked[0].fields["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("data", "body", "kind"),
    [
        (b"\0raw", b"\0raw", "application/x-www-form-urlencoded"),
        ("text ü", "text ü".encode(), "application/x-www-form-urlencoded"),
        ({"a b": "c&d"}, b"a+b=c%26d", "application/x-www-form-urlencoded"),
        (b"", b"", "application/x-www-form-urlencoded"),
    ],
)
def test_data_is_posted(data: Any, body: bytes, kind: str) -> None:
    with Scripted([ok()]) as server:
        fetch(server.url, data=data).get()
        (asked,) = server.asked
    assert (asked.method, asked.body, asked.fields["content-type"]) == ("POST", body, kind)
    assert asked.fields["content-length"] == str(len(body))


def test_fields_of_the_caller_stand_in_place_of_the_default() -> None:
    headers = {"accept": "text/html", "User-Agent": "", "X-Mine": "1", "Content-Type": "a/b"}
    with Scripted([ok()]) as server:
        fetch(server.url, method="PUT", data=b"x", headers=headers).get()
        (asked,) = server.asked
    assert asked.fields["accept"] == "text/html"
    assert asked.fields["x-mine"] == "1"
    assert asked.fields["content-type"] == "a/b"
    assert "user-agent" not in asked.fields


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://127.0.0.1:{port}", {"auth": ("Aladdin", "open sesame")}),
        ("http://Aladdin:open%20sesame@127.0.0.1:{port}", {}),
    ],
)
def test_credentials_are_sent_by_basic(url: str, options: dict[str, Any]) -> None:
    with Scripted([ok()]) as server:
        response = fetch(url.format(port=server.port), **options).get()
        assert server.asked[0].fields["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert "sesame" not in response.url


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X": "a\r\nHost: evil"}},
        {"headers": {"X: y\r\nA": "b"}},
        {"headers": {"Content-Length": "3"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"method": "GET / HTTP/1.1\r\nX:"},
        {"method": "CONNECT"},
        {"data": 3},
        {"idle_timeout": 0},
        {"retries": -1},
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        fetch("http://127.0.0.1:1/", **options)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_no_body(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode()
    with Scripted([head, ok(b"next")]) as server, Pool() as pool:
        assert fetch(server.url, pool=pool).get().body == b""
        assert fetch(server.url, pool=pool).get().body == b"next"
        assert [asked.connection for asked in server.asked] == [1, 1]


def test_a_head_has_no_body_whatever_it_says() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with Scripted([head, ok(b"next")]) as server, Pool() as pool:
        response = fetch(server.url, method="HEAD", pool=pool).get()
        assert (response.body, response.fields["content-length"]) == (b"", "1000")
        assert fetch(server.url, pool=pool).get().body == b"next"
        assert [asked.method for asked in server.asked] == ["HEAD", "GET"]
        assert [asked.connection for asked in server.asked] == [1, 1]


# Connections kept alive


@in_loop
async def test_a_connection_is_used_again_and_closed_in_the_end() -> None:
    steps: list[Step] = []
    with Scripted([ok(b"1"), chunked([b"2"]), ok(b"3")]) as server:
        async with Pool() as pool:
            bodies = [
                (await fetch(server.url, pool=pool, on_step=steps.append)).body for _ in range(3)
            ]
            assert pool.size == 1
        assert pool.size == 0
    assert bodies == [b"1", b"2", b"3"]
    assert {asked.connection for asked in server.asked} == {1}
    assert [type(step) for step in steps].count(Reused) == 2


@pytest.mark.parametrize(
    "first",
    [
        ok(b"1", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\n\r\n1",
        ok(b"1") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ok(b"1") + b"garbage\r\n\r\n",
    ],
    ids=["close", "1.0", "until close", "an answer nobody asked for", "garbage"],
)
def test_a_connection_that_cannot_be_trusted_any_more_is_not_used_again(first: bytes) -> None:
    with Scripted([first], [ok(b"2")]) as server, Pool() as pool:
        assert fetch(server.url, pool=pool).get().body == b"1"
        assert fetch(server.url, pool=pool).get().body == b"2"


def test_one_that_is_closed_instead_of_an_answer_is_replaced_once() -> None:
    with Scripted([ok(b"1"), []], [ok(b"2")]) as server, Pool() as pool:
        assert fetch(server.url, pool=pool, retries=0).get().body == b"1"
        assert fetch(server.url, pool=pool, retries=0).get().body == b"2"
        assert [asked.connection for asked in server.asked] == [1, 1, 2]


def test_but_not_for_what_must_not_be_done_twice() -> None:
    with Scripted([ok(b"1"), []], [ok(b"2")]) as server, Pool() as pool:
        fetch(server.url, pool=pool).get()
        with pytest.raises(ResponseCut, match="without an answer"):
            fetch(server.url, pool=pool, data=b"pay").get()


# Redirects


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        ("301 Moved Permanently", "POST", "GET", b""),
        ("302 Found", "POST", "GET", b""),
        ("302 Found", "PUT", "PUT", b"data"),
        ("303 See Other", "PUT", "GET", b""),
        ("303 See Other", "HEAD", "HEAD", b""),
        ("307 Temporary Redirect", "POST", "POST", b"data"),
        ("308 Permanent Redirect", "PUT", "PUT", b"data"),
    ],
)
def test_a_redirect_is_followed_by_its_method(
    status: str, method: str, then: str, body: bytes
) -> None:
    data = None if method == "HEAD" else b"data"
    moved = redirect("/there?x=1", status)
    if method == "HEAD":
        moved = moved.removesuffix(b"moved")
    with Scripted([moved, ok()]) as server:
        response = fetch(f"{server.url}/here", method=method, data=data).get()
        last = server.asked[-1]
    assert (last.method, last.target, last.body) == (then, "/there?x=1", body)
    assert ("content-type" in last.fields) == bool(body)
    assert response.url == f"{server.url}/there?x=1"
    assert [(hop.status, hop.url) for hop in response.history] == [
        (int(status[:3]), f"{server.url}/here")
    ]
    assert [asked.connection for asked in server.asked] == [1, 1]


def test_credentials_stay_with_their_origin() -> None:
    secret = {"Cookie": "a=b", "X-Other": "kept"}
    with Scripted([ok(b"there")]) as other, Scripted([redirect("/b"), redirect(other.url)]) as here:
        fetch(f"{here.url}/a", auth=("user", "pass"), headers=secret).get()
    assert "authorization" in here.asked[1].fields
    assert "authorization" not in other.asked[0].fields
    assert "cookie" not in other.asked[0].fields
    assert other.asked[0].fields["x-other"] == "kept"
    assert other.asked[0].fields["host"] == f"127.0.0.1:{other.port}"


def test_those_in_a_location_are_not_used() -> None:
    with (
        Scripted([ok()]) as other,
        Scripted([redirect(f"http://u:p@127.0.0.1:{other.port}")]) as here,
    ):
        fetch(here.url).get()
    assert "authorization" not in other.asked[0].fields


def test_redirects_in_a_circle_end() -> None:
    with (
        Scripted([redirect("/a")] * 11) as server,
        pytest.raises(RedirectRefused, match="more than 10 redirects in a circle") as caught,
    ):
        fetch(f"{server.url}/a").get()
    assert str(caught.value).startswith(f"{server.url}/a: ")
    assert len(server.asked) == 11


def test_redirects_can_be_left_alone() -> None:
    with Scripted([redirect("/b")]) as server:
        response = fetch(server.url, redirects=0).get()
    assert (response.status, response.fields["location"], response.body) == (302, "/b", b"moved")


def test_https_does_not_lead_to_http(certificates: Certificates) -> None:
    with (
        Scripted([redirect("http://127.0.0.1:1/x")], tls=certificates) as server,
        pytest.raises(RedirectRefused, match="from https to http") as caught,
    ):
        fetch(server.url, ca=certificates.ca).get()
    assert "fetch http://127.0.0.1:1/x itself" in str(caught.value)


def test_http_leads_to_https(certificates: Certificates) -> None:
    with Scripted([ok(b"safe")], tls=certificates) as safe, Scripted([redirect(safe.url)]) as here:
        assert fetch(here.url, ca=certificates.ca).get().body == b"safe"


@pytest.mark.parametrize("location", ["ftp://a/", "http://", "file:///etc/passwd", "http://[x]/"])
def test_a_redirect_to_no_url_of_ours_is_an_error(location: str) -> None:
    with (
        Scripted([redirect(location)]) as server,
        pytest.raises(RedirectRefused, match="cannot be fetched"),
    ):
        fetch(server.url).get()


def test_a_redirect_without_a_location_is_an_answer() -> None:
    with Scripted([ok(b"x", status="302 Found")]) as server:
        assert fetch(server.url).get().status == 302


# Codings


CODED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("coding", list(CODED))
def test_a_coding_is_undone(coding: str) -> None:
    body = b"text " * 10_000
    coded = ok(CODED[coding](body), f"Content-Encoding: {coding}")
    with Scripted([coded], [coded]) as server:
        response = fetch(server.url).get()
        assert response.body == body
        raw = fetch(server.url, decode=False).get()
        assert raw.body == CODED[coding](body)
        assert server.asked[1].fields["accept-encoding"] == "identity"


def drop(response: BlockingResponse) -> None:
    for _ in response:
        pass


@pytest.mark.long
def test_a_bomb_is_an_error() -> None:
    large, bomb = (gzip.compress(bytes(100 << 20), level) for level in (1, 9))
    kind = "Content-Encoding: gzip"
    with Scripted([ok(large, kind)], [ok(bomb, kind)]) as server:
        with pytest.raises(MessageTooLong, match="more than the 67108864 bytes"):
            fetch(server.url).get()
        with pytest.raises(DecodingError, match="may be a bomb"), fetch(server.url) as response:
            drop(response)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ok(b"not gzip", "Content-Encoding: gzip"), "not in its content coding"),
        (ok(gzip.compress(b"x" * 99)[:-4], "Content-Encoding: gzip"), "not whole"),
        (ok(b"x", "Content-Encoding: pack200"), "'pack200' is not known"),
        (ok(b"x", "Content-Encoding: gzip, gzip, gzip"), "3 codings"),
    ],
    ids=["garbage", "cut", "unknown", "too many"],
)
def test_a_coding_that_cannot_be_undone_is_an_error(answer: bytes, says: str) -> None:
    with Scripted([answer]) as server, pytest.raises(DecodingError, match=says) as caught:
        fetch(server.url).get()
    assert str(caught.value).startswith(server.url)


# Bounds


@pytest.mark.parametrize("answer", [ok(b"x" * 101), chunked([b"x" * 60] * 2)])
def test_a_body_past_its_bound_is_an_error(answer: bytes) -> None:
    with Scripted([answer], [answer]) as server:
        with pytest.raises(MessageTooLong, match="more than the 100 bytes"):
            fetch(server.url, max_body=100).get()
        with pytest.raises(MessageTooLong), fetch(server.url, max_body=100) as response:
            list(response)


def test_a_length_of_a_terabyte_is_refused_before_it_comes() -> None:
    with Scripted([[ok(b"x", length=1 << 40), STAY]]) as server, pytest.raises(MessageTooLong):
        fetch(server.url).get()


# Silence


SILENT: dict[str, tuple[list[Any], str]] = {
    "no answer": ([STAY], "says nothing more for 0.3 s"),
    "half a head": ([b"HTTP/1.1 200 OK\r\nX: ", STAY], "says nothing more for 0.3 s"),
    "half a body": ([ok(b"half", length=8), STAY], "for 0.3 s after 4 of 8 bytes"),
    "no end": ([b"HTTP/1.1 200 OK\r\n\r\nsome", STAY], "for 0.3 s after 4 bytes"),
    "only interim": ([b"HTTP/1.1 102 Processing\r\n\r\n", STAY], "says nothing more"),
}


@pytest.mark.parametrize("kind", list(SILENT))
def test_a_server_that_says_nothing_more_is_given_up(kind: str) -> None:
    answer, says = SILENT[kind]
    with Scripted([answer]) as server, pytest.raises(ServerSilent, match=says):
        fetch(server.url, idle_timeout=0.3, retries=0).get()


def test_interim_responses_end() -> None:
    with (
        Scripted([b"HTTP/1.1 102 Processing\r\n\r\n" * 100]) as server,
        pytest.raises(BadMessage, match="not asked for"),
    ):
        fetch(server.url).get()


def test_all_together_has_a_bound_too() -> None:
    drip: list[Part] = [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1000] * 3, STAY]
    with (
        Scripted([drip], forever=True) as server,
        pytest.raises(ServerSilent, match=r"not over within 0.6 s after 3000 bytes"),
    ):
        fetch(server.url, max_time=0.6).get()
    assert len(server.asked) == 1


@pytest.mark.long
def test_a_body_that_is_taken_slowly_is_no_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        size = 400_000

        async def slow(loop: asyncio.AbstractEventLoop) -> None:
            listener.setblocking(False)
            conn, _ = await loop.sock_accept(listener)
            with conn:
                got = 0
                while got < size:
                    await asyncio.sleep(0.02)
                    got += len(await loop.sock_recv(conn, 20_000))
                await loop.sock_sendall(conn, ok(b"taken"))

        async def both() -> bytes:
            loop = asyncio.get_running_loop()
            serving = asyncio.create_task(slow(loop))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            response = await fetch(url, data=bytes(size), idle_timeout=0.6)
            await serving
            return response.body

        assert asyncio.run(both()) == b"taken"


def test_an_answer_before_all_was_taken_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def refuse(loop: asyncio.AbstractEventLoop) -> None:
            listener.setblocking(False)
            conn, _ = await loop.sock_accept(listener)
            with conn:
                await loop.sock_recv(conn, 1000)
                await loop.sock_sendall(conn, ok(b"no", status="413 Content Too Large"))
                while await loop.sock_recv(conn, 1 << 20):
                    pass

        async def both() -> int:
            serving = asyncio.create_task(refuse(asyncio.get_running_loop()))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            response = await fetch(url, data=bytes(20_000_000))
            serving.cancel()
            return response.status

        assert asyncio.run(both()) == 413


# Cuts, and going on


BODY = bytes(range(256)) * 40


CUT: dict[str, list[Any]] = {
    "length": [ok(BODY[:100], ETAG, length=len(BODY))],
    "reset": [ok(BODY[:100], ETAG, length=len(BODY)), RESET],
}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([ok(b"half", length=8)], "cut off after 4 of 8 bytes"),
        ([chunked([b"half"], end=b"")], "cut off after 4 bytes"),
        ([chunked([b"half"], end=b"7\r\nmo")], "cut off after 6 bytes"),
        ([ok(b"half", length=8), RESET], "cut off"),
        ([], "without an answer"),
        ([b"HTTP/1.1 200 OK\r\nX"], "inside the response's head"),
        ([RESET], "without an answer"),
    ],
)
def test_a_response_that_is_cut_is_an_error(answer: list[Any], says: str) -> None:
    with Scripted([answer]) as server, pytest.raises(ResponseCut, match=says) as caught:
        fetch(server.url, retries=0).get()
    assert "\n" not in str(caught.value)


def test_over_tls_an_end_without_close_notify_is_a_cut(certificates: Certificates) -> None:
    with (
        Scripted([[b"HTTP/1.1 200 OK\r\n\r\nsome", CUT_OFF]], tls=certificates) as server,
        pytest.raises(ResponseCut, match="without TLS close_notify"),
    ):
        fetch(server.url, ca=certificates.ca, retries=0).get()


@pytest.mark.parametrize("kind", list(CUT))
@in_loop
async def test_a_body_that_was_cut_is_gone_on_with(kind: str) -> None:
    steps: list[Step] = []
    with Scripted([CUT[kind]], [part(BODY, 100, ETAG)]) as server:
        async with fetch(server.url, on_step=steps.append) as response:
            body = b"".join([piece async for piece in response])
    assert body == BODY
    assert server.asked[1].fields["range"] == "bytes=100-"
    assert server.asked[1].fields["if-range"] == '"one"'
    (pausing,) = (step for step in steps if isinstance(step, Pausing))
    assert pausing.offset == 100


def test_so_is_one_that_came_no_more() -> None:
    with Scripted(
        [[ok(BODY[:100], ETAG, length=len(BODY)), STAY]], [part(BODY, 100, ETAG)]
    ) as server:
        assert fetch(server.url, idle_timeout=0.7).get().body == BODY


def test_so_is_one_in_a_coding() -> None:
    coded = gzip.compress(BODY)
    kind = "Content-Encoding: gzip"
    with Scripted(
        [ok(coded[:50], ETAG, kind, length=len(coded))], [part(coded, 50, ETAG, kind)]
    ) as server:
        assert fetch(server.url).get().body == BODY


def test_a_server_that_sends_less_than_asked_for_is_asked_on() -> None:
    with Scripted(
        [ok(BODY[:100], ETAG, length=len(BODY))],
        [part(BODY, 100, ETAG, last=199), part(BODY, 200, ETAG)],
    ) as server:
        assert fetch(server.url).get().body == BODY
    assert [asked.fields.get("range") for asked in server.asked] == [
        None,
        "bytes=100-",
        "bytes=200-",
    ]


def test_a_server_that_sends_all_of_the_same_again_is_good_too() -> None:
    with (
        Scripted([ok(BODY[:5000], ETAG, length=len(BODY))], [ok(BODY, ETAG)]) as server,
        fetch(server.url) as response,
    ):
        assert b"".join(response) == BODY


NOT_THE_SAME = {
    "another": ok(b"other", 'ETag: "two"'),
    "another part": part(BODY, 100, 'ETag: "two"'),
    "elsewhere": part(BODY, 99, ETAG),
    "another total": part(BODY + b"x", 100, ETAG),
    "gone": ok(b"", status="404 Not Found"),
}


@pytest.mark.parametrize("kind", list(NOT_THE_SAME))
def test_what_is_not_the_same_any_more_is_not_put_together(kind: str) -> None:
    first = ok(BODY[:100], ETAG, length=len(BODY))
    with (
        Scripted([first], [NOT_THE_SAME[kind]], forever=True) as server,
        pytest.raises(ResponseCut, match="the source has changed"),
        fetch(server.url) as answer,
    ):
        list(answer)


def test_a_whole_that_is_held_in_memory_begins_anew() -> None:
    with Scripted([ok(b"old" * 50, ETAG, length=999)], [ok(b"new", 'ETag: "two"')]) as server:
        assert fetch(server.url).get().body == b"new"
    with Scripted([ok(b"half", length=8)], [ok(b"all of it")]) as server:  # no validator at all
        assert fetch(server.url).get().body == b"all of it"


@pytest.mark.parametrize("tag", ['ETag: W/"weak"', "X-None: 1"])
def test_a_stream_without_a_strong_validator_is_not_gone_on_with(tag: str) -> None:
    with (
        Scripted([ok(b"half", tag, length=8)], [ok(b"x")]) as server,
        pytest.raises(ResponseCut, match="cut off"),
        fetch(server.url) as response,
    ):
        list(response)
    assert len(server.asked) == 1


def test_what_was_posted_is_not_gone_on_with() -> None:
    with (
        Scripted([ok(BODY[:100], ETAG, length=len(BODY))]) as server,
        pytest.raises(ResponseCut, match="cut off"),
    ):
        fetch(server.url, data=b"x").get()


def test_a_part_that_was_asked_for_is_gone_on_with_to_its_end() -> None:
    cut = part(BODY, 100, ETAG, last=299)[:-150]
    with Scripted([cut], [part(BODY, 150, ETAG, last=299)]) as server:
        response = fetch(server.url, headers={"Range": "bytes=100-299"}).get()
    assert response.body == BODY[100:300]
    assert server.asked[1].fields["range"] == "bytes=150-299"


def test_tries_are_counted_anew_once_something_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "GAIN", 1000)

    def a_little(asked: Asked) -> bytes:
        first = int(asked.fields.get("range", "bytes=0-")[6:-1])
        if not first:
            return ok(BODY[:1000], ETAG, length=len(BODY))
        whole = part(BODY, first, ETAG)
        return whole[: whole.index(b"\r\n\r\n") + 4 + 1000]

    with Scripted([a_little], forever=True) as server:
        assert fetch(server.url, retries=1).get().body == BODY
    assert len(server.asked) == 11


def test_tries_end_when_nothing_is_gained() -> None:
    answer = part(BODY, 100, ETAG)[: -(len(BODY) - 100)]
    with (
        Scripted([ok(BODY[:100], ETAG, length=len(BODY))], [answer], forever=True) as server,
        pytest.raises(ResponseCut),
    ):
        fetch(server.url, retries=2).get()
    assert len(server.asked) == 3


# A busy server


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    steps: list[Step] = []
    busy = ok(b"later", "Retry-After: 0", status="503 Service Unavailable")
    limited = ok(b"", status="429 Too Many Requests")
    with Scripted([busy, limited, ok(b"now")]) as server:
        assert fetch(server.url, on_step=steps.append).get().body == b"now"
    pauses = [step for step in steps if isinstance(step, Pausing)]
    assert pauses[0].seconds == 0.0
    assert "503 Service Unavailable" in pauses[0].why
    assert 0.0 < pauses[1].seconds < 0.1


@pytest.mark.parametrize(
    ("retry_after", "retries", "asked"),
    [("3600", 3, 1), ("Fri, 01 Jan 2100 00:00:00 GMT", 3, 1), ("0", 2, 3), ("soon", 0, 1)],
)
def test_what_it_asks_for_has_a_bound(retry_after: str, retries: int, asked: int) -> None:
    busy = ok(b"later", f"Retry-After: {retry_after}", status="503 Service Unavailable")
    with Scripted([busy] * 5) as server:
        response = fetch(server.url, retries=retries).get()
    assert (response.status, response.body, len(server.asked)) == (503, b"later", asked)


def test_what_must_not_be_done_twice_is_not_asked_again() -> None:
    busy = ok(b"", "Retry-After: 0", status="503 Service Unavailable")
    with Scripted([busy, ok()]) as server:
        assert fetch(server.url, data=b"pay").get().status == 503


def test_it_is_asked_again_on_a_new_connection_where_there_was_no_answer() -> None:
    with Scripted([], [ok(b"second")]) as server:
        assert fetch(server.url).get().body == b"second"


# Connecting


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens, and nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_nobody_there_is_said_of_the_url(nobody: int) -> None:
    url = f"http://127.0.0.1:{nobody}/x"
    with pytest.raises(ConnectRefused) as caught:
        fetch(url).get()
    assert str(caught.value).startswith(f"{url}: refused (ECONNREFUSED)")


def test_connecting_is_tried_again_if_that_is_wanted(nobody: int) -> None:
    steps: list[Step] = []
    url = f"http://127.0.0.1:{nobody}/x"
    with pytest.raises(ConnectRefused):
        fetch(url, retry_connect=True, retries=2, on_step=steps.append).get()
    assert sum(isinstance(step, Pausing) for step in steps) == 2


def test_a_name_without_an_address() -> None:
    with pytest.raises(NameNotFound, match=r"^http://nowhere\.invalid/: the name"):
        fetch("http://nowhere.invalid/").get()


def test_a_certificate_nobody_vouches_for(certificates: Certificates) -> None:
    with (
        Scripted([ok()], tls=certificates) as server,
        pytest.raises(TLSError, match="cannot be trusted") as caught,
    ):
        fetch(server.url).get()
    assert str(caught.value).startswith(f"{server.url}/: ")


def test_https_to_a_server_without_tls() -> None:
    with (
        Scripted([ok()]) as server,
        pytest.raises(TLSError, match="does not speak TLS; it may expect http://"),
    ):
        fetch(server.url.replace("http", "https")).get()


# What is no HTTP


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\r\n" * 3000,
    ],
    ids=lambda answer: answer[:40].decode() + str(len(answer)),
)
def test_what_is_no_http_is_one_error(answer: bytes) -> None:
    with Scripted([answer]) as server, pytest.raises(BadMessage) as caught:
        fetch(server.url, retries=0).get()
    assert str(caught.value).startswith(f"{server.url}/: what the server sends is no proper HTTP")
    assert "\n" not in str(caught.value)


# The response


def test_an_error_of_the_server_is_raised_when_asked_for() -> None:
    with Scripted([ok(b"no such thing", status="404 Not Found")]) as server:
        response = fetch(f"{server.url}/x").get()
    assert response.is_error
    with pytest.raises(HTTPStatusError, match="/x: 404 Not Found") as caught:
        response.raise_for_status()
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  our own
    assert (str(again), again.status) == (str(caught.value), 404)


def test_a_good_one_gives_itself() -> None:
    with Scripted([ok(b'{"a": [1]}')]) as server:
        response = fetch(server.url).get()
    assert response.raise_for_status() is response
    assert response.json() == {"a": [1]}
    assert repr(response) == f"<BlockingResponse 200 {server.url}/>"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/html; charset=latin-1", "Ã¼"),
        ('text/html; charset="utf-8"', "ü"),
        ("text/html", "ü"),
        ("text/html; charset=nonsense", "ü"),
        ("text/html; charset=zip", "ü"),
        ("\x00;;;", "ü"),
    ],
)
def test_text_is_decoded_as_it_says(kind: str, text: str) -> None:
    kind = kind.replace("\x00", "")
    with Scripted([ok("ü".encode(), f"Content-Type: {kind}")]) as server:
        assert fetch(server.url).get().text() == text


def test_a_body_can_be_read_later_or_left() -> None:
    with Scripted([ok(b"body")], [ok(b"x" * 10_000_000)]) as server:
        with fetch(server.url) as response:
            assert response.body == b""
            assert response.read() == b"body"
            assert response.body == b"body"
        with fetch(server.url) as response:
            pass


@in_loop
async def test_a_fetch_that_is_cancelled_leaves_no_connection_open() -> None:
    with Scripted([[STAY]]) as server:
        asked = asyncio.Event()
        task = asyncio.create_task(_whole(server.url, lambda _: asked.set()))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def _whole(url: str, on_step: Callable[[Step], None]) -> bytes:
    return (await fetch(url, on_step=on_step)).body


@in_loop
async def test_steps_tell_what_happened(certificates: Certificates) -> None:
    steps: list[Step] = []
    with Scripted([ok(b"body")], tls=certificates) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        await fetch(url, ca=certificates.ca, on_step=steps.append)
    looked_up = next(step for step in steps if isinstance(step, LookedUp))
    assert looked_up.host == "localhost"
    assert "127.0.0.1" in [at.host for at in looked_up.addresses]
    connected = next(step for step in steps if isinstance(step, Connected))
    assert connected.tls is not None
    assert len(connected.chain) == 2
    assert "127.0.0.1" in connected.chain[0].names
    assert connected.chain[0].issuer == connected.chain[1].subject
    assert isinstance(steps[-2], Answered)
    assert isinstance(steps[-1], Ended)
    assert steps[-1].size == 4


def test_the_url_is_checked_at_once() -> None:
    with pytest.raises(EndpointError, match="the scheme is missing"):
        fetch("example.org")


def test_the_errors_are_in_the_tree() -> None:
    for kind in (RedirectRefused, ResponseCut, ServerSilent, DecodingError, ChecksumMismatch):
        assert issubclass(kind, FetchError)
        assert str(pickle.loads(pickle.dumps(kind("why")))) == "why"  # noqa: S301  our own
    assert issubclass(FetchError, JackfieldError)
    assert issubclass(ServerSilent, TimeoutError)
    assert issubclass(ResponseCut, ConnectionError)
    assert not issubclass(FetchError, ConnectError)
    assert jackfield.fetch is fetch


def test_a_certificate_is_not_trusted_the_next_time_either(certificates: Certificates) -> None:
    steps: list[Step] = []
    with Scripted([ok()], tls=certificates, forever=True) as server, pytest.raises(TLSError):
        fetch(server.url, retry_connect=True, on_step=steps.append).get()
    assert not any(isinstance(step, Pausing) for step in steps)


def test_a_server_that_is_busy_meanwhile_is_asked_on() -> None:
    busy = ok(b"later", "Retry-After: 0", status="503 Service Unavailable")
    with Scripted(
        [ok(BODY[:100], ETAG, length=len(BODY))], [busy, part(BODY, 100, ETAG)]
    ) as server:
        assert fetch(server.url).get().body == BODY
    assert [asked.connection for asked in server.asked] == [1, 2, 2]


@pytest.mark.long
def test_a_server_that_is_gone_meanwhile_is_given_up_in_the_end() -> None:
    steps: list[Step] = []
    server = Scripted([[ok(BODY[:100], ETAG, length=len(BODY)), STAY]])
    with server, fetch(server.url, retries=2, idle_timeout=1, on_step=steps.append) as response:
        assert next(iter(response)) == BODY[:100]
        server.stop_listening()
        with pytest.raises(ConnectRefused):
            list(response)
    assert sum(isinstance(step, Pausing) for step in steps) == 2


def test_a_part_with_more_in_it_than_it_says_is_an_error() -> None:
    where = f"Content-Range: bytes 100-{len(BODY) - 1}/{len(BODY)}"
    more = ok(BODY[100:] + b"more", where, ETAG, status="206 Partial Content")
    with (
        Scripted([ok(BODY[:100], ETAG, length=len(BODY))], [more]) as server,
        pytest.raises(BadMessage, match="more than its Content-Range says"),
    ):
        fetch(server.url).get()


@pytest.mark.parametrize(
    "answer",
    [
        [b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n", STAY],
        [ok(b"half", "Location: /b", status="302 Found", length=8), STAY],
        ok(b"x" * 100_000, "Location: /b", status="302 Found"),
        ok(b"half", "Location: /b", status="302 Found", length=8),
    ],
    ids=["until close", "half", "large", "cut"],
)
def test_the_body_of_a_redirect_is_not_waited_for(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DRAIN_TIME", 0.05)
    with Scripted([answer], [ok(b"there")]) as server:
        assert fetch(server.url).get().body == b"there"


def test_a_range_is_asked_for_as_it_is() -> None:
    with Scripted([part(BODY, 0, last=9)]) as server:
        assert fetch(server.url, headers={"Range": "bytes=0-9"}).get().body == BODY[:10]
        assert server.asked[0].fields["accept-encoding"] == "identity"
