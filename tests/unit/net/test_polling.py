from __future__ import annotations

import asyncio
import fcntl
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jackfield.net.ioloop import new_event_loop
from jackfield.net.polling import BURST, EpollPoller, LoopPoller, Poller, new_poller
from tests.unit.net.wires import until

Pair = tuple[socket.socket, socket.socket]

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system has no epoll")

KINDS: dict[str, Callable[[asyncio.AbstractEventLoop], Poller]] = {
    "epoll": EpollPoller,
    "loop": LoopPoller,
}


@pytest.fixture(params=[asyncio.SelectorEventLoop, new_event_loop])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture(params=["epoll", "loop"])
def poller(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Poller:
    return KINDS[request.param](loop)


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    one.setblocking(False)
    with one, other:
        yield one, other


def turn(loop: asyncio.AbstractEventLoop, times: int = 3) -> None:
    """Let the loop look at its descriptors."""

    async def turns() -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    loop.run_until_complete(turns())


class Calls(list[str]):
    """What was called, in order."""

    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)


def test_it_tells_for_as_long_as_there_is_something(
    loop: asyncio.AbstractEventLoop, poller: Poller, pair: Pair
) -> None:
    calls = Calls()
    one, other = pair
    poller.set_reader(one.fileno(), calls.note("read"))
    turn(loop)
    assert calls == []
    other.send(b"x")
    turn(loop)
    assert set(calls) == {"read"}
    assert len(calls) > 1
    one.recv(1)
    calls.clear()
    turn(loop)
    assert calls == []
    other.close()
    turn(loop)
    assert set(calls) == {"read"}
    poller.set_reader(one.fileno(), None)
    calls.clear()
    turn(loop)
    assert calls == []


def test_both_ways_of_one_descriptor_are_watched_apart(
    loop: asyncio.AbstractEventLoop, poller: Poller, pair: Pair
) -> None:
    calls = Calls()
    one, other = pair
    fd = one.fileno()
    poller.set_writer(fd, calls.note("write"))
    poller.set_reader(fd, calls.note("read"))
    turn(loop)
    assert set(calls) == {"write"}
    other.send(b"x")
    calls.clear()
    turn(loop)
    assert set(calls) == {"read", "write"}
    poller.set_writer(fd, None)
    calls.clear()
    turn(loop)
    assert set(calls) == {"read"}
    poller.set_writer(fd, calls.note("write"))
    poller.set_reader(fd, None)
    calls.clear()
    turn(loop)
    assert set(calls) == {"write"}
    poller.set_writer(fd, calls.note("another"))
    calls.clear()
    turn(loop)
    assert set(calls) == {"another"}
    poller.set_writer(fd, None)
    calls.clear()
    turn(loop)
    assert calls == []


def test_ending_what_never_began_is_nothing(poller: Poller, pair: Pair) -> None:
    poller.set_reader(pair[0].fileno(), None)
    poller.set_writer(pair[0].fileno(), None)


def test_one_that_was_closed_before_can_be_forgotten_and_its_number_used_again(
    loop: asyncio.AbstractEventLoop, pair: Pair
) -> None:
    calls = Calls()
    poller = EpollPoller(loop)
    old, other = socket.socketpair()
    fd = fcntl.fcntl(old, fcntl.F_DUPFD_CLOEXEC, 500)  # a number that nobody else takes
    old.close()
    poller.set_reader(fd, calls.note("old"))
    os.close(fd)
    poller.set_reader(fd, None)
    with other, socket.socket(fileno=os.dup2(pair[0].fileno(), fd, inheritable=False)):
        poller.set_reader(fd, calls.note("new"))
        pair[1].send(b"x")
        turn(loop)
        assert set(calls) == {"new"}
        poller.set_reader(fd, None)


def test_one_that_another_ends_in_the_same_turn_is_not_called(
    loop: asyncio.AbstractEventLoop,
) -> None:
    calls = Calls()
    poller = EpollPoller(loop)
    pairs = [socket.socketpair() for _ in range(4)]

    def read(name: int) -> Callable[[], None]:
        def call() -> None:
            calls.append(str(name))
            for one, _ in pairs:
                poller.set_reader(one.fileno(), None)

        return call

    for number, (one, other) in enumerate(pairs):
        poller.set_reader(one.fileno(), read(number))
        other.send(b"x")
    turn(loop)
    assert len(calls) == 1
    for one, other in pairs:
        one.close()
        other.close()


def test_a_reset_behind_the_last_data_is_told_of(loop: asyncio.AbstractEventLoop) -> None:
    """Both come in one event, and what was read does not end the watching."""
    poller = new_poller(loop)
    read: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        one, _ = server.accept()
    one.setblocking(False)

    def on_readable() -> None:
        try:
            read.append(one.recv(2))
        except OSError as error:
            read.append(type(error))
            poller.set_reader(one.fileno(), None)

    peer.send(b"last")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    poller.set_reader(one.fileno(), on_readable)

    def is_over() -> bool:
        turn(loop)
        return ConnectionResetError in read

    until(is_over)
    assert read == [b"la", b"st", ConnectionResetError]
    one.close()


def test_an_error_wakes_whoever_watches(loop: asyncio.AbstractEventLoop, pair: Pair) -> None:
    calls = Calls()
    one, other = pair
    poller = EpollPoller(loop)
    other.close()  # which is an EPOLLHUP

    def once() -> None:
        calls.append("write")
        poller.set_writer(one.fileno(), None)

    poller.set_writer(one.fileno(), once)
    turn(loop)
    assert calls == ["write"]


def test_a_callback_that_fails_keeps_nobody_from_being_called(
    loop: asyncio.AbstractEventLoop,
) -> None:
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    calls = Calls()
    poller = EpollPoller(loop)
    pairs = [socket.socketpair() for _ in range(3)]

    def read(name: int) -> Callable[[], None]:
        def call() -> None:
            poller.set_reader(pairs[name][0].fileno(), None)
            calls.append(str(name))
            if name == 1:
                raise LookupError("mine")

        return call

    for number, (one, other) in enumerate(pairs):
        poller.set_reader(one.fileno(), read(number))
        other.send(b"x")
    turn(loop)
    assert sorted(calls) == ["0", "1", "2"]
    assert [str(context["exception"]) for context in told] == ["mine"]
    for one, other in pairs:
        one.close()
        other.close()


def test_what_is_to_end_the_process_ends_the_loop(pair: Pair) -> None:
    loop = new_event_loop()
    poller = EpollPoller(loop)

    def leave() -> None:
        poller.set_reader(pair[0].fileno(), None)
        raise SystemExit(3)

    poller.set_reader(pair[0].fileno(), leave)
    pair[1].send(b"x")
    with pytest.raises(SystemExit):
        loop.run_forever()
    loop.close()


def test_more_than_fit_into_one_turn_are_all_attended_to(loop: asyncio.AbstractEventLoop) -> None:
    poller = EpollPoller(loop)
    seen: set[int] = set()
    pairs = [socket.socketpair() for _ in range(BURST + 10)]
    for one, other in pairs:
        fd = one.fileno()

        def read(fd: int = fd) -> None:
            seen.add(fd)
            poller.set_reader(fd, None)

        poller.set_reader(fd, read)
        other.send(b"x")
    turn(loop, 10)
    assert len(seen) == len(pairs)
    for one, other in pairs:
        one.close()
        other.close()


def test_with_no_epoll_to_be_had_the_loop_watches(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(new_poller(loop), EpollPoller)

    def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(select, "epoll", fail)
    assert isinstance(new_poller(loop), LoopPoller)
    monkeypatch.delattr(select, "epoll")
    assert isinstance(new_poller(loop), LoopPoller)
