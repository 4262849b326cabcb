"""Replacing the workers one by one, and who notices: nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigurationError
from jackfield.events import ConnectionEnded, Reloaded, Warned, WorkerLost
from jackfield.models.names import ModelName
from jackfield.workers import running, supervisor
from jackfield.workers.supervisor import Supervisor
from tests import certificates as made
from tests import handlers
from tests.live import PATIENCE, Peer, all_closed, children_of, runs, until
from tests.workers.crew import TCP, UDP, Crew, Held, both, kill, none_left, one_of_each

other = handlers.lines_of(handlers.once)


def begun(crew: Crew, work: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Begin something in the supervisor's loop."""
    return asyncio.run_coroutine_threadsafe(work, crew.loop)


def all_more(counts: list[int], before: list[int]) -> bool:
    return all(now > then for now, then in zip(counts, before, strict=True))


@contextlib.contextmanager
def constantly(*turns: Callable[[], object]) -> Iterator[list[int]]:
    """Do things again and again in threads of their own; fail as they do. Counts the turns."""
    over = threading.Event()
    counts = [0] * len(turns)
    failed: list[BaseException] = []

    def go_on(number: int) -> None:
        try:
            while not over.is_set():
                turns[number]()
                counts[number] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(len(turns))]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(counts) or failed)
        yield counts
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not failed, failed


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("model", "url"),
    [("asyncio", TCP), ("threads", TCP), ("asyncio", "unix://@PID")],
)
def test_a_reload_refuses_and_resets_nobody(model: ModelName, url: str) -> None:
    def come_and_go() -> None:
        with crew.connect() as peer:
            assert peer.ask("echo 1") == "1"
            assert peer.ask("quit") == "done"
            assert peer.line() == ""

    with Crew(handlers.native, url, model=model) as crew:
        pids = crew.pids
        with all_closed(peers := crew.one_of_each()):
            with constantly(come_and_go, come_and_go) as counts:
                crew.wait_for(crew.supervisor.reload())
                before = list(counts)
                until(partial(all_more, counts, before))
            assert not set(pids) & set(crew.pids)
            assert {int(peer.ask("pid")) for peer in peers} == set(pids)  # they are where they were
            assert len(crew.wait_for(crew.supervisor.status())) == 2
            assert all(map(runs, pids))
            with all_closed(later := crew.one_of_each()):
                assert {int(peer.ask("pid")) for peer in later} == set(crew.pids)
        until(lambda: not any(map(runs, pids)))  # with the last peer
        assert len(crew.of(Reloaded)) == 1
        assert not crew.of(WorkerLost)
        assert not crew.of(Warned)
        assert {event.reason for event in crew.of(ConnectionEnded)} == {""}


@pytest.mark.long
@both
def test_a_reload_loses_no_datagram(model: ModelName) -> None:
    peers: list[Peer] = []

    def ask(number: int) -> Callable[[], None]:
        peers.append(peer := crew.connect())
        peer.sock.settimeout(15)

        def turn() -> None:
            assert peer.ask(f"echo {number}") == str(number)

        return turn

    def come() -> None:
        with crew.connect() as peer:
            peer.sock.settimeout(15)
            assert peer.ask("echo new") == "new"

    with Crew(handlers.native, UDP, model=model) as crew:
        pids = crew.pids
        with all_closed(peers), constantly(*(ask(number) for number in range(4)), come) as counts:
            for _ in range(2):
                before = list(counts)
                crew.wait_for(crew.supervisor.reload())
                until(partial(all_more, counts, before))
        until(lambda: not any(map(runs, pids)))  # who sends datagrams keeps nobody


@both
def test_another_service_is_for_those_who_come_after(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            crew.wait_for(crew.supervisor.reload(other))
            assert [peer.ask("echo 1") for peer in peers] == ["1", "1"]
            for _ in range(4):
                with crew.connect() as peer:
                    assert peer.ask("echo 2") == "echo 2"
        pids = crew.pids
        kill(pids[0])
        crew.await_others_than(pids[0])
        for _ in range(4):
            with crew.connect() as peer:
                assert peer.ask("echo 3") == "echo 3"


def test_certificates_are_read_anew(tmp_path: Path) -> None:
    ours = made.make(tmp_path)
    (tmp_path / "next").mkdir()
    theirs = made.make(tmp_path / "next")
    with Crew(handlers.native, ours.url()) as crew:
        at = crew.endpoints[0]
        with all_closed(peers := one_of_each(lambda: Peer(at, ca=ours.ca))):
            Path(ours.cert).write_text("nonsense")
            pids = crew.pids
            with pytest.raises(ConfigurationError, match="worker 1 of obey cannot start: "):
                crew.wait_for(crew.supervisor.reload())
            assert crew.pids == pids
            assert not crew.of(Reloaded)
            with all_closed(one_of_each(lambda: Peer(at, ca=ours.ca))):
                Path(ours.cert).write_text(Path(theirs.cert).read_text())
                Path(ours.key).write_text(Path(theirs.key).read_text())
            crew.wait_for(crew.supervisor.reload())
            with all_closed(one_of_each(lambda: Peer(at, ca=theirs.ca))):
                assert [peer.ask("echo 1") for peer in peers] == ["1", "1"]


def test_a_service_that_is_broken_leaves_all_as_it_was(tmp_path: Path) -> None:
    harmful = tmp_path / "harmful"
    harmful.touch()
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        for broken, text in (
            (handlers.lines_of(lambda _: None), "at the top level of a module"),
            (handlers.lines_of(handlers.Unsteady("load", str(harmful))), "not today"),
            (handlers.lines_of(handlers.Unsteady("exit", str(harmful))), "exited with status 3"),
        ):
            with pytest.raises(ConfigurationError, match=text):
                crew.wait_for(crew.supervisor.reload(broken))
        assert crew.pids == pids
        assert crew.supervisor.service is handlers.native
        kill(pids[0])
        crew.await_others_than(pids[0])
        with all_closed(crew.one_of_each()):
            assert len(crew.of(WorkerLost)) == 1


@pytest.mark.long
def test_two_reloads_at_once_come_one_after_the_other() -> None:
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        for one in [begun(crew, crew.supervisor.reload()) for _ in range(2)]:
            one.result(PATIENCE)
        until(lambda: not any(map(runs, pids)))
        with all_closed(crew.one_of_each()):
            assert len(crew.of(Reloaded)) == 2


def test_what_is_not_served_cannot_be_reloaded() -> None:
    with Crew(handlers.native, TCP) as crew:
        crew.stop()
        with pytest.raises(ConfigurationError, match="obey is not served"):
            crew.wait_for(crew.supervisor.reload())
    with pytest.raises(ConfigurationError, match="obey is not served"):
        asyncio.run(Supervisor(handlers.native, TCP, workers=1).reload())


# Workers that die meanwhile


def test_a_worker_that_dies_while_the_next_one_starts(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        reloading = begun(crew, crew.supervisor.reload(handlers.lines_of(Held(str(held)))))
        until(lambda: crew.supervisor._starting)
        kill(pids[0])
        crew.await_event(WorkerLost)
        held.unlink()
        reloading.result(PATIENCE)
        crew.await_others_than(*pids)
        until(lambda: not crew.supervisor._retiring and not crew.supervisor._replacing)
        with all_closed(crew.one_of_each()):
            assert len(crew.wait_for(crew.supervisor.status())) >= 2


def test_a_new_worker_that_dies_while_the_old_one_lets_go() -> None:
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        kill(pids[0], signal.SIGSTOP)
        reloading = begun(crew, crew.supervisor.reload())
        until(lambda: crew.supervisor._retiring)
        new = crew.supervisor._workers[1].pid
        kill(new)
        assert crew.await_event(WorkerLost).process == new
        kill(pids[0], signal.SIGCONT)
        reloading.result(PATIENCE)
        crew.await_others_than(*pids, new)
        with all_closed(crew.one_of_each()):
            assert len(crew.of(WorkerLost)) == 1


@both
def test_an_old_worker_that_dies_takes_its_own_along(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model, workers=1) as crew, crew.connect() as peer:
        pid = int(peer.ask("pid"))
        crew.wait_for(crew.supervisor.reload())
        kill(pid)
        (ended,) = crew.await_events(ConnectionEnded)
        assert ended.reason == "its worker was killed by SIGKILL"
        assert not crew.of(WorkerLost)  # it was to leave
        with crew.connect() as later:
            assert int(later.ask("pid")) == crew.pids[0]
        until(lambda: not crew.supervisor._retiring)


# Stopping meanwhile


def test_stopping_while_a_new_worker_starts(tmp_path: Path) -> None:
    before = children_of(os.getpid())
    held = tmp_path / "held"
    held.touch()
    with Crew(handlers.native, TCP) as crew:
        reloading = begun(crew, crew.supervisor.reload(handlers.lines_of(Held(str(held)))))
        until(lambda: crew.supervisor._starting)
        crew.stop()
        with pytest.raises(ConfigurationError, match="cannot start: was killed by SIGKILL"):
            reloading.result(PATIENCE)
        assert none_left(before)


def test_a_reload_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    before = set(children_of(os.getpid()))
    with Crew(handlers.native, TCP) as crew:
        pids = crew.pids
        reloading = begun(crew, crew.supervisor.reload(handlers.lines_of(Held(str(held)))))
        until(lambda: crew.supervisor._starting)
        reloading.cancel()
        until(lambda: not crew.supervisor._starting)
        assert crew.pids == pids
        until(lambda: not set(children_of(os.getpid())) - before - set(pids))
        with all_closed(crew.one_of_each()):
            crew.wait_for(crew.supervisor.reload())


@both
def test_who_stays_with_an_old_worker_is_drained_at_the_end(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model) as crew:
        with all_closed(peers := crew.one_of_each()):
            crew.wait_for(crew.supervisor.reload())
            for peer in peers:
                assert peer.ask("until draining") == "now"
            stopping = begun(crew, crew.supervisor.stop(20.0))
            for peer in peers:
                assert [peer.line(), peer.line(), peer.line()] == ["draining", "done", ""]
        stopping.result(PATIENCE)


def test_stopping_while_an_old_worker_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LATE", 0.1)
    before = children_of(os.getpid())
    with Crew(handlers.native, TCP) as crew:
        kill(crew.pids[0], signal.SIGSTOP)
        reloading = begun(crew, crew.supervisor.reload())
        until(lambda: crew.supervisor._retiring)
        crew.stop(0.1)
        reloading.result(PATIENCE)
        assert none_left(before)
        assert not crew.of(WorkerLost)
        assert not crew.of(Reloaded)


def test_one_that_hangs_while_it_loads_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held"
    held.touch()
    with Crew(handlers.native, TCP) as crew:
        monkeypatch.setattr(running, "LOADING", 0.5)
        pids = crew.pids
        with pytest.raises(ConfigurationError, match="was not ready after"):
            crew.wait_for(crew.supervisor.reload(handlers.lines_of(Held(str(held)))))
        assert crew.pids == pids
        with all_closed(peers := crew.one_of_each()):
            assert [peer.ask("echo well") for peer in peers] == ["well"] * len(peers)
