"""What the tests of workers share: a served crew of processes, and who is with whom."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from jackfield.errors import JackfieldError
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.workers.supervisor import Supervisor
from tests import handlers
from tests.live import Live, Peer, children_of, until

T = TypeVar("T", bound=Callable[..., None])

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"

AWAKE = Limits(heartbeat=2.0)
"""Limits that find a stuck worker soon, and no busy one on a busy machine."""


def both(test: T) -> T:
    """Under both models, or one of them in a sample: a worker is the same under either."""
    marked: T = pytest.mark.parametrize("model", ["asyncio", "threads"])(test)
    pytest.mark.some(1)(marked)
    return marked


class Crew(Live):
    """A live supervisor of a few workers."""

    def __init__(self, service: Service[Any], *urls: str, workers: int = 2, **options: Any) -> None:
        super().__init__(service, *urls, workers=workers, **options)

    @property
    def supervisor(self) -> Supervisor[Any]:
        return cast("Supervisor[Any]", self.server)

    @property
    def pids(self) -> list[int]:
        """The processes that are to go on."""
        return [worker.pid for worker in self.supervisor._workers.values()]

    def one_of_each(self, number: int = 0, count: int = 2) -> list[Peer]:
        """A peer of each worker."""
        return one_of_each(lambda: self.connect(number), count)

    def of_worker(self, pid: str, number: int = 0) -> Peer:
        """A peer of one of the workers."""
        found = {peer.ask("pid"): peer for peer in self.one_of_each(number)}
        wanted = found.pop(pid)
        for peer in found.values():
            peer.close()
        return wanted

    def await_others_than(self, *pids: int, count: int = 2) -> None:
        """Wait until so many workers are there, these not among them."""
        until(lambda: len(self.pids) == count and not set(self.pids) & set(pids))


def one_of_each(connect: Callable[[], Peer], count: int = 2) -> list[Peer]:
    """Connect until somebody is with each of the workers; give one for each.

    Streams: who has one already is stopped meanwhile, so that another takes the next.
    """
    found: dict[int, Peer] = {}
    try:
        while len(found) < count:
            peer = connect()
            pid = int(peer.ask("pid"))
            if pid in found:  # by chance, since datagrams are shared out by a hash
                peer.close()
                continue
            found[pid] = peer
            if not peer.endpoint.is_datagram and len(found) < count:
                kill(pid, signal.SIGSTOP)
                until(partial(is_stopped, pid))
    finally:
        for pid in found:
            kill(pid, signal.SIGCONT)
    return list(found.values())


def is_stopped(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def none_left(before: list[int]) -> bool:
    """Whether this process has no children but those from before."""
    return set(children_of(os.getpid())) <= set(before)


class Held:
    """A handler that is not loaded before a file is gone."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__ = state
        until(lambda: not Path(self.path).exists())

    async def __call__(self, conn: Connection[str]) -> None:
        await handlers.obey(conn)


async def fail_late(conn: Connection[str]) -> None:
    """Fail once the peer is lost."""
    await conn.send("here")
    try:
        await conn.receive()
        await conn.receive()
    except JackfieldError:
        raise ValueError("late") from None


async def garble(conn: Connection[str]) -> None:
    """Say to the supervisor what the peer says, in hexadecimal; then be one who obeys."""
    for word in (await conn.receive()).split():
        os.write(int(sys.argv[-1]), bytes.fromhex(word))
    await conn.send("said")
    await handlers.obey(conn)
