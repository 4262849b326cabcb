"""`jackfield ports`: names of services and their ports, and who has one now."""

from __future__ import annotations

import click

from jackfield.cli import holding
from jackfield.cli.shown import echo, echo_json
from jackfield.tools.ports.facts import facts, machine
from jackfield.tools.ports.names import read


@click.command(
    epilog="""Names are of the system's list, services(5), and of one of our own. Who holds a port
    is told by Linux alone; without root's rights not all of it, and then that is said.

    Standard: RFC 6335 (ranges and names of ports).

    \b
    Examples:
      jackfield ports
      jackfield ports sshd
      jackfield ports 8080
      jackfield ports 53/udp
      jackfield ports 8000-8100"""
)
@click.argument("asked", metavar="[NAME|NUMBER|RANGE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
def ports(*, asked: tuple[str, ...], as_json: bool) -> None:
    """Names of services and their ports, who may bind them, and who has one now.

    A NAME such as ssh gives the port, a NUMBER the names; of TCP and UDP, or with /tcp or /udp
    behind it of that alone. Without one: the ranges, and who on this machine waits for others.
    """
    wanted = [read(text) for text in asked]
    if not wanted:
        found = machine()
        if as_json:
            echo_json(found)
        else:
            echo(holding.told_machine(found))
        return
    all_found = [facts(one) for one in wanted]
    if as_json:
        echo_json(all_found)
        return
    for number, one in enumerate(all_found):
        echo([""] if number else [])
        echo(holding.told(one))
