"""Numbers as text, and tables of them: for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.model import Metric, Sample

NAME = 24
"""Characters for the name of an entrant and the number of the round."""

Rows = Sequence[Sequence[str]]


def number(value: float, digits: int) -> str:
    """Write a number with a comma between thousands."""
    return f"{value:,.{digits}f}"


def heading_line(metrics: Sequence[Metric]) -> str:
    """Write the headings that stand above sample_line()s."""
    return "  ".join(["", " " * NAME, *(metric.title for metric in metrics)])


def sample_line(name: str, metrics: Sequence[Metric], sample: Sample) -> str:
    """Write one sample's numbers below their headings."""
    values = (number(sample[m.key], m.digits).rjust(len(m.title)) for m in metrics)
    return "  ".join(["", name.ljust(NAME), *values])


def for_terminal(heading: Sequence[str], rows: Rows) -> str:
    """Lay out a table with columns as wide as what is in them; all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = []
    for row in (heading, *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def for_markdown(heading: Sequence[str], rows: Rows, *, right: bool = True) -> str:
    """Write a table in Markdown. right: whether all columns but the first are numbers."""
    ruler = ["---", *(["---:" if right else "---"] * (len(heading) - 1))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, ruler, *rows))
