"""Processes that are killed: what ends with them, what goes on, what is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from jackfield.models.names import ModelName
from tests.faults.served import Served
from tests.live import ALL, all_closed, children_of, free_port, runs, until

TCP = "tcp://127.0.0.1:0"


def gone(pid: int) -> bool:
    return not runs(pid)


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("native", "echo idle"),
        ("native", "wait"),  # for an hour, in its loop
        ("native", "block"),  # its loop itself
        ("blocking", "block"),  # in a thread of its own
    ],
)
def test_no_process_outlives_a_server_that_is_killed(service: str, command: str) -> None:
    with Served("processes", service, TCP, "udp://127.0.0.1:0") as served:
        peers = [served.connect(0), served.connect(1)]
        with all_closed(peers):
            pids = [int(peer.ask("pid")) for peer in peers]
            (helper,) = children_of(served.pid)
            until(lambda: set(children_of(helper)) > set(pids))
            idle = [pid for pid in children_of(helper) if pid not in pids]
            for peer in peers:
                peer.send(command)
                if command == "echo idle":
                    assert peer.line() == "idle"
            served.signal(signal.SIGKILL)
            for pid in (*pids, *idle, helper):
                until(partial(gone, pid), f"process {pid} is left behind")
            with contextlib.suppress(ConnectionResetError):  # it may have had something unread
                assert peers[0].line() == ""


@pytest.mark.some(1)
@pytest.mark.parametrize("model", ALL)
def test_after_a_kill_it_starts_again_at_the_same_place(model: ModelName, tmp_path: Path) -> None:
    """Neither TIME_WAIT nor the socket file of the dead stands in its way."""
    urls = [f"tcp://127.0.0.1:{free_port()}", f"unix://{tmp_path}/s", f"unix+dgram://{tmp_path}/d"]
    for _ in range(2):
        with Served(model, "native", *urls) as served:
            for number in range(3):
                with served.connect(number) as peer:
                    assert peer.ask("echo here") == "here"
            served.signal(signal.SIGKILL)
            assert served.wait() == -signal.SIGKILL
        assert (tmp_path / "s").exists()


@pytest.mark.some(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("model", ALL)
def test_a_signal_to_the_whole_group_lets_handlers_finish(model: ModelName, number: int) -> None:
    """As Ctrl-C in a terminal, `timeout` and systemd send it: to the children as well."""
    with Served(model, "native", TCP) as served, served.connect() as peer:
        peer.ask("echo here")
        served.signal(number, whole_group=True)
        served.await_event("Draining")
        assert peer.rest() == b""  # ended, not reset
        peer.close()
        assert served.wait() == 0
        assert served.complaints == ""
        assert set(served.events()).isdisjoint({"ChildLost", "Cut", "Warned", "HandlerFailed"})
        ended = [event for event in served.told if event["event"] == "ConnectionEnded"]
        assert [event["messages_received"] for event in ended] == [1]
        assert served.events()[-1] == "Stopped"


@pytest.mark.long
def test_all_ends_when_the_children_are_stuck_and_the_helper_is_stopped() -> None:
    """The deadline holds even where the one who would kill them is held up itself."""
    with Served("processes", "blocking", TCP) as served, served.connect() as peer:
        pid = int(peer.ask("pid"))
        peer.send("block")
        (helper,) = children_of(served.pid)
        os.kill(helper, signal.SIGSTOP)
        served.signal(signal.SIGTERM)
        served.await_event("Draining")
        served.signal(signal.SIGTERM)
        assert served.await_event("Cut")["peers"] == [peer.name]
        assert served.wait() == 0
        until(partial(gone, helper))
        until(partial(gone, pid))
