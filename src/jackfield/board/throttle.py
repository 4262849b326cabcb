"""How often somebody may try to come in, by where they come from."""

from __future__ import annotations

import time
from collections.abc import Callable

from jackfield.net.access import source_of

BURST = 10
"""Tries that fail, from one address, before one has to wait."""

EVERY = 5.0
"""Seconds that each of them is counted for: after the burst, one may try so often."""

MOST_SOURCES = 10_000
"""Addresses that are remembered; the one that has failed longest ago is forgotten first."""


class Throttle:
    """Counts tries that failed, by source: an IPv6 one by its /64, as limits count it.

    Who comes in is not counted: a classroom behind one address comes in at once.

    clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, tuple[float, float]] = {}  # how many still count, and when

    def wait_of(self, source: str) -> float:
        """Give the seconds that somebody has to wait before they may try; 0 for not at all."""
        return max(0.0, (self._counted(source_of(source)) - BURST + 1) * EVERY)

    def fail(self, source: str) -> None:
        """Count a try that failed."""
        key = source_of(source)
        counted = min(self._counted(key), BURST) + 1
        self._failed.pop(key, None)  # so that it is the newest
        self._failed[key] = counted, self._clock()
        if len(self._failed) > MOST_SOURCES:
            del self._failed[next(iter(self._failed))]

    def _counted(self, key: str) -> float:
        counted, then = self._failed.get(key, (0.0, 0.0))
        return max(0.0, counted - (self._clock() - then) / EVERY)
