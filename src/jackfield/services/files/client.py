"""The client's side: files put and got over one connection, many of them without waiting for each.

The rules this file owns:

1. Up to `AHEAD` things are asked before the answer to the first has come, so that many small files
   cost no round trip each. What was asked and not answered when a connection ends is given back.
2. A file is put when the server says that it is there, with the size and hash that were found here;
   it is got when its hash is the server's. One that changes while it is sent is worth nothing.
3. While this side works, it says that it is still there; when nothing at all moves for `IDLE`
   seconds, the server is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from jackfield.errors import BadMessage, EndOfStream, JackfieldError, PeerLost
from jackfield.net.connection import Connection
from jackfield.net.folders import MOST_LISTED, FileRefused
from jackfield.net.incoming import Incoming, Source, exists
from jackfield.services.files import answers, wire
from jackfield.services.files.hashing import feed, new_hash
from jackfield.services.files.moving import BATCH, Intake, dropped
from jackfield.services.files.tasks import (
    GetFile,
    Moved,
    PutFile,
    PutFolder,
    PutStream,
    Task,
    Watch,
)
from jackfield.services.files.wire import CONTROL, MOST_BODY, SMALL, name_of, summed
from jackfield.services.files.working import finished, patiently, work

T = TypeVar("T")

AHEAD = 32
"""Things asked and not answered, at the most."""

AHEAD_BYTES = 4 * 1024 * 1024
"""Bytes of small files that were sent and of which nothing was heard, at the most."""

IDLE = 60.0
"""Seconds without a byte either way after which the server is given up."""

_TICK = 2.0


class Changed(JackfieldError):
    """A file changed while it was on its way, or bytes did: it may be tried once more."""


class _Asked(NamedTuple):
    """What was asked. take: reads the answer. size: bytes sent along. drop: tidies up instead."""

    task: Task
    take: Callable[[], Awaitable[None]]
    size: int
    drop: Callable[[], None]


def _nothing() -> None:
    """There is nothing to tidy up."""


class Remote:
    """A folder served elsewhere, over one connection.

    Methods raise FileRefused for what the server does not do, PeerLost and RemoteProtocolError;
    what was not answered then is in `given_back()`.
    """

    def __init__(self, conn: Connection[Any], watch: Watch) -> None:
        self._conn = conn
        self._watch = watch
        self._asked: deque[_Asked] = deque()
        self._ahead = 0
        self._now: Task | None = None
        self._minding: asyncio.Task[None] | None = None
        self.welcome = answers.Welcome(0, 0, read_only=False, no_remove=False)

    async def begin(self, token: str = "") -> None:
        """Say who one is, and hear what is allowed."""
        self._minding = asyncio.ensure_future(self._mind())
        await self._say({"do": "hello", "version": wire.VERSION, "token": token})
        self.welcome = await self._answer_as(answers.Welcome)

    async def end(self) -> None:
        """End the connection."""
        if self._minding is not None:
            self._minding.cancel()
        await self._conn.close()

    def given_back(self) -> list[Task]:
        """Give what was asked and is not answered, first things first. Not twice."""
        tasks = []
        for asked in self._asked:
            tasks.append(asked.task)
            asked.drop()
        now, self._now = self._now, None
        if now is not None and now not in tasks:
            tasks.append(now)
        self._asked.clear()
        return tasks

    async def _mind(self) -> None:
        """See that something moves."""
        conn, loop = self._conn, asyncio.get_running_loop()
        seen, since = -1, loop.time()
        while True:
            moved = conn.bytes_received + conn.bytes_sent
            if moved != seen:
                seen, since = moved, loop.time()
            elif loop.time() - since > IDLE:
                conn.abort(f"nothing moved for {IDLE:g} s")
                return
            await asyncio.sleep(_TICK)

    # Asking and hearing

    async def _say(self, message: dict[str, Any], data: bytes = b"") -> None:
        await self._conn.send_chunk(_line(message) + data)

    async def _still(self) -> None:
        await self._say({"do": "still"})

    async def _patiently(self, working: Awaitable[T]) -> T:
        return await patiently(working, self._still)

    async def _work(self, call: Callable[[], T]) -> T:
        return await self._patiently(work(call))

    async def _answer(self) -> answers.Answer:
        try:
            while True:
                found = answers.answered(await self._conn.receive())
                if not isinstance(found, wire.Still):
                    return found
        except EndOfStream:
            raise PeerLost(self._conn.reason or "the server has ended the connection") from None

    async def _answer_as(self, kind: type[T]) -> T:
        return _as(kind, await self._answer())

    async def settle(self, *, most: int = 0, most_bytes: int = 0) -> None:
        """Hear the answers to what was asked, until no more than these are open."""
        while self._asked and (len(self._asked) > most or self._ahead > most_bytes):
            asked = self._asked[0]
            try:
                await asked.take()
            except (FileRefused, Changed) as error:
                self._watch.failed(asked.task, error)
            self._asked.popleft()
            self._ahead -= asked.size

    async def _ask(
        self,
        task: Task,
        message: dict[str, Any],
        take: Callable[[], Awaitable[None]],
        data: bytes = b"",
        drop: Callable[[], None] = _nothing,
    ) -> None:
        """Ask for something, and have `take()` hear the answer when its turn comes."""
        self._asked.append(_Asked(task, take, len(data), drop))
        self._ahead += len(data)
        await self._say(message, data)
        await self.settle(most=AHEAD, most_bytes=AHEAD_BYTES)

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
            source.close()

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
        file: Any = source
        try:
            while at < size and not answer.done():
                self._watch.moving(task, at, size)
                body = min(MOST_BODY, size - at)
                head = _line({"do": "bytes", "at": at, "body": body})
                if await self._conn.send_file(file, at, body, head=head) < body:
                    self._conn.abort("a file became shorter while it was sent")
                    raise PeerLost(f"{task.label} became shorter while it was sent")
                at += body
            if not answer.done():
                await self._patiently(hashing)
                if source.has_changed():
                    await self._say({"do": "stop"})
                    _as(answers.Done, await answer)
                    raise Changed("it changed while it was sent")
                await self._say({"do": "end", "size": size, "hash": digest.hexdigest()})
            _as(answers.Kept, await answer)
        finally:
            for one in (hashing, answer):
                one.cancel()
            with contextlib.suppress(asyncio.CancelledError, JackfieldError):
                await finished(hashing)

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
                data = await self._work(lambda: _filled(task.read, BATCH))
                if not data:
                    break
                digest.update(data)
                if sends:
                    await self._say({"do": "bytes", "at": size, "body": len(data)}, data)
                size += len(data)
                self._watch.moving(task, size, None)
            found = digest.hexdigest()
            is_same = held.there_hash == found
            if is_same or not sends:
                await self._say({"do": "stop"})
                _as(answers.Done, await answer)
                if is_same:
                    return Moved(size, found, already=True)
                raise exists()
            if not answer.done():
                await self._say({"do": "end", "size": size, "hash": found})
            _as(answers.Kept, await answer)
            return Moved(size, found)
        finally:
            answer.cancel()

    # Getting

    async def _get(self, task: GetFile) -> None:
        folder, names = task.folder, task.to
        assert folder is not None
        incoming = await self._work(lambda: Incoming(folder, names))
        asked = False
        try:
            await self._work(incoming.begin)
            digest = new_hash()
            held = Source.of(incoming)
            await self._patiently(feed(digest, held, 0, incoming.size))
            message: dict[str, Any] = {"do": "get", "name": name_of(task.names)}
            if incoming.size:
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
        if at == 0:
            digest = new_hash()
            await self._work(incoming.restart)
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
            await dropped(self._conn, intake.left)
            await self._answer_as(answers.Sent)
            raise
        finally:
            with contextlib.suppress(FileRefused):
                await intake.settle()
        sent = await self._answer_as(answers.Sent)
        found = digest.hexdigest()
        if sent.changed or sent.hash != found:
            if not sent.changed:
                await self._work(incoming.restart)
            raise Changed("it changed while it was sent, or bytes did on the way")
        await self._work(lambda: incoming.finish(file.mode, file.mtime, replace=task.replace))
        return Moved(file.size, found, at)

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


def _line(message: dict[str, Any]) -> bytes:
    return CONTROL.encode(summed(message))


def _offer(names: tuple[bytes, ...], source: Source, *, replace: bool) -> dict[str, Any]:
    return {
        "do": "put",
        "name": name_of(names),
        "size": source.size,
        "mode": source.info.st_mode & 0o777,
        "mtime": source.info.st_mtime_ns,
        "replace": replace,
    }


def _as(kind: type[T], answer: answers.Answer) -> T:
    """Give an answer that is to be of a kind. Raises FileRefused, Changed and BadMessage."""
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, answers.Failed):
        if answer.why == "differs":
            raise Changed(answer.text)
        if answer.why == answers.REFUSED and kind is not answers.Welcome:
            raise PeerLost(f"the server ends the connection: {answer.text}")
        raise FileRefused(answer.text, answer.why)
    raise BadMessage(f"the server answered by {type(answer).__name__.lower()}, out of turn")


def _filled(read: Callable[[int], bytes], size: int) -> bytes:
    """Read so many bytes; fewer at the end."""
    parts = []
    while size and (part := read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
