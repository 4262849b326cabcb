"""The words of the protocol of files: what a server answers. `wire.py` has the client's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jackfield.errors import BadMessage
from jackfield.net.folders import Kind
from jackfield.net.tree import LONGEST_NAME
from jackfield.services.files.wire import (
    LARGEST,
    MOST_ENTRIES,
    BadName,
    Fields,
    Still,
    names_of,
)

_KINDS: tuple[Kind, ...] = ("file", "folder", "link", "other")

REFUSED = "refused"
"""Why of a failure after which the connection ends."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to `hello`."""

    version: int
    max_file: int
    read_only: bool
    no_remove: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What the server has of a file. there: of the whole file of that name, if there is one."""

    size: int
    hash: str
    there_size: int | None
    there_hash: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A file is there, whole. already: and was so before."""

    size: int
    hash: str
    already: bool


@dataclass(frozen=True, slots=True)
class File:
    """A file comes, from `at` on."""

    size: int
    mode: int
    mtime: int
    at: int
    body: int


@dataclass(frozen=True, slots=True)
class Sent:
    """It has come. changed: while it was sent, so that it is worth nothing."""

    hash: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. mtime: in nanoseconds since 1970. hash: of a file, where it was wanted."""

    name: str
    kind: Kind
    size: int
    mode: int
    mtime: int
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """What is in a folder, or a part of it.

    cut: it has more than are listed. unnamed: so many have names that are no UTF-8.
    """

    entries: list[Entry]
    more: bool
    cut: bool
    unnamed: int


@dataclass(frozen=True, slots=True)
class Done:
    """A folder was made, something removed, or a file is not sent any further."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What was asked was not done."""

    why: str
    text: str


Answer = Welcome | Held | Kept | File | Sent | Entries | Done | Failed | Still


def answered(message: Any) -> Answer:
    """Read what the server answers. Raises BadMessage."""
    if isinstance(message, dict) and "is" not in message and "error" in message:
        return Failed(REFUSED, str(message["error"])[:1000])  # as the framing says it
    fields = Fields(message, "is")
    read = _ANSWERS.get(fields.what)
    if read is None:
        raise BadMessage(f"no answer is called {fields.what[:40]!r}")
    return read(fields)


def _welcome(fields: Fields) -> Welcome:
    return Welcome(
        fields.number("version", 1 << 16),
        fields.number("max_file"),
        fields.flag("read_only"),
        fields.flag("no_remove"),
    )


def _held(fields: Fields) -> Held:
    return Held(
        fields.number("size"),
        fields.hash("hash"),
        fields.maybe("there_size"),
        fields.hash("there_hash"),
    )


def _kept(fields: Fields) -> Kept:
    return Kept(fields.number("size"), fields.hash("hash"), fields.flag("already"))


def _file(fields: Fields) -> File:
    found = File(
        fields.number("size"),
        fields.number("mode", 0o777),
        fields.number("mtime", LARGEST, least=-LARGEST),
        fields.number("at"),
        fields.number("body"),
    )
    if found.at + found.body != found.size:
        raise BadMessage("file: at and body do not make up its size")
    return found


def _entries(fields: Fields) -> Entries:
    found = fields.values.get("entries")
    if not isinstance(found, list) or len(found) > MOST_ENTRIES:
        raise BadMessage(f"entries: no list of at most {MOST_ENTRIES}")
    return Entries(
        [_entry(one) for one in found],
        fields.flag("more"),
        fields.flag("cut"),
        fields.number("unnamed"),
    )


def _entry(message: Any) -> Entry:
    fields = Fields(message, "kind")
    name = fields.text("name", LONGEST_NAME)
    try:
        alone = len(names_of(name)) == 1
    except BadName as error:
        raise BadMessage(f"entries: {name!r:.300} {error}") from None
    kind = fields.what
    if not alone or kind not in _KINDS:
        raise BadMessage(f"entries: {name!r:.300} is no name, or of no kind")
    return Entry(
        name,
        kind,
        fields.number("size"),
        fields.number("mode", 0o777),
        fields.number("mtime", LARGEST, least=-LARGEST),
        fields.hash("hash"),
    )


_ANSWERS: dict[str, Callable[[Fields], Answer]] = {
    "hello": _welcome,
    "held": _held,
    "put": _kept,
    "file": _file,
    "end": lambda fields: Sent(fields.hash("hash"), fields.flag("changed")),
    "entries": _entries,
    "folder": lambda _: Done(),
    "removed": lambda _: Done(),
    "stopped": lambda _: Done(),
    "error": lambda fields: Failed(fields.text("why", 40), fields.text("text", 4000)),
    "still": lambda _: Still(),
}
