"""One call, in the server: between a client's messages and a supervisor.

The rules this file owns:

1. What a client sends to standard input waits here, `WINDOW` bytes at the most, until the program
   takes it; as much more may come then. Of the program's output no more is read than the client has
   said to have room for: the rest stays in the pipe, and the program waits.
2. Past the bound on output the call is ended. What came before the bound is sent.
3. The call is over when its supervisor says that nobody is left, or is itself gone. The end is
   told behind the last of the output.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jackfield.errors import BadMessage, ConnectionEnded, LocalError
from jackfield.net.connection import Connection
from jackfield.net.handing import Socket, hand, take
from jackfield.net.ioloop import current
from jackfield.net.pipes import PipeReader, PipeWriter
from jackfield.services.commands import prepared, wire
from jackfield.services.commands.launcher import Launcher, Prepared
from jackfield.services.commands.prepared import Order, Over
from jackfield.services.commands.wire import PIECE, STDERR, STDIN, STDOUT, WINDOW

LOST = Over(None, None, "lost", 0, 0.0)
"""What is told when the supervisor was killed, so that nobody knows."""

_STARTED, _FAILED, _OVER = prepared.STARTED, prepared.FAILED, prepared.OVER


class Call:
    """A call that was begun. conn: to the client. most: bytes of output.

    when_over: called once when no process of it is left, or it is given up.
    """

    def __init__(
        self,
        conn: Connection[Any],
        launcher: Launcher,
        ready: Prepared,
        most: int,
        when_over: Callable[[], None],
    ) -> None:
        self._conn = conn
        self._launcher = launcher
        self._when_over: Callable[[], None] | None = when_over
        self._control: Socket | None = ready.control
        self._stdin = PipeWriter(ready.stdin)
        self._outputs = {STDOUT: PipeReader(ready.stdout), STDERR: PipeReader(ready.stderr)}
        self._io = current()
        self._left = most
        self._room = {STDOUT: WINDOW, STDERR: WINDOW}
        self._has_room = {STDOUT: asyncio.Event(), STDERR: asyncio.Event()}
        self._input: deque[bytes] = deque()
        self._waits = 0
        self._has_input = asyncio.Event()
        self._input_ended = False
        self._gives_room = True
        self._why = ""
        self._answer: asyncio.Future[bytes] = self._io.create_future()
        self._over: asyncio.Future[Over] = self._io.create_future()
        self.counts = {STDIN: 0, STDOUT: 0, STDERR: 0}
        self._io.watch_read(self._control, self._hear)

    # The supervisor

    def _hear(self) -> None:
        while self._control is not None:
            try:
                message, _ = take(self._control)
            except BlockingIOError:
                return
            kind = message[:1]
            if kind in {_STARTED, _FAILED} and not self._answer.done():
                self._answer.set_result(message)
            elif kind == _OVER and not self._over.done():
                self._over.set_result(prepared.over_of(message))
                self._io.unwatch_read(self._control)
                self._launcher.give_back(self._control)
                self._control = None
                self._give_back()
            elif not message:
                self._io.unwatch_read(self._control)
                for future, last in ((self._answer, b""), (self._over, LOST)):
                    if not future.done():
                        future.set_result(last)  # type: ignore[arg-type]  # each has its own kind
                self._give_back()
                return

    def _give_back(self) -> None:
        when_over, self._when_over = self._when_over, None
        if when_over is not None:
            when_over()

    async def start(self, order: Order) -> None:
        """Have it started. Raises LocalError, with why it cannot be, and the call is over then."""
        self._tell(prepared.packed(prepared.RUN, order))
        answer = await self._answer
        if answer[:1] != _STARTED:
            raise LocalError(_failed(answer, order))

    def send(self, number: int) -> None:
        """Send a signal to all of its processes."""
        self._tell(prepared.SIGNAL + str(number).encode())

    def stop(self, why: str) -> None:
        """End it. The first reason is the one that is told."""
        if not self._why:
            self._why = why
            self._tell(prepared.END + why.encode())

    def _tell(self, message: bytes) -> None:
        if self._control is not None:
            hand(self._control, message)

    # What the client says

    def take_input(self, data: bytes) -> None:
        """Keep what is for standard input. Raises BadMessage past what may wait."""
        if self._input_ended:
            raise BadMessage("standard input has ended, and there is more of it")
        self._waits += len(data)
        if self._waits > WINDOW:
            raise BadMessage(f"more than {WINDOW} bytes of standard input on the way")
        self.counts[STDIN] += len(data)
        self._input.append(data)
        self._has_input.set()

    def end_input(self) -> None:
        """Close standard input behind what waits for it."""
        self._input_ended = True
        self._has_input.set()

    def give_room(self, stream: int, size: int) -> None:
        """Note that the client has room for more of a stream. Raises BadMessage for nonsense."""
        if self._room[stream] + size > WINDOW:
            raise BadMessage("room for more than was sent")
        self._room[stream] += size
        self._has_room[stream].set()

    def no_more_room(self) -> None:
        """The client will say nothing more: what there is room for is the last it gets."""
        self._gives_room = False
        for event in self._has_room.values():
            event.set()

    # The streams

    async def run(self) -> Over:
        """Pass the streams on until it is over; give how it has ended."""
        feeding = asyncio.create_task(self._feed())
        passing = [asyncio.create_task(self._pass_on(stream)) for stream in self._outputs]
        try:
            over = await asyncio.shield(self._over)
            for output in self._outputs.values():
                output.finish()
            feeding.cancel()
            for task in passing:
                with suppress(ConnectionEnded):
                    await task
        finally:
            for task in (feeding, *passing):
                task.cancel()
            await asyncio.gather(feeding, *passing, return_exceptions=True)
        return over

    async def _feed(self) -> None:
        """Write standard input, and let the client send more."""
        used = 0
        while True:
            while not self._input:
                if self._input_ended:
                    self._stdin.close()
                    return
                self._has_input.clear()
                await self._has_input.wait()
            data = self._input.popleft()
            if not await self._stdin.write(data):
                return  # nobody reads it: the client has no more room, and sends no more
            self._waits -= len(data)
            used += len(data)
            if used >= WINDOW // 4:
                await self._say(wire.More(STDIN, used))
                used = 0

    async def _pass_on(self, stream: int) -> None:
        output = self._outputs[stream]
        while True:
            while not self._room[stream]:
                if not self._gives_room:
                    return
                self._has_room[stream].clear()
                await self._has_room[stream].wait()
            data = await output.read(min(PIECE, self._room[stream]))
            if not data:
                return
            fits = data[: self._left]
            self._left -= len(fits)
            if fits:
                self._room[stream] -= len(fits)
                self.counts[stream] += len(fits)
                await self._conn.send(wire.data(stream, fits))
            if len(fits) < len(data):
                self.stop("output")
                return

    async def _say(self, message: wire.FromServer) -> None:
        await self._conn.send(wire.encode(message))

    def close(self) -> None:
        """Let go of everything. What still runs of it is ended by its supervisor."""
        self._give_back()
        if self._control is not None:
            self._io.unwatch_read(self._control)
            self._control.close()
            self._control = None
        self._stdin.close()
        for output in self._outputs.values():
            output.close()


def _failed(answer: bytes, order: Order) -> str:
    """Say why a program was not started."""
    if answer[:1] != _FAILED:
        return f"{order.program} could not be started: its supervisor was killed"
    failure = prepared.failure_of(answer)
    why = f": {os.strerror(failure.number)}" if failure.number else ""
    return f"{failure.what}{why}"


async def begin(
    conn: Connection[Any],
    launcher: Launcher,
    order: Order,
    most: int,
    when_over: Callable[[], None],
) -> Call:
    """Start a call. Parameters as of `Call`, which is over when this raises.

    Raises LocalError, with why it cannot be started.
    """
    try:
        ready = await current().in_thread(launcher.take)
    except BaseException:
        when_over()
        raise
    call = Call(conn, launcher, ready, most, when_over)
    try:
        await call.start(order)
    except BaseException:
        call.close()
        raise
    finally:
        launcher.more()
    return call
