"""A process with no descriptor left: RLIMIT_NOFILE."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from jackfield.models.names import ModelName
from tests.faults.served import Served
from tests.live import Peer, all_closed

TCP = "tcp://127.0.0.1:0"


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.some(1)
@pytest.mark.parametrize(("model", "service"), [("asyncio", "native"), ("threads", "blocking")])
def test_who_is_there_is_served_and_who_waits_is_later(model: ModelName, service: str) -> None:
    """One event, no busy loop, and it goes on by itself."""
    with Served(model, service, TCP, environment={"FEW": "8"}) as served:
        peers = [served.connect() for _ in range(40)]
        with all_closed(peers):
            paused = served.await_event("AcceptPaused")
            assert (
                paused["reason"] == "this process has no descriptor left (see ulimit -n) (EMFILE)"
            )
            inside = served.events().count("ConnectionOpened")
            assert 0 < inside < 10
            for number in range(20):  # who is there is served
                for peer in peers[:inside]:
                    assert peer.ask(f"echo {number}") == str(number)
            used = cpu_seconds(served.pid)
            for peer in peers[:inside]:
                peer.close()
            served.await_event("AcceptResumed")
            left: list[Peer] = peers[inside:]
            while left:  # all of them, though never more than there is room for
                some, left = left[:inside], left[inside:]
                for peer in some:
                    assert peer.ask("echo at last") == "at last"
                    peer.close()
            assert cpu_seconds(served.pid) - used < 5
        served.signal(signal.SIGTERM)
        assert served.wait() == 0
        assert served.complaints == ""
        assert served.events().count("ConnectionOpened") == 40
        # told once for each time that there was none, not for each try
        told = [event for event in served.events() if event.startswith("Accept")]
        assert (set(told[::2]), set(told[1::2])) == ({"AcceptPaused"}, {"AcceptResumed"})
        assert "Warned" not in served.events()


def test_an_event_loop_that_cannot_be_had_is_a_refusal_in_words() -> None:
    """A thread's own takes three descriptors, and its connection has the last one."""
    with Served("threads", "native", TCP, environment={"FEW": "6"}) as served:
        with served.connect() as first:
            assert first.ask("echo hello") == "hello"
            with served.connect() as second:
                assert second.line() == "error: the server has no room for another; try again later"
                assert second.rest() == b""
            served.await_event("Refused")
            served.await_event("ConnectionEnded")
            assert first.ask("echo still here") == "still here"
        served.await_event("ConnectionEnded")
        with served.connect() as third:
            assert third.ask("echo hello") == "hello"
        served.signal(signal.SIGTERM)
        assert served.wait() == 0
        assert served.events().count("Refused") == 1
        assert "HandlerFailed" not in served.events()


def test_under_processes_new_children_wait_for_descriptors_too() -> None:
    with Served("processes", "native", TCP, environment={"FEW": "7"}) as served:
        peers = [served.connect() for _ in range(12)]
        with all_closed(peers):
            for peer in peers:
                assert peer.ask("echo served") == "served"
                peer.close()
        served.signal(signal.SIGTERM)
        assert served.wait() == 0
        assert served.events().count("ConnectionOpened") == 12
        assert set(served.events()).isdisjoint({"ChildLost", "HandlerFailed", "Refused"})
        told = {event["text"] for event in served.told if event["event"] == "Warned"}
        assert told <= {"no descriptor is left for another process (see ulimit -n); trying again"}
