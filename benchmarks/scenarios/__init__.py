"""What is measured: one file per subject, each with a `SCENARIOS` tuple.

A new file here takes part by itself, in the order of the file names. Its servers go to
`benchmarks.servers`, and into an `Entrant` each.
"""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.model import Scenario


def all_scenarios() -> list[Scenario]:
    """Collect the scenarios of every file here."""
    found: list[Scenario] = []
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        found += importlib.import_module(info.name).SCENARIOS
    return found
