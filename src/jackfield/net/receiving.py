"""The receiving half of any connection: the messages at hand, and who waits for more.

The rules this file owns:

1. A handler is given the messages of one slice of input without waiting, then the loop has a
   turn. Nothing more is read while messages wait for a handler that lags.
2. A receive() that is cancelled or times out loses nothing. A second one at a time raises.
3. An error in the input is raised where the handler reaches it, after the good messages
   before it.
"""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any, Self, TypeVar

from jackfield.errors import ConcurrencyError, EndOfStream, PeerLost, ReceiveTimeout
from jackfield.net.arrival import Arrival
from jackfield.net.described import Described
from jackfield.net.ioloop import IOLoop
from jackfield.net.roles import Receiver, Waiter

M = TypeVar("M")


class Receiving(Described[M]):
    """A connection, as far as its receiving half goes."""

    __slots__ = (
        "_arrival",
        "_error",
        "_held",
        "_over",
        "_receiver",
        "_waiter",
        "inbox",
        "io_loop",
        "messages_received",
    )

    def __init__(self, io: IOLoop) -> None:
        self.io_loop = io
        self.inbox: list[M] = []  # the messages at hand, last one first
        self._arrival = Arrival(io.done)
        self._waiter: Waiter | None = None
        self._receiver: Receiver | None = None
        self._held = False  # input is held back until the handler asks for more
        self._over = False  # no more input will come
        self._error: Exception | None = None  # why, when it was not the peer's wish
        self.messages_received = 0

    def __aiter__(self) -> Self:
        """Give message after message, until the peer ends its side or is lost.

        Raises RemoteProtocolError for input that is no message, after those before it.
        """
        return self

    @types.coroutine  # every message passes here: an `async def` would cost a third more
    def __anext__(self) -> Generator[Any, None, M]:
        while True:
            inbox = self.inbox
            if inbox:
                return inbox.pop()
            if self._held or self._over or self._waiter is not None:
                try:
                    yield from self._more().__await__()
                except (EndOfStream, PeerLost):
                    raise StopAsyncIteration from None
            else:  # as _more(), without its cost
                arrival = self._waiter = self._arrival
                arrival._asyncio_future_blocking = True  # noqa: SLF001  as arrival.wait()
                yield arrival

    async def receive(self, timeout: float | None = None) -> M:
        """Give the next message, waiting at most `timeout` seconds for it.

        Raises ReceiveTimeout, EndOfStream when the peer has ended its side, PeerLost,
        RemoteProtocolError for input that is no message, and ConcurrencyError while another
        receive() waits. After a timeout or a cancellation no message is lost.
        """
        if not self.inbox:
            await self._more(timeout)
        return self.inbox.pop()

    async def _more(self, timeout: float | None = None) -> None:
        """Wait until a message is at hand; raise what ended the input instead."""
        deadline = None if timeout is None else self.io_loop.loop.time() + timeout
        while not self.inbox:
            self.check_turn()
            if self._held:
                self._release()
                continue
            if self._over:
                raise self.end_of_input()
            if deadline is not None and self.io_loop.loop.time() >= deadline:
                msg = f"no message came within {timeout:g} s"
                raise ReceiveTimeout(msg)
            await self._wait(deadline)

    def check_turn(self) -> None:
        """Raise ConcurrencyError while somebody waits for input."""
        waiter = self._waiter  # once: the loop may wake it while another thread looks here
        if waiter is not None and not waiter.done():
            msg = "another receive() waits on this connection; one at a time"
            raise ConcurrencyError(msg)

    async def _wait(self, deadline: float | None) -> None:
        """Wait until something about the input changes, or the loop's time is `deadline`."""
        arrival = self._waiter = self._arrival
        timer = None
        if deadline is not None:
            timer = self.io_loop.loop.call_at(deadline, arrival.set_result, None)
        try:
            await arrival.wait()
        finally:
            if self._waiter is arrival and arrival.done():  # else another task has begun to wait
                self._waiter = None
            if timer is not None:
                timer.cancel()

    def end_of_input(self) -> Exception:
        """Say why no more input comes."""
        if self._error is not None:
            return self._error.with_traceback(None)
        return EndOfStream("the peer has ended its side of the connection")

    def _deliver(self, messages: list[M]) -> None:
        """Put decoded messages at hand. The inbox is empty when this is called."""
        self.messages_received += len(messages)
        if self._receiver is not None:
            self._receiver.take(messages)
            return
        messages.reverse()
        self.inbox = messages
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _end_input(self, error: Exception | None) -> None:
        """Note that no more input comes, and tell who waits for it. Once."""
        if self._over:
            return
        self._over = True
        self._error = error
        if self._receiver is not None:
            self._receiver.over()
        else:
            self._wake()

    def _release(self) -> None:
        """Go on with input that was held back: it is at hand, or `_held` is False afterwards."""
        raise NotImplementedError

    def answer_by(self, receiver: Receiver) -> None:
        """Give messages to `receiver` straight from the read, from now on."""
        self._receiver = receiver

    # For deadlines.py

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for input, and there is none at hand."""
        if self._receiver is not None:
            return not self._held
        waiter = self._waiter
        return waiter is not None and not waiter.done() and not self.inbox

    @property
    def unfinished(self) -> int:
        """Bytes at hand of a message whose rest has not come."""
        return 0

    @property
    def pieces(self) -> int:
        """Messages received that were but a piece of a longer one."""
        return 0

    @property
    def awaits_chunk(self) -> bool:
        """Whether it is a chunk that is waited for, and no message."""
        return False

    # For a handler in another thread: see crossing.py

    @property
    def is_held(self) -> bool:
        """Whether input is held back until the handler asks for it by `release()`."""
        return self._held

    @property
    def is_ended(self) -> bool:
        """Whether no more input comes."""
        return self._over

    def claim(self, waiter: Waiter) -> None:
        """Have `waiter` woken by the next input. Raises ConcurrencyError."""
        self.check_turn()
        self._waiter = waiter

    def unclaim(self, waiter: Waiter) -> None:
        """Take `claim()` back."""
        if self._waiter is waiter:
            self._waiter = None

    def release(self) -> None:
        """Go on with input that was held back; wake who waits if there is none to come."""
        self._release()
        if self._over:
            self._wake()
