"""Links as codes for phones: ISO/IEC 18004, drawn in a terminal, or as a picture for a page."""

from __future__ import annotations

import io

import segno


def code_of(link: str) -> str:
    """Draw the code of a link by half blocks, two rows in a line."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def picture_of(link: str) -> str:
    """Draw the code of a link as SVG; give it as a `data:` address, of which a page makes an image.

    It is dark on light whatever the page is: many phones read no other.
    """
    code = segno.make(link, error="m", micro=False)
    return code.svg_data_uri(border=3, light="#fff", omitsize=True, svgclass=None, lineclass=None)
