from __future__ import annotations

import asyncio
import json
import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest

from jackfield.endpoints import parse
from jackfield.events import (
    ChildLost,
    ConnectionEnded,
    Event,
    Events,
    HandlerFailed,
    MessageReceived,
    MessageSent,
    Refused,
    Warned,
)
from jackfield.limits import Limits
from jackfield.models import process as module
from jackfield.models import spec
from jackfield.models.process import CUT, Process, Work
from jackfield.models.running import Serving
from jackfield.net.handing import control_pair, take
from jackfield.net.ioloop import current
from tests import handlers
from tests.live import in_loop, until

HERE = parse("tcp://127.0.0.1:9999")
PEER = "tcp://127.0.0.1:12345"


class Parent:
    """What a process belongs to; and the process' own end of the socket, in the test's hands."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.calls: list[tuple[Any, ...]] = []
        events = Events()
        events.subscribe(Event, self.told.append)
        for kind in (MessageReceived, MessageSent):
            events.subscribe(kind, self.told.append)
        service = handlers.native
        self.serving = Serving(service, service.framing, current(), events, Limits())
        ours, self.child = control_pair()
        self.child.setblocking(False)
        self.process = Process(self, self.serving, 4711, ours)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Each thing that a model is asked for is noted."""
        return lambda *args: self.calls.append((name, *args))

    def in_turn(self, when: bytes, call: Callable[[], None]) -> None:
        self.calls.append(("at", when))
        call()

    def work(self) -> tuple[Work, socket.socket]:
        """Some work, and the other end of its socket."""
        sock, other = socket.socketpair()
        job = spec.Job(HERE, ("127.0.0.1", 12345), 7, 0)
        return Work(job, sock, PEER, lambda: self.calls.append(("done",))), other

    async def say(self, *messages: bytes) -> None:
        """Have the process say something."""
        for message in messages:
            self.child.send(message)
        for _ in range(5):
            await asyncio.sleep(0)


def done(*counts: object) -> bytes:
    return spec.DONE + json.dumps(counts).encode()


@in_loop
async def test_its_life_when_all_goes_well() -> None:
    parent = Parent()
    work, other = parent.work()
    assert parent.process.take_up(work)
    message, sock = take(parent.child)
    assert message[:1] == spec.JOB
    assert pickle.loads(message[1:]) == work.job  # noqa: S301  our own
    assert sock is not None
    assert work.sock.fileno() == -1  # the process has it, and nobody else
    other.send(b"hello")
    assert sock.recv(10) == b"hello"
    sock.close()
    await parent.say(done("", 1, 2, 3, 4))
    assert parent.told == [ConnectionEnded(7, HERE, PEER, "", 1, 2, 3, 4)]
    assert parent.calls == [("gone", parent.process), ("done",)]
    assert parent.child.recv(10) == b""  # now it may leave
    parent.process.over()
    parent.process.exited(0)
    parent.process.dismiss()
    assert not parent.process.take_up(work)
    assert len(parent.told) == 1
    for one in (other, parent.child):
        one.close()


@in_loop
async def test_what_it_tells_is_told_as_if_it_had_been_here() -> None:
    parent = Parent()
    work, other = parent.work()
    parent.process.take_up(work)
    events = [
        {"kind": "Refused", "reason": "no", "limit": "idle"},
        {"kind": "Refused", "reason": "no", "limit": "made up"},
        {"kind": "HandlerFailed", "error": "E", "traceback": "T"},
        {"kind": "MessageReceived", "bytes": "\xff"},
        {"kind": "MessageSent", "text": "你好"},
    ]
    await parent.say(*(spec.EVENT + json.dumps(event).encode() for event in events))
    assert parent.told == [
        Refused(HERE, PEER, "no", "idle"),
        Refused(HERE, PEER, "no"),
        HandlerFailed(7, PEER, "E", "T"),
        MessageReceived(7, PEER, b"\xff"),
        MessageSent(7, PEER, "你好"),
    ]
    parent.process.dismiss()
    for one in (other, parent.child):
        one.close()


@in_loop
async def test_rooms_are_the_models_business() -> None:
    parent = Parent()
    await parent.say(
        spec.with_parts(spec.JOIN, b"1", b"hall \0", b"skip"),
        spec.with_parts(spec.PUBLISH, b"2", b"hall", b"hello\n", b"hello"),
        spec.with_parts(spec.LEAVE, b"3", b"hall"),
    )
    assert parent.calls == [
        ("at", b"1"),
        ("join", parent.process, "hall \0", "skip"),
        ("at", b"2"),
        ("publish", parent.process, "hall", b"hello\n", b"hello"),
        ("at", b"3"),
        ("leave", parent.process, "hall"),
    ]
    parent.process.dismiss()
    parent.child.close()


NONSENSE = [
    spec.EVENT + b"{",
    spec.EVENT + b"[]",
    spec.EVENT + b"{}",
    spec.EVENT + b'{"kind": "Stopped"}',
    spec.EVENT + b'{"kind": "Refused"}',
    spec.EVENT + b'{"kind": "MessageSent", "bytes": "\\u4f60"}',
    spec.DONE + b"3",
    spec.DONE + b"[]",
    spec.DONE + b'["", "x"]',
    spec.DONE + b'["", 1, 2, 3, 4, 5]',
    spec.JOIN + b"xy",
    spec.with_parts(spec.JOIN, b"1", b"hall"),
    spec.with_parts(spec.LEAVE, b"1", b"\xff"),
    spec.with_parts(spec.PUBLISH, b"1", b"hall", b"too little"),
]


@pytest.mark.parametrize("message", NONSENSE)
def test_what_makes_no_sense_is_told_and_ignored(message: bytes) -> None:
    """A child reads what peers send; nothing it says may harm the server."""

    @in_loop
    async def main() -> None:
        parent = Parent()
        work, other = parent.work()
        parent.process.take_up(work)
        await parent.say(message, b"?unknown")
        (warned,) = parent.told
        assert isinstance(warned, Warned)
        assert warned.text.startswith("process 4711 makes no sense: ")
        await parent.say(done("", 0, 0, 0, 0))
        assert isinstance(parent.told[1], ConnectionEnded)
        for one in (other, parent.child):
            one.close()

    main()


@in_loop
async def test_an_idle_one_has_nothing_to_tell() -> None:
    parent = Parent()
    parent.process.drain()
    await parent.say(spec.EVENT + b'{"kind": "Refused", "reason": "whom?"}')
    parent.child.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert parent.told == []
    assert parent.calls == [("gone", parent.process)]


@pytest.mark.parametrize("status_first", [True, False])
def test_one_that_is_lost_is_told_with_how_it_ended(status_first: bool) -> None:
    @in_loop
    async def main() -> None:
        parent = Parent()
        work, other = parent.work()
        parent.process.take_up(work)
        if status_first:
            parent.process.exited(9)
            assert parent.told == []  # its last words may be on their way
            parent.child.close()
            await parent_turns()
        else:
            parent.child.close()
            await parent_turns()
            assert parent.told == []
            parent.process.exited(9)
        assert parent.told == [
            ChildLost(PEER, 4711, "was killed by SIGKILL"),
            ConnectionEnded(7, HERE, PEER, "its process was killed by SIGKILL", 0, 0, 0, 0),
        ]
        other.close()

    main()


async def parent_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@in_loop
async def test_where_nobody_says_how_it_ended_it_ended_without_a_word() -> None:
    parent = Parent()
    work, other = parent.work()
    parent.process.take_up(work)
    patience, module.REPORT = module.REPORT, 0.01
    parent.child.close()
    await parent_turns()
    module.REPORT = patience
    await asyncio.to_thread(until, lambda: parent.told)
    assert parent.told[0] == ChildLost(PEER, 4711, "ended without a word")
    other.close()


@in_loop
async def test_one_that_the_server_ends_is_not_lost() -> None:
    parent = Parent()
    work, other = parent.work()
    parent.process.take_up(work)
    parent.process.kill("it did not read")
    parent.process.kill("twice")
    assert parent.calls == [("kill", 4711)]
    parent.child.close()
    await parent_turns()
    assert parent.told == [ConnectionEnded(7, HERE, PEER, "it did not read", 0, 0, 0, 0)]
    other.close()


@in_loop
async def test_one_that_does_not_leave_is_dismissed() -> None:
    parent = Parent()
    work, other = parent.work()
    parent.process.take_up(work)
    parent.process.dismiss()
    assert parent.told == [ConnectionEnded(7, HERE, PEER, CUT, 0, 0, 0, 0)]
    assert not parent.process.hear(b"x") or parent.process._conn.is_over
    for one in (other, parent.child):
        one.close()


@in_loop
async def test_work_is_not_given_to_one_that_is_gone() -> None:
    parent = Parent()
    parent.child.close()
    work, other = parent.work()
    assert not parent.process.take_up(work)
    assert parent.process.work is None
    assert work.sock.fileno() >= 0  # somebody else may have it
    work.sock.close()
    other.close()
    parent.process.dismiss()
    assert parent.told == []


@in_loop
async def test_a_drain_is_passed_on() -> None:
    parent = Parent()
    work, other = parent.work()
    parent.process.take_up(work)
    _, sock = take(parent.child)
    assert sock is not None
    sock.close()
    parent.process.drain()
    assert take(parent.child) == (spec.DRAIN, None)
    parent.process.dismiss()
    for one in (other, parent.child):
        one.close()
