"""A handler that is stepped past its task is, to itself and to others, in its task."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.models.stepping import Stepping
from jackfield.net.arrival import Arrival
from jackfield.net.ioloop import current, new_event_loop
from tests.live import PATIENCE

Handler = Callable[[Arrival], Awaitable[Any]]

LOOPS = [new_event_loop, asyncio.SelectorEventLoop]

mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


class Stage:
    """One handler in its task, and the input it waits for."""

    def __init__(self, handler: Any) -> None:
        self.input = Arrival(current().done)
        self.task = asyncio.get_running_loop().create_task(self._run(handler))

    async def _run(self, handler: Any) -> Any:
        return await Stepping(handler(self.input), current())

    async def start(self) -> None:
        while self.input.done():  # noqa: ASYNC110  there is no event, and that is the point
            await asyncio.sleep(0)

    async def read(self) -> None:
        """Something is read: the loop says so, as it does for a socket."""
        told = asyncio.get_running_loop().create_future()

        def on_readable() -> None:
            self.input.go_on()
            told.set_result(None)

        asyncio.get_running_loop().call_soon(on_readable)
        await told


def run(main: Callable[[], Awaitable[None]], factory: Any) -> None:
    async def with_patience() -> None:
        async with asyncio.timeout(20):
            await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(with_patience())


pytestmark = pytest.mark.parametrize("factory", LOOPS)


def test_the_task_and_the_context_are_the_handlers_own_in_every_step(factory: Any) -> None:
    seen: list[tuple[Any, str]] = []

    async def handler(arrival: Arrival) -> str:
        for number in range(3):
            seen.append((asyncio.current_task(), mark.get()))
            mark.set(f"step {number}")
            await arrival.wait()
        return "returned"

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        assert stage.task in asyncio.all_tasks()
        for _ in range(3):
            await stage.read()
            assert asyncio.current_task() is not stage.task
            assert mark.get() == "none"
        assert await stage.task == "returned"
        assert seen == [(stage.task, text) for text in ("none", "step 0", "step 1")]

    run(main, factory)


def test_a_step_is_taken_within_the_read_with_no_turn_of_the_loop_in_between(factory: Any) -> None:
    steps = []

    async def handler(arrival: Arrival) -> None:
        while True:
            await arrival.wait()
            steps.append("step")

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        loop = asyncio.get_running_loop()
        seen = loop.create_future()

        def on_readable() -> None:
            stage.input.go_on()
            stage.input.go_on()
            seen.set_result(list(steps))

        loop.call_soon(on_readable)
        assert await seen == ["step", "step"]
        stage.task.cancel()

    run(main, factory)


def test_its_task_waits_for_whatever_else_it_awaits(factory: Any) -> None:
    async def handler(arrival: Arrival) -> str:
        await arrival.wait()
        await asyncio.sleep(0)
        await arrival.wait()
        await asyncio.sleep(0.001)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            await arrival.wait()
            task = group.create_task(asyncio.sleep(0, "result"))
            await arrival.wait()
        return await task

    async def main() -> None:
        stage = Stage(handler)
        for _ in range(4):
            await stage.start()
            await stage.read()
        assert await stage.task == "result"

    run(main, factory)


@pytest.mark.parametrize("steps", [0, 2])
def test_what_it_raises_its_task_raises(factory: Any, steps: int) -> None:
    async def handler(arrival: Arrival) -> None:
        for _ in range(steps):
            await arrival.wait()
        raise LookupError("mine")

    async def main() -> None:
        stage = Stage(handler)
        for _ in range(steps):
            await stage.start()
            await stage.read()
        with pytest.raises(LookupError, match="mine"):
            await stage.task

    run(main, factory)


@pytest.mark.parametrize("steps", [0, 2])
def test_it_is_cancelled_where_it_waits_for_input_and_may_go_on(factory: Any, steps: int) -> None:
    async def handler(arrival: Arrival) -> str:
        for _ in range(steps):
            await arrival.wait()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await arrival.wait()
        await arrival.wait()
        return "went on"

    async def main() -> None:
        stage = Stage(handler)
        for _ in range(steps):
            await stage.start()
            await stage.read()
        await stage.start()
        assert stage.task.cancel("enough")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await stage.start()
        await stage.read()
        assert await stage.task == "went on"

    run(main, factory)


def test_a_deadline_ends_a_wait_for_input(factory: Any) -> None:
    deadlines: list[asyncio.Timeout] = []
    passed: list[bool] = []

    async def handler(arrival: Arrival) -> str:
        await arrival.wait()
        try:
            async with asyncio.timeout(PATIENCE) as deadline:
                deadlines.append(deadline)
                while True:
                    await arrival.wait()
        except TimeoutError:
            passed.append(True)
            await arrival.wait()
            return "late"

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        await stage.read()
        await stage.read()
        deadlines[0].reschedule(asyncio.get_running_loop().time())
        while not passed:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)
        await stage.start()
        await stage.read()
        assert await stage.task == "late"

    run(main, factory)


def test_one_who_cancels_itself_is_cancelled_at_its_next_wait(factory: Any) -> None:
    async def handler(arrival: Arrival) -> None:
        await arrival.wait()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await arrival.wait()

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        await stage.read()
        with pytest.raises(asyncio.CancelledError):
            await stage.task

    run(main, factory)


def test_cancelled_while_what_it_awaits_is_on_its_way_to_its_task(factory: Any) -> None:
    """It has gone on past its task, to a future of which its task does not know yet."""

    async def handler(arrival: Arrival, ever: asyncio.Future[None]) -> None:
        await arrival.wait()
        await ever

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ever: asyncio.Future[None] = loop.create_future()
        stage = Stage(lambda arrival: handler(arrival, ever))
        await stage.start()
        stage.task.cancel()  # its task is about to wake
        loop.call_soon(stage.input.go_on)
        await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await stage.task
        assert not ever.done()

    run(main, factory)


def test_one_that_has_ended_before_it_could_be_cancelled_has_ended(factory: Any) -> None:
    async def handler(arrival: Arrival) -> str:
        await arrival.wait()
        return "ended"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stage = Stage(handler)
        await stage.start()
        loop.call_soon(stage.input.go_on)
        loop.call_soon(stage.task.cancel)
        assert await stage.task == "ended"

    run(main, factory)


def test_told_twice_it_goes_on_once(factory: Any) -> None:
    steps = []

    async def handler(arrival: Arrival) -> None:
        for _ in range(2):
            await arrival.wait()
            steps.append("step")

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        stage.input.set_result(None)
        stage.input.set_result(None)
        assert steps == []
        await asyncio.sleep(0)
        assert steps == ["step"]
        await stage.read()
        await stage.task

    run(main, factory)


def test_input_that_was_told_of_when_it_is_cancelled_takes_it_nowhere(factory: Any) -> None:
    steps = []

    async def handler(arrival: Arrival) -> None:
        try:
            await arrival.wait()
            steps.append("step")
        finally:
            await asyncio.sleep(0.001)
            steps.append("end")

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        stage.task.cancel()
        stage.input.set_result(None)
        with pytest.raises(asyncio.CancelledError):
            await stage.task
        assert steps == ["end"]

    run(main, factory)


def test_another_task_may_wait_for_the_input(factory: Any) -> None:
    async def handler(arrival: Arrival) -> str:
        await arrival.wait()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(wait(arrival))
        return await task

    async def wait(arrival: Arrival) -> str:
        await arrival.wait()
        return f"{asyncio.current_task() is not None}"

    async def main() -> None:
        stage = Stage(handler)
        await stage.start()
        await stage.read()
        await stage.start()
        await stage.read()
        assert await stage.task == "True"

    run(main, factory)


@pytest.mark.some(1)
def test_nothing_is_left_of_one_that_is_over_or_given_up(factory: Any) -> None:
    left = []

    async def handler(arrival: Arrival) -> None:
        try:
            await arrival.wait()
            await arrival.wait()
        finally:
            left.append(1)

    async def main() -> None:
        ended, given_up = Stage(handler), Stage(handler)
        for stage in (ended, given_up):
            await stage.start()
            await stage.read()
        await ended.read()
        await ended.task
        gone = weakref.ref(ended.task)
        gc.disable()
        try:
            del ended, stage
            assert gone() is None  # with no help of the collector of cycles
        finally:
            gc.enable()

    run(main, factory)
    gc.collect()
    assert left == [1, 1]
