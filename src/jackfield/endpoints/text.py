"""Reading and writing the text of a URL: percent-encoding, numbers, and how a part is quoted."""

from __future__ import annotations

import re
from difflib import get_close_matches
from urllib.parse import quote, unquote_to_bytes

_SHOWN = 200  # characters of a part that a message quotes

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")

_IN_A_PATH = "%/:@!$&'()*+,;="
"""Besides letters, digits and -._~ what stands in a path as it is: RFC 3986, section 3.3."""

_NO_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


class Wrong(Exception):
    """A part of a URL is wrong. What leaves this file is an EndpointError instead.

    better: URLs that may be what was meant, likeliest first; `parse()` finds out which are right.
    """

    def __init__(self, what: str, *better: str) -> None:
        super().__init__(what)
        self.better = better


def natural(text: str) -> int:
    """Read a decimal number, however long; -1 when it is none. Past 18 digits it is not exact."""
    return int(text.lstrip("0")[:19] or 0) if text.isascii() and text.isdecimal() else -1


def did_you_mean(word: str, known: list[str]) -> tuple[str, str]:
    """Give the known word nearest to this one, and the question for it; both empty if none is."""
    near = get_close_matches(word, known, 1)
    return (near[0], f" (did you mean {near[0]}?)") if near else ("", "")


def decoded(text: str) -> str:
    """Undo percent-encoding, without NUL; bytes that are not UTF-8 become surrogates (PEP 383)."""
    found = _NO_PERCENT.search(text)
    if found:
        raise Wrong(f"{shown(found[0])} is not a percent-encoded byte (the sign % itself is %25)")
    data = unquote_to_bytes(text)
    if b"\0" in data:
        raise Wrong(f"{shown(text)} holds a NUL byte, which no path has")
    return data.decode("utf-8", "surrogateescape")


def sent_path(path: str) -> str:
    """Give a URL's path as it is sent: in its one percent-encoded form (RFC 3986, section 6.2.2).

    What needs no encoding has none, and what is encoded is so in upper case. Raises `Wrong` for
    a sign % that encodes nothing.
    """
    found = _NO_PERCENT.search(path)
    if found:
        raise Wrong(f"{shown(found[0])} is not a percent-encoded byte (the sign % itself is %25)")
    path = _ENCODED.sub(lambda one: quote(unquote_to_bytes(one[0]), safe=""), path)
    return quote(path, safe=_IN_A_PATH)


def quoted(text: str, special: str) -> str:
    """Percent-encode what cannot stand in a URL, and nothing that people can read."""
    return "".join(
        quote(char, safe="", errors="surrogateescape")
        if char == " " or char in special or not char.isprintable()
        else char
        for char in text
    )


def shown(text: str) -> str:
    """Quote a part in a line of text: cut when long, escaped when blank or unprintable."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return text if text and text.isprintable() and " " not in text else repr(text)
