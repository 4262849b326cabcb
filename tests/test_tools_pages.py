"""The pages on tools show what the commands print here and now, where they show any of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, Typed, name_of, ours, typed

NAMES = ("addresses-and-networks", "ports", "families")
PAGES = {ROOT / f"docs/how-to/{name}.md" for name in NAMES}
SHOWN = [shown for shown in typed() if shown.page in PAGES and ours(shown)]


@pytest.mark.parametrize("shown", [pytest.param(s, id=name_of(s)) for s in SHOWN])
def test_a_command_prints_what_the_page_says(shown: Typed) -> None:
    """A line of three dots stands for lines that are different everywhere."""
    if shown.page.stem == "ports" and not Path("/etc/services").exists():
        pytest.skip("this system has no list of services")
    words = ours(shown)
    assert words is not None
    done = subprocess.run(
        [sys.executable, "-m", "jackfield", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=50,
        check=False,
    )
    assert "Traceback" not in done.stdout
    assert done.returncode in {0, 1} or done.stdout.startswith("jackfield: ")
    pattern = re.escape(shown.output).replace(re.escape("...\n"), "(?:.*\n)*")
    assert done.stdout
    assert not shown.output or re.fullmatch(pattern, done.stdout)
