"""Asking hosts whether they are there, again and again, and telling what becomes of each probe."""

from __future__ import annotations

import heapq
import secrets
import selectors
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Literal

from jackfield.errors import ConfigurationError
from jackfield.tools.pinging import icmp
from jackfield.tools.pinging.probers import Echoes, Heard, Knocks, Prober
from jackfield.tools.pinging.targets import Sent, Target
from jackfield.tools.pinging.ways import Way, choose, is_privileged

COUNT = 5
INTERVAL = 1.0
SIZE = 56
TIMEOUT = 2.0
"""What is done when nobody says otherwise: as `Plan` has it, times in seconds."""

MOST_HOSTS = 256
"""Hosts asked at once: a raw socket tells them apart, a datagram socket is opened for each."""

LEAST_INTERVAL = 0.2
LEAST_OF_ROOT = 0.002
"""Seconds between two probes to one host: as ping(8) has it for others than root, and for root."""

MOST_RATE = 1000
"""Probes a second to all hosts together."""

MOST_TIMEOUT = 60.0
"""Seconds that an answer is waited for."""

MOST_COUNT = 1_000_000_000
MOST_CONNECTING = 500
"""Connections under way at once over TCP; each takes a descriptor, of which a process has 1024."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask. Raises ConfigurationError for what does not fit together."""

    count: int = COUNT
    """Probes to each host; 0 for as many as there is time."""
    interval: float = INTERVAL
    """Seconds between two."""
    size: int = SIZE
    """Bytes of payload; ICMP adds 8, IP 20 or 40."""
    ttl: int | None = None
    timeout: float = TIMEOUT
    """Seconds that an answer is waited for."""
    port: int = 0
    """For TCP; 0 for ICMP."""

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MOST_COUNT:
            raise ConfigurationError(f"a count is from 0 to {MOST_COUNT}, not {self.count}")
        if not 0 <= self.size <= icmp.MOST_PAYLOAD:
            raise ConfigurationError(
                f"a packet carries 0 to {icmp.MOST_PAYLOAD} bytes, not {self.size}"
            )
        if not 0 < self.timeout <= MOST_TIMEOUT:
            raise ConfigurationError(
                f"an answer is waited for up to {MOST_TIMEOUT:g} s, not {self.timeout:g}"
            )
        least = LEAST_OF_ROOT if is_privileged() else LEAST_INTERVAL
        if self.interval < least:
            more = "" if least == LEAST_OF_ROOT else "; only root may ask more often"
            raise ConfigurationError(
                f"{self.interval:g} s between two would be a flood: {least:g} s is the least{more}"
            )


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a probe.

    target: the host. number: of the probe, from 1 on. seconds: until it came.
    """

    what: Literal["answer", "duplicate", "late", "damaged", "trouble", "lost"]
    target: Target
    number: int
    seconds: float = 0.0
    size: int = 0
    ttl: int | None = None
    source: str = ""
    """Who answered."""
    refused: bool = False
    """Whether TCP was refused: the host is there, and nobody listens on the port."""
    text: str = ""
    """Of a trouble: what it is."""
    by: str = ""
    """Of a trouble: who says so; empty for this machine."""


@dataclass
class Pinger:
    """Asks some targets.

    ways: by the IP version; found out where it is not given.
    """

    targets: Sequence[Target]
    plan: Plan
    ways: dict[int, Way] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.targets) > MOST_HOSTS:
            raise ConfigurationError(
                f"{len(self.targets)} hosts are too many at once; {MOST_HOSTS} is the most"
            )
        rate = len(self.targets) / self.plan.interval
        if rate > MOST_RATE:
            least = len(self.targets) / MOST_RATE
            raise ConfigurationError(
                f"{rate:.0f} probes a second would be a flood; for {len(self.targets)} hosts "
                f"the least interval is {least:g} s"
            )
        self._asked = [target for target in self.targets if target.address]
        for version in sorted({target.version for target in self._asked}):
            if version not in self.ways:
                port = self.plan.port
                self.ways[version] = Way("tcp", port) if port else choose(version)
        self._probers: dict[Target, Prober] = {}
        self._ends: deque[tuple[float, Target, int]] = deque()

    def run(self) -> Generator[Event, None, None]:
        """Ask until all have been asked often enough, or for ever; tell of each probe.

        Raises ConfigurationError where too few descriptors are left.
        """
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            self._open(selector, stack)
            now = time.monotonic()
            pause = self.plan.interval / max(1, len(self._asked))  # so that they do not go at once
            due = [(now + pause * place, place) for place in range(len(self._asked))]
            while due or any(target.waiting for target in self._asked):
                yield from self._send(due)
                times = [due[0][0]] if due else []
                times += [self._ends[0][0]] if self._ends else []
                pause = max(0.0, min(times, default=0.0) - time.monotonic())
                for key, _ in selector.select(pause):
                    for heard in key.data(key.fileobj):
                        yield from self._take(heard)
                yield from self._expire()  # what has come by now has come in time

    def _open(self, selector: selectors.BaseSelector, stack: ExitStack) -> None:
        """Open what is needed for each target."""
        plan = self.plan
        shared: dict[tuple[str, int], Prober] = {}
        first = secrets.randbelow(0x10000)
        for place, target in enumerate(self._asked):
            way = self.ways[target.version]
            key = way.kind, place if way.kind == "icmp datagram" else target.version
            prober = shared.get(key)
            if prober is None:
                try:
                    if way.kind == "tcp":
                        prober = Knocks(way.port, plan.ttl, selector)
                    else:
                        prober = Echoes(way.kind, target.version, plan.size, plan.ttl, selector)
                except OSError as error:
                    raise ConfigurationError(
                        f"{target.shown}: no socket for it: {error.strerror}"
                    ) from error
                shared[key] = stack.enter_context(closing(prober))
            prober.add(target, (first + place) & 0xFFFF)
            self._probers[target] = prober

    def _send(self, due: list[tuple[float, int]]) -> Iterator[Event]:
        """Send what is due."""
        while due and due[0][0] <= time.monotonic():
            at, place = due[0]
            target = self._asked[place]
            prober = self._probers[target]
            now = time.monotonic()
            if isinstance(prober, Knocks) and prober.under_way >= MOST_CONNECTING:
                heapq.heapreplace(due, (now + self.plan.interval, place))
                continue
            number = target.tally.sent = target.tally.sent + 1
            target.waiting[number] = Sent(now, time.time_ns())
            self._ends.append((now + self.plan.timeout, target, number))
            if self.plan.count and number >= self.plan.count:
                heapq.heappop(due)
            else:  # who was held up does not catch up
                heapq.heapreplace(due, (max(at + self.plan.interval, now), place))
            for heard in prober.send(target, number):
                yield from self._take(heard)

    def _expire(self) -> Iterator[Event]:
        """Give up what was waited for long enough."""
        now = time.monotonic()
        while self._ends:
            until, target, number = self._ends[0]
            if until > now and number in target.waiting:
                return
            self._ends.popleft()
            if target.end(number) is not None:
                target.tally.lose()
                self._probers[target].forget(target, number)
                yield Event("lost", target, number)

    def _take(self, heard: Heard) -> Iterator[Event]:
        """Make of what was heard what it means for its target."""
        target, number, tally = heard.target, heard.number, heard.target.tally
        if heard.damaged:
            tally.damaged += 1
            yield Event("damaged", target, number, source=heard.source)
            return
        sent = target.end(number, answered=not heard.trouble)
        if heard.trouble:
            if sent is not None:
                tally.trouble(heard.trouble, heard.by)
                yield Event("trouble", target, number, text=heard.trouble, by=heard.by)
            return
        before = sent or target.ended(number)
        if before is None:
            return
        seconds = _between(before, heard)
        what: Literal["answer", "duplicate", "late"] = "answer"
        if sent is not None and seconds <= self.plan.timeout:
            tally.answer(seconds, refused=heard.refused)
        elif sent is None and before.answered:
            what = "duplicate"
            tally.duplicates += 1
        else:
            what = "late"
            tally.late += 1
            if sent is not None:
                tally.lose()
            target.mark_answered(number)
        yield Event(
            what, target, number, seconds, heard.size, heard.ttl, heard.source, heard.refused
        )


def _between(sent: Sent, heard: Heard) -> float:
    """Give the seconds between the two: by the system's stamp, unless a clock was set meanwhile."""
    passed = max(0.0, heard.at - sent.at)
    stamped = (heard.stamp - sent.stamp) / 1e9
    return stamped if heard.stamp and 0 <= stamped <= passed else passed
