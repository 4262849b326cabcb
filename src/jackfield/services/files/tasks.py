"""What a client is to do, thing by thing, and who hears what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jackfield.errors import JackfieldError
from jackfield.net.folders import Folder
from jackfield.net.incoming import Source


async def _nothing(_: int) -> bytes:
    return b""


class Moved(NamedTuple):
    """A file is where it was to be.

    resumed_at: from which byte on it was sent. already: it was there before.
    """

    size: int
    hash: str
    resumed_at: int = 0
    already: bool = False


@dataclass(eq=False, slots=True)
class Task:
    """Something to be done. label: what people call it. tries: how often it had to be sent anew."""

    label: str
    tries: int = 0


@dataclass(eq=False, slots=True)
class PutFile(Task):
    """A file to put. open: opens it. replace: whether it may replace another one."""

    names: tuple[bytes, ...] = ()
    open: Callable[[], Source] | None = None
    replace: bool = False


@dataclass(eq=False, slots=True)
class PutStream(Task):
    """What `read()` gives, up to b"" at its end, is put as a file.

    It is waited for, and no more once the file is refused: then it is cancelled.
    """

    names: tuple[bytes, ...] = ()
    read: Callable[[int], Awaitable[bytes]] = _nothing
    mode: int = 0o644
    mtime: int = 0
    replace: bool = False


@dataclass(eq=False, slots=True)
class PutFolder(Task):
    """A folder to make. mode: None before what is in it has come."""

    names: tuple[bytes, ...] = ()
    mode: int | None = None
    mtime: int = 0


@dataclass(eq=False, slots=True)
class GetFile(Task):
    """A file to get, to a place in a folder here. known: what a list says of it."""

    names: tuple[bytes, ...] = ()
    folder: Folder | None = None
    to: tuple[bytes, ...] = ()
    replace: bool = False


class Watch(Protocol):
    """Hears what becomes of tasks."""

    def moving(self, task: Task, done: int, total: int | None) -> None:
        """So many bytes of it are there."""

    def done(self, task: Task, moved: Moved | None) -> None:
        """It is done; moved: of a file."""

    def failed(self, task: Task, error: JackfieldError) -> None:
        """It is not done, and will not be over this connection."""
