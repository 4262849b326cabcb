"""`jackfield talk`: two people, one line."""

from __future__ import annotations

import asyncio
import getpass
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

import click

from jackfield.cli.certificates import with_files
from jackfield.cli.pipes import Input, Output, input_encoding, output_encoding, tell
from jackfield.cli.reached import agreed, tried
from jackfield.cli.running import run
from jackfield.cli.terminal import Terminal, is_at_terminal
from jackfield.cli.values import duration
from jackfield.client import TIMEOUT, connect
from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import ConfigurationError
from jackfield.framing.raw import Raw
from jackfield.framing.text import known_encoding
from jackfield.limits import Limits
from jackfield.net.binding import reach_commands, warning_off_loopback
from jackfield.net.connection import Connection
from jackfield.server import Server
from jackfield.service import Service
from jackfield.services.talk.events import (
    Event,
    Heard,
    Met,
    PeerBusy,
    PeerGone,
    PeerLeft,
    TakenForPlain,
    Unconfirmed,
)
from jackfield.services.talk.line import Line
from jackfield.services.talk.wire import MAX_NAME
from jackfield.visible import escaped, printable

SILENT_FOR = 24 * 60 * 60.0
"""Seconds for which a plain peer over datagrams may say nothing: nobody can tell if it is gone."""

LIMITS = replace(Limits(), connections=64, sessions=64, session_idle=SILENT_FOR)
"""One is talked with, the others are told that the line is busy."""


NAMELESS = "the other side"
"""What a peer is called that has neither name nor address."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options ask for."""

    endpoint: Endpoint
    name: str
    encoding: str
    timeout: float
    retry: int
    verbose: bool


@click.command(
    epilog="""Examples:

    \b
      jackfield talk --listen tcp://127.0.0.1:9999
      jackfield talk tcp://127.0.0.1:9999 --name Alice
      jackfield talk --listen udp://127.0.0.1:9999 --encoding gbk"""
)
@click.argument("endpoint")
@click.option("--listen", is_flag=True, help="Wait there for others, one after another.")
@click.option("--name", metavar="NAME", help="What the other side calls you; else your login name.")
@click.option(
    "--encoding",
    metavar="NAME",
    default="utf-8",
    show_default=True,
    help="Of the text, with a program that is no talk: utf-8, gbk, ...",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=duration,
    default=f"{TIMEOUT:g}s",
    show_default=True,
    help="How long connecting may take.",
)
@click.option(
    "--retry",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Try again so often when connecting fails, pausing ever longer.",
)
@click.option("--ca", metavar="FILE", help="tls: authorities to trust.")
@click.option("--cert", metavar="FILE", help="tls: our certificate, with its chain.")
@click.option("--key", metavar="FILE", help="tls: its private key, unless it is in that file.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what is tried and agreed on.")
def talk(
    *,
    endpoint: str,
    listen: bool,
    name: str | None,
    encoding: str,
    timeout: float,
    retry: int,
    ca: str | None,
    cert: str | None,
    key: str | None,
    verbose: bool,
) -> int:
    """Talk with somebody: either may type at any time.

    One side listens, the other connects: ENDPOINT is tcp://127.0.0.1:9999, tls://, ws://, wss://,
    udp://, unix:///PATH, unix+dgram: or unix+seqpacket:.

    quit, exit, q, bye or Ctrl-D ends it for both; a listener then waits for the next one, and
    Ctrl-D again ends that. Lines to another talk are confirmed, sent again where they got lost,
    and in order, over UDP too. Any other program (nc, or one of your own) gets plain text, and
    the screen says that delivery is unconfirmed.

    In a pipe each line of standard input is sent, and at its end the talk is left once all has
    arrived; exit status 1 says that something may not have.
    """
    where = with_files(parse(endpoint), cert, key, ca)
    if where.transport is Transport.MEMORY:
        raise ConfigurationError(f"{where}: memory: is inside one process; use another transport")
    chosen = _checked(_login_name() if name is None else name)
    wishes = Wishes(where, chosen, known_encoding(encoding), timeout, retry, verbose)
    return run(lambda: _talk(wishes, listens=listen))


def _checked(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        raise click.UsageError(
            f"--name: {printable(name)!r} is no name; it has 1 to {MAX_NAME} characters "
            "that can be seen"
        )
    return " ".join(name.split())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except Exception:  # noqa: BLE001  KeyError, ImportError or OSError, by version and system
        return "somebody"


async def _talk(wishes: Wishes, *, listens: bool) -> int:
    kind = TerminalScreen if is_at_terminal() else PipeScreen
    screen = kind(wishes.name, listens=listens)
    with screen.in_use():
        line = Line(screen, wishes.name, wishes.encoding)
        if listens:
            await _listen(line, screen, wishes)
        else:
            await _call(line, screen, wishes)
        await screen.shown()
    return 0 if listens and screen.at_terminal else screen.status


async def _call(line: Line, screen: Screen, wishes: Wishes) -> None:
    screen.note(f"calling {wishes.endpoint}")
    conn = await connect(
        wishes.endpoint,
        Raw(),
        timeout=wishes.timeout,
        retry=wishes.retry,
        limits=LIMITS,
        on_attempt=(lambda attempt: screen.note(tried(attempt))) if wishes.verbose else None,
    )
    if wishes.verbose:
        for text in agreed(conn):
            screen.note(text)
    try:
        calling = asyncio.create_task(line.call(conn))
        typing = asyncio.create_task(line.type())
        await _first_of({calling}, besides={typing})
    finally:
        conn.close_soon()
    await conn.close()


async def _listen(line: Line, screen: Screen, wishes: Wishes) -> None:
    service = Service("talk", line.attend, framing=Raw(), limits=LIMITS)
    async with Server(service, wishes.endpoint) as server:
        for endpoint in server.endpoints:
            screen.note(f"waiting at {endpoint}; Ctrl-D ends that")
            warning = warning_off_loopback(endpoint)
            if warning is not None:
                screen.note(warning)
            for command in reach_commands(endpoint):
                screen.note(command.replace("jackfield connect", "jackfield talk", 1))
        typing = asyncio.create_task(line.type())
        try:
            await _first_of({typing, line.failed}, besides=set())
        finally:
            line.hang_up()


async def _first_of(ends: set[asyncio.Future[None]], *, besides: set[asyncio.Task[None]]) -> None:
    """Wait for the first of `ends`. An error in any of them is raised; what is left cancelled."""
    going = ends | besides
    try:
        done: set[asyncio.Future[None]] = set()
        while not done & ends:
            done, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            going = going - done
            for future in done:
                future.result()
    finally:
        for future in going:
            future.cancel()
        await asyncio.gather(*going, return_exceptions=True)


# What a person sees


class Screen:
    """What is shown, wherever. `status` is the exit status that the last conversation asks for."""

    at_terminal: bool

    def __init__(self, name: str, *, listens: bool) -> None:
        self.status = 0
        self._name = name
        self._listens = listens
        self._peer = ""

    def in_use(self) -> AbstractContextManager[object]:
        """Give what begins and ends its use."""
        return nullcontext()

    async def line(self) -> str | None:
        """Give the next line to say; None when this person leaves."""
        raise NotImplementedError

    async def shown(self) -> None:
        """Wait until what there is to show has been taken."""

    def note(self, text: str) -> None:
        """Show something that nobody has said."""
        raise NotImplementedError

    def speech(self, name: str, text: str) -> None:
        """Show what somebody has said."""
        raise NotImplementedError

    def began(self, conn: Connection[bytes]) -> None:
        """A conversation begins."""
        self.status = 0
        self._peer = escaped(conn.peer.address) or NAMELESS

    def show(self, event: Event) -> None:
        """Show what has happened."""
        match event:
            case Heard(text):
                self.speech(self._peer, escaped(text))
            case Met(name):
                self._met(escaped(name)[:MAX_NAME])
            case TakenForPlain():
                self.note(f"{self._peer} is no jackfield talk: plain text, delivery unconfirmed")
            case PeerLeft():
                self.note(f"{self._peer} has left")
            case PeerGone(reason):
                self._failed(f"{self._peer} has gone: {reason}")
            case PeerBusy(text):
                self._failed(escaped(text))
            case Unconfirmed(text):
                self._failed(f"not confirmed, so it may not have arrived: {_start_of(text)}")
            case _:
                pass  # what arrived needs no words

    def _met(self, name: str) -> None:
        where = self._peer
        self._peer = f"{name} (there)" if name == self._name else name
        if not self._listens:
            self.note(f"{self._peer} is here")
        elif where == NAMELESS:
            self.note(f"{self._peer} has come")
        else:
            self.note(f"{self._peer} has come, from {where}")

    def _failed(self, text: str) -> None:
        self.status = 1
        self.note(text)

    def said(self, text: str) -> None:
        """Show a line of ours."""

    def not_sent(self, text: str, reason: str) -> None:
        """Tell that a line of ours was not sent, and why."""
        self._failed(f"not sent ({reason}): {_start_of(text)}")

    def ended(self) -> None:
        """The conversation is over."""


class TerminalScreen(Screen):
    """A terminal: the line being typed at its foot, what was said above."""

    at_terminal = True

    def __init__(self, name: str, *, listens: bool) -> None:
        super().__init__(name, listens=listens)
        self._terminal = Terminal("> ", echo=False)

    def in_use(self) -> AbstractContextManager[object]:
        return self._terminal

    async def line(self) -> str | None:
        return await self._terminal.line()

    def note(self, text: str) -> None:
        self._terminal.note(text)

    def speech(self, name: str, text: str) -> None:
        terminal = self._terminal
        terminal.show(f"{terminal.dim(_now())} {terminal.bold(f'{name}:')} {text}\n")

    def said(self, text: str) -> None:
        self._terminal.show(f"{self._terminal.dim(f'{_now()} {self._name}:')} {escaped(text)}\n")

    def ended(self) -> None:
        if self._listens:
            self.note("waiting for the next one; Ctrl-D ends that")


class PipeScreen(Screen):
    """Pipes: lines to say from standard input, what the peer says to standard output."""

    at_terminal = False

    def __init__(self, name: str, *, listens: bool) -> None:
        super().__init__(name, listens=listens)
        self._input = Input()
        self._output = Output()
        self._unwritten: list[str] = []
        self._writing: asyncio.Task[None] | None = None

    async def line(self) -> str | None:
        line = await self._input.line()
        return None if line is None else line.decode(input_encoding(), "backslashreplace")

    def note(self, text: str) -> None:
        tell(f"-- {text}")

    def speech(self, name: str, text: str) -> None:
        self._unwritten.append(f"{_now()} {name}: {text}\n")
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def shown(self) -> None:
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self._unwritten:
            text = "".join(self._unwritten)
            self._unwritten.clear()
            await self._output.write(text.encode(output_encoding(), "backslashreplace"))


def _now() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"


def _start_of(text: str) -> str:
    return escaped(text if len(text) <= 60 else f"{text[:60]}…")
