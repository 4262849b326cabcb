"""What `put`, `get`, `ls` and `rm` share: reaching a server, going on after a cut, and reports.

The rules this file owns:

1. What lies on a server is written ENDPOINT/NAME. What comes first, and where to last: that is
   always a folder, so that the same command does the same whatever it has made before.
2. A connection that is lost is made again, and what was not finished goes on where it was; so does
   the same command once more, whatever has ended it.
3. Only where files were served before is a connection taken for lost; all else is told once.
4. One file that fails does not keep the others from being moved. Exit status: 0 all is done, 1
   something is not, 2 asked for in a way that cannot be.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from jackfield.cli.certificates import with_files
from jackfield.cli.pipes import tell
from jackfield.cli.progress import Painting
from jackfield.cli.progress import size as sized
from jackfield.cli.reached import agreed, tried
from jackfield.cli.tokens import read_token
from jackfield.cli.values import duration
from jackfield.client import TIMEOUT, connect
from jackfield.endpoints import Endpoint
from jackfield.errors import (
    ConnectError,
    ConnectionClosed,
    ConnectionEnded,
    JackfieldError,
    PeerLost,
    RemoteProtocolError,
)
from jackfield.net.folders import FileRefused
from jackfield.services.files.asking import Changed
from jackfield.services.files.client import Remote
from jackfield.services.files.places import Place
from jackfield.services.files.places import place as read_place
from jackfield.services.files.tasks import Moved, PutStream, Task
from jackfield.services.files.walking import Walk
from jackfield.services.files.wire import CONTROL, MOST_TOKEN

F = TypeVar("F", bound=Callable[..., Any])

RETRIES = 5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds before the first and the longest later try to connect again."""

MOST_TRIES = 3
"""Times that a file is sent which changes while it is."""


@dataclass(frozen=True, slots=True)
class How:
    """The options that all four commands have."""

    ca: str | None
    cert: str | None
    key: str | None
    token_file: str | None
    timeout: float
    retries: int
    as_json: bool
    quiet: bool
    verbose: bool


def with_how(command: F) -> F:
    """Give a command the options of `How`, which it gets as a dict `how`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = [
    click.option("--ca", metavar="FILE", help="tls: authorities to trust besides our own."),
    click.option("--cert", metavar="FILE", help="tls: certificate to show, with its chain."),
    click.option("--key", metavar="FILE", help="tls: its private key, unless it is in that file."),
    click.option(
        "--token-file",
        metavar="FILE",
        help="The token that says who you are; else it is in JACKFIELD_TOKEN.",
    ),
    click.option(
        "--timeout",
        metavar="TIME",
        callback=duration,
        default=f"{TIMEOUT:g}s",
        show_default=True,
        help="How long connecting may take.",
    ),
    click.option(
        "--retries",
        metavar="N",
        type=click.IntRange(0, 1000),
        default=RETRIES,
        show_default=True,
        help="When the connection is lost: connect again so often in a row, and go on.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Report each file as a line of JSON."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, and no word of what went well."),
    click.option("-v", "--verbose", is_flag=True, help="Tell what is tried."),
]


def place(text: str, how: How) -> Place:
    """Read a place, with the files of the options. Raises EndpointError and UsageError."""
    found = read_place(text)
    return Place(with_files(found.endpoint, how.cert, how.key, how.ca), found.names)


class Job:
    """What is done over one endpoint's connections, and told. The `Watch` of its `Remote`."""

    def __init__(self, endpoint: Endpoint, how: How) -> None:
        self._endpoint = endpoint
        self._how = how
        self._token = read_token(how.token_file, MOST_TOKEN)
        self._again: deque[Task] = deque()
        self._bar: Painting | None = None
        self._bar_of: Task | None = None
        self._shows = not how.quiet and _is_terminal()
        self._losses = 0
        self._was_welcome = False
        self.status = 0

    async def move(self, walk: Walk) -> int:
        """Do all that `walk` gives; give the exit status."""
        return await self.do(lambda remote: self._move(walk, remote))

    async def do(self, doing: Callable[[Remote], Awaitable[None]]) -> int:
        """Have this done over a connection, and over another one if it is lost.

        Gives the exit status.
        """
        try:
            while True:
                try:
                    remote = await self._connect()
                    await self._over(remote, doing)
                    return self.status
                except (ConnectError, ConnectionEnded, RemoteProtocolError) as error:
                    if not self._was_welcome or self._losses >= self._how.retries:
                        self._end_bar()
                        where = "" if isinstance(error, ConnectError) else f"{self._endpoint}: "
                        again = f"; to go on: {command()}" if self._was_welcome else ""
                        tell(f"jackfield: {where}{error}{again}")
                        self.status = 1
                        return 1
                    await self._pause(error)
        except asyncio.CancelledError:
            self._end_bar()
            tell(f"stopped; to go on: {command()}")
            raise
        finally:
            self._end_bar()

    async def _connect(self) -> Remote:
        told = (lambda attempt: tell(tried(attempt))) if self._how.verbose else None
        conn = await connect(self._endpoint, CONTROL, timeout=self._how.timeout, on_attempt=told)
        if self._how.verbose:
            for line in agreed(conn):
                tell(line)
        return Remote(conn, self)

    async def _over(self, remote: Remote, doing: Callable[[Remote], Awaitable[None]]) -> None:
        try:
            await remote.begin(self._token)
            self._was_welcome = True
            await doing(remote)
        except FileRefused as error:
            self._end_bar()
            tell(f"jackfield: {self._endpoint}: {error}")
            self.status = 1
        except ConnectionClosed as error:  # by this side, which gave the server up
            raise PeerLost(remote.reason or str(error)) from None
        finally:
            self._give_back(remote.given_back())
            await remote.end()

    def _give_back(self, tasks: list[Task]) -> None:
        for task in reversed(tasks):
            if isinstance(task, PutStream):
                self.failed(task, FileRefused("standard input cannot be sent twice; run it again"))
            else:
                self._again.appendleft(task)

    async def _pause(self, error: JackfieldError) -> None:
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._losses)
        self._losses += 1
        if self._shows or self._how.verbose:
            self._clear()
            tell(f"{error}; trying again in {seconds:g} s")
        await asyncio.sleep(seconds)

    async def _move(self, walk: Walk, remote: Remote) -> None:
        while True:
            while self._again:
                await remote.do(self._again.popleft())
            task = await walk.next(remote)
            if task is None:
                await remote.settle()
                if not self._again:
                    return
            else:
                await remote.do(task)

    # What becomes of tasks

    def moving(self, task: Task, done: int, total: int | None) -> None:
        """As `Watch`."""
        if self._shows:
            if self._bar_of is not task:
                self._end_bar()
                self._bar, self._bar_of = Painting(task.label.rpartition("/")[2]), task
            assert self._bar is not None
            self._bar.update(done, total)
        self._losses = 0

    def done(self, task: Task, moved: Moved | None) -> None:
        """As `Watch`."""
        self._losses = 0
        if moved is None:
            return
        if self._shows:
            self._end_bar()
            how = ""
            if moved.already:
                how = ", which was there already"
            elif moved.resumed_at:
                how = f", gone on from {sized(moved.resumed_at)}"
            tell(f"{task.label}: {sized(moved.size)}{how}")
        self.report(task.label, **moved._asdict())

    def failed(self, task: Task, error: JackfieldError) -> None:
        """As `Watch`: what has changed is tried again."""
        task.tries += isinstance(error, Changed)
        if isinstance(error, Changed) and task.tries < MOST_TRIES:
            self.note(task.label, f"{error}; it is sent anew")
            self._again.append(task)
            return
        self._clear()
        tell(f"jackfield: {task.label}: {error}")
        self.status = 1
        self.report(task.label, error=str(error))

    def note(self, label: str, text: str) -> None:
        """Tell of what is no failure."""
        if not self._how.quiet:
            self._clear()
            tell(f"{label}: {text}")

    def report(self, label: str, **fields: Any) -> None:
        """Print a line of JSON, where that is wanted."""
        if self._how.as_json:
            click.echo(json.dumps({"file": label, **fields}))

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.clear()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.end()
        self._bar = self._bar_of = None


def command() -> str:
    """Give the command that this is, which goes on when it is given again."""
    return shlex.join(["jackfield", *sys.argv[1:]])


def _is_terminal() -> bool:
    return sys.__stderr__ is not None and sys.__stderr__.isatty()
