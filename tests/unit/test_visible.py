from __future__ import annotations

import io

import pytest

from jackfield.visible import (
    escaped,
    first_columns,
    last_columns,
    printable,
    wants_colour,
    width,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 世界 é\t\n", "plain 世界 é\t\n"),
        ("\u3000 \xa0 \u200d \u200c", "\u3000 \xa0 \u200d \u200c"),
        ("\x00\x07\x1b[31m\r\x7f", "\\x00\\x07\\x1b[31m\\r\\x7f"),
        ("\x9b1m", "\\x9b1m"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_steers_a_terminal_or_hides_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("世界", 4),
        ("e\u0301", 1),
        ("ｱA", 2),
        ("Ａ", 2),
        ("\x1b[1;31mred\x1b[0m", 3),
        ("\x1b[1m世\x1b[m", 2),
    ],
)
def test_columns_are_counted_as_terminals_count_them(text: str, columns: int) -> None:
    assert width(text) == columns


def test_parts_that_fit() -> None:
    assert last_columns("a世界", 3) == "界"
    assert last_columns("a世界", 4) == "世界"
    assert last_columns("a世界", 9) == "a世界"
    assert first_columns("世界a", 3) == "世"
    assert first_columns("世界a", 9) == "世界a"
    assert first_columns("世", 0) == last_columns("世", 0) == ""


def test_what_is_one_line_stays_one() -> None:
    evil = "\x1b]0;owned\x07\n12:00:00 stopped\r"
    assert printable(evil) == r"\x1b]0;owned\x07\n12:00:00 stopped\r"
    assert printable("plain 世界 é") == "plain 世界 é"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colour_is_for_a_terminal_that_has_not_been_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal())
    assert not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_colour(Terminal())  # empty is as good as not set, says no-color.org
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())
