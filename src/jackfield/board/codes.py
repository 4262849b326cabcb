"""Links as codes for phones: ISO/IEC 18004, drawn in a terminal."""

from __future__ import annotations

import io

import segno


def code_of(link: str) -> str:
    """Draw the code of a link by half blocks, two rows in a line."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()
