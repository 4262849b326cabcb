"""A client of files, for tests: it keeps what became of what it was to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from jackfield import Endpoint, connect
from jackfield.errors import JackfieldError
from jackfield.net.folders import Folder
from jackfield.net.incoming import Source
from jackfield.services.files.client import Remote
from jackfield.services.files.tasks import GetFile, Moved, PutFile, PutStream, Task
from jackfield.services.files.walking import Getting, GetTree, Putting, PutTree, Walk
from jackfield.services.files.wire import CONTROL
from tests.live import PATIENCE

T = TypeVar("T")


class Seen:
    """A `Watch` that keeps what it hears."""

    def __init__(self) -> None:
        self.moved: dict[str, Moved | None] = {}
        self.errors: dict[str, JackfieldError] = {}
        self.notes: dict[str, str] = {}
        self.last: tuple[str, int, int | None] = ("", 0, None)

    def moving(self, task: Task, done: int, total: int | None) -> None:
        self.last = (task.label, done, total)

    def done(self, task: Task, moved: Moved | None) -> None:
        self.moved[task.label] = moved

    def failed(self, task: Task, error: JackfieldError) -> None:
        self.errors[task.label] = error

    def note(self, label: str, text: str) -> None:
        self.notes[label] = text

    def why(self, label: str) -> str:
        """Why something failed, as a word."""
        return getattr(self.errors[label], "why", type(self.errors[label]).__name__)


async def over(
    endpoint: Endpoint | str,
    doing: Callable[[Remote, Seen], Awaitable[T]],
    seen: Seen | None = None,
) -> tuple[Seen, T]:
    """Do something over a connection of its own."""
    seen = seen or Seen()
    remote = Remote(await connect(endpoint, CONTROL), seen)
    try:
        await remote.begin()
        result = await doing(remote, seen)
        await remote.settle()
    finally:
        remote.given_back()
        await remote.end()
    return seen, result


async def do(endpoint: Endpoint | str, *tasks: Task) -> Seen:
    """Do these, one after another."""

    async def doing(remote: Remote, seen: Seen) -> None:
        del seen
        for task in tasks:
            await remote.do(task)

    return (await over(endpoint, doing))[0]


async def walk(endpoint: Endpoint | str, make: Callable[[Seen], Walk]) -> Seen:
    """Do all that a walk gives."""

    async def doing(remote: Remote, seen: Seen) -> None:
        walked = make(seen)
        while (task := await walked.next(remote)) is not None:
            await remote.do(task)

    return (await over(endpoint, doing))[0]


def names(path: str) -> tuple[bytes, ...]:
    return tuple(os.fsencode(path).split(b"/")) if path else ()


def put(path: Path, name: str = "", **options: Any) -> PutFile:
    return PutFile(
        path.name, names=names(name or path.name), open=lambda: Source.at(str(path)), **options
    )


def stream(data: bytes, name: str, **options: Any) -> PutStream:
    parts = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]

    async def read(size: int) -> bytes:
        del size
        return parts.pop(0) if parts else b""

    return PutStream(name, names=names(name), read=read, **options)


def get(name: str, to: Path, **options: Any) -> GetFile:
    return GetFile(
        name,
        names=names(name),
        folder=Folder(str(to.parent)),
        to=(os.fsencode(to.name),),
        **options,
    )


async def put_tree(endpoint: Endpoint | str, folder: Path, to: str = "", **options: Any) -> Seen:
    tree = PutTree(folder.name, path=str(folder), names=names(to), **options)
    return await walk(endpoint, lambda seen: Putting([tree], seen))


async def get_tree(
    endpoint: Endpoint | str, name: str, to: Path, *, deep: bool = True, **options: Any
) -> Seen:
    folder = Folder(str(to.parent))
    tree = GetTree(to.name, folder=folder, names=names(name), to=(os.fsencode(to.name),), **options)
    try:
        return await walk(endpoint, lambda seen: Getting([tree], seen, deep=deep))
    finally:
        folder.close()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "jackfield", *words]


class Served:
    """A server of files in a process of its own."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        where = f"tcp://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            command("serve", "files", str(folder), where, *options),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        listening = re.search(r"127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert listening is not None
        self.port = int(listening[1])
        self.url = f"tcp://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()


def contents(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Everything in a folder: mode, time and, of files, what is in them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        data = path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (info.st_mode & 0o777, info.st_mtime_ns, data)
    return found


def parts_in(folder: Path) -> list[Path]:
    """The parts of files on their way."""
    return sorted(folder.rglob(".jackfield-*"))
