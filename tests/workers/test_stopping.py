"""The end of a supervisor and of its workers, in good order or not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

from jackfield.endpoints import parse
from jackfield.events import ConnectionEnded, Cut, Draining, Stopped, WorkerLost
from jackfield.models.names import ModelName
from jackfield.net.binding import bind
from jackfield.service import Service
from jackfield.workers import supervisor
from tests import handlers
from tests.commands.test_serve import Served as Command
from tests.faults.served import Served
from tests.live import PATIENCE, all_closed, children_of, free_port, runs, until
from tests.workers.crew import TCP, UDP, Crew, T, both, kill, one_of_each

TWO = {"WORKERS": "2"}

KINDS = {
    "asyncio": ("asyncio", handlers.native),
    "threads-async": ("threads", handlers.native),
    "threads-def": ("threads", handlers.blocking),
}


def handling(test: T) -> T:
    """With handlers of each kind, or two of them in a sample."""
    marked: T = pytest.mark.parametrize(("model", "service"), KINDS.values(), ids=KINDS)(test)
    pytest.mark.some(2)(marked)
    return marked


def begun(crew: Crew, work: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Begin something in the supervisor's loop."""
    return asyncio.run_coroutine_threadsafe(work, crew.loop)


@handling
def test_handlers_see_that_it_drains_and_may_finish(
    model: ModelName, service: Service[str]
) -> None:
    at = parse(f"tcp://127.0.0.1:{free_port()}")
    with Crew(service, str(at), model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            for peer in peers:
                assert peer.ask("until draining") == "now"
            until(lambda: crew.supervisor.connections == 2)
            stopping = begun(crew, crew.supervisor.stop(PATIENCE))
            for peer in peers:
                assert [peer.line(), peer.line(), peer.line()] == ["draining", "done", ""]
        stopping.result(PATIENCE)
        assert crew.of(Draining) == [Draining(2, PATIENCE)]
        assert {event.reason for event in crew.of(ConnectionEnded)} == {""}
        assert not crew.of(Cut)
        assert not crew.of(WorkerLost)
        assert len(crew.of(Stopped)) == 1
        for bound in bind(at):
            bound.sock.close()


@pytest.mark.some(1)
@handling
def test_at_the_deadline_who_is_there_still_is_named_and_cut(
    model: ModelName, service: Service[str]
) -> None:
    with Crew(service, TCP, model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            names = {peer.name for peer in peers}
            for peer in peers:
                peer.send("wait" if service is handlers.native else "block")
            until(lambda: crew.supervisor.connections == 2)
            crew.stop(0.2)
        assert {name for event in crew.of(Cut) for name in event.peers} == names
        cut = [event.peer for event in crew.of(ConnectionEnded) if "cut" in event.reason]
        assert set(cut) == names
        assert crew.supervisor.connections == 0


@handling
def test_a_second_signal_cuts_at_once(model: ModelName, service: Service[str]) -> None:
    with Crew(service, TCP, model=model) as crew, all_closed(peers := crew.one_of_each()):
        stopped = crew.supervisor
        for peer in peers:
            assert peer.ask("until draining") == "now"
        crew.call(stopped.cut)  # nothing stops, so nothing is cut
        stopping = begun(crew, stopped.stop(3600.0))
        for peer in peers:
            assert [peer.line(), peer.line()] == ["draining", "done"]
        with all_closed(peers):
            crew.call(stopped.cut)
            stopping.result(PATIENCE)


@both
def test_cutting_cuts_who_stays_with_an_old_worker_too(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model, workers=1) as crew, crew.connect() as peer:
        assert peer.ask("echo 1") == "1"
        name = peer.name
        peer.send("wait")
        crew.wait_for(crew.supervisor.reload())
        crew.call(crew.supervisor.cut)
        assert crew.await_event(Cut).peers == (name,)
        (ended,) = crew.await_events(ConnectionEnded)
        assert ended.reason == "cut at the deadline"
        until(lambda: not crew.supervisor._retiring)


def test_a_worker_that_is_stuck_is_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LATE", 0.2)
    with Crew(handlers.native, TCP) as crew:
        with all_closed(peers := crew.one_of_each()):
            name = peers[0].name
            pids = crew.pids
            kill(int(peers[0].ask("pid")), signal.SIGSTOP)
            crew.stop(0.1)
            reasons = {event.peer: event.reason for event in crew.of(ConnectionEnded)}
            assert reasons[name] == "its worker was killed by SIGKILL"
        assert not any(map(runs, pids))
        assert not crew.of(WorkerLost)


def test_stopping_twice_is_stopping_once() -> None:
    with Crew(handlers.native, TCP) as crew:
        for stopping in [begun(crew, crew.supervisor.stop()) for _ in range(2)]:
            stopping.result(PATIENCE)
        crew.stop()
        assert len(crew.of(Stopped)) == 1


# In processes of their own


def all_gone(pids: list[int]) -> bool:
    return not any(map(runs, pids))


@both
def test_workers_leave_when_the_supervisor_is_killed(model: ModelName) -> None:
    with Served(model, "native", TCP, UDP, environment=TWO) as served:
        pids = children_of(served.pid)
        assert len(pids) == 2
        with all_closed(peers := one_of_each(served.connect)):
            for peer in peers:
                assert peer.ask("until draining") == "now"
            served.signal(signal.SIGKILL)
            for peer in peers:
                assert [peer.line(), peer.line(), peer.line()] == ["draining", "done", ""]
        until(lambda: all_gone(pids))
        for endpoint in served.endpoints:
            for bound in bind(endpoint):
                bound.sock.close()


@pytest.mark.some(1)
@both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_drains_as_one_to_the_supervisor(
    number: int, model: ModelName
) -> None:
    with Served(model, "native", TCP, environment=TWO) as served:
        pids = children_of(served.pid)
        with all_closed(peers := one_of_each(served.connect)):
            for peer in peers:
                assert peer.ask("until draining") == "now"
            served.signal(number, whole_group=True)
            for peer in peers:
                assert [peer.line(), peer.line(), peer.line()] == ["draining", "done", ""]
        assert served.wait() == 0
        assert served.complaints == ""
        assert "WorkerLost" not in served.events()
        assert all_gone(pids)


def test_two_signals_to_the_whole_group_cut_at_once() -> None:
    with Served("asyncio", "native", TCP, environment=TWO) as served:
        with all_closed(peers := one_of_each(served.connect)):
            for peer in peers:
                peer.send("wait")
            served.signal(signal.SIGINT, whole_group=True)
            served.await_event("Draining")
            served.signal(signal.SIGINT, whole_group=True)
            assert served.wait() == 0
        assert served.events().count("Cut") == 2
        assert served.complaints == ""


def test_sighup_replaces_the_workers() -> None:
    with Served("asyncio", "native", TCP, environment=TWO) as served:
        pids = children_of(served.pid)
        with all_closed(peers := one_of_each(served.connect)):
            served.signal(signal.SIGHUP)
            served.await_event("Reloaded")
            assert {int(peer.ask("pid")) for peer in peers} == set(pids)
            with all_closed(later := one_of_each(served.connect)):
                assert not {int(peer.ask("pid")) for peer in later} & set(pids)
        until(lambda: all_gone(pids))
        served.signal(signal.SIGTERM)
        assert served.wait() == 0
        assert served.complaints == ""


def test_the_command_serves_shows_and_reloads() -> None:
    with Command("upper", TCP, "--workers", "2", "--show", "--framing", "lines") as command:
        pids = children_of(command.process.pid)
        assert len(pids) == 2
        with command.connect() as peer:
            assert peer.ask("hello") == "HELLO"
            command.await_lines(1, " sent ")
            command.process.send_signal(signal.SIGHUP)
            until(lambda: len(set(children_of(command.process.pid)) - set(pids)) == 2)
            assert peer.ask("again") == "AGAIN"
            command.await_lines(2, " sent ")
        out = command.stop()
    assert "received  hello\n" in out
    assert "sent      AGAIN\n" in out
    assert out.count("listening on ") == 1
    assert out.endswith(" stopped\n")
    assert all_gone(pids)


# What the supervisor cannot take


@pytest.mark.long
def test_who_comes_and_goes_is_told_whatever_else_is_left_out() -> None:
    """A worker keeps so much for a supervisor that does not run, and counts the rest."""
    service = ("echo", "--framing", "lines", "--workers", "1")
    with Command(*service, TCP, "--show") as command:
        line = "\1" * 15_000  # told as six bytes each, and twice
        command.process.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with command.connect() as peer:
                for _ in range(100):
                    assert peer.ask(line) == line
        command.process.send_signal(signal.SIGCONT)
        command.await_lines(2, " went ")
        command.await_lines(1, " events of a worker came too fast, and were left out")
        assert command.read.count(b" came      ") == 2
        assert command.read.count(b" sent  ") < 200
        command.stop()
