"""The supervisor of a call: a process that starts a program, and sees to it that all of it ends.

It has one call at a time, and the next one when nothing is left of that.

The rules this file owns:

1. Every process that the program starts, however it forks and whatever sessions it makes, becomes
   a child of the supervisor once it has lost its parent. The call is over when no child is left.
2. When the program itself has ended, what it has left behind is ended too. So is all of it when its
   time is up, when the server says so, and when the server is gone, by whatever.
3. To end means TERM, a grace, and KILL until nobody is left: by the call's cgroup at once where
   there is one, else one by one, stopped first.
4. The program gets an environment of the order's own, three pipes and no other descriptor, signals
   as they are by default, a session of its own.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import time

from jackfield.net import children
from jackfield.net.children import Cgroup
from jackfield.net.handing import Socket, control_pair, hand, hand_files, take, wide_pipe
from jackfield.services.commands import prepared
from jackfield.services.commands.prepared import Failure, Order, Over

LOOK = 0.02
"""Seconds between two looks at how many processes there are, where the system does not count."""

IDLE = 9
"""So many times what a look took is waited until the next one, when there are no more than at the
last one: it takes others their turn."""

NET = 1000
"""Processes that a user may have beside those of one call, where the system counts by user: far
more than a call can start between two looks, so that no call takes another's."""

AGAIN = 0.01
"""Seconds between two rounds of KILL."""

UMASK = 0o022

_IGNORED = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGXFSZ")
    if hasattr(signal, name)
]
"""What is not as it is by default here: by the helper, and by Python."""


class Supervisor:
    """One call after another. control: the socket to the server. cgroup: where there is one."""

    def __init__(self, control: Socket, cgroup: Cgroup | None) -> None:
        self._control = control
        self._cgroup = cgroup
        self._is_listened_to = True
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget the call that is over."""
        self._program = 0
        self._order: Order | None = None
        self._status: int | None = None
        self._why = ""
        self._began = 0.0
        self._kill_at = 0.0
        self._look_at = 0.0
        self._killed_before = 0
        self._counts = False
        self._count = 0
        self._ended: set[int] = set()

    def run(self) -> None:
        """Run calls, until the server lets go, or one could not be started."""
        children.become_subreaper()
        children.come_first()
        self._wake, self._wake_end = os.pipe()
        for end in (self._wake, self._wake_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        while self._is_listened_to and self._run_one():
            self._begin_anew()
        if self._cgroup is not None:
            self._cgroup.remove()

    def _run_one(self) -> bool:
        """Get ready, run one call, and end it; whether there was one."""
        try:
            self._start_process()
        except Exception:  # noqa: BLE001  no process, no descriptor: the server sees it is gone
            return False
        while self._has_children():
            self._wait()
        if not self._began:
            return False
        self._tell_end()
        return True

    # Getting ready

    def _start_process(self) -> None:
        """Fork the program's process, which waits for the order, and give the server its pipes."""
        theirs, ours = [], []
        for writes in (True, False, False):
            reading, writing = wide_pipe()
            theirs.append(reading if writes else writing)
            ours.append(writing if writes else reading)
        self._go, go = control_pair()
        self._program = os.fork()
        if not self._program:
            _be_program(go, theirs, self._cgroup)
        go.close()
        for fd in theirs:
            os.close(fd)
        hand_files(self._control, prepared.PIPES, ours)
        for fd in ours:
            os.close(fd)

    def _start(self, message: bytes) -> None:
        order = self._order = prepared.order_of(message)
        bounded = self._cgroup is not None and self._cgroup.bound(order.memory, order.processes)
        self._counts = not bounded
        if self._cgroup is not None:
            self._killed_before = self._cgroup.killed_for_memory()
        if bounded:  # the process itself is to set no limits for these
            order = order._replace(memory=0, processes=0)
        hand(self._go, prepared.packed(prepared.RUN, order))
        answer, _ = take(self._go)
        self._go.close()
        if answer:
            hand(self._control, answer)
            return
        self._began = time.monotonic()
        self._look_at = self._began + LOOK
        hand(self._control, prepared.STARTED)

    # While it runs

    def _wait(self) -> None:
        """Wait until something happens, and act on it."""
        ready = {fd for fd, _ in self._poll.poll(self._timeout() * 1000)}
        if self._wake in ready:
            os.read(self._wake, 512)
        if self._control.fileno() in ready:
            self._hear()
        now = time.monotonic()
        order = self._order
        if order is not None and self._began and not self._why:
            if now - self._began >= order.time:
                self._end("timeout")
            elif self._counts and now >= self._look_at:
                before, most = self._count, order.processes
                self._count = len(children.listed_below(os.getpid(), most=most))
                if self._count > most:
                    self._end("processes", at_once=True)
                after = time.monotonic()
                rest = 0.0 if self._count > before else IDLE * (after - now)
                self._look_at = after + max(LOOK, rest)
        if self._kill_at and time.monotonic() >= self._kill_at:
            self._kill()

    def _timeout(self) -> float:
        """Give the seconds after which there is something to look at; a long time for nothing."""
        now = time.monotonic()
        left = 3600.0
        if self._kill_at:
            left = max(self._kill_at - now, AGAIN)
        elif self._began and self._order is not None:
            left = max(self._began + self._order.time - now, 0.0)
            if self._counts:
                left = min(left, max(self._look_at - now, 0.0))
        return min(left, 3600.0)

    def _hear(self) -> None:
        message, _ = take(self._control)
        if message[:1] == prepared.RUN:
            self._start(message)
        elif message[:1] == prepared.SIGNAL:
            self._signal(int(message[1:]))
        elif message[:1] == prepared.END:
            if self._order is not None:
                self._end(message[1:].decode())
        elif not message:
            self._poll.unregister(self._control)
            self._is_listened_to = False
            self._end("client lost")

    def _signal(self, number: int) -> None:
        if self._began:
            children.signal_all(os.getpid(), number)

    def _has_children(self) -> bool:
        """Reap who has ended; whether somebody is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                break
            if pid == self._program:
                self._status = status
        if self._status is not None and not self._kill_at:
            self._end("exit")
        return True

    # Ending

    def _end(self, why: str, *, at_once: bool = False) -> None:
        """Begin to end all of it, once: what comes later changes nothing but to hurry."""
        if self._kill_at:
            return
        self._why = why
        if not self._began:
            at_once = True
        if not at_once and self._order is not None:
            self._ended |= children.signal_all(os.getpid(), signal.SIGTERM)
            children.signal_all(os.getpid(), signal.SIGCONT)
            self._kill_at = time.monotonic() + self._order.grace
        else:
            self._kill_at = time.monotonic()

    def _kill(self) -> None:
        if self._cgroup is not None:
            self._ended |= self._cgroup.members()
            self._cgroup.kill()
        self._ended |= children.kill_all(os.getpid())
        self._kill_at = time.monotonic() + AGAIN

    def _tell_end(self) -> None:
        why = self._why or "exit"
        if self._cgroup is not None and self._cgroup.killed_for_memory() > self._killed_before:
            why = "memory"
        code, name = (None, None) if self._status is None else children.exit_parts(self._status)
        took = round(time.monotonic() - self._began, 6)
        over = Over(code, name, why, len(self._ended), took)
        if self._is_listened_to:
            hand(self._control, prepared.packed(prepared.OVER, over))


def _be_program(go: Socket, pipes: list[int], cgroup: Cgroup | None) -> None:
    """Wait for the order and become the program: whatever happens, never back into ours."""
    try:
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        children.die_with_parent()
        os.setsid()
        for target, fd in enumerate(pipes):
            os.dup2(fd, target)
        keep = go.fileno()
        os.closerange(3, keep)
        os.closerange(keep + 1, 1 << 20)
        if cgroup is not None:
            cgroup.enter()
        user = os.getuid()
        tasks = children.tasks_of(user) if user else 0  # now, while there is time for it
        message, _ = take(go)
        if message:
            _exec(go, prepared.order_of(message), tasks)
    finally:
        os._exit(127)


def _exec(go: Socket, order: Order, tasks: int) -> None:
    what = "/".join((order.folder.rstrip("/"), *order.below)) or "/"
    try:
        os.umask(UMASK)
        children.limit("CORE", 0)
        user = os.getuid() if order.user is None else order.user[0]
        if order.processes and user:  # nobody limits root
            # a net below the counting: others of this user have processes as well
            tasks = tasks if order.user is None else children.tasks_of(user)
            children.limit("NPROC", tasks + 4 * order.processes + NET)
        if order.user is not None:
            uid, gid, groups = order.user
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            children.die_with_parent()  # the system forgets it with the user
        _enter(order.folder, order.below)
        what = order.program
        args = [os.fsencode(arg) for arg in order.args]
        env = {os.fsencode(name): os.fsencode(value) for name, value in order.env.items()}
        if order.memory:  # last: this process may have more than the program is to have
            children.limit("AS", order.memory)
        os.execve(order.program, args, env)  # noqa: S606  no shell is what is wanted
    except Exception as error:  # noqa: BLE001  whatever it is, the server is told
        number = getattr(error, "errno", None) or 0
        text = what if number else f"{what}: {error}"
        if number == errno.ENOTDIR and order.below and what != order.program:
            number, text = 0, f"{what}: it is no folder, or a link, which is not followed there"
        hand(go, prepared.packed(prepared.FAILED, Failure(number, text)))


def _enter(folder: str, below: tuple[str, ...]) -> None:
    """Go to a folder; below the policy's own, links are not followed."""
    os.chdir(folder)
    for name in below:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            raise NotADirectoryError(name)
        os.fchdir(fd)
        os.close(fd)
