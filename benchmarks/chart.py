"""A bar chart as SVG, drawn by hand: legible in light and in dark mode, on its own ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.summary import Spread
from benchmarks.tables import number

WIDTH = 760
LABEL = 210
"""Pixels for the names at the left."""
VALUE = 90
"""Pixels for the number behind the longest bar."""
ROW = 30
BAR = 18
TOP = 64

STYLE = """
  .ground { fill: #ffffff; }
  text { font: 14px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .unit { fill: #59636e; }
  .bar { fill: #a3acb8; }
  .ours { fill: #0b6bcb; }
  text.ours { fill: #1f2328; font-weight: 600; }
  .span { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #15191f; }
    text, text.ours { fill: #e6edf3; }
    .unit { fill: #9aa5b1; }
    .bar { fill: #5d6773; }
    .ours { fill: #4c9df3; }
    .span { stroke: #e6edf3; }
  }
"""

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" \
height="{height}" role="img" aria-labelledby="title said">"""

BAR_SVG = """\
<text class="label{ours}" x="{label_end}" y="{baseline}" text-anchor="end">{label}</text>
<rect class="bar{ours}" x="{left}" y="{top}" width="{width:.1f}" height="{height}" rx="2"/>
<line class="span" x1="{least:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}"/>
<text class="value{ours}" x="{value_start:.1f}" y="{baseline}">{value}</text>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; its span from least to most is a thin line across its end."""

    label: str
    value: Spread
    ours: bool


def draw(title: str, unit: str, digits: int, bars: Sequence[Bar]) -> str:
    """Draw horizontal bars from zero, in the order given.

    unit: what the numbers are, shown below the title. digits: decimals of the numbers.
    """
    height = TOP + ROW * len(bars) + 14
    longest = max((bar.value.most for bar in bars), default=0.0) or 1.0
    scale = (WIDTH - LABEL - VALUE) / longest
    said = "; ".join(f"{bar.label}: {number(bar.value.median, digits)}" for bar in bars)
    parts = [
        SVG.format(width=WIDTH, height=height),
        f'<title id="title">{escape(title)}: {escape(unit)}</title>',
        f'<desc id="said">{escape(said)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        f'<text class="unit" x="16" y="48">{escape(unit)}</text>',
    ]
    for index, bar in enumerate(bars):
        parts.append(_bar(bar, TOP + ROW * index, scale, digits))
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, top: int, scale: float, digits: int) -> str:
    return BAR_SVG.format(
        ours=" ours" if bar.ours else "",
        label=escape(bar.label),
        label_end=LABEL - 10,
        left=LABEL,
        top=top + (ROW - BAR) / 2,
        middle=top + ROW / 2,
        baseline=top + ROW / 2 + 5,
        width=max(1.0, bar.value.median * scale),
        height=BAR,
        least=LABEL + bar.value.least * scale,
        most=LABEL + bar.value.most * scale,
        value_start=LABEL + bar.value.most * scale + 8,
        value=number(bar.value.median, digits),
    )
