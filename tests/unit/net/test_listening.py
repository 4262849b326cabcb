from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from jackfield.endpoints import Endpoint, parse
from jackfield.events import AcceptPaused, AcceptResumed, Event, Events, Warned
from jackfield.net import listening
from jackfield.net.binding import bind
from jackfield.net.ioloop import current, new_event_loop
from jackfield.net.listening import BURST, POLICY, Action, Listener
from tests.live import PATIENCE

ENDPOINT = parse("tcp://127.0.0.1:9999")

Run = Callable[[Any], Any]


@pytest.fixture(params=[asyncio.SelectorEventLoop, new_event_loop], ids=["asyncio", "fastest"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine on asyncio's own event loop, and on the fastest there is."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


class Failing:
    """What a listening socket is to a listener: accept(2) fails as it is told to.

    It is ready to be read for as long as there is something for it to say.
    """

    def __init__(self, *outcomes: int) -> None:
        self._ready, self._other = socket.socketpair()
        self._other.send(b"x")
        self.outcomes = list(outcomes)
        """An errno each, or 0 for a connection."""
        self.calls = 0
        self.waits: list[socket.socket] = []

    def fileno(self) -> int:
        return self._ready.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if not self.outcomes:
            raise BlockingIOError(errno.EAGAIN, "nobody waits")
        number = self.outcomes.pop(0)
        if number:
            raise OSError(number, os.strerror(number))
        sock, other = socket.socketpair()
        self.waits.append(other)
        return sock, ("127.0.0.1", 12345)

    def close(self) -> None:
        for sock in (self._ready, self._other, *self.waits):
            sock.close()


class Accepting:
    """A listener, whom it accepted and what it told."""

    def __init__(self, sock: Any, endpoint: Endpoint = ENDPOINT) -> None:
        self.accepted: list[socket.socket] = []
        self.told: list[Event] = []
        events = Events()
        events.subscribe(Event, self._hear)
        self.listener = Listener(current(), sock, endpoint, events, self._accept)
        self.news = asyncio.Event()

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self.news.set()

    def _accept(self, endpoint: Endpoint, sock: socket.socket, address: Any) -> None:
        self.accepted.append(sock)
        self.news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self.news.clear()
                await self.news.wait()

    def close(self) -> None:
        self.listener.close()
        for sock in self.accepted:
            sock.close()


def has(found: list[Any], count: int) -> bool:
    return len(found) == count


def of(action: Action) -> list[int]:
    return [number for number, (does, _) in POLICY.items() if does is action]


def test_the_table_is_whole() -> None:
    """Each error that accept(2) lists stands in it, with its reason."""
    of_the_page = """EBADF ECONNABORTED EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK
        EOPNOTSUPP EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN EHOSTUNREACH ENETUNREACH"""
    assert {getattr(errno, name) for name in of_the_page.split()} <= set(POLICY)
    assert all(reason for _, reason in POLICY.values())
    assert len(of(Action.RETRY)) + len(of(Action.BACK_OFF)) + len(of(Action.STOP)) == len(POLICY)


@pytest.mark.parametrize("number", of(Action.RETRY), ids=errno.errorcode.get)
def test_an_error_of_one_in_the_queue_means_the_next(run: Run, number: int) -> None:
    async def main() -> None:
        found = Accepting(Failing(number, 0, number, number, 0))
        found.listener.open()
        await found.until(lambda: len(found.accepted) == 2)
        found.close()
        assert found.told == []

    run(main())


BACK_OFF = [*of(Action.BACK_OFF), errno.EFAULT]
"""The last one is not in the table."""


@pytest.mark.parametrize("number", BACK_OFF, ids=errno.errorcode.get)
def test_where_there_is_no_room_it_pauses_and_goes_on_by_itself(
    run: Run, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(listening, "LONGEST_PAUSE", 0.004)

    async def main() -> None:
        sock = Failing(*[number] * 5, 0, 0)
        found = Accepting(sock)
        found.listener.open()
        await found.until(lambda: len(found.accepted) == 2)
        _, reason = POLICY.get(number, (None, os.strerror(number)))
        text = f"{reason} ({errno.errorcode[number]})"
        assert found.told == [AcceptPaused(ENDPOINT, text), AcceptResumed(ENDPOINT)]
        assert found.listener._pause == 0
        found.close()

    run(main())


def test_the_pauses_double_up_to_the_longest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        found = Accepting(sock := Failing(*[errno.EMFILE] * 8))
        pauses = []
        for _ in range(8):
            found.listener._on_readable()
            pauses.append(found.listener._pause)
            timer = found.listener._timer
            assert timer is not None
            timer.cancel()
        assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
        assert sock.calls == 8
        assert len(found.told) == 1
        found.close()

    run(main())


def test_a_pause_takes_no_cpu_and_nobody_resumes_it_early(run: Run) -> None:
    async def main() -> None:
        found = Accepting(sock := Failing(errno.EMFILE, 0))
        found.listener.open()
        await found.until(lambda: found.told)
        timer = found.listener._timer
        assert timer is not None
        found.listener.suspend()
        found.listener.resume()  # a handler is free: the system has no room all the same
        for _ in range(50):
            await asyncio.sleep(0)
            calls = sock.calls
            if asyncio.get_running_loop().time() < timer.when():  # on a busy machine it may be over
                assert calls == 1
        await found.until(lambda: found.accepted)
        found.close()

    run(main())


def test_who_is_suspended_during_a_pause_stays_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.001)

    async def main() -> None:
        found = Accepting(sock := Failing(errno.EMFILE, 0))
        found.listener.open()
        await found.until(lambda: found.told)
        found.listener.drain()
        await asyncio.sleep(0.02)
        assert sock.calls == 1
        found.listener.resume()
        await found.until(lambda: found.accepted)
        found.close()

    run(main())


@pytest.mark.parametrize("number", of(Action.STOP), ids=errno.errorcode.get)
def test_a_socket_of_no_use_is_told_once_and_closed(run: Run, number: int) -> None:
    async def main() -> None:
        sock = Failing(number, 0)
        found = Accepting(sock)
        found.listener.open()
        await found.until(lambda: found.told)
        found.listener.suspend()
        found.listener.resume()
        await asyncio.sleep(0)
        _, reason = POLICY[number]
        name = errno.errorcode[number]
        assert found.told == [
            Warned(f"tcp://127.0.0.1:9999: {reason} ({name}); nobody is accepted any more")
        ]
        assert sock.fileno() == -1
        assert found.accepted == []
        found.close()

    run(main())


def test_a_burst_has_an_end_so_that_others_get_their_turn(run: Run) -> None:
    async def main() -> None:
        found = Accepting(sock := Failing(*[0] * (BURST + 10)))
        found.listener.open()
        await found.until(lambda: found.accepted)
        assert len(found.accepted) == BURST
        await found.until(lambda: len(found.accepted) == BURST + 10)
        assert not sock.outcomes
        found.close()

    run(main())


def test_nobody_more_is_accepted_once_the_last_one_suspended_it(run: Run) -> None:
    async def main() -> None:
        found = Accepting(sock := Failing(0, 0, 0))
        accept = found.listener._accept

        def one(endpoint: Endpoint, accepted: socket.socket, address: Any) -> None:
            accept(endpoint, accepted, address)
            found.listener.suspend()

        found.listener._accept = one
        for count in (1, 2, 3):
            found.listener.resume()
            await found.until(partial(has, found.accepted, count))
            assert sock.calls == count
        found.close()

    run(main())


def test_real_connections_are_accepted_from_a_real_queue(run: Run) -> None:
    async def main() -> None:
        (bound,) = bind(parse("tcp://127.0.0.1:0"))
        found = Accepting(bound.sock, bound.endpoint)
        there = bound.sock.getsockname()
        clients = [socket.create_connection(there) for _ in range(5)]
        assert found.accepted == []  # they wait in the queue
        found.listener.open()
        found.listener.open()  # opening twice is opening once
        await found.until(lambda: len(found.accepted) == 5)
        assert all(sock.gettimeout() == 0 for sock in found.accepted)
        assert {sock.getpeername() for sock in found.accepted} == {
            client.getsockname() for client in clients
        }
        found.close()
        found.listener.close()  # closing twice is closing once
        for client in clients:
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(there)

    run(main())


def test_closing_cancels_a_pause(run: Run) -> None:
    async def main() -> None:
        found = Accepting(Failing(errno.ENFILE))
        found.listener.open()
        await found.until(lambda: found.told)
        timer = found.listener._timer
        assert timer is not None
        found.close()
        assert timer.cancelled()

    run(main())


def test_no_thread_is_started_for_accepting(run: Run) -> None:
    async def main() -> None:
        before = threading.active_count()
        found = Accepting(Failing(0))
        found.listener.open()
        await found.until(lambda: found.accepted)
        assert threading.active_count() <= before  # one of an earlier test may end meanwhile
        found.close()

    run(main())
