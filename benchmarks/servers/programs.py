"""Run a program of somebody else's as a server: it takes this process's place."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers.options import HOST, ready

START_S = 15.0
"""Seconds it gets until it can be connected to."""


def free_port() -> int:
    """Give a port that is free at the moment, for who cannot be given a socket."""
    with socket.create_server((HOST, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def become(command: Sequence[str], port: int, output: Path | None = None) -> None:
    """Become a program that will listen at a port; that it does is said from elsewhere.

    output: a file for what it prints, which else goes where its errors go.
    """
    if os.fork() == 0:
        if os.fork() == 0:  # nobody's child, so the program has none to look after
            _say_when_ready(port)
        os._exit(0)
    os.wait()
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT) if output else 2, 1)
    os.execv(command[0], list(command))  # noqa: S606 - no shell


def _say_when_ready(port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            ready(port)
            break
    os._exit(0)
