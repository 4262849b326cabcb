"""What a tool has found, on a screen or as JSON.

The rules this file owns:

1. Lines have 80 columns at the most, or what the terminal has if that is less; a word that is
   longer is not cut.
2. Colour is for a terminal alone, and says nothing that the text does not.
3. As JSON, a thing is an object with the names of its attributes, always all of them.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from itertools import islice
from typing import Any

import click

from jackfield.net import stdio
from jackfield.visible import printable, wants_colour, width

COLUMNS = 80
LABEL = 11
"""Columns of a label and the gap behind it."""

_AT_ONCE = 500  # lines

_PLACES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)


def echo(lines: Iterable[str]) -> None:
    """Print lines; their colour is left out where it is not wanted. Raises LocalError.

    Whoever reads no more ends it.
    """
    colour = wants_colour(sys.stdout)
    rest = iter(lines)
    while some := list(islice(rest, _AT_ONCE)):
        text = "".join(f"{line}\n" for line in some)
        if not stdio.put(text if colour else click.unstyle(text)):
            raise click.exceptions.Exit(1)


def echo_json(value: Any) -> None:
    """Print a value as JSON. Raises LocalError."""
    echo([json.dumps(plain(value), indent=1)])


def plain(value: Any) -> Any:
    """Give a value as JSON has it."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, _PLACES) else value


def head(text: str) -> str:
    """Give a line that begins something."""
    return click.style(printable(text), bold=True)


def dim(text: str) -> str:
    """Give text of less weight."""
    return click.style(text, dim=True)


def fact(label: str, text: str, *, indent: int = 2, columns: int = LABEL) -> list[str]:
    """Give a label and what it is about, in as many lines as that needs."""
    start, label = indent + columns, printable(label)
    if max(map(width, text.split()), default=0) > COLUMNS - start:  # it gets lines of its own
        start = indent + 2
        return [f"{' ' * indent}{dim(label)}", *paragraph(text, start)]
    first, *more = wrapped(text, start) or [""]
    if width(label) >= columns:  # so does the label
        first, more = "", [first, *more]
    gap = " " * max(1, columns - width(label))
    line = f"{' ' * indent}{dim(label)}{gap}{first}".rstrip()
    return [line, *(" " * start + one for one in more)]


def wrapped(text: str, indent: int) -> list[str]:
    """Cut text into lines that fit beside an indentation, which they do not have."""
    room = max(20, min(COLUMNS, stdio.columns(stdio.STDOUT)) - indent)
    return textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False)


def paragraph(text: str, indent: int = 0) -> list[str]:
    """Give text in lines."""
    return [" " * indent + line for line in wrapped(text, indent)]


def counted(number: int, one: str, more: str = "") -> str:
    """Say how many there are; large powers of two as such."""
    if number > 1 << 32 and number.bit_count() == 1:
        return f"2^{number.bit_length() - 1} {more or one + 's'}"
    return f"{number:,} {one if number == 1 else more or one + 's'}"
