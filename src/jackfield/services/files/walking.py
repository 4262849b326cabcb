"""What is to be put or got, file by file: folders are walked as their turn comes.

The rules this file owns:

1. A folder is made before what is in it, and gets its mode and time after that.
2. Links inside a folder are not followed and not sent, nor is what is no regular file: that is
   said. A file that was named itself may be a link.
3. No more is in memory than the names of one folder and of those it lies in.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from jackfield.errors import ConfigurationError
from jackfield.net.folders import FileRefused, Folder, Item, item_of
from jackfield.net.incoming import Source, exists
from jackfield.services.files.answers import Entry
from jackfield.services.files.client import Remote
from jackfield.services.files.hashing import feed, new_hash
from jackfield.services.files.tasks import GetFile, Moved, PutFile, PutFolder, Task
from jackfield.services.files.wire import BadName, name_of, names_of
from jackfield.services.files.working import work

Names = tuple[bytes, ...]


class Told(Protocol):
    """Hears of what is no task."""

    def note(self, label: str, text: str) -> None:
        """Something is left out, and that is no failure."""

    def failed(self, task: Task, error: FileRefused) -> None:
        """Something cannot be sent."""

    def done(self, task: Task, moved: Moved | None) -> None:
        """Something is there already."""


class Walk(Protocol):
    """Gives task after task."""

    async def next(self, remote: Remote) -> Task | None:
        """Give the next one; None at the end. After an error it can be called again."""


class Putting:
    """What of this machine is to be put."""

    def __init__(self, tasks: Iterable[Task], told: Told) -> None:
        self._tasks = _flat(tasks, told)

    async def next(self, remote: Remote) -> Task | None:
        """As `Walk`."""
        del remote
        return await work(lambda: next(self._tasks, None))


@dataclass(eq=False, slots=True)
class PutTree(Task):
    """A folder of this machine with all that is in it. path: where it is."""

    path: str = ""
    names: Names = ()
    replace: bool = False


def _flat(tasks: Iterable[Task], told: Told) -> Iterator[Task]:
    for task in tasks:
        if isinstance(task, PutTree):
            yield from _walked(task, told)
        else:
            yield task


def _walked(tree: PutTree, told: Told) -> Iterator[Task]:
    try:
        folder = Folder(tree.path)
    except ConfigurationError as error:
        told.failed(tree, FileRefused(str(error)))
        return
    yield from _inside(folder, tree, (), told)  # it stays open for what is sent once more


def _label(tree: PutTree, below: Names) -> str:
    return "/".join([tree.label.rstrip("/"), *map(os.fsdecode, below)])


def _inside(folder: Folder, tree: PutTree, below: Names, told: Told) -> Iterator[Task]:
    label = _label(tree, below)
    try:
        fd = folder.find_folder(below)
        try:
            own = item_of(b"", os.fstat(fd))
            items, is_all = folder.items(fd)
        finally:
            os.close(fd)
    except FileRefused as error:
        told.failed(Task(label), error)
        return
    if not is_all:
        told.failed(Task(label), FileRefused(f"only the first {len(items)} of its names are sent"))
    names = (*tree.names, *below)
    if names:
        yield PutFolder(label, names=names)
    for item in items:
        yield from _one(folder, tree, (*below, item.name), item, told)
    if names:
        yield PutFolder(label, names=names, mode=own.mode, mtime=own.mtime)


def _one(folder: Folder, tree: PutTree, below: Names, item: Item, told: Told) -> Iterator[Task]:
    label = _label(tree, below)
    names = (*tree.names, *below)
    if item.kind not in {"file", "folder"}:
        what = "a link" if item.kind == "link" else "no regular file"
        told.note(label, f"is {what}, and left out")
        return
    try:
        names_of(name_of(names))
    except (BadName, UnicodeDecodeError) as error:
        text = str(error) if isinstance(error, BadName) else "has a name that is no UTF-8"
        told.failed(Task(label), FileRefused(text, "odd"))
        return
    if item.kind == "folder":
        yield from _inside(folder, tree, below, told)
        return
    opener = _Opener(folder, below)
    yield PutFile(label, names=names, open=opener, replace=tree.replace)


class _Opener:
    """Opens a file of a folder."""

    def __init__(self, folder: Folder, names: Names) -> None:
        self._folder = folder
        self._names = names

    def __call__(self) -> Source:
        return Source(*self._folder.find_file(self._names))


@dataclass(eq=False, slots=True, kw_only=True)
class GetTree(Task):
    """Something on the server, to a place here: with all that is in it, if it is a folder.

    known: what is known of it already.
    """

    folder: Folder
    names: Names = ()
    to: Names = ()
    replace: bool = False
    known: Entry | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class _Close(Task):
    """A folder here is to have the mode and time of the one there, now that all of it is here."""

    folder: Folder
    to: Names
    mode: int
    mtime: int


class Getting:
    """What of a server is to be got.

    deep: whether folders are.
    """

    def __init__(self, tasks: Sequence[GetTree], told: Told, *, deep: bool) -> None:
        self._left: deque[Task] = deque(tasks)
        self._told = told
        self._deep = deep

    async def next(self, remote: Remote) -> Task | None:
        """As `Walk`."""
        while self._left:
            task = self._left[0]
            more: list[Task] = []
            try:
                if isinstance(task, GetTree):
                    more = await self._opened(task, remote)
                elif isinstance(task, _Close):
                    await remote.settle()
                    await work(partial(task.folder.make, task.to, task.mode, task.mtime))
            except FileRefused as error:
                self._told.failed(task, error)
            self._left.popleft()
            if isinstance(task, GetFile):
                return task
            self._left.extendleft(reversed(more))
        return None

    async def _opened(self, task: GetTree, remote: Remote) -> list[Task]:
        """Find out what something is, and what there is to do. Raises FileRefused."""
        entry = task.known
        if entry is None and task.names:
            here = await work(lambda: _is_here(task))
            entry = await remote.about(task.names, hash=here)
        if entry is None or entry.kind == "folder":
            if not self._deep:
                raise FileRefused("it is a folder; -r gets folders", "folder")
            return await self._folder(task, entry, remote)
        if entry.kind != "file":
            what = "a link" if entry.kind == "link" else "no regular file"
            self._told.note(task.label, f"is {what}, and left out")
            return []
        if await self._is_done(task, entry):
            return []
        return [
            GetFile(
                task.label,
                names=task.names,
                folder=task.folder,
                to=task.to,
                replace=task.replace,
            )
        ]

    async def _folder(self, task: GetTree, entry: Entry | None, remote: Remote) -> list[Task]:
        folder, to = task.folder, task.to
        is_new = bool(to) and await work(lambda: folder.make(to))
        found = await remote.list(task.names, hash=not is_new)
        if found.cut:
            text = f"only the first {len(found.entries)} of its names are here"
            self._told.failed(Task(task.label), FileRefused(text))
        if found.unnamed:
            text = f"{found.unnamed} of its names are no UTF-8, and left out"
            self._told.failed(Task(task.label), FileRefused(text, "odd"))
        more: list[Task] = []
        for one in found.entries:
            name = one.name.encode()
            more.append(
                GetTree(
                    f"{task.label.rstrip('/')}/{one.name}" if task.label else one.name,
                    folder=folder,
                    names=(*task.names, name),
                    to=(*to, name),
                    replace=task.replace,
                    known=one,
                )
            )
        if entry is not None and to:
            more.append(
                _Close(task.label, folder=folder, to=to, mode=entry.mode, mtime=entry.mtime)
            )
        return more

    async def _is_done(self, task: GetTree, entry: Entry) -> bool:
        """Whether the file is here already. Refuses when another one is in its place."""
        found = await work(lambda: _found(task))
        if found is None:
            return False
        try:
            digest = new_hash()
            if found.size == entry.size and entry.hash:
                await feed(digest, found, 0, found.size)
                if digest.hexdigest() == entry.hash:
                    self._told.done(task, Moved(entry.size, entry.hash, already=True))
                    return True
        finally:
            found.close()
        if not task.replace:
            raise exists()
        return False


def _found(task: GetTree) -> Source | None:
    """Open the file that has its place already. Raises FileRefused for a folder."""
    try:
        return Source(*task.folder.find_file(task.to))
    except FileRefused as error:
        if error.why == "none":
            return None
        raise


def _is_here(task: GetTree) -> bool:
    try:
        found = _found(task)
    except FileRefused:
        return False
    if found is not None:
        found.close()
    return found is not None
