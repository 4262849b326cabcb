"""The steps of a server that a worker takes one by one: prepare, open, retire, when_quiet."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Self

import pytest

from jackfield.endpoints import parse
from jackfield.errors import AddressInUse, ConfigurationError
from jackfield.events import Cut, Draining, Listening, Stopped
from jackfield.models.names import ModelName
from jackfield.net.binding import Bound, bind
from jackfield.server import Server
from tests import handlers
from tests.live import PATIENCE, SEVERAL, Live, Peer, dialed, free_port, in_loop, runs, until

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"


class Prepared(Live):
    """A server that is prepared, and opened by the test."""

    def __enter__(self) -> Self:
        self.server.start = self.server.prepare  # type: ignore[method-assign]
        return super().__enter__()


def answers(peer: Peer, text: str) -> bool:
    peer.send(f"echo {text}")
    peer.sock.settimeout(0.1)
    try:
        return peer.line() == text
    except TimeoutError:
        return False
    finally:
        peer.sock.settimeout(PATIENCE)


@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("url", [TCP, UDP, "unix://@PID"])
def test_who_comes_to_a_prepared_server_waits_until_it_opens(url: str, model: ModelName) -> None:
    with Prepared(handlers.native, url, model=model) as live, live.connect() as peer:
        assert not answers(peer, "1")
        assert not live.of(Listening)
        live.call(live.server.open)
        assert peer.line() == "1"
        assert len(live.of(Listening)) == 1


def test_a_prepared_server_can_be_stopped_unopened() -> None:
    at = parse(f"tcp://127.0.0.1:{free_port()}")
    with Prepared(handlers.native, at) as live:
        assert live.endpoints == [at]
    assert not live.of(Listening)
    for bound in bind(at):
        bound.sock.close()


@in_loop
async def test_preparing_is_all_or_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(handlers.native, f"unix://{tmp_path}/s", f"tcp://127.0.0.1:{port}")
        with pytest.raises(AddressInUse):
            await server.prepare()
    assert server.endpoints == []
    assert os.listdir(tmp_path) == []  # noqa: PTH208  there is nothing to wait for


@in_loop
async def test_given_sockets_are_used_and_closed_with_it(tmp_path: Path) -> None:
    given = [*bind(parse(TCP)), *bind(parse(UDP))]
    endpoints = [one.endpoint for one in given]
    server = Server(handlers.replying, *endpoints, bound=given)
    await server.start()
    assert server.endpoints == endpoints
    reader, writer = await asyncio.open_connection(endpoints[0].host, endpoints[0].port)
    writer.write(b"echo 1\n")
    assert await reader.readline() == b"1\n"
    writer.close()
    await server.stop()
    assert [one.sock.fileno() for one in given] == [-1, -1]


@in_loop
async def test_given_sockets_are_closed_when_it_cannot_start(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("nonsense")
    ((sock, *_),) = [(one.sock, one) for one in bind(parse(TCP))]
    at = parse(f"tls://127.0.0.1:{sock.getsockname()[1]}?cert={cert}&key={cert}")
    server = Server(handlers.native, at, bound=[Bound(sock, at)])
    with pytest.raises(ConfigurationError):
        await server.start()
    assert sock.fileno() == -1


@pytest.mark.parametrize("model", SEVERAL)
def test_a_retired_server_serves_who_is_there_and_nobody_else(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        at = live.endpoints[0]
        assert peer.ask("echo 1") == "1"
        pid = int(peer.ask("pid"))
        live.call(live.server.retire)
        with pytest.raises(ConnectionRefusedError):
            dialed(at)
        assert peer.ask("echo 2") == "2"
        assert peer.ask("draining") == "False"
        waiting = asyncio.run_coroutine_threadsafe(live.server.when_quiet(), live.loop)
        assert peer.ask("echo 3") == "3"
        assert not waiting.done()
        peer.close()
        waiting.result(PATIENCE)
        assert len(live.of(Stopped)) == 1
        assert not live.of(Draining)
        if model == "processes":
            until(lambda: not runs(pid))


@pytest.mark.parametrize("model", SEVERAL)
def test_a_retired_server_that_is_stopped_drains(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        assert peer.ask("until draining") == "now"
        live.call(live.server.retire)
        waiting = asyncio.run_coroutine_threadsafe(live.server.stop(PATIENCE), live.loop)
        assert [peer.line(), peer.line(), peer.line()] == ["draining", "done", ""]
        peer.close()
        waiting.result(PATIENCE)
        assert len(live.of(Draining)) == len(live.of(Stopped)) == 1


@pytest.mark.parametrize("model", SEVERAL)
def test_a_retired_server_can_be_cut(model: ModelName) -> None:
    with Live(handlers.native, TCP, model=model) as live, live.connect() as peer:
        name = peer.name
        assert peer.ask("echo 1") == "1"
        peer.send("wait")
        live.call(live.server.retire)
        waiting = asyncio.run_coroutine_threadsafe(live.server.when_quiet(), live.loop)
        until(lambda: live.server._quiet is not None)
        live.call(live.server.cut)
        waiting.result(PATIENCE)
        assert live.await_event(Cut).peers == (name,)
        assert live.server.connections == 0


@pytest.mark.parametrize("model", ["asyncio", "threads"])
def test_datagrams_that_have_come_are_answered_and_later_ones_wait(model: ModelName) -> None:
    with Live(handlers.native, UDP, model=model) as live, live.connect() as peer:
        assert peer.ask("echo 1") == "1"
        live.call(live.server.retire)
        live.wait_for(live.server.when_quiet())
        assert live.server.connections == 0


def test_a_server_can_be_started_again_after_it_has_retired() -> None:
    with Live(handlers.native, TCP) as live:
        for _ in range(2):
            with live.connect() as peer:
                assert peer.ask("echo 1") == "1"
            live.call(live.server.retire)
            live.wait_for(live.server.when_quiet())
            live.wait_for(live.server.start())
