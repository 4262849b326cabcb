"""A small file that is put, whose contents have come along with what is said of it.

The rules this file owns:

1. All that is done for it is done by one call of a thread, unless somebody is to be asked between
   its lock and its name.
2. What cannot be kept leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os

from jackfield.net.folders import FileRefused, Folder
from jackfield.net.incoming import Incoming, Source, exists
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.rights import Room
from jackfield.services.files.wire import Put


class Small:
    """One that is put by somebody. Its methods may wait for a disk, and raise FileRefused.

    data: all that is in it. replaces: whether it may replace another one.
    """

    def __init__(
        self, folder: Folder, room: Room, who: str, asked: Put, data: bytes, *, replaces: bool
    ) -> None:
        self._folder = folder
        self._room = room
        self._who = who
        self._asked = asked
        self._data = data
        self._replaces = replaces
        self._incoming: Incoming | None = None

    def begin(self) -> None:
        """Lock its name; nobody else can write it until `leave()`. Again: nothing is done."""
        if self._incoming is None:
            incoming = Incoming(self._folder, self._asked.names)
            try:
                incoming.begin()
            except FileRefused:
                incoming.leave()
                raise
            self._incoming = incoming

    def keep(self) -> bool:
        """Give it its name; whether it was there already."""
        if new_hash().update(self._data).hexdigest() != self._asked.hash:
            raise differs()
        self.begin()
        incoming = self._incoming
        assert incoming is not None
        try:
            found = incoming.existing()
            if found is not None:
                try:
                    if _is_same(Source(*found), self._data):
                        return True
                finally:
                    os.close(found.fd)
                if not self._replaces:
                    raise exists()
            self._room.claim(self._who, incoming, len(self._data))
            incoming.restart()
            incoming.write([self._data])
            incoming.finish(self._asked.mode, self._asked.mtime, replace=self._replaces)
            return False
        except FileRefused:
            with contextlib.suppress(FileRefused):
                incoming.restart()
            raise
        finally:
            self._room.release(incoming)

    def leave(self) -> None:
        """Let go of its name."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.leave()


def differs() -> FileRefused:
    """Say that what has come is not what was sent."""
    return FileRefused(
        "what has come is not what was sent: bytes were changed on the way, or the file while it "
        "was sent",
        "differs",
    )


def _is_same(source: Source, data: bytes) -> bool:
    return source.size == len(data) and source.read(0, source.size) == data
