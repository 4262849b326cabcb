"""The same folder over plain HTTP: what a browser and curl list, get, put and remove.

The rules this file owns:

1. Each refusal is one line, by a status that says what kind it is; `X-Why` says it in the word of
   the native protocol.
2. Nothing that is got is shown: it is to be saved, of no type, and may run nothing. A page that
   somebody has put here never has the rights of the page that lists it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from jackfield.http import conditions, dates
from jackfield.http.exchange import Exchange
from jackfield.net.folders import FileRefused, Item
from jackfield.net.incoming import Source
from jackfield.services.files.putting import MOST_QUERY, SAVED, Caller, Putting, TooLarge, tag_of
from jackfield.services.files.rights import DENIED
from jackfield.services.files.session import Shared
from jackfield.services.files.wire import BadName, name_of, names_of
from jackfield.services.files.working import work
from jackfield.services.web import names as paths

About = Callable[[Sequence[str]], Awaitable[Mapping[str, Mapping[str, Any]]]]
"""Gives more that is known of files, by their names."""

MOST_LISTED = 1000
"""Files in one answer; `?after=NAME` gives those that follow."""

METHODS = ("GET", "PUT", "DELETE")

_JSON = "application/json"
_STATUS = {
    "none": 404,
    "exists": 409,
    "busy": 409,
    "folder": 409,
    "filled": 409,
    "odd": 400,
    "differs": 422,
    "full": 507,
    DENIED: 403,
}
_LISTED = SAVED | {"Cache-Control": "no-store"}


class OverHTTP:
    """Answers requests for one folder. about: what else is listed of files."""

    def __init__(self, shared: Shared, about: About) -> None:
        self._shared = shared
        self._folder = shared.folder
        self._about = about

    async def answer(self, exchange: Exchange, path: str, caller: Caller) -> None:
        """Answer a request of one of `METHODS`. path: below the folder, as it was sent."""
        method = exchange.request.method
        try:
            names, is_folder = _names(path)
            if method == "PUT":
                self._see_writer(caller)
                if is_folder:
                    raise FileRefused("name the file: what is put has no slash at its end", "odd")
                await Putting(self._shared, exchange, names, caller).run()
            elif method == "DELETE":
                self._see_writer(caller)
                await self._remove(exchange, names, caller)
            else:
                await self._get(exchange, names)
        except FileRefused as error:
            if exchange.status:  # its answer has begun
                raise
            status = 413 if isinstance(error, TooLarge) else _STATUS.get(error.why, 500)
            await exchange.fail(status, str(error), SAVED | {"X-Why": error.why})

    def _see_writer(self, caller: Caller) -> None:
        if not caller.may_write:
            raise FileRefused("guests put and remove nothing here; ask for an invitation", DENIED)
        if self._shared.read_only:
            raise FileRefused("nothing is put or removed here: it is served read-only", DENIED)

    # Listing and getting

    async def _get(self, exchange: Exchange, names: list[bytes]) -> None:
        opened = await work(lambda: self._folder.find(names))
        if opened.is_folder:
            try:
                items, is_all = await work(lambda: self._folder.items(opened.fd))
            finally:
                os.close(opened.fd)
            await self._list(exchange, names, items, is_all=is_all)
            return
        source = Source(opened.fd, opened.info)
        try:
            await _send(exchange, names[-1], source)
        finally:
            source.close()

    async def _list(
        self, exchange: Exchange, names: list[bytes], items: list[Item], *, is_all: bool
    ) -> None:
        asked = parse_qs(exchange.request.target.partition("?")[2][:MOST_QUERY], True)
        after = asked.get("after", [""])[0]
        most = asked.get("most", [""])[0]
        count = int(most) if most.isdecimal() and len(most) < 10 else MOST_LISTED
        count = min(max(count, 1), MOST_LISTED)
        named = [(one, _text(one.name)) for one in items if one.kind in {"file", "folder"}]
        left = [(one, name) for one, name in named if name is not None and name > after]
        page = left[:count]
        prefix = name_of(names) + "/" if names else ""
        known = await self._about([prefix + name for _, name in page])
        entries = [
            {
                "name": name,
                "kind": one.kind,
                "size": one.size,
                "modified": one.mtime / 1e9,
            }
            | dict(known.get(prefix + name, {}))
            for one, name in page
        ]
        if "json" in asked or _JSON in exchange.request.fields.get("accept", ""):
            found = {
                "files": entries,
                "more": len(left) > len(page) or not is_all,
                "max_file": self._shared.max_file,
                "read_only": self._shared.read_only,
                "no_remove": self._shared.no_remove,
            }
            await exchange.respond(200, json.dumps(found), _JSON, _LISTED)
            return
        lines = [_line(entry) for entry in entries]
        if len(left) > len(page):
            lines.append(f"... ?after={quote(page[-1][1], safe='')} gives the rest\n")
        await exchange.respond(200, "".join(lines), fields=_LISTED)

    # Removing

    async def _remove(self, exchange: Exchange, names: list[bytes], caller: Caller) -> None:
        shared = self._shared
        if not names:
            raise FileRefused("the folder itself stays; name something in it", "odd")
        if shared.no_remove:
            raise FileRefused("nothing is removed here: it is served so", DENIED)
        name = name_of(names)
        await shared.rights.may_change(caller.who, name)
        await work(lambda: self._folder.remove(names))
        await shared.rights.changed(caller.who, name, None)
        await exchange.respond(204, fields=SAVED)


def _names(path: str) -> tuple[list[bytes], bool]:
    """Give the names that a path is made of, and whether it ends as a folder's does."""
    found = paths.names_of("/" + path, hidden=True)
    if found is None:
        raise FileRefused("no file here can have that name", "odd")
    names, is_folder = found
    try:
        names_of(name_of(names))
    except BadName as error:
        raise FileRefused(f"a name that {error}", "odd") from None
    except UnicodeDecodeError:
        raise FileRefused("a name here is UTF-8", "odd") from None
    return names, is_folder


def _text(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


def _line(entry: Mapping[str, Any]) -> str:
    """Write a file in a line for people."""
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry["modified"]))
    size = "-" if entry["kind"] == "folder" else str(entry["size"])
    slash = "/" if entry["kind"] == "folder" else ""
    name = "".join(char if char.isprintable() else "?" for char in entry["name"])
    return f"{size:>14}  {when}  {name}{slash}\n"


async def _send(exchange: Exchange, name: bytes, source: Source) -> None:
    """Send a file, a part of it, or that it has not changed."""
    request = exchange.request
    info = source.info
    tag = tag_of(info)
    head = SAVED | {
        "ETag": tag,
        "Last-Modified": dates.written(info.st_mtime),
        "Accept-Ranges": "bytes",
    }
    verdict = conditions.judge(request.method, request.fields, tag, info.st_mtime)
    if verdict == "not modified":
        await exchange.respond(304, fields=head)
        return
    if verdict == "failed":
        await exchange.fail(412, fields=SAVED)
        return
    part = None
    if request.method == "GET" and "range" in request.fields:
        part = conditions.wanted_range(request.fields, source.size, tag, info.st_mtime)
    if part == "beyond":
        beyond = {"Content-Range": f"bytes */{source.size}"}
        await exchange.fail(416, fields=SAVED | beyond)
        return
    start, end, status = 0, source.size, 200
    if part is not None:
        (start, end), status = part, 206
        head["Content-Range"] = f"bytes {start}-{end - 1}/{source.size}"
    head["Content-Type"] = "application/octet-stream"
    head["Content-Disposition"] = _disposition(name)
    await exchange.begin(status, head, end - start)
    file: Any = source
    await exchange.send_file(file, start, end - start)
    await exchange.end()


def _disposition(name: bytes) -> str:
    """Say that a file is to be saved under its name: RFC 6266."""
    plain = re.sub(rb'[^ -~]|["\\%]', b"_", name).decode()
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
