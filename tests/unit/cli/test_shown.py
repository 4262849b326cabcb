from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_interface, ip_network

import click
import pytest

from jackfield.cli.shown import counted, fact, paragraph, plain
from jackfield.net import stdio


class Colour(Enum):
    RED = "red"


@dataclass
class Thing:
    name: str
    colours: tuple[Colour, ...]
    more: dict[str, object]


def test_things_become_json() -> None:
    thing = Thing("x", (Colour.RED,), {"at": ip_address("::1"), "none": None, "yes": True})
    assert plain([thing, ip_network("10.0.0.0/8"), ip_interface("10.0.0.1/8"), 1 << 64]) == [
        {"name": "x", "colours": ["red"], "more": {"at": "::1", "none": None, "yes": True}},
        *("10.0.0.0/8", "10.0.0.1/8", 1 << 64),
    ]


def plainly(lines: list[str]) -> list[str]:
    return [click.unstyle(line) for line in lines]


def test_a_fact_is_wrapped_beside_its_label() -> None:
    assert plainly(fact("label", "a word or two")) == ["  label      a word or two"]
    lines = plainly(fact("label", "word " * 20))
    assert len(lines) == 2
    assert lines[1].startswith("             word")
    assert max(map(len, lines)) <= 80
    assert plainly(fact("label", "")) == ["  label"]


def test_what_is_too_long_gets_lines_of_its_own() -> None:
    assert plainly(fact("label", "x" * 75)) == ["  label", f"    {'x' * 75}"]
    assert plainly(fact("a long label", "text")) == ["  a long label", "             text"]


def test_a_narrow_terminal_gets_short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "columns", lambda _: 40)
    assert max(map(len, plainly(fact("label", "word " * 20)))) <= 40
    monkeypatch.setattr(stdio, "columns", lambda _: 5)
    assert paragraph("word " * 5) == ["word word word word", "word"]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert plainly(fact("a\x1b", "b\x1b[2J")) == ["  a\\x1b      b\\x1b[2J"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bits"),
        (1, "1 bit"),
        (4096, "4,096 bits"),
        (1 << 32, "4,294,967,296 bits"),
        (1 << 64, "2^64 bits"),
    ],
)
def test_counts_are_told(number: int, text: str) -> None:
    assert counted(number, "bit") == text
