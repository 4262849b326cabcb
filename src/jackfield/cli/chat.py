"""`jackfield chat`: the chat of a board, on a whole terminal, or by lines for pipes and scripts."""

from __future__ import annotations

import asyncio
import getpass
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

import click

from jackfield.board.paths import Paths
from jackfield.cli import signins
from jackfield.cli.certificates import with_files
from jackfield.cli.chatting import Plain, Sender
from jackfield.cli.pipes import tell
from jackfield.cli.reached import tried
from jackfield.cli.running import run
from jackfield.cli.signins import SignIn
from jackfield.cli.terminal import is_at_terminal
from jackfield.cli.values import duration
from jackfield.client import TIMEOUT
from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import (
    BadMessage,
    ConfigurationError,
    JackfieldError,
    LocalError,
    Unreachable,
)
from jackfield.services.chat.client import ChatClient, Dial, dialer
from jackfield.services.chat.words import NotSaid, key_of, name_of

if TYPE_CHECKING:
    from jackfield.board.nearby import Heard


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the arguments ask for. is_kept: whether the token is of an earlier sign-in."""

    endpoint: Endpoint
    name: str | None
    token: str | None
    is_kept: bool
    room: str | None
    as_json: bool
    timeout: float
    verbose: bool


@click.command(
    epilog="""Examples:

    \b
      jackfield chat
      jackfield chat https://board.example:8443/in/SECRET --name alice
      jackfield chat ws://127.0.0.1:7778/ --room ops
      make 2>&1 | jackfield chat --room ops --send
      jackfield chat --plain --json | jq -r .text"""
)
@click.argument("endpoint", required=False)
@click.option("--name", metavar="NAME", help="What to be called; else as before, or your login.")
@click.option(
    "--token",
    metavar="TOKEN",
    help="What lets you in, where it is not open to all. Better in the variable JACKFIELD_TOKEN, "
    "where other users of this machine do not see it. One that was kept is used by itself.",
)
@click.option("--room", metavar="ROOM", help="Begin in this room; in a pipe, the only one.")
@click.option("--plain", is_flag=True, help="Lines instead of a full screen.")
@click.option(
    "--send",
    is_flag=True,
    help="Say standard input, as few messages as can hold it, and end when they are kept.",
)
@click.option("--json", "as_json", is_flag=True, help="With --plain: each message as JSON.")
@click.option(
    "--timeout",
    metavar="TIME",
    callback=duration,
    default="60s",
    show_default=True,
    help="With --send: how long to try when nothing is kept any more.",
)
@click.option("--ca", metavar="FILE", help="tls, wss: authorities to trust.")
@click.option(
    "--data",
    metavar="DIR",
    help="Without ENDPOINT: the data folder of a board of yours on this machine.",
)
@click.option("-v", "--verbose", is_flag=True, help="Tell what is tried.")
def chat(
    *,
    endpoint: str | None,
    name: str | None,
    token: str | None,
    room: str | None,
    plain: bool,
    send: bool,
    as_json: bool,
    timeout: float,
    ca: str | None,
    data: str | None,
    verbose: bool,
) -> int:
    """Chat with whoever is on a board.

    ENDPOINT is a link of a board, an invitation for example, or where its chat speaks JSON:
    ws://127.0.0.1:7778/, wss://, unix:///PATH, tcp://, tls://. Without it: the board of this
    machine.

    At a terminal the chat takes all of it; /help there shows the keys. In a pipe, or with --plain,
    each message is a line of standard output, and each line of standard input is said.

    A connection that is lost is made again. What was said meanwhile is shown, and what you said is
    delivered, once.

    Exit status: 0, or 1 where something was not said or one may not come in.
    """
    if plain and send:
        raise click.UsageError("--plain and --send: one of them")
    if data is None:
        where, secret = place(endpoint)
    elif endpoint is None:
        where, secret = local_board(data), None
    else:
        raise click.UsageError("--data is for a board of this machine, without an ENDPOINT")
    where = with_files(where, None, None, ca)
    at_screen = not (plain or send) and is_at_terminal()
    if as_json and (send or at_screen):
        raise click.UsageError("--json is for --plain")
    if name is not None:
        _check(name, "--name")
    if room is not None:
        _check(room.removeprefix("#"), "--room")
        room = key_of(room.removeprefix("#"))
    given = token or (None if secret else os.environ.get("JACKFIELD_TOKEN")) or None
    had = None if given else signins.kept(where)
    if had is not None and (name is None or key_of(name) == key_of(had.name)):
        name, token = None, had.token  # a link is good once; what it gave is used from then on
    else:
        had, token = None, given or secret
        if name is None and token is None and where.transport is not Transport.UNIX:
            name = _login_name()
    wishes = Wishes(where, name, token, had is not None, room, as_json, timeout, verbose)
    if at_screen:
        return run(lambda: _at_screen(wishes))
    return run(lambda: _in_pipe(wishes, sends=send))


def _check(name: str, option: str) -> None:
    try:
        name_of(name)
    except NotSaid as error:
        raise click.UsageError(f"{option}: {error}") from None


def _login_name() -> str | None:
    """Give the login name, if it is one that a person can have in a chat."""
    try:
        return name_of(getpass.getuser())
    except Exception:  # noqa: BLE001  KeyError, ImportError, OSError or NotSaid
        return None


# Where a board is


def local_board(data: str | None = None) -> Endpoint:
    """Give where a board of this machine's user would be, whether or not it runs.

    data: its data folder; None for that of the user's own board.
    """
    return Endpoint(Transport.UNIX, path=str(Paths.of(data).chat))


LISTENING = 1.5
"""Seconds for which boards on the network are listened for."""


def boards() -> list[Endpoint]:
    """Give the boards that can be reached without being named.

    The one of this machine where it runs, else those that are heard on the network.
    """
    own = local_board()
    if os.path.exists(own.path):  # noqa: PTH110  Path.exists() raises for some errors
        return [own]
    if is_at_terminal():
        click.echo("-- listening for boards on this network", err=True)
    try:
        return [one.endpoint for one in asyncio.run(_hear())]
    except Unreachable:  # there is no network, or none that takes multicast
        return []


async def _hear() -> list[Heard]:
    from jackfield.board.nearby import hear

    return await hear(LISTENING)


def place(endpoint: str | None) -> tuple[Endpoint, str | None]:
    """Find out where to connect to; give that, and the token that a link holds.

    Raises EndpointError for what is no URL, ConfigurationError for one of no stream, and
    LocalError when no board is named and none is found.
    """
    if endpoint is None:
        found = boards()
        if not found:
            raise LocalError(
                "no board runs on this machine, and none is heard on its network: start one with "
                "`jackfield up`, or say where one is, for example "
                "`jackfield chat ws://127.0.0.1:7778/`"
            )
        return _chosen(found), None
    if endpoint.lower().startswith(("http://", "https://")):
        return _linked(endpoint)
    where = parse(endpoint)
    if where.is_datagram or where.transport in {Transport.MEMORY, Transport.FD}:
        raise ConfigurationError(f"{where}: a chat needs a stream, such as ws:// or unix:")
    return where, None


def _chosen(found: list[Endpoint]) -> Endpoint:
    """Have the user choose one of several. Raises LocalError where nobody can."""
    if len(found) == 1:
        return found[0]
    if not is_at_terminal():
        raise LocalError(f"there are {len(found)} boards; name one: {', '.join(map(str, found))}")
    for number, board in enumerate(found, 1):
        click.echo(f"  {number}  {board}", err=True)
    number = click.prompt("Which board", type=click.IntRange(1, len(found)), err=True)
    return found[number - 1]


def _linked(link: str) -> tuple[Endpoint, str | None]:
    """Read a link of a board's page: an invitation, a sign-in link, or any of its pages."""
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{link}: is no link: {error}") from None
    secure = parts.scheme.lower() == "https"
    host = parts.netloc if port else f"{parts.netloc.rstrip(':')}:{443 if secure else 80}"
    where = parse(f"{'wss' if secure else 'ws'}://{host}/chat")
    secret = parts.path.removeprefix("/in/") if parts.path.startswith("/in/") else ""
    return where, unquote(secret.strip("/")) or None


# Chatting


def _dial(wishes: Wishes) -> Dial:
    noted = (lambda attempt: tell(f"-- {tried(attempt)}")) if wishes.verbose else None
    return dialer(wishes.endpoint, timeout=TIMEOUT, on_attempt=noted)


class _Keeper:
    """Keeps the token that a board gives; tells in the end if that failed."""

    def __init__(self, board: Endpoint) -> None:
        self._board = board
        self._problem = ""

    def keep(self, name: str, token: str) -> None:
        try:
            signins.keep(self._board, SignIn(name, token))
        except ConfigurationError as error:
            self._problem = f"-- the sign-in was not kept: {error}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._problem:
            tell(self._problem)


async def _at_screen(wishes: Wishes) -> int:
    from jackfield.services.chat.terminal import show  # loads a good deal

    with _Keeper(wishes.endpoint) as keeper:
        try:
            return await show(
                dialer(wishes.endpoint),
                where=str(wishes.endpoint),
                name=wishes.name,
                token=wishes.token,
                room=wishes.room,
                on_token=keeper.keep,
            )
        except JackfieldError as error:
            raise _explained(error, wishes) from error


async def _in_pipe(wishes: Wishes, *, sends: bool) -> int:
    with _Keeper(wishes.endpoint) as keeper:
        chatting: Plain | Sender
        if sends:
            chatting = Sender(wishes.room, keeper.keep, timeout=wishes.timeout)
        else:
            chatting = Plain(wishes.room, keeper.keep, as_json=wishes.as_json)
        client = ChatClient(_dial(wishes), chatting.tell, name=wishes.name, token=wishes.token)
        try:
            return await chatting.run(client)
        except JackfieldError as error:
            raise _explained(error, wishes) from error


def _explained(error: JackfieldError, wishes: Wishes) -> JackfieldError:
    """Say where it was, and what may help."""
    if isinstance(error, BadMessage):
        text = f"{wishes.endpoint}: no chat for clients is there ({error}); it may be at ws://"
        return BadMessage(text)
    if isinstance(error, NotSaid):
        hint = "see --name and --token"
        if wishes.is_kept:
            hint = f"remove {signins.path_of(wishes.endpoint)} to sign in anew, or {hint}"
        return NotSaid(f"{wishes.endpoint}: {error} ({hint})")
    if isinstance(error, ConfigurationError) or str(wishes.endpoint) in str(error):
        return error
    return type(error)(f"{wishes.endpoint}: {error}")
