"""Every transport of ours passes the conformance suite, and one that is broken does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from jackfield.client import connect
from jackfield.endpoints import parse
from jackfield.errors import EndOfStream
from jackfield.framing.base import Framing
from jackfield.net.connection import Connection
from jackfield.server import Server
from jackfield.service import Service
from jackfield.testing import Faults, check_transport, memory_pair, transports
from tests.certificates import Certificates
from tests.live import in_loop, own_name

ENDPOINTS = [
    "tcp://127.0.0.1:0",
    "tls://127.0.0.1:0",
    "ws://127.0.0.1:0/a",
    "wss://127.0.0.1:0/a",
    "udp://127.0.0.1:0",
    "unix:@PID",
    "unix+dgram:@PID",
    "unix+seqpacket:@PID",
    "memory://conformance",
]


@asynccontextmanager
async def opened(url: str, framing: Framing[bytes], ca: str) -> AsyncIterator[transports.Pair]:
    """Connect to a server that hands its end out."""
    theirs: asyncio.Future[Connection[bytes]] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def keep(conn: Connection[bytes]) -> None:
        theirs.set_result(conn)
        await over.wait()

    async with Server(Service("keep", keep, framing), url.replace("@PID", own_name())) as server:
        at = server.endpoints[0]
        if ca:
            at = replace(at, options=parse(f"tls://x:1?ca={ca}").options)
        async with connect(at, framing) as ours:
            first = None
            if at.is_datagram:  # whose server knows of a peer by its first datagram
                await ours.send(b"")
                first = await theirs
                assert await first.receive() == b""
            try:
                yield _forgetting(ours), _forgetting(first or await theirs)
            finally:
                over.set()


def _forgetting(conn: Connection[bytes]) -> Connection[bytes]:
    """Leave out of the counts what was said before."""
    conn.messages_sent = conn.messages_received = conn.bytes_received = 0
    return conn


@pytest.mark.some(3)
@pytest.mark.parametrize("url", ENDPOINTS)
def test_ours_conform(url: str, certificates: Certificates) -> None:
    tls = url.startswith(("tls", "wss"))
    used = f"{url}?{certificates.url().partition('?')[2]}" if tls else url

    @in_loop
    async def check() -> None:
        await check_transport(lambda framing: opened(used, framing, certificates.ca if tls else ""))

    check()


@pytest.mark.parametrize(
    "faults", [Faults(), Faults(short=1000, interrupted=True), Faults(delay=0.001)], ids=str
)
@in_loop
async def test_pairs_conform_whatever_is_slow_or_interrupted(faults: Faults) -> None:
    await check_transport(lambda framing: memory_pair(framing, there=faults, back=faults))


class Broken:
    """A connection that does one thing wrong."""

    def __init__(self, conn: Connection[bytes], **wrong: Callable[..., Any]) -> None:
        self._conn = conn
        self._wrong = wrong

    def __getattr__(self, name: str) -> Any:
        return self._wrong.get(name) or getattr(self._conn, name)


def _as_if(wrong: Callable[[Connection[bytes]], dict[str, Any]]) -> transports.OpenPair:
    @asynccontextmanager
    async def pair(framing: Framing[bytes]) -> AsyncIterator[Any]:
        async with memory_pair(framing) as (one, other):
            yield Broken(one, **wrong(one)), other

    return pair


async def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def _ends(_: Connection[bytes]) -> dict[str, Any]:
    async def ended(*_: object, **__: object) -> bytes:
        raise EndOfStream("too early")

    return {"receive": ended}


def _doubles(conn: Connection[bytes]) -> dict[str, Any]:
    async def twice(messages: list[bytes]) -> None:
        await conn.send_many([*messages, *messages])

    return {"send_many": twice}


def _never_waits(conn: Connection[bytes]) -> dict[str, Any]:
    def send(message: bytes) -> Awaitable[None]:
        conn.send_batch([conn.encode(message)])
        return _nothing()

    return {"send": send}


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (_doubles, "whole and in order: messages are not what was sent"),
        (lambda _: {"send_eof": _nothing}, "half close: it takes for ever"),
        (_never_waits, "lag: send\\(\\) never waits"),
        (lambda _: {"close": _nothing}, "end: it takes for ever"),
        (lambda _: {"abort": lambda: None}, "abort: it takes for ever"),
        (lambda _: {"messages_sent": 99}, "counts: 99 are counted as sent"),
    ],
    ids=["doubles", "no half-close", "never waits", "does not close", "no abort", "miscounts"],
)
def test_what_breaks_a_law_is_told_which(
    wrong: Callable[[Connection[bytes]], dict[str, Any]],
    law: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transports, "PATIENCE", 0.5)

    @in_loop
    async def check() -> None:
        with pytest.raises(AssertionError, match=law):
            await check_transport(_as_if(wrong))

    check()
