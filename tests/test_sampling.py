from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sampling import Row, left_out, rows_of, sample


def rows(**counts: int) -> list[Row]:
    """A product."""
    return [
        dict(zip(counts, values, strict=True)) for values in product(*map(range, counts.values()))
    ]


@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_each_value_is_in_some_row(seed: str) -> None:
    every = rows(model=4, service=3, size=2)
    chosen = [every[number] for number in sample(every, seed)]
    assert len(chosen) <= 5
    for axis, count in {"model": 4, "service": 3, "size": 2}.items():
        assert {row[axis] for row in chosen} == set(range(count))


def test_with_pairs_each_pair_is() -> None:
    every = rows(model=4, service=8, transport=7)
    chosen = [every[number] for number in sample(every, "cell", pairs=True)]
    assert len(chosen) < len(every) / 3
    for one, other in (("model", "service"), ("model", "transport"), ("service", "transport")):
        found = {(row[one], row[other]) for row in chosen}
        assert found == {(row[one], row[other]) for row in every}


def test_which_values_meet_differs_from_test_to_test_until_all_have() -> None:
    every = rows(kind=4, face=3)
    samples = [sample(every, f"test {number}") for number in range(20)]
    assert samples == [sample(every, f"test {number}") for number in range(20)]
    assert set().union(*samples) == set(range(12))


@pytest.mark.parametrize(
    "every",
    [
        rows(model=4),
        rows(model=1, service=3),
        rows(size=4, encoding=3),
        [{"model service": number} for number in range(5)],
    ],
)
def test_what_is_no_product_of_places_is_run_whole(every: list[Row]) -> None:
    assert sample(every, "test") == set(range(len(every)))


def test_some_of_the_cases_are_run_where_a_test_says_so() -> None:
    every = rows(model=4)
    samples = [sample(every, f"test {number}", some=1) for number in range(30)]
    assert {len(one) for one in samples} == {1}
    assert set().union(*samples) == set(range(4))
    assert len(sample(rows(model=4, service=2), "test", some=1)) == 1
    assert len(sample(rows(model=4, service=2), "test", some=9)) == 4


class Planned:
    """A test as pytest plans it: its parameters, and the marks by which it has them."""

    def __init__(self, name: str, marks: list[str | tuple[str, ...]], **params: object) -> None:
        self.nodeid = f"test.py::test[{name}]"
        self.callspec = SimpleNamespace(params=params)
        self._marks = [pytest.mark.parametrize(names, []).mark for names in marks]

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self._marks if mark.name == name]

    def get_closest_marker(self, name: str) -> None:
        """It has no other marks."""


def test_parameters_of_one_list_are_one() -> None:
    cases = [("a", "x"), ("b", "x"), ("b", "y")]
    marks: list[str | tuple[str, ...]] = [("model", "service")]
    planned: Any = [Planned("", marks, model=one, service=other) for one, other in cases]
    assert rows_of(planned) == [{"model service": number} for number in range(3)]
    assert left_out(planned) == []
    marks = ["model, service", "size"]
    planned = [
        Planned("", marks, model=one, service=other, size=size)
        for (one, other), size in product(cases, (1, 2))
    ]
    assert rows_of(planned)[-1] == {"model service": 2, "size": 1}
    assert len(left_out(planned)) == 3


def test_what_is_not_parametrized_is_left_out_where_it_takes_long(
    request: pytest.FixtureRequest,
) -> None:
    assert left_out([request.node]) == []
    request.applymarker("long")
    assert left_out([request.node]) == [request.node]
