from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.fetching.resuming import (
    LONGEST_PAUSE,
    ContentRange,
    content_range,
    pause,
    unsatisfied_total,
    validator,
    wait_asked,
)

DAY = "Fri, 27 Nov 2026 10:00:00 GMT"
LATER = "Fri, 27 Nov 2026 10:00:01 GMT"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, ""),
        ({"etag": '"a"'}, '"a"'),
        ({"etag": 'W/"a"'}, ""),
        ({"etag": "bare"}, ""),
        ({"etag": '"a\x01b"'}, ""),
        ({"etag": f'"{"x" * 1000}"'}, ""),
        ({"etag": 'W/"a"', "last-modified": DAY, "date": LATER}, ""),
        ({"last-modified": DAY, "date": LATER}, DAY),
        ({"last-modified": DAY, "date": DAY}, ""),
        ({"last-modified": DAY}, ""),
        ({"last-modified": "yesterday", "date": LATER}, ""),
    ],
)
def test_only_a_strong_validator_will_do(fields: dict[str, str], found: str) -> None:
    assert validator(fields) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes 0-9/10", ContentRange(0, 9, 10)),
        ("bytes 5-9/*", ContentRange(5, 9, None)),
        ("bytes 9-5/10", None),
        ("bytes 0-10/10", None),
        ("bytes */10", None),
        ("lines 0-9/10", None),
        ("bytes 0-" + "9" * 30 + "/*", None),
        ("", None),
    ],
)
def test_a_range_makes_sense_or_is_none(value: str, found: ContentRange | None) -> None:
    assert content_range({"content-range": value}) == found


def test_what_there_is_when_a_range_is_past_it() -> None:
    assert unsatisfied_total({"content-range": "bytes */10"}) == 10
    assert unsatisfied_total({"content-range": "bytes 0-1/2"}) is None
    assert unsatisfied_total({}) is None


def test_pauses_grow_up_to_a_bound() -> None:
    for number in range(1, 2000, 100):
        seconds = pause(number)
        assert seconds is not None
        assert 0.25 <= seconds <= LONGEST_PAUSE


@pytest.mark.parametrize(
    ("asked", "seconds"), [("0", 0.0), ("7", 7.0), ("120", 120.0), ("121", None)]
)
def test_a_server_that_asks_for_a_pause_has_it_within_a_bound(
    asked: str, seconds: float | None
) -> None:
    assert pause(1, asked) == seconds


def test_it_may_ask_by_a_date() -> None:
    soon = wait_asked(formatdate(time.time() + 60, usegmt=True))
    assert soon is not None
    assert 58 <= soon <= 60
    assert wait_asked(DAY.replace("2026", "1999")) == 0.0


@given(st.text(max_size=60))
def test_whatever_it_says_is_a_number_or_nothing(text: str) -> None:
    """Retry-After, Content-Range and the validators of anyone raise nothing."""
    seconds = wait_asked(text)
    assert seconds is None or seconds >= 0
    content_range({"content-range": text})
    validator({"etag": text, "last-modified": text, "date": text})
