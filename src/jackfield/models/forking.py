"""The helper of model `processes`: a small process with one thread, which forks the children.

It is started afresh, loads the service by name, and then only forks, reaps and kills: a fork
from a process with threads or a running loop could inherit a lock that is held. Each child
gets a private socket to the parent server and nothing else that is shared.

`main()` is given the number of a descriptor, the control socket to the parent, as its last
argument, and pickled start data on standard input. It ends when the parent does.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

from jackfield.models import spec
from jackfield.models.child import serve_one, tls_context
from jackfield.models.starting import leave, read_start
from jackfield.net.handing import Socket, adopt, control_pair, hand, take
from jackfield.net.ioloop import new_event_loop

GRACE = 0.5
"""Seconds for the children to leave by themselves once the parent is gone."""


def load() -> spec.Spec:
    """Read what to serve, and import it as the parent did."""
    loaded: spec.Spec = read_start()
    new_event_loop().close()  # loads what every child needs, once and shared by all
    for endpoint in loaded.tls:
        tls_context(endpoint)
    others = threading.active_count() - 1
    if others:
        msg = f"importing it starts {others} threads, and a process with threads cannot be forked"
        raise RuntimeError(msg)
    return loaded


class Forker:
    """Forks, reaps and kills as the parent asks."""

    def __init__(self, control: Socket, loaded: spec.Spec) -> None:
        self._control = control
        self._loaded = loaded
        self._children: set[int] = set()
        self._retired = False
        self._wake, self._wake_end = os.pipe()
        os.set_blocking(self._wake_end, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def run(self) -> None:
        """Serve the parent until it is gone, or wants no more of this helper and its children."""
        while not self._retired or self._children:
            ready = self._wait(None)
            if self._control.fileno() not in ready:
                continue
            message, _ = take(self._control)
            if not message:
                return
            if message == spec.FORK and not self._retired:
                self._fork()
            elif message == spec.RETIRE:
                self._retired = True
            elif message[:1] == spec.KILL and int(message[1:]) in self._children:
                os.kill(int(message[1:]), signal.SIGKILL)

    def end(self) -> None:
        """See to it that no child is left: each leaves by itself, unless it is held up."""
        self._poll.unregister(self._control)
        deadline = time.monotonic() + GRACE
        while self._children and (left := deadline - time.monotonic()) > 0:
            self._wait(left)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _wait(self, seconds: float | None) -> set[int]:
        """Wait until something can be read; reap who has exited by then."""
        ready = {fd for fd, _ in self._poll.poll(None if seconds is None else seconds * 1000)}
        if self._wake in ready:
            os.read(self._wake, 512)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            self._children.discard(pid)
            hand(self._control, spec.EXITED + f"{pid} {status}".encode())
        return ready

    def _fork(self) -> None:
        parents_end, childs_end = control_pair()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wake)
            os.close(self._wake_end)
            self._control.close()
            parents_end.close()
            _be_child(childs_end, self._loaded)
        self._children.add(pid)
        childs_end.close()
        hand(self._control, spec.CHILD + str(pid).encode(), parents_end)
        parents_end.close()


def _be_child(control: Socket, loaded: spec.Spec) -> None:
    """Serve one connection and leave: whatever happens, never back into the helper."""
    status = 1
    try:
        serve_one(control, loaded)
        status = 0
    except BaseException:  # noqa: BLE001  whatever it is, it ends here
        sys.excepthook(*sys.exc_info())
    finally:
        leave(status)


def main() -> None:
    """Load, say so, and fork on demand."""
    # these reach the whole group: the parent acts on them, and ends us by closing the socket
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = adopt(int(sys.argv[-1]))
    try:
        forker = Forker(control, load())
        hand(control, spec.READY)
        forker.run()
    except Exception as error:  # noqa: BLE001  whatever it is, the parent is told
        hand(control, spec.FAILED + f"{type(error).__name__}: {error}".encode()[:2000])
        while take(control)[0]:  # closed with something of the parent's unread, that would be lost
            pass
    else:
        forker.end()
