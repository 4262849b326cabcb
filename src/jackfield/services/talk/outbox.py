"""The sending half of the protocol: numbered lines until they are confirmed. No I/O, no clock.

The rules this file owns:

1. At most `WINDOW` lines are unconfirmed at a time; the others wait.
2. Over datagrams a line is taken for lost, and sent again, when `OVERTAKEN` lines sent after it
   have arrived, or when nothing has come for a time learned from the answers (RFC 6298), which
   doubles each time.
3. Of what was sent again it cannot be told which copy was answered: nothing is learned from it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 32
BACKLOG = 64
"""Lines that may wait to be sent before `room` says no."""

OVERTAKEN = 3

FIRST_PATIENCE, SHORTEST_PATIENCE, LONGEST_PATIENCE = 0.5, 0.1, 2.0
"""Seconds to wait for an answer."""

BYE = None
"""Stands for leaving among the lines."""

Words = str | None


class Patience:
    """How long to wait for an answer, learned from those that came."""

    def __init__(self) -> None:
        self._round_trip = self._variation = 0.0
        self._seconds = FIRST_PATIENCE

    def measure(self, round_trip: float) -> None:
        """Learn from an answer that took so long."""
        if self._round_trip:
            self._variation += (abs(self._round_trip - round_trip) - self._variation) / 4
            self._round_trip += (round_trip - self._round_trip) / 8
        else:
            self._round_trip = round_trip
            self._variation = round_trip / 2
        self._seconds = max(SHORTEST_PATIENCE, self._round_trip + 4 * self._variation)

    def after(self, tries: int) -> float:
        """Seconds to wait for an answer to what was sent again so often."""
        return min(LONGEST_PATIENCE, self._seconds * 2.0 ** min(tries, 8))


@dataclass(slots=True)
class Sent:
    """A line that is not confirmed yet. `order` and `at` are those of its last copy."""

    number: int
    words: Words
    order: int = 0
    at: float = 0.0
    again: int = 0
    arrived: bool = False


class Outbox:
    """The lines of one side, from being said to being confirmed."""

    def __init__(self, patience: Patience, *, reliable: bool) -> None:
        self._patience = patience
        self._reliable = reliable
        self._waiting: deque[Words] = deque()
        self._unconfirmed: deque[Sent] = deque()
        self._last_number = 0
        self._order = 0
        self._latest = 0  # the last in order of which it is known to have arrived

    def put(self, words: Words) -> None:
        """Take a line, or BYE, to be sent after those before it."""
        self._waiting.append(words)

    @property
    def room(self) -> bool:
        """Whether another line may be put without more waiting than is reasonable."""
        return len(self._waiting) < BACKLOG

    @property
    def empty(self) -> bool:
        """Whether nothing that was sent is unconfirmed."""
        return not self._unconfirmed

    def take_waiting(self) -> list[Words]:
        """Give up what was never sent."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def take_all(self) -> list[Words]:
        """Give up what is not confirmed, sent or not."""
        unconfirmed = [sent.words for sent in self._unconfirmed]
        self._unconfirmed.clear()
        return unconfirmed + self.take_waiting()

    @property
    def lines_left(self) -> bool:
        """Whether there is a line, not only BYE, that is not confirmed."""
        left = [sent.words for sent in self._unconfirmed] + list(self._waiting)
        return any(words is not BYE for words in left)

    def to_send(self, now: float) -> list[Sent]:
        """Give what is to be sent now: what is taken for lost, then what is new."""
        found = [] if self._reliable else [sent for sent in self._unconfirmed if self._lost(sent)]
        if not found and not self._reliable and self._unconfirmed and self._due <= now:
            found = [self._unconfirmed[0]]
        for sent in found:
            sent.again += 1
        while self._waiting and len(self._unconfirmed) < WINDOW:
            self._last_number += 1
            sent = Sent(self._last_number, self._waiting.popleft())
            self._unconfirmed.append(sent)
            found.append(sent)
        for sent in found:
            self._order += 1
            sent.order, sent.at = self._order, now
        return found

    def _lost(self, sent: Sent) -> bool:
        return not sent.arrived and sent.order + OVERTAKEN <= self._latest

    @property
    def _due(self) -> float:
        """When the oldest line is due again."""
        oldest = self._unconfirmed[0]
        return oldest.at + self._patience.after(oldest.again)

    @property
    def deadline(self) -> float | None:
        """When `to_send()` may have something to give again, unless something comes before."""
        return None if self._reliable or not self._unconfirmed else self._due

    def confirm(self, number: int, early: int, now: float) -> list[Words]:
        """Take word that all lines up to `number` have arrived; give those now confirmed.

        early: a bit for each line after the next one, the lowest first: set if it has arrived.
        """
        if number > self._last_number:
            return []
        news = [
            sent
            for sent in self._unconfirmed
            if not sent.arrived and (sent.number <= number or _bit(early, sent.number - number - 2))
        ]
        for sent in news:
            sent.arrived = True
        first_copies = [sent for sent in news if not sent.again]
        if first_copies:
            last = max(first_copies, key=lambda sent: sent.order)
            self._latest = max(self._latest, last.order)
            self._patience.measure(now - last.at)
        confirmed: list[Words] = []
        while self._unconfirmed and self._unconfirmed[0].number <= number:
            confirmed.append(self._unconfirmed.popleft().words)
        return confirmed


def _bit(bits: int, index: int) -> bool:
    return index >= 0 and bool(bits >> index & 1)
