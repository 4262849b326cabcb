"""Files ready to be sent: what is asked for again and again is opened and read once.

The rules this file owns:

1. Nothing old is served: each time, one stat(2) says whether the file is still the one that was
   read. A file that was changed less than `SETTLED` seconds ago is not kept, since a change right
   after another may leave its time as it was.
2. What is kept has a bound: `MOST_BYTES` of contents, `MOST_OPEN` descriptors, `MOST` files.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, cast

from jackfield.http import dates
from jackfield.net.tree import Opened, Tree, read_all
from jackfield.services.web.kinds import is_text, kind_of

if TYPE_CHECKING:
    from typing import BinaryIO

IN_MEMORY = 32 * 1024
"""Bytes of a file up to which its contents are kept; a longer one is sent from its descriptor."""

KEPT_OPEN = 1024 * 1024
"""Bytes of a file up to which it is kept open: a large one that is deleted is to free its disk."""

MOST = 512
MOST_BYTES = 8 * 1024 * 1024
MOST_OPEN = 64

SETTLED = 2.0


class HeldFile:
    """A file, with all that is said of it. It is closed once nobody holds it any more.

    body: its contents, where it is small; else None, and `fileno()` is open.
    head: a 200's, but for Date and Connection.
    """

    __slots__ = ("_fd", "body", "coding", "head", "info", "is_kept", "kind", "path", "tag")

    def __init__(
        self, path: bytes, opened: Opened, kind: str, coding: str, *, varies: bool
    ) -> None:
        self.path = path
        self.info = info = opened.info
        self._fd = opened.fd
        self.kind = kind
        self.coding = coding
        also = f"-{coding}" if coding else ""
        self.tag = f'"{info.st_mtime_ns:x}-{info.st_size:x}{also}"'
        self.is_kept = False
        self.body: bytes | None = None
        size = info.st_size
        if size <= IN_MEMORY:
            try:
                self.body = read_all(self._fd, size)
            finally:
                self._close()
            size = len(self.body)
        fields = self.fields(varies=varies) | {"Content-Type": kind, "Content-Length": str(size)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.head = f"HTTP/1.1 200 OK\r\n{lines}".encode("latin-1")

    def fields(self, *, varies: bool) -> dict[str, str]:
        """Give what is said of it whether or not its contents follow."""
        fields = {
            "ETag": self.tag,
            "Last-Modified": dates.written(self.info.st_mtime),
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
        }
        if self.coding:
            fields["Content-Encoding"] = self.coding
        if varies:
            fields["Vary"] = "Accept-Encoding"
        return fields

    @property
    def varies(self) -> bool:
        """Whether another may be sent in its place to who takes other codings."""
        return bool(self.coding) or is_text(self.kind)

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return self.info.st_size if self.body is None else len(self.body)

    @property
    def file(self) -> BinaryIO:
        """What `send_file()` takes."""
        return cast("BinaryIO", self)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._fd

    def let_go(self) -> None:
        """It was sent: close it, unless it is kept for others."""
        if not self.is_kept:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self._close()


class HeldFiles:
    """The files of a folder that were asked for last."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._held: dict[Any, HeldFile] = {}  # the one asked for longest ago first
        self._bytes = self._open = 0

    def get(self, key: Any) -> HeldFile | None:
        """Give what is kept under a key, if that is what there still is."""
        held = self._held.get(key)
        if held is None:
            return None
        if not self._tree.same(held.path, held.info):
            self._drop(key)
            return None
        return held

    def hold(self, key: Any, path: bytes, opened: Opened, coding: str = "") -> HeldFile:
        """Take an open file and keep it, if it is worth it; it is closed by and by.

        coding: the content coding that it is in, which its name then ends with.
        """
        name = os.fsdecode(path.rpartition(b"/")[2])
        kind = kind_of(name.rpartition(".")[0] if coding else name)
        held = HeldFile(path, opened, kind, coding, varies=bool(coding) or is_text(kind))
        settled = time.time() - held.info.st_mtime > SETTLED
        if settled and held.size == held.info.st_size <= KEPT_OPEN:
            self._keep(key, held)
        return held

    def _keep(self, key: Any, held: HeldFile) -> None:
        self._drop(key)
        held.is_kept = True  # for good: somebody may be at it still when it is dropped
        self._held[key] = held
        self._count(held, 1)
        while len(self._held) > MOST or self._bytes > MOST_BYTES or self._open > MOST_OPEN:
            self._drop(next(iter(self._held)))

    def _drop(self, key: Any) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._count(held, -1)

    def _count(self, held: HeldFile, one: int) -> None:
        if held.body is None:
            self._open += one
        else:
            self._bytes += one * len(held.body)
