"""TLS that begins in the middle, under each model, with clients of each kind."""

from __future__ import annotations

import socket
import ssl

import pytest

from jackfield.client import connect
from jackfield.events import BytesReceived, BytesSent, ConnectionEnded, Events, HandlerFailed
from jackfield.framing import lines
from jackfield.models.names import ModelName
from jackfield.service import Service
from jackfield.tls import authority, client_context
from tests import upgrading
from tests.live import PATIENCE, SEVERAL, Live, in_loop

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def trusting() -> ssl.SSLContext:
    """A client that trusts this machine's own authority."""
    authority.serving_files()
    return client_context(also=authority.trusted())


SERVICES: dict[str, Service[str]] = {"async": upgrading.ASYNC, "def": upgrading.BLOCKING}


@pytest.mark.some(1)
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "unix:@PID"])
def test_servers_and_blocking_clients(
    model: ModelName, name: str, url: str, trusting: ssl.SSLContext
) -> None:
    with (
        Live(SERVICES[name], url, model=model) as live,
        connect(str(live.endpoints[0]), lines()) as conn,
    ):
        conn.send("hello")
        assert conn.receive(PATIENCE) == "clear: hello"
        conn.send("starttls")
        assert conn.receive(PATIENCE) == "go"
        conn.start_tls(trusting, "localhost")
        assert conn.tls is not None
        for _ in range(3):
            conn.send("hello")
            assert conn.receive(PATIENCE) == "TLSv1.3: hello"
        conn.send_eof()
        assert list(conn) == []
        (ended,) = live.await_events(ConnectionEnded)
        assert ended.reason == ""
        assert not live.of(HandlerFailed)


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
@in_loop
async def test_servers_and_clients_of_asyncio(model: ModelName) -> None:
    trusts = client_context(also=[authority.certificate()])
    with Live(upgrading.ASYNC, "tcp://127.0.0.1:0", model=model) as live:
        async with connect(str(live.endpoints[0]), lines()) as conn:
            await conn.send("starttls")
            assert await conn.receive(PATIENCE) == "go"
            await conn.start_tls(trusts, "localhost")
            await conn.send("hello")
            assert await conn.receive(PATIENCE) == "TLSv1.3: hello"


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("model", SEVERAL)
def test_injected_words_reach_no_handler(model: ModelName, name: str) -> None:
    with (
        Live(SERVICES[name], "tcp://127.0.0.1:0", model=model) as live,
        live.connect() as peer,
    ):
        peer.send("starttls\nevil")
        assert peer.line() == "go"
        assert b"evil" not in peer.rest()
        peer.close()
        (ended,) = live.await_events(ConnectionEnded)
        assert ended.reason == "the other side does not speak TLS; it may expect tcp:// instead"


@pytest.mark.parametrize("model", SEVERAL)
def test_where_bytes_are_watched_it_is_the_text_that_is_told(
    model: ModelName, trusting: ssl.SSLContext
) -> None:
    events = Events()
    received: list[bytes] = []
    sent: list[bytes] = []
    events.subscribe(BytesReceived, lambda event: received.append(event.data))
    events.subscribe(BytesSent, lambda event: sent.append(event.data))
    with (
        Live(upgrading.ASYNC, "tcp://127.0.0.1:0", model=model, events=events) as live,
        socket.create_connection((HOST, live.endpoints[0].port), PATIENCE) as sock,
    ):
        sock.sendall(b"starttls\n")
        assert sock.recv(3) == b"go\n"
        with trusting.wrap_socket(sock, server_hostname="localhost") as secured:
            secured.sendall(b"a secret\n")
            assert secured.recv(100) == b"TLSv1.3: a secret\n"
        live.await_event(ConnectionEnded)
        # under threads the hello may be read before it is known that it is one
        received = [data for data in received if data[0] != 0x16]
        assert received == [b"starttls\n", b"a secret\n"]
        assert sent == [b"go\n", b"TLSv1.3: a secret\n"]
