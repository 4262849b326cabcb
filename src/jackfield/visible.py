r"""Text of a peer made safe for a terminal, and how many columns it takes there.

The rules this file owns:

1. What a peer sends reaches a terminal without control characters: they could move the cursor,
   change the title, or make one text look like another. They are written as `\x1b`, and so
   are those that turn the direction of writing or cannot be seen.
2. A line feed and a tab stay what they are; so do the joiners that scripts and emoji need. Where
   one line has to stay one line, they are written as escapes too.
3. Colour is for a terminal alone, and not where NO_COLOR (https://no-color.org) is set.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from typing import TextIO

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction, and unseen
    "\u2028\u2029\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_SEQUENCE = re.compile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")
"""A control sequence of ECMA-48, such as a colour: it takes no columns."""


def escaped(text: str) -> str:
    """Give the text with what is unsafe on a terminal written as escapes."""
    return _UNSAFE.sub(lambda found: _escape(found[0]), text)


def printable(text: str) -> str:
    """Escape what one line does not simply show: line feeds, controls, characters unseen."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def wants_colour(stream: TextIO) -> bool:
    """Whether colour is right on this stream."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    isatty: Callable[[], bool] = getattr(stream, "isatty", bool)
    return isatty()


def width(text: str) -> int:
    """Give the columns that text of one line takes, as far as terminals agree."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_columns, _SEQUENCE.sub("", text)))


def _columns(char: str) -> int:
    if unicodedata.east_asian_width(char) in {"W", "F"}:
        return 2
    return 0 if unicodedata.category(char) in {"Mn", "Me", "Cf"} else 1


def last_columns(text: str, columns: int) -> str:
    """Give the longest end of the text that fits into so many columns."""
    left = columns
    for index in range(len(text) - 1, -1, -1):
        left -= _columns(text[index])
        if left < 0:
            return text[index + 1 :]
    return text


def first_columns(text: str, columns: int) -> str:
    """Give the longest beginning of the text that fits into so many columns."""
    left = columns
    for index, char in enumerate(text):
        left -= _columns(char)
        if left < 0:
            return text[:index]
    return text
