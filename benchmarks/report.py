"""Give a run's numbers out: on the terminal, as JSON, and as a page with pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chart import Bar, draw
from benchmarks.model import Metric, Scenario
from benchmarks.run import Outcome
from benchmarks.summary import spread, table, verdicts
from benchmarks.tables import for_markdown, for_terminal

TARGETS = ["target", "measured", "limit", ""]

INTRODUCTION = """\
# Benchmarks

Made by `make bench`; nothing on this page is written by hand.

Server and load are pinned to a core each, where there are two. The servers take turns: every
one is measured once, {seconds:g} s long and in a fresh process, then the next round begins.
Numbers are medians over the rounds, with the smallest and the largest one in brackets; a ratio
is the median of the rounds' ratios, which a machine that speeds up or slows down in between
hardly changes. Other machines give other numbers, and about the same ratios.

Where a section names no other, the load is {load}. It compares every byte that comes
back with what it sent."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run gave.

    machine: heading -> what to say about it.
    load: what the load is. seconds: how long one measurement of it lasts.
    """

    machine: dict[str, str]
    load: str
    seconds: float
    outcomes: list[Outcome]

    @property
    def has_ours(self) -> bool:
        """Whether there are numbers of Jackfield itself in every scenario."""
        return all(any(e.ours for e in outcome.measured()) for outcome in self.outcomes)

    def print_table(self, outcome: Outcome) -> None:
        """Show one scenario's table."""
        heading, rows = table(outcome)
        if rows:
            print("\n" + for_terminal(heading, rows), flush=True)

    def print_end(self) -> None:
        """Show the targets."""
        rows = [verdict.row() for outcome in self.outcomes for verdict in verdicts(outcome)]
        if rows:
            print("\nTargets\n" + for_terminal(TARGETS, rows))

    def as_json(self) -> str:
        """Write everything, single rounds included."""
        return json.dumps(
            {
                "machine": self.machine,
                "load": self.load,
                "seconds": self.seconds,
                "scenarios": {o.scenario.name: _outcome_json(o) for o in self.outcomes},
            },
            indent=2,
        )

    def write_page(self, docs: Path) -> list[Path]:
        """Write docs/benchmarks.md and a picture per scenario; give what was written."""
        folder = docs / "benchmarks"
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for outcome in self.outcomes:
            if outcome.measured():
                picture = folder / f"{outcome.scenario.name}.svg"
                picture.write_text(_picture(outcome))
                written.append(picture)
        page = docs / "benchmarks.md"
        page.write_text(self._page())
        return [page, *written]

    def _page(self) -> str:
        rows = [verdict.row() for outcome in self.outcomes for verdict in verdicts(outcome)]
        parts = [
            INTRODUCTION.format(load=self.load, seconds=self.seconds),
            for_markdown(["", ""], list(self.machine.items()), right=False),
            "## Targets",
            for_markdown(TARGETS, rows, right=False),
        ]
        for outcome in self.outcomes:
            parts += _section(outcome)
        return "\n\n".join(parts) + "\n"


def _section(outcome: Outcome) -> list[str]:
    scenario = outcome.scenario
    parts = [f"## {scenario.title}"]
    parts.append(f"{scenario.about} Rounds: {max(map(len, outcome.samples.values()), default=0)}.")
    if outcome.measured():
        chart = _charted(scenario)
        heading, rows = table(outcome)
        parts.append(f"![{scenario.title}: {chart.title}](benchmarks/{scenario.name}.svg)")
        parts.append(for_markdown(heading, rows))
    if missing := _missing(outcome):
        parts.append("\n".join(f"- {line}" for line in missing))
    return parts


def _missing(outcome: Outcome) -> list[str]:
    titles = {entrant.name: entrant.title for entrant in outcome.scenario.entrants}
    return [
        *(f"{titles[name]} was left out: {why}" for name, why in outcome.absent.items()),
        *(f"{titles[name]} failed: {why}" for name, why in outcome.failed.items()),
    ]


def _charted(scenario: Scenario) -> Metric:
    return next(metric for metric in scenario.metrics if metric.key == scenario.chart)


def _picture(outcome: Outcome) -> str:
    metric = _charted(outcome.scenario)
    bars = [
        Bar(entrant.title, spread(outcome, entrant.name, metric), entrant.ours)
        for entrant in outcome.measured()
    ]
    return draw(outcome.scenario.title, metric.title, metric.digits, bars)


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    return {
        "title": outcome.scenario.title,
        "samples": outcome.samples,
        "absent": outcome.absent,
        "failed": outcome.failed,
        "targets": [
            {
                "text": verdict.target.text,
                "limit": verdict.target.limit,
                "measured": verdict.value.median if verdict.value else None,
                "reached": verdict.reached,
            }
            for verdict in verdicts(outcome)
        ],
    }
