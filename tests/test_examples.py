"""Every file in examples/ runs, ends by itself, and prints what the pages say it prints."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import PROGRAMS, ROOT

EXAMPLES = ROOT / "examples"

SECONDS = 30
"""The longest an example may take."""


def complaints(example: Path, printed: str = "") -> list[str]:
    """Run an example with no arguments and nothing to read; give what breaks the convention.

    printed: what it is to print, where a page shows it.

    The convention (CONTRIBUTING.md): a docstring; exit status 0, by itself, within SECONDS; nothing
    on standard error, warnings (a socket left open, a task never awaited) included.
    """
    wrong = []
    if not ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))):
        wrong.append("has no docstring that says what it shows")
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-W", "always::ResourceWarning", str(example)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [*wrong, f"does not end within {SECONDS} s"]
    if done.returncode:
        wrong.append(f"ends with status {done.returncode}:\n{done.stderr}")
    elif done.stderr:
        wrong.append(f"complains:\n{done.stderr}")
    elif printed and done.stdout != printed:
        wrong.append(f"prints what no page says:\n{done.stdout}")
    return wrong


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(path, id=str(path.relative_to(EXAMPLES)))
        for path in sorted(EXAMPLES.rglob("*.py"))
    ],
)
def test_the_example_runs(example: Path) -> None:
    command = f"python {example.relative_to(ROOT)}"
    shown = {typed.output for typed in PROGRAMS if typed.command == command and typed.output}
    assert len(shown) <= 1, "two pages say different things"
    assert complaints(example, *shown) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("print('hello')", "has no docstring"),
        ("'A story.'\nraise SystemExit(3)", "ends with status 3"),
        ("'A story.'\nimport sys; print('oh', file=sys.stderr)", "complains:\noh"),
        ("'A story.'\nimport socket; socket.socket()", "ResourceWarning"),
        ("'A story.'\nassert input()", "EOFError"),
        ("'A story.'\nprint('another')", "prints what no page says:\nanother"),
    ],
)
def test_an_example_against_the_convention_is_caught(
    tmp_path: Path, text: str, complaint: str
) -> None:
    example = tmp_path / "example.py"
    example.write_text(text, encoding="utf-8")
    assert complaint in "".join(complaints(example, "this"))


def test_an_example_that_does_not_end_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = tmp_path / "example.py"
    example.write_text("'A story.'\nimport threading; threading.Event().wait()", encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "SECONDS", 0.5)
    assert complaints(example) == ["does not end within 0.5 s"]
