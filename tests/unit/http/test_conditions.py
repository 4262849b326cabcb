from __future__ import annotations

import pytest

from jackfield.http.conditions import accepts, judge, wanted_range

TAG = '"abc"'
WHEN = 1_000_000_000.5  # 2001-09-09 01:46:40
AT = "Sun, 09 Sep 2001 01:46:40 GMT"
BEFORE = "Sun, 09 Sep 2001 01:46:39 GMT"
AFTER = "Sun, 09 Sep 2001 01:46:41 GMT"


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "go on"),
        ({"if-none-match": TAG}, "not modified"),
        ({"if-none-match": "W/" + TAG}, "not modified"),
        ({"if-none-match": '"x", W/"y" ,"abc"'}, "not modified"),
        ({"if-none-match": "*"}, "not modified"),
        ({"if-none-match": '"x"'}, "go on"),
        ({"if-none-match": "abc"}, "go on"),
        ({"if-none-match": ""}, "go on"),
        ({"if-match": TAG}, "go on"),
        ({"if-match": "*"}, "go on"),
        ({"if-match": '"x", "abc"'}, "go on"),
        ({"if-match": "W/" + TAG}, "failed"),
        ({"if-match": '"x"'}, "failed"),
        ({"if-match": ""}, "failed"),
        ({"if-modified-since": AT}, "not modified"),
        ({"if-modified-since": AFTER}, "not modified"),
        ({"if-modified-since": BEFORE}, "go on"),
        ({"if-modified-since": "Sunday, 09-Sep-01 01:46:40 GMT"}, "not modified"),
        ({"if-modified-since": "Sun Sep  9 01:46:40 2001"}, "not modified"),
        ({"if-modified-since": "soon"}, "go on"),
        ({"if-unmodified-since": AT}, "go on"),
        ({"if-unmodified-since": AFTER}, "go on"),
        ({"if-unmodified-since": BEFORE}, "failed"),
        ({"if-unmodified-since": "soon"}, "go on"),
        # In the order of RFC 9110, section 13.2.2: tags before dates.
        ({"if-none-match": '"x"', "if-modified-since": AFTER}, "go on"),
        ({"if-none-match": TAG, "if-modified-since": BEFORE}, "not modified"),
        ({"if-match": TAG, "if-unmodified-since": BEFORE}, "go on"),
        ({"if-match": '"x"', "if-none-match": TAG}, "failed"),
        ({"if-match": TAG, "if-none-match": TAG}, "not modified"),
        ({"if-unmodified-since": BEFORE, "if-none-match": TAG}, "failed"),
    ],
)
def test_conditions(fields: dict[str, str], verdict: str) -> None:
    assert judge("GET", fields, TAG, WHEN) == judge("HEAD", fields, TAG, WHEN) == verdict
    also = "failed" if "if-none-match" in fields and verdict == "not modified" else verdict
    if "if-modified-since" not in fields:  # which is of no consequence for other methods
        assert judge("PUT", fields, TAG, WHEN) == also


def test_modified_since_is_for_reading_alone() -> None:
    assert judge("PUT", {"if-modified-since": AFTER}, TAG, WHEN) == "go on"


def test_a_weak_tag_is_never_strongly_alike() -> None:
    assert judge("GET", {"if-match": 'W/"a"'}, 'W/"a"', WHEN) == "failed"
    assert judge("GET", {"if-none-match": 'W/"a"'}, 'W/"a"', WHEN) == "not modified"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-11", (0, 10)),
        ("bytes=0-9", (0, 10)),
        ("bytes=0-10", (0, 10)),
        ("bytes=9-9999999999999999999", (9, 10)),
        (" Bytes=1-1 ", (1, 2)),
        ("bytes=10-", "beyond"),
        ("bytes=10-20", "beyond"),
        ("bytes=-0", "beyond"),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=4-2", None),
        ("bytes=1-2,4-5", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes= 1-2", None),
        ("bytes 1-2", None),
        ("lines=1-2", None),
        ("", None),
    ],
)
def test_ranges(asked: str, part: object) -> None:
    assert wanted_range({"range": asked}, 10, TAG, WHEN) == part


def test_of_nothing_there_is_no_part() -> None:
    assert wanted_range({"range": "bytes=0-"}, 0, TAG, WHEN) == "beyond"
    assert wanted_range({"range": "bytes=-5"}, 0, TAG, WHEN) == "beyond"


@pytest.mark.parametrize(
    ("validator", "holds"),
    [
        (TAG, True),
        (f" {TAG} ", True),
        (AT, True),
        ('"x"', False),
        ("W/" + TAG, False),
        (BEFORE, False),
        (AFTER, False),
        ("abc", False),
        ("*", False),
        ("", False),
    ],
)
def test_if_range(validator: str, holds: bool) -> None:
    fields = {"range": "bytes=0-0", "if-range": validator}
    assert wanted_range(fields, 10, TAG, WHEN) == ((0, 1) if holds else None)


def test_if_range_with_a_weak_tag_of_ours() -> None:
    fields = {"range": "bytes=0-0", "if-range": 'W/"a"'}
    assert wanted_range(fields, 10, 'W/"a"', WHEN) is None


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, br", True),
        ("br , gzip;q=0.5", True),
        ("gzip;q=1", True),
        ("gzip;q=0.001", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip;q=0.000", False),
        ("gzip ; q=0", False),
        ("gzip;Q=0", False),
        ("gzip; q = 0", False),
        ("gzip;q=0, *", False),
        ("*, gzip;q=0", False),
        ("*;q=0, gzip", True),
        ("*;q=0", False),
        ("br", False),
        ("identity", False),
        ("gzipped", False),
        ("x-gzip", False),
        ("", False),
        (",,;;", False),
    ],
)
def test_codings(said: str, taken: bool) -> None:
    assert accepts({"accept-encoding": said}, "gzip") is taken


def test_who_says_nothing_takes_none() -> None:
    assert not accepts({}, "gzip")
