"""`jackfield ls`: what is in a folder on a server."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from jackfield.cli.filing import How, Job, place, with_how
from jackfield.cli.pipes import tell
from jackfield.cli.progress import size as sized
from jackfield.cli.running import run
from jackfield.services.files.answers import Entry
from jackfield.services.files.client import Remote
from jackfield.services.files.places import Place
from jackfield.visible import printable


@click.command(
    epilog="""Examples:

    \b
      jackfield ls tcp://192.0.2.7:9000
      jackfield ls --hash tls://files.example:9000/photos
      jackfield ls --json unix:///run/files.sock:/photos"""
)
@click.argument("places", metavar="ENDPOINT[/NAME]...", nargs=-1, required=True)
@click.option("--hash", "with_hash", is_flag=True, help="Each file's BLAKE3 hash, too.")
@with_how
def ls(*, places: tuple[str, ...], with_hash: bool, **how: Any) -> int:
    """List what is in a folder that is served by `jackfield serve files`: size, time, name.

    A folder's name ends with a slash, a link's with @. Files on their way are not listed.
    """
    given = How(**how)
    found = [place(text, given) for text in places]
    return run(lambda: _list(found, given, with_hash=with_hash))


async def _list(found: list[Place], how: How, *, with_hash: bool) -> int:
    status = 0
    for one in found:
        job = Job(one.endpoint, how)

        async def doing(remote: Remote, one: Place = one, job: Job = job) -> None:
            listed = await remote.list(one.names, hash=with_hash)
            if len(found) > 1 and not how.as_json:
                click.echo(f"{printable(str(one))}:")
            for entry in listed.entries:
                click.echo(_as_json(entry) if how.as_json else _line(entry, with_hash=with_hash))
            if listed.cut:
                tell(f"{one}: only the first {len(listed.entries)} of its names are listed")
            if listed.unnamed:
                tell(f"{one}: {listed.unnamed} names that are no UTF-8 are not listed")
            job.status = 1 if listed.cut or listed.unnamed else 0

        status = max(status, await job.do(doing))
    return status


_ENDS = {"file": "", "folder": "/", "link": "@", "other": "?"}


def _line(entry: Entry, *, with_hash: bool) -> str:
    size = sized(entry.size) if entry.kind == "file" else "-"
    try:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.mtime // 1_000_000_000))
    except (OverflowError, ValueError):  # a time that no calendar here has
        when = "-"
    digest = f"{entry.hash or '-':<64}  " if with_hash else ""
    return f"{size:>9}  {when:<16}  {digest}{printable(entry.name)}{_ENDS[entry.kind]}"


def _as_json(entry: Entry) -> str:
    found: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "mode": f"{entry.mode:03o}",
        "mtime": entry.mtime / 1_000_000_000,
    }
    return json.dumps(found | ({"hash": entry.hash} if entry.hash else {}))
