"""Some rounds of scripts/moving.py: after `kill -9` and power cuts a file is whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "moving.py"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("server", "client", "cuts", "what"),
    [
        (4, 0, 0, "4 kills of the server"),
        (0, 4, 0, "4 kills of the client"),
        (0, 0, 3, "3 power cuts"),
    ],
    ids=["server", "client", "cuts"],
)
@pytest.mark.some(1)
def test_no_file_is_ever_half_there(server: int, client: int, cuts: int, what: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(server), str(client), str(cuts)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "left out" in done.stdout:
        pytest.skip(done.stdout.splitlines()[-1])
    said = done.stdout + done.stderr
    assert done.stdout.startswith(what), said
    assert "half-written or other than was put 0, acknowledged and missing 0\n" in said, said
    assert done.returncode == 0, said
