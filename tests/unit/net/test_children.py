from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.net import children
from jackfield.net.children import Cgroup, Cgroups, find_cgroups
from tests.remote import wait_until

if sys.platform != "linux":
    pytest.skip("Linux alone has what it takes", allow_module_level=True)

TREE = "sleep 600 & sh -c 'sleep 600 & sleep 600 & wait' & wait; read line"

BECOME = """
import os, sys
from jackfield.net import children
children.become_subreaper()
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[bytes]]:
    """A shell with four processes below it, which gets the orphans among them."""
    process = subprocess.Popen(
        [sys.executable, "-c", BECOME, "sh", "-c", TREE],
        stdin=subprocess.PIPE,  # for the shell to stay when all others are gone
    )
    try:
        wait_until(lambda: len(children.descendants(process.pid)) == 4)
        yield process
    finally:
        children.kill_all(process.pid)
        process.kill()
        process.communicate()


def test_everything_below_a_process_is_found(tree: subprocess.Popen[bytes]) -> None:
    found = children.descendants(tree.pid)
    assert set(found) <= set(children.descendants(os.getpid()))
    inner = next(pid for pid in found if len(children.descendants(pid)) == 2)
    assert len(children.descendants(tree.pid, without=[inner])) == 1
    assert set(children.listed_below(tree.pid)) == set(found)
    assert len(children.listed_below(tree.pid, without=[inner])) == 1
    assert children.listed_below(1 << 30) == []
    assert len(children.listed_below(tree.pid, most=4)) == 4
    assert len(children.listed_below(tree.pid, most=1)) == 2  # one more than so many, and no others
    assert children.parent_of(tree.pid) == os.getpid()
    assert children.parent_of(1 << 30) == 0


def test_everything_below_a_process_is_killed(tree: subprocess.Popen[bytes]) -> None:
    found = set(children.descendants(tree.pid))
    got = children.kill_all(tree.pid)
    assert got <= found
    assert got

    def is_gone() -> bool:
        children.kill_all(tree.pid)  # again, as one may have been missed
        return not any(children.parent_of(pid) for pid in found)

    wait_until(is_gone)


FIRST = """
import os
from jackfield.net import children
children.come_first()
if os.fork() == 0:
    print(os.sched_getscheduler(0))
    os._exit(0)
os.wait()
print(os.sched_getscheduler(0))
"""


def test_one_may_come_first_and_what_it_forks_does_not() -> None:
    done = subprocess.run([sys.executable, "-uc", FIRST], capture_output=True, check=True)
    below, own = map(int, done.stdout.split())
    assert below == os.SCHED_OTHER
    assert own & ~os.SCHED_RESET_ON_FORK in {os.SCHED_RR, os.SCHED_OTHER}  # not everybody may


def test_nobody_else_gets_a_signal(tree: subprocess.Popen[bytes]) -> None:
    """One that is not of the tree, by a number that has been given anew."""
    assert not children.send(tree.pid, signal.SIGKILL, {1 << 30})
    assert tree.poll() is None
    assert not children.send(1 << 22, signal.SIGKILL, {os.getpid()})


def test_the_dead_are_not_among_them() -> None:
    process = subprocess.Popen(["true"])
    wait_until(lambda: not children.parent_of(process.pid))  # a zombie by then
    assert process.pid not in children.descendants(os.getpid())
    process.wait()


def test_tasks_of_a_user_are_counted() -> None:
    assert children.tasks_of(os.getuid()) >= 1
    assert children.tasks_of(1 << 30) == 0


def test_how_something_ended_is_a_status_or_a_signal() -> None:
    assert children.exit_parts(0x300) == (3, None)
    assert children.exit_parts(9) == (None, "KILL")
    assert children.exit_parts(40) == (None, "40")


def test_a_cgroup_bounds_what_it_can_and_is_removed(tmp_path: Path) -> None:
    """In a folder that stands for one, where a real one cannot be made here."""
    one = Cgroup(str(tmp_path / "one"), limits=True)
    assert not one.enter()
    assert one.members() == set()
    assert one.remove()  # there is none
    Path(one.path).mkdir()
    assert one.bound(1000, 5)
    assert Path(one.path, "memory.max").read_text() == "1000"
    assert one.killed_for_memory() == 0
    Path(one.path, "memory.events").write_text("low 0\noom_kill 1\n")
    assert one.killed_for_memory() == 1
    assert not one.remove()
    assert not Cgroup(one.path).bound(1000, 5)


def test_where_there_are_no_cgroups_none_is_made(tmp_path: Path) -> None:
    assert Cgroups().make("x") is None
    Cgroups().close()
    made = Cgroups(str(tmp_path)).make("x")
    assert made is not None
    assert Cgroups(str(tmp_path)).make("x") is None
    Cgroups(str(tmp_path)).close()
    assert not tmp_path.exists()


def test_a_cgroup_of_this_machine_kills_all_that_is_in_it() -> None:
    found = find_cgroups(f"jackfield-test-{os.getpid()}")
    one = found.make("call")
    if one is None:
        pytest.skip("this user may make no cgroup here")
    text = f"echo 0 > {one.path}/cgroup.procs; {TREE}"
    process = subprocess.Popen(["sh", "-c", text])
    try:
        wait_until(lambda: len(one.members()) == 5)
        one.kill()
        assert process.wait() == -signal.SIGKILL
        wait_until(one.remove)
    finally:
        process.kill()
        process.wait()
        found.close()
    assert not Path(found.base).exists()
