"""A server in a process of its own, as the tests of faults need it, and the program it is.

    python -m tests.faults.served MODEL SERVICE URL...

SERVICE is a name in tests.handlers. What happens is told as JSON, a line each. With FEW=N
in the environment it can open N descriptors, besides those it has when it listens; with
WORKERS=N so many processes serve.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from jackfield.endpoints import parse
from jackfield.events import Events, Listening
from jackfield.logs import Log
from jackfield.models.names import ModelName
from jackfield.serving import serve
from tests import handlers
from tests.live import PATIENCE, Peer, runs

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """Such a process, seen from a test."""

    def __init__(
        self, model: ModelName, service: str, *urls: str, environment: Mapping[str, str] = {}
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.served", model, service, *urls],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its whole group can be sent a signal
        )
        self.pid = self._process.pid
        self.told: list[dict[str, Any]] = []
        self.endpoints = [parse(self.await_event("Listening")["endpoint"]) for _ in urls]

    def await_event(self, kind: str) -> dict[str, Any]:
        """The next event of a kind. Fails when the process ends before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line)
            self.told.append(event)
            if event["event"] == kind:
                return event
        raise AssertionError(f"no {kind}: {self.told}")

    def events(self) -> list[str]:
        """Which events have been seen."""
        return [event["event"] for event in self.told]

    def connect(self, number: int = 0) -> Peer:
        return Peer(self.endpoints[number])

    def signal(self, number: int, *, whole_group: bool = False) -> None:
        if whole_group:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for the end of it; what it says until then is in `told`."""
        assert self._process.stdout is not None
        self.told += [json.loads(line) for line in self._process.stdout]
        return self._process.wait(PATIENCE)

    @property
    def complaints(self) -> str:
        """What was written to standard error. Once it has ended."""
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if runs(self.pid):
            self.signal(signal.SIGKILL)
        with self._process:
            self._process.wait(PATIENCE)


def main() -> None:
    """Serve until a signal comes."""
    model, name, *urls = sys.argv[1:]
    events = Events()
    Log(sys.stdout, as_json=True).follow(events)
    few = os.environ.get("FEW")
    if few:
        events.subscribe(Listening, lambda _: leave_few(int(few)))
    serve(
        getattr(handlers, name),
        *urls,
        model=cast("ModelName", model),
        events=events,
        workers=int(os.environ["WORKERS"]) if "WORKERS" in os.environ else None,
    )


def leave_few(count: int) -> None:
    """Let this process open so many descriptors more."""
    free = (number for number in itertools.count() if not Path(f"/proc/self/fd/{number}").exists())
    limit = next(itertools.islice(free, count, None))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


if __name__ == "__main__":
    main()
