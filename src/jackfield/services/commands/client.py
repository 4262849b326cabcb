"""The client of remote commands: runs one after another on a connection.

The rules this file owns:

1. What comes of a stream waits here, `WINDOW` bytes at the most, until it is taken; a stream that
   is not taken holds up neither the other one nor the end of standard input.
2. A command has ended when its end was told and all of its output taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from jackfield.errors import (
    BadMessage,
    ConnectionEnded,
    LocalError,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.errors import EndOfStream as Ended
from jackfield.net.connection import Connection
from jackfield.services.commands import wire
from jackfield.services.commands.wire import PIECE, STDERR, STDIN, STDOUT, WINDOW, Exit, Run
from jackfield.services.strangers import Strangers, wants_tls

STRANGERS = Strangers(
    "no commands are run there",
    "give the endpoint that jackfield serve commands has printed",
    "those of a board are at ws://HOST:PORT/commands, or wss:// where it is https://",
    "ssh is the client of that",
)

Read = Callable[[int], Awaitable[bytes]]
"""Gives the next bytes of standard input, as many as it is told at the most; b"" at the end."""

Put = Callable[[int, bytes], Awaitable[None]]
"""Takes a piece of a stream: its number and the bytes."""


WELCOME = 10.0
"""Seconds in which the other side says whether one may come in."""


class NotAllowed(LocalError):
    """The other side will not run this, or cannot start it; the text says what would help."""


class CommandClient:
    """One client. conn: with `wire.framing()`."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn
        self._room = 0
        self._has_room = asyncio.Event()
        self.who = ""

    async def come_in(self, token: str = "", patience: float = WELCOME) -> None:
        """Say who one is. patience: seconds for the answer.

        Raises NotAllowed where that is nobody who is known, and NotServed where something else is
        served.
        """
        await self._say(wire.Hello(token=token))
        try:
            async with asyncio.timeout(patience):
                answer = await self._first_answer()
        except TimeoutError:
            raise STRANGERS.silent(patience) from None
        if isinstance(answer, wire.Refused):
            raise NotAllowed(answer.why)
        self.who = answer.who

    async def _first_answer(self) -> wire.Welcome | wire.Refused:
        """Hear whether one may come in; see who it is that says something else."""
        try:
            message = await self._conn.receive()
        except (Ended, RemoteProtocolError, PeerLost) as error:
            said = b""
            with suppress(ConnectionEnded):
                said = await self._conn.receive_chunk(1024)  # what no message could be made of
            if said:
                raise STRANGERS.who(said) from error
            is_end = isinstance(error, Ended)
            how = "the other side has ended the connection" if is_end else str(error)
            raise STRANGERS.wordless(how) from error
        try:
            answer = wire.from_server(message) if isinstance(message, str) else None
        except BadMessage:
            answer = None
        is_tls = isinstance(answer, wire.Refused) and wants_tls(answer.why)
        if isinstance(answer, wire.Welcome | wire.Refused) and not is_tls:
            return answer
        said = message.encode() if isinstance(message, str) else message
        if said.startswith(b'{"do":"hello"'):
            raise STRANGERS.echo()
        raise STRANGERS.who(said)

    async def run(self, run: Run, read: Read | None, put: Put) -> Exit:
        """Run a command; give how it has ended.

        read: standard input; None for none. put: is given the output, each stream in order.
        What `put` raises is raised here, once the command was ended for it. Raises NotAllowed, and
        PeerLost when the other side is gone.
        """
        self._room = WINDOW
        await self._say(wire.check(run))
        answer = await self._hear()
        if isinstance(answer, wire.Refused):
            raise NotAllowed(answer.why)
        if not isinstance(answer, wire.Started):
            raise BadMessage("it does not answer as the commands service does")
        streams = {number: _Stream(number, put) for number in (STDOUT, STDERR)}
        feeding = asyncio.create_task(self._feed(read))
        taking = [asyncio.create_task(stream.take(self)) for stream in streams.values()]
        try:
            over = await self._listen(streams)
            for stream in streams.values():
                stream.end()
            feeding.cancel()
            for task in taking:
                await task
        finally:
            for task in (feeding, *taking):
                task.cancel()
            outcomes = await asyncio.gather(feeding, *taking, return_exceptions=True)
        failed = outcomes[0]
        if isinstance(failed, LocalError):  # standard input could not be read
            raise failed
        return over

    async def _listen(self, streams: dict[int, _Stream]) -> Exit:
        while True:
            message = await self._hear()
            if isinstance(message, bytes):
                stream = streams.get(message[0] if message else STDIN)
                if stream is None:
                    raise BadMessage("data of the service is of stream 1 or 2")
                stream.add(message[1:])
            elif isinstance(message, wire.More):
                self._room += message.bytes
                self._has_room.set()
            elif isinstance(message, Exit):
                return message
            else:
                raise BadMessage("this is said at another time")

    async def _feed(self, read: Read | None) -> None:
        while read is not None:
            while not self._room:
                self._has_room.clear()
                await self._has_room.wait()
            try:
                data = await read(min(PIECE, self._room))
            except LocalError:
                await self.stop()
                raise
            if not data:
                break
            self._room -= len(data)
            await self._conn.send(wire.data(STDIN, data))
        await self._say(wire.End())

    async def signal(self, name: str) -> None:
        """Send a signal to all processes of the command."""
        await self._say(wire.Signal(name))

    async def stop(self) -> None:
        """Have the command ended, with all that it has started."""
        await self._say(wire.Stop())

    async def used(self, stream: int, size: int) -> None:
        """Tell that so much of a stream was taken."""
        await self._say(wire.More(stream, size))

    async def _say(self, message: wire.FromClient) -> None:
        await self._conn.send(wire.encode(message))

    async def _hear(self) -> wire.FromServer | bytes:
        try:
            message = await self._conn.receive()
        except Ended:
            raise PeerLost("the other side has ended the connection") from None
        return message if isinstance(message, bytes) else wire.from_server(message)


class _Stream:
    """What has come of one stream and was not taken yet."""

    def __init__(self, number: int, put: Put) -> None:
        self._number = number
        self._put = put
        self._pieces: deque[bytes] = deque()
        self._waits = 0
        self._news = asyncio.Event()
        self._is_over = False

    def add(self, data: bytes) -> None:
        """Keep a piece. Raises BadMessage past what may wait."""
        self._waits += len(data)
        if self._waits > WINDOW:
            raise BadMessage(f"more than {WINDOW} bytes of a stream on the way")
        self._pieces.append(data)
        self._news.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._is_over = True
        self._news.set()

    async def take(self, client: CommandClient) -> None:
        """Hand out piece after piece, and tell the other side so.

        Once that fails the command is ended, the rest is dropped, and the error raised at the end.
        """
        used = 0
        failed: Exception | None = None
        while True:
            while not self._pieces:
                if self._is_over:
                    if failed is not None:
                        raise failed
                    return
                self._news.clear()
                await self._news.wait()
            data = b"".join(self._pieces)  # each time it is put costs a turn of some thread
            self._pieces.clear()
            try:
                if failed is None:
                    await self._put(self._number, data)
            except Exception as error:  # noqa: BLE001  it is raised once all has come
                failed = error
                if not self._is_over:
                    await client.stop()
            self._waits -= len(data)
            used += len(data)
            if used >= WINDOW // 4 and not self._is_over:
                await client.used(self._number, used)
                used = 0
