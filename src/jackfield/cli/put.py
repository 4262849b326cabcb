"""`jackfield put`: files, folders and standard input to a server."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from jackfield.cli.filing import How, Job, place, with_how
from jackfield.cli.pipes import Input
from jackfield.cli.running import run
from jackfield.errors import ConfigurationError
from jackfield.net.incoming import Source
from jackfield.services.files.hashing import new_hash
from jackfield.services.files.places import is_place
from jackfield.services.files.tasks import PutFile, PutStream, Task
from jackfield.services.files.walking import Putting, PutTree
from jackfield.services.files.wire import BadName, names_of


@click.command(
    epilog="""Examples:

    \b
      jackfield put film.mkv tcp://192.0.2.7:9000
      jackfield put -r photos notes.txt tls://files.example:9000/from-ada
      tar c . | jackfield put - --name site.tar tcp://192.0.2.7:9000

    The same command once more goes on where it was; what is there already is not sent again."""
)
@click.argument("files", metavar="FILE... ENDPOINT[/FOLDER]", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them, too.")
@click.option("--name", metavar="NAME", help="What to call it there: for one FILE.")
@click.option("--replace", is_flag=True, help="Replace files of the same name.")
@with_how
def put(
    *, files: tuple[str, ...], recursive: bool, name: str | None, replace: bool, **how: Any
) -> int:
    """Put files into a folder that is served by `jackfield serve files`.

    Each FILE gets its own name in FOLDER, which is made if it is not there; - is standard input.
    A file has its name there once all of it has come and is right. One that has the name already
    stays, unless --replace is given, and then until that moment.

    Links inside a folder are left out. Modes and times go along.
    """
    given = How(**how)
    *paths, last = files
    if not paths or not is_place(last):
        raise click.UsageError(
            "where to? an endpoint comes last: jackfield put FILE tcp://192.0.2.7:9000"
        )
    for path in paths:
        if is_place(path):
            raise click.UsageError(f"{path} is no file here; one endpoint comes last")
    if name is not None and len(paths) > 1:
        raise click.UsageError("--name is for one FILE")
    if paths.count("-") and name is None:
        raise click.UsageError("what is standard input to be called there? give it a --name")
    where = place(last, given)
    new_hash()
    tasks = [_task(path, where.names, name, recursive=recursive, replace=replace) for path in paths]
    job = Job(where.endpoint, given)
    return run(lambda: job.move(Putting(tasks, job)))


def _task(
    path: str, folder: tuple[bytes, ...], name: str | None, *, recursive: bool, replace: bool
) -> Task:
    is_folder = path != "-" and os.path.isdir(path)  # noqa: PTH112  which raises for some names
    own = name
    if own is None:
        own = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119  as it is called
        if is_folder and os.path.basename(path) == ".":  # noqa: PTH119  all that is in it, as cp
            own = ""
    try:
        names = (*folder, *names_of(own))
    except BadName as error:
        raise ConfigurationError(f"{own!r} {error}") from None
    if is_folder and recursive:
        return PutTree(path, path=path, names=names, replace=replace)
    if path == "-":
        mask = os.umask(0o077)
        os.umask(mask)
        now = time.time_ns()
        return PutStream(
            "standard input",
            names=names,
            read=Input().read,
            mode=0o666 & ~mask,
            mtime=now,
            replace=replace,
        )
    return PutFile(path, names=names, open=lambda: Source.at(path), replace=replace)
