"""The words of the protocol of files: what each message may hold, checked on both sides.

A connection carries control messages, each an object of JSON on a line of its own, and bytes. The
rules this file owns:

1. A message that has a `body` is followed by so many bytes, as they are, and then by the next line.
   Where a `body` does not fit the message, nobody can tell what follows, so the connection ends.
2. What a client says has a `do`, and what the server answers an `is`. Each `do` gets one answer, in
   order, so a client need not wait for one before it says the next. A file that is offered gets
   one, too, and may get it before all of it has come; what belongs to it then is passed over.
   `still`, on either side, only says that the other is not to give up.
3. A message of another shape than these ends the connection. Names that are not known in one that
   is, are passed over, so that a later version can say more.
4. A message may have a `sum`, as all have that are made here: CRC-32 of itself without it, written
   as it came and with no blanks. A bit that flips on the way cannot make a name another name then.
5. A name is one of a file or folder below the one that is served: its parts between slashes, each
   of which a folder can have, none of this program's own.

    hello       version, token              -> hello       version, max_file, read_only, no_remove
    put         name, mode, mtime, replace,
                size, hash, body            -> put
    put         name, mode, mtime, replace,
                size                        -> held        size, hash, there
    bytes       at, body
    end         size, hash                  -> put         size, hash, already
    stop                                    -> stopped
    get         name, at, hash              -> file        size, mode, mtime, at, body
                                               end         hash, changed
    list        name, hash, about           -> entries     entries, more, cut, unnamed ...
    folder      name, mode, mtime           -> folder
    remove      name, deep                  -> removed
    still
                                               error       why, text
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.framing.json_lines import JSONLines
from jackfield.net.folders import RESERVED
from jackfield.net.tree import LONGEST_NAME, MOST_NAMES, is_name

VERSION = 1

CONTROL = JSONLines(64 * 1024)

SMALL = 256 * 1024
"""Bytes of a file up to which it goes along with what is said of it."""

MOST_BODY = 8 * 1024 * 1024
"""Bytes of one `bytes`: between two of them a client can stop, or hear that it is to."""

MOST_ENTRIES = 256
"""Files in one `entries`, of `PAGE` bytes of names and numbers at the most."""

PAGE = 32 * 1024

MOST_TOKEN = 512
"""Characters of a token."""

LONGEST_PATH = 4096
"""Bytes of a name with its folders."""

LARGEST = 1 << 62
"""Bytes of a file, and nanoseconds of a time; far past what any has."""

HASH = 64
"""Characters of a hash: BLAKE3's 256 bits in hexadecimal."""


class BadName(ValueError):
    """A name that no file here can have; the text says why."""


def names_of(name: str) -> list[bytes]:
    """Give the parts of a name; none for the folder that is served. Raises BadName."""
    if not name:
        return []
    try:
        data = name.encode()
    except UnicodeEncodeError:
        raise BadName("is no UTF-8, so it can be no name here") from None
    if len(data) > LONGEST_PATH:
        raise BadName(f"is longer than the {LONGEST_PATH} bytes of a name with its folders")
    names = data.split(b"/")
    if len(names) > MOST_NAMES:
        raise BadName(f"has more than {MOST_NAMES} folders")
    for one in names:
        if len(one) > LONGEST_NAME:
            raise BadName(f"has a part of more than {LONGEST_NAME} bytes")
        if not is_name(one):
            raise BadName("has a part that is empty, . or .., or holds a NUL")
        if one.startswith(RESERVED):
            raise BadName(f"has a part that begins with {RESERVED.decode()}, as parts on their way")
    return names


def name_of(names: Sequence[bytes]) -> str:
    """Join the parts of a name. Raises UnicodeDecodeError for what is no UTF-8."""
    return b"/".join(names).decode()


# What a client says


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message."""

    version: int
    token: str


@dataclass(frozen=True, slots=True)
class Put:
    """A file is offered. size: None when nobody knows yet. body: with hash, its contents follow."""

    names: list[bytes]
    size: int | None
    mode: int
    mtime: int
    replace: bool
    hash: str
    body: int | None


@dataclass(frozen=True, slots=True)
class Bytes:
    """A piece of the file that was offered last; from 0 on, what has come is dropped."""

    at: int
    body: int


@dataclass(frozen=True, slots=True)
class End:
    """All of it was sent."""

    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Get:
    """A file is wanted, from `at` on if what is before has this hash."""

    names: list[bytes]
    at: int
    hash: str


@dataclass(frozen=True, slots=True)
class List:
    """What is in a folder, or one file.

    hash: whether with their hashes. about: of a folder too, it alone, and not what is in it.
    """

    names: list[bytes]
    hash: bool
    about: bool


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder is to be there. mode: None leaves mode and time as they are."""

    names: list[bytes]
    mode: int | None
    mtime: int


@dataclass(frozen=True, slots=True)
class Remove:
    """A file or folder is to go. deep: with all that is in it."""

    names: list[bytes]
    deep: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """The file that was offered last is not sent any further."""


@dataclass(frozen=True, slots=True)
class Still:
    """Somebody is at work."""


Asked = Hello | Put | Bytes | End | Get | List | MakeFolder | Remove | Stop | Still


@dataclass(frozen=True, slots=True)
class Misnamed:
    """Something was asked of a name that nothing can have. body: what follows it."""

    text: str
    body: int = 0


def asked(message: Any) -> Asked | Misnamed:
    """Read what a client says. Raises BadMessage."""
    fields = Fields(message, "do")
    body = fields.maybe("body", SMALL) if fields.what == "put" else None
    read = _READERS.get(fields.what)
    if read is None:
        raise BadMessage(f"nothing is called {fields.what[:40]!r} that could be done")
    try:
        return read(fields)
    except BadName as error:
        return Misnamed(f"{fields.values.get('name')!r:.300} {error}", body or 0)


def _hello(fields: Fields) -> Hello:
    return Hello(fields.number("version", 1 << 16), fields.text("token", MOST_TOKEN))


def _put(fields: Fields) -> Put:
    body = fields.maybe("body", SMALL)
    size = fields.maybe("size")
    digest = fields.hash("hash")
    if body is not None and (body != size or not digest):
        raise BadMessage("put: a body is all of the file, and comes with its size and hash")
    names = fields.names()
    if not names:
        raise BadName("is no name")
    return Put(
        names,
        size,
        fields.number("mode", 0o777),
        fields.number("mtime", LARGEST, least=-LARGEST),
        fields.flag("replace"),
        digest,
        body,
    )


def _bytes(fields: Fields) -> Bytes:
    return Bytes(fields.number("at"), fields.number("body", MOST_BODY))


def _end(fields: Fields) -> End:
    return End(fields.number("size"), fields.hash("hash"))


def _get(fields: Fields) -> Get:
    return Get(fields.names(), fields.number("at"), fields.hash("hash"))


def _list(fields: Fields) -> List:
    names, about = fields.names(), fields.flag("about")
    if about and not names:
        raise BadName("is the folder itself, of which there is nothing to say")
    return List(names, fields.flag("hash"), about)


def _folder(fields: Fields) -> MakeFolder:
    mode = fields.maybe("mode", 0o777)
    return MakeFolder(fields.names(), mode, fields.number("mtime", LARGEST, least=-LARGEST))


def _remove(fields: Fields) -> Remove:
    names = fields.names()
    if not names:
        raise BadName("is the folder itself, which stays; name something in it")
    return Remove(names, fields.flag("deep"))


def summed(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message with its sum."""
    return {**message, "sum": _sum_of(message)}


def _sum_of(message: dict[str, Any]) -> int:
    try:
        return crc32(CONTROL.encode_unit(message))
    except LocalProtocolError as error:
        raise BadMessage(str(error)) from None


class Fields:
    """The fields of a message. Reading one raises BadMessage where it is of another kind."""

    def __init__(self, message: Any, key: str) -> None:
        if not isinstance(message, dict) or not isinstance(message.get(key), str):
            raise BadMessage(f'a message here is an object with a "{key}"')
        if "sum" in message:
            total = message.pop("sum")
            if total != _sum_of(message):
                raise BadMessage("a message whose sum is another: it was changed on the way")
        self.values: dict[str, Any] = message
        self.what: str = message[key]

    def _wrong(self, name: str, what: str) -> BadMessage:
        return BadMessage(f"{self.what[:40]}: {name} is no {what}")

    def maybe(self, name: str, most: int = LARGEST, least: int = 0) -> int | None:
        """Give a number within bounds, or None where there is none."""
        found = self.values.get(name)
        if found is None:
            return None
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self._wrong(name, f"number from {least} to {most}")
        return found

    def number(self, name: str, most: int = LARGEST, least: int = 0) -> int:
        """Give a number within bounds; 0 where there is none."""
        return self.maybe(name, most, least) or 0

    def flag(self, name: str) -> bool:
        """Give a truth value; False where there is none."""
        found = self.values.get(name, False)
        if not isinstance(found, bool):
            raise self._wrong(name, "true or false")
        return found

    def text(self, name: str, most: int) -> str:
        """Give a text of at most so many characters; "" where there is none."""
        found = self.values.get(name, "")
        if not isinstance(found, str) or len(found) > most:
            raise self._wrong(name, f"text of at most {most} characters")
        return found

    def hash(self, name: str) -> str:
        """Give a hash, or "" where there is none."""
        found = self.text(name, HASH)
        if found and (len(found) != HASH or set(found) - set("0123456789abcdef")):
            raise self._wrong(name, f"hash of {HASH} hexadecimal digits")
        return found

    def names(self) -> list[bytes]:
        """Give the parts of `name`. Raises BadName too."""
        return names_of(self.text("name", LONGEST_PATH))


_READERS: dict[str, Callable[[Fields], Asked]] = {
    "hello": _hello,
    "put": _put,
    "bytes": _bytes,
    "end": _end,
    "get": _get,
    "list": _list,
    "folder": _folder,
    "remove": _remove,
    "stop": lambda _: Stop(),
    "still": lambda _: Still(),
}
