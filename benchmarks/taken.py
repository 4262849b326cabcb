"""What a load says at its end, of how long each thing took."""

from __future__ import annotations


def told(took: list[int], passed: float) -> dict[str, float]:
    """Sum up.

    took: nanoseconds of each, one at least. passed: seconds of all of it together.
    """
    took = sorted(took)
    return {
        "messages": len(took),
        "seconds": passed,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "max": took[-1],
    }
