"""Menus in TOML files.

A menu has a `title` and one or more `choice`; a choice has a `name`, and either a `text` to show
or further `choice`, which make it a menu of its own::

    title = "Sockets"

    [[choice]]
    name = "What is a socket?"
    text = "One end of a conversation between two programs."

    [[choice]]
    name = "Transports"

      [[choice.choice]]
      name = "TCP"
      text = '''
    A stream of bytes,
    in order and complete.'''

    [words]
    choose = "Choose 1 to {last}."

What the service itself says can be given in other words, in the table `words`; its keys are the
fields of `Words`. A file is UTF-8 and has at most 256 KiB; menus nest 8 deep, have 99 choices
each, names of 100 characters and texts of 8000, so that each can be sent as one datagram.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.net import files

MOST_BYTES = 256 * 1024
MOST_CHOICES = 99
MOST_NAME = 100
MOST_TEXT = 8000
DEEPEST = 8


@dataclass(frozen=True)
class Words:
    """What the service itself says, and the words it takes beside its own.

    `{last}` in `choose` stands for the number of the last choice. A peer may type `help`, `back`
    and `quit` besides what is given here.
    """

    choose: str = "Please choose 1 to {last}; help shows where you are, q leaves."
    here: str = "You are here:"
    back: str = "back"
    help: str = "help"
    leave: str = "quit"


@dataclass(frozen=True)
class Choice:
    """One line of a menu: it has a text to show, or choices of its own."""

    name: str
    text: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Menu:
    """All that a file holds. The first menu is a choice that nobody has to make."""

    top: Choice
    words: Words

    def texts(self) -> Iterator[str]:
        """Give every text that may be sent."""
        yield from (self.words.choose, self.words.here, self.words.back)
        yield from _texts(self.top)


def _texts(choice: Choice) -> Iterator[str]:
    yield choice.name
    yield choice.text
    for inner in choice.choices:
        yield from _texts(inner)


def load(path: str) -> Menu:
    """Read a menu. Raises ConfigurationError, one line that names the file and the key."""
    data = files.read(path, MOST_BYTES)
    try:
        return _menu(tomllib.loads(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        what = f"is not TOML: {error}"
    except RecursionError:
        what = "nests too deep"
    except _Wrong as error:
        what = str(error)
    raise ConfigurationError(f"{path}: {what}") from None


class _Wrong(Exception):
    """Something in the file is wrong; its text names the key."""


def _menu(table: dict[str, Any]) -> Menu:
    _check_keys(table, "", ("title", "choice", "words"))
    title = _line(table, "", "title")
    return Menu(Choice(title, choices=_choices(table, "", 1)), _words(table.get("words", {})))


def _choices(table: dict[str, Any], key: str, depth: int) -> tuple[Choice, ...]:
    key = f"{key}choice"
    if depth > DEEPEST:
        raise _Wrong(f"{key}: menus nest more than {DEEPEST} deep")
    found = table.get("choice")
    if not isinstance(found, list) or not found or not all(isinstance(c, dict) for c in found):
        raise _Wrong(f"{key}: a menu has one or more tables [[choice]]")
    if len(found) > MOST_CHOICES:
        raise _Wrong(f"{key}: {len(found)} choices, more than the {MOST_CHOICES} of one menu")
    return tuple(
        _choice(inner, f"{key}[{number}].", depth) for number, inner in enumerate(found, 1)
    )


def _choice(table: dict[str, Any], key: str, depth: int) -> Choice:
    _check_keys(table, key, ("name", "text", "choice"))
    name = _line(table, key, "name")
    if ("text" in table) == ("choice" in table):
        raise _Wrong(f"{key}text: {name!r} needs either a text or further [[choice]], not both")
    if "choice" in table:
        return Choice(name, choices=_choices(table, key, depth + 1))
    return Choice(name, text=_string(table, key, "text", MOST_TEXT))


def _words(table: Any) -> Words:
    if not isinstance(table, dict):
        raise _Wrong("words: is a table, written [words]")
    _check_keys(table, "words.", tuple(field.name for field in fields(Words)))
    return Words(**{name: _line(table, "words.", name) for name in table})


def _line(table: dict[str, Any], key: str, name: str) -> str:
    text = _string(table, key, name, MOST_NAME)
    if "\n" in text:
        raise _Wrong(f"{key}{name}: has more than one line")
    return text


def _string(table: dict[str, Any], key: str, name: str, most: int) -> str:
    if name not in table:
        raise _Wrong(f'{key}{name}: is missing; write {name} = "..."')
    text = table[name]
    if not isinstance(text, str):
        raise _Wrong(f'{key}{name}: is no text; write it in quotes: {name} = "..."')
    text = text.replace("\r\n", "\n").strip()
    odd = next((c for c in text if not c.isprintable() and c not in "\n\t"), None)
    if odd is not None:
        raise _Wrong(f"{key}{name}: holds {odd!r}, which could steer a terminal")
    if not text:
        raise _Wrong(f"{key}{name}: is empty")
    if len(text) > most:
        raise _Wrong(f"{key}{name}: {len(text)} characters, where {most} are the most")
    return text


def _check_keys(table: dict[str, Any], key: str, known: tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            shown = name if name.isprintable() else repr(name)
            raise _Wrong(f"{key}{shown}: is unknown; {hint}known are {', '.join(known)}")
