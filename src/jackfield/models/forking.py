"""The helper of model `processes`: a small process with one thread, which forks the children.

It is started afresh, loads the service by name, and then only forks, reaps and kills: a fork
from a process with threads or a running loop could inherit a lock that is held. Each child
gets a private socket to the parent server and nothing else that is shared.

`main()` is given the number of a descriptor, the control socket to the parent, as its last
argument, and pickled start data on standard input. It ends when the parent does.
"""

from __future__ import annotations

import os
import pickle
import runpy
import select
import signal
import sys
import threading
import types
from typing import NoReturn

from jackfield.models import spec
from jackfield.models.child import serve_one
from jackfield.net.handing import Socket, adopt, control_pair, hand, take


def load() -> spec.Spec:
    """Read what to serve, and import it as the parent did."""
    path, main, data = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    sys.path[:] = path
    if main is not None and b"__main__" in data:
        module = types.ModuleType("__mp_main__")  # so that its `if __name__` part stays out
        module.__dict__.update(runpy.run_path(main, run_name="__mp_main__"))
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    loaded: spec.Spec = pickle.loads(data)  # noqa: S301  likewise
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

    def run(self) -> None:
        """Serve the parent until it is gone."""
        wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if wake in ready:
                os.read(wake, 512)
            self._reap()
            if self._control.fileno() not in ready:
                continue
            message, _ = take(self._control)
            if not message:
                return
            if message == spec.FORK:
                self._fork((wake, wake_end))
            elif message[:1] == spec.KILL and int(message[1:]) in self._children:
                os.kill(int(message[1:]), signal.SIGKILL)

    def _fork(self, own: tuple[int, ...]) -> None:
        parents_end, childs_end = control_pair()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in own:
                os.close(fd)
            self._control.close()
            parents_end.close()
            _be_child(childs_end, self._loaded)
        self._children.add(pid)
        childs_end.close()
        hand(self._control, spec.CHILD + str(pid).encode(), parents_end)
        parents_end.close()

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._children.discard(pid)
            hand(self._control, spec.EXITED + f"{pid} {status}".encode())


def _be_child(control: Socket, loaded: spec.Spec) -> NoReturn:
    status = 1
    try:
        serve_one(control, loaded)
        status = 0
    except BaseException:  # noqa: BLE001  it ends here, whatever it is: never back in the helper
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Load, say so, and fork on demand."""
    # these reach the whole group: the parent acts on them, and ends us by closing the socket
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = adopt(int(sys.argv[-1]))
    try:
        loaded = load()
        forker = Forker(control, loaded)
    except Exception as error:  # noqa: BLE001  whatever an import raises, the parent is told
        hand(control, spec.FAILED + f"{type(error).__name__}: {error}".encode()[:2000])
        return
    hand(control, spec.READY)
    forker.run()
