"""`jackfield families`: which sockets this system has, and what can be set on them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jackfield.cli.shown import dim, echo, echo_json, fact, head, paragraph
from jackfield.tools.families.known import TYPES
from jackfield.tools.families.meanings import LEVELS
from jackfield.tools.families.options import Value
from jackfield.tools.families.options import options as options_of
from jackfield.tools.families.probe import FoundFamily, FoundKind, State, probe

_OPTION = 26
"""Columns of an option's name."""


@click.command(
    epilog="""Opening a socket may load the kernel's module for it, where there is one. In a sandbox
    it is the sandbox's answer that is told.

    Standards: POSIX.1-2024 (socket), RFC 3493 (IPv6), RFC 9293 (TCP); manual pages socket(2),
    address_families(7), socket(7).

    \b
    Examples:
      jackfield families
      jackfield families --options tcp"""
)
@click.option(
    "--options",
    "level",
    type=click.Choice(list(LEVELS)),
    help="Show the options of such a socket: what they mean, and their values on a new one.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
def families(*, level: str | None, as_json: bool) -> None:
    """Show which address families and types of sockets this system has, and what each is for.

    It is found out by opening one of each. Where one cannot be opened it is said why: it is not
    in the kernel, or this user may not.
    """
    if level is not None:
        values = options_of(level)
        if as_json:
            echo_json(values)
        else:
            echo(_told_options(level, values))
        return
    found = probe()
    if as_json:
        echo_json(found)
    else:
        echo(_told(found))


def _told(found: list[FoundFamily]) -> Iterator[str]:
    yield head("Address families of this system")
    for one in found:
        if one.state is State.HERE:
            yield from fact(one.name, f"{one.words}; {one.manual}")
            yield from fact("", f"has {_kinds(one, State.HERE)}")
            for why, kinds in _reasons(one).items():
                yield from fact("", f"not {kinds}: {why}")
    others = [one for one in found if one.state is not State.HERE]
    reasons = dict.fromkeys(why for one in others for why in _reasons(one))
    for why in reasons:
        yield ""
        yield from map(head, paragraph(f"Not these: {why}"))
        for one in others:
            if next(iter(_reasons(one))) == why:
                kinds = ", ".join(dict.fromkeys(kind.type for kind in one.kinds))
                yield from fact(one.name, f"{one.words}; {one.manual}; {kinds}")
    yield ""
    yield head("Types of sockets")
    for name, words in TYPES.items():
        yield from fact(name, words)


def _kinds(family: FoundFamily, state: State) -> str:
    return _in_words([kind for kind in family.kinds if kind.state is state])


def _in_words(kinds: list[FoundKind]) -> str:
    """Name kinds by their types, each with what it gives."""
    types: dict[str, list[str]] = {}
    for kind in kinds:
        types.setdefault(kind.type, []).extend([kind.words] if kind.words else [])
    return ", ".join(
        f"{name} ({', '.join(words)})" if words else name for name, words in types.items()
    )


def _reasons(family: FoundFamily) -> dict[str, str]:
    """Give each reason why something is not here, and the kinds that it keeps away."""
    kept: dict[str, list[FoundKind]] = {}
    for kind in family.kinds:
        if kind.state is not State.HERE:
            kept.setdefault(f"{kind.why} ({kind.error})", []).append(kind)
    return {why: _in_words(kinds) for why, kinds in kept.items()}


def _told_options(name: str, values: list[Value]) -> Iterator[str]:
    level = LEVELS[name]
    yield head(f"Options of a new socket, {level.family} {level.type}; {level.manual}")
    for one in values:
        if not one.problem:
            yield from fact(one.name, f"{one.text}: {one.words}", columns=_OPTION)
    lacking = [one for one in values if one.problem]
    if lacking:
        yield dim("  Not told here:")
    for one in lacking:
        yield from fact(one.name, f"{one.problem}: {one.words}", columns=_OPTION)
