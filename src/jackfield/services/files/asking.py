"""A connection to a server of files: what is asked over it, and the answers in their order.

The rules this file owns:

1. Up to `AHEAD` things are asked before the answer to the first has come, so that many small files
   cost no round trip each. What was asked and not answered when a connection ends is given back.
2. While this side works, it says that it is still there; when nothing at all moves for `IDLE`
   seconds, the server is given up.
3. Whoever waits hears the server end. It may end without taking what was sent, so that what waits
   to be sent would wait on: nothing but an answer is waited for, or somebody reads meanwhile.
4. A file that is refused while it is sent is given up at once. What is left of the piece under way
   goes on by itself, since what is said next has its place behind it; when the connection is to
   end, it is broken off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from jackfield.errors import (
    BadMessage,
    ConnectionEnded,
    EndOfStream,
    IncompleteMessage,
    JackfieldError,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.net.connection import Connection
from jackfield.net.folders import FileRefused
from jackfield.services.files import answers, wire
from jackfield.services.files.tasks import Task, Watch
from jackfield.services.files.wire import CONTROL, summed
from jackfield.services.files.working import finished, patiently, work
from jackfield.services.strangers import Strangers

T = TypeVar("T")

AHEAD = 32
"""Things asked and not answered, at the most."""

AHEAD_BYTES = 4 * 1024 * 1024
"""Bytes of small files that were sent and of which nothing was heard, at the most."""

IDLE = 60.0
"""Seconds without a byte either way after which the server is given up."""

WELCOME = 20.0
"""Seconds in which a server answers the first thing said, on a network as slow as may be."""

_TICK = 2.0

STRANGERS = Strangers(
    "no files are served there",
    "give the endpoint that jackfield serve files has printed",
    "jackfield fetch gets what it has",
    "scp moves files over that",
)


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


class Asking:
    """A folder served elsewhere, over one connection: what is asked of it.

    Methods raise FileRefused for what the server does not do, PeerLost and RemoteProtocolError, and
    ConnectionClosed where this side has given the server up, for a `reason`; what was not answered
    then is in `given_back()`.
    """

    def __init__(self, conn: Connection[Any], watch: Watch) -> None:
        self._conn = conn
        self._watch = watch
        self._asked: deque[_Asked] = deque()
        self._ahead = 0
        self._now: Task | None = None
        self._minding: asyncio.Task[None] | None = None
        self._rest: asyncio.Future[None] | None = None  # of a piece of what was refused
        self.welcome = answers.Welcome(0, 0, read_only=False, no_remove=False)

    async def begin(self, token: str = "") -> None:
        """Say who one is, and hear what is allowed. Raises NotServed for another kind of server."""
        self._minding = asyncio.ensure_future(self._mind())
        await self._say({"do": "hello", "version": wire.VERSION, "token": token})
        try:
            async with asyncio.timeout(WELCOME):
                self.welcome = as_kind(answers.Welcome, await self._first_answer())
        except TimeoutError:
            raise STRANGERS.silent(WELCOME) from None

    async def _first_answer(self) -> answers.Answer:
        """Hear an answer; see who it is that gives none."""
        try:
            message = await self._received()
        except (RemoteProtocolError, PeerLost) as error:
            said = b""
            with contextlib.suppress(ConnectionEnded):
                said = await self._conn.receive_chunk(1024)  # what no message could be made of
            if not said:
                raise STRANGERS.wordless(str(error)) from error
            if isinstance(error, IncompleteMessage | PeerLost) and said.startswith(b"{"):
                raise
            raise STRANGERS.who(said) from error
        if isinstance(message, dict) and not {"is", "error"}.isdisjoint(message):
            return answers.answered(message)
        if isinstance(message, dict) and message.get("do") == "hello":
            raise STRANGERS.echo()
        raise STRANGERS.who(CONTROL.encode_unit(message))

    async def end(self) -> None:
        """End the connection."""
        if self._minding is not None:
            self._minding.cancel()
        if self._rest is not None and not self._rest.done():
            self._conn.abort("the rest of a file that the server refuses")
        await self._conn.close()

    @property
    def reason(self) -> str:
        """Why the connection ended, in a few words; empty when all went well."""
        return self._conn.reason

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
        await self._conn.send_chunk(line_of(message) + data)

    async def _still(self) -> None:
        await self._say({"do": "still"})

    async def _patiently(self, working: Awaitable[T]) -> T:
        return await patiently(working, self._still)

    async def _work(self, call: Callable[[], T]) -> T:
        return await work(call, self._still)

    async def _answer(self) -> answers.Answer:
        while True:
            found = answers.answered(await self._received())
            if not isinstance(found, wire.Still):
                return found

    async def _received(self) -> Any:
        try:
            return await self._conn.receive()
        except EndOfStream:
            reason = self._conn.reason or "the server has ended the connection"
            self._conn.abort(reason)  # it takes nothing either: that wakes who waits to send
            raise PeerLost(reason) from None

    async def _answer_as(self, kind: type[T]) -> T:
        return as_kind(kind, await self._answer())

    async def _send_piece(
        self, piece: Coroutine[Any, Any, None], answer: asyncio.Future[answers.Answer]
    ) -> None:
        """Send a piece of a file, or as much as goes before an answer, which is a refusal."""
        sending = asyncio.ensure_future(piece)
        either: set[asyncio.Future[Any]] = {sending, answer}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, JackfieldError):
                await finished(sending)
            raise
        if sending.done():
            sending.result()
            return
        self._rest = sending
        sending.add_done_callback(_heard)
        error = answer.exception()
        if error is not None:
            self._conn.abort(str(error))
        elif _is_last(answer.result()):
            self._conn.abort("the server ends the connection")

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
        """Ask for something, and have `take()` hear the answer when its turn comes.

        What the server does not take yet waits here: that is bounded as what is not answered.
        """
        self._asked.append(_Asked(task, take, len(data), drop))
        self._ahead += len(data)
        if self._conn.over is not None:
            raise self._conn.over.with_traceback(None)
        self._conn.send_batch([line_of(message) + data])
        await self.settle(most=AHEAD, most_bytes=AHEAD_BYTES)


def _heard(sending: asyncio.Future[None]) -> None:
    """Take note of an error, which whoever speaks next meets too."""
    if not sending.cancelled():
        sending.exception()


def _is_last(answer: answers.Answer) -> bool:
    """Whether the connection ends after it."""
    return isinstance(answer, answers.Failed) and answer.why == answers.REFUSED


def line_of(message: dict[str, Any]) -> bytes:
    """Write a message, with its sum."""
    return CONTROL.encode(summed(message))


def as_kind(kind: type[T], answer: answers.Answer) -> T:
    """Give an answer that is to be of a kind. Raises FileRefused, Changed and BadMessage."""
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, answers.Failed):
        if answer.why == "differs":
            raise Changed(answer.text)
        if _is_last(answer) and kind is not answers.Welcome:
            raise PeerLost(f"the server ends the connection: {answer.text}")
        raise FileRefused(answer.text, answer.why)
    raise BadMessage(f"the server answered by {type(answer).__name__.lower()}, out of turn")
