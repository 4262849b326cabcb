"""What became of the probes of one host, as numbers."""

from __future__ import annotations

from collections import Counter, deque
from math import sqrt

RECENT = 60
"""Probes whose times are kept, for a picture of them."""

MOST_TROUBLES = 32
"""Kinds of trouble that are told apart; more are counted under the last."""


class Tally:
    """Counts, and times in seconds. A property of times is None while there is none."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        """In time."""
        self.refused = 0
        """Of these, by TCP: the host is there, and nobody listens on the port."""
        self.late = 0
        """Answers after their time was up; such probes count as lost."""
        self.duplicates = 0
        self.damaged = 0
        """Answers that do not bring back what was sent."""
        self.over = 0
        """Probes of which nothing is waited for any more."""
        self.troubles: Counter[tuple[str, str]] = Counter()
        """By what it was, and who said so."""
        self.recent: deque[float | None] = deque(maxlen=RECENT)
        """The times of the last probes, as they came to an end; None for one without answer."""
        self.last: float | None = None
        self.least: float | None = None
        self.most: float | None = None
        self.mean: float | None = None
        self._squares = 0.0  # of what differs from the mean: Welford's way, which loses no digits

    def answer(self, seconds: float, *, refused: bool = False) -> None:
        """Take note of an answer in time."""
        self.answered += 1
        self.over += 1
        self.refused += refused
        self.recent.append(seconds)
        self.last = seconds
        self.least = seconds if self.least is None else min(self.least, seconds)
        self.most = seconds if self.most is None else max(self.most, seconds)
        before = self.mean or 0.0
        self.mean = before + (seconds - before) / self.answered
        self._squares += (seconds - before) * (seconds - self.mean)

    def lose(self) -> None:
        """Take note of a probe without an answer."""
        self.over += 1
        self.recent.append(None)

    def trouble(self, what: str, by: str) -> None:
        """Take note of an error, and of the probe it ends."""
        self.lose()
        key = what, by
        if key not in self.troubles and len(self.troubles) >= MOST_TROUBLES:
            key = next(reversed(self.troubles))
        self.troubles[key] += 1

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the times."""
        return None if self.mean is None else sqrt(max(0.0, self._squares) / self.answered)

    @property
    def lost(self) -> int:
        """Probes that are over without an answer in time."""
        return self.over - self.answered

    @property
    def loss(self) -> float:
        """Their share of those that are over, from 0 to 1."""
        return self.lost / self.over if self.over else 0.0
