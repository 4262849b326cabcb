"""Accepting connections, by one loop of ours under every event loop.

What to do when accept(2) fails is the table `POLICY` below and nowhere else.
"""

from __future__ import annotations

import errno
import socket
from asyncio import TimerHandle
from collections.abc import Callable
from enum import Enum
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.events import AcceptPaused, AcceptResumed, Events, Warned
from jackfield.net.ioloop import IOLoop
from jackfield.net.oserrors import code

BURST = 64
"""Connections accepted in one turn of the loop."""

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds of the first and of the longest pause when the system has no room; doubled between."""


class Action(Enum):
    """What an accept error asks for."""

    RETRY = "go on with the next one"
    BACK_OFF = "pause, then try again"
    STOP = "this socket is of no use any more"


POLICY: dict[int, tuple[Action, str]] = {
    errno.EINTR: (Action.RETRY, "a signal came between"),
    errno.ECONNABORTED: (Action.RETRY, "the peer left while it waited in the queue"),
    # accept(2): errors already pending on the new socket are passed on, and mean the next one
    errno.ENETDOWN: (Action.RETRY, "the network of the one in the queue is down"),
    errno.EPROTO: (Action.RETRY, "the one in the queue broke the protocol"),
    errno.ENOPROTOOPT: (Action.RETRY, "an option failed for the one in the queue"),
    errno.EHOSTDOWN: (Action.RETRY, "the one in the queue is down"),
    errno.EHOSTUNREACH: (Action.RETRY, "the one in the queue cannot be reached"),
    errno.ENETUNREACH: (Action.RETRY, "the network of the one in the queue cannot be reached"),
    errno.EPERM: (Action.RETRY, "a firewall forbids the one in the queue"),
    errno.ETIMEDOUT: (Action.RETRY, "the one in the queue answers no more"),
    errno.EMFILE: (Action.BACK_OFF, "this process has no descriptor left (see ulimit -n)"),
    errno.ENFILE: (Action.BACK_OFF, "the system has no descriptor left"),
    errno.ENOBUFS: (Action.BACK_OFF, "the system has no memory for another socket"),
    errno.ENOMEM: (Action.BACK_OFF, "the system has no memory for another socket"),
    errno.EBADF: (Action.STOP, "the socket was closed"),
    errno.EINVAL: (Action.STOP, "the socket does not listen"),
    errno.ENOTSOCK: (Action.STOP, "the descriptor is no socket"),
    errno.EOPNOTSUPP: (Action.STOP, "the socket is of a kind that does not listen"),
}
"""An error that is not here is backed off from: it is not known to be harmless."""

Accept = Callable[[Endpoint, socket.socket, Any], None]


class Listener:
    """A listening socket. `accept(endpoint, sock, address)` is called for each connection."""

    def __init__(
        self, io: IOLoop, sock: socket.socket, endpoint: Endpoint, events: Events, accept: Accept
    ) -> None:
        self.endpoint = endpoint
        self._io = io
        self._sock = sock
        self._events = events
        self._accept = accept
        self._wanted = False  # to accept, as far as the server is concerned
        self._reading = False
        self._pause = 0.0
        self._timer: TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept."""
        self.resume()

    def suspend(self) -> None:
        """Accept nobody for now; connections wait in the listen queue."""
        self._wanted = False
        self._stop_reading()

    def resume(self) -> None:
        """Accept again, unless the system has no room for it yet."""
        self._wanted = True
        if self._timer is None:
            self._start_reading()

    def drain(self) -> None:
        """Accept nobody any more."""
        self.suspend()

    def _start_reading(self) -> None:
        if not self._reading and self._sock.fileno() >= 0:
            self._reading = True
            self._io.watch_read(self._sock, self._on_readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._io.unwatch_read(self._sock)

    def _on_readable(self) -> None:
        for _ in range(BURST):
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                action, reason = POLICY.get(
                    error.errno or 0, (Action.BACK_OFF, error.strerror or "")
                )
                if action is Action.RETRY:
                    continue
                if action is Action.STOP:
                    self.close()
                    text = f"{self.endpoint}: {reason} ({code(error)}); nobody is accepted any more"
                    self._events.emit(Warned(text))
                else:
                    self._stop_reading()
                    self._back_off(f"{reason} ({code(error)})")
                return
            if self._pause:
                self._pause = 0.0
                self._events.emit(AcceptResumed(self.endpoint))
            sock.setblocking(False)
            self._accept(self.endpoint, sock, address)
            if not self._reading:
                return

    def _back_off(self, reason: str) -> None:
        if not self._pause:
            self._events.emit(AcceptPaused(self.endpoint, reason))
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        self._timer = self._io.loop.call_later(self._pause, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        if self._wanted:
            self._start_reading()

    def close(self) -> None:
        """Close the socket. Connections still in its queue are reset by the system."""
        self.suspend()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sock.close()
