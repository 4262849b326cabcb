from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jackfield.errors import ConfigurationError, LocalProtocolError
from jackfield.events import ChildLost, ConnectionEnded, Events, HandlerFailed, MessageSent
from jackfield.framing import lines
from jackfield.framing.lines import TextLines
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.net.connection import Connection
from jackfield.rooms import Room
from jackfield.service import Service
from tests import handlers
from tests.live import SEVERAL, Live, Peer, all_closed, until

TCP = "tcp://127.0.0.1:0"


everywhere = pytest.mark.parametrize(
    ("model", "service"),
    [
        pytest.param(model, service, id=f"{model}-{kind}")
        for model in SEVERAL
        for kind, service in (("async", handlers.native), ("def", handlers.blocking))
    ],
)
"""Under every model that serves several streams, with handlers of both kinds."""


# Membership


@everywhere
def test_who_has_joined_hears_what_is_published_and_nobody_else(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live:
        peers = [live.connect() for _ in range(3)]
        with all_closed([*peers, stranger := live.connect()]):
            assert [peer.ask("join") for peer in peers] == ["done"] * 3
            assert peers[0].ask("join") == "done"  # joining twice is joining once
            assert peers[0].ask("members").startswith("True ")
            assert stranger.ask("members").startswith("False ")
            peers[0].send("say hello")
            assert [peer.line() for peer in peers] == ["hello"] * 3
            assert peers[0].line() == "done"
            assert stranger.ask("say from outside") == "done"
            assert [peer.line() for peer in peers] == ["from outside"] * 3
            assert peers[1].ask("part") == "done"
            assert peers[1].ask("part") == "done"  # leaving when one is not in it does nothing
            peers[0].send("say two")
            assert [peers[0].line(), peers[2].line()] == ["two", "two"]
            assert peers[0].line() == "done"
            assert peers[1].ask("echo nothing came") == "nothing came"
            assert stranger.ask("echo nothing came") == "nothing came"


@everywhere
def test_one_can_be_left_out(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as one, live.connect() as other:
        assert [one.ask("join"), other.ask("join")] == ["done", "done"]
        assert one.ask("tell hello") == "done"
        assert other.line() == "hello"
        assert other.ask("tell hi") == "done"
        assert one.line() == "hi"


@everywhere
def test_a_connection_that_is_over_has_left(model: ModelName, service: Service[str]) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as stays:
        assert stays.ask("join") == "done"
        for number in range(5):
            with live.connect() as leaves:
                assert leaves.ask("join") == "done"
                if number % 2:
                    leaves.ask("quit")
            live.await_events(ConnectionEnded, number + 1)
        stays.send("say anybody?")
        assert stays.line() == "anybody?"
        assert stays.line() == "done"
        if model != "processes":
            assert stays.ask("members") == "True 1"
    assert len(handlers.room) == 0
    assert live.of(HandlerFailed) == []


@everywhere
def test_messages_of_many_arrive_whole_and_each_ones_in_order(
    model: ModelName, service: Service[str]
) -> None:
    count = 20
    with Live(service, TCP, model=model) as live:
        peers = [live.connect() for _ in range(4)]
        with all_closed(peers):
            for peer in peers:
                assert peer.ask("join") == "done"
            for number in range(count):
                for who, peer in enumerate(peers):
                    peer.send(f"tell {who}:{number}")
            for who, peer in enumerate(peers):
                heard: dict[int, list[int]] = {}
                for _ in range(count * len(peers)):
                    line = peer.line()
                    if line != "done":
                        speaker, number = map(int, line.split(":"))
                        heard.setdefault(speaker, []).append(number)
                assert heard == {
                    other: list(range(count)) for other in range(len(peers)) if other != who
                }


def test_members_on_all_transports_hear_each_other() -> None:
    urls = [TCP, "unix+seqpacket:@PID", "udp://127.0.0.1:0", "unix+dgram:@PID"]
    with Live(handlers.native, *urls) as live:
        peers = [live.connect(number) for number in range(4)]
        with all_closed(peers):
            assert [peer.ask("join") for peer in peers] == ["done"] * 4
            for peer in peers:
                assert peer.ask("tell hello") == "done"
                assert [other.line() for other in peers if other is not peer] == ["hello"] * 3


@everywhere
def test_anything_may_publish_from_any_thread(model: ModelName, service: Service[str]) -> None:
    if model == "processes":
        pytest.skip("what is not in a handler is in the server, which is another process")
    with Live(service, TCP, model=model) as live, live.connect() as peer:
        assert peer.ask("join") == "done"
        handlers.room.publish("from the main thread")
        assert peer.line() == "from the main thread"


# A slow member


def small(service: Service[str], model: ModelName) -> Live:
    """UNIX sockets, whose buffers do not grow, and a small outbox."""
    return Live(service, "unix:@PID", model=model, limits=Limits(outbox=40_000))


def flood(live: Live, speaks: Peer) -> None:
    """Have a peer say something long, and the server hear it: it falls under no policy itself."""
    assert speaks.ask("flood 1") == "flooded"
    for _ in range(2):  # turns of the loop, between which all is read
        live.call(lambda: None)


@everywhere
def test_one_that_does_not_read_is_disconnected_and_slows_nobody(
    model: ModelName, service: Service[str]
) -> None:
    with (
        small(service, model) as live,
        live.connect() as reads,
        live.connect() as speaks,
        live.connect() as sloth,
    ):
        assert [reads.ask("join"), sloth.ask("join")] == ["done", "done"]
        rounds = 0
        while not live.of(ConnectionEnded):
            flood(live, speaks)
            assert reads.line().startswith("00000 xxx")
            rounds += 1
            assert rounds < 500
        (ended,) = live.of(ConnectionEnded)
        assert ended.reason == "it did not read what room 'all' sent it"
        assert ended.number == 3
        flood(live, speaks)
        assert reads.line().startswith("00000 xxx")
    assert live.of(ChildLost) == []


@everywhere
def test_one_that_does_not_read_misses_messages_where_the_policy_says_so(
    model: ModelName, service: Service[str]
) -> None:
    with small(service, model) as live, live.connect() as sloth, live.connect() as speaks:
        assert sloth.ask("lenient") == "done"
        rounds = 100
        for _ in range(rounds):
            flood(live, speaks)
        assert live.of(ConnectionEnded) == []
        sloth.send("echo what I got")
        heard = 0
        while (line := sloth.line()) != "what I got":
            assert line == "00000 " + "x" * 8000  # each one is whole
            heard += 1
        assert 0 < heard < rounds
        flood(live, speaks)
        assert sloth.line() == "00000 " + "x" * 8000


def test_a_child_that_does_not_take_what_it_should_hear_is_ended_by_the_policy() -> None:
    """Its process is held up, so it is the server that sees what waits for it."""
    with (
        small(handlers.native, "processes") as live,
        live.connect() as reads,
        live.connect() as speaks,
        live.connect() as sloth,
    ):
        assert [reads.ask("join"), sloth.ask("join")] == ["done", "done"]
        pid = int(sloth.ask("pid"))
        os.kill(pid, signal.SIGSTOP)
        rounds = 0
        while not live.of(ConnectionEnded):
            flood(live, speaks)
            assert reads.line().startswith("00000 xxx")
            rounds += 1
            assert rounds < 500
        (ended,) = live.of(ConnectionEnded)
        assert ended.reason == "it did not read what room 'all' sent it"
    assert live.of(ChildLost) == []


def test_a_child_that_does_not_take_it_misses_it_where_the_policy_says_so() -> None:
    with (
        small(handlers.native, "processes") as live,
        live.connect() as speaks,
        live.connect() as sloth,
    ):
        assert sloth.ask("lenient") == "done"
        pid = int(sloth.ask("pid"))
        os.kill(pid, signal.SIGSTOP)
        for _ in range(60):
            flood(live, speaks)
        os.kill(pid, signal.SIGCONT)
        sloth.send("echo done hearing")
        heard = 0
        while sloth.line() != "done hearing":
            heard += 1
        assert heard < 60
    assert len(live.of(ConnectionEnded)) == 2


# What is said


def test_a_message_is_encoded_once_for_each_framing_and_not_for_each_member() -> None:
    class Counting(TextLines):
        encoded = 0

        def encode(self, message: str) -> bytes:
            Counting.encoded += 1
            return super().encode(message)

    room: Room[str] = Room("counted")

    async def handler(conn: Connection[str]) -> None:
        room.join(conn)
        async for line in conn:
            if line == "switch":
                conn.switch(lines())
            else:
                room.publish(line)

    with Live(Service("counted", handler, Counting()), TCP) as live:
        peers = [live.connect() for _ in range(10)]
        with all_closed(peers):
            until(lambda: len(room) == 10)
            peers[0].send("hello")
            assert [peer.line() for peer in peers] == ["hello"] * 10
            assert Counting.encoded == 1
            peers[1].send("switch", "again")
            assert [peer.line() for peer in peers] == ["again"] * 10
            assert Counting.encoded == 2


@pytest.mark.parametrize("url", [TCP, "unix+seqpacket:@PID"])
@pytest.mark.parametrize("model", SEVERAL)
def test_what_each_member_hears_is_told_to_who_watches(model: ModelName, url: str) -> None:
    heard: list[tuple[int, object]] = []
    events = Events()
    events.subscribe(MessageSent, lambda event: heard.append((event.number, event.message)))
    with Live(handlers.native, url, model=model, events=events) as live:
        peers = [live.connect() for _ in range(2)]
        with all_closed(peers):
            assert [peer.ask("join") for peer in peers] == ["done"] * 2
            peers[0].send("tell hello")
            assert [peers[0].line(), peers[1].line()] == ["done", "hello"]
            until(lambda: len(heard) == 4)
    assert sorted(heard) == [(1, "done"), (1, "done"), (2, "done"), (2, "hello")]


@everywhere
def test_what_a_members_framing_cannot_carry_is_the_publishers_error(
    model: ModelName, service: Service[str]
) -> None:
    with Live(service, TCP, model=model) as live, live.connect() as one, live.connect() as other:
        assert [one.ask("join"), other.ask("join")] == ["done", "done"]
        assert one.ask("large 70000").startswith("LocalProtocolError: a message of 70000 bytes")
        assert one.ask("echo nothing came") == "nothing came"
        assert other.ask("echo nothing came") == "nothing came"
    assert live.of(HandlerFailed) == []


def test_what_one_members_framing_cannot_carry_nobody_has() -> None:
    room: Room[str] = Room("mixed")

    async def handler(conn: Connection[str]) -> None:
        async for line in conn:
            if line == "short":
                conn.switch(lines(max_message=5))
            elif line == "join":
                room.join(conn)
                await conn.send("in")
            else:
                with pytest.raises(LocalProtocolError, match="past the bound of 5"):
                    room.publish(line)
                room.publish("after")

    with (
        Live(Service("mixed", handler, lines()), TCP, "udp://127.0.0.1:0") as live,
        live.connect() as first,
        live.connect() as short,
        live.connect(1) as third,
    ):
        short.send("short")
        assert [peer.ask("join") for peer in (first, short, third)] == ["in"] * 3
        first.send("too long")
        assert [peer.line() for peer in (first, short, third)] == ["after"] * 3


def test_under_processes_a_member_has_its_services_framing() -> None:
    with Live(handlers.native, TCP, model="processes") as live, live.connect() as peer:
        assert peer.ask("rejoin") == (
            "ConfigurationError: under processes a connection that switched its framing cannot "
            "join a room"
        )
        assert peer.ask("members") == "False 0"
    with Live(handlers.native, TCP) as live, live.connect() as peer:
        assert peer.ask("rejoin") == "True"


# The room itself


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Room("x", "drop")  # type: ignore[arg-type]
    assert str(caught.value) == "a room's policy is 'disconnect' or 'skip', not 'drop'"


def test_a_room_crosses_between_processes_by_its_name() -> None:
    room: Room[str] = Room("hall", "skip")
    again = pickle.loads(pickle.dumps(room))  # noqa: S301  our own
    assert (again.name, again.policy, len(again)) == ("hall", "skip", 0)


class Core:
    """A connection, as far as a room knows it."""

    framing = lines()
    largest = 1 << 62
    encoding = framing, largest

    def __init__(self, *, ends_while_joining: bool = False) -> None:
        self.is_over = False
        self.ends = ends_while_joining
        self.calls: list[Callable[[], None]] = []

    @property
    def core(self) -> Any:
        return self

    def call_when_over(self, call: Callable[[], None]) -> None:
        if self.ends:
            self.is_over = True  # and whom to call has been called already
        else:
            self.calls.append(call)


def test_one_that_ends_while_it_joins_has_left() -> None:
    room: Room[str] = Room("hall")
    room.join(Core(ends_while_joining=True))
    assert len(room) == 0
    over = Core()
    over.is_over = True
    room.join(over)
    assert len(room) == 0
    assert over.calls == []


def test_joining_and_leaving_from_many_threads_at_once() -> None:
    room: Room[str] = Room("hall")
    cores = [Core() for _ in range(200)]

    def come_and_go(mine: list[Core]) -> None:
        for core in mine:
            room.join(core)
        for core in mine[::2]:
            room.leave(core)

    threads = [threading.Thread(target=come_and_go, args=(cores[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(room) == 100
    assert all(len(core.calls) == 1 for core in cores)
    for core in cores:
        core.calls[0]()
    assert len(room) == 0


def test_a_failed_publish_leaves_the_room_as_it_was() -> None:
    room: Room[str] = Room("hall")
    asyncio.run(_publish_badly(room))
    assert len(room) == 0


async def _publish_badly(room: Room[str]) -> None:
    core = Core()
    room.join(core)
    core_any: Any = core
    core_any.encode = lines().encode
    with pytest.raises(LocalProtocolError):
        room.publish("two\nlines")
    assert core in room
    room.leave(core)
