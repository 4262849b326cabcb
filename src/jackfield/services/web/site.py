"""A folder as a web site: what is asked for is found, judged and sent.

The rules this file owns:

1. Whatever is not there, and whatever may not be looked for, gets the same 404.
2. It is read-only: GET, HEAD and OPTIONS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jackfield.framing.http import Request
from jackfield.http import conditions
from jackfield.http.exchange import Exchange, serve
from jackfield.http.hosts import Hosts
from jackfield.net.connection import Connection
from jackfield.net.tree import Opened, Tree
from jackfield.services.web import listing
from jackfield.services.web.held import HeldFile, HeldFiles
from jackfield.services.web.kinds import is_text, kind_of
from jackfield.services.web.names import names_of, path_of
from jackfield.services.web.users import ASK, Users

INDEX = b"index.html"
NOT_FOUND = b"404.html"

_CODINGS = (("br", b".br"), ("gzip", b".gz"))
"""Content codings that a sibling of a file may be in, the better one first, and its name's end."""

_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}
_PLAIN = frozenset({"host", "user-agent", "accept", "connection", "accept-language", "referer"})
"""Fields that change nothing about what is sent."""

MOST_KNOWN = 256
"""Values of Authorization whose judgement is remembered."""


@dataclass(frozen=True)
class Shown:
    """What a site shows, and to whom.

    folder: what is served. text: what is answered to whatever is asked, in place of a folder.
    users: as `Users` takes them; all may see it when empty.
    hosts: names that a request may be for, in place of any; on loopback beside localhost.
    hidden: whether names that begin with a dot are served and listed.
    follow_links: whether links may lead out of the folder.
    """

    folder: str | None = None
    text: str | None = None
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    hidden: bool = False
    follow_links: bool = False


class Site:
    """The handler of `serve web`. Raises ConfigurationError for what cannot be shown."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.users = Users(shown.users)
        self.hosts = Hosts(shown.hosts)
        text = shown.text
        self.body = None if text is None else text.encode()
        html = text is not None and text.lstrip().startswith("<")
        self.kind = f"text/{'html' if html else 'plain'}; charset=utf-8"
        self._known: dict[str, str] = {}
        if shown.folder is not None:
            Tree(shown.folder).close()  # what is wrong with it is told before anybody is served

    def __reduce__(self) -> tuple[type[Site], tuple[Shown]]:
        return Site, (self.shown,)  # another process opens the folder itself

    @cached_property
    def tree(self) -> Tree:
        """The folder, opened when it is first needed, once a process."""
        assert self.shown.folder is not None
        return Tree(self.shown.folder, follow_links=self.shown.follow_links)

    @cached_property
    def held(self) -> HeldFiles:
        """What was asked for last."""
        return HeldFiles(self.tree)

    async def __call__(self, conn: Connection[Any]) -> None:
        """Answer request after request."""
        await serve(conn, Visit(self, is_local=conn.local.is_loopback).answer)

    def user_of(self, authorization: str) -> str | None:
        """Give who says this in Authorization, and proves it; else None."""
        name = self._known.get(authorization)
        if name is None:
            name = self.users.find(authorization)
            if name is not None:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[authorization] = name
        return name


class Visit:
    """What one connection asks of a site."""

    __slots__ = ("_is_local", "_site")

    def __init__(self, site: Site, *, is_local: bool) -> None:
        self._site = site
        self._is_local = is_local

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request."""
        request, site = exchange.request, self._site
        refusal = self._refusal(exchange)
        method, target = request.method, request.target
        if refusal is not None:
            status, text, fields = refusal
            await exchange.fail(status, text, fields)
        elif method == "OPTIONS":
            await exchange.respond(204, fields=_ALLOWED)
        elif method not in {"GET", "HEAD"}:
            await exchange.fail(405, fields=_ALLOWED)
        elif site.body is not None:
            await exchange.respond(200, site.body, site.kind, {"Cache-Control": "no-cache"})
        elif method == "GET" and _PLAIN.issuperset(request.fields):
            held = site.held.get(target)
            if held is None:
                await self._find(exchange)
            elif held.body is not None:
                await exchange.respond_prepared(200, held.head, held.body)
            else:
                await exchange.send_prepared(200, held.head, held.file, held.size)
        else:
            await self._find(exchange)

    def _refusal(self, exchange: Exchange) -> tuple[int, str, dict[str, str]] | None:
        """Say by what status, words and fields a request is turned away; None when it is not."""
        request, site = exchange.request, self._site
        if not site.hosts.answer_to(request, is_local=self._is_local):
            return 421, "no site of this name is served here; it would be named with --host", {}
        if site.users:
            user = site.user_of(request.fields.get("authorization", ""))
            if user is None:
                return 401, "", ASK
            exchange.user = user
        return None

    async def _find(self, exchange: Exchange) -> None:
        """Send what the target names, or say that there is no such thing."""
        site, request = self._site, exchange.request
        path, question, query = request.target.partition("?")
        found = names_of(path, hidden=site.shown.hidden)
        opened = None if found is None else site.tree.open(found[0])
        if found is None or opened is None:
            await self._not_found(exchange)
            return
        names, is_folder = found
        if opened.is_folder != (is_folder or not names):
            os.close(opened.fd)
            if opened.is_folder:
                location = path_of(names, is_folder=True) + question + query
                await exchange.respond(301, fields={"Location": location})
            else:
                await self._not_found(exchange)
        elif opened.is_folder:
            await self._folder(exchange, names, opened)
        else:
            await self._send_and_let_go(exchange, self._file(request, names, opened))

    async def _folder(self, exchange: Exchange, names: list[bytes], opened: Opened) -> None:
        """Send a folder's index.html, or else what is in it."""
        site = self._site
        try:
            index = site.tree.open([*names, INDEX])
            if index is not None and not index.is_folder:
                held = self._file(exchange.request, [*names, INDEX], index)
                await self._send_and_let_go(exchange, held)
                return
            if index is not None:
                os.close(index.fd)
            entries, is_all = site.tree.entries(names, opened.fd, listing.MOST)
        finally:
            os.close(opened.fd)
        if not site.shown.hidden:
            entries = [entry for entry in entries if not entry.name.startswith(".")]
        page = await listing.page(names, entries, is_all=is_all)
        await exchange.respond(200, page, "text/html; charset=utf-8", listing.FIELDS)

    def _file(self, request: Request, names: list[bytes], opened: Opened) -> HeldFile:
        """Choose what to send of an open file: it, or a sibling in a coding that is taken."""
        site = self._site
        path = b"/".join(names)
        if "accept-encoding" in request.fields and is_text(kind_of(os.fsdecode(names[-1]))):
            for coding, ending in _CODINGS:
                if not conditions.accepts(request.fields, coding):
                    continue
                held = site.held.get((path, coding))
                if held is None:
                    sibling = site.tree.open([*names[:-1], names[-1] + ending])
                    if sibling is None:
                        continue
                    if sibling.is_folder:
                        os.close(sibling.fd)
                        continue
                    held = site.held.hold((path, coding), path + ending, sibling, coding)
                os.close(opened.fd)
                return held
        return site.held.hold(request.target, path, opened)

    async def _send_and_let_go(self, exchange: Exchange, held: HeldFile) -> None:
        try:
            await self._send(exchange, held)
        finally:
            held.let_go()

    async def _send(self, exchange: Exchange, held: HeldFile) -> None:
        """Send a file, a part of it, or that it has not changed."""
        fields = exchange.request.fields
        method = exchange.request.method
        verdict = conditions.judge(method, fields, held.tag, held.info.st_mtime)
        if verdict == "not modified":
            await exchange.respond(304, fields=held.fields(varies=held.varies))
            return
        if verdict == "failed":
            await exchange.fail(412)
            return
        part = None
        if method == "GET" and "range" in fields:
            part = conditions.wanted_range(fields, held.size, held.tag, held.info.st_mtime)
        if part == "beyond":
            await exchange.fail(416, fields={"Content-Range": f"bytes */{held.size}"})
            return
        head = held.fields(varies=held.varies) | {"Content-Type": held.kind}
        start, end, status = 0, held.size, 200
        if part is not None:
            (start, end), status = part, 206
            head["Content-Range"] = f"bytes {start}-{end - 1}/{held.size}"
        await _send_part(exchange, status, head, held, (start, end))

    async def _not_found(self, exchange: Exchange) -> None:
        """Say that there is no such thing: by the site's own page, if it has one."""
        site = self._site
        opened = site.tree.open([NOT_FOUND])
        if opened is None or opened.is_folder:
            if opened is not None:
                os.close(opened.fd)
            await exchange.fail(404)
            return
        held = site.held.hold(("", 404), NOT_FOUND, opened)
        try:
            await _send_part(exchange, 404, {"Content-Type": held.kind}, held, (0, held.size))
        finally:
            held.let_go()


async def _send_part(
    exchange: Exchange, status: int, head: dict[str, str], held: HeldFile, part: tuple[int, int]
) -> None:
    """Answer by a part of a file: from its first byte to before the one past its last."""
    start, end = part
    await exchange.begin(status, head, end - start)
    if held.body is not None:
        await exchange.write(held.body[start:end])
    else:
        await exchange.send_file(held.file, start, end - start)
    await exchange.end()
