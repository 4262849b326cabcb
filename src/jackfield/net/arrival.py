"""What a task awaits until input comes. It goes on right within the read that brought it.

A future as asyncio's tasks know them (`asyncio.isfuture()`): a task that awaits one leaves a
call that makes it go on, and the context to make it in. A future of asyncio's own is good for
one wait, and its task goes on a turn of the loop later; this one is good for any number of
waits, and who has just read may make the call at once. With one message in flight that is a
tenth of what the message costs.

The rule: a task goes on only where none is running, that is in a callback of the loop.
`go_on()` is for those; `set_result()` is for everywhere else.
"""

from __future__ import annotations

import types
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any


class Arrival:
    """One connection's: at most one task waits at a time.

    call, context: what makes that task go on, and in which context, where it is not its own
    business; None when nobody waits.
    """

    __slots__ = ("_asyncio_future_blocking", "call", "context", "get_loop", "result")

    def __init__(self, done: Future[None]) -> None:
        """Of the loop that `done` is of, which is done."""
        self._asyncio_future_blocking = False
        # what a task asks of a future, by calls that cost it nothing: a done one's
        self.get_loop: Callable[[], AbstractEventLoop] = done.get_loop
        self.result: Callable[[], None] = done.result
        self.call: Callable[[Arrival], object] | None = None
        self.context: Any = None

    def done(self) -> bool:
        """Whether nobody waits any more."""
        return self.call is None

    @types.coroutine
    def wait(self) -> Generator[Arrival, None, None]:
        """Wait until somebody says that there is input, or an end of it. May come too early."""
        self._asyncio_future_blocking = True
        yield self

    def go_on(self) -> None:
        """Have the task that waits go on, now. Only where no task is running."""
        call, self.call = self.call, None
        if call is not None:
            if self.context is None:
                call(self)
            else:
                self.context.run(call, self)

    def set_result(self, _result: None, /) -> None:
        """Have the task that waits go on, in a turn of the loop soon."""
        call, self.call = self.call, None
        if call is not None:
            self.get_loop().call_soon(call, self, context=self.context)

    def leave(self) -> None:
        """Wait no more."""
        self.call = None

    # What only a task calls

    def add_done_callback(
        self, call: Callable[[Arrival], object], *, context: Context | None
    ) -> None:
        """Have the task go on by `call`."""
        self.call = call
        self.context = context

    def cancel(self, msg: object = None) -> bool:
        """Have the task go on; that it is cancelled, it knows by itself."""
        del msg
        self.set_result(None)
        return False
