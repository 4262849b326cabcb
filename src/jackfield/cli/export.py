"""`jackfield export`: what was said in a room of a board, as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from jackfield.cli.pipes import output_encoding
from jackfield.net import files, stdio
from jackfield.visible import escaped, printable

if TYPE_CHECKING:
    from jackfield.board.export import Said

TOGETHER = 500
"""Messages that are written at once."""


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> float:
    """Give a time, which is of UTC unless it says otherwise, in seconds since 1970."""
    if value is None:
        return 0.0
    try:
        found = datetime.fromisoformat(value.strip())
        return max(0.0, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        msg = f"{value!r} is no time; write 2026-11-28 or 2026-11-28 14:30"
        raise click.BadParameter(msg, ctx, param) from None


@click.command(
    epilog="""Examples:

    \b
      jackfield export lobby
      jackfield export ops --from "2026-11-28 14:30" -o ops.txt
      jackfield export ops --json | grep mara"""
)
@click.argument("room", metavar="ROOM")
@click.option(
    "--from",
    "since",
    metavar="TIME",
    callback=_time,
    help="Leave out what was said before: 2026-11-28, or with 14:30 after it; in UTC.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line for each message.")
@click.option("-o", "--output", metavar="FILE", help="Write into a new FILE.")
@click.option(
    "--data", metavar="DIR", help="The board's data folder, where it is not your own board's."
)
def export(*, room: str, since: float, as_json: bool, output: str | None, data: str | None) -> None:
    """Write out what was said in a ROOM of your board, whether or not it runs.

    Each message is a line with its time in UTC; the lines of one that has several are indented.
    Direct conversations are their two people's, and are not exported.
    """
    from jackfield.board.export import as_text
    from jackfield.board.export import export as exported
    from jackfield.board.paths import Paths

    messages = exported(str(Paths.of(data).store), room, since)
    texts = map(_as_json if as_json else as_text, messages)
    if output is not None:
        first = next(texts, "")  # so that what cannot be asked for leaves no file
        files.write_new(output, (text.encode() for text in chain([first], texts)))
        click.echo(f"{printable(output)}: {files.size_of(output)} bytes", err=True)
        return
    for data_out in _for_output(texts):
        if not stdio.write(stdio.STDOUT, data_out):
            return  # who reads it has had enough


def _as_json(one: Said) -> str:
    return json.dumps(asdict(one)) + "\n"


def _for_output(texts: Iterator[str]) -> Iterator[bytes]:
    """Join texts for standard output; a terminal gets nothing that could steer it."""
    is_seen = sys.__stdout__ is not None and sys.__stdout__.isatty()
    encoding = output_encoding()
    while part := "".join(islice(texts, TOGETHER)):
        yield (escaped(part) if is_seen else part).encode(encoding, "backslashreplace")
