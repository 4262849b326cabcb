"""Servers of other things, as a client of files meets them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest

from jackfield import connect
from jackfield.errors import IncompleteMessage
from jackfield.services.files import asking
from jackfield.services.files.client import Remote
from jackfield.services.files.wire import CONTROL
from jackfield.services.strangers import MOST_TOLD, NotServed
from tests.certificates import Certificates
from tests.live import PATIENCE, in_loop
from tests.moved import Seen


async def begun(url: str) -> None:
    """Begin a session there."""
    remote = Remote(await connect(url, CONTROL), Seen())
    try:
        async with asyncio.timeout(PATIENCE):
            await remote.begin()
    finally:
        await remote.end()


async def begun_with(said: bytes, *, ends: bool) -> None:
    """Begin a session with somebody who says this."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        beginning = asyncio.ensure_future(begun(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        server, _ = await loop.sock_accept(listener)
        with server:
            await loop.sock_recv(server, 1000)
            await loop.sock_sendall(server, said)
            if ends:
                server.shutdown(socket.SHUT_WR)
            await beginning


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "but SSH; scp moves files"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", "but HTTP; jackfield fetch"),
        (b"220 mail.example ESMTP\r\n", "but something that says '220 mail.example ESMTP'; give"),
        (b"\xff\xfd\x18\n", "something that says '"),
        (b"x" * 100_000, f"says '{'x' * MOST_TOLD}...'"),
        (b"[1, 2]\n", "something that says '[1,2]'"),
        (b'{"jsonrpc": "2.0"}\n', """says '{"jsonrpc":"2.0"}'"""),
        (b'{"do": "hello"}\n', "but an echo"),
    ],
)
@in_loop
async def test_what_it_is_is_told(said: bytes, told: str, ends: bool) -> None:
    with pytest.raises(NotServed) as caught:
        await begun_with(said, ends=ends)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@in_loop
async def test_an_alert_of_tls_ends_in_no_line() -> None:
    with pytest.raises(NotServed, match="TLS is spoken there; write tls://"):
        await begun_with(b"\x15\x03\x01\x00\x02\x02\x46", ends=True)


def test_tls_of_a_program_that_says_nothing(certificates: Certificates) -> None:
    """OpenSSL sees that it is no TLS, and hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            server, _ = listener.accept()
            with server, contextlib.suppress(ssl.SSLError):
                context.wrap_socket(server, server_side=True)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NotServed, match="no word was said; if TLS is spoken there, write tls:"):
            asyncio.run(begun(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(PATIENCE)


@in_loop
async def test_an_answer_that_was_cut_is_no_stranger() -> None:
    with pytest.raises(IncompleteMessage):
        await begun_with(b'{"is": "hello", "vers', ends=True)


@pytest.mark.parametrize("said", [b"", b"login: "])
@in_loop
async def test_silence(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WELCOME", 0.2)
    with pytest.raises(NotServed, match=r"no answer in 0\.2 s"):
        await begun_with(said, ends=False)
