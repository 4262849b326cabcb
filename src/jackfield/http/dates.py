"""Dates as HTTP has them: RFC 9110, section 5.6.7."""

from __future__ import annotations

import time
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime

LONGEST = 64
"""Characters of a date that are looked at."""

LATEST = 253402300799
"""The last second of the year 9999; file systems know later ones."""

_last = 0, "", b""


def now_line() -> str:
    """Give the time now, as a Date field has it. Made once a second."""
    now_field()
    return _last[1]


def now_field() -> bytes:
    """Give the whole Date field, for the time now."""
    global _last  # noqa: PLW0603  one for all
    now = int(time.time())
    if now != _last[0]:
        text = formatdate(now, usegmt=True)
        _last = now, text, f"Date: {text}\r\n".encode()
    return _last[2]


def written(seconds: float) -> str:
    """Write a time, in seconds since 1970, as Last-Modified has it: from then to `LATEST`."""
    return formatdate(int(min(max(seconds, 0), LATEST)), usegmt=True)


def read(text: str) -> int | None:
    """Read a date in any of its forms, as seconds since 1970; None for what is none."""
    if not text or len(text) > LONGEST:
        return None
    try:
        found = parsedate_to_datetime(text)
        if found.tzinfo is None:  # asctime's form names none
            found = found.replace(tzinfo=UTC)
        return int(found.timestamp())
    except (TypeError, ValueError, OverflowError):
        return None
