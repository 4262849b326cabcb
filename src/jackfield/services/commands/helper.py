"""The helper of remote commands: a small process with one thread that gets supervisors ready.

It is started afresh, and then only forks and reaps: a fork from a process with threads or a running
loop could inherit a lock that is held. A supervisor is forked before it is needed, and has forked
its program's process by then: what a call waits for is no more than that process' exec.

`main()` is given the number of a descriptor, the socket to the server, as its last argument, and
whether cgroups may be used before it. It ends when the server does. Should a supervisor be killed,
its orphans become the helper's, which kills them.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time

from jackfield.net import children
from jackfield.net.children import Cgroup, Cgroups, find_cgroups
from jackfield.net.handing import Socket, adopt, control_pair, hand, take
from jackfield.services.commands import prepared
from jackfield.services.commands.supervisor import AGAIN, Supervisor

_ROUNDS = 500
"""Times that orphans are killed, should one be held up by a broken disk: others wait meanwhile."""


class Helper:
    """Forks and reaps as the server asks."""

    def __init__(self, control: Socket, cgroups: Cgroups) -> None:
        self._control = control
        self._cgroups = cgroups
        self._supervisors: dict[int, Cgroup | None] = {}
        self._count = 0
        self._wake, self._wake_end = os.pipe()
        for end in (self._wake, self._wake_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Serve the server until it is gone; then see the last supervisor off."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            self._reap(ready)
            if self._control.fileno() in ready:
                message, _ = take(self._control)
                if not message:
                    break
                self._prepare()
        poll.unregister(self._control)
        self._control.close()
        while self._supervisors:  # each sees for itself whether the server is gone
            self._reap({fd for fd, _ in poll.poll()})
        self._kill_orphans()
        self._cgroups.close()

    def _reap(self, ready: set[int]) -> None:
        if self._wake in ready:
            os.read(self._wake, 512)
        orphaned = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = status = 0
            if not pid:
                break
            if pid in self._supervisors:
                cgroup = self._supervisors.pop(pid)
                if status:
                    orphaned = True
                    if cgroup is not None:
                        cgroup.kill()
        if orphaned:
            self._kill_orphans()

    def _kill_orphans(self) -> None:
        """Kill whoever is below this process, and not below a supervisor."""
        for _ in range(_ROUNDS):
            if not children.descendants(os.getpid(), without=self._supervisors):
                return
            children.kill_all(os.getpid(), without=self._supervisors)
            time.sleep(AGAIN)

    def _prepare(self) -> None:
        self._count += 1
        cgroup = self._cgroups.make(f"call-{self._count}")
        try:
            servers_end, own_end = control_pair()
            pid = os.fork()
        except Exception:  # noqa: BLE001  no descriptor, no process: whatever it is
            hand(self._control, prepared.PREPARED)
            return
        if not pid:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for sock in (self._control, servers_end):
                    sock.close()
                os.close(self._wake)
                os.close(self._wake_end)
                Supervisor(own_end, cgroup).run()
                status = 0
            except BaseException:  # noqa: BLE001  whatever it is, it ends here
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(status)
        self._supervisors[pid] = cgroup
        own_end.close()
        hand(self._control, prepared.PREPARED, servers_end)
        servers_end.close()


def main() -> None:
    """Load, say so, and fork on demand."""
    for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(one) is signal.SIG_IGN:  # by whoever has started the server
            signal.signal(one, signal.SIG_DFL)
    # these reach the whole group: the server acts on them, and ends us by closing the socket
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    control = adopt(int(sys.argv[-1]))
    children.become_subreaper()
    cgroups = find_cgroups(f"jackfield-{os.getpid()}") if sys.argv[-2] == "cgroups" else Cgroups()
    helper = Helper(control, cgroups)
    gc.collect()
    gc.freeze()
    hand(control, prepared.READY)
    helper.run()
