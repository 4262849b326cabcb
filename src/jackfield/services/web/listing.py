"""A folder as a page: for a phone as for a desktop, light or dark, without a script."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import os
from datetime import UTC, datetime
from urllib.parse import quote

from jackfield.http.dates import LATEST
from jackfield.net.tree import Entry

MOST = 10_000
"""Entries of a folder that are listed."""

AT_ONCE = 200
"""Rows that are written before others have a turn."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2126;--dim:#5f6973;--line:#e4e7ea;--paper:#fff;
--link:#0b57a4;--hover:#f4f6f8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--dim:#97a1ab;--line:#2c3238;--paper:#15191d;
--link:#7db8f5;--hover:#1d2328}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.15rem;font-weight:600;margin:0 0 1rem;overflow-wrap:anywhere}
h1 a{padding:.2rem 0}
a{color:var(--link);text-decoration:none}
a:hover,a:focus-visible{text-decoration:underline}
ul{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}
li{border-bottom:1px solid var(--line)}
li a{display:grid;grid-template:"n n" "t s"/1fr auto;gap:0 1rem;align-items:baseline;
margin:0 -.5rem;padding:.6rem .5rem}
li a:hover{background:var(--hover);text-decoration:none}
li a:hover .n,li a:focus-visible .n{text-decoration:underline}
.n{grid-area:n;min-width:0;overflow-wrap:anywhere;unicode-bidi:isolate}
.d .n{font-weight:600}
.s,.t{color:var(--dim);font-size:.875rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.s{grid-area:s;text-align:right}
.t{grid-area:t}
p{color:var(--dim);font-size:.875rem}
@media(min-width:40rem){li a{grid-template:"n s t"/1fr 6rem 9rem}
.t{text-align:right}}
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

FIELDS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""What is said of the page: nothing on it may run, and nobody may frame it."""


async def page(names: list[bytes], entries: list[Entry], *, is_all: bool) -> str:
    """Write the page of a folder: folders first, then files, by name. Gives others a turn.

    names: how one gets to the folder. is_all: whether these are all of its entries.
    """
    shown = sorted(entries, key=lambda one: (not one.is_folder, one.name.casefold(), one.name))
    title = "".join(f"{_text(os.fsdecode(name))}/" for name in names) or "Files"
    rows = []
    for entry in shown:
        rows.append(_row(entry))
        if not len(rows) % AT_ONCE:
            await asyncio.sleep(0)
    note = _note(shown, is_all=is_all)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style>"
        f"<main><h1>{_crumbs(names)}</h1><ul>{_up(names)}{''.join(rows)}</ul>"
        f"<p>{note}</p></main></html>\n"
    )


def _text(name: str) -> str:
    """Write a name so that any browser shows it, and nothing in it is taken for markup."""
    return html.escape(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _crumbs(names: list[bytes]) -> str:
    crumbs = ['<a href="/">Files</a>' if names else "Files"]
    for index, name in enumerate(names):
        text = _text(os.fsdecode(name))
        up = len(names) - 1 - index
        crumbs.append(f'<a href="{"../" * up}">{text}</a>' if up else text)
    return " / ".join(crumbs)


def _up(names: list[bytes]) -> str:
    if not names:
        return ""
    return '<li class="d"><a href="../"><span class="n">↑ up</span></a></li>'


def _row(entry: Entry) -> str:
    address = "./" + quote(os.fsencode(entry.name), safe="") + ("/" if entry.is_folder else "")
    size = "" if entry.is_folder else human_size(entry.size)
    when = datetime.fromtimestamp(min(max(entry.modified, 0), LATEST), UTC)
    return (
        f'<li{" class=d" if entry.is_folder else ""}><a href="{address}">'
        f'<span class="n">{_text(entry.name)}{"/" if entry.is_folder else ""}</span>'
        f'<span class="s">{size}</span>'
        f'<time class="t" datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%Y-%m-%d %H:%M}</time>'
        "</a></li>"
    )


def _note(entries: list[Entry], *, is_all: bool) -> str:
    folders = sum(one.is_folder for one in entries)
    files = len(entries) - folders
    size = human_size(sum(one.size for one in entries if not one.is_folder))
    if not entries:
        return "Nothing is in this folder."
    parts = [_count(folders, "folder")] if folders else []
    parts += [f"{_count(files, 'file')}, {size}"] if files else []
    more = "" if is_all else f" The folder has more; these are {MOST} of them."
    return f"{', '.join(parts)}. Times are UTC.{more}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def human_size(size: float) -> str:
    """Write a number of bytes for people: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
