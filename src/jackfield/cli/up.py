"""`jackfield up`: the board on this machine, with its chat and its page."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from jackfield.endpoints import DEFAULT_OPTIONS
from jackfield.errors import JackfieldError
from jackfield.logs import Log
from jackfield.visible import printable, wants_colour

if TYPE_CHECKING:
    from jackfield.board.board import Board
    from jackfield.board.config import Where
    from jackfield.serving import AnyServer

READY = 30.0
"""Seconds that a board in the background has to start."""


@click.command(
    epilog="""Examples:

    \b
      jackfield up
      jackfield up --config jackfield.toml --detach
      jackfield up --lan --open

    Ctrl-C stops it. SIGHUP makes it read its configuration and its certificates anew, as
    jackfield reload does."""
)
@click.option("--config", metavar="FILE", help="What the board is to be, in TOML.")
@click.option("--data", metavar="DIR", help="Where it keeps what it keeps, in place of the usual.")
@click.option("--lan", is_flag=True, help="Let others on the network reach it, by TLS.")
@click.option(
    "--open", "is_open", is_flag=True, help="Let anybody pick a name and talk, and nothing more."
)
@click.option("--plain", is_flag=True, help="With --lan --open: without TLS. Others can read all.")
@click.option("--detach", is_flag=True, help="Leave it in the background once it has started.")
@click.option("--show", is_flag=True, help="Tell who comes and goes, and what is asked for.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
def up(
    *,
    config: str | None,
    data: str | None,
    lan: bool,
    is_open: bool,
    plain: bool,
    detach: bool,
    show: bool,
    verbose: bool,
) -> None:
    """Start the board: people talk on its page, in a terminal and by plain lines.

    What is said is kept. The first start makes you its owner and prints a link that signs you in.
    Without a configuration it has the chat and the page, on this machine alone.
    """
    if plain and not (lan and is_open):
        raise click.UsageError("--plain is for --lan --open, where nobody signs in by a secret")
    if detach:
        _leave_in_background(sys.argv[1:])
        return
    from jackfield.board import config as configs
    from jackfield.board.board import Board
    from jackfield.board.paths import Paths
    from jackfield.serving import run_until_signal

    where: Where = "here"
    if lan:
        where = "lan, in the clear" if plain else "lan"
    found = configs.load(config, where)
    log = Log(sys.stdout, verbose=verbose)
    tells = show or verbose
    board = Board(
        Paths.of(data),
        found,
        path=config,
        where=where,
        is_open=is_open,
        follow=lambda events, name: log.follow(events, name, quiet=not tells, where=tells),
    )
    log.follow(board.events)

    async def start(servers: list[AnyServer]) -> None:
        servers.append(cast("AnyServer", board))
        await board.start()
        text = await _welcome(board, "" if data is None else f" --data {shlex.quote(data)}")
        click.echo(text, color=wants_colour(sys.stdout))
        sys.stdout.flush()

    run_until_signal(start)
    click.echo("Stopped.")


async def _welcome(board: Board, where: str) -> str:
    """Say how to come in. where: what commands take beside their names to find this board."""
    command = _command()
    lines = [f"{click.style(printable(board.config.name), bold=True)} is up.", ""]
    try:
        owner, link = await board.owner_link()
        lines += [
            f"  In a browser   {link}",
            f"                 signs you in as {owner}, once, today",
        ]
    except JackfieldError as error:
        lines.append(f"  In a browser   not now: {error}")
    lines.append(f"  In a terminal  {command} chat{where}")
    lines += _by_lines(board, command)
    lines += _for_others(board)
    lines += [
        "",
        f"{command} status{where} shows how it is, {command} invite{where} lets others in.",
    ]
    for unit in board.units.values():
        if unit.state == "failed":
            lines.append(click.style(f"{unit.name} has not started: {unit.why}", fg="red"))
    return "\n".join(lines) + "\n"


def _by_lines(board: Board, command: str) -> list[str]:
    from jackfield.net.binding import reachable_host

    unit = board.units.get("chat")
    if unit is None or unit.server is None:
        return []
    at = replace(unit.server.endpoints[0], options=DEFAULT_OPTIONS)
    if at.is_any:
        at = replace(at, host=reachable_host(at))
    if at.transport.uses_tls or not shutil.which("nc"):
        return [f"  By lines       {command} connect {at}"]
    if at.path:
        return [f"  By lines       nc -U {shlex.quote(at.path)}"]
    return [f"  By lines       nc {at.host} {at.port}"]


def _for_others(board: Board) -> list[str]:
    """Say how others on the network come in, where they can."""
    from jackfield.board.codes import code_of
    from jackfield.tls import authority

    unit = board.units.get("page")
    if unit is None or unit.server is None or unit.server.endpoints[0].is_loopback:
        return []
    endpoint, address = unit.server.endpoints[0], board.address()
    lines = ["", f"  Others         {address}", "", code_of(address).rstrip("\n")]
    if endpoint.transport.uses_tls and endpoint.options.cert:
        fingerprint = authority.read(endpoint.options.cert).fingerprint
        lines += [
            "",
            "  Their browsers warn of a certificate they do not know; its SHA-256 is",
            f"  {fingerprint}",
        ]
    elif not endpoint.transport.uses_tls:
        lines += ["", "  Nothing is encrypted: anybody on the network can read what is said."]
    return lines


def _leave_in_background(arguments: list[str]) -> None:
    """Start the same without --detach in a process of its own; give back what it says first."""
    arguments = [one for one in arguments if one != "--detach"]
    command = [sys.executable, "-m", "jackfield", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.endswith(" lets others in.\n"):
            break
    click.echo("".join(said), nl=False)
    if process.poll() is not None:
        raise click.exceptions.Exit(process.returncode)
    click.echo(f"In the background, as process {process.pid}; jackfield down stops it.")


def _command() -> str:
    """Name this very command, as it can be typed here."""
    if shutil.which("jackfield"):
        return "jackfield"
    beside = Path(sys.executable).with_name("jackfield")
    if not beside.exists():
        return f"{sys.executable} -m jackfield"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
