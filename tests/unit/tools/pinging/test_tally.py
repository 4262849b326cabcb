from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.tools.pinging.tally import MOST_TROUBLES, RECENT, Tally


def test_nothing_is_known_before_anything_came() -> None:
    tally = Tally()
    assert (tally.least, tally.mean, tally.most, tally.deviation) == (None, None, None, None)
    assert (tally.lost, tally.loss) == (0, 0.0)


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=200))
def test_times_are_what_statistics_says(times: list[float]) -> None:
    """Mean and deviation, kept while times come in, are those of all of them at once."""
    tally = Tally()
    for time in times:
        tally.answer(time)
    assert tally.least == min(times)
    assert tally.most == max(times)
    assert tally.mean == pytest.approx(statistics.fmean(times))
    assert tally.deviation == pytest.approx(statistics.pstdev(times), rel=1e-6, abs=1e-9)
    assert list(tally.recent) == times[-RECENT:]


def test_what_is_over_without_an_answer_is_lost() -> None:
    tally = Tally()
    tally.sent = 4
    tally.answer(0.1)
    tally.lose()
    tally.trouble("no route", "192.0.2.1")
    assert (tally.lost, tally.over) == (2, 3)
    assert tally.loss == pytest.approx(2 / 3)
    assert list(tally.recent) == [0.1, None, None]
    assert tally.troubles == {("no route", "192.0.2.1"): 1}


def test_kinds_of_trouble_have_a_bound() -> None:
    tally = Tally()
    for number in range(1000):
        tally.trouble("no route", f"router {number}")
    assert len(tally.troubles) == MOST_TROUBLES
    assert tally.troubles.total() == 1000
