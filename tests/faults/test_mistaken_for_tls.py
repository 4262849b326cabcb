"""Who speaks TLS to a plain endpoint, and who does not to one of TLS: each is told so."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess

import pytest

from jackfield.client import connect
from jackfield.endpoints import parse
from jackfield.errors import TLSError
from jackfield.events import ConnectionEnded, HandlerFailed, Refused
from jackfield.framing import Framing, json_lines, length_prefixed, lines, raw
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.tls import authority
from tests import handlers
from tests.live import ALL, SEVERAL, Live, dialed
from tests.models import own

TCP, TLS, UNIX = "tcp://127.0.0.1:0", "tls://127.0.0.1:0", "unix:@PID"

NO_TLS = "the other side does not speak TLS; it may expect tcp:// instead"
CONNECT_TO_TLS = "error: you do not speak TLS, and this endpoint does; connect to tls://"
MISTAKEN = "you speak TLS, and this endpoint does not; connect without it, as to tcp://"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


def hello() -> bytes:
    """The first bytes of a client that speaks TLS."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def refused(live: Live) -> str:
    """Why the one peer was turned away; once its connection is over."""
    live.await_event(ConnectionEnded)
    (event,) = live.of(Refused)
    assert not live.of(HandlerFailed)
    assert event.limit == ""
    return event.reason


def plain(live: Live) -> socket.socket:
    """A socket that is connected, without TLS whatever the endpoint's."""
    endpoint = live.endpoints[0]
    return dialed(endpoint if endpoint.path else parse(f"tcp://127.0.0.1:{endpoint.port}"))


def rest(sock: socket.socket) -> bytes:
    """All that comes until the end, which must be no reset."""
    read = b""
    while data := sock.recv(65536):
        read += data
    return read


# Plain text to TLS


@pytest.mark.parametrize("said", [b"h", b"hi\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000])
@pytest.mark.parametrize("model", ALL)
def test_plain_text_to_tls(model: ModelName, said: bytes) -> None:
    with Live(own.ASYNC, TLS, model=model) as live:
        with plain(live) as sock:
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            assert rest(sock).decode() == CONNECT_TO_TLS + "\n"
        assert refused(live) == NO_TLS


@pytest.mark.parametrize("model", ALL)
def test_our_own_plain_client(model: ModelName) -> None:
    with Live(own.ASYNC if model == "asyncio" else own.BLOCKING, TLS, model=model) as live:
        with connect(f"tcp://127.0.0.1:{live.endpoints[0].port}", lines()) as conn:
            conn.send("hello")
            assert list(conn) == [CONNECT_TO_TLS]
        assert refused(live) == NO_TLS


def test_it_is_told_in_its_framing() -> None:
    service = Service.reply("same", lambda value: value, json_lines())
    with Live(service, TLS) as live, plain(live) as sock:
        sock.sendall(b"{}\n")
        assert rest(sock) == b'{"error":"%s"}\n' % CONNECT_TO_TLS[7:].encode()


@needs_curl
@pytest.mark.parametrize("model", SEVERAL)
def test_curl_by_http_to_tls(model: ModelName) -> None:
    with Live(own.ASYNC, TLS, model=model) as live:
        url = f"http://127.0.0.1:{live.endpoints[0].port}/"
        done = subprocess.run(
            ["curl", "--silent", "--http0.9", "--max-time", "20", "--noproxy", "*", url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.stdout == CONNECT_TO_TLS + "\n"
        assert refused(live) == NO_TLS


@pytest.mark.parametrize("model", SEVERAL)
def test_a_hello_may_come_byte_by_byte(model: ModelName) -> None:
    """To whom it is meant for, it is as good as one that comes at once."""
    with Live(own.ASYNC, TLS, model=model) as live:
        context = ssl.create_default_context(cafile=authority.certificate())
        reading, writing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(reading, writing, server_hostname="127.0.0.1")
        with plain(live) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in writing.read():
                        sock.sendall(bytes([byte]))
                    reading.write(sock.recv(65536))
            client.write(b"hello\n")
            sock.sendall(writing.read())
            answer = b""
            while not answer:
                with contextlib.suppress(ssl.SSLWantReadError):
                    answer = client.read()
                    break
                reading.write(sock.recv(65536))
            assert answer == b"HELLO\n"
        assert not live.of(Refused)


# TLS to plain text


@pytest.mark.parametrize("url", [TCP, UNIX])
@pytest.mark.parametrize("model", ALL)
def test_tls_to_plain_text(model: ModelName, url: str) -> None:
    """The client is told in the clear, which is what it takes for "no TLS"."""
    with Live(own.ASYNC, url, model=model) as live:
        with plain(live) as sock:
            sock.sendall(hello())
            assert rest(sock).decode() == f"error: {MISTAKEN}\n"
        assert refused(live) == MISTAKEN


SERVICES: dict[str, Service[str]] = {
    "async": own.ASYNC,
    "def": own.BLOCKING,
    "reply": handlers.replying,
}


PAIRS = [
    (model, name)
    for model in ALL
    for name in SERVICES
    if name != "def" or model != "asyncio"  # which has no such handlers
]


@pytest.mark.some(4)
@pytest.mark.parametrize(("model", "name"), PAIRS)
def test_our_own_client_of_tls(model: ModelName, name: str) -> None:
    with Live(SERVICES[name], TCP, model=model) as live:
        url = f"tls://127.0.0.1:{live.endpoints[0].port}"
        with pytest.raises(TLSError) as caught, connect(url, lines()):
            pass
        assert str(caught.value) == f"{url}: {NO_TLS}"
        assert refused(live) == MISTAKEN


FRAMINGS: list[Framing[object]] = [lines(), raw(), length_prefixed(4), json_lines()]  # type: ignore[list-item]  # each echoes what it makes


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.name)
def test_with_any_framing(framing: Framing[object]) -> None:
    with Live(Service("same", same, framing), TCP) as live:
        url = f"tls://127.0.0.1:{live.endpoints[0].port}"
        with pytest.raises(TLSError, match=r"does not speak TLS|may not speak TLS"), connect(url):
            pass
        assert refused(live) == MISTAKEN


async def same(conn: Connection[object]) -> None:
    async for message in conn:
        await conn.send(message)


@pytest.mark.parametrize("model", ALL)
def test_what_passes_bytes_on_passes_tls(model: ModelName) -> None:
    with Live(PASSING, TCP, model=model) as live, live.connect() as peer:
        first = hello()
        peer.sock.sendall(first)
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.rest() == first
        live.await_event(ConnectionEnded)
        assert not live.of(Refused)


PASSING = Service.reply("same", bytes, raw(passes_tls=True))


@pytest.mark.parametrize("size", [3, 4, 5, 6, 100])
def test_half_a_hello_is_enough(size: int) -> None:
    with Live(own.ASYNC, TCP) as live:
        with plain(live) as sock:
            sock.sendall(hello()[:size])
            assert rest(sock).decode() == f"error: {MISTAKEN}\n"
        assert refused(live) == MISTAKEN


@pytest.mark.parametrize("model", ALL)
def test_one_that_comes_byte_by_byte_does_no_harm(model: ModelName) -> None:
    """It may be taken for a text that is none: it ends by one refusal, of one kind or the other."""
    with Live(own.ASYNC, TCP, model=model) as live:
        with plain(live) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError):
                for byte in hello():
                    sock.sendall(bytes([byte]))
                sock.sendall(b"\xff\n")
                assert rest(sock).startswith(b"error: ")
        assert refused(live)
        with live.connect() as peer:
            assert peer.ask("hello") == "HELLO"


@pytest.mark.parametrize(
    "said", [b"\x16\n", b"\x16\x02hello\n", b"\x16\x03\x09hello\n", b"\x16\x03\x01ab\x02hello\n"]
)
def test_what_only_begins_like_it_is_text(said: bytes) -> None:
    with Live(own.ASYNC, TCP) as live, plain(live) as sock:
        sock.sendall(said)
        assert sock.recv(100) == said.upper()
        assert not live.of(Refused)


def test_only_at_the_beginning() -> None:
    with Live(PLAIN, TCP) as live, plain(live) as sock:
        sock.sendall(b"x")
        assert sock.recv(100) == b"x"
        later = hello()
        sock.sendall(later)
        sock.shutdown(socket.SHUT_WR)
        assert rest(sock) == later
        assert not live.of(Refused)


PLAIN = Service.reply("same", bytes, raw())


@needs_openssl
@pytest.mark.parametrize("model", SEVERAL)
def test_s_client_to_plain_text(model: ModelName) -> None:
    with Live(own.ASYNC, TCP, model=model) as live:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{live.endpoints[0].port}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "wrong version number" in done.stderr
        assert refused(live) == MISTAKEN


@needs_curl
@pytest.mark.parametrize("model", SEVERAL)
def test_curl_by_https_to_plain_text(model: ModelName) -> None:
    with Live(own.ASYNC, TCP, model=model) as live:
        url = f"https://127.0.0.1:{live.endpoints[0].port}/"
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 35  # CURLE_SSL_CONNECT_ERROR
        assert refused(live) == MISTAKEN
