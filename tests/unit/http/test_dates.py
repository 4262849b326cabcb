from __future__ import annotations

import time

import pytest

from jackfield.http import dates


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",  # the three forms of RFC 9110, section 5.6.7
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_each_form_is_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dates.read(text) == 784111777
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert dates.read(text) == 784111777
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "Sun, 36 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT" + " " * 60,
        "\0",
        "Sun, 06 Nov 1994 08:49:37 +9999999",
    ],
)
def test_what_is_none_is_none(text: str) -> None:
    assert dates.read(text) is None


def test_what_is_written_is_read() -> None:
    for seconds in (0.0, 784111777.9, 4102444800.0):
        assert dates.read(dates.written(seconds)) == int(seconds)
    assert dates.written(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert dates.written(1e18) == "Fri, 31 Dec 9999 23:59:59 GMT"
    assert dates.written(-1e18) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_the_time_now_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 784111777.1)
    assert dates.now_line() == "Sun, 06 Nov 1994 08:49:37 GMT"
    first = dates.now_field()
    assert first == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert dates.now_field() is first
    monkeypatch.setattr("time.time", lambda: 784111778.0)
    assert dates.now_line().endswith("08:49:38 GMT")
