"""An `async def` handler in a task of its own, which need not wake for each message.

The rules this file owns:

1. A handler has a task: `asyncio.current_task()`, timeouts, task groups and cancellation are
   as in any other. While it waits for a connection's input, its task sleeps.
2. What is read goes to the handler at once, in its own context and with its task as the
   current one. If it waits for input again, its task sleeps on: to wake it for each message
   would cost as much as all the rest of the way from the read to the reply.
3. Its task wakes when the handler ends or awaits anything else, and when it is cancelled.

What makes it possible is how awaiting works (PEP 492): a task asks the coroutine it runs, by
`send()`, what it waits for, and asks again when that is done. In between others may ask.
"""

from __future__ import annotations

from asyncio import Task, current_task
from asyncio.tasks import _enter_task, _leave_task  # for tasks of one's own: "Extending asyncio"
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Self

from jackfield.net.arrival import Arrival
from jackfield.net.ioloop import IOLoop

_NONE = object()


class Stepping(Arrival):
    """What a handler's task awaits: the handler's coroutine, run step by step.

    To the task it is also the future that it waits for while the handler waits for input.
    """

    __slots__ = ("_coroutine", "_found", "_input", "_loop", "_send", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, None], io: IOLoop) -> None:
        """For the running task."""
        super().__init__(io.done)
        self._coroutine = coroutine
        self._send = coroutine.send
        self._loop = io.loop
        self._task: Task[Any] | None = current_task()
        self._input: Arrival | None = None  # what the handler waits for, past its task
        self._found: Any = _NONE  # what a step past the task has to tell it

    def __await__(self) -> Generator[Any, None, Any]:
        return self  # type: ignore[return-value]  # an iterator with throw() and close() will do

    def __iter__(self) -> Self:
        return self

    # In the task

    def __next__(self) -> Any:
        """Go on; give what to wait for. Raises as the handler does, StopIteration at its end."""
        found, self._found = self._found, _NONE
        if found is _NONE:
            found = self._coroutine.send(None)
        elif isinstance(found, BaseException):
            try:
                raise found
            finally:
                del found  # its traceback has this frame
        return self._wait_for(found)

    def throw(self, error: Any, value: Any = None, traceback: TracebackType | None = None) -> Any:
        """Go on by raising `error` where the handler waits."""
        del value, traceback  # of the old form, which repeats what is in `error`
        found, self._found = self._found, _NONE
        if isinstance(found, BaseException):  # it has ended meanwhile
            try:
                raise found
            finally:
                del found, error
        if self._input is not None:
            self._input.leave()
            self._input = None
        return self._wait_for(self._coroutine.throw(error))

    def close(self) -> None:
        """Give the handler up."""
        self._coroutine.close()

    def _wait_for(self, awaited: Any) -> Any:
        """Give what the task is to wait for, when this is what the handler awaits."""
        if type(awaited) is not Arrival:
            return awaited
        self._input = awaited
        awaited.add_done_callback(self.step, context=None)
        self._asyncio_future_blocking = True
        return self

    # Past it

    def step(self, _input: Arrival | None = None) -> None:
        """There is input: let the handler use it."""
        if self._input is None:  # it was told to go on by something else meanwhile
            return
        loop, task = self._loop, self._task
        _enter_task(loop, task)  # type: ignore[arg-type]  # it is the task's own
        try:
            awaited = self.context.run(self._send, None)
        except BaseException as error:  # noqa: BLE001  it is raised in the task
            awaited = error
        finally:
            _leave_task(loop, task)  # type: ignore[arg-type]  # likewise
        if type(awaited) is Arrival:
            self._input = awaited
            awaited.context = None
            awaited.call = self.step
            return
        self._found = awaited
        self._input = awaited = None  # an error's traceback has this frame
        self.go_on()
