"""Trying again: how long to pause, and how to go on where a body was cut. RFC 9110, section 14.

The rules this file owns:

1. A body is gone on with only where a strong validator says that it is still the same one
   (section 8.8.1): an ETag that is not weak, or a Last-Modified that is old enough.
2. A pause is what the server asks for by Retry-After, if that is at most `LONGEST_WAIT`; else it
   begins with `FIRST_PAUSE`, is doubled each time, and has a little chance in it.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds before the first and the longest later try."""

LONGEST_WAIT = 120.0
"""Seconds that a server may have us wait by Retry-After; past it the answer is taken as it is."""

BUSY = frozenset({429, 503})
"""What a server says that will take the same later: RFC 6585, section 4, and RFC 9110, 15.6.4."""

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_TOTAL = re.compile(r"bytes \*/([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Where a part of a body lies: RFC 9110, section 14.4."""

    first: int
    last: int
    total: int | None


def validator(fields: dict[str, str]) -> str:
    """Give what If-Range may say of a response with these fields; "" when nothing is safe."""
    etag = fields.get("etag", "").strip()
    if etag:
        return etag if re.fullmatch(r'"[^"\0-\x1f\x7f]{0,500}"', etag) else ""
    modified, date = fields.get("last-modified", "").strip(), fields.get("date", "").strip()
    since, now = _seconds(modified), _seconds(date)
    if since is None or now is None or now - since < 1.0 or len(modified) > 100:
        return ""  # it could have changed twice in that second
    return modified


def content_range(fields: dict[str, str]) -> ContentRange | None:
    """Read the field Content-Range of one part; None where there is none that makes sense."""
    found = _RANGE.fullmatch(fields.get("content-range", "").strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def unsatisfied_total(fields: dict[str, str]) -> int | None:
    """Read how many bytes there are from the Content-Range of a 416; None where it does not say."""
    found = _TOTAL.fullmatch(fields.get("content-range", "").strip())
    return None if found is None else int(found[1])


def pause(number: int, retry_after: str = "") -> float | None:
    """Give the seconds until the next try; None when the server asks for too many.

    number: how many tries have failed, from 1 on.
    """
    asked = wait_asked(retry_after)
    if asked is not None:
        return asked if asked <= LONGEST_WAIT else None
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(number - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  no secret


def wait_asked(retry_after: str) -> float | None:
    """Read the field Retry-After, seconds or a date: RFC 9110, section 10.2.3."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    at = _seconds(text)
    return None if at is None else max(0.0, at - time.time())


def _seconds(date: str) -> float | None:
    """Read a date of HTTP, as seconds since 1970."""
    if not date or len(date) > 100:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
