"""Processes and all that they start: found, counted and ended. Linux alone has what it takes.

A process that is a subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)) becomes the parent of whoever of
its tree has lost its own: so nobody leaves the tree, by whatever forks and sessions, and the tree
is empty once the subreaper has no child. Who is in it is read from /proc. A signal goes by a pidfd
(pidfd_open(2)) that was opened before the process was seen to be of the tree: it cannot meet
another that has got the same number meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Literal

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Have this process become the parent of whoever of its tree loses its own. Raises OSError."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have this process killed when its parent ends. Raises OSError."""
    _prctl(_SET_PDEATHSIG, int(signal.SIGKILL))


def come_first() -> None:
    """Have this process run at once when it wakes, where it may; what it forks does not.

    It is for one that sees to others: a thousand of them that want to run leave it waiting else.
    """
    with suppress(OSError):
        kind = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, kind, os.sched_param(1))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(what: int, value: int) -> None:
    if _libc().prctl(what, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def parent_of(pid: int) -> int:
    """Give the parent of a process; 0 when there is none any more, or it is dead and unreaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  by the thousand
            text = file.read()
    except OSError:
        return 0
    # PID (NAME) STATE PARENT …, where the name may have anything in it
    words = text[text.rindex(b")") + 2 :].split()
    # one whose first thread has ended looks dead, and may have others that live on
    return 0 if words[0] in b"ZX" and int(words[17]) <= 1 else int(words[1])


def descendants(root: int, without: Iterable[int] = ()) -> list[int]:
    """Give the living processes below `root`, but not those of `without` and below them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  a name is all that is wanted
        if name.isdecimal() and (parent := parent_of(int(name))):
            children.setdefault(parent, []).append(int(name))
    out = set(without)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), ()) if pid not in out]
        found += below
        waiting += below
    return found


def listed_below(root: int, without: Iterable[int] = (), *, most: int | None = None) -> list[int]:
    """As `descendants()`, and nobody else's process is looked at: about, and at little cost.

    Where the system lists children (CONFIG_PROC_CHILDREN, proc(5)), one may be missed while others
    end: whoever must have all of them looks again. most: no more are looked for once there are more
    than so many, since a tree may grow as fast as it is walked.
    """
    found: list[int] = []
    for pid in _walk(root, without):
        found.append(pid)
        if most is not None and len(found) > most:
            break
    return found


def _walk(root: int, without: Iterable[int]) -> Iterator[int]:
    """Give one after another who lives below `root`.

    Children of one are looked for after it was given: who stops each has all that it has started.
    """
    if not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):  # noqa: PTH110
        yield from descendants(root, without)
        return
    out = set(without)
    waiting = [root]
    while waiting:
        for pid in _children_of(waiting.pop()):
            if pid not in out and parent_of(pid):
                yield pid
                waiting.append(pid)


def _children_of(pid: int) -> list[int]:
    """Give the children of all threads of a process, those too that are dead and unreaped."""
    found: list[int] = []
    for thread in _names(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
        except OSError:  # it has ended
            continue
    return found


def send(pid: int, number: int, among: set[int]) -> bool:
    """Send a signal to a process whose parent is one of `among`; False when there is none."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if parent_of(pid) not in among:
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:  # it has ended, or belongs to another user by now
        return False
    finally:
        os.close(fd)
    return True


def signal_all(root: int, number: int, without: Iterable[int] = ()) -> set[int]:
    """Send a signal to everything below `root`; give who got it."""
    found = listed_below(root, without)
    among = {root, *found}
    return {pid for pid in found if send(pid, number, among)}


def kill_all(root: int, without: Iterable[int] = ()) -> set[int]:
    """Kill everything below `root` that there is now; give who was.

    They are stopped first, each before what it has started is looked for, until none is left that
    runs and could start another. One that comes from elsewhere in the tree meanwhile may be missed:
    whoever must have all calls this again.
    """
    seen = {root}
    for _ in range(100):
        before = len(seen)
        for pid in _walk(root, without):
            if pid not in seen:
                seen.add(pid)
                send(pid, signal.SIGSTOP, seen)
        if len(seen) == before:
            break
    return signal_all(root, signal.SIGKILL, without)


def tasks_of(user: int) -> int:
    """Count the processes and threads of a user, as RLIMIT_NPROC does."""
    count = 0
    for name in os.listdir("/proc"):  # noqa: PTH208  as above
        if name.isdecimal():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:  # noqa: PTH116  by the thousand
                    count += len(os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
            except OSError:
                continue
    return count


def limit(name: Literal["AS", "CORE", "NPROC"], most: int) -> None:
    """Set a limit of this process and of what it starts, no higher than it may be: getrlimit(2)."""
    which: int = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(which, (most, most))


def exit_parts(status: int) -> tuple[int | None, str | None]:
    """Give exit status or signal, of what waitpid(2) tells."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code, None
    try:
        return None, signal.Signals(-code).name.removeprefix("SIG")
    except ValueError:  # a real-time signal
        return None, str(-code)


class Cgroups:
    """Where a cgroup can be made for each call: cgroups(7), version 2.

    base: the folder; "" where there is none that this process may write.
    limits: whether memory and processes can be limited there.
    """

    def __init__(self, base: str = "", *, limits: bool = False) -> None:
        self.base = base
        self.limits = limits

    def make(self, name: str) -> Cgroup | None:
        """Make one; None where that cannot be."""
        if not self.base:
            return None
        path = f"{self.base}/{name}"
        try:
            os.mkdir(path)  # noqa: PTH102  a name of our own
        except OSError:
            return None
        return Cgroup(path, limits=self.limits)

    def close(self) -> None:
        """Remove what is left."""
        if self.base:
            for name in _listed(self.base):
                Cgroup(f"{self.base}/{name}").remove()
            Cgroup(self.base).remove()


class Cgroup:
    """One cgroup. path: its folder."""

    def __init__(self, path: str, *, limits: bool = False) -> None:
        self.path = path
        self.limits = limits

    def enter(self) -> bool:
        """Put this process into it."""
        return self.write("cgroup.procs", "0")

    def bound(self, memory: int, processes: int) -> bool:
        """Limit it; False where that cannot be."""
        if not self.limits:
            return False
        self.write("memory.swap.max", "0")
        self.write("memory.oom.group", "1")
        return self.write("memory.max", str(memory)) and self.write("pids.max", str(processes))

    def kill(self) -> None:
        """Kill all that is in it, at once."""
        self.write("cgroup.kill", "1")

    def members(self) -> set[int]:
        """Give the processes in it."""
        return {int(line) for line in _read(f"{self.path}/cgroup.procs").split()}

    def killed_for_memory(self) -> int:
        """Count what was killed in it, so far, for using too much memory."""
        words = _read(f"{self.path}/memory.events").split()
        counts = dict(zip(words[::2], words[1::2], strict=False))
        return int(counts.get("oom_kill", 0))

    def remove(self) -> bool:
        """Remove it, once it is empty."""
        try:
            os.rmdir(self.path)  # noqa: PTH106  as above
        except OSError as error:
            return error.errno == errno.ENOENT
        return True

    def write(self, name: str, text: str) -> bool:
        """Write one of its files; False where that cannot be."""
        try:
            with open(f"{self.path}/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(text)
        except OSError:
            return False
        return True


def find_cgroups(name: str) -> Cgroups:
    """Find where cgroups can be made, and make a folder of this name there.

    That is this process' own cgroup, or the one above it, as systemd gives it away with
    Delegate=yes and DelegateSubgroup=.
    """
    best = Cgroups()
    for folder in _own_cgroups():
        made = Cgroup(f"{folder}/{name}")
        try:
            os.mkdir(made.path)  # noqa: PTH102  as above
        except OSError:
            continue
        if "pids" not in _read(f"{made.path}/cgroup.controllers").split():
            Cgroup(folder).write("cgroup.subtree_control", "+memory +pids")
        has = _read(f"{made.path}/cgroup.controllers").split()
        limits = {"memory", "pids"} <= {*has} and made.write(
            "cgroup.subtree_control", "+memory +pids"
        )
        can_kill = os.path.exists(f"{made.path}/cgroup.kill")  # noqa: PTH110  as above
        if can_kill and (limits or not best.base):
            best.close()
            best = Cgroups(made.path, limits=limits)
        else:
            made.remove()
        if best.limits:
            break
    return best


def _own_cgroups() -> list[str]:
    """Give the folders of this process' own cgroup and of the one above."""
    mounts = [line.split(" ") for line in _read("/proc/self/mountinfo").splitlines()]
    roots = [words[4] for words in mounts if "cgroup2" in words[words.index("-") :]]
    own = [line[3:] for line in _read("/proc/self/cgroup").splitlines() if line[:3] == "0::"]
    if not roots or not own or ".." in own[0]:
        return []
    path = roots[0] + own[0].rstrip("/")
    return [path, path.rpartition("/")[0]] if own[0].rstrip("/") else [path]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  as above
    except OSError:
        return []


def _listed(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""
