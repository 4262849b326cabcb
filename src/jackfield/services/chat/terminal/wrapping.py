r"""Texts of peers made safe for a screen, and cut into lines by the columns they take there.

The rules this file owns:

1. Nothing of a peer reaches the terminal that it would obey, or that cannot be seen: controls and
   what turns the direction of writing are written as `\x1b`.
2. A text takes as many columns as the screen believes. What terminals disagree on is left out:
   joiners, variation selectors and skin tones of emoji, so that a family is shown as its people.
3. A line breaks at spaces, and between characters of writing that has none, but not before a
   closing mark nor after an opening one. A word longer than a line is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_toolkit.utils import get_cwidth

from jackfield.visible import printable

TAB = "    "

MOST_MARKS = 4
"""Combining marks on one character: as many as any script needs; more pour over other lines."""

_DISAGREED = re.compile(
    "(?<=[\u203c-\U0001faff])[\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]+"
    "|[\u200c\u200d\ufe00-\ufe0f]"
)
_SHOWN = re.compile("([\t\n\xa0\u3000])")
_NO_START = frozenset("!),.:;?]}¨·ˇˉ―‖’”…∶、。〃々〉》」』】〕〗！＂＇），．：；？］｀｜｝～￠")
_NO_END = frozenset("([{‘“〈《「『【〔〖（．［｛￡￥")


def seen(text: str) -> str:
    """Give a text as it may be shown: what is unsafe is written out; line feeds stay."""
    text = _DISAGREED.sub("", text)
    if not text.isprintable():
        parts = _SHOWN.split(text)
        parts[::2] = [printable(part) for part in parts[::2]]
        text = "".join(parts).replace("\t", TAB).replace("\xa0", " ")
    return text if text.isascii() else _few_marks(text)


def seen_line(text: str) -> str:
    """Give a text as it may be shown in one line."""
    return seen(" ".join(text.split("\n")))


def _few_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if char != "\n" and get_cwidth(char) == 0 else 0
        if marks <= MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def width(text: str) -> int:
    """Give the columns that a text of one line takes."""
    return len(text) if text.isascii() else sum(map(get_cwidth, text))


def cut(text: str, columns: int) -> str:
    """Give a text of one line that takes so many columns at most; one that is cut ends in `…`."""
    if width(text) <= columns:
        return text
    head, _ = _split(text, max(0, columns - 1))
    return f"{head}…" if columns > 0 else ""


def wrapped(text: str, columns: int, used: int = 0) -> list[str]:
    """Cut a text of one line into lines of so many columns at the most.

    columns: 2 at least. used: how many of them are taken already in the first line.
    Spaces where a line breaks are left out.
    """
    lines: list[str] = []
    line = ""
    for part in _parts(text.rstrip(" ")):
        size = width(part)
        if used + size <= columns:
            line += part
            used += size
            continue
        if line or used:
            lines.append(line.rstrip(" "))
            line, used = "", 0
        if not part.strip(" "):
            continue
        rest = part
        while size > columns:
            head, rest = _split(rest, columns)
            lines.append(head)
            size = width(rest)
        line, used = rest, size
    lines.append(line)
    return lines


def _parts(text: str) -> Iterator[str]:
    """Cut a text into what no line breaks within: words, characters of CJK, runs of spaces."""
    part = ""
    for char in text:
        size = get_cwidth(char)
        if part and size and _breaks(part, char, wide=size == 2):
            yield part
            part = ""
        part += char
    if part:
        yield part


def _breaks(part: str, char: str, *, wide: bool) -> bool:
    """Whether a line may break between a part and the character after it."""
    last = part[-1]
    if (last == " ") != (char == " "):
        return True
    if last == " " or char in _NO_START or last in _NO_END:
        return False
    return wide or get_cwidth(last) == 2


def _split(text: str, columns: int) -> tuple[str, str]:
    """Split a text after as many characters as fit, marks with what they stand on."""
    left = columns
    for index, char in enumerate(text):
        left -= get_cwidth(char)
        if left < 0:
            return text[:index], text[index:]
    return text, ""
