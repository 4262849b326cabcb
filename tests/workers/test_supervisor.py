"""Several processes that serve the same endpoints: what peers and the operator see of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.endpoints import parse
from jackfield.errors import AddressInUse, ConfigurationError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Event,
    Events,
    HandlerFailed,
    Listening,
    MessageReceived,
    MessageSent,
    Refused,
    Stopped,
    Warned,
    WorkerLost,
)
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.binding import bind
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.tls import authority
from jackfield.workers import running, supervisor
from jackfield.workers.supervisor import Supervisor
from tests import handlers
from tests.certificates import Certificates
from tests.live import Live, Peer, all_closed, children_of, free_port, sockets_of, until
from tests.unit.net.machine import needs_ipv6
from tests.workers.crew import (
    TCP,
    UDP,
    Crew,
    Held,
    both,
    fail_late,
    garble,
    none_left,
    one_of_each,
)

# Who is served


@pytest.mark.some(1)
@both
@pytest.mark.parametrize("url", [TCP, "unix://@PID", "unix+seqpacket://@PID"])
def test_each_worker_answers_on_one_endpoint(url: str, model: ModelName) -> None:
    with Crew(handlers.native, url, model=model, workers=3) as crew:
        with all_closed(peers := crew.one_of_each(count=3)):
            assert {int(peer.ask("pid")) for peer in peers} == set(crew.pids)
            assert os.getpid() not in crew.pids
        assert crew.of(Listening) == [Listening(crew.endpoints[0])]
        assert "@PID" in url or crew.endpoints[0].port
    assert not crew.of(WorkerLost)
    assert len(crew.of(Stopped)) == 1
    assert crew.endpoints == []


@both
def test_over_tls(model: ModelName, certificates: Certificates) -> None:
    with Crew(handlers.native, certificates.url(), model=model) as crew:
        peers = one_of_each(lambda: Peer(crew.endpoints[0], ca=certificates.ca))
        with all_closed(peers):
            assert [peer.ask("echo 1") for peer in peers] == ["1", "1"]
        with Peer(parse(f"tcp://127.0.0.1:{crew.endpoints[0].port}")) as plain:
            plain.send("hello")
            assert b"TLS" in plain.rest()
        crew.await_event(Refused)


def test_over_tls_with_the_certificate_of_this_machine() -> None:
    with Crew(handlers.native, "tls://127.0.0.1:0") as crew:
        ca = authority.certificate()
        with all_closed(one_of_each(lambda: Peer(crew.endpoints[0], ca=ca))):
            assert crew.supervisor._renewing is not None


@both
def test_what_a_udp_peer_sends_goes_to_one_worker(model: ModelName) -> None:
    with Crew(handlers.native, UDP, model=model) as crew:
        peers = [crew.connect() for _ in range(24)]
        with all_closed(peers):
            first = [peer.ask("pid") for peer in peers]
            for _ in range(5):
                assert [peer.ask("pid") for peer in peers] == first
        assert set(map(int, first)) == set(crew.pids)


@needs_ipv6
def test_several_endpoints_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s"
    urls = ("tcp://localhost:0", "udp://localhost:0", f"unix://{path}")
    with Crew(handlers.replying, *urls) as crew:
        tcp, tcp6, udp, udp6, unix = crew.endpoints
        assert tcp.port == tcp6.port
        assert udp.port == udp6.port
        assert [event.endpoint for event in crew.of(Listening)] == crew.endpoints
        for number in range(5):
            with all_closed(peers := crew.one_of_each(number)):
                assert len(peers) == 2
        assert unix.path == str(path)
        assert path.exists()
    assert not path.exists()


def test_with_inherited_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with (
            Crew(handlers.native, f"fd://{listening.fileno()}") as crew,
            all_closed(crew.one_of_each()),
        ):
            assert crew.endpoints[0].port == listening.getsockname()[1]
        assert listening.getsockname()[1]  # ours still


def test_each_worker_has_the_limits() -> None:
    with (
        Crew(handlers.native, TCP, limits=Limits(connections=1)) as crew,
        all_closed(crew.one_of_each()),
        crew.connect() as one,
    ):
        assert one.line() == "error: the server is full; try again later"
        assert crew.await_event(Refused).limit == "connections"


@pytest.mark.long
def test_it_can_be_started_again(short_name: str) -> None:
    with Crew(handlers.native, short_name) as crew:
        for _ in range(2):
            crew.stop()
            assert crew.supervisor.connections == 0
            crew.wait_for(crew.supervisor.start())
            with all_closed(crew.one_of_each()):
                until(lambda: crew.supervisor.connections == 2)


@pytest.fixture
def short_name(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/s"


def test_it_is_a_context_manager() -> None:
    async def served() -> None:
        async with Supervisor(handlers.native, TCP, workers=1) as one:
            at = one.endpoints[0]
            _, writer = await asyncio.open_connection(at.host, at.port)
            writer.close()
            await writer.wait_closed()
        assert one.endpoints == []
        await one.stop()

    before = children_of(os.getpid())
    asyncio.run(served())
    assert none_left(before)


# What cannot be


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("memory://a", {}, "memory://a: memory:// stays in one process; serve it without workers"),
        ("unix+dgram:///tmp/a", {}, "unix+dgram:///tmp/a: a UNIX datagram socket is one for all"),
        ("udp://0.0.0.0:1?group=224.0.0.9", {}, "udp://0.0.0.0:1: each worker would hear"),
        (TCP, {"workers": 0}, "0 workers, where 1 to 256 is possible"),
        (TCP, {"workers": 257}, "257 workers, where 1 to 256 is possible"),
        (TCP, {"model": "processes"}, "workers are processes already; use them with asyncio"),
        (TCP, {"model": "none"}, "there is no model 'none'; there are "),
    ],
)
def test_what_cannot_be_shared_is_refused(url: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Supervisor(handlers.native, url, **{"workers": 2, **options})
    assert str(caught.value).startswith(text)


def test_it_needs_an_endpoint_and_a_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="a server needs an endpoint"):
        Supervisor(handlers.native, workers=1)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigurationError, match="only Linux keeps a peer's datagrams"):
        Supervisor(handlers.native, UDP, workers=1)
    monkeypatch.setattr(supervisor, "SUPPORTED", False)
    with pytest.raises(ConfigurationError, match="leave out workers"):
        Supervisor(handlers.native, TCP, workers=1)


def local_handler() -> Service[str]:
    async def nowhere(conn: Connection[str]) -> None:
        await handlers.obey(conn)

    return handlers.lines_of(nowhere)


def leaves_nothing(crew: Crew, path: Path, error: type[Exception], text: str) -> None:
    """It does not start, and leaves no process, socket or file behind."""
    before = children_of(os.getpid())
    sockets = sockets_of(os.getpid())
    with pytest.raises(error) as caught, crew:
        raise AssertionError("it has started")
    assert text in str(caught.value)
    assert none_left(before)
    assert sockets_of(os.getpid()) == sockets
    assert not path.exists()
    assert crew.told == []


def test_a_handler_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    crew = Crew(local_handler(), f"unix://{path}", UDP)
    leaves_nothing(crew, path, ConfigurationError, "with workers it must stand at the top level")


def test_an_endpoint_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Live(handlers.native, UDP) as other:
        crew = Crew(handlers.native, f"unix://{path}", TCP, str(other.endpoints[0]))
        leaves_nothing(crew, path, AddressInUse, str(other.endpoints[0].port))


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    path, cert = tmp_path / "s", tmp_path / "cert.pem"
    cert.write_text("nonsense")
    crew = Crew(handlers.native, f"unix://{path}", f"tls://127.0.0.1:0?cert={cert}&key={cert}")
    leaves_nothing(crew, path, ConfigurationError, "of obey cannot start: ")


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("harm", "text"),
    [
        ("exit", "cannot start: exited with status 3"),
        ("load", "cannot start: RuntimeError: not today"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_refused(harm: str, text: str, tmp_path: Path) -> None:
    path, harmful = tmp_path / "s", tmp_path / "harmful"
    harmful.touch()
    service = handlers.lines_of(handlers.Unsteady(harm, str(harmful)))
    crew = Crew(service, f"unix://{path}")
    leaves_nothing(crew, path, ConfigurationError, text)
    harmful.unlink()
    with crew, all_closed(crew.one_of_each()):
        assert len(crew.pids) == 2


def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def started() -> None:
        one = Supervisor(service, f"unix://{tmp_path}/s", workers=2)
        starting = asyncio.create_task(one.start())
        while len(children_of(os.getpid())) < len(before) + 2:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.005)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        assert none_left(before)

    (tmp_path / "held").touch()
    service = handlers.lines_of(Held(str(tmp_path / "held")))
    before = children_of(os.getpid())
    asyncio.run(started())
    assert not (tmp_path / "s").exists()


# What is told


@both
def test_events_of_all_workers_have_numbers_of_their_own(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            names = [peer.name for peer in peers]
            for number, peer in enumerate(peers):
                assert peer.ask(f"fail {number}") == ""
        crew.await_events(HandlerFailed, 2)
        crew.await_events(ConnectionEnded, len(crew.of(ConnectionOpened)))
        opened = {event.peer: event.number for event in crew.of(ConnectionOpened)}
        assert sorted(opened.values()) == list(range(1, len(opened) + 1))
        for event in crew.of(ConnectionEnded):
            assert event.number == opened[event.peer]
            assert event.endpoint == crew.endpoints[0]
        failed = sorted(crew.of(HandlerFailed), key=lambda event: event.error)
        assert [event.number for event in failed] == [opened[name] for name in names]
        assert [event.error for event in failed] == ["ValueError: 0", "ValueError: 1"]
        assert "in _fail" in failed[0].traceback
        assert crew.supervisor.connections == 0


def test_a_handler_that_fails_after_its_peer_is_lost_is_told_by_its_number() -> None:
    with Crew(handlers.lines_of(fail_late), TCP, workers=1) as crew, crew.connect() as other:
        assert other.line() == "here"
        peer = crew.connect()
        assert peer.line() == "here"
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert crew.await_event(HandlerFailed).number == 2


def test_only_so_many_numbers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "REMEMBERED", 3)
    with Crew(handlers.native, TCP, workers=1) as crew:
        for number in range(1, 6):
            with crew.connect() as peer:
                assert peer.ask("echo 1") == "1"
            crew.await_events(ConnectionEnded, number)
        assert set(crew.supervisor._workers[1].numbers) == {3, 4, 5}


def subscribed(*kinds: type[Event]) -> tuple[Events, list[Any], Callable[[int], None]]:
    """Subscribe to events by name: events, those that came, and a wait for so many."""
    events, found, news = Events(), [], threading.Condition()

    def hear(event: Event) -> None:
        with news:
            found.append(event)
            news.notify_all()

    def wait(count: int) -> None:
        with news:
            assert news.wait_for(lambda: len(found) >= count, 20), found

    for kind in kinds:
        events.subscribe(kind, hear)
    return events, found, wait


@both
def test_messages_are_told_where_somebody_subscribes(model: ModelName) -> None:
    events, found, wait = subscribed(MessageReceived, MessageSent)
    with Crew(handlers.native, TCP, model=model, events=events, workers=1) as crew:
        with crew.connect() as one, crew.connect() as two:
            for peer, text in ((one, "a"), (two, "é"), (one, "c")):
                assert peer.ask(f"echo {text}") == text
            names = one.name, two.name
        wait(6)
        expected: list[Event] = []
        for number, text in ((1, "a"), (2, "é"), (1, "c")):
            name = names[number - 1]
            expected += [
                MessageReceived(number, name, f"echo {text}"),
                MessageSent(number, name, text),
            ]
        assert found == expected


@both
def test_bytes_are_told_where_somebody_subscribes(model: ModelName) -> None:
    events, found, wait = subscribed(BytesReceived, BytesSent)
    with Crew(handlers.native, TCP, model=model, events=events, workers=1) as crew:
        with crew.connect() as one:
            assert one.ask("echo a") == "a"
            name = one.name
        wait(2)
        assert found == [BytesReceived(1, name, b"echo a\n"), BytesSent(1, name, b"a\n")]


GARBAGE = {
    "json": b"E{",
    "no object": b"E[]",
    "deep": b"E" + b"[" * 30_000,
    "another kind": b'E{"kind": "WorkerLost", "worker": 1, "process": 1, "reason": ""}',
    "another type": b'E{"kind": "DatagramsDropped", "endpoint": "udp://[::1]:1", "count": "x", '
    b'"reason": ""}',
    "no status": b"s[[1]]",
    "no list": b"s5",
    "half a part": b"P\x00\x00",
    "a long part": b"P\xff\xff\xff\xffa",
    "no parts": b"P",
    "no name": b"P\x00\x00\x00\x01\xff\x00\x00\x00\x01a",
}


@pytest.mark.some(1)
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_from_a_worker_is_told_and_harmless(garbage: bytes) -> None:
    with Crew(handlers.lines_of(garble), TCP, workers=1) as crew:
        pids = crew.pids
        with crew.connect() as peer:
            # unknown kinds, and answers nobody has asked for, pass unseen
            peer.send(" ".join(one.hex() for one in (garbage, b"?", b".9", b"q", b"R", b"-a")))
            assert peer.line() == "said"
            (event,) = crew.await_events(Warned)
            assert event.text.startswith("worker 1 makes no sense: ")
            assert peer.ask("echo 1") == "1"
            assert len(crew.wait_for(crew.supervisor.status())) == 1
        crew.await_event(ConnectionEnded)
        assert crew.pids == pids
        assert len(crew.of(Warned)) == 1


# Status


@both
def test_status_is_that_of_all_workers(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model) as crew, all_closed(peers := crew.one_of_each()):
        until(lambda: crew.supervisor.connections == 2)
        names = {peer.name for peer in peers}
        found = crew.wait_for(crew.supervisor.status())
        opened = {event.number: event.peer for event in crew.of(ConnectionOpened)}
        assert {one.peer for one in found} == names
        assert {one.number: one.peer for one in found}.items() <= opened.items()
        assert [one.number for one in found] == sorted(one.number for one in found)
        assert {one.endpoint for one in found} == {str(crew.endpoints[0])}
        assert {(one.messages_received, one.state) for one in found} == {(1, "waiting")}
        assert {one.bytes_received for one in found} == {4}


def test_status_of_more_than_fit_into_one_message() -> None:
    with (
        Crew(handlers.native, TCP, workers=1, limits=Limits(connections_per_source=1000)) as crew,
        all_closed(peers := [crew.connect() for _ in range(250)]),
    ):
        assert peers[-1].ask("echo 1") == "1"
        crew.await_events(ConnectionOpened, 250)
        found = crew.wait_for(crew.supervisor.status())
        assert [one.number for one in found] == list(range(1, 251))


def test_two_who_ask_for_the_status_at_once_have_it_both() -> None:
    async def ask() -> list[int]:
        found = await asyncio.gather(*(crew.supervisor.status() for _ in range(2)))
        return [len(one) for one in found]

    with Crew(handlers.native, TCP) as crew, all_closed(crew.one_of_each()):
        until(lambda: crew.supervisor.connections == 2)
        assert crew.wait_for(ask()) == [2, 2]


def test_nothing_stays_bound(tmp_path: Path) -> None:
    port = free_port()
    urls = (f"tcp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}", f"unix://{tmp_path}/s")
    with Crew(handlers.native, *urls) as crew:
        endpoints = crew.endpoints
    for endpoint in endpoints:
        for bound in bind(endpoint):
            bound.sock.close()
