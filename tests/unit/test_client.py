from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jackfield import client as module
from jackfield.client import connect
from jackfield.endpoints import Endpoint, parse
from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectionClosed,
    ConnectRefused,
    ConnectTimeout,
    EndOfStream,
    EndpointError,
    LocalProtocolError,
    NameNotFound,
    ReceiveTimeout,
    TLSError,
)
from jackfield.framing import lines, raw
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.crossing import BlockingConnection
from jackfield.net.dialing import Attempt
from tests import handlers
from tests.certificates import Certificates
from tests.live import PATIENCE, Live, in_loop, sockets_of
from tests.unit.net.machine import needs_ipv6

TCP = "tcp://127.0.0.1:0"
EVERY = [
    TCP,
    "udp://127.0.0.1:0",
    "unix:@PID",
    "unix+dgram:@PID",
    "unix+seqpacket:@PID",
    "memory://everywhere",
    pytest.param("tcp://[::1]:0", marks=needs_ipv6),
    pytest.param("udp://[::1]:0", marks=needs_ipv6),
]


@pytest.fixture
def live() -> Iterator[Live]:
    with Live(handlers.native, TCP) as server:
        yield server


@pytest.fixture
def nobody() -> Iterator[Endpoint]:
    """An endpoint where nobody listens, and nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield parse(f"tcp://127.0.0.1:{sock.getsockname()[1]}")


@pytest.fixture
def silent() -> Iterator[Endpoint]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield parse(f"tls://127.0.0.1:{sock.getsockname()[1]}")


# To every endpoint, async and blocking


@pytest.mark.parametrize("url", EVERY)
def test_it_connects_to_every_endpoint(url: str) -> None:
    @in_loop
    async def in_a_loop() -> None:
        async with connect(endpoint, lines()) as conn:
            assert isinstance(conn, Connection)
            await conn.send("echo hello")
            assert await conn.receive() == "hello"
            assert str(conn.peer) == str(endpoint)
        conn = await connect(endpoint, lines())
        await conn.send("echo hello")
        assert await conn.receive() == "hello"
        await conn.close()

    with Live(handlers.native, url) as server:
        (endpoint,) = server.endpoints
        in_a_loop()
        with connect(endpoint, lines()) as conn:
            assert isinstance(conn, BlockingConnection)
            conn.send("echo hello")
            assert conn.receive() == "hello"
            assert str(conn.peer) == str(endpoint)
        opened = connect(str(endpoint), lines()).open()
        opened.send("echo hello")
        assert opened.receive() == "hello"
        opened.close()


def test_tls_is_verified_and_told(certificates: Certificates) -> None:
    with Live(handlers.native, certificates.url()) as server:
        url = f"tls://127.0.0.1:{server.endpoints[0].port}"
        with connect(f"{url}?ca={certificates.ca}", lines()) as conn:
            conn.send("echo secret")
            assert conn.receive() == "secret"
            assert conn.tls is not None
            assert conn.tls.version == "TLSv1.3"
            assert conn.tls.certificate
        with pytest.raises(TLSError) as caught:
            connect(url).open()
        assert str(caught.value).startswith(f"{url}: the certificate of 127.0.0.1 cannot be trust")
        assert "--ca FILE" in str(caught.value)


def test_chunks_are_messages_unless_a_framing_is_given(live: Live) -> None:
    with connect(live.endpoints[0]) as conn:
        conn.send(b"echo hello\n")
        assert conn.receive() == b"hello\n"


# What goes wrong


@pytest.mark.parametrize("url", ["127.0.0.1:80", "http://127.0.0.1", "tcp://127.0.0.1"])
def test_what_is_no_endpoint_is_refused_at_once(url: str) -> None:
    with pytest.raises(EndpointError):
        connect(url)


@pytest.mark.parametrize("url", ["fd://3", "tcp://127.0.0.1:0"])
def test_what_can_only_be_listened_on_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        connect(url).open()


def test_nobody_there_is_said_with_what_was_tried(nobody: Endpoint) -> None:
    tried: list[Attempt] = []
    with pytest.raises(ConnectRefused) as caught:
        connect(nobody, on_attempt=tried.append).open()
    assert str(caught.value) == (
        f"{nobody}: refused (ECONNREFUSED); nobody listens on {nobody.address}; "
        "start a server there first"
    )
    assert isinstance(caught.value, ConnectionRefusedError)
    assert [(attempt.endpoint, attempt.outcome) for attempt in tried] == [
        (nobody, "refused (ECONNREFUSED)")
    ]


def test_a_connection_is_told_of_too(live: Live) -> None:
    tried: list[Attempt] = []
    with connect(live.endpoints[0], on_attempt=tried.append):
        assert [attempt.outcome for attempt in tried] == ["connected"]


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NameNotFound, match=r"the name nowhere\.test has no address"):
        connect("tcp://nowhere.test:80").open()


def test_nobody_there_in_memory() -> None:
    with pytest.raises(ConnectRefused, match="nobody listens there in this process"):
        connect("memory://nowhere").open()


@pytest.mark.parametrize("files", ["ca=/nowhere", "cert=/nowhere", "cert=/etc/passwd"])
def test_a_file_that_tls_cannot_use_is_said_before_anything_is_opened(
    files: str, silent: Endpoint
) -> None:
    with pytest.raises(ConnectRefused):
        connect("memory://nowhere").open()  # its loop has sockets of its own
    before = sockets_of(os.getpid())
    tried: list[Attempt] = []
    with pytest.raises(ConfigurationError, match=files.partition("=")[2]):
        connect(f"{silent}?{files}", on_attempt=tried.append).open()
    assert tried == []
    assert sockets_of(os.getpid()) == before


# Time


def test_an_accepted_connection_without_a_handshake_is_timed_out(silent: Endpoint) -> None:
    with pytest.raises(ConnectTimeout) as caught:
        connect(silent, timeout=0.1).open()
    assert str(caught.value) == f"{silent}: no TLS handshake within 0.1 s"


def test_the_limit_on_handshakes_is_a_failure_to_connect_too(silent: Endpoint) -> None:
    """So that retry= covers it."""
    with pytest.raises(ConnectError, match=r"no TLS handshake within 0\.05 s"):
        connect(silent, limits=Limits(handshake=0.05)).open()


@in_loop
async def test_a_cancelled_connect_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        before = sockets_of(os.getpid())
        url = f"tls://127.0.0.1:{sock.getsockname()[1]}"
        connected = asyncio.Event()
        connecting = asyncio.ensure_future(_awaited(url, connected))
        await connected.wait()
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert sockets_of(os.getpid()) == before


async def _awaited(url: str, connected: asyncio.Event) -> Connection[bytes]:
    return await connect(url, on_attempt=lambda _: connected.set())


def test_a_reset_during_the_handshake_is_a_failure_to_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def reset() -> None:
            accepted, _ = sock.accept()
            accepted.recv(10)  # the rest is unread: closing resets
            accepted.close()

        thread = threading.Thread(target=reset)
        thread.start()
        with pytest.raises(ConnectError, match="handshake"):
            connect(f"tls://127.0.0.1:{sock.getsockname()[1]}", timeout=PATIENCE).open()
        thread.join(PATIENCE)


def test_a_server_that_speaks_no_tls_is_said_so() -> None:
    with Live(handlers.native, TCP) as server:
        url = f"tls://127.0.0.1:{server.endpoints[0].port}"
        with pytest.raises(TLSError) as caught:
            connect(url).open()
        assert str(caught.value) == (
            f"{url}: the other side does not speak TLS; it may expect tcp:// instead"
        )


# Trying again


def test_without_retry_one_failure_is_one(nobody: Endpoint) -> None:
    tried: list[Attempt] = []
    for retry in (0, -1):
        tried.clear()
        with pytest.raises(ConnectRefused):
            connect(nobody, retry=retry, on_attempt=tried.append).open()
        assert len(tried) == 1


def test_with_retry_it_is_tried_so_often_pausing_ever_longer(
    nobody: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    tried: list[Attempt] = []
    with pytest.raises(ConnectRefused):
        connect(nobody, retry=9, on_attempt=tried.append).open()
    assert len(tried) == 10
    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    for seconds, most in zip(pauses, longest, strict=True):
        assert most / 2 <= seconds <= most


def test_a_server_that_starts_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)
    failed = threading.Event()
    answers: list[str] = []

    def client() -> None:
        with connect(
            "memory://late", lines(), retry=10_000, on_attempt=lambda _: failed.set()
        ) as conn:
            conn.send("echo at last")
            answers.append(conn.receive(PATIENCE))

    with contextlib.suppress(ConnectRefused):
        connect("memory://late").open()
    thread = threading.Thread(target=client)
    thread.start()
    with Live(handlers.native, "memory://late"):
        thread.join(PATIENCE)
    assert answers == ["at last"]


def test_an_error_of_ones_own_is_not_tried_again(silent: Endpoint) -> None:
    with pytest.raises(ConfigurationError):
        connect(f"{silent}?ca=/nowhere", retry=1_000_000).open()


# The same connection


def test_blocking_methods_are_those_of_the_async_ones(live: Live) -> None:
    with connect(live.endpoints[0], lines()) as conn:
        with pytest.raises(ReceiveTimeout, match=r"no message came within 0\.01 s"):
            conn.receive(timeout=0.01)
        conn.send_many(["echo one", "echo two"])
        assert [conn.receive(), conn.receive()] == ["one", "two"]
        with pytest.raises(LocalProtocolError):
            conn.send("two\nlines")
        chunks = conn.switch(raw())
        chunks.send_chunk(b"echo three\n")
        assert chunks.receive_chunk() == b"three\n"
        assert conn.tcp_info().state == "ESTABLISHED"
        conn.send_eof()
        with pytest.raises(EndOfStream):
            conn.receive()
    with pytest.raises(ConnectionClosed):
        conn.send("more")


def test_several_threads_use_connections_at_once(live: Live) -> None:
    """All their I/O is done by one thread in the background."""
    failed: list[BaseException] = []

    def client(number: int) -> None:
        try:
            with connect(live.endpoints[0], lines()) as conn:
                for count in range(50):
                    conn.send(f"echo {number}:{count}")
                    assert conn.receive(PATIENCE) == f"{number}:{count}"
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failed == []
    background = [thread for thread in threading.enumerate() if thread.name == "jackfield I/O"]
    assert len(background) == 1
    assert background[0].daemon


def test_one_thread_sends_while_another_receives(live: Live) -> None:
    count = 500
    with connect(live.endpoints[0], lines()) as conn:

        def send() -> None:
            for number in range(count):
                conn.send(f"echo {number}")

        thread = threading.Thread(target=send)
        thread.start()
        assert [conn.receive(PATIENCE) for _ in range(count)] == [str(n) for n in range(count)]
        thread.join(PATIENCE)


def test_one_connector_can_be_used_again(live: Live) -> None:
    connector = connect(live.endpoints[0], lines())
    for _ in range(2):
        with connector as conn:
            conn.send("echo hello")
            assert conn.receive() == "hello"


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_program_that_leaves_a_connection_open_ends_all_the_same(live: Live) -> None:
    done = script(
        """
        import sys
        from jackfield import connect, framing
        conn = connect(sys.argv[1], framing.lines()).open()
        conn.send("echo hello")
        print(conn.receive())
        """,
        str(live.endpoints[0]),
    )
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert "Traceback" not in done.stderr


def test_blocking_connections_work_on_after_a_fork(live: Live) -> None:
    """The thread that does their I/O stays in the parent: a child needs its own."""
    done = script(
        """
        import os, sys, warnings
        from jackfield import connect, framing
        warnings.simplefilter("ignore")
        def hello():
            with connect(sys.argv[1], framing.lines()) as conn:
                conn.send("echo hello")
                sys.stdout.write(conn.receive() + "\\n")
                sys.stdout.flush()
        hello()
        if not (pid := os.fork()):
            hello()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
        str(live.endpoints[0]),
    )
    assert (done.stdout, done.stderr) == ("hello\nhello\n", "")


def test_ctrl_c_ends_a_blocking_connect(silent: Endpoint) -> None:
    program = f"""
        import os
        from jackfield import connect
        def tell(attempt):  # in the thread that does the I/O: once it begins, and once it is over
            os.write(1, b"there\\n")
        os.write(1, b"begin\\n")
        try:
            connect("{silent}", timeout=3600, on_attempt=tell).open()
        except KeyboardInterrupt:
            os.write(1, b"interrupted\\n")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begin\n"
        assert running.stdout.readline() == "there\n"
        running.send_signal(signal.SIGINT)
        assert "interrupted\n" in running.stdout.readlines()
        assert running.wait(PATIENCE) == 0


# What a name stands for, and who vouches for a server


def test_all_addresses_of_a_name_are_told_before_any_is_tried(live: Live) -> None:
    told: list[object] = []
    port = live.endpoints[0].port

    def addresses(found: list[Endpoint], seconds: float) -> None:
        told.append([at.address for at in found])
        assert 0 <= seconds < PATIENCE

    with connect(
        f"tcp://localhost:{port}",
        on_addresses=addresses,
        on_attempt=lambda attempt: told.append(attempt.outcome),
    ):
        pass
    assert isinstance(told[0], list)
    assert f"127.0.0.1:{port}" in told[0]
    assert told[-1] == "connected"


def test_the_certificates_of_a_server_are_told(certificates: Certificates) -> None:
    with (
        Live(handlers.native, certificates.url()) as live,
        connect(f"tls://127.0.0.1:{live.endpoints[0].port}?ca={certificates.ca}") as conn,
    ):
        layer = conn.core.tls_layer
        assert layer is not None
        own, authority = layer.chain()
    assert own.names == ("127.0.0.1", "localhost", "::1")
    assert own.issuer == authority.subject == authority.issuer
    assert own.expires == 32503680000.0
    assert authority.names == ()
