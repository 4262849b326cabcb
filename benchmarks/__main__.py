"""Measure Jackfield beside others, on one machine, in about an hour.

    python -m benchmarks                     everything; writes docs/benchmarks.md and pictures
    python -m benchmarks --quick             a smoke run: does all of it still work?
    python -m benchmarks --scenario echo-16 --only jackfield-reply uvloop-streams

`make bench` does the first. A run of a part, with --rounds, or without Jackfield itself leaves
docs/ alone unless `--docs DIR` says where to write. Exit status: 0, also when somebody is not
installed and left out; 1 when a measurement failed; 2 for wrong usage. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.bench import Bench, Settings, build, find_compiler, make_certificate
from benchmarks.machine import choose_cores, describe
from benchmarks.model import MeasureError, Scenario
from benchmarks.report import Report
from benchmarks.run import run_scenario
from benchmarks.scenarios import all_scenarios

DOCS = Path(__file__).parents[1] / "docs"
QUICK = Settings(warm=0.05, seconds=0.1, idle=50, settle=0.1)


def read_arguments(scenarios: list[Scenario]) -> argparse.Namespace:
    """Read and check the command line."""
    entrants = sorted({entrant.name for scenario in scenarios for entrant in scenario.entrants})
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scenario",
        nargs="+",
        metavar="NAME",
        choices=[scenario.name for scenario in scenarios],
        help="measure these: " + ", ".join(scenario.name for scenario in scenarios),
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        default=[],
        choices=entrants,
        help="measure these servers: " + ", ".join(entrants),
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds of each scenario")
    parser.add_argument("--quick", action="store_true", help="one round, a fraction of a second")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="write page and pictures there")
    found = parser.parse_args()
    if found.rounds is not None and found.rounds < 1:
        parser.error(f"--rounds is {found.rounds}, but there is at least 1")
    return found


async def measure(arguments: argparse.Namespace, chosen: list[Scenario], folder: Path) -> Report:
    """Prepare and run the chosen scenarios."""
    cores = choose_cores()
    compiler = find_compiler()
    settings = QUICK if arguments.quick else Settings()
    stop_at_sigterm()
    try:
        if compiler:
            build(compiler, folder)
    except MeasureError as error:
        print(f"{error}\nThe C programs could not be built; the load is the one in Python.")
    make_certificate(folder)
    bench = Bench(settings, cores, folder)
    load = "a small C program with epoll" if bench.compiled else "a Python program on asyncio"
    report = Report(describe(cores, compiler), load, settings.seconds, [])
    if arguments.quick:
        report.machine["Run"] = "quick: a smoke run, whose numbers mean nothing"
    for heading, value in report.machine.items():
        print(f"{heading}: {value}")
    print(f"Load: {load}")
    for scenario in chosen:
        rounds = arguments.rounds or (1 if arguments.quick else scenario.rounds)
        outcome = await run_scenario(bench, scenario, rounds, arguments.only)
        report.outcomes.append(outcome)
        report.print_table(outcome)
    return report


def stop_at_sigterm() -> None:
    """Let SIGTERM end the servers too, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def main() -> int:
    """Do what the command line says; give the exit status."""
    if sys.platform != "linux":
        print("benchmarks need Linux: they read /proc and pin processes to cores", file=sys.stderr)
        return 1
    scenarios = all_scenarios()
    arguments = read_arguments(scenarios)
    chosen = [s for s in scenarios if not arguments.scenario or s.name in arguments.scenario]
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(measure(arguments, chosen, Path(folder)))
    except MeasureError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except asyncio.CancelledError:
        return 143
    report.print_end()
    if arguments.json:
        arguments.json.write_text(report.as_json() + "\n")
    whole = not (arguments.quick or arguments.only or arguments.scenario or arguments.rounds)
    if arguments.docs or (whole and report.has_ours):
        for path in report.write_page(arguments.docs or DOCS):
            print(f"wrote {path}")
    elif whole:
        print("docs/ is left alone: its page needs Jackfield's own numbers in every scenario")
    return 1 if any(outcome.failed for outcome in report.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
