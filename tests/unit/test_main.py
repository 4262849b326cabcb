"""`python -m jackfield` and the command `jackfield`, before anything is loaded."""

from __future__ import annotations

import sys

import pytest

from jackfield import __main__ as command
from jackfield.version import __version__


def test_the_version_is_told_without_click(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["jackfield", "--version"])
    monkeypatch.setitem(sys.modules, "jackfield.cli.main", None)
    assert command.main() == 0
    assert capsys.readouterr().out == f"jackfield {__version__}\n"


def test_all_else_is_the_commands_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["jackfield", "xyzzy"])
    assert command.main() == 2


def test_ctrl_c_before_anything_has_begun_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("jackfield.cli.main.run", interrupted)
    monkeypatch.setattr(sys, "argv", ["jackfield", "up"])
    assert command.main() == 130
