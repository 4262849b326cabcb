"""files: a folder that clients put files into, get them from, list and tidy."""

from __future__ import annotations

import threading
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.net.folders import Folder
from jackfield.service import Service
from jackfield.services.files.hashing import Hashes, new_hash
from jackfield.services.files.rights import Anybody, Measured, Rights, Room, Unmeasured
from jackfield.services.files.session import Session, Shared
from jackfield.services.files.sweeping import Sweeper
from jackfield.services.files.wire import CONTROL, LARGEST

LIMITS = Limits(
    connections=1000,
    connections_per_source=64,
    first_message=20,
    idle=60,
    message_time=60,
    message_rate=1,
)
"""Clients speak at once, and say that they are still there while they are busy: one of which
nothing is heard for a minute is gone, and keeps others from the file that it was sending. As slow
as its way may be, it is waited for. Each may hold five megabytes that wait for the disk."""

KEEP = 7 * 86400.0
"""Seconds that the part of a file is kept after its last byte has come, unless told otherwise."""


def make(
    *,
    folder: str | None = None,
    max_file: int = LARGEST,
    quota: int | None = None,
    keep_parts: float = KEEP,
    read_only: bool = False,
    no_remove: bool = False,
) -> Service[Any]:
    """Make the service.

    folder: what is served. max_file: bytes of one file. quota: bytes of all of them.
    keep_parts: seconds that what has come of a file is kept to be gone on with.
    read_only: whether nothing can be put, made or removed. no_remove: or not removed.
    Raises ConfigurationError for what cannot be served.
    """
    if folder is None:
        raise ConfigurationError(
            "files needs a folder: jackfield serve files . tcp://127.0.0.1:9000"
        )
    new_hash()
    Folder(folder).close()  # what is wrong with it is told before anybody is served
    files = Files(
        folder,
        max_file=max_file,
        quota=quota,
        keep_parts=keep_parts,
        read_only=read_only,
        no_remove=no_remove,
    )
    return Service("files", files, CONTROL, LIMITS)


class Files:
    """The handler of `serve files`.

    options: as `make()` has them. rights: who may do what; everybody everything, unless given.
    """

    def __init__(self, folder: str, *, rights: Rights | None = None, **options: Any) -> None:
        self._where = folder
        self._rights = rights
        self._options = options
        self._lock = threading.Lock()  # handlers may have a thread each
        self._shared: Shared | None = None
        self._sweeper: Sweeper | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._where, self._rights, self._options)

    def opened(self) -> Shared:
        """Give the folder and what goes with it, opened when first needed, once a process."""
        with self._lock:
            if self._shared is None:
                self._shared = self._open()
            if self._sweeper is not None:
                self._sweeper.sweep_now_and_then()
            return self._shared

    def _open(self) -> Shared:
        options = self._options
        folder = Folder(self._where)
        quota, keep = options["quota"], options["keep_parts"]
        room: Room = Unmeasured() if quota is None else Measured(folder, quota, keep)
        if not options["read_only"]:
            self._sweeper = Sweeper(folder, keep)
        return Shared(
            folder,
            self._rights or Anybody(),
            room,
            Hashes(),
            options["max_file"],
            options["read_only"],
            options["no_remove"],
        )

    async def __call__(self, conn: Connection[Any]) -> None:
        """Serve one client."""
        await Session(self.opened(), conn).run()


def _again(folder: str, rights: Rights | None, options: dict[str, Any]) -> Files:
    return Files(folder, rights=rights, **options)
