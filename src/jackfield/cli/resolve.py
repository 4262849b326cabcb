"""`jackfield resolve`: what a name stands for, who says so, and in what order it is tried."""

from __future__ import annotations

import click

from jackfield.cli import resolved
from jackfield.cli.pipes import tell
from jackfield.cli.shown import echo, echo_json
from jackfield.cli.values import duration
from jackfield.tools.names.answers import TYPES
from jackfield.tools.names.asking import Server, server_of
from jackfield.tools.names.labels import is_address, to_ascii
from jackfield.tools.names.resolving import confirmed, look_up, machine, records

TIMEOUT = "5s"
MOST_TIMEOUT = 60.0


@click.command(
    epilog="""Exit status: 0 something was found, 1 nothing was, 2 wrong usage.

    Standards: RFC 6724 (the order of addresses), RFC 1035 (DNS), RFC 5891 (names in any script).

    \b
    Examples:
      jackfield resolve
      jackfield resolve localhost
      jackfield resolve 127.0.0.1
      jackfield resolve --type MX --type TXT example.org
      jackfield resolve --server 192.0.2.53 www.example.org
      jackfield resolve --json bücher.example"""
)
@click.argument("name", metavar="[NAME|ADDRESS]", required=False)
@click.option(
    "--type",
    "-t",
    "kinds",
    metavar="TYPE",
    multiple=True,
    type=click.Choice(TYPES, case_sensitive=False),
    help=f"Ask DNS for records of this type, several times if you like: {', '.join(TYPES)}.",
)
@click.option(
    "--server",
    "-s",
    metavar="ADDRESS[:PORT]",
    help="Ask this name server; without --type for A and AAAA. Default: those of resolv.conf.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=duration,
    default=TIMEOUT,
    show_default=True,
    help="How long it may take to find out.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
def resolve(
    *, name: str | None, kinds: tuple[str, ...], server: str | None, timeout: float, as_json: bool
) -> int:
    """Find out what a name stands for: its addresses, in the order in which programs try them.

    Of each address it says why it stands where it does (RFC 6724), with which address of this
    machine it would be reached, and what it is called in turn; and it says who has answered, the
    hosts file or DNS. With --type or --server it asks a name server for records, and shows how
    long each may be kept. Without a NAME: what this machine calls itself, and whom it asks.
    """
    if not 0 < timeout <= MOST_TIMEOUT:
        raise click.UsageError(f"--timeout is more than 0 and up to {MOST_TIMEOUT:g}s")
    where = None if server is None else server_of(server)
    if name is None:
        if kinds or where:
            raise click.UsageError("--type and --server need a NAME")
        return _machine(timeout, as_json=as_json)
    asked = name if is_address(name) else to_ascii(name)
    if kinds or where:
        wanted = tuple(dict.fromkeys(kinds)) or (("PTR",) if is_address(asked) else ("A", "AAAA"))
        return _records(asked, wanted, where, timeout, as_json=as_json)
    return _look(asked, timeout, as_json=as_json)


def _machine(timeout: float, *, as_json: bool) -> int:
    found = machine(timeout)
    if as_json:
        echo_json(resolved.plain_machine(found))
    else:
        echo(resolved.told_machine(found))
    return 0


def _records(
    name: str, kinds: tuple[str, ...], server: Server | None, timeout: float, *, as_json: bool
) -> int:
    answers = records(name, kinds, server, timeout)
    if as_json:
        echo_json(resolved.plain_records(name, kinds, answers))
    else:
        for kind, one in zip(kinds, answers, strict=True):
            if isinstance(one, Exception):
                tell(f"jackfield: {kind} of {name}: {one}")
            else:
                echo(resolved.told_records(name, kind, one))
    return 0 if resolved.has_records(answers) else 1


def _look(name: str, timeout: float, *, as_json: bool) -> int:
    looked = look_up(name, timeout)
    leads_back = confirmed(looked, timeout)
    if as_json:
        echo_json(resolved.plain_look(looked, leads_back))
    else:
        echo(resolved.told_look(looked, leads_back))
    return 0
