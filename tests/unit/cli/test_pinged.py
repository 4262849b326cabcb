from __future__ import annotations

import pytest

from jackfield.cli import pinged
from jackfield.cli.pinged import milliseconds, picture
from jackfield.tools.pinging.tally import Tally


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00"),
        (0.0000512, "0.05"),
        (0.009994, "9.99"),
        (0.009996, "10.0"),
        (0.0999, "99.9"),
        (0.09996, "100"),
        (1.2345, "1234"),
    ],
)
def test_times_have_three_digits_that_count(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("lost", "of", "text"),
    [
        (0, 5, "0%"),
        (1, 4, "25%"),
        (5, 5, "100%"),
        (1, 1000, "0.1%"),
        (1, 100_000, "<0.1%"),
        (99_999, 100_000, ">99.9%"),
        (999, 1000, "99.9%"),
        (0, 0, "0%"),
    ],
)
def test_a_loss_is_never_shown_as_none_or_all_when_it_is_not(lost: int, of: int, text: str) -> None:
    tally = Tally()
    tally.over, tally.answered = of, of - lost
    assert pinged._share(tally) == text


def test_a_picture_goes_up_to_the_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinged, "output_encoding", lambda: "utf-8")
    assert picture([0.0, 0.1, 0.5, 1.0], 10) == "▁▁▄█"
    assert picture([0.1, 0.2, 0.4], 2) == "▄█"
    assert picture([0.1], 0) == picture([0.1], -3) == picture([], 5) == ""
    assert "×" in picture([None, 0.1], 5)
    monkeypatch.setattr(pinged, "output_encoding", lambda: "ascii")
    assert picture([0.0, 1.0], 10) == "_#"
    assert "!" in picture([None], 10)


def test_a_line_that_is_painted_takes_one_row() -> None:
    assert pinged._fitting("\x1b[1mabc\x1b[0m", 3) == "\x1b[1mabc\x1b[0m"
    assert pinged._fitting("\x1b[1mabcd\x1b[0m", 3) == "abc"
