"""A file that the server refuses while it is sent: that is told at once, whatever waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from jackfield import Connection, Server, Service
from jackfield.cli.main import run
from jackfield.errors import JackfieldError, PeerLost
from jackfield.limits import Limits
from jackfield.services.files.client import Remote
from jackfield.services.files.tasks import PutStream, Task
from jackfield.services.files.wire import CONTROL
from tests.cable import Cable
from tests.certificates import Certificates
from tests.live import PATIENCE, in_loop, until
from tests.moved import Seen, Served, command, over, parts_in, put, stream

LONG = os.urandom(7_000_000)
"""More than the systems of both sides hold of what nobody reads."""

SMALL = b"a small one"
WELCOME = {"is": "hello", "version": 1, "max_file": 1 << 40}
HELD = {"is": "held", "size": 0}
FULL = {"is": "error", "why": "full", "text": "there is no room"}
KEPT = {"is": "put", "size": len(SMALL), "hash": blake3(SMALL).hexdigest()}
LAST = {"error": "this side stops"}

SOON = 10.0
"""Seconds; a server that takes nothing is given up after a minute."""


class Refusing:
    """A server that says something in the middle of a piece, and takes the rest when it may."""

    def __init__(self, says: dict[str, Any]) -> None:
        self._says = says
        self.goes_on = asyncio.Event()
        self.got = b""

    async def __call__(self, conn: Connection[Any]) -> None:
        await conn.receive()
        await conn.send(WELCOME)
        await conn.receive()
        await conn.send(HELD)
        left = (await conn.receive())["body"]
        await conn.send(self._says)
        await self.goes_on.wait()
        while left:
            left -= len(await conn.receive_chunk(left))
        message = await conn.receive()
        self.got = await conn.receive_chunk(message["body"])
        await conn.send(KEPT)


class Hearing(Seen):
    """A `Watch` that lets the server go on once it has heard."""

    def __init__(self, server: Refusing) -> None:
        super().__init__()
        self._server = server

    def failed(self, task: Task, error: JackfieldError) -> None:
        super().failed(task, error)
        self._server.goes_on.set()


@pytest.fixture(params=["tcp", "tls"])
def where(request: pytest.FixtureRequest, certificates: Certificates) -> tuple[str, str]:
    """Give an endpoint to serve, and the options by which a client trusts it."""
    if request.param == "tcp":
        return "tcp://127.0.0.1:0?rcvbuf=65536", "?sndbuf=65536"
    own = f"cert={certificates.cert}&key={certificates.key}"
    return f"tls://127.0.0.1:0?rcvbuf=65536&{own}", f"?sndbuf=65536&ca={certificates.ca}"


async def serve(
    handler: Refusing, where: tuple[str, str], doing: Callable[[str], Awaitable[Any]]
) -> Any:
    service = Service("refusing", handler, CONTROL, Limits(write_time=PATIENCE))
    async with Server(service, where[0]) as server:
        try:
            async with asyncio.timeout(SOON):
                return await doing(str(server.endpoints[0]).partition("?")[0] + where[1])
        finally:
            handler.goes_on.set()


def long_one(kind: str, folder: Path) -> Task:
    if kind == "stream":
        return stream(LONG, "long")
    (folder / "long").write_bytes(LONG)
    return put(folder / "long")


@pytest.mark.parametrize("kind", ["file", "stream"])
@in_loop
async def test_it_is_told_while_nothing_is_taken_and_the_next_one_goes(
    kind: str, where: tuple[str, str], tmp_path: Path
) -> None:
    refusing = Refusing(FULL)
    (tmp_path / "small").write_bytes(SMALL)
    seen = Hearing(refusing)

    async def doing(url: str) -> None:
        async def both(remote: Remote, _: Seen) -> None:
            await remote.do(long_one(kind, tmp_path))
            await remote.do(put(tmp_path / "small"))

        await over(url, both, seen)

    await serve(refusing, where, doing)
    assert seen.why("long") == "full"
    assert list(seen.moved) == ["small"]
    assert refusing.got == SMALL


@pytest.mark.parametrize("kind", ["file", "stream"])
@in_loop
async def test_a_server_that_ends_it_is_left_at_once(
    kind: str, where: tuple[str, str], tmp_path: Path
) -> None:
    refusing = Refusing(LAST)

    async def doing(url: str) -> None:
        await over(url, lambda remote, _: remote.do(long_one(kind, tmp_path)))

    with pytest.raises(PeerLost, match="the server ends the connection: this side stops"):
        await serve(refusing, where, doing)


@in_loop
async def test_what_is_left_of_the_piece_keeps_nobody_from_leaving(
    where: tuple[str, str], tmp_path: Path
) -> None:
    refusing = Refusing(FULL)

    async def doing(url: str) -> Seen:
        return (await over(url, lambda remote, _: remote.do(long_one("file", tmp_path))))[0]

    seen = await serve(refusing, where, doing)
    assert seen.why("long") == "full"


@in_loop
async def test_a_stream_of_which_nothing_more_comes_is_not_waited_for(
    where: tuple[str, str],
) -> None:
    refusing = Refusing(FULL)
    parts = [b"x" * 3_000_000]

    async def read(size: int) -> bytes:
        del size
        return parts.pop() if parts else await asyncio.Future[bytes]()

    async def doing(url: str) -> Seen:
        task = PutStream("s", names=(b"s",), read=read)
        return (await over(url, lambda remote, _: remote.do(task)))[0]

    refusing.goes_on.set()
    assert (await serve(refusing, where, doing)).why("s") == "full"


class Counting(Cable):
    """A cable that counts what it carries."""

    carried = 0

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                self.carried += len(data)
                other.sendall(data)
        except OSError:  # one of them is gone
            pass
        finally:
            for end in (one, other):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def test_a_long_file_that_cannot_be_kept_here_is_not_received_to_its_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """And those that follow come."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.mkdir()
    with (there / "long").open("wb") as file:
        file.truncate(600_000_000)
    (there / "small").write_bytes(SMALL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Served(there) as server, Counting(server.port) as cable:
        url = f"tcp://127.0.0.1:{cable.port}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, hard))
        try:
            assert run(["get", f"{url}/long", f"{url}/small", str(back)]) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert cable.carried < 100_000_000
    said = capfd.readouterr().err
    assert said == f"jackfield: {back}/long: there is no room on the disk (EFBIG)\n"
    assert (back / "small").read_bytes() == SMALL


def test_the_command_does_not_wait_for_its_input_once_it_is_refused(tmp_path: Path) -> None:
    with Served(tmp_path / "there", "--max-file", "1M") as server:
        words = command("put", "-", "--name", "x", server.url)
        put = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert put.stdin is not None
        assert put.stderr is not None
        put.stdin.write(bytes(2 * 1024 * 1024))
        put.stdin.flush()
        assert put.wait(PATIENCE) == 1
        assert put.stderr.read() == (
            b"jackfield: standard input: a file here may have 1048576 bytes at the most\n"
        )
        put.stdin.close()
        put.stderr.close()


def test_the_command_is_ended_while_its_input_is_silent(tmp_path: Path) -> None:
    with Served(tmp_path / "there") as server:
        words = command("put", "-", "--name", "x", server.url)
        put = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert put.stdin is not None
        until(lambda: parts_in(tmp_path))
        put.send_signal(signal.SIGINT)
        assert put.wait(PATIENCE) == 128 + signal.SIGINT
        put.stdin.close()


def test_another_stream_is_told_once_it_is_longer_than_what_is_there(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "x").write_bytes(b"what is there")
    with Served(there) as server:
        words = command("put", "-", "--name", "x", server.url)
        put = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert put.stdin is not None
        assert put.stderr is not None
        put.stdin.write(bytes(2 * 1024 * 1024))
        put.stdin.flush()
        assert put.wait(PATIENCE) == 1
        assert b"there is another file of that name" in put.stderr.read()
        put.stdin.close()
        put.stderr.close()
