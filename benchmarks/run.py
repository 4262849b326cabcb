"""Run scenarios: interleaved rounds, since machines change under one's hands and ratios do not.

One round is every entrant once, each with a server process of its own; then comes the next
round. What belongs to one round can be divided by each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.bench import Bench
from benchmarks.model import Absent, Entrant, MeasureError, Sample, Scenario
from benchmarks.tables import heading_line, sample_line


@dataclass(slots=True)
class Outcome:
    """What a scenario gave.

    samples: entrant's name -> one Sample per round; all of the same length.
    absent: entrant's name -> what it lacks on this machine.
    failed: entrant's name -> why it could not be measured to the end.
    """

    scenario: Scenario
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def measured(self) -> list[Entrant]:
        """List the entrants there are numbers of."""
        return [entrant for entrant in self.scenario.entrants if entrant.name in self.samples]


async def run_scenario(
    bench: Bench, scenario: Scenario, rounds: int, only: Sequence[str] = ()
) -> Outcome:
    """Measure, and print each number as it comes.

    only: names of the entrants to measure; all when empty.
    """
    outcome = Outcome(scenario)
    print(f"\n{scenario.title} ({scenario.name})")
    print(heading_line(scenario.metrics), flush=True)
    for number in range(1, rounds + 1):
        for entrant in scenario.entrants:
            if only and entrant.name not in only:
                continue
            if entrant.name not in outcome.absent and entrant.name not in outcome.failed:
                await _one_round(bench, outcome, entrant, f"{number}/{rounds}")
    return outcome


async def _one_round(bench: Bench, outcome: Outcome, entrant: Entrant, label: str) -> None:
    name = entrant.name
    try:
        sample = await outcome.scenario.measure(bench, entrant)
    except MeasureError as error:
        # Fewer rounds than the others have would leave nothing to divide by each other.
        outcome.samples.pop(name, None)
        (outcome.absent if isinstance(error, Absent) else outcome.failed)[name] = str(error)
        verb = "skipped" if isinstance(error, Absent) else "failed"
        print(f"  {label} {name} {verb}: {error}", flush=True)
    else:
        outcome.samples.setdefault(name, []).append(sample)
        print(sample_line(f"{label} {name}", outcome.scenario.metrics, sample), flush=True)
