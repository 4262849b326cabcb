"""`jackfield run`: a command on another machine, as if it were here."""

from __future__ import annotations

import asyncio
import codecs
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click

from jackfield.cli import signins
from jackfield.cli.certificates import with_files
from jackfield.cli.pipes import Input, Output, OutputClosed, output_encoding, tell
from jackfield.cli.reached import agreed, tried
from jackfield.cli.running import run as run_to_end
from jackfield.cli.terminal import Terminal, is_at_terminal
from jackfield.cli.tokens import read_token
from jackfield.cli.values import duration
from jackfield.client import TIMEOUT
from jackfield.client import connect as dial
from jackfield.endpoints import Endpoint, parse
from jackfield.errors import ConfigurationError, JackfieldError, UpgradeError
from jackfield.net import stdio
from jackfield.services.commands import wire
from jackfield.services.commands.client import CommandClient, NotAllowed
from jackfield.services.commands.wire import STDERR, STDOUT, Exit, Run
from jackfield.visible import escaped, printable

TIMED_OUT = 124
FAILED = 125
NOT_RUN = 126
CLOSED = 128 + 13
"""Exit status where it is not the command's own: as timeout(1), env(1) and shells have it. 141 is
that of a program whose output nobody reads."""

_WORDS = {
    "timeout": "its time was up",
    "output": "it wrote more than the policy allows",
    "memory": "it used more memory than the policy allows",
    "processes": "it started more processes than the policy allows",
    "stopped": "it was ended",
    "revoked": "it is not allowed any more",
    "server stopped": "the server stopped",
    "lost": "its supervisor was killed",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for."""

    endpoint: Endpoint
    cwd: str
    env: tuple[tuple[str, str], ...]
    time: float
    encoding: str
    token: str
    connect_time: float
    raw_output: bool
    verbose: bool

    def run_of(self, args: tuple[str, ...]) -> Run:
        """Say how a command is run."""
        if self.encoding:
            args = tuple(_coded(arg, self.encoding) for arg in args)
        return Run(args, self.cwd, self.env, self.time)


class _WithDashes(click.Command):
    """Says where options of what is run go."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name, close = error.option_name, error.possibilities
            msg = f"No such option {name!r}; options of the command go behind --"
            raise click.NoSuchOption(name, msg, close, ctx) from None


@click.command(
    cls=_WithDashes,
    epilog="""Examples:

    \b
      jackfield run tcp://127.0.0.1:7022 -- date
      jackfield run tls://lab.example:7022 --token-file token -- ls -l
      tar c . | jackfield run unix:///run/commands.sock -- tar x
      jackfield run wss://board.example:443/commands -- date
      jackfield run tcp://127.0.0.1:7022""",
)
@click.argument("endpoint")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--timeout", metavar="TIME", callback=duration, help="End it after so long: 30s, 10m."
)
@click.option("--cwd", metavar="FOLDER", default="", help="Run it in this folder.")
@click.option(
    "--env",
    metavar="NAME=VALUE",
    multiple=True,
    help="A variable to set, where the policy lets you. Can be given again.",
)
@click.option(
    "--encoding",
    metavar="NAME",
    default="",
    help="What text is over there, as gbk: of the arguments, and of output to a terminal.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="The token that says who you are; else JACKFIELD_TOKEN, or what `jackfield chat` kept "
    "when you signed in to a board there.",
)
@click.option("--ca", metavar="FILE", help="tls: authorities to trust, in place of the system's.")
@click.option("--cert", metavar="FILE", help="tls: certificate to show, with its chain.")
@click.option("--key", metavar="FILE", help="tls: its private key, unless it is in that file.")
@click.option(
    "--connect-timeout",
    metavar="TIME",
    callback=duration,
    default=f"{TIMEOUT:g}s",
    show_default=True,
    help="How long connecting may take, and the first answer after it.",
)
@click.option(
    "--raw-output",
    is_flag=True,
    help="Let control characters of the command through to the terminal. Into a pipe they always "
    "go.",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell what is agreed on, and how it ended.")
def run(
    *,
    endpoint: str,
    args: tuple[str, ...],
    timeout: float | None,
    cwd: str,
    env: tuple[str, ...],
    encoding: str,
    token_file: str | None,
    ca: str | None,
    cert: str | None,
    key: str | None,
    connect_timeout: float,
    raw_output: bool,
    verbose: bool,
) -> int:
    """Run ARGS at ENDPOINT, which `jackfield serve commands` or a board serves.

    Standard input goes there, standard output and error come back apart, as bytes. Without ARGS
    there is a prompt, and each line is a command, until `exit`. Ctrl-C interrupts the command, all
    of its processes; a second one ends it.

    Exit status: that of the command, 128 and the signal's number where one ended it; 124 when its
    time was up, 126 when it is not allowed or cannot be started, 125 when the connection fails, 2
    for wrong usage.
    """
    pairs = [one.partition("=") for one in env]
    if not all(equals and name for name, equals, _ in pairs):
        raise click.UsageError("--env takes NAME=VALUE")
    if encoding:
        _check_encoding(encoding)
    where = with_files(parse(endpoint), cert, key, ca)
    wishes = Wishes(
        where,
        cwd,
        tuple((name, value) for name, _, value in pairs),
        timeout or 0.0,
        encoding,
        read_token(token_file, wire.MOST_TOKEN) or _kept_token(where),
        connect_timeout,
        raw_output,
        verbose,
    )
    if args:
        wire.check(wishes.run_of(args))
    if wishes.endpoint.is_datagram:
        raise ConfigurationError(f"{wishes.endpoint}: commands needs a connection: tcp://, unix://")
    return run_to_end(lambda: _run(wishes, args))


def _kept_token(board: Endpoint) -> str:
    """Give the token by which `jackfield chat` came in to a board before; "" without."""
    found = signins.kept(board)
    return "" if found is None else found.token


def _check_encoding(name: str) -> None:
    """Raise UsageError for what is no encoding, or none in which an argument can be written."""
    try:
        data = "a".encode(name)
        codecs.getincrementaldecoder(name)("backslashreplace").decode(data)
    except (LookupError, ValueError):
        msg = f"--encoding: there is no encoding {name!r}; some are gbk, big5, shift_jis, latin-1"
        raise click.UsageError(msg) from None
    if b"\0" in data:
        msg = f"--encoding: {name} writes NULs, and no argument can have one; utf-8 writes none"
        raise click.UsageError(msg)


def _coded(text: str, encoding: str) -> str:
    """Have an argument arrive in another encoding. Raises ConfigurationError."""
    try:
        return text.encode(encoding).decode("utf-8", "surrogateescape")
    except UnicodeError:
        raise ConfigurationError(f"--encoding {encoding} has no way to write {text!r}") from None


async def _run(wishes: Wishes, args: tuple[str, ...]) -> int:
    conn: Any = None
    try:
        conn = await dial(
            wishes.endpoint,
            wire.framing(),
            timeout=wishes.connect_time,
            on_attempt=(lambda attempt: tell(tried(attempt))) if wishes.verbose else None,
        )
        for line in agreed(conn) if wishes.verbose else ():
            tell(line)
        client = CommandClient(conn)
        await client.come_in(wishes.token, wishes.connect_time)
        if wishes.verbose:
            tell(f"known there as {client.who}")
        if args:
            return await _once(client, wishes, args)
        if is_at_terminal():
            return await _prompt(client, wishes)
        return await _by_lines(client, wishes)
    except NotAllowed as error:
        tell(f"jackfield: {wishes.endpoint}: {error}")
        return NOT_RUN
    except OutputClosed:
        return CLOSED
    except (ConfigurationError, click.ClickException):
        raise
    except JackfieldError as error:
        where = "" if str(wishes.endpoint) in str(error) else f"{wishes.endpoint}: "
        hint = _elsewhere(wishes.endpoint) if isinstance(error, UpgradeError) else ""
        tell(f"jackfield: {where}{error}{hint}")
        return FAILED
    finally:
        if conn is not None:
            await conn.close()


def _elsewhere(endpoint: Endpoint) -> str:
    """Say where commands are run, when that is not by WebSocket at an endpoint."""
    if endpoint.address.endswith("/commands"):
        return "; a board there runs commands once its configuration names a policy"
    board = f"{endpoint.transport}://{endpoint.address}/commands"
    return f"; commands of a board are at {board}, others where jackfield serve commands listens"


class _Screen:
    """Where a command's output goes: as bytes, or made safe where that is a terminal."""

    def __init__(self, wishes: Wishes) -> None:
        self._outputs = {STDOUT: Output(stdio.STDOUT), STDERR: Output(stdio.STDERR)}
        ends = {STDOUT: sys.__stdout__, STDERR: sys.__stderr__}
        self._decoders = {
            number: decoder(wishes)
            for number, end in ends.items()
            if end is not None and end.isatty()
        }
        self._raw = wishes.raw_output

    async def put(self, stream: int, data: bytes) -> None:
        """Write a piece. Raises OutputClosed and LocalError."""
        decode = self._decoders.get(stream)
        if decode is not None:
            text = decode.decode(data)
            shown = text if self._raw else escaped(text.replace("\r\n", "\n"))
            data = shown.encode(output_encoding(), "backslashreplace")
        await self._outputs[stream].write(data)


def decoder(wishes: Wishes) -> codecs.IncrementalDecoder:
    """Make what turns output into text, whichever way its characters are cut."""
    kind = codecs.getincrementaldecoder(wishes.encoding or output_encoding())
    return kind("backslashreplace")


@asynccontextmanager
async def _interrupting(client: CommandClient) -> AsyncIterator[None]:
    """Have Ctrl-C reach the command: the first as INT, the second ends it, the third leaves."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    pressed = 0
    sending: set[asyncio.Task[None]] = set()

    def press() -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 2 and task is not None:
            task.cancel()
            return
        what = client.signal("INT") if pressed == 1 else client.stop()
        sending.add(asyncio.ensure_future(what))

    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGINT, press)
    try:
        yield
    finally:
        if sys.platform != "win32":
            loop.remove_signal_handler(signal.SIGINT)
        await asyncio.gather(*sending, return_exceptions=True)


async def _once(client: CommandClient, wishes: Wishes, args: tuple[str, ...]) -> int:
    source = Input() if stdio.is_open(stdio.STDIN) else None
    read = None if source is None else source.read
    async with _interrupting(client):
        over = await client.run(wishes.run_of(args), read, _Screen(wishes).put)
    return _told(over, wishes)


async def _by_lines(client: CommandClient, wishes: Wishes) -> int:
    """Run line after line of standard input; give the status of the last one."""
    status = 0
    screen = _Screen(wishes)
    async for line in Input().lines():
        args = _words_of(line.decode("utf-8", "surrogateescape"), tell)
        if args == ("exit",):
            break
        if args:
            status = await _one_of_many(client, wishes, args, screen, tell)
    return status


async def _prompt(client: CommandClient, wishes: Wishes) -> int:
    """Let a person type commands, and show what comes of them."""
    status = 0
    with Terminal(f"{wishes.endpoint.host or wishes.endpoint.path}> ") as terminal:
        terminal.note(f"connected as {client.who}; exit or Ctrl-D leaves")

        def say(text: str) -> None:
            terminal.note(printable(text.removeprefix("jackfield: ")))

        while (line := await terminal.line()) is not None:
            args = _words_of(line, say)
            if args == ("exit",):
                break
            if args:
                shown = _Shown(terminal, wishes)
                status = await _one_of_many(client, wishes, args, shown, say)
    return status


class _Shown:
    """Output above the line that is typed."""

    def __init__(self, terminal: Terminal, wishes: Wishes) -> None:
        self._terminal = terminal
        self._decoders = {number: decoder(wishes) for number in (STDOUT, STDERR)}

    async def put(self, stream: int, data: bytes) -> None:
        """Show a piece."""
        text = self._decoders[stream].decode(data)
        self._terminal.show(escaped(text.replace("\r\n", "\n")))


async def _one_of_many(
    client: CommandClient,
    wishes: Wishes,
    args: tuple[str, ...],
    screen: _Screen | _Shown,
    say: Callable[[str], None],
) -> int:
    """Run one of several; one that is refused is told, and the next one may go."""
    try:
        async with _interrupting(client):
            over = await client.run(wishes.run_of(args), None, screen.put)
    except (NotAllowed, ConfigurationError) as error:
        say(f"jackfield: {error}")
        return NOT_RUN
    return _told(over, wishes, say)


def _words_of(line: str, say: Callable[[str], None]) -> tuple[str, ...]:
    """Cut a line into arguments, as a shell does: quotes count, and nothing else."""
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        say(f"jackfield: {error}; not run")
        return ()


def _told(over: Exit, wishes: Wishes, say: Callable[[str], None] = tell) -> int:
    """Tell how a command has ended, where that is not by itself; give the exit status."""
    if over.why != "exit":
        killed = f"; {over.killed} of its processes were ended" if over.killed else ""
        say(f"jackfield: {_WORDS.get(over.why, over.why)}{killed}")
    elif wishes.verbose and over.killed:
        say(f"{over.killed} processes that it left behind were ended")
    if wishes.verbose:
        how = f"status {over.status}" if over.signal is None else f"signal {over.signal}"
        say(f"{how} after {over.seconds:.3f} s; {over.in_} bytes in, {over.out + over.err} out")
    if over.why == "timeout":
        return TIMED_OUT
    if over.signal is not None:
        return 128 + (wire.number_of(over.signal) or int(signal.SIGKILL))
    return over.status or (0 if over.why == "exit" else FAILED)
