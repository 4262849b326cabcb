"""`jackfield get`: files and folders from a server."""

from __future__ import annotations

import os
from dataclasses import replace as with_fields
from typing import Any

import click

from jackfield.cli.filing import How, Job, place, with_how
from jackfield.cli.pipes import Output
from jackfield.cli.running import run
from jackfield.net.folders import Folder
from jackfield.services.files.client import Remote
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.places import Place, is_place
from jackfield.services.files.tasks import Task
from jackfield.services.files.walking import Getting, GetTree


@click.command(
    epilog="""Examples:

    \b
      jackfield get tcp://192.0.2.7:9000/film.mkv
      jackfield get tcp://192.0.2.7:9000/film.mkv films
      jackfield get -r tls://files.example:9000/photos .
      jackfield get tcp://192.0.2.7:9000/site.tar - | tar x

    The same command once more goes on where it was; what is here already is not sent again."""
)
@click.argument("places", metavar="ENDPOINT/NAME... [FOLDER|FILE]", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them, too.")
@click.option("--replace", is_flag=True, help="Replace files of the same name.")
@with_how
def get(*, places: tuple[str, ...], recursive: bool, replace: bool, **how: Any) -> int:
    """Get files from a folder that is served by `jackfield serve files`.

    They go into FOLDER, or the current one; one alone may be given another name, and - is standard
    output. A file has its name once all of it has come and is right. One that has the name already
    stays, unless --replace is given, and then until that moment.

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
    found = [place(text, given) for text in sources]
    new_hash()
    if to == "-":
        if len(found) > 1 or recursive:
            raise click.UsageError("standard output takes one file")
        if given.as_json:
            raise click.UsageError("--json prints to standard output, where the file goes")
        return run(lambda: _to_output(found[0], given))
    trees = _trees(found, to, recursive=recursive, replace=replace)
    return run(lambda: _get(trees, given, recursive=recursive))


def _trees(
    found: list[Place], to: str, *, recursive: bool, replace: bool
) -> list[tuple[Place, GetTree]]:
    """Say where each goes: as cp does it."""
    into = os.path.isdir(to)  # noqa: PTH112  which raises for some names
    if not into and (len(found) > 1 or to.endswith("/")):
        raise click.UsageError(f"{to} is no folder here; make it first")
    head, _, last = to.rpartition("/")
    folder = Folder(to if into else head or ("/" if "/" in to else "."))
    trees = []
    for one in found:
        if not one.names and not recursive:
            raise click.UsageError(f"{one} names no file; add /NAME, or -r for all there is")
        own = one.names[-1:] if into else (os.fsencode(last),)
        label = os.fsdecode(b"/".join(own)) if into else to
        if into and to != ".":
            label = f"{to.rstrip('/')}/{label}"
        trees.append((one, GetTree(label, folder=folder, names=one.names, to=own, replace=replace)))
    return trees


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
