"""What tests of the local authority share: machines to be at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Home = Callable[[str], Path]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Go to a machine, by its name: the folder of its authority."""

    def go(name: str) -> Path:
        monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path / name))
        return tmp_path / name / "authority"

    go("here")
    return go


@pytest.fixture
def here(at: Home) -> Path:
    return at("here")
