"""A cable between a client and a server, which a test can pull out and put back."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.live import PATIENCE, free_port


class Cable:
    """A port of this machine, by which one gets to another one as long as the cable is whole."""

    def __init__(self, port: int) -> None:
        """port: where it leads to, on loopback."""
        self.port = free_port()
        self._there = port
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    def mend(self) -> None:
        """Let connections through, from now on."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """End all connections at once, both ways; new ones are refused."""
        listener, self._listener = self._listener, None
        assert listener is not None
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in (listener, *ends):
            with contextlib.suppress(OSError):  # its other end may be gone already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._threads.clear()

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._there), PATIENCE)
                except OSError:  # nobody is there: then nobody is here either
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    is_cut = self._listener is not listener
                    self._ends |= set() if is_cut else {near, far}
                if is_cut:
                    near.close()
                    far.close()
                    return
                self._start(self._carry, near, far)
                self._start(self._carry, far, near)

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one of them is gone
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            self.cut()
