"""A terminal that a full screen is painted on: as much of a VT220 as such programs use."""

from __future__ import annotations

import re
import unicodedata

from tests.commands.people import AtTerminal

_SEQUENCE = re.compile(
    r"\x1b\[([?>]?)([0-9;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>]"
)


class Painted:
    """What is painted: rows of cells, each a character with its marks, or "" behind a wide one."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.attributes: set[str] = set()
        """All that were ever used, as SGR parameters."""

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                self._obey(found[1] or "", found[2] or "", found[3] or "")
                at = found.end()
            elif text[at] == "\x1b" and len(text) - at < 40:
                return  # the rest of it has not come yet
            else:
                self._put(text[at])
                at += 1

    def _obey(self, private: str, numbers: str, final: str) -> None:
        if private or not final:
            return
        given = [int(number or 0) for number in numbers.split(";")] if numbers else [0]
        count = max(1, given[0])
        if final == "m":
            self.attributes |= set(numbers.split(";"))
        elif final == "H":
            self.row, self.column = count - 1, max(1, given[-1] if len(given) > 1 else 1) - 1
        elif final in "ABCD":
            rows, columns = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[final]
            self.row = min(max(0, self.row + rows * count), self.rows - 1)
            self.column = min(max(0, self.column + columns * count), self.columns - 1)
        elif final == "K":
            self._clear(self.row, self.column if given[0] == 0 else 0)
        elif final == "J":
            self._clear(self.row, self.column if given[0] == 0 else 0)
            for row in range(self.row + 1 if given[0] == 0 else 0, self.rows):
                self._clear(row, 0)
        else:
            raise AssertionError(f"CSI {numbers}{final}")

    def _clear(self, row: int, column: int) -> None:
        self.cells[row][column:] = [" "] * (self.columns - column)

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            if self.row == self.rows - 1:
                self.cells = [*self.cells[1:], [" "] * self.columns]
            self.row = min(self.row + 1, self.rows - 1)
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif unicodedata.combining(char):
            self.cells[self.row][max(0, self.column - 1)] += char
        else:
            assert char.isprintable() or char == "\u3000", repr(char)
            wide = unicodedata.east_asian_width(char) in {"W", "F"}
            assert self.column + wide < self.columns, "painted past the edge"
            row = self.cells[self.row]
            row[self.column] = char
            if wide:
                row[self.column + 1] = ""
            self.column += 2 if wide else 1
            if self.column == self.columns:
                self.column -= 1  # it waits there: wrapping is off

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.cells)


class FullScreen(AtTerminal):
    """A process of the command that takes a whole terminal of 24 rows."""

    def painted(self) -> Painted:
        """Everything painted since the last change of size."""
        painted = Painted(24, self.columns)
        painted.feed(self.read[self._from :].decode("utf-8", "ignore"))
        return painted

    _from = 0

    def resize(self, columns: int) -> None:
        super().resize(columns)
        self._from = len(getattr(self, "read", b""))

    @property
    def screen(self) -> str:
        return self.painted().text
