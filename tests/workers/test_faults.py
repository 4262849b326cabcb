"""Workers that die, hang, or are not let go on, and what others have of it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from jackfield.events import ConnectionEnded, ConnectionOpened, Listening, Warned, WorkerLost
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.workers import running, supervisor
from tests import handlers
from tests.live import all_closed, runs, until
from tests.workers.crew import AWAKE, TCP, UDP, Crew, both, kill

# Who dies


@pytest.mark.some(1)
@both
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("die SIGKILL", "was killed by SIGKILL"),
        ("die SIGSEGV", "was killed by SIGSEGV"),
        ("exit 3", "exited with status 3"),
    ],
)
def test_a_worker_that_dies_is_replaced_and_takes_its_own_along(
    line: str, reason: str, model: ModelName
) -> None:
    with Crew(handlers.native, TCP, model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            one, two = peers
            pids = crew.pids
            pid = int(one.ask("pid"))
            one.send(line)
            (lost,) = crew.await_events(WorkerLost)
            assert lost == WorkerLost(pids.index(pid) + 1, pid, reason)
            with pytest.raises((ConnectionResetError, AssertionError)):
                assert one.line()
            assert two.ask("echo on") == "on"
            ended = {event.peer: event for event in crew.of(ConnectionEnded)}[one.name]
            opened = {event.peer: event for event in crew.of(ConnectionOpened)}[one.name]
            assert (ended.number, ended.endpoint) == (opened.number, opened.endpoint)
            assert ended.reason == f"its worker {reason}"
            crew.await_others_than(pid)
            with all_closed(crew.one_of_each()):
                assert int(two.ask("pid")) in crew.pids
                assert not runs(pid)
        assert len(crew.of(WorkerLost)) == len(crew.of(Listening)) == 1
        assert not crew.of(Warned)


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    with Crew(handlers.native, TCP, workers=1) as crew:
        (pid,) = crew.pids
        kill(pid, 40)
        assert crew.await_event(WorkerLost).reason == "was killed by signal 40"
        crew.await_others_than(pid, count=1)


def test_datagrams_go_on_with_the_next_worker() -> None:
    with Crew(handlers.native, UDP, workers=1) as crew, crew.connect() as peer:
        pid = int(peer.ask("pid"))
        kill(pid)
        crew.await_others_than(pid, count=1)
        assert int(peer.ask("pid")) == crew.pids[0]


def test_who_waits_in_the_queue_is_served_by_the_next_worker() -> None:
    with Crew(handlers.native, TCP, workers=1) as crew:
        (pid,) = crew.pids
        kill(pid, signal.SIGSTOP)
        with all_closed(peers := [crew.connect() for _ in range(5)]):
            for peer in peers:
                peer.send("pid")
            kill(pid)
            crew.await_others_than(pid, count=1)
            assert [peer.line() for peer in peers] == [str(crew.pids[0])] * 5


def test_sigterm_ends_one_in_good_order() -> None:
    with Crew(handlers.native, TCP) as crew:
        with all_closed(peers := crew.one_of_each()):
            one, two = peers
            pid = int(one.ask("pid"))
            assert one.ask("until draining") == "now"
            kill(pid, signal.SIGTERM)
            kill(pid, signal.SIGTERM)
            assert [one.line(), one.line()] == ["draining", "done"]
            assert two.ask("echo on") == "on"
            assert one.rest() == b""
            one.close()
            assert crew.await_event(WorkerLost).reason == "exited with status 0"
            crew.await_others_than(pid)
        crew.await_events(ConnectionEnded, len(crew.of(ConnectionOpened)))
        assert {event.reason for event in crew.of(ConnectionEnded)} <= {"", "cut at the deadline"}


def test_signals_that_are_for_the_supervisor_pass_workers_by() -> None:
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        for pid in pids:
            kill(pid, signal.SIGINT)
            kill(pid, signal.SIGHUP)
        with all_closed(crew.one_of_each()):
            assert crew.pids == pids


# Who dies again and again


@pytest.mark.long
def test_pauses_grow_up_to_the_longest_and_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.003)
    with Crew(handlers.native, TCP, workers=1) as crew:
        pauses = []
        for number in range(1, 6):
            (pid,) = crew.pids
            kill(pid)
            crew.await_events(WorkerLost, number)
            crew.await_others_than(pid, count=1)
            pauses.append(crew.supervisor._pauses[1])
        assert pauses == [0.001, 0.002, 0.003, 0.003, 0.003]
        monkeypatch.setattr(supervisor, "STEADY", 0.0)
        (pid,) = crew.pids
        kill(pid)
        crew.await_others_than(pid, count=1)
        assert crew.supervisor._pauses[1] == 0.001


@pytest.mark.long
def test_a_worker_that_cannot_start_again_is_tried_until_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.02)
    harmful = tmp_path / "harmful"
    service = handlers.lines_of(handlers.Unsteady("exit", str(harmful)))
    with Crew(service, TCP) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        pid = int(one.ask("pid"))
        number = crew.pids.index(pid) + 1
        harmful.touch()
        kill(pid)
        warned = crew.await_events(Warned, 3)
        text = f"worker {number} of obey cannot start: exited with status 3; trying again"
        assert {event.text for event in warned} == {text}
        with crew.connect() as other:
            assert other.ask("pid") == two.ask("pid")
        harmful.unlink()
        crew.await_others_than(pid)
        with all_closed(crew.one_of_each()):
            assert len(crew.of(WorkerLost)) == 1


def test_stopping_while_one_cannot_start_again(tmp_path: Path) -> None:
    harmful = tmp_path / "harmful"
    service = handlers.lines_of(handlers.Unsteady("load", str(harmful)))
    with Crew(service, TCP) as crew:
        harmful.touch()
        kill(crew.pids[0])
        crew.await_event(Warned)


# Who hangs


@pytest.mark.long
@pytest.mark.parametrize("how", ["stopped", "blocked"])
def test_a_worker_without_a_sign_of_life_is_killed(how: str) -> None:
    with Crew(handlers.native, TCP, limits=AWAKE) as crew:
        with all_closed(peers := crew.one_of_each()):
            one, two = peers
            pid = int(one.ask("pid"))
            number = crew.pids.index(pid) + 1
            if how == "stopped":
                kill(pid, signal.SIGSTOP)
            else:
                one.send("block")
            (event,) = crew.await_events(Warned)
            what = f"worker {number} (process {pid}) gives no sign of life; it is killed"
            assert event.text == what
            assert crew.await_event(WorkerLost) == WorkerLost(number, pid, "was killed by SIGKILL")
            assert two.ask("echo on") == "on"
            crew.await_others_than(pid)
        assert len(crew.of(WorkerLost)) == 1


@pytest.mark.long
def test_a_short_heartbeat_kills_nobody_who_is_well() -> None:
    with Crew(handlers.native, TCP, limits=Limits(heartbeat=1.5)) as crew:
        pids = crew.pids
        signs = seen(crew)
        for _ in range(3):
            await_signs(crew, signs)
            signs = seen(crew)
        assert crew.pids == pids
        assert not crew.of(Warned)


def seen(crew: Crew) -> list[float]:
    return [worker.heard for worker in crew.supervisor._workers.values()]


def await_signs(crew: Crew, before: list[float]) -> None:
    """Wait until each worker has been heard since."""
    until(lambda: all(now > then for now, then in zip(seen(crew), before, strict=True)))


@pytest.mark.long
def test_nobody_is_killed_because_the_supervisor_itself_did_not_run() -> None:
    def sleep() -> None:  # all of the machine is suspended, supervisor and workers
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        time.sleep(AWAKE.heartbeat + 0.5)
        for pid in pids:
            kill(pid, signal.SIGCONT)

    with Crew(handlers.native, TCP, limits=AWAKE) as crew:
        pids = crew.pids
        crew.call(sleep)
        signs = seen(crew)
        for _ in range(2):
            await_signs(crew, signs)
            signs = seen(crew)
        with all_closed(crew.one_of_each()):
            assert crew.pids == pids
        assert not crew.of(Warned)


def test_status_leaves_out_who_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STATUS_TIME", 0.1)
    with Crew(handlers.native, TCP) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        until(lambda: crew.supervisor.connections == 2)
        pid = int(one.ask("pid"))
        kill(pid, signal.SIGSTOP)

        def status_of_two() -> bool:
            """Which has its time too, and may be late as well."""
            found = [at.peer for at in crew.wait_for(crew.supervisor.status())]
            assert one.name not in found
            return found == [two.name]

        for _ in range(3):
            until(status_of_two)
        kill(pid, signal.SIGCONT)
        monkeypatch.setattr(running, "STATUS_TIME", 20.0)
        found = [at.peer for at in crew.wait_for(crew.supervisor.status())]
        assert sorted(found) == sorted([one.name, two.name])  # once, whatever was asked before
