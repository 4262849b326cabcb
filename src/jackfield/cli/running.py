"""Running one command's coroutine: signals, exit status, an output that nobody reads."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from jackfield.cli.pipes import OutputClosed
from jackfield.net.heap import keep_freed
from jackfield.net.ioloop import new_event_loop

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run it to its end; give the exit status.

    Ctrl-C gives 130, SIGTERM 143, SIGHUP 129: it is cancelled, and has a moment to tidy up.
    """
    ended_by: list[int] = []

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None

        def end(number: int) -> None:
            ended_by.append(number)
            task.cancel()

        if sys.platform != "win32":
            for number in _ENDING:
                asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await command()

    keep_freed()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(main())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        if not ended_by:
            raise
        return 128 + ended_by[0]
    except OutputClosed:
        return 0
