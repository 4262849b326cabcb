"""`jackfield rm`: files and folders on a server are removed."""

from __future__ import annotations

from typing import Any

import click

from jackfield.cli.filing import How, Job, place, with_how
from jackfield.cli.running import run
from jackfield.net.folders import FileRefused
from jackfield.services.files.client import Remote
from jackfield.services.files.places import Place
from jackfield.services.files.tasks import Task


@click.command(
    epilog="""Examples:

    \b
      jackfield rm tcp://192.0.2.7:9000/film.mkv
      jackfield rm -r tls://files.example:9000/photos"""
)
@click.argument("places", metavar="ENDPOINT/NAME...", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them.")
@with_how
def rm(*, places: tuple[str, ...], recursive: bool, **how: Any) -> int:
    """Remove files and empty folders that are served by `jackfield serve files`."""
    given = How(**how)
    found = [place(text, given) for text in places]
    for one in found:
        if not one.names:
            raise click.UsageError(f"{one} is all that is served; add /NAME")
    return run(lambda: _remove(found, given, deep=recursive))


async def _remove(found: list[Place], how: How, *, deep: bool) -> int:
    status = 0
    for endpoint in dict.fromkeys(one.endpoint for one in found):
        left = [one for one in found if one.endpoint == endpoint]
        job = Job(endpoint, how)

        async def doing(remote: Remote, left: list[Place] = left, job: Job = job) -> None:
            while left:
                label = str(left[0])
                try:
                    await remote.remove(left[0].names, deep=deep)
                    job.report(label, removed=True)
                except FileRefused as error:
                    job.failed(Task(label), error)
                left.pop(0)

        status = max(status, await job.do(doing))
    return status
