"""WebSocket with others at the other end, and begun from within a service of HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.client import connect as other_connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as other_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jackfield import Connection, Service, connect, framing
from jackfield.endpoints import parse
from jackfield.errors import (
    ConnectTimeout,
    EndOfStream,
    MessageTooLong,
    PeerLost,
    TLSError,
    UpgradeError,
)
from jackfield.events import HandlerFailed, MessageReceived, MessageSent, Refused
from jackfield.framing.http import HTTP, HTTPError, Request
from jackfield.framing.upgrading import refusal_of
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.upgrading import upgrade
from jackfield.rooms import Room
from jackfield.service import find
from tests.certificates import Certificates
from tests.live import ALL, PATIENCE, SEVERAL, Live

WS = "ws://127.0.0.1:0"
SHORT = Limits(linger_time=0.2)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await work

    asyncio.run(bounded())


def url_of(live: Live) -> str:
    return str(live.server.endpoints[0])


# Servers that are none


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that answers the first request by these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"", "during the handshake of WebSocket the peer has ended its side"),
        (b"HTTP/1.1 1", "what the server has answered is no HTTP: the stream ended inside"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what the server has answered is no HTTP"),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!",
            "the server has answered 403 Forbidden in place of beginning a WebSocket",
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "the server has answered 200 OK in place of beginning a WebSocket",
        ),
        (
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "the server has answered 101 OK, but not as a WebSocket begins",
        ),
    ],
)
def test_a_server_that_does_not_begin_one(answer: bytes, what: str) -> None:
    async def check() -> None:
        async with answering(answer) as url:
            with pytest.raises(UpgradeError) as caught:
                await connect(url)
            assert str(caught.value).startswith(f"{url}: {what}")
            assert "\n" not in str(caught.value)

    run(check())


def test_a_server_that_says_nothing() -> None:
    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
            # within the time of the whole, TCP has to be connected
            with pytest.raises(ConnectTimeout, match=r"no WebSocket handshake within 0\.5 s"):
                await connect(url, timeout=0.5)
            with pytest.raises(ConnectTimeout, match=r"no handshake of WebSocket within 0\.1 s"):
                await connect(url, limits=Limits(handshake=0.1))

    run(check())


def test_wss_needs_tls_at_both_ends(certificates: Certificates) -> None:
    with Live(find("echo"), certificates.url("wss://127.0.0.1:0"), WS, limits=SHORT) as live:
        wss, ws = live.server.endpoints

        async def check() -> None:
            with pytest.raises(TLSError):
                await connect(f"wss://127.0.0.1:{ws.port}")
            with pytest.raises(UpgradeError, match="answered 400 Bad Request"):
                await connect(f"ws://127.0.0.1:{wss.port}")
            async with connect(f"wss://127.0.0.1:{wss.port}?ca={certificates.ca}") as conn:
                await conn.send(b"secret")
                assert await conn.receive() == b"secret"
                assert conn.tls is not None

        run(check())
        assert len(live.await_events(Refused, 2)) == 2


# The library websockets at the other end


@pytest.mark.some(1)
@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_its_client_with_our_server(model: ModelName, compression: str | None) -> None:
    service = Service("both", both, framing=framing.text_or_binary(max_message=300_000))
    with Live(service, f"{WS}/both", model=model, limits=SHORT) as live:

        async def check() -> None:
            async with other_connect(url_of(live), compression=compression) as other:
                assert bool(other.protocol.extensions) is bool(compression)
                for message in ("", b"", "grün", b"\xff", "x" * 70_000, b"y" * 300_000):
                    await other.send(message)
                    assert await other.recv() == message
                await other.send(["in ", "frag", "ments"])
                assert await other.recv() == "in fragments"
                latency = await other.ping()
                assert await latency >= 0
            assert (other.close_code, other.close_reason) == (1000, "")
            with pytest.raises(InvalidStatus):
                await other_connect(url_of(live).removesuffix("both"))

        run(check())
        assert live.of(HandlerFailed) == []


async def both(conn: Connection[str | bytes]) -> None:
    async for message in conn:
        await conn.send(message)


def test_a_message_too_long_for_us_and_for_it() -> None:
    with Live(find("echo"), WS, limits=SHORT) as live:

        async def check() -> None:
            async with other_connect(url_of(live)) as other:
                await other.send(bytes(70_000))
                with pytest.raises(ConnectionClosed) as caught:
                    await other.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009

        run(check())


@pytest.mark.parametrize("deflate", ["off", "on"])
def test_our_client_with_its_server(deflate: str) -> None:
    async def answer(other: ServerConnection) -> None:
        assert bool(other.protocol.extensions) is (deflate == "on")
        assert other.request is not None
        await other.send(other.request.path)
        async for message in other:
            await other.send(message)

    async def check() -> None:
        async with other_serve(answer, "127.0.0.1", 0, max_size=200_000) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"ws://127.0.0.1:{port}/ü?deflate={deflate}&query=a=1%26b=%2541"
            both_kinds = framing.text_or_binary(max_message=300_000)
            async with connect(url, both_kinds) as conn:
                assert await conn.receive() == "/%C3%BC?a=1&b=%41"
                for message in ("", b"", "grün", b"\xff", b"y" * 100_000):
                    await conn.send(message)
                    assert await conn.receive() == message
            assert conn.reason == ""
            async with connect(url, both_kinds) as conn:
                assert await conn.receive()
                await conn.send(bytes(300_000))
                with pytest.raises(EndOfStream):
                    await conn.receive()
            async with connect(url, framing.raw(max_message=5)) as narrow:
                with pytest.raises(MessageTooLong):
                    await narrow.receive()

    run(check())


def test_our_client_and_a_server_that_vanishes() -> None:
    async def answer(other: ServerConnection) -> None:
        other.transport.abort()

    async def check() -> None:
        async with other_serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as conn:
                with pytest.raises(PeerLost):
                    await conn.receive()

    run(check())


def test_the_blocking_client() -> None:
    with (
        Live(find("upper"), f"{WS}/up", limits=SHORT) as live,
        connect(url_of(live), framing.lines()) as conn,
    ):
        conn.send("hello")
        assert conn.receive(timeout=PATIENCE) == "HELLO"


# From within a service of HTTP


def page(call: Callable[[Any, Request], Coroutine[Any, Any, None]]) -> Service[Any]:
    async def serve(conn: Connection[Any]) -> None:
        async for request in conn:
            await call(conn, request)

    return Service("page", serve, framing=HTTP())


async def upgraded(conn: Connection[Any]) -> None:
    request = await conn.receive()
    try:
        socket = await upgrade(conn, request, framing.json_lines(), origins=["http://a.example"])
    except HTTPError as error:
        await conn.send(refusal_of(error))
        return
    await socket.send({"you asked": request.target})
    async for message in socket:
        await socket.send({"you said": message})


@pytest.mark.some(1)
@pytest.mark.parametrize("model", ALL)
def test_a_service_of_http_that_begins_one(model: ModelName) -> None:
    service = Service("page", upgraded, framing=HTTP())
    with Live(service, "tcp://127.0.0.1:0", model=model, limits=SHORT) as live:
        url = url_of(live).replace("tcp", "ws") + "/anywhere?a=b"

        async def check() -> None:
            async with other_connect(url, origin="http://a.example") as other:  # type: ignore[arg-type]  # its own str
                assert await other.recv() == '{"you asked":"/anywhere?a=b"}'
                await other.send("[1]")
                assert await other.recv() == '{"you said":[1]}'
                await (await other.ping())
            assert other.close_code == 1000
            with pytest.raises(InvalidStatus) as caught:
                await other_connect(url, origin="http://b.example")  # type: ignore[arg-type]  # likewise
            assert caught.value.response.status_code == 403

        run(check())
        assert live.of(HandlerFailed) == []


def test_what_came_behind_the_request_is_the_first_message() -> None:
    service = Service("page", upgraded, framing=HTTP())
    with Live(service, "tcp://127.0.0.1:0", limits=SHORT) as live:
        endpoint = live.server.endpoints[0]
        with socket.create_connection((endpoint.host, endpoint.port), PATIENCE) as sock:
            sock.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                b"\x81\x83\0\0\0\0[1]\x88\x80\0\0\0\0"
            )
            data = b"".join(iter(lambda: sock.recv(1000), b""))
        assert data.endswith(b'\x81\x11{"you asked":"/"}\x81\x10{"you said":[1]}\x88\x00')


# Rooms, and what is told


async def hall(conn: Connection[str]) -> None:
    _hall.join(conn)
    await conn.send("welcome")
    async for line in conn:
        _hall.publish(line)


_hall: Room[str] = Room("hall")


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_a_room_heard_over_several_transports(model: ModelName) -> None:
    service = Service("hall", hall, framing=framing.lines())
    urls = ["tcp://127.0.0.1:0", WS, f"{WS}/b?deflate=off", "unix+seqpacket:@PID"]
    with Live(service, *urls, model=model, limits=SHORT) as live:

        async def check() -> None:
            async with contextlib.AsyncExitStack() as stack:
                conns: list[Connection[str]] = []
                for endpoint in [*live.server.endpoints, live.server.endpoints[1]]:
                    at = parse(str(endpoint).partition("?")[0])
                    if len(conns) == 4:
                        at = parse(f"{at}?deflate=on")
                    conn = await stack.enter_async_context(connect(at, framing.lines()))
                    assert await conn.receive() == "welcome"
                    conns.append(conn)
                for conn in conns:
                    said = f"{conn.transport} " * 100
                    await conn.send(said)
                    assert [await one.receive() for one in conns] == [said] * 5

        run(check())
        assert live.of(HandlerFailed) == []


@pytest.mark.parametrize("model", ["asyncio", "processes"])
def test_messages_are_told_as_the_framing_has_them(model: ModelName) -> None:
    told: list[Any] = []
    live = Live(find("upper"), WS, model=model, limits=SHORT)
    done = threading.Event()
    live.server.events.subscribe(MessageReceived, told.append)

    def sent(event: MessageSent) -> None:
        told.append(event)
        done.set()

    live.server.events.subscribe(MessageSent, sent)
    with live, connect(url_of(live), framing.lines()) as conn:
        conn.send("hello")
        assert conn.receive(timeout=PATIENCE) == "HELLO"
        assert done.wait(PATIENCE)
    assert [event.message for event in told] == ["hello", "HELLO"]


@pytest.mark.parametrize("workers", [2])
def test_workers_share_it(workers: int, certificates: Certificates) -> None:
    urls = [f"{WS}/a", certificates.url("wss://127.0.0.1:0/b")]
    with Live(find("echo"), *urls, workers=workers, limits=SHORT) as live:

        async def check() -> None:
            for endpoint in live.server.endpoints:
                at = f"{str(endpoint).partition('?')[0]}"
                at += f"?ca={certificates.ca}" if endpoint.transport.uses_tls else ""
                async with connect(at) as conn:
                    await conn.send(b"hi")
                    assert await conn.receive() == b"hi"

        run(check())
