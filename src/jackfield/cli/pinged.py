"""What `jackfield ping` sees: while it goes on, at the end, and as JSON.

The rules this file owns:

1. Of one host each probe is a line; on a terminal a picture of the last times stands below them.
2. Several hosts are a table, which on a terminal is painted anew while it goes on.
3. In a pipe there are lines alone, each with the host it is about.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from jackfield.cli.pipes import output_encoding
from jackfield.cli.shown import COLUMNS, counted, dim, echo, head, paragraph
from jackfield.net import stdio
from jackfield.net.interfaces import addresses
from jackfield.tools.pinging.pinging import Event, Pinger
from jackfield.tools.pinging.tally import Tally
from jackfield.tools.pinging.targets import Target
from jackfield.visible import first_columns, printable, wants_colour, width

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-~=*%#"
_LOST = {_BLOCKS: "×", _PLAIN: "!"}

_HOST = 24
_NUMBERS = ("sent", "lost", "min", "avg", "max", "dev")
_PICTURE = 15
"""Columns of the table: of the host and of the picture; the numbers take the rest."""


class View:
    """What is shown of a run."""

    def __init__(self, pinger: Pinger) -> None:
        self._targets = pinger.targets
        self._plan = pinger.plan
        self._at_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = wants_colour(sys.stdout)
        self._own = {str(address) for address in addresses()}
        self._painted = 0
        self._several = len(self._targets) > 1
        self._live_table = (
            self._several
            and self._at_terminal
            and len(self._targets) + 2 < stdio.lines(stdio.STDOUT)
        )
        echo(_heads(pinger))
        if self._live_table:
            self._paint(self._table())

    def show(self, event: Event) -> None:
        """Show what became of a probe."""
        if self._live_table:
            self._paint(self._table())
            return
        self._paint([])
        echo([self._told(event)])
        if self._at_terminal and not self._several:
            tally = event.target.tally
            numbers = f"{tally.over} of {tally.sent}, lost {_share(tally)}"
            self._paint([f"{picture(tally.recent, COLUMNS - 4 - len(numbers))}  {dim(numbers)}"])

    def end(self) -> None:
        """Show the result."""
        self._paint([])
        if self._several:
            echo(self._table())
        for target in self._targets:
            echo(self._summary(target))

    def _told(self, event: Event) -> str:
        """Tell of a probe in a line."""
        start = f"{event.number:>4}" if not self._several and self._at_terminal else ""
        start = start or f"{printable(event.target.shown)}: {event.number}:"
        late = {"duplicate": " (once more)", "late": " (late)"}.get(event.what, "")
        if event.what == "lost":
            text = click.style(f"no answer in {self._plan.timeout:g} s", fg="red")
        elif event.what == "trouble":
            text = click.style(printable(self._trouble(event.text, event.by)), fg="red")
        elif event.what == "damaged":
            text = click.style("an answer that does not bring back what was sent", fg="red")
        else:
            parts = [f"{milliseconds(event.seconds)} ms"]
            if event.refused:
                parts.append("refused: it is there, and nobody listens on the port")
            if event.size:
                parts.append(f"{event.size} bytes")
            if event.ttl is not None:
                parts.append(f"TTL {event.ttl}")
            if event.source not in {"", event.target.address.partition("%")[0]}:
                parts.append(f"from {event.source}")
            text = ", ".join(parts) + click.style(late, fg="yellow")
        return f"{start} {text}"

    def _trouble(self, text: str, by: str) -> str:
        if not by:
            return text
        return f"{'this machine' if by in self._own else by} says: {text}"

    def _table(self) -> list[str]:
        """Give the table of all hosts."""
        titles = "".join(f"{title:>6}" for title in _NUMBERS)
        lines = [dim(f"{'host, times in ms':{_HOST}}{titles}")]
        for target in self._targets:
            tally = target.tally
            name = printable(target.host)
            if width(name) >= _HOST:
                name = first_columns(name, _HOST - 4) + "..."
            name += " " * (_HOST - width(name))
            if not target.address:
                lines.append(f"{name}  {click.style('not asked: see below', fg='red')}")
                continue
            cells = [str(tally.sent), _share(tally)]
            times = (tally.least, tally.mean, tally.most, tally.deviation)
            cells += ["" if time is None else milliseconds(time) for time in times]
            numbers = "".join(f"{cell:>6}" for cell in cells)
            if tally.over and not tally.answered:
                numbers = click.style(numbers, fg="red")
            lines.append(f"{name}{numbers}  {picture(tally.recent, _PICTURE)}".rstrip())
        return lines

    def _summary(self, target: Target) -> list[str]:
        """Tell the result for a host, as far as no table tells it."""
        tally = target.tally
        if not target.address:
            return paragraph(target.why)
        lines = []
        if not self._several:
            lines.append(head(target.shown))
            counts = [f"{tally.sent} sent", f"{tally.answered} answered"]
            if tally.refused:
                counts.append(f"{tally.refused} of these refused")
            lines += paragraph(", ".join([*counts, f"{tally.lost} lost ({_share(tally)})"]), 2)
        more = _more(tally)
        if more:
            lines += paragraph(f"{target.shown}: {more}" if self._several else more, 2)
        if not self._several and tally.mean is not None:
            times = (tally.least, tally.mean, tally.most, tally.deviation)
            named = zip(("min", "average", "max", "deviation"), times, strict=True)
            each = ", ".join(f"{name} {milliseconds(time or 0.0)}" for name, time in named)
            lines += paragraph(f"{each} ms", 2)
            if self._at_terminal and len(tally.recent) > 1:
                lines.append(f"  {picture(tally.recent, COLUMNS - 4)}")
        for (text, by), number in tally.troubles.items():
            start = f"{target.shown}: " if self._several else ""
            lines += paragraph(f"{start}{counted(number, 'time')}: {self._trouble(text, by)}", 2)
        return lines

    def _paint(self, lines: Sequence[str]) -> None:
        """Paint lines in the place of those that were painted last."""
        back = f"\x1b[{self._painted}A\r\x1b[J" if self._painted else ""
        self._painted = len(lines)
        if not back and not lines:
            return
        room = stdio.columns(stdio.STDOUT) - 1
        text = "".join(f"{_fitting(line, room)}\n" for line in lines)
        text = text if self._colour else click.unstyle(text)
        stdio.write(stdio.STDOUT, (back + text).encode(output_encoding(), "replace"))


def _fitting(line: str, room: int) -> str:
    """Give a line that takes one row."""
    return line if width(line) <= room else first_columns(click.unstyle(line), room)


def _heads(pinger: Pinger) -> list[str]:
    """Say who is asked, and how."""
    lines: list[str] = []
    if len(pinger.targets) == 1 and pinger.targets[0].address:
        lines.append(head(pinger.targets[0].shown))
    texts = {way.text for way in pinger.ways.values()}
    for version, way in sorted(pinger.ways.items()):
        what = f"{pinger.plan.size} bytes " if way.kind != "tcp" else ""
        where = f"IPv{version}: " if len(texts) > 1 else ""
        if where or version == min(pinger.ways):
            lines += paragraph(f"{where}{what}{way.text}", 2)
            if way.why:
                lines += paragraph(way.why, 2)
    return lines


def _more(tally: Tally) -> str:
    """Tell what is seldom."""
    parts = []
    if tally.duplicates:
        parts.append(f"{tally.duplicates} answered more than once")
    if tally.late:
        parts.append(f"{tally.late} of the lost came late")
    if tally.damaged:
        parts.append(f"{tally.damaged} damaged on the way")
    return ", ".join(parts)


def _share(tally: Tally) -> str:
    """Give the share of what was lost, never as 0 or 100 % where it is not quite that."""
    loss = tally.loss * 100
    rounded = round(loss)
    if rounded in {0, 100} and loss != rounded:
        return f"{loss:.1f}%" if 0.05 <= loss < 99.95 else "<0.1%" if rounded == 0 else ">99.9%"
    return f"{rounded}%"


def milliseconds(seconds: float) -> str:
    """Give a time in milliseconds, with three digits that count."""
    number = seconds * 1000
    if number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def picture(times: Iterable[float | None], columns: int) -> str:
    """Draw times as blocks, from nothing up to the longest of them; what was lost as a cross."""
    shown = list(times)[-max(0, columns) :] if columns > 0 else []
    blocks = _BLOCKS
    try:
        _BLOCKS.encode(output_encoding())
    except UnicodeEncodeError:
        blocks = _PLAIN
    most = max((time for time in shown if time is not None), default=0.0) or 1.0
    return "".join(
        click.style(_LOST[blocks], fg="red")
        if time is None
        else blocks[min(len(blocks) - 1, int(time / most * (len(blocks) - 0.01)))]
        for time in shown
    )


def plain(pinger: Pinger) -> dict[str, Any]:
    """Give the result as JSON has it. Times are in seconds."""
    return {"hosts": [_plain(target, pinger) for target in pinger.targets]}


def _plain(target: Target, pinger: Pinger) -> dict[str, Any]:
    tally = target.tally
    way = pinger.ways[target.version] if target.address else None
    times = (tally.least, tally.mean, tally.most, tally.deviation)
    names = ("min", "average", "max", "deviation")
    return {
        "host": target.host,
        "address": target.address or None,
        "error": target.why or None,
        "way": way.kind if way else None,
        "port": (way.port or None) if way else None,
        "why": (way.why or None) if way else None,
        "sent": tally.sent,
        "answered": tally.answered,
        "refused": tally.refused,
        "lost": tally.lost,
        "loss": round(tally.loss, 6),
        "late": tally.late,
        "duplicates": tally.duplicates,
        "damaged": tally.damaged,
        "seconds": {
            name: None if time is None else round(time, 9)
            for name, time in zip(names, times, strict=True)
        },
        "recent": [None if time is None else round(time, 9) for time in tally.recent],
        "troubles": [
            {"text": text, "by": by or None, "count": number}
            for (text, by), number in tally.troubles.items()
        ],
    }
