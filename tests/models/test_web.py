"""The web service under every model, in workers and over TLS: the same answers, the same log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import HandlerFailed, RequestAnswered
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.services.web import make
from tests.certificates import Certificates
from tests.live import ALL, SEVERAL, Live, Peer
from tests.web import Browser, Reply, settle

LONG = os.urandom(2_000_000)
PLACES = ["asyncio", "threads", "processes", "inline", "workers"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    (site / "a.txt").write_text("alpha")
    (site / "long.bin").write_bytes(LONG)
    (site / "d").mkdir()
    settle(site)
    return site


@contextmanager
def serving(model: str, where: str, **options: Any) -> Iterator[Live]:
    """Serve under a model, or by two workers."""
    inside: Any = "asyncio" if model == "workers" else model
    workers = 2 if model == "workers" else None
    limits = Limits(linger_time=0.1)
    with Live(make(**options), where, model=inside, limits=limits, workers=workers) as live:
        yield live
        assert live.of(HandlerFailed) == []


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("model", PLACES)
def test_the_same_answers(
    model: str, transport: str, folder: Path, certificates: Certificates
) -> None:
    where = certificates.url() if transport == "tls" else "tcp://127.0.0.1:0"
    with serving(model, where, folder=str(folder)) as live:
        with Browser(live.endpoints[0], ca=certificates.ca) as browser:
            for _ in range(2):
                assert browser.ask("/a.txt").text == "alpha"
                assert browser.ask("/long.bin").body == LONG
                assert browser.ask("/long.bin", Range="bytes=5-").body == LONG[5:]
                assert browser.ask("/a.txt", "HEAD").fields["content-length"] == "5"
                assert browser.ask("/none").text == "404 Not Found\n"
                assert browser.ask("/a.txt", If_None_Match="*").status == 304
                assert browser.ask("/a.txt", "POST", b"x" * 100_000).status == 405
                assert 'href="./d/"' in browser.ask("/").text
                assert browser.ask("/d").fields["location"] == "/d/"
            assert browser.is_open
        told = live.await_events(RequestAnswered, 18)
        assert [(event.method, event.status, event.size) for event in told[:4]] == [
            ("GET", 200, 5),
            ("GET", 200, len(LONG)),
            ("GET", 206, len(LONG) - 5),
            ("HEAD", 200, 0),
        ]
        assert len({event.number for event in told}) == 1
        assert all(event.peer.startswith(f"{transport}://127.0.0.1:") for event in told)


@pytest.mark.parametrize("model", PLACES)
def test_pipelined_requests_and_what_is_broken(model: str, folder: Path) -> None:
    with serving(model, "tcp://127.0.0.1:0", folder=str(folder)) as live:
        with Peer(live.endpoints[0]) as peer:
            ask = b"GET /%b HTTP/1.1\r\nHost: a.localhost\r\n\r\n"
            names = [b"a.txt", b"none", b"d", b"a.txt"] * 20
            peer.sock.sendall(b"".join(ask % name for name in names) + b"\0")
            said = peer.rest()
        statuses = [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"200", b"404", b"301", b"200"] * 20 + [b"400"]


@pytest.mark.some(1)
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("model", PLACES)
def test_pipelined_files_come_whole_and_in_order(
    model: str, transport: str, folder: Path, certificates: Certificates
) -> None:
    """A long one is sent by the system itself, past what waits to be written together."""
    where = certificates.url() if transport == "tls" else "tcp://127.0.0.1:0"
    with (
        serving(model, where, folder=str(folder)) as live,
        Peer(live.endpoints[0], ca=certificates.ca) as peer,
    ):
        ask = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"
        names = [b"a.txt", b"long.bin", b"long.bin", b"a.txt", b"long.bin", b"none"]
        last = ask.replace(b"Host", b"Connection: close\r\nHost") % b"a.txt"
        peer.sock.sendall(b"".join(ask % name for name in names) + last)
        said = peer.rest()
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].split()[0])
        found.append(said[:size])
        said = said[size:]
    assert found == [b"alpha", LONG, LONG, b"alpha", LONG, b"404 Not Found\n", b"alpha"]


@pytest.mark.parametrize("model", PLACES)
def test_a_text(model: str) -> None:
    with (
        serving(model, "tcp://127.0.0.1:0", hello="<p>hi") as live,
        Browser(live.endpoints[0]) as browser,
    ):
        for _ in range(3):
            reply: Reply = browser.ask("/x")
            assert (reply.text, reply.fields["content-type"]) == (
                "<p>hi",
                "text/html; charset=utf-8",
            )


@pytest.mark.some(1)
@pytest.mark.parametrize("model", [*SEVERAL, "workers"])
def test_many_at_a_time(model: str, folder: Path) -> None:
    with serving(model, "tcp://127.0.0.1:0", folder=str(folder)) as live:
        browsers = [Browser(live.endpoints[0]) for _ in range(6)]
        try:
            for _ in range(3):
                assert [browser.ask("/a.txt").text for browser in browsers] == ["alpha"] * 6
        finally:
            for browser in browsers:
                browser.conn.close()
        numbers = {event.number for event in live.await_events(RequestAnswered, 18)}
        assert len(numbers) >= (3 if model == "workers" else 6)


@pytest.mark.parametrize("model", ALL)
def test_a_file_that_shrinks_is_cut_under_every_model(
    model: ModelName, tmp_path: Path, certificates: Certificates
) -> None:
    """Over TLS, where it is copied, while the peer takes none of it."""
    path = tmp_path / "a.bin"
    path.touch()
    os.truncate(path, 40_000_000)
    where = certificates.url() if model == "threads" else "tcp://127.0.0.1:0"
    with serving(model, where, folder=str(tmp_path)) as live:
        with Peer(live.endpoints[0], ca=certificates.ca) as peer:
            peer.sock.sendall(b"GET /a.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first = peer.sock.recv(1000)
            assert b"Content-Length: 40000000\r\n" in first
            os.truncate(path, 100)
            read = len(first)
            try:
                while data := peer.sock.recv(1 << 20):
                    read += len(data)
            except OSError:  # a reset, as it should be, which may come after the last bytes
                pass
            assert read < 40_000_000
        assert live.await_event(RequestAnswered).size < 40_000_000


@pytest.mark.some(1)
@pytest.mark.parametrize("model", ["asyncio", "processes", "workers"])
def test_a_reload_takes_another_folder(model: str, folder: Path, tmp_path: Path) -> None:
    """Whoever is there stays with the old one."""
    (tmp_path / "a.txt").write_text("another")
    with serving(model, "tcp://127.0.0.1:0", folder=str(folder)) as live:
        with Browser(live.endpoints[0]) as old:
            assert old.ask("/a.txt").text == "alpha"
            new = make(folder=str(tmp_path))
            live.wait_for(live.server.reload(new))
            if model != "workers":  # there others take the model of those that were
                assert old.ask("/a.txt").text == "alpha"
        with Browser(live.endpoints[0]) as browser:
            assert browser.ask("/a.txt").text == "another"


def test_over_a_unix_socket(folder: Path) -> None:
    with serving("asyncio", "unix:@PID", folder=str(folder)) as live:
        with Peer(live.endpoints[0]) as peer:
            peer.sock.sendall(
                b"GET /a.txt HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"
            )
            assert peer.rest().startswith(b"HTTP/1.1 421 ")
        with Peer(live.endpoints[0]) as peer:
            peer.sock.sendall(
                b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            assert peer.rest().endswith(b"\r\n\r\nalpha")


@pytest.mark.parametrize("where", ["udp://127.0.0.1:0", "unix+seqpacket:@PID", "ws://127.0.0.1:0"])
@pytest.mark.parametrize("model", PLACES)
def test_it_needs_a_stream(model: str, where: str) -> None:
    scheme = where.partition(":")[0]
    with (
        pytest.raises(ConfigurationError, match=rf"web needs a stream, and {re.escape(scheme)}://"),
        serving(model, where, hello="x"),
    ):
        pass
