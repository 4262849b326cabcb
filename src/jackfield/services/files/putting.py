"""A file that is put by HTTP.

The rules this file owns:

1. It is written as one of the native protocol is, by `Incoming` and `Intake`: it has its name once
   all of it has come, agrees with what was said of it, and is on the disk. What came of one that
   was cut is not kept, since HTTP has no way to go on with it.
2. What cannot be taken is refused before its body is asked for: too large, no room, a name that is
   taken or can be none, somebody else's file.
3. Whose the file is that it replaces is asked while nobody else can write that name, and once more
   before it is replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs, quote

from jackfield.http.exchange import Exchange
from jackfield.net.connection import Connection
from jackfield.net.folders import FileRefused
from jackfield.net.incoming import Incoming, Source
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.moving import Intake
from jackfield.services.files.session import Shared
from jackfield.services.files.wire import name_of
from jackfield.services.files.working import work

GATHERED = 256 * 1024
"""Bytes of a body that are put together before they are written."""

MOST_QUERY = 2048
MOST_DIGEST = 1024

_DIGEST = re.compile(r"\s*([a-z0-9-]{1,20})\s*=\s*:([A-Za-z0-9+/=]{0,200}):\s*")
_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


SAVED = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""What is said of every answer here."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. who: as `Rights` calls them. may_write: whether they may put and remove at all."""

    who: str
    may_write: bool


class TooLarge(FileRefused):
    """One file may not have so many bytes."""


class Putting:
    """One file that is put. names: of it, below the folder."""

    def __init__(
        self, shared: Shared, exchange: Exchange, names: list[bytes], caller: Caller
    ) -> None:
        self._shared = shared
        self._exchange = exchange
        self._names = names
        self._caller = caller
        self._is_named = False  # or may be, so that what is written is somebody's file

    async def run(self) -> None:
        """Take it, and answer. Raises FileRefused, and what the connection does."""
        if not self._names:
            raise FileRefused("name the file", "odd")
        fields = self._exchange.request.fields
        if "content-range" in fields:
            raise FileRefused("a part of a file cannot be put; send all of it", "odd")
        digests = _said_digests(fields)
        length = fields.get("content-length")
        size = None if length is None else int(length)
        self._see_size(size or 0)
        incoming = await work(lambda: Incoming(self._shared.folder, self._names))
        try:
            await work(incoming.begin)
            before = await self._before(incoming, size)
            if size is not None:
                await work(partial(self._claim, incoming, size, size))
            found = await self._receive(incoming, _Digests(digests), is_announced=size is not None)
            await self._name(incoming, before, found)
        finally:
            await work(lambda: self._let_go(incoming))

    def _let_go(self, incoming: Incoming) -> None:
        """Close it; what has come of a file that is not whole is not kept."""
        try:
            if incoming.fd >= 0 and not self._is_named:
                incoming.restart()
        finally:
            incoming.leave()
            self._shared.room.release(incoming)

    def _see_size(self, size: int) -> None:
        most = self._shared.max_file
        if size > most:
            raise TooLarge(f"a file here may have {most} bytes at the most", "full")

    def _claim(self, incoming: Incoming, more: int, size: int) -> None:
        """See to it that there is room for so many bytes more, on the disk, and for all of it."""
        info = os.fstatvfs(self._shared.folder.fd)
        free = info.f_bavail * info.f_frsize
        if more > free:
            raise FileRefused(f"there is no room on the disk: {free} bytes are free", "full")
        self._shared.room.claim(self._caller.who, incoming, size)

    async def _may_change(self) -> None:
        await self._shared.rights.may_change(self._caller.who, name_of(self._names))

    async def _before(self, incoming: Incoming, size: int | None) -> _Before:
        """See what has the name already, and whether something else may have it."""
        found = await work(incoming.existing)
        if found is None:
            await self._may_change()
            return _Before(there=False, replace=False, hash="")
        source = Source(*found)
        try:
            if self._replaces:
                await self._may_change()
                return _Before(there=True, replace=True, hash="")
            if size != source.size:
                raise self._taken()
            return _Before(there=True, replace=False, hash=await self._shared.hashes.of(source))
        finally:
            source.close()

    @property
    def _replaces(self) -> bool:
        query = self._exchange.request.target.partition("?")[2][:MOST_QUERY]
        return "replace" in parse_qs(query, True) and not self._shared.no_remove

    def _taken(self) -> FileRefused:
        how = "nothing is replaced here" if self._shared.no_remove else "?replace replaces it"
        return FileRefused(f"there is another file of that name; {how}", "exists")

    async def _receive(self, incoming: Incoming, digest: _Digests, *, is_announced: bool) -> str:
        """Take the body and verify it; give its hash."""
        await work(incoming.restart)
        intake = Intake(incoming.write, digest)
        body = _Body(self._exchange)
        size = 0
        try:
            while count := await body.gather():
                size += count
                self._see_size(size)
                if not is_announced:
                    await work(partial(self._claim, incoming, count, size))
                await intake.take(cast("Connection[Any]", body), count)
        finally:
            await intake.settle()
        return digest.verified()

    async def _name(self, incoming: Incoming, before: _Before, found: str) -> None:
        """Give it its name, and answer."""
        exchange = self._exchange
        if before.there and not before.replace:
            if found != before.hash:
                raise self._taken()
            await exchange.respond(204, fields=SAVED)
            return
        await self._may_change()
        self._is_named = True
        info = await work(lambda: incoming.finish(0o644, time.time_ns(), replace=before.replace))
        name = name_of(self._names)
        await self._shared.rights.changed(self._caller.who, name, info.st_size)
        fields = SAVED | {"ETag": tag_of(info)}
        if before.there:
            await exchange.respond(204, fields=fields)
            return
        told = {"name": name, "size": info.st_size, "hash": found}
        fields |= {"Location": quote(exchange.path, safe="/%:@!$&'()*+,;=~")}
        await exchange.respond(201, json.dumps(told) + "\n", "application/json", fields)


@dataclass(frozen=True, slots=True)
class _Before:
    """What has the name: whether anything, and it is replaced; else its hash, to compare by."""

    there: bool
    replace: bool
    hash: str


class _Body:
    """A request's body, as `Intake` takes what comes."""

    def __init__(self, exchange: Exchange) -> None:
        self._pieces = exchange.pieces()
        self._ready: list[bytes] = []

    async def gather(self) -> int:
        """Wait for more of it; say how many bytes are at hand, 0 at its end."""
        size = 0
        while size < GATHERED:
            piece = await anext(self._pieces, b"")
            if not piece:
                break
            self._ready.append(piece)
            size += len(piece)
        return size

    async def receive_chunk(self, _most: int) -> bytes:
        """Give what is at hand."""
        chunk = b"".join(self._ready)
        self._ready.clear()
        return chunk


class _Digests:
    """The hash that files here have, and those that whoever sends has said."""

    def __init__(self, said: dict[str, bytes]) -> None:
        self.own = new_hash()
        self._said = said
        self._others = {name: _DIGESTS[name]() for name in said}

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self.own.update(data)
        for one in self._others.values():
            one.update(data)

    def verified(self) -> str:
        """Give the hash. Refuses what is not what was sent."""
        for name, one in self._others.items():
            if one.digest() != self._said[name]:
                raise FileRefused(
                    f"what has come is not what was sent: its {name} is another one", "differs"
                )
        found: str = self.own.hexdigest()
        return found


def _said_digests(fields: Mapping[str, str]) -> dict[str, bytes]:
    """Read Repr-Digest (RFC 9530); algorithms that are not known are passed over."""
    said: dict[str, bytes] = {}
    text = fields.get("repr-digest", "")
    if len(text) > MOST_DIGEST:
        raise FileRefused("Repr-Digest is too long", "odd")
    for one in filter(None, map(str.strip, text.split(","))):
        found = _DIGEST.fullmatch(one)
        if found is None:
            raise FileRefused("Repr-Digest is written sha-256=:BASE64:", "odd")
        name, value = found.groups()
        if name in _DIGESTS:
            try:
                said[name] = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise FileRefused(f"Repr-Digest: {name} holds no base64", "odd") from None
    return said


def tag_of(info: os.stat_result) -> str:
    """Give a file's entity tag."""
    return f'"{info.st_mtime_ns:x}-{info.st_size:x}-{info.st_ino:x}"'
