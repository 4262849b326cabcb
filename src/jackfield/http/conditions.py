"""Conditional requests and ranges: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re
from typing import Literal

from jackfield.http import dates

Verdict = Literal["go on", "not modified", "failed"]

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.IGNORECASE)

_NOTHING = re.compile(r"q\s*=\s*0(\.0{0,3})?")
"""A weight that says: not that one. RFC 9110, section 12.4.2."""

MOST_TAGS = 4096
"""Characters of a list of entity tags that are looked at."""


def judge(method: str, fields: dict[str, str], tag: str, modified: float) -> Verdict:
    """Say what becomes of a request for something with this entity tag and time of change.

    In the order of RFC 9110, section 13.2.2. modified: in seconds since 1970.
    """
    wanted = fields.get("if-match")
    if wanted is not None:
        if not _lists(wanted, tag, weak=False):
            return "failed"
    else:
        since = dates.read(fields.get("if-unmodified-since", ""))
        if since is not None and int(modified) > since:
            return "failed"
    known = fields.get("if-none-match")
    reads = method in {"GET", "HEAD"}
    if known is not None:
        if _lists(known, tag, weak=True):
            return "not modified" if reads else "failed"
    elif reads:
        since = dates.read(fields.get("if-modified-since", ""))
        if since is not None and int(modified) <= since:
            return "not modified"
    return "go on"


def _lists(field: str, tag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags has this one, by weak or strong comparison."""
    if field.strip() == "*":
        return True
    plain = tag.removeprefix("W/")
    for one in field[:MOST_TAGS].split(","):
        given = one.strip()
        if weak and given.removeprefix("W/") == plain:
            return True
        if not weak and given == tag and not tag.startswith("W/"):
            return True
    return False


def wanted_range(
    fields: dict[str, str], size: int, tag: str, modified: float
) -> tuple[int, int] | Literal["beyond"] | None:
    """Say which part is wanted: its first byte and the one past its last.

    None for all of it: where no range is asked for, or several, or in another unit, or for
    something that has changed since (If-Range). "beyond" where there is no such part.
    """
    found = _RANGE.fullmatch(fields.get("range", "").strip())
    if found is None or not _still(fields.get("if-range"), tag, modified):
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        count = min(int(last), size)
        return (size - count, size) if count else "beyond"
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None  # that is no range: RFC 9110, section 14.1.1
    return (start, end) if start < size else "beyond"


def _still(validator: str | None, tag: str, modified: float) -> bool:
    """Whether If-Range names what there is now: RFC 9110, section 13.1.5."""
    if validator is None:
        return True
    given = validator.strip()
    if given.startswith(('"', "W/")):
        return given == tag and not tag.startswith("W/")
    return dates.read(given) == int(modified)


def accepts(fields: dict[str, str], coding: str) -> bool:
    """Whether a peer takes a content coding, as Accept-Encoding says: RFC 9110, section 12.5.3."""
    any_other = False
    for one in fields.get("accept-encoding", "").lower().split(","):
        name, _, parameters = one.partition(";")
        taken = _NOTHING.fullmatch(parameters.strip()) is None
        if name.strip() == coding:
            return taken
        if name.strip() == "*":
            any_other = taken
    return any_other
