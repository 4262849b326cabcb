"""The client's side: files put and got over one connection, many of them without waiting for each.

The rule this file owns: a file is put when the server says that it is there, with the size and hash
that were found here; it is got when its hash is the server's. One that changes while it is sent is
worth nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jackfield.errors import BadMessage, JackfieldError, PeerLost
from jackfield.net.folders import MOST_LISTED, FileRefused, Folder
from jackfield.net.incoming import Incoming, Source, exists
from jackfield.services.files import answers
from jackfield.services.files.asking import Asking, Changed, as_kind, line_of
from jackfield.services.files.hashing import feed, new_hash
from jackfield.services.files.moving import BATCH, Intake, dropped, received
from jackfield.services.files.tasks import (
    GetFile,
    Moved,
    PutFile,
    PutFolder,
    PutStream,
    Task,
)
from jackfield.services.files.wire import MOST_BODY, SMALL, name_of
from jackfield.services.files.working import finished

MOST_DROPPED = 16 * 1024 * 1024
"""Bytes that are received for nothing, at the most: a new connection is cheaper than more."""


class Remote(Asking):
    """A folder served elsewhere, over one connection.

    Methods raise FileRefused for what the server does not do, PeerLost and RemoteProtocolError;
    what was not answered then is in `given_back()`.
    """

    # What can be asked

    async def do(self, task: Task) -> None:
        """Do it, or begin to: the watch hears what becomes of it, by the end of `settle()`."""
        self._now = task
        try:
            match task:
                case PutFile():
                    await self._put(task)
                case PutStream():
                    await self.settle()
                    self._watch.done(task, await self._put_stream(task))
                case PutFolder():
                    await self._make(task)
                case GetFile():
                    await self._get(task)
        except (FileRefused, Changed) as error:
            self._watch.failed(task, error)
        self._now = None

    async def list(self, names: Sequence[bytes], *, hash: bool = False) -> answers.Entries:  # noqa: A002  as it is called
        """Give what is in a folder, or the one file of that name."""
        return await self._listed(names, hash=hash, about=False)

    async def about(self, names: Sequence[bytes], *, hash: bool = False) -> answers.Entry:  # noqa: A002  likewise
        """Give what there is to say of a file or folder."""
        found = await self._listed(names, hash=hash, about=True)
        if len(found.entries) != 1:
            raise BadMessage("the server tells of another number of files than of one")
        return found.entries[0]

    async def _listed(self, names: Sequence[bytes], **how: bool) -> answers.Entries:
        await self.settle()
        await self._say({"do": "list", "name": name_of(names), **how})
        found: list[answers.Entry] = []
        while True:
            page = await self._answer_as(answers.Entries)
            found += page.entries
            if len(found) > MOST_LISTED:
                raise BadMessage(f"a folder of more than {MOST_LISTED} names")
            if not page.more:
                return answers.Entries(found, more=False, cut=page.cut, unnamed=page.unnamed)

    async def remove(self, names: Sequence[bytes], *, deep: bool = False) -> None:
        """Remove a file or an empty folder; `deep`: with all that is in it."""
        await self.settle()
        await self._say({"do": "remove", "name": name_of(names), "deep": deep})
        await self._answer_as(answers.Done)

    async def _make(self, task: PutFolder) -> None:
        async def take() -> None:
            await self._answer_as(answers.Done)
            self._watch.done(task, None)

        message: dict[str, Any] = {"do": "folder", "name": name_of(task.names)}
        if task.mode is not None:
            message |= {"mode": task.mode & 0o777, "mtime": task.mtime}
        await self._ask(task, message, take)

    # Putting

    async def _put(self, task: PutFile) -> None:
        assert task.open is not None
        source = await self._work(task.open)
        try:
            self._may_put(source.size)
            message = _offer(task.names, source, replace=task.replace)
            if source.size <= SMALL:
                await self._put_small(task, source, message)
            else:
                await self.settle()
                self._watch.done(task, await self._put_large(task, source, message))
        finally:
            if self._rest is None or self._rest.done():
                source.close()
            else:
                self._rest.add_done_callback(lambda _: source.close())

    def _may_put(self, size: int) -> None:
        if size > self.welcome.max_file:
            raise FileRefused(
                f"it has {size} bytes, and the server takes {self.welcome.max_file} at the most",
                "full",
            )

    async def _put_small(self, task: PutFile, source: Source, message: dict[str, Any]) -> None:
        data = await self._work(lambda: source.read(0, source.size))
        digest = new_hash().update(data).hexdigest()
        message |= {"size": len(data), "body": len(data), "hash": digest}

        async def take() -> None:
            kept = await self._answer_as(answers.Kept)
            self._watch.done(task, Moved(kept.size, kept.hash, already=kept.already))

        await self._ask(task, message, take, data)

    async def _put_large(self, task: PutFile, source: Source, message: dict[str, Any]) -> Moved:
        await self._say(message)
        held = await self._answer_as(answers.Held)
        size = source.size
        if held.there_hash:
            digest = new_hash()
            await self._patiently(feed(digest, source, 0, size))
            is_same = digest.hexdigest() == held.there_hash
            if is_same or not task.replace:
                await self._say({"do": "stop"})
                await self._answer_as(answers.Done)
                if is_same:
                    return Moved(size, held.there_hash, already=True)
                raise exists()
        digest, at = new_hash(), 0
        if 0 < held.size <= size:
            await self._patiently(feed(digest, source, 0, held.size))
            if digest.hexdigest() == held.hash:
                at = held.size
            else:
                digest = new_hash()
        await self._send(task, source, at, digest)
        return Moved(size, digest.hexdigest(), at)

    async def _send(self, task: PutFile, source: Source, at: int, digest: Any) -> None:
        """Send a file from `at` on, with its hash found beside."""
        size = source.size
        hashing = asyncio.ensure_future(feed(digest, source, at, size))
        answer = asyncio.ensure_future(self._answer())  # one that comes early is a refusal
        try:
            while at < size and not answer.done():
                self._watch.moving(task, at, size)
                body = min(MOST_BODY, size - at)
                await self._send_piece(self._bytes(task, source, at, body), answer)
                at += body
            if not answer.done():
                await self._patiently(hashing)
                if source.has_changed():
                    await self._say({"do": "stop"})
                    as_kind(answers.Done, await answer)
                    raise Changed("it changed while it was sent")
                await self._say({"do": "end", "size": size, "hash": digest.hexdigest()})
            as_kind(answers.Kept, await answer)
        finally:
            for one in (hashing, answer):
                one.cancel()
            with contextlib.suppress(asyncio.CancelledError, JackfieldError):
                await finished(hashing)

    async def _bytes(self, task: PutFile, source: Source, at: int, body: int) -> None:
        file: Any = source
        head = line_of({"do": "bytes", "at": at, "body": body})
        if await self._conn.send_file(file, at, body, head=head) < body:
            self._conn.abort("a file became shorter while it was sent")
            raise PeerLost(f"{task.label} became shorter while it was sent")

    async def _put_stream(self, task: PutStream) -> Moved:
        message = {
            "do": "put",
            "name": name_of(task.names),
            "mode": task.mode & 0o777,
            "mtime": task.mtime,
            "replace": task.replace,
        }
        await self._say(message)
        held = await self._answer_as(answers.Held)
        digest, size = new_hash(), 0
        sends = not held.there_hash or task.replace
        answer = asyncio.ensure_future(self._answer())
        try:
            while not answer.done():
                data = await self._filled(task, answer)
                if not data:
                    break
                digest.update(data)
                if sends:
                    piece = self._say({"do": "bytes", "at": size, "body": len(data)}, data)
                    await self._send_piece(piece, answer)
                size += len(data)
                self._watch.moving(task, size, None)
                if not sends and size > (held.there_size or 0):  # it is another one
                    break
            found = digest.hexdigest()
            is_same = held.there_hash == found
            if is_same or not sends:
                await self._say({"do": "stop"})
                as_kind(answers.Done, await answer)
                if is_same:
                    return Moved(size, found, already=True)
                raise exists()
            if not answer.done():
                await self._say({"do": "end", "size": size, "hash": found})
            as_kind(answers.Kept, await answer)
            return Moved(size, found)
        finally:
            answer.cancel()

    async def _filled(self, task: PutStream, answer: asyncio.Future[answers.Answer]) -> bytes:
        """Wait for a piece of a stream: less at its end, or when an answer comes before it."""
        parts: list[bytes] = []
        size = 0
        while size < BATCH:
            reading = asyncio.ensure_future(self._patiently(task.read(BATCH - size)))
            either: set[asyncio.Future[Any]] = {reading, answer}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                part = reading.result() if reading.done() else b""
            finally:
                reading.cancel()
            if not part:
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    # Getting

    async def _get(self, task: GetFile) -> None:
        folder, names = task.folder, task.to
        assert folder is not None
        incoming = await self._work(lambda: _begun(folder, names))
        asked = False
        try:
            digest = new_hash()
            message: dict[str, Any] = {"do": "get", "name": name_of(task.names)}
            if incoming.size:
                held = Source.of(incoming)
                await self._patiently(feed(digest, held, 0, incoming.size))
                message |= {"at": incoming.size, "hash": digest.hexdigest()}
            asked = True
            await self._ask(
                task,
                message,
                lambda: self._take(task, incoming, digest),
                drop=incoming.leave,
            )
        finally:
            if not asked:
                incoming.leave()

    async def _take(self, task: GetFile, incoming: Incoming, digest: Any) -> None:
        """Take a file that was asked for."""
        try:
            moved = await self._take_body(task, incoming, digest)
        finally:
            incoming.leave()
        self._watch.done(task, moved)

    async def _take_body(self, task: GetFile, incoming: Incoming, digest: Any) -> Moved:
        file = await self._answer_as(answers.File)
        at = file.at
        if at not in {0, incoming.size}:
            raise BadMessage(f"the server begins at {at}, which nobody asked for")
        if at == 0 and incoming.size:
            digest = new_hash()
            await self._work(incoming.restart)
        if file.body <= SMALL:
            return await self._take_small(task, incoming, digest, file)
        done = at

        def progress(size: int) -> None:
            nonlocal done
            done += size
            self._watch.moving(task, done, file.size)

        intake = Intake(incoming.write, digest, progress)
        try:
            await intake.take(self._conn, file.body)
            await self._patiently(intake.settle())
        except FileRefused:
            if intake.left > MOST_DROPPED:
                self._conn.abort("the rest of a file that cannot be kept here")
            else:
                await dropped(self._conn, intake.left)
                await self._answer_as(answers.Sent)
            raise
        finally:
            with contextlib.suppress(FileRefused):
                await intake.settle()
        sent = await self._answer_as(answers.Sent)
        found: str = digest.hexdigest()
        await self._work(lambda: _end(task, incoming, file, sent, found))
        return Moved(file.size, found, at)

    async def _take_small(
        self, task: GetFile, incoming: Incoming, digest: Any, file: answers.File
    ) -> Moved:
        """Take what is little, or little is missing of: with one call of a thread."""
        data = await received(self._conn, file.body)
        sent = await self._answer_as(answers.Sent)
        self._watch.moving(task, file.size, file.size)
        found: str = digest.update(data).hexdigest()

        def keep() -> None:
            incoming.write([data])
            _end(task, incoming, file, sent, found)

        await self._work(keep)
        return Moved(file.size, found, file.at)

    async def get_stream(
        self, names: Sequence[bytes], write: Callable[[bytes], Awaitable[None]]
    ) -> Moved:
        """Get a file piece by piece. Raises Changed at its end when it is not the server's."""
        await self.settle()
        await self._say({"do": "get", "name": name_of(names)})
        file = await self._answer_as(answers.File)
        digest, left = new_hash(), file.body
        while left:
            piece = await self._conn.receive_chunk(min(left, BATCH))
            if not piece:
                raise PeerLost("the connection ended in the middle of a file")
            left -= len(piece)
            digest.update(piece)
            await self._patiently(write(piece))
        sent = await self._answer_as(answers.Sent)
        if sent.changed or sent.hash != digest.hexdigest():
            raise Changed("what came is not the file, which changed, or bytes did on the way")
        return Moved(file.size, sent.hash)


def _begun(folder: Folder, names: Sequence[bytes]) -> Incoming:
    """Open what has come of a file."""
    incoming = Incoming(folder, names)
    try:
        incoming.begin()
    except FileRefused:
        incoming.close()
        raise
    return incoming


def _end(
    task: GetFile, incoming: Incoming, file: answers.File, sent: answers.Sent, found: str
) -> None:
    """Give a file its name, if it is the server's. Raises Changed and FileRefused."""
    if sent.changed or sent.hash != found:
        if not sent.changed:
            incoming.restart()
        raise Changed("it changed while it was sent, or bytes did on the way")
    incoming.finish(file.mode, file.mtime, replace=task.replace)


def _offer(names: tuple[bytes, ...], source: Source, *, replace: bool) -> dict[str, Any]:
    return {
        "do": "put",
        "name": name_of(names),
        "size": source.size,
        "mode": source.info.st_mode & 0o777,
        "mtime": source.info.st_mtime_ns,
        "replace": replace,
    }
