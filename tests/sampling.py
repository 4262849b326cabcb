"""Which rows of a parametrized test stand for the others: what `pytest --sample` runs.

Most of the suite's tests ask the same of every transport, model and kind of handler, which is a
product, and products grow. A sample of one has every value of every parameter in some row; which
values meet there differs from test to test, and is the same in each run. Of a test that is marked
with `pairs`, each pair of values meets in some row.

A list of cases is no product, and neither is one parameter alone: of those all rows are run. A test
that is marked with `some(count)`, as one is that takes long and whose rows are much alike, has no
more rows than that in a sample, product or not.
A test that is marked with `long` is in no sample: it takes seconds, and what it looks at changes
seldom.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from random import Random

import pytest

PLACES = frozenset({"face", "kind", "model", "scheme", "service", "transport", "url"})
"""Parameters that say where a test runs. Only a product in which one of them varies is sampled."""

Row = dict[str, int]
"""Of each parameter, which of its values; parameters of one list of cases are one, named by all."""


def left_out(items: Sequence[pytest.Function]) -> list[pytest.Function]:
    """Give the tests for which others stand."""
    tests: dict[str, list[pytest.Function]] = {}
    for item in items:
        if hasattr(item, "callspec"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    out = [item for item in items if item.get_closest_marker("long")]
    for name, group in tests.items():
        pairs = group[0].get_closest_marker("pairs") is not None
        some = group[0].get_closest_marker("some")
        kept = sample(rows_of(group), name, pairs=pairs, some=some and some.args[0])
        out += [item for number, item in enumerate(group) if number not in kept]
    return out


def rows_of(group: Sequence[pytest.Function]) -> list[Row]:
    """Give the rows of one test."""
    together: dict[str, str] = {}
    for mark in group[0].iter_markers("parametrize"):
        names = mark.args[0]
        listed = names.split(",") if isinstance(names, str) else names
        together |= {name.strip(): " ".join(map(str.strip, listed)) for name in listed}
    seen: dict[str, dict[Hashable, int]] = {}
    rows = []
    for item in group:
        values: dict[str, list[int]] = {}
        for name, value in sorted(item.callspec.params.items()):
            values.setdefault(together.get(name, name), []).append(id(value))
        row = {}
        for axis, found in values.items():
            numbers = seen.setdefault(axis, {})
            row[axis] = numbers.setdefault(tuple(found), len(numbers))
        rows.append(row)
    return rows


def sample(
    rows: Sequence[Row], seed: str, *, pairs: bool = False, some: int | None = None
) -> set[int]:
    """Give the numbers of the rows to run: of what is no product all, but no more than `some`.

    seed: the name of the test, which chooses between rows that are as good.
    """
    every = set(range(len(rows)))
    order = list(every)
    Random(seed).shuffle(order)
    counts = {axis: len({row[axis] for row in rows}) for axis in rows[0]}
    axes = [axis for axis, count in counts.items() if count > 1]
    places = {name for axis in axes for name in axis.split()}
    if len(rows) <= max(counts.values()) or PLACES.isdisjoint(places):
        return set(order[:some])
    shown = [set(combinations(((axis, row[axis]) for axis in axes), 1 + pairs)) for row in rows]
    lacking = set().union(*shown)
    chosen: set[int] = set()
    while lacking and (some is None or len(chosen) < some):
        best = max(order, key=lambda number: len(shown[number] & lacking))
        chosen.add(best)
        lacking -= shown[best]
    return chosen
