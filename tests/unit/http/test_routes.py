"""Services of our own by routes, from real clients."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.typing import Origin

from jackfield.events import HandlerFailed, RequestAnswered
from jackfield.framing import lines
from jackfield.framing.http import HTTP
from jackfield.http.exchange import Exchange
from jackfield.http.routes import Routes
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.service import Service
from tests.live import SEVERAL, Live, until

TCP = "tcp://127.0.0.1:0"


async def index(exchange: Exchange) -> None:
    await exchange.respond(200, "hello")


async def room(exchange: Exchange, room: str, number: str) -> None:
    await exchange.respond(200, json.dumps([room, number]), "application/json")


async def newest(exchange: Exchange, room: str) -> None:
    await exchange.respond(200, f"newest of {room}")


async def below(exchange: Exchange, path: str) -> None:
    await exchange.respond(200, path)


async def upper(exchange: Exchange) -> None:
    """Stream: each piece is answered as it comes."""
    await exchange.begin(200, {"Content-Type": "text/plain"})
    async for piece in exchange.pieces():
        await exchange.write(piece.upper())
    await exchange.end()


async def keep(exchange: Exchange) -> None:
    await exchange.respond(201, str(len(await exchange.read(10))))


async def shout(exchange: Exchange) -> None:
    conn = await exchange.upgrade(lines())
    if conn is not None:
        async for line in conn:
            await conn.send(line.upper())


async def broken(exchange: Exchange) -> None:
    raise RuntimeError("not today")


async def half(exchange: Exchange) -> None:
    await exchange.begin(200, {}, 10)
    await exchange.write(b"half")
    raise RuntimeError("not today")


async def silent(exchange: Exchange) -> None:
    """Answer nothing."""


def make() -> Service[object]:
    routes = Routes()
    routes.add("GET", "/", index)
    routes.add("GET", "/rooms/{room}/{number}", room)
    routes.add("GET", "/rooms/{room}/newest", newest)
    routes.add("GET", "/below/{path*}", below)
    routes.add("GET", "/below/named", index)
    routes.add("POST", "/upper", upper)
    routes.add("PUT", "/keep", keep)
    routes.add("GET", "/keep", index)
    routes.add("GET", "/shout", shout)
    for handler in (broken, half, silent):
        routes.add("GET", f"/{handler.__name__}", handler)
    return Service("routes", routes, HTTP("server"))


@pytest.fixture(scope="module", params=SEVERAL)
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    model: ModelName = request.param
    with Live(make(), TCP, model=model) as server:
        yield server


def client(live: Live) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", live.endpoints[0].port, timeout=20)


def answer(
    live: Live, method: str, path: str, body: Any = None, **fields: str
) -> tuple[int, str, http.client.HTTPMessage]:
    with closing(client(live)) as conn:
        conn.request(method, path, body, fields, encode_chunked=not isinstance(body, bytes))
        found = conn.getresponse()
        return found.status, found.read().decode(), found.headers


def test_a_handler_is_found_by_method_and_path(live: Live) -> None:
    assert answer(live, "GET", "/")[:2] == (200, "hello")
    assert answer(live, "GET", "/?x=y")[:2] == (200, "hello")
    assert answer(live, "GET", "/rooms/l%C3%A4rm/7")[:2] == (200, json.dumps(["lärm", "7"]))
    assert answer(live, "GET", "/rooms/a%2Fb/7")[:2] == (200, json.dumps(["a/b", "7"]))
    assert answer(live, "GET", "/rooms/lobby/newest")[:2] == (200, "newest of lobby")
    for path in ("", "a", "a/", "a//b", "a%2Fb/%C3%A4", "../a", "named/x"):
        assert answer(live, "GET", f"/below/{path}?x")[:2] == (200, path)
    assert answer(live, "GET", "/below/named")[:2] == (200, "hello")
    assert answer(live, "GET", "/below")[0] == 404


@pytest.mark.parametrize(
    "path", ["/nowhere", "/rooms", "/rooms/lobby", "/rooms//7", "//", "/rooms/"]
)
def test_of_a_path_that_there_is_not_nothing_is_found(live: Live, path: str) -> None:
    assert answer(live, "GET", path)[0] == 404


def test_another_method_is_told_which_there_are(live: Live) -> None:
    status, _, headers = answer(live, "DELETE", "/keep")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, OPTIONS, PUT")
    status, _, headers = answer(live, "OPTIONS", "/upper")
    assert (status, headers["Allow"]) == (204, "OPTIONS, POST")


def test_head_is_answered_as_get_without_a_body(live: Live) -> None:
    status, body, headers = answer(live, "HEAD", "/")
    assert (status, body, headers["Content-Length"]) == (200, "", "5")


def test_bodies_are_streamed_both_ways(live: Live) -> None:
    pieces = iter([b"one ", b"two ", b"three"])
    status, body, headers = answer(
        live, "POST", "/upper", pieces, **{"Transfer-Encoding": "chunked"}
    )
    assert (status, body, headers["Transfer-Encoding"]) == (200, "ONE TWO THREE", "chunked")


def test_a_body_longer_than_a_handler_takes_is_refused(live: Live) -> None:
    assert answer(live, "PUT", "/keep", b"x" * 10)[:2] == (201, "10")
    assert answer(live, "PUT", "/keep", b"x" * 11)[0] == 413


def test_a_connection_goes_on_after_bodies_nobody_has_read(live: Live) -> None:
    with closing(client(live)) as conn:
        for _ in range(3):
            conn.request("GET", "/", b"x" * 100_000)
            assert conn.getresponse().read() == b"hello"


def test_a_page_elsewhere_that_has_its_name_server_point_here_reads_nothing(live: Live) -> None:
    assert answer(live, "GET", "/", Host="evil.example")[0] == 421


def test_a_handler_that_fails_is_answered_for(live: Live) -> None:
    assert answer(live, "GET", "/broken")[:2] == (500, "500 Internal Server Error\n")
    assert "not today" in live.await_event(HandlerFailed).error
    assert answer(live, "GET", "/silent")[0] == 500


def test_an_answer_cut_short_is_not_taken_for_whole(live: Live) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer(live, "GET", "/half")


def test_a_request_can_become_a_websocket(live: Live) -> None:
    url = f"ws://127.0.0.1:{live.endpoints[0].port}/shout"
    with websockets.sync.client.connect(url, open_timeout=20) as conn:
        for text in ("hello", "wörld", "x" * 5000):
            conn.send(text)
            assert conn.recv(20) == text.upper()
        conn.close()
        with pytest.raises(ConnectionClosedOK):
            conn.recv(20)
    until(lambda: any(event.status == 101 for event in live.of(RequestAnswered)))


def test_a_websocket_may_be_silent_where_its_route_says_so() -> None:
    async def quiet(exchange: Exchange) -> None:
        conn = await exchange.upgrade(lines(), silent=True)
        assert conn is not None
        async for line in conn:
            await conn.send(line)

    routes = Routes()
    routes.add("GET", "/quiet", quiet)
    routes.add("GET", "/shout", shout)
    service = Service("routes", routes, HTTP("server"), Limits(idle=0.2))
    with Live(service, TCP) as live:
        url = f"ws://127.0.0.1:{live.endpoints[0].port}"
        with (
            websockets.sync.client.connect(f"{url}/quiet", open_timeout=20) as silent,
            websockets.sync.client.connect(f"{url}/shout", open_timeout=20) as other,
        ):
            with pytest.raises(ConnectionClosed):
                other.recv(20)
            silent.send("still here")
            assert silent.recv(20) == "still here"


def test_a_websocket_from_elsewhere_or_none_at_all_is_refused(live: Live) -> None:
    url = f"ws://127.0.0.1:{live.endpoints[0].port}/shout"
    with pytest.raises(InvalidStatus) as refused:
        websockets.sync.client.connect(url, origin=Origin("https://evil.example"))
    assert refused.value.response.status_code == 403
    status, _, headers = answer(live, "GET", "/shout")
    assert (status, headers["Upgrade"]) == (426, "websocket")
