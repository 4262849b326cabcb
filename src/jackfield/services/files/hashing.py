"""BLAKE3 of files: in slices, off the event loop; remembered for files that stay as they are."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.net.incoming import Source
from jackfield.services.files.working import work

SLICE = 32 * 1024 * 1024
"""Bytes that a thread hashes at a time, so that who has gone is not worked for much longer."""

SETTLED = 2.0
"""Seconds since its last change from which on a file's times tell whether it changes again."""

MOST_REMEMBERED = 10_000


def new_hash() -> Any:
    """Begin a hash. Raises ConfigurationError where there is no BLAKE3."""
    try:
        from blake3 import blake3  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigurationError(
            "files are verified by BLAKE3; install it: pip install 'jackfield[files]'"
        ) from error
    return blake3()


async def feed(digest: Any, source: Source, at: int, end: int) -> None:
    """Feed a part of a file to a hash; what is missing at its end is passed over."""
    while at < end:
        before = at
        at = await work(partial(source.feed, digest.update, at, min(end, at + SLICE)))
        if at == before:
            return


class Hashes:
    """The hashes of files, by device, inode, size and times: a bounded number of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def get(self, info: os.stat_result) -> str:
        """Give what is remembered of a file; "" without."""
        return self._known.get(_key(info), "")

    def keep(self, info: os.stat_result, digest: str) -> None:
        """Remember it, unless the file may change once more without its times telling."""
        changed = max(info.st_mtime, info.st_ctime)
        if changed <= time.time() - SETTLED:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[_key(info)] = digest

    async def of(self, source: Source) -> str:
        """Give a file's hash, remembered or found."""
        known = self.get(source.info)
        if known:
            return known
        digest = new_hash()
        await feed(digest, source, 0, source.size)
        found: str = digest.hexdigest()
        if not source.has_changed():
            self.keep(source.info, found)
        return found


def _key(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
