"""One client's session: what it asks of the folder is answered, one thing after another.

The rules this file owns:

1. Each thing asked for has one answer. What cannot be done is said, and the session goes on; what
   breaks the protocol ends it.
2. A file that cannot be taken is refused at once; then what of it is on its way already is dropped.
3. A file has its name, and an answer says so, only once its size and hash are those that the client
   gave and it is on the disk.
4. Whose the file is that is replaced is asked while nobody else can write that name; and before,
   so that what is refused is refused at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from jackfield.errors import BadMessage, EndOfStream, PeerLost
from jackfield.net.connection import Connection
from jackfield.net.folders import FileRefused, Folder, item_of
from jackfield.net.incoming import Incoming, Source, exists
from jackfield.services.files import wire
from jackfield.services.files.hashing import Hashes, feed, new_hash
from jackfield.services.files.moving import Intake, dropped, received
from jackfield.services.files.rights import Rights, Room
from jackfield.services.files.small import Small, differs
from jackfield.services.files.wire import CONTROL, SMALL, name_of, summed
from jackfield.services.files.working import finished, patiently, work

T = TypeVar("T")

AWAIT = 2.0
AGAIN = 0.1
"""Seconds that a file is waited for which somebody else writes, and between two looks."""


class Shared(NamedTuple):
    """What the sessions of a process share."""

    folder: Folder
    rights: Rights
    room: Room
    hashes: Hashes
    max_file: int
    read_only: bool
    no_remove: bool


class Session:
    """One client."""

    def __init__(self, shared: Shared, conn: Connection[Any]) -> None:
        self._shared = shared
        self._folder = shared.folder
        self._conn = conn
        self._who = ""
        self._failed = False  # the file offered last was refused, and more of it may come
        self._coming = 0  # bytes of a body under way that nobody wants any more

    async def run(self) -> None:
        """Answer until the client ends. Raises BadMessage and PeerLost."""
        conn = self._conn
        hello = await self._heard()
        if not isinstance(hello, wire.Hello):
            raise BadMessage("the first thing said is hello")
        if hello.version != wire.VERSION:
            await self._fail(
                FileRefused(
                    f"version {hello.version} of the protocol of files is not spoken here, but "
                    f"{wire.VERSION}; take the same version of jackfield on both sides"
                )
            )
            return
        try:
            self._who = await self._shared.rights.enter(hello.token, conn.source)
        except FileRefused as error:
            await self._fail(error)
            return
        await self._say(
            {
                "is": "hello",
                "version": wire.VERSION,
                "max_file": self._shared.max_file,
                "read_only": self._shared.read_only,
                "no_remove": self._shared.no_remove,
            }
        )
        with contextlib.suppress(EndOfStream):
            while True:
                await self._answer(await self._heard())

    async def _heard(self) -> wire.Asked | wire.Misnamed:
        while True:
            found = wire.asked(await self._conn.receive())
            if not isinstance(found, wire.Still):
                return found

    async def _say(self, message: dict[str, Any]) -> None:
        await self._conn.send(summed(message))

    async def _fail(self, error: FileRefused) -> None:
        await self._say({"is": "error", "why": error.why, "text": str(error)})

    async def _still(self) -> None:
        await self._say({"is": "still"})

    async def _patiently(self, working: Awaitable[T]) -> T:
        return await patiently(working, self._still)

    async def _work(self, call: Callable[[], T]) -> T:
        return await work(call, self._still)

    async def _free(self, call: Callable[[], T]) -> T:
        """Call in a thread, and again for a moment as long as somebody else writes that file.

        It may be an earlier connection of the same client, of whose end nothing was heard yet.
        """
        until = time.monotonic() + AWAIT
        while True:
            try:
                return await self._work(call)
            except FileRefused as error:
                if error.why != "busy" or time.monotonic() > until:
                    raise
            await asyncio.sleep(AGAIN)

    async def _answer(self, asked: wire.Asked | wire.Misnamed) -> None:
        match asked:
            case wire.Bytes() | wire.End() | wire.Stop():
                if not self._failed:
                    raise BadMessage("no file was offered to which that could belong")
                if isinstance(asked, wire.Bytes):
                    await dropped(self._conn, asked.body)
                return
            case wire.Hello():
                raise BadMessage("hello was said already")
            case _:
                self._failed = False
        try:
            await self._do(asked)
        except FileRefused as error:
            await self._fail(error)
            coming, self._coming = self._coming, 0
            await dropped(self._conn, coming)

    async def _do(self, asked: wire.Asked | wire.Misnamed) -> None:
        match asked:
            case wire.Misnamed():
                self._failed = True
                self._coming = asked.body
                raise FileRefused(asked.text, "odd")
            case wire.Put(body=None):
                await self._put(asked)
            case wire.Put():
                await self._put_small(asked)
            case wire.Get():
                await self._get(asked)
            case wire.List():
                await self._list(asked)
            case wire.MakeFolder():
                await self._make(asked)
            case wire.Remove():
                await self._remove(asked)

    # Taking files

    async def _may_put(self, asked: wire.Put) -> None:
        shared = self._shared
        if shared.read_only:
            raise FileRefused("nothing can be put here: it is served read-only")
        self._may_grow(asked.size or 0)
        await self._may_replace(asked)

    async def _may_replace(self, asked: wire.Put) -> None:
        if self._replaces(asked):
            await self._shared.rights.may_change(self._who, name_of(asked.names))

    async def _kept(self, names: list[bytes], size: int, digest: str, *, already: bool) -> None:
        if not already:
            await self._shared.rights.changed(self._who, name_of(names), size)
        await self._say({"is": "put", "size": size, "hash": digest, "already": already})

    def _taken(self, asked: wire.Put) -> FileRefused:
        """Say that another file has the name."""
        if asked.replace and self._shared.no_remove:
            return FileRefused("there is another file of that name, and nothing is replaced here")
        return exists()

    def _replaces(self, asked: wire.Put) -> bool:
        return asked.replace and not self._shared.no_remove

    def _may_grow(self, size: int) -> None:
        most = self._shared.max_file
        if size > most:
            raise FileRefused(f"a file here may have {most} bytes at the most", "full")

    async def _put_small(self, asked: wire.Put) -> None:
        assert asked.body is not None
        data = await received(self._conn, asked.body)
        await self._may_put(asked)
        shared, replaces = self._shared, self._replaces(asked)
        small = Small(self._folder, shared.room, self._who, asked, data, replaces=replaces)
        try:
            if replaces:
                await self._free(small.begin)
                await self._may_replace(asked)
            already = await self._free(small.keep)
        except FileRefused as error:
            if error.why == "exists":
                raise self._taken(asked) from error
            raise
        finally:
            small.leave()
        await self._kept(asked.names, len(data), asked.hash, already=already)

    async def _put(self, asked: wire.Put) -> None:
        """Take a file piece by piece, from where an earlier connection has left it."""
        self._failed = True  # until all of it was taken
        await self._may_put(asked)
        incoming = await self._work(lambda: Incoming(self._folder, asked.names))
        intake = None
        try:
            intake = await self._offered(asked, incoming)
            done = await self._take(asked, incoming, intake)
        finally:
            try:
                if intake is not None:
                    await intake.settle()
            finally:
                incoming.leave()
                await self._work(partial(self._shared.room.release, incoming))
        self._failed = False
        if done is not None:
            await self._kept(asked.names, done.size, done.hash, already=False)

    async def _offered(self, asked: wire.Put, incoming: Incoming) -> Intake:
        """Say what is here of a file already."""
        await self._free(incoming.begin)
        answer: dict[str, Any] = {"is": "held"}
        found = await self._work(incoming.existing)
        if found is not None:
            source = Source(*found)
            try:
                if asked.size in {None, source.size}:
                    answer["there_size"] = source.size
                    answer["there_hash"] = await self._patiently(self._shared.hashes.of(source))
                elif not self._replaces(asked):
                    raise self._taken(asked)
            finally:
                source.close()
        if asked.size is None or "there_hash" not in answer:  # else all may be there already
            await self._work(partial(self._claim, incoming, asked.size or 0))
        if asked.size is None or incoming.size > asked.size:
            await self._work(incoming.restart)
        digest = new_hash()
        held = Source.of(incoming)
        await self._patiently(feed(digest, held, 0, incoming.size))
        await self._say(answer | {"size": incoming.size, "hash": digest.hexdigest()})
        return Intake(incoming.write, digest)

    async def _take(self, asked: wire.Put, incoming: Incoming, intake: Intake) -> wire.End | None:
        """Take what the client sends of a file; None when it stops."""
        size = incoming.size
        claimed: int | None = None
        while True:
            said = await self._heard()
            match said:
                case wire.Bytes(at=at, body=body):
                    try:
                        if at == 0 and size:
                            await intake.settle()
                            await self._work(incoming.restart)
                            intake.digest, size = new_hash(), 0
                        self._may_take(asked, size, at, body)
                        wanted = size + body if asked.size is None else asked.size
                        if wanted != claimed:
                            await self._work(partial(self._claim, incoming, wanted))
                            claimed = wanted
                    except FileRefused:
                        self._coming = body
                        raise
                    try:
                        await intake.take(self._conn, body)
                    except FileRefused:
                        self._coming = intake.left
                        raise
                    size += body
                case wire.End():
                    self._failed = False
                    await self._finish(asked, incoming, intake, said)
                    return said
                case wire.Stop():
                    await self._say({"is": "stopped"})
                    return None
                case _:
                    raise BadMessage("a file was offered, so bytes, end or stop are to follow")

    def _claim(self, incoming: Incoming, size: int) -> None:
        self._shared.room.claim(self._who, incoming, size)

    def _may_take(self, asked: wire.Put, size: int, at: int, body: int) -> None:
        if at != size:
            raise BadMessage(f"bytes: {at} is not where the file goes on, which is {size}")
        if asked.size is not None and size + body > asked.size:
            raise BadMessage("bytes: they are more than the file was said to have")
        self._may_grow(size + body)

    async def _finish(
        self, asked: wire.Put, incoming: Incoming, intake: Intake, end: wire.End
    ) -> None:
        await intake.settle()
        if asked.size not in {None, end.size} or intake.digest.hexdigest() != end.hash:
            await self._work(incoming.restart)
            raise differs()
        await self._may_replace(asked)  # somebody else may have put it meanwhile
        await self._work(
            lambda: incoming.finish(asked.mode, asked.mtime, replace=self._replaces(asked))
        )

    # Giving files

    async def _get(self, asked: wire.Get) -> None:
        source, data = await self._work(lambda: self._found(asked))
        try:
            if data is None:
                await self._send(asked, source)
            else:
                await self._send_small(source, 0, data, new_hash())
        finally:
            source.close()

    def _found(self, asked: wire.Get) -> tuple[Source, bytes | None]:
        """Open a file; give what is in it, too, if that is little and none of it is there."""
        source = Source(*self._folder.find_file(asked.names))
        try:
            small = source.size <= SMALL and not asked.at
            return source, source.read(0, source.size) if small else None
        except FileRefused:
            source.close()
            raise

    async def _send(self, asked: wire.Get, source: Source) -> None:
        digest, at = new_hash(), 0
        if asked.at and asked.at <= source.size:
            await self._patiently(feed(digest, source, 0, asked.at))
            if digest.hexdigest() == asked.hash:
                at = asked.at
            else:
                digest = new_hash()
        size = source.size
        if size - at <= SMALL:
            data = await self._work(lambda: source.read(at, size - at))
            await self._send_small(source, at, data, digest)
            return
        known = self._shared.hashes.get(source.info)
        hashing = None if known else asyncio.ensure_future(feed(digest, source, at, size))
        try:
            await self._send_body(source, at, _head(source, at))
            if hashing is not None:
                await self._patiently(hashing)
        finally:
            if hashing is not None:
                hashing.cancel()
                with contextlib.suppress(asyncio.CancelledError, FileRefused):
                    await finished(hashing)
        await self._say(self._end(source, known or digest.hexdigest()))

    async def _send_small(self, source: Source, at: int, data: bytes, digest: Any) -> None:
        if len(data) < source.size - at:
            raise FileRefused("it has become shorter in this moment; try again")
        digest.update(data)
        end = self._end(source, digest.hexdigest())
        await self._conn.send_chunk(_head(source, at) + data + _line(end))

    async def _send_body(self, source: Source, at: int, head: bytes) -> None:
        conn = self._conn
        file: Any = source
        sent = await conn.send_file(file, at, source.size - at, head=head)
        if sent < source.size - at:
            conn.abort("a file became shorter while it was sent")
            raise PeerLost("a file became shorter while it was sent")

    def _end(self, source: Source, digest: str) -> dict[str, Any]:
        changed = source.has_changed()
        if not changed:
            self._shared.hashes.keep(source.info, digest)
        return {"is": "end", "hash": digest, "changed": changed}

    # The folder

    async def _list(self, asked: wire.List) -> None:
        folder = self._folder
        opened = await self._work(lambda: folder.find(asked.names))
        try:
            if opened.is_folder and not asked.about:
                items, is_all = await self._work(lambda: folder.items(opened.fd))
                inside = asked.names
            else:
                items, is_all = [item_of(asked.names[-1], opened.info)], True
                inside = asked.names[:-1]
        finally:
            os.close(opened.fd)
        page: list[dict[str, Any]] = []
        size = unnamed = 0
        for item in items:
            try:
                name = name_of([item.name])
            except UnicodeDecodeError:
                unnamed += 1
                continue
            entry: dict[str, Any] = {
                "name": name,
                "kind": item.kind,
                "size": item.size,
                "mode": item.mode,
                "mtime": item.mtime,
            }
            if asked.hash and item.kind == "file":
                entry["hash"] = await self._patiently(self._hash_of([*inside, item.name]))
            size += len(CONTROL.encode(entry))
            if page and (size > wire.PAGE or len(page) == wire.MOST_ENTRIES):
                await self._say({"is": "entries", "entries": page, "more": True})
                page, size = [], len(CONTROL.encode(entry))
            page.append(entry)
        await self._say(
            {"is": "entries", "entries": page, "more": False, "cut": not is_all}
            | {"unnamed": unnamed}
        )

    async def _hash_of(self, names: list[bytes]) -> str:
        """Give the hash of a file; "" when it cannot be read."""
        try:
            source = Source(*await work(lambda: self._folder.find_file(names)))
        except FileRefused:
            return ""
        try:
            return await self._shared.hashes.of(source)
        except FileRefused:
            return ""
        finally:
            source.close()

    async def _make(self, asked: wire.MakeFolder) -> None:
        if self._shared.read_only:
            raise FileRefused("nothing can be made here: it is served read-only")
        await self._work(lambda: self._folder.make(asked.names, asked.mode, asked.mtime))
        await self._say({"is": "folder"})

    async def _remove(self, asked: wire.Remove) -> None:
        shared = self._shared
        if shared.read_only or shared.no_remove:
            raise FileRefused("nothing can be removed here: it is served so")
        name = name_of(asked.names)
        await shared.rights.may_change(self._who, name)
        await self._work(lambda: self._folder.remove(asked.names, deep=asked.deep))
        await shared.rights.changed(self._who, name, None)
        await self._say({"is": "removed"})


def _head(source: Source, at: int) -> bytes:
    """Say what comes of a file."""
    item = item_of(b"", source.info)
    size = source.size
    return _line(
        {"is": "file", "size": size, "mode": item.mode, "mtime": item.mtime}
        | {"at": at, "body": size - at}
    )


def _line(message: dict[str, Any]) -> bytes:
    return CONTROL.encode(summed(message))
