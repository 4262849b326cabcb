"""What a run says: medians with their span, and whether targets were reached.

A ratio is taken round by round, of two measurements less than a minute apart, and the median
of those is quoted; so a machine that slows down half-way changes little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.model import Metric, Target
from benchmarks.run import Outcome
from benchmarks.tables import number


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the smallest and the largest value."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Make one of at least one value."""
        return cls(median(values), min(values), max(values))

    def show(self, digits: int, unit: str = "") -> str:
        """Write `median (least-most)`; the median alone where there was one value only."""
        text = number(self.median, digits) + (f" {unit}" if unit else "")
        if self.least == self.most:
            return text
        return f"{text} ({number(self.least, digits)} to {number(self.most, digits)})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target with what was measured for it. value: None where something was not measured."""

    target: Target
    value: Spread | None

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None when nobody knows."""
        if self.value is None:
            return None
        if self.target.at_least:
            return self.value.median >= self.target.limit
        return self.value.median <= self.target.limit

    def row(self) -> list[str]:
        """Write it for a table: text, measured, limit, verdict."""
        target = self.target
        unit, digits = target.unit, 2 if target.unit else 3
        word = "at least" if target.at_least else "at most"
        limit = f"{word} {number(target.limit, digits)} {unit}".rstrip()
        said = {None: "not measured", True: "reached", False: "not reached"}[self.reached]
        return [target.text, self.value.show(digits, unit) if self.value else "-", limit, said]


def spread(outcome: Outcome, name: str, metric: Metric) -> Spread:
    """Sum up one metric of one entrant."""
    return Spread.of([sample[metric.key] for sample in outcome.samples[name]])


def table(outcome: Outcome) -> tuple[list[str], list[list[str]]]:
    """Make heading and rows of a scenario's table."""
    metrics = outcome.scenario.metrics
    rows = [
        [entrant.title, *(spread(outcome, entrant.name, m).show(m.digits) for m in metrics)]
        for entrant in outcome.measured()
    ]
    return ["", *(metric.title for metric in metrics)], rows


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Compare what was measured with the scenario's targets."""
    return [Verdict(target, _measured(outcome, target)) for target in outcome.scenario.targets]


def _measured(outcome: Outcome, target: Target) -> Spread | None:
    names = [target.ours, *([target.beside] if target.beside else [])]
    if not all(name in outcome.samples for name in names):
        return None
    columns = [[s[target.metric] for s in outcome.samples[name]] for name in names]
    if not target.beside:
        return Spread.of(columns[0])
    return Spread.of([ours / theirs for ours, theirs in zip(*columns, strict=True)])
