from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from jackfield.services.talk import wire
from jackfield.services.talk.events import (
    Confirmed,
    Event,
    Heard,
    Met,
    PeerGone,
    PeerLeft,
    SentPlain,
    TakenForPlain,
    Unconfirmed,
)
from jackfield.services.talk.outbox import WINDOW
from jackfield.services.talk.protocol import GONE, MOST_LEAVING, Protocol

# A channel that loses, doubles and reorders, and two talks at its ends


@dataclass
class Channel:
    """What happens to a datagram on its way; all by one seed."""

    chance: random.Random
    loss: float
    doubling: float
    delay: float

    def arrivals(self) -> list[float]:
        """Give after how long each copy of a datagram arrives."""
        copies = 2 if self.chance.random() < self.doubling else 1
        return [
            self.chance.uniform(0.001, 0.001 + self.delay)
            for _ in range(copies)
            if self.chance.random() >= self.loss
        ]


channels = st.builds(
    Channel,
    st.integers(0, 2**32).map(random.Random),
    loss=st.sampled_from([0.0, 0.05, 0.3, 0.6]),
    doubling=st.sampled_from([0.0, 0.3]),
    delay=st.sampled_from([0.0, 0.1, 1.5]),
)


@dataclass
class Side:
    """One talk, what it was told to say, and what happened there."""

    protocol: Protocol
    begun: bool
    said: list[str] = field(default_factory=list)
    happened: list[Event] = field(default_factory=list)
    leaves: bool = False

    def texts(self, kind: type[Heard | Confirmed | SentPlain | Unconfirmed]) -> list[str]:
        return [event.text for event in self.happened if isinstance(event, kind)]

    def has(self, kind: type[Event]) -> bool:
        return any(isinstance(event, kind) for event in self.happened)


class World:
    """Virtual time, in which datagrams travel and deadlines come."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.now = 0.0
        self.caller = Side(Protocol("Ann", datagrams=True), begun=True)
        self.listener = Side(Protocol("Bob", datagrams=True), begun=False)
        self._number = itertools.count()
        self._due: list[tuple[float, int, Side, bytes]] = []
        self.caller.protocol.start(0.0)
        self.settle(self.caller)

    def other(self, side: Side) -> Side:
        return self.listener if side is self.caller else self.caller

    def settle(self, side: Side) -> None:
        """Send what this side has to send, and note what happened."""
        for data in side.protocol.outgoing():
            self.send(self.other(side), data)
        side.happened += side.protocol.events()

    def send(self, to: Side, data: bytes) -> None:
        for after in self.channel.arrivals():
            heapq.heappush(self._due, (self.now + after, next(self._number), to, data))

    def arrive(self, side: Side, data: bytes) -> None:
        if side.protocol.over:
            answer = side.protocol.answer_after(data)
            if answer:
                self.send(self.other(side), answer)
            return
        if not side.begun:
            side.begun = True
            side.protocol.start(self.now)
        side.protocol.receive(data, self.now)
        self.settle(side)

    def run(self, until: float) -> None:
        """Let time pass up to `until`."""
        for _ in range(100_000):
            deadlines = [
                (deadline, side)
                for side in (self.caller, self.listener)
                if side.begun and (deadline := side.protocol.deadline()) is not None
            ]
            deadline, side = min(deadlines, key=lambda d: d[0], default=(until + 1, self.caller))
            if self._due and self._due[0][0] <= min(deadline, until):
                self.now, _, side, data = heapq.heappop(self._due)
                self.arrive(side, data)
            elif deadline <= until:
                self.now = max(self.now, deadline)
                side.protocol.tick(self.now)
                self.settle(side)
            else:
                self.now = until
                return
        raise AssertionError("time stands still")

    def say(self, side: Side, text: str) -> None:
        """Have a side say a line, unless it is over there."""
        if not side.begun or side.protocol.over or side.has(PeerLeft):
            return
        side.protocol.say(text, self.now)
        side.said.append(text)
        self.settle(side)

    def leave(self, side: Side) -> None:
        if side.begun:
            side.leaves = True
            side.protocol.leave(self.now)
            self.settle(side)


@given(
    channels,
    st.lists(st.tuples(st.floats(0.0, 1.5), st.booleans()), max_size=60),
    st.sampled_from(["caller", "listener", "both", "nobody"]),
)
def test_lines_arrive_once_and_in_order_or_their_sender_is_told(
    channel: Channel, script: list[tuple[float, bool]], leaver: str
) -> None:
    """Numbered lines arrive each exactly once and in order, and of every line its sender is told.

    It is told once: that the line is confirmed (then it has arrived), plain or unconfirmed.
    """
    world = World(channel)
    for number, (pause, by_caller) in enumerate(script):
        world.run(world.now + pause)
        world.say(world.caller if by_caller else world.listener, f"line {number}")
    if leaver in {"caller", "both"}:
        world.leave(world.caller)
    if leaver in {"listener", "both"}:
        world.leave(world.listener)
    world.run(world.now + 1000.0)
    for side in (world.caller, world.listener):
        heard = world.other(side).texts(Heard)
        plain = side.texts(SentPlain)
        confirmed, unconfirmed = side.texts(Confirmed), side.texts(Unconfirmed)
        numbered = [text for text in side.said if text not in plain]
        arrived = [text for text in heard if text in numbered]
        assert arrived == numbered[: len(arrived)]
        assert confirmed == numbered[: len(confirmed)]
        assert len(confirmed) <= len(arrived)
        if side.protocol.over:
            assert sorted(confirmed + plain + unconfirmed) == sorted(side.said)
        if side.leaves:
            assert side.protocol.over


@given(channels.filter(lambda c: c.loss < 0.4), st.integers(1, 3 * WINDOW))
def test_a_lossy_channel_delivers_all_in_the_end(channel: Channel, count: int) -> None:
    """Between two talks that know each other, all lines arrive as long as some datagrams do."""
    world = World(Channel(channel.chance, 0.0, 0.0, 0.01))
    world.run(0.5)
    assert world.caller.happened == [Met("Bob")]
    assert world.listener.happened == [Met("Ann")]
    world.channel = channel
    lines = [f"line {number}" for number in range(count)]
    for line in lines:
        while not world.caller.protocol.room:
            world.run(world.now + 0.5)
        world.say(world.caller, line)
    for _ in range(1000):
        if world.caller.texts(Confirmed) == lines:
            break
        world.run(world.now + 1.0)
    assert world.caller.texts(Confirmed) == lines
    assert world.listener.texts(Heard) == lines
    world.leave(world.caller)
    world.run(world.now + 1000.0)
    assert world.caller.protocol.over
    assert world.listener.protocol.over
    assert world.listener.has(PeerLeft) or world.listener.has(PeerGone)


@given(st.integers(0, 20), st.floats(0.0, 30.0))
def test_a_peer_that_vanished_is_noticed(lines: int, before: float) -> None:
    """Whatever was said, silence of GONE seconds ends it, and the lines are told of."""
    world = World(Channel(random.Random(1), 0.0, 0.0, 0.01))
    world.run(1.0 + before)
    world.channel = Channel(random.Random(1), 1.0, 0.0, 0.0)  # nothing arrives any more
    world.run(world.now + 0.1)
    for number in range(lines):
        world.say(world.caller, str(number))
    world.run(world.now + GONE + 0.1)
    for side in (world.caller, world.listener):
        assert side.protocol.over
        assert side.has(PeerGone)
    assert world.caller.texts(Unconfirmed) == world.caller.said


@given(st.booleans(), st.floats(0.0, 3.0))
def test_leaving_ends_in_bounded_time_even_when_nobody_answers(known: bool, pause: float) -> None:
    """Who leaves waits at most MOST_LEAVING seconds without a sign of the peer."""
    world = World(Channel(random.Random(1), 0.0 if known else 1.0, 0.0, 0.01))
    world.run(pause)
    world.channel = Channel(random.Random(1), 1.0, 0.0, 0.0)
    world.run(world.now + 0.1)
    world.say(world.caller, "hello?")
    world.leave(world.caller)
    world.run(world.now + MOST_LEAVING)
    assert world.caller.protocol.over
    told = world.caller.texts(Unconfirmed) + world.caller.texts(SentPlain)
    assert told == ["hello?"]


# Streams

texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=50)


@given(st.lists(st.tuples(texts, st.booleans())), st.randoms(use_true_random=False))
def test_any_cut_of_a_stream_gives_the_same_conversation(
    lines: list[tuple[str, bool]], chance: random.Random
) -> None:
    """Over a stream all lines are heard, in order, whichever way their bytes are cut."""
    ann, bob = ends = StreamEnd("Ann"), StreamEnd("Bob")

    def step(most: int) -> None:
        for end, other in ((ann, bob), (bob, ann)):
            other.incoming += end.take_out()
        for end in ends:
            data, end.incoming = end.incoming[:most], end.incoming[most:]
            if data:
                end.protocol.receive(data, 0.0)

    for text, by_ann in lines:
        (ann if by_ann else bob).protocol.say(text, 0.0)
        step(chance.randint(0, 20))
    for _ in range(8):
        step(1_000_000)
    assert bob.heard == ann.confirmed == [text for text, by_ann in lines if by_ann]
    assert ann.heard == bob.confirmed == [text for text, by_ann in lines if not by_ann]


class StreamEnd:
    """One talk at the end of a stream."""

    def __init__(self, name: str) -> None:
        self.protocol = Protocol(name)
        self.protocol.start(0.0)
        self.incoming = b""
        self.heard: list[str] = []
        self.confirmed: list[str] = []

    def take_out(self) -> bytes:
        for event in self.protocol.events():
            if isinstance(event, Heard):
                self.heard.append(event.text)
            elif isinstance(event, Confirmed):
                self.confirmed.append(event.text)
        return b"".join(self.protocol.outgoing())


# Peers that are no talk


@given(st.lists(texts, max_size=20), st.booleans(), st.floats(0.0, 2.0), st.booleans())
def test_a_plain_peer_gets_one_friendly_line_and_the_text(
    lines: list[str], datagrams: bool, pause: float, speaks_first: bool
) -> None:
    """Whatever is said, a plain peer sees the hello, the lines, and no byte of protocol."""
    protocol = Protocol("Ann", datagrams=datagrams)
    protocol.start(0.0)
    if speaks_first:
        protocol.receive(b"who is there?\n", 0.0)
    now = 0.0
    for line in lines:
        protocol.say(line, now)
        now += pause
        protocol.tick(now)
    protocol.tick(10.0)
    protocol.leave(10.0)
    assert protocol.over
    first, *rest = protocol.outgoing()
    assert first.endswith(b"] Ann is here\n")
    goodbye = ["bye"] if datagrams else []
    assert [data.decode() for data in rest] == [f"{line}\n" for line in lines + goodbye]
    events = protocol.events()
    assert events.count(TakenForPlain()) == 1
    assert [event.text for event in events if isinstance(event, SentPlain)] == lines


@given(st.lists(st.binary() | st.sampled_from([b"\x01", b"[jackfield-talk/1 ", b"\n"])))
def test_garbage_only_ends_the_conversation_at_worst(chunks: list[bytes]) -> None:
    """Nothing a peer sends raises, and what it sent is not kept beyond a line."""
    for datagrams in (False, True):
        protocol = Protocol("Ann", datagrams=datagrams)
        protocol.start(0.0)
        protocol.receive(wire.hello("0123456789abcdef", "Bob", "utf-8"), 0.0)
        for chunk in chunks:
            protocol.receive(chunk, 1.0)
            protocol.receive(b"\x010123456789abcdef " + chunk + b"\n", 1.0)
        protocol.tick(2.0)
        protocol.ended("", 3.0)
        assert protocol.over


@given(st.lists(st.integers(0, 2**40)), st.lists(st.integers(0, 2**40)))
def test_numbers_out_of_bounds_confirm_and_keep_nothing(
    numbers: list[int], acks: list[int]
) -> None:
    """A frame whose number or acknowledgement cannot be is harmless."""
    protocol = Protocol("Ann", datagrams=True)
    protocol.start(0.0)
    protocol.receive(wire.hello("0123456789abcdef", "Bob", "utf-8"), 0.0)
    protocol.say("one", 0.0)
    for number in numbers:
        frame = wire.Frame("0123456789abcdef", wire.LINE, number + 2 + WINDOW, 0, "far ahead")
        protocol.receive(bytes(frame), 0.0)
    for ack in acks:
        frame = wire.Frame("0123456789abcdef", wire.ACK, 0, ack + 2)
        protocol.receive(bytes(frame), 0.0)
    happened = protocol.events()
    assert Confirmed("one") not in happened
    assert not any(isinstance(event, Heard) for event in happened)
