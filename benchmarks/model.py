"""The words of the harness: what is measured, on whom, and what is to be reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Bench

Sample = dict[str, float]
"""What one entrant gave in one round: metric key -> value."""


class MeasureError(Exception):
    """A measurement that could not be made. The text is one line that says why."""


class Absent(MeasureError):
    """An entrant cannot take part on this machine. The text says what is missing."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of a scenario's table.

    title: the heading, unit included.
    digits: decimals to show.
    """

    key: str
    title: str
    digits: int


@dataclass(frozen=True, slots=True)
class Entrant:
    """One server that takes part.

    module: started as `python -m MODULE PORT [VARIANT]`; empty for the one built from C.
    needs: modules that must be importable. tools: commands that must be installed.
    ours: whether it is Jackfield, which the picture shows in colour.
    tls_needs: modules it needs beyond those for TLS.
    """

    name: str
    title: str
    module: str = ""
    variant: str = ""
    needs: tuple[str, ...] = ()
    ours: bool = False
    tls_needs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: a metric of `ours`, alone or as a ratio to `beside`.

    limit: the largest value that reaches it; the smallest, where `at_least`.
    unit: what follows the value, where it is not a ratio.
    """

    text: str
    metric: str
    ours: str
    limit: float
    beside: str = ""
    unit: str = ""
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to measure on every entrant.

    about: how it is measured, for the page; one paragraph.
    measure: runs one round of one entrant; raises MeasureError, or Absent.
    rounds: how many of them, unless the caller asks for another number.
    chart: the metric the picture shows.
    """

    name: str
    title: str
    about: str
    metrics: tuple[Metric, ...]
    entrants: tuple[Entrant, ...]
    measure: Callable[[Bench, Entrant], Awaitable[Sample]]
    chart: str
    targets: tuple[Target, ...] = ()
    rounds: int = 5
