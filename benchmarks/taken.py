"""What a load says at its end, of how long each thing took."""

from __future__ import annotations

from collections.abc import Iterable


def told(took: Iterable[int], passed: float) -> dict[str, float]:
    """Sum up.

    took: nanoseconds of each, one at least. passed: seconds of all of it together.
    """
    ns = sorted(took)
    return {
        "messages": len(ns),
        "seconds": passed,
        "p50": ns[len(ns) // 2],
        "p99": ns[len(ns) * 99 // 100],
        "max": ns[-1],
    }
