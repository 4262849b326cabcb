"""The heap of the C library: what was freed is kept for the next one who needs it."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)."""

KEPT = 32 * 1024 * 1024
"""Bytes that are kept at the end of the heap."""


def keep_freed() -> None:
    """Have this process, and what it forks, keep memory that it frees: `KEPT` bytes at the most.

    By itself glibc gives it back as soon as a message of 128 KiB has been dealt with, and the
    system clears it anew, page by page, for the next one: up to a third of the processor time of
    long messages. Elsewhere than on Linux with glibc nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_TRIM_THRESHOLD, KEPT)
            mallopt(_MMAP_THRESHOLD, KEPT // 2)
