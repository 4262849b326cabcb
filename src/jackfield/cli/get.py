"""`jackfield get`: files and folders from a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace as with_fields
from typing import Any

import click

from jackfield.cli.filing import How, Job, place, with_how
from jackfield.cli.pipes import Output
from jackfield.cli.running import run
from jackfield.errors import ConfigurationError
from jackfield.net.folders import Folder
from jackfield.net.tree import is_name
from jackfield.services.files.client import Remote
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.places import Place, is_place
from jackfield.services.files.tasks import Task
from jackfield.services.files.walking import Getting, GetTree
from jackfield.services.files.wire import BadName, names_of


@click.command(
    epilog="""Examples:

    \b
      jackfield get tcp://192.0.2.7:9000/film.mkv
      jackfield get tcp://192.0.2.7:9000/film.mkv films
      jackfield get tcp://192.0.2.7:9000/film.mkv --name seen.mkv
      jackfield get -r tls://files.example:9000/photos .
      jackfield get tcp://192.0.2.7:9000/site.tar - | tar x

    The same command once more goes on where it was; what is here already is not sent again."""
)
@click.argument("places", metavar="ENDPOINT/NAME... [FOLDER]", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them, too.")
@click.option("--name", metavar="NAME", help="What to call it here: for one ENDPOINT/NAME.")
@click.option("--replace", is_flag=True, help="Replace files of the same name.")
@with_how
def get(
    *, places: tuple[str, ...], recursive: bool, name: str | None, replace: bool, **how: Any
) -> int:
    """Get files from a folder that is served by `jackfield serve files`.

    Each gets its own name in FOLDER, which is made if it is not there, or in the current one; - is
    standard output. A file has its name once all of it has come and is right. One that has the name
    already stays, unless --replace is given, and then until that moment.

    Links there are left out. Modes and times come along.
    """
    given = How(**how)
    sources, to = list(places), "."
    if not is_place(sources[-1]):
        to = sources.pop()
    if not sources:
        raise click.UsageError(
            "what? it comes first: jackfield get tcp://192.0.2.7:9000/film.mkv [FOLDER]"
        )
    wrong = next((text for text in sources if not is_place(text)), None)
    if wrong is not None:
        raise click.UsageError(f"{wrong} is no file on a server; write ENDPOINT/NAME")
    if name is not None and (len(sources) > 1 or to == "-"):
        raise click.UsageError("--name is for one ENDPOINT/NAME, and a file here")
    found = [place(text, given) for text in sources]
    new_hash()
    if to == "-":
        if len(found) > 1 or recursive:
            raise click.UsageError("standard output takes one file")
        if given.as_json:
            raise click.UsageError("--json prints to standard output, where the file goes")
        return run(lambda: _to_output(found[0], given))
    trees = _trees(found, to, name, recursive=recursive, replace=replace)
    return run(lambda: _get(trees, given, recursive=recursive))


def _trees(
    found: list[Place], to: str, name: str | None, *, recursive: bool, replace: bool
) -> list[tuple[Place, GetTree]]:
    """Say where each goes: always into the folder, so that the same command does the same twice."""
    path, missing = _folder(to)
    folder = Folder(path)
    trees = []
    for one in found:
        if not one.names and not recursive:
            raise click.UsageError(f"{one} names no file; add /NAME, or -r for all there is")
        try:
            own: Sequence[bytes] = one.names[-1:] if name is None else names_of(name)
        except BadName as error:
            raise ConfigurationError(f"{name!r} {error}") from None
        label = os.fsdecode(b"/".join(own))
        if to != ".":
            label = f"{to.rstrip('/')}/{label}"
        names = (*missing, *own)
        trees.append(
            (one, GetTree(label, folder=folder, names=one.names, to=names, replace=replace))
        )
    return trees


def _folder(to: str) -> tuple[str, list[bytes]]:
    """Give what is there of a path to a folder, and the names that are to be made below it."""
    there, missing = to.rstrip("/") or to[:1], list[bytes]()
    while there and not os.path.lexists(there):
        there, last = os.path.split(there)
        missing.insert(0, os.fsencode(last))
    there = there or "."
    missing = [name for name in missing if name != b"."]
    if not os.path.isdir(there):  # noqa: PTH112  which raises for some names
        raise click.UsageError(f"{there} is no folder here; --name NAME gives a file another name")
    if not to or not all(map(is_name, missing)):
        raise click.UsageError(f"{to!r} is no folder that could be made here")
    return there, missing


async def _get(trees: list[tuple[Place, GetTree]], how: How, *, recursive: bool) -> int:
    status = 0
    for endpoint in dict.fromkeys(one.endpoint for one, _ in trees):
        job = Job(endpoint, how)
        own = [tree for one, tree in trees if one.endpoint == endpoint]
        status = max(status, await job.move(Getting(own, job, deep=recursive)))
    return status


async def _to_output(one: Place, how: How) -> int:
    output = Output()
    job = Job(one.endpoint, with_fields(how, retries=0))  # what is written cannot be taken back

    async def doing(remote: Remote) -> None:
        moved = await remote.get_stream(one.names, output.write)
        job.done(Task(str(one)), moved)

    return await job.do(doing)
