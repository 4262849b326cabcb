"""Rooms whose members are with different workers."""

from __future__ import annotations

import signal

import pytest

from jackfield.events import HandlerFailed, Warned, WorkerLost
from jackfield.framing import lines
from jackfield.models.names import ModelName
from jackfield.service import Service
from tests import handlers
from tests.live import all_closed
from tests.workers.crew import TCP, Crew, both, kill


@pytest.mark.parametrize(
    ("model", "service"),
    [("asyncio", handlers.native), ("threads", handlers.native), ("threads", handlers.blocking)],
    ids=["asyncio", "threads-async", "threads-def"],
)
def test_members_hear_each_other_across_workers(model: ModelName, service: Service[str]) -> None:
    with (
        Crew(service, TCP, model=model) as crew,
        all_closed(peers := crew.one_of_each()),
        crew.of_worker(peers[0].ask("pid")) as third,
    ):
        one, two = peers
        assert [one.ask("join"), two.ask("join")] == ["done", "done"]
        one.send("say hello")
        assert {one.line(), one.line()} == {"hello", "done"}
        assert two.line() == "hello"
        assert two.ask("tell hi") == "done"
        assert one.line() == "hi"
        assert one.ask("part") == "done"
        assert third.ask("join") == "done"
        assert two.ask("tell anybody?") == "done"
        assert third.line() == "anybody?"
        assert one.ask("join") == "done"
        assert two.ask("tell here?") == "done"
        assert one.line() == "here?"


@both
def test_whoever_has_joined_hears_what_is_said_next(model: ModelName) -> None:
    with Crew(handlers.native, TCP, model=model) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        for number in range(300):
            assert one.ask("join") == "done"
            assert two.ask(f"say {number}") == "done"
            assert one.line() == str(number)
            assert one.ask("part") == "done"
            one, two = two, one


@both
def test_what_is_too_long_to_cross_is_refused_and_nobody_hears_it(model: ModelName) -> None:
    service = Service("obey", handlers.obey, lines(max_message=1_000_000))
    with Crew(service, TCP, model=model) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        assert [one.ask("join"), two.ask("join")] == ["done", "done"]
        answer = one.ask("large 250000")
        assert answer.startswith("LocalProtocolError: a message of 250000 bytes for room 'all'")
        assert "can cross between workers; send it in parts" in answer
        assert [one.ask("echo 1"), two.ask("echo 2")] == ["1", "2"]
        one.send("large 200000")
        assert two.line() == "x" * 200000


def test_who_has_switched_its_framing_hears_what_that_carries() -> None:
    with Crew(handlers.native, TCP) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        assert one.ask("rejoin") == "True"
        assert two.ask("tell " + "x" * 1000) == "done"
        event = crew.await_event(Warned)
        assert event.text.startswith("what room 'all' was told is not heard here: ")
        assert two.ask("tell hello") == "done"
        assert one.line() == "hello"


def test_the_members_of_a_worker_that_is_lost_have_left() -> None:
    with Crew(handlers.native, TCP) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        pid = int(one.ask("pid"))
        assert [one.ask("join"), two.ask("join")] == ["done", "done"]
        kill(pid)
        crew.await_event(WorkerLost)
        two.send("say hello")
        assert {two.line(), two.line()} == {"hello", "done"}
        crew.await_others_than(pid)
        with all_closed(others := crew.one_of_each()):
            for other in others:
                assert other.ask("join") == "done"
            two.send("say welcome")
            assert [other.line() for other in others] == ["welcome", "welcome"]


def test_a_worker_that_lags_is_told_of_once_and_hears_what_it_can() -> None:
    with Crew(handlers.native, TCP) as crew, all_closed(peers := crew.one_of_each()):
        one, two = peers
        pid = int(one.ask("pid"))
        number = crew.pids.index(pid) + 1
        assert one.ask("lenient") == "done"
        kill(pid, signal.SIGSTOP)
        assert two.ask("flood 200") == "flooded"
        (event,) = crew.await_events(Warned)
        assert event.text.startswith(f"worker {number} lags, and did not hear what room ")
        assert two.ask("fail behind all that") == ""
        crew.await_event(HandlerFailed)
        assert len(crew.of(Warned)) == 1
        kill(pid, signal.SIGCONT)
        assert one.line().startswith("00000 ")
