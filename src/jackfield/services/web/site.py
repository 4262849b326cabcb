"""A folder as a web site: what is asked for is found, judged and sent.

The rules this file owns:

1. Whatever is not there, and whatever may not be looked for, gets the same 404.
2. On loopback a site answers to no name but localhost and addresses: a page elsewhere, whose name
   server says that it is here, reads nothing (DNS rebinding). `hosts` adds names.
3. It is read-only: GET, HEAD and OPTIONS.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jackfield.framing.http import HTTPError, Request
from jackfield.http import conditions
from jackfield.http.exchange import Exchange, serve
from jackfield.net.connection import Connection
from jackfield.net.details import is_address
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

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]{0,253})(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)

_ALLOWED = {"Allow": "GET, HEAD, OPTIONS"}
_PLAIN = frozenset({"host", "user-agent", "accept", "connection", "accept-language", "referer"})
"""Fields that change nothing about what is sent."""

MOST_KNOWN = 256
"""Values of Host, or of Authorization, whose judgement is remembered."""


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
        self.hosts = frozenset(host.lower() for host in shown.hosts)
        text = shown.text
        self.body = None if text is None else text.encode()
        html = text is not None and text.lstrip().startswith("<")
        self.kind = f"text/{'html' if html else 'plain'}; charset=utf-8"
        self._good_hosts: dict[tuple[str, bool], bool] = {}
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

    def answers_to(self, host: str, *, is_local: bool) -> bool:
        """Whether a request for this host, as it stands in Host, is meant for this site."""
        found = self._good_hosts.get((host, is_local))
        if found is None:
            found = self._judge_host(host, is_local=is_local)
            if len(self._good_hosts) >= MOST_KNOWN:
                self._good_hosts.clear()
            self._good_hosts[host, is_local] = found
        return found

    def _judge_host(self, host: str, *, is_local: bool) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            raise HTTPError(400, "the Host field holds no host")
        name = found[1].strip("[]").rstrip(".").lower()
        if name in self.hosts:
            return True
        own = name in {"", "localhost"} or name.endswith(".localhost") or is_address(name)
        return own if is_local or self.hosts else True

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

    __slots__ = ("_host", "_is_local", "_site")

    def __init__(self, site: Site, *, is_local: bool) -> None:
        self._site = site
        self._is_local = is_local
        self._host: str | None = None  # for which it asked last, and may

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = exchange.request
        site = self._site
        if not await self._is_meant(exchange) or not await self._may(exchange):
            return
        method, target = request.method, request.target
        if target == "*" and method == "OPTIONS":
            await exchange.respond(204, fields=_ALLOWED)
        elif method not in {"GET", "HEAD"}:
            if method == "OPTIONS":
                await exchange.respond(204, fields=_ALLOWED)
            else:
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

    async def _is_meant(self, exchange: Exchange) -> bool:
        """See whether a request is meant for this site; if not, it is answered."""
        request = exchange.request
        host = request.fields.get("host", "")
        target = request.target
        if not target.startswith("/"):
            found = _ABSOLUTE.match(target)
            if found is not None:  # RFC 9112, section 3.2.2: it takes the place of Host
                host = found[1]
                request.target = target[found.end() :]
                if not request.target.startswith("/"):
                    request.target = "/" + request.target
            elif target != "*" or request.method != "OPTIONS":
                raise HTTPError(400, "a target begins with a slash")
        if host == self._host:
            return True
        if not self._site.answers_to(host, is_local=self._is_local):
            text = f"no site called {host[:100]} is served here; name it with --host"
            await exchange.fail(421, text)
            return False
        self._host = host
        return True

    async def _may(self, exchange: Exchange) -> bool:
        """See whether who asks may; if not, it is answered."""
        site = self._site
        if not site.users:
            return True
        user = site.user_of(exchange.request.fields.get("authorization", ""))
        if user is None:
            await exchange.fail(401, fields=ASK)
            return False
        exchange.user = user
        return True

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
            await self._send(exchange, self._file(request, names, opened))

    async def _folder(self, exchange: Exchange, names: list[bytes], opened: Opened) -> None:
        """Send a folder's index.html, or else what is in it."""
        site = self._site
        try:
            index = site.tree.open([*names, INDEX])
            if index is not None and not index.is_folder:
                await self._send(exchange, self._file(exchange.request, [*names, INDEX], index))
                return
            if index is not None:
                os.close(index.fd)
            entries, is_all = site.tree.entries(names, opened.fd, listing.MOST)
        finally:
            os.close(opened.fd)
        if not site.shown.hidden:
            entries = [entry for entry in entries if not entry.name.startswith(".")]
        page = listing.page(names, entries, is_all=is_all)
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
        await exchange.begin(status, head, end - start)
        if held.body is not None:
            await exchange.write(held.body[start:end])
        else:
            await exchange.send_file(held.file, start, end - start)
        await exchange.end()

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
        await exchange.begin(404, {"Content-Type": held.kind}, held.size)
        if held.body is not None:
            await exchange.write(held.body)
        else:
            await exchange.send_file(held.file, 0, held.size)
        await exchange.end()
