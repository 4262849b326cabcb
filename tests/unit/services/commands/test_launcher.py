from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.net.handing import hand, take
from jackfield.services.commands import prepared
from jackfield.services.commands.launcher import MOST, Launcher, Prepared
from jackfield.services.commands.prepared import Order
from tests.live import PATIENCE

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="a subreaper is Linux' own")


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    found = Launcher()
    yield found
    found.close()


def order(script: str) -> bytes:
    made = Order("/bin/sh", ("sh", "-c", script), {}, "/", (), None, PATIENCE, 0, 0, 1.0)
    return prepared.packed(prepared.RUN, made)


def run(ready: Prepared, script: str = "echo $PPID") -> str:
    """Have a supervisor run a script to its end; give what that says."""
    ready.control.settimeout(PATIENCE)
    assert hand(ready.control, order(script))
    assert take(ready.control)[0] == prepared.STARTED
    os.close(ready.stdin)
    with open(ready.stdout, "rb") as said:  # noqa: PTH123  it is a descriptor
        text = said.read().decode()
    os.close(ready.stderr)
    message, _ = take(ready.control)
    assert message[:1] == prepared.OVER, message
    ready.control.setblocking(False)
    return text.strip()


def await_another(launcher: Launcher) -> None:
    """Wait until the helper has made the next one."""
    assert launcher._control is not None
    poll = select.poll()
    poll.register(launcher._control, select.POLLIN)
    assert poll.poll(PATIENCE * 1000)


def test_a_supervisor_has_one_call_after_another(launcher: Launcher) -> None:
    supervisors: list[str] = []
    for _ in range(6):
        ready = launcher.take()
        launcher.more()
        if not supervisors:
            await_another(launcher)  # else the first one may have the second call, too
        supervisors.append(run(ready))
        launcher.give_back(ready.control)
    assert len(set(supervisors)) == 2
    assert supervisors[2:] == supervisors[:4], "each has the time to get its next program ready"


def test_one_that_was_killed_meanwhile_is_passed_over(launcher: Launcher) -> None:
    taken = [launcher.take() for _ in range(2)]
    supervisors = [int(run(ready)) for ready in taken]
    for ready in taken:
        launcher.give_back(ready.control)
    for pid, ready in zip(supervisors, taken, strict=True):
        os.kill(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(ready.control, 0)
        assert poll.poll(PATIENCE * 1000) == [(ready.control.fileno(), select.POLLHUP)]
    ready = launcher.take()
    assert int(run(ready)) not in supervisors
    ready.control.close()


def test_what_is_said_of_a_call_that_is_over_does_not_harm_the_next_one(
    launcher: Launcher,
) -> None:
    ready = launcher.take()
    supervisor = run(ready)
    hand(ready.control, prepared.SIGNAL + b"9")
    hand(ready.control, prepared.END + b"stopped")
    launcher.give_back(ready.control)
    both = [launcher.take() for _ in range(2)]  # there was another one from the beginning
    assert supervisor in [run(again) for again in both]
    for again in both:
        again.control.close()


def test_no_more_are_kept_than_may_wait(launcher: Launcher) -> None:
    taken = [launcher.take() for _ in range(MOST + 2)]
    supervisors = [int(run(ready)) for ready in taken]
    for ready in taken:
        launcher.give_back(ready.control)
    assert [ready.control.fileno() >= 0 for ready in taken] == [True] * MOST + [False] * 2
    assert len(set(supervisors)) == MOST + 2


def test_one_that_is_given_back_to_a_launcher_that_was_closed_ends(launcher: Launcher) -> None:
    ready = launcher.take()
    run(ready)
    launcher.close()
    launcher.give_back(ready.control)
    assert ready.control.fileno() < 0
