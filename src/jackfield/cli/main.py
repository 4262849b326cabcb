"""All commands by name, and what becomes of an error.

The rules this file owns:

1. A command is loaded when it runs, so that the others cost nothing.
2. An error is one line on standard error that says what to do, never a traceback. Where it is
   about a part of a value, a terminal gets two more: the value, and a mark under that part.
   Exit status: 0 done, 1 failed, 2 asked for in a way that cannot be, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from jackfield.errors import ConfigurationError, EndpointError, JackfieldError, NotationError
from jackfield.net import stdio
from jackfield.version import __version__
from jackfield.visible import printable, wants_colour

COMMANDS = {
    "serve": "Serve one service, ready-made or your own.",
    "connect": "A terminal on any endpoint; exact bytes in a pipe.",
    "talk": "Two people, one line: over TCP, UDP, UNIX or TLS.",
    "chat": "The chat of a board: full screen, or lines for pipes and scripts.",
    "put": "Files to a server; said again, it goes on after a cut.",
    "get": "Files from a server, likewise.",
    "ls": "What is in a folder on a server.",
    "rm": "Files and folders on a server are removed.",
    "run": "Run a command on another machine that allows it.",
    "fetch": "What a browser does, without one, and shown.",
    "ip": "Addresses and networks, explained; and those of this machine.",
    "ports": "Names of services and their ports, and who has one now.",
    "families": "Which kinds of sockets this system has, and their options.",
    "resolve": "What a name stands for, who says so, and in what order.",
    "ping": "Whether hosts are there, how fast they answer, what gets lost.",
    "cert": "Certificates of one's own, for tls:// between one's own machines.",
    "up": "Start the board: people talk on a page, in a terminal, by lines.",
    "status": "How a board and its services are.",
    "start": "Start services of a board.",
    "stop": "Stop services of a board.",
    "restart": "Stop services of a board and start them.",
    "reload": "Have a board read its configuration anew.",
    "down": "Stop a board.",
    "invite": "A link by which others may come in.",
    "people": "Who has an account on a board, and what they may do.",
    "tokens": "Who may come in to a board, and by what.",
    "revoke": "Make a token useless.",
    "backup": "Copy what a board keeps, while it runs.",
    "restore": "Go back to a backup.",
    "export": "What was said in a room, as text.",
}
"""Each is a function of its own name, in the module of its name beside this one or in `control`."""

_CONTROL = frozenset(
    {
        *("status", "start", "stop", "restart", "reload", "down"),
        *("invite", "people", "tokens", "revoke", "backup", "restore"),
    }
)


_MOST_POINTED = 70
"""Columns up to which a value stands on one line of a terminal, with the mark under it."""


class Commands(click.Group):
    """A group whose commands are loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = "control" if cmd_name in _CONTROL else cmd_name
        found: click.Command = getattr(import_module(f"jackfield.cli.{module}"), cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args[0] in COMMANDS or args[0].startswith("-")
        if not known and not ctx.resilient_parsing:  # which is how a shell asks what to offer
            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example:  jackfield serve echo tcp://127.0.0.1:9999",
)
@click.version_option(__version__, prog_name="jackfield", message="%(prog)s %(version)s")
@click.pass_context
def jackfield(ctx: click.Context) -> int:
    """Sockets, plugged in: serve, reach and watch services on any transport."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return 2
    return 0


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; give its exit status."""
    try:
        with stdio.writable():
            status = jackfield.main(list(arguments), prog_name="jackfield", standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "jackfield"
        return _fail(f"{path}: {error.format_message()} (see {path} --help)", 2)
    except click.ClickException as error:
        return _fail(f"jackfield: {error.format_message()}", 1)
    except click.Abort:
        return 130
    except NotationError as error:
        status = _fail(f"jackfield: {error}", 2)
        _point(error)
        return status
    except JackfieldError as error:
        usage = isinstance(error, (ConfigurationError, EndpointError))
        return _fail(f"jackfield: {error}", 2 if usage else 1)
    return status if isinstance(status, int) else 0


def _fail(text: str, status: int) -> int:
    click.echo(printable(text), err=True)
    return status


def _point(error: NotationError) -> None:
    """Show on a terminal which part of a value is wrong."""
    from jackfield.visible import width

    before, part = error.value[: error.start], error.value[error.start : error.end]
    if sys.stderr.isatty() and width(shown := printable(error.value)) < _MOST_POINTED:
        mark = " " * width(printable(before)) + "^" * max(1, width(printable(part)))
        lines = f"  {shown}\n  {click.style(mark, fg='red')}"
        click.echo(lines, err=True, color=wants_colour(sys.stderr))
