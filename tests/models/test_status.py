"""What a running server tells of itself, under each model."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from jackfield.events import ChildLost, ConnectionEnded, ConnectionOpened, Warned
from jackfield.limits import Limits
from jackfield.models import spec
from jackfield.models.names import ModelName
from jackfield.service import Service
from tests import handlers
from tests.certificates import Certificates
from tests.live import ALL, SEVERAL, Peer, dialed, in_loop, until
from tests.seen import Counts, Seen, held
from tests.unit.models.test_process import Parent

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"
SEQPACKET = "unix+seqpacket:@PID"


def obeying(model: ModelName) -> Service[Any]:
    """What each model can run."""
    return handlers.replying if model == "inline" else handlers.native


def moved(counts: Counts) -> list[float]:
    names = ("received_bytes", "sent_bytes", "received_messages", "sent_messages")
    return [counts[f"{name}_total",] for name in names]


@pytest.mark.some(2)
@pytest.mark.parametrize("model", SEVERAL)
def test_what_has_come_and_gone_is_told_while_peers_are_there_and_later(model: ModelName) -> None:
    with Seen(obeying(model), TCP, model=model) as seen:
        with seen.connect() as one, seen.connect() as other:
            assert one.ask("echo hello") == "hello"
            assert one.ask("echo 字") == "字"
            assert other.ask("echo") == ""
            total = [
                len("echo hello\necho 字\necho\n".encode()),
                len("hello\n字\n\n".encode()),
                3,
                3,
            ]
            until(lambda: moved(seen.counts()) == total)
            assert seen.count("connections") == 2
            assert seen.count("connections_opened_total", "tcp") == 2
            first, second = seen.peers()
            assert [first["peer"], second["peer"]] == [one.name, other.name]
            assert first["bytes_received"] == len("echo hello\necho 字\n".encode())
            assert 0 <= second["since"] - first["since"] < 60
            assert abs(first["since"] - time.time()) < 60
            assert first["endpoint"] == str(seen.endpoints[0])
        seen.await_events(ConnectionEnded, 2)
        counts = seen.counts()
        assert moved(counts) == total
        assert counts["connections",] == 0
        assert seen.peers() == []


def test_inline_tells_of_one_after_the_other() -> None:
    with Seen(handlers.replying, TCP, model="inline") as seen:
        for times in (1, 2):
            with seen.connect() as one:
                assert one.ask("echo hello") == "hello"
                assert moved(seen.counts()) == [times * 11, times * 6, times, times]
                assert seen.count("connections") == 1
                assert seen.states() == ["waiting"]
            until(lambda: seen.count("connections") == 0)
        assert seen.count("connections_opened_total", "tcp") == 2


@pytest.mark.parametrize("url", [UDP, "unix+dgram:@PID", SEQPACKET])
@pytest.mark.parametrize("model", ALL)
def test_of_units_too(model: ModelName, url: str) -> None:
    with (
        Seen(obeying(model), url, model=model) as seen,
        seen.connect() as one,
    ):
        assert [one.ask("echo hello"), one.ask("echo 2")] == ["hello", "2"]
        until(lambda: seen.count("received_messages_total") == 2)
        until(lambda: moved(seen.counts())[:2] == [len("echo helloecho 2"), len("hello2")])
        (here,) = seen.peers()
        assert here["endpoint"] == str(seen.endpoints[0])


def test_under_threads_a_blocking_handler_is_told_of_likewise() -> None:
    with Seen(handlers.blocking, TCP, model="threads") as seen, seen.connect() as one:
        assert one.ask("echo hello") == "hello"
        until(lambda: seen.states() == ["waiting"])
        until(lambda: moved(seen.counts()) == [11, 6, 1, 1])


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_who_is_turned_away_is_counted_by_the_limit(model: ModelName) -> None:
    limits = Limits(connections=1)
    with (
        Seen(obeying(model), TCP, model=model, limits=limits) as seen,
        seen.connect() as one,
    ):
        assert one.ask("echo 1") == "1"
        for _ in range(2):
            with seen.connect() as other:
                assert "full" in other.line()
        assert seen.count("connections_refused_total", "connections") == 2
        assert seen.count("connections_opened_total", "tcp") == 1


@pytest.mark.some(2)
@pytest.mark.parametrize("model", ALL)
def test_who_is_late_is_counted_by_the_limit(model: ModelName) -> None:
    limits = Limits(first_message=0.1)
    with Seen(obeying(model), TCP, model=model, limits=limits) as seen, seen.connect() as one:
        one.rest()
        until(lambda: seen.count("connections_refused_total", "first_message") == 1)


@pytest.mark.some(2)
@pytest.mark.parametrize("model", ALL)
def test_handlers_that_fail_and_reloads(model: ModelName) -> None:
    with Seen(obeying(model), TCP, model=model) as seen:
        with seen.connect() as one:
            one.send("fail now")
            assert one.line() == ""
        until(lambda: seen.count("handlers_failed_total") == 1)
        seen.wait_for(seen.server.reload())
        assert seen.count("reloads_total") == 1
        with seen.connect() as one:
            assert one.ask("echo on") == "on"
        until(lambda: seen.count("received_messages_total") == 2)


@pytest.mark.parametrize("model", ALL)
def test_datagrams_that_are_dropped(model: ModelName) -> None:
    with Seen(obeying(model), UDP, model=model) as seen, seen.connect() as one:
        seen.call(seen.server.suspend)
        one.send("a", "b", "c")
        reason = "nobody new is taken while the server is suspended"
        until(lambda: seen.count("datagrams_dropped_total", reason) == 3)
        seen.call(seen.server.resume)
        assert one.ask("echo on") == "on"
        assert seen.count("connections_opened_total", "udp") == 1


@pytest.mark.long
def test_what_a_process_has_moved_is_told_when_it_is_lost() -> None:
    with Seen(handlers.native, TCP, model="processes") as seen:
        with seen.connect() as one:
            assert one.ask("echo hello") == "hello"
            until(lambda: moved(seen.counts()) == [11, 6, 1, 1])
            one.send("die SIGKILL")
            one.line()
        seen.await_event(ChildLost)
        counts = seen.counts()
        assert counts["processes_lost_total",] == 1
        assert counts["received_bytes_total",] >= 11
        assert counts["sent_bytes_total",] == 6
        ended = seen.await_event(ConnectionEnded)
        assert (ended.bytes_sent, ended.messages_sent) == (6, 1)


# States


@pytest.mark.long
@pytest.mark.parametrize("model", SEVERAL)
def test_waiting_at_work_and_closing(model: ModelName, tmp_path: Any) -> None:
    service = handlers.lines_of(held)
    limits = Limits(linger_time=60)
    with Seen(service, TCP, model=model, limits=limits, drain=0) as seen, seen.connect() as one:
        until(lambda: seen.states() == ["waiting"])
        one.send(f"{tmp_path}/file")
        until(lambda: seen.states() == ["at work"])
        (tmp_path / "file").touch()
        assert one.line() == "done"
        until(lambda: seen.states() == ["waiting"])
        one.send("end")
        assert one.line() == ""  # it has ended its side, and waits for the other's end
        until(lambda: seen.states() == ["closing"])
        assert seen.count("connections") == 1


@pytest.mark.long
@pytest.mark.parametrize("url", [TCP, SEQPACKET])
@pytest.mark.parametrize("model", SEVERAL)
def test_lagging(model: ModelName, url: str) -> None:
    service = handlers.lines_of(handlers.chatter)
    with Seen(service, url, model=model, drain=0) as seen, seen.connect() as one:
        one.send("go")
        until(lambda: seen.states() == ["lagging"])
        (here,) = seen.peers()
        assert here["unsent"] > 0


@pytest.mark.long
@pytest.mark.parametrize("model", SEVERAL)
def test_shaking_hands(model: ModelName, certificates: Certificates) -> None:
    limits = Limits(handshake=60)
    with Seen(handlers.native, certificates.url(), model=model, limits=limits, drain=0) as seen:
        at = seen.endpoints[0]
        plain = at.__class__(transport=at.transport.TCP, host=at.host, port=at.port)
        with dialed(plain):
            seen.await_event(ConnectionOpened)
            until(lambda: seen.states() == ["shaking hands"])
        with Peer(at, ca=certificates.ca) as peer:
            assert peer.ask("echo hello") == "hello"
            until(lambda: "waiting" in seen.states())
            assert seen.counts()["received_bytes_total",] > 11  # TLS included


# What a process reports


@pytest.mark.parametrize(
    "message",
    [
        spec.COUNTS + b"[]",
        spec.COUNTS + b'["waiting", 1, 2, 3, 4]',
        spec.COUNTS + b'["waiting", 1, 2, 3, 4, Infinity]',
        spec.COUNTS + b'["waiting", 1, 2, 3, 4, NaN]',
        spec.COUNTS + b"[" * 100_000,
        spec.DONE + b'["", 1e999, 2, 3, 4]',
        spec.EVENT + b'{"kind": "BytesSent"}',
    ],
)
def test_a_report_that_makes_no_sense_is_told_and_ignored(message: bytes) -> None:
    @in_loop
    async def main() -> None:
        parent = Parent()
        work, other = parent.work()
        parent.process.take_up(work)
        await parent.say(spec.COUNTS + json.dumps(["at work", 1, 2, 3, 4, 5]).encode())
        await parent.say(message)
        (warned,) = parent.told
        assert isinstance(warned, Warned)
        assert warned.text.startswith("process 4711 makes no sense: ")
        status = parent.process.status()
        assert status is not None
        assert status[4:] == ("at work", 1, 2, 3, 4, 5)
        parent.process.dismiss()
        ended = parent.told[-1]
        assert isinstance(ended, ConnectionEnded)
        assert (ended.bytes_received, ended.messages_sent) == (1, 4)
        for one in (other, parent.child):
            one.close()

    main()


def test_a_process_without_work_has_no_status() -> None:
    @in_loop
    async def main() -> None:
        parent = Parent()
        assert parent.process.status() is None
        parent.process.dismiss()
        parent.child.close()

    main()
