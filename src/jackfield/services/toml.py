"""A file of TOML, and in which line of it something stands.

tomllib tells values and not places, so a place is looked for by the names that lead to it.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches

from jackfield.errors import ConfigurationError
from jackfield.net import files

MOST_BYTES = 1024 * 1024
"""Bytes of a file."""

At = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and in a list of tables the number from 0 on."""


class Toml:
    """What a text of TOML says.

    text: the file's. path: what to call it in an error. found: the tables and values.
    Raises ConfigurationError, with the line, for what is no TOML.
    """

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self._lines = text.splitlines()
        try:
            self.found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"\(at line (\d+), column \d+\)", str(error))
            line = place[1] if place else text.count("\n") + 1
            what = str(error).partition(" (at")[0]
            raise ConfigurationError(f"{path}, line {line}: {what}") from None
        except RecursionError:
            raise ConfigurationError(f"{path}: it is nested too deeply") from None

    def wrong(self, at: At, what: str) -> ConfigurationError:
        """Make the error that tells what is wrong with what stands there."""
        return ConfigurationError(f"{self.path}, line {self.line_of(at)}: {what}")

    def unknown(self, at: At, key: str, known: frozenset[str], what: str) -> ConfigurationError:
        """Make the error for a key that there is not, with one that is much like it.

        what: has no such key: "a service", say.
        """
        close = get_close_matches(key, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return self.wrong((*at, key), f"{what} has no {key!r}{hint}")

    def line_of(self, at: At) -> int:
        """Say in which line something stands, from 1 on: as near as its names tell."""
        line = 0
        names: list[str] = []
        for part in at:
            if isinstance(part, int):
                line = self._nth(names, part, line)
                continue
            names.append(part)
            line = self._after(names, line)
        return line + 1

    def _after(self, names: list[str], line: int) -> int:
        header = r"\.".join(rf"[\"']?{re.escape(name)}[\"']?" for name in names)
        key = rf"[\"']?{re.escape(names[-1])}[\"']?\s*[=.]"
        pattern = re.compile(rf"\s*(\[+\s*{header}[\s.\]]|(\S+\.)?{key})|[^#]*[{{,]\s*{key}")
        for number in range(line, len(self._lines)):
            if pattern.match(self._lines[number]):
                return number
        return line

    def _nth(self, names: list[str], wanted: int, line: int) -> int:
        """Find the table of a list by its number: a header of two brackets, or a brace."""
        header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(names[-1])}[\"']?\s*\]\]")
        headers = [number for number, text in enumerate(self._lines) if header.match(text)]
        if headers:
            return headers[wanted] if wanted < len(headers) else line
        opened = [
            number
            for number in range(line, len(self._lines))
            for _ in range(self._lines[number].partition("#")[0].count("{"))
        ]
        return opened[wanted] if wanted < len(opened) else line


def load(path: str, *, trusted: bool = False) -> Toml:
    """Read a file. trusted: as of `files.read()`.

    Raises ConfigurationError naming it, and the line where there is one.
    """
    data = files.read(path, MOST_BYTES, trusted=trusted)
    try:
        return Toml(data.decode(), path)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: this is no UTF-8") from None
