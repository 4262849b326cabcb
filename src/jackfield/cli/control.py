"""Commands for the owner of a board that runs: they ask it over its control socket."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import click

from jackfield.cli.values import duration
from jackfield.errors import ConfigurationError
from jackfield.visible import printable, wants_colour

_COLOURS = {"running": "green", "stopped": "yellow", "failed": "red", "ok": "green"}

data = click.option(
    "--data", metavar="DIR", help="The board's data folder, where it is not your own board's."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
names = click.argument("names", metavar="[NAME]...", nargs=-1)


@click.command(epilog="Example:  jackfield status --json")
@data
@as_json
@names
def status(*, data: str | None, as_json: bool, names: tuple[str, ...]) -> int:
    """Show how a board and its services are. Exit status 1 when something has failed."""
    found = _ask(data, {"do": "status", "names": list(names)})
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show(found)
    good = all(one["state"] != "failed" for one in found["services"])
    return 0 if good and found["store"]["state"] == "ok" else 1


@click.command(epilog="Example:  jackfield start clock")
@data
@as_json
@names
def start(*, data: str | None, as_json: bool, names: tuple[str, ...]) -> None:
    """Start services of a board that are stopped or have failed; all without a NAME."""
    _do("start", data, names, as_json=as_json)


@click.command(epilog="Example:  jackfield stop clock")
@data
@as_json
@names
def stop(*, data: str | None, as_json: bool, names: tuple[str, ...]) -> None:
    """Stop services of a board; all without a NAME. The board itself goes on: see down."""
    _do("stop", data, names, as_json=as_json)


@click.command(epilog="Example:  jackfield restart clock")
@data
@as_json
@names
def restart(*, data: str | None, as_json: bool, names: tuple[str, ...]) -> None:
    """Stop services of a board and start them; all without a NAME."""
    _do("restart", data, names, as_json=as_json)


@click.command(epilog="Example:  jackfield reload")
@data
@as_json
@names
def reload(*, data: str | None, as_json: bool, names: tuple[str, ...]) -> None:
    """Have a board read its configuration and certificates anew.

    What has changed is started again, and all else goes on. A configuration that cannot be used is
    refused, and the old one stays in force.
    """
    _do("reload", data, names, as_json=as_json)


@click.command(epilog="Example:  jackfield down")
@data
@as_json
def down(*, data: str | None, as_json: bool) -> None:
    """Stop a board with all its services, in good order."""
    _do("down", data, (), as_json=as_json)


@click.command(epilog="Example:  jackfield backup monday.db")
@click.argument("file", metavar="FILE")
@data
@as_json
def backup(*, file: str, data: str | None, as_json: bool) -> None:
    """Copy all that a board keeps into a new FILE, while it runs.

    To go back to it: jackfield down, jackfield restore FILE, jackfield up.
    """
    answer = _ask(data, {"do": "backup", "file": os.path.abspath(file)})  # noqa: PTH100  as typed
    _tell(answer, as_json=as_json)


@click.command(epilog="Example:  jackfield restore monday.db")
@click.argument("file", metavar="FILE")
@data
def restore(*, file: str, data: str | None) -> None:
    """Put a backup in the place of what a board keeps, while it does not run.

    What was there stays beside it, under other names, which are told.
    """
    from jackfield.board.backups import restore as put_back
    from jackfield.board.control import NoBoard
    from jackfield.board.paths import Paths

    paths = Paths.of(data)
    paths.make()
    if os.path.exists(paths.control):  # noqa: PTH110  Path.exists() raises for some errors
        try:
            _ask(data, {"do": "status"})
        except NoBoard:  # it has ended without tidying up
            pass
        else:
            raise ConfigurationError("the board runs; stop it first, by jackfield down")
    away = put_back(os.path.abspath(file), str(paths.store))  # noqa: PTH100  as typed
    click.echo(f"The board has what {printable(file)} holds.")
    for name in away:
        click.echo(f"What was there is {printable(name)}")


@click.command(epilog="Example:  jackfield invite --expires 1d --uses 30")
@click.option(
    "--role",
    type=click.Choice(["member", "operator"]),
    default="member",
    show_default=True,
    help="What who comes by it may do: an operator keeps order in every room.",
)
@click.option(
    "--expires", metavar="TIME", callback=duration, default="7d", help="How long it is good: 7d."
)
@click.option(
    "--uses",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="How many people may come by it.",
)
@data
@as_json
def invite(*, role: str, expires: float, uses: int, data: str | None, as_json: bool) -> None:
    """Make a link by which others may come in, and show it with a code for phones."""
    asked = {"do": "invite", "role": role, "expires": expires, "uses": uses}
    answer = _ask(data, asked)
    if as_json:
        click.echo(json.dumps({key: answer[key] for key in ("link", "expires", "uses", "role")}))
        return
    click.echo(answer["code"])
    click.echo(answer["link"])
    until = _minute(answer["expires"])
    click.echo(f"For {_count(uses, 'person', 'people')}, as {role}, until {until}.")


@click.command(epilog="Example:  jackfield tokens")
@data
@as_json
def tokens(*, data: str | None, as_json: bool) -> None:
    """List who may come in, and by what: sessions, invitations, links. None is shown itself."""
    answer = _ask(data, {"do": "tokens"})
    if as_json:
        click.echo(json.dumps(answer["tokens"], indent=1))
        return
    for one in answer["tokens"]:
        used = one["last_used"]
        when = "never used" if used is None else _minute(used)
        what = (
            f"{one['number']:>5}  {one['kind']:8} {one['name'] or '-':20} {one['state']:8} {when}"
        )
        click.echo(printable(what))


@click.command(epilog="Example:  jackfield revoke 12")
@click.argument("number", type=click.IntRange(min=1))
@data
@as_json
def revoke(*, number: int, data: str | None, as_json: bool) -> None:
    """Make a token useless, by its NUMBER in `jackfield tokens`; who is here by it is sent away."""
    _tell(_ask(data, {"do": "revoke", "number": number}), as_json=as_json)


@click.group(
    invoke_without_command=True,
    epilog="""Examples:

    \b
      jackfield people
      jackfield people role ann operator
      jackfield people rename ann anna
      jackfield people link ann
      jackfield people remove ann""",
)
@data
@as_json
@click.pass_context
def people(ctx: click.Context, *, data: str | None, as_json: bool) -> None:
    """List who has an account on a board; change what they may do, or their names.

    Whoever is connected meets the change at once. What somebody has said stays under the name it
    was said under, and nobody else ever gets that name.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = data
        return
    found = _ask(data, {"do": "people"})["people"]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for one in found:
        click.echo(printable(_about(one)))


@people.command(epilog="Example:  jackfield people role ann operator")
@click.argument("name")
@click.argument("role", type=click.Choice(["owner", "operator", "member"]))
@as_json
@click.pass_obj
def role(at: str | None, *, name: str, role: str, as_json: bool) -> None:
    """Let NAME do more, or less: an operator keeps order in every room, an owner may do all."""
    _tell(_ask(at, {"do": "role", "name": name, "role": role}), as_json=as_json)


@people.command(epilog="Example:  jackfield people rename ann anna")
@click.argument("name")
@click.argument("new", metavar="NEW-NAME")
@as_json
@click.pass_obj
def rename(at: str | None, *, name: str, new: str, as_json: bool) -> None:
    """Call NAME otherwise. Their rooms and conversations stay theirs, and so does the old name."""
    _tell(_ask(at, {"do": "rename", "name": name, "new": new}), as_json=as_json)


@people.command(epilog="Example:  jackfield people link ann")
@click.argument("name")
@as_json
@click.pass_obj
def link(at: str | None, *, name: str, as_json: bool) -> None:
    """Make a link by which NAME comes in as themselves: once, within a day, on any device."""
    answer = _ask(at, {"do": "link", "name": name})
    if as_json:
        click.echo(json.dumps({key: answer[key] for key in ("name", "link")}))
        return
    click.echo(answer["code"])
    click.echo(answer["link"])
    click.echo(f"Signs in as {printable(answer['name'])}, once, today.")


@people.command(epilog="Example:  jackfield people remove ann")
@click.argument("name")
@as_json
@click.pass_obj
def remove(at: str | None, *, name: str, as_json: bool) -> None:
    """Remove the account of NAME, who is sent away. What they said stays."""
    _tell(_ask(at, {"do": "remove", "name": name}), as_json=as_json)


def _about(one: dict[str, Any]) -> str:
    """Tell of an account in a line."""
    if one["removed"] is not None:
        return f"{one['name']:20} {'removed':9} {_day(one['removed'])}"
    if one["here"]:
        seen = f"here now, {_count(one['here'], 'connection', 'connections')}"
    elif one["seen"] is None:
        seen = "never here"
    else:
        seen = f"last here {_minute(one['seen'])}"
    line = f"{one['name']:20} {one['role']:9} since {_day(one['since'])}, {seen}"
    line += f", {_count(one['sessions'], 'session', 'sessions')}"
    return line + (f"; before: {', '.join(one['former'])}" if one["former"] else "")


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _ask(data: str | None, what: dict[str, Any]) -> dict[str, Any]:
    from jackfield.board.control import ask
    from jackfield.board.paths import Paths

    return ask(Paths.of(data).control, what)


def _do(what: str, data: str | None, names: tuple[str, ...], *, as_json: bool) -> None:
    _tell(_ask(data, {"do": what, "names": list(names)}), as_json=as_json)


def _tell(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer))
    elif answer.get("text"):
        click.echo(printable(str(answer["text"])))


def _show(found: dict[str, Any]) -> None:
    """Show a board as people read it."""
    colour = wants_colour(sys.stdout)
    store = found["store"]
    head = f"{found['name']}: process {found['process']}, {_ago(found['since'])}"
    text = f"store {store['state']}" + (f": {store['why']}" if store["why"] else "")
    click.echo(f"{printable(head)}, {printable(text)}")
    width = max((len(one["name"]) for one in found["services"]), default=0)
    for one in found["services"]:
        state = click.style(f"{one['state']:8}", fg=_COLOURS[one["state"]])
        line = f"  {one['name']:{width}}  {state} {_ago(one['since']):>8}"
        if one["state"] == "running":
            line += (
                f"  {one['connections']} here, {one['opened']} in all, "
                f"{one['messages_per_second']:g} messages/s, "
                f"{_size(one['bytes_per_second'])}/s"
            )
        click.echo(line, color=colour)
        indent = " " * (width + 4)
        if one["why"]:
            click.echo(f"{indent}{printable(one['why'])}")
        if one["endpoints"]:  # files and commands may be reached through the page alone
            click.echo(f"{indent}{' '.join(one['endpoints'])}")
        if one["refused"]:
            reasons = ", ".join(f"{count} by {limit}" for limit, count in one["refused"].items())
            click.echo(f"{indent}refused: {reasons}")


def _ago(since: float) -> str:
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"
