"""Some rounds of scripts/durability.py: what was acknowledged outlives `kill -9` and power cuts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "durability.py"


@pytest.mark.some(1)
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("kills", "cuts", "what"), [(5, 0, "5 kills"), (0, 5, "5 power cuts")], ids=["kills", "cuts"]
)
def test_nothing_acknowledged_is_lost(kills: int, cuts: int, what: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(kills), str(cuts)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "left out" in done.stdout:
        pytest.skip(done.stdout.splitlines()[-1])
    assert f"{what}: acknowledged and missing 0, twice 0, out of order 0" in done.stdout, (
        done.stdout + done.stderr
    )
    assert done.returncode == 0
