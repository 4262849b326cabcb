"""From a request's target to names in a folder, decoded once and never guessed at."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = frozenset(b"/\0")

WELL_KNOWN = b".well-known"
"""The one name with a dot before it that is meant for everybody: RFC 8615."""


def names_of(path: str, *, hidden: bool = False) -> tuple[list[bytes], bool] | None:
    """Give the names that a path of a URL is made of, and whether it ends as a folder's does.

    None for what leads nowhere, whatever is there: a dot-segment, an empty one, an encoded slash
    or NUL, a broken escape, and, unless `hidden`, a name that begins with a dot.
    """
    if not path.startswith("/") or _BROKEN.search(path):
        return None
    segments = path[1:].split("/")
    is_folder = segments[-1] == ""
    if is_folder:
        segments.pop()
    names = [unquote_to_bytes(segment.encode("latin-1")) for segment in segments]
    for name in names:
        if not name or name in {b".", b".."} or _FORBIDDEN & set(name):
            return None
        if name.startswith(b".") and not hidden and name != WELL_KNOWN:
            return None
    return names, is_folder


def path_of(names: list[bytes], *, is_folder: bool = False) -> str:
    """Write names as the path of a URL."""
    path = "".join("/" + quote(name, safe="") for name in names) or "/"
    return path + "/" if is_folder and names else path
