"""The board's page over HTTP: its files, signing in and out, the chat, and the owner's commands.

The rules this file owns:

1. What changes anything is a POST of JSON from the board's own page: another site's page can send
   none, since it would have to ask for leave first, and is told by its Origin besides.
2. A session is a secret in a cookie that no script sees and no other site can have sent. The
   cookie has no Path, so that a browser keeps it for where it signed in: behind a proxy that is
   the board's part of the site, whatever it is called there.
3. A link that lets somebody in shows a page; only that page uses it up. Whoever looks at links
   before people do leaves it whole.
4. The page has all its files under an address that changes with them, so that a browser keeps
   them for ever and never mixes old with new.
5. Nothing of how the board is, and of who may come in, is told to anybody but its owner.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from jackfield.board.needs import Files, Owner, People, Running
from jackfield.errors import JackfieldError, KeepingFailed
from jackfield.events import Draining
from jackfield.framing.http import HTTP, HTTPError
from jackfield.http.exchange import Exchange
from jackfield.http.hosts import Hosts
from jackfield.http.routes import Handler, Routes
from jackfield.limits import Limits
from jackfield.net.connection import Connection
from jackfield.service import Service
from jackfield.services.chat import Chat, wire
from jackfield.services.chat.hub import Person
from jackfield.services.chat.words import NotSaid
from jackfield.services.commands import wire as commands_wire
from jackfield.services.web.kinds import is_text, kind_of

LIMITS = Limits(first_message=8, idle=8, message_time=8, write_time=20, outbox=512 * 1024)
"""Of browsers as the web service's, until they are in the chat: there they may be silent."""

COOKIE = "jackfield"
"""What the cookie is called; where the port is not the usual one, with it: a browser gives the
cookies of a host to all its ports, and there may be a board at each."""

KEPT = 90 * 24 * 3600
"""Seconds for which a browser keeps the cookie."""

MOST_BODY = 4096
"""Bytes of a request to sign in."""

MOST_SECRET = 512
"""Characters of a secret, in a cookie or a link, that are looked at."""

JSON = "application/json"

FIELDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What is said of every answer: nothing runs but the page's own files, and nobody frames it."""

_NOT_KEPT = FIELDS | {"Cache-Control": "no-store"}
_FOR_EVER = FIELDS | {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}
_HERE = "@page@"
"""What stands in index.html for the address of the other files."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page, as it is sent."""

    kind: str
    plain: bytes
    packed: bytes | None


class Page:
    """The page of a board.

    chat: what it is a window on. people: who may come in. name: of the board.
    owner: does what the board's owner asks for; None for a page that nobody owns.
    files: what is under `/files/`; None for a page without.
    commands: does what is asked for at `/commands`; None for a page without.
    origins: where it is reached from elsewhere, such as `https://board.example.org` at a proxy;
    on loopback it answers to these names beside localhost and addresses.
    prefix: of all paths, such as `/board`, where a proxy leaves it in.
    """

    def __init__(
        self,
        chat: Chat,
        people: People,
        *,
        name: str = "Jackfield",
        origins: Iterable[str] = (),
        prefix: str = "",
        owner: Owner | None = None,
        files: Files | None = None,
        commands: Running | None = None,
    ) -> None:
        self._chat = chat
        self._people = people
        self._owner = owner
        self._filed = files
        self._commands = commands
        self._name = name
        self._origins = tuple(origin.lower().rstrip("/") for origin in origins)
        self._files, self._version = _files()
        self._index = self._files.pop("index.html").plain.decode()
        self._open: dict[str, set[Connection[Any]]] = {}  # WebSockets, by session
        self._asking: set[asyncio.Future[None]] = set()  # for each of the owner's requests
        names = [urlsplit(origin).hostname or "" for origin in self._origins]
        self.routes = Routes(Hosts(names))
        add: list[tuple[str, str, Handler]] = [
            ("GET", "/", self._show),
            ("GET", "/in/{secret}", self._show_link),
            ("GET", "/page/{version}/{file}", self._send_file),
            ("GET", "/me", self._me),
            ("POST", "/sign-in", self._sign_in),
            ("POST", "/sign-out", self._sign_out),
            ("POST", "/board", self._own),
            ("GET", "/chat", self._talk),
            ("GET", "/commands", self._run),
            ("POST", "/token", self._make_token),
            *((method, "/files/{path*}", self._file) for method in ("GET", "PUT", "DELETE")),
        ]
        for method, path, handler in add:
            self.routes.add(method, prefix.rstrip("/") + path, handler)

    def service(self) -> Service[Any]:
        """Make the service that serves it. For asyncio's model, on the chat's loop."""
        # of a body that is not a file's, no more is read than `MOST_BODY`
        framing = HTTP("server", max_body=None)
        return Service("page", self.routes, framing, LIMITS, joins_rooms=True)

    def leave(self, _event: Draining | None = None) -> None:
        """Know that the service is about to stop: nobody can wait any longer for what does so."""
        for leaving in self._asking:
            if not leaving.done():
                leaving.set_result(None)

    # The page itself

    async def _show(self, exchange: Exchange) -> None:
        await self._send_index(exchange, "")

    async def _show_link(self, exchange: Exchange, secret: str) -> None:
        del secret  # the page has it from its address, and no log is to have it
        before, _, _ = exchange.request.target.rpartition("/in/")
        exchange.request.target = f"{before}/in/..."
        await self._send_index(exchange, "../")

    async def _send_index(self, exchange: Exchange, up: str) -> None:
        text = self._index.replace(_HERE, f"{up}page/{self._version}")
        await exchange.respond(200, text, kind_of("index.html"), _NOT_KEPT)

    async def _send_file(self, exchange: Exchange, version: str, file: str) -> None:
        found = self._files.get(file) if version == self._version else None
        if found is None:
            await exchange.respond(404, "404 Not Found\n", fields=_NOT_KEPT)
            return
        accepted = exchange.request.fields.get("accept-encoding", "").lower()
        fields, data = _FOR_EVER, found.plain
        if found.packed is not None and "gzip" in accepted.replace(" ", "").split(","):
            fields, data = fields | {"Content-Encoding": "gzip"}, found.packed
        await exchange.respond(200, data, found.kind, fields)

    # Who somebody is

    async def _me(self, exchange: Exchange) -> None:
        person = await self._person(exchange)
        await self._tell(exchange, 200, await self._about(exchange, person, _secret_of(exchange)))

    async def _about(
        self, exchange: Exchange, person: Person | None, secret: str
    ) -> dict[str, Any]:
        return {
            "name": None if person is None else person.name,
            "owner": person is not None and await self._is_owner(secret),
            "open": self._people.is_open,
            "board": self._name,
            "files": None if self._filed is None else await self._filed.about(secret),
            "commands": _is_private(exchange) and await self._may_run(secret),
        }

    async def _is_owner(self, secret: str) -> bool:
        return self._owner is not None and await self._owner.is_owner(secret)

    async def _sign_in(self, exchange: Exchange) -> None:
        asked = await self._asked(exchange)
        if asked is None:
            return
        name, token = asked.get("name", ""), asked.get("token", "")
        if not isinstance(name, str) or not isinstance(token, str):
            await self._tell(exchange, 400, {"why": "name and token are texts"})
            return
        try:
            person, secret = await self._people.sign_in(name, token, exchange.conn.source)
        except NotSaid as error:
            await self._tell(exchange, 403, {"why": str(error)})
            return
        except KeepingFailed as error:
            await self._tell(exchange, 503, {"why": str(error)})
            return
        before = _secret_of(exchange)
        if before != secret:
            await self._end_session(before)  # of whoever was here
        cookie = f"{_cookie_of(exchange)}={secret}; Max-Age={KEPT}{_attributes(exchange)}"
        about = await self._about(exchange, person, secret)
        await self._tell(exchange, 200, about, {"Set-Cookie": cookie})

    async def _sign_out(self, exchange: Exchange) -> None:
        if await self._asked(exchange) is None:
            return
        await self._end_session(_secret_of(exchange))
        cookie = f"{_cookie_of(exchange)}=; Max-Age=0{_attributes(exchange)}"
        about = await self._about(exchange, None, "")
        await self._tell(exchange, 200, about, {"Set-Cookie": cookie})

    async def _end_session(self, secret: str) -> None:
        if secret:
            await self._people.sign_out(secret)
            for conn in self._open.pop(secret, ()):
                conn.core.refuse("signed out")

    async def _person(self, exchange: Exchange) -> Person | None:
        secret = _secret_of(exchange)
        return await self._people.by_session(secret) if secret else None

    async def _asked(self, exchange: Exchange) -> dict[str, Any] | None:
        """Give what a POST asks for; None where it is answered, since it may not ask."""
        if not self._is_own(exchange):
            await self._tell(exchange, 403, {"why": "only the board's own page may ask for this"})
            return None
        if exchange.request.fields.get("content-type", "").partition(";")[0].strip() != JSON:
            await self._tell(exchange, 415, {"why": f"a request here is {JSON}"})
            return None
        try:
            asked = json.loads(await exchange.read(MOST_BODY))
        except (ValueError, RecursionError) as error:
            if isinstance(error, HTTPError):
                raise
            asked = None
        if not isinstance(asked, dict):
            await self._tell(exchange, 400, {"why": "a request here is an object of JSON"})
            return None
        return asked

    def _is_own(self, exchange: Exchange) -> bool:
        """Whether a request comes from the board's own page, or from no page at all."""
        fields = exchange.request.fields
        if fields.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        origin = fields.get("origin")
        if origin is None or origin.lower() in self._origins:
            return True
        scheme, _, asking = origin.lower().partition("://")
        usual = {"http": ":80", "https": ":443"}.get(scheme, "")
        here = fields.get("host", "").lower()
        return bool(here) and asking.removesuffix(usual) == here.removesuffix(usual)

    @staticmethod
    async def _tell(
        exchange: Exchange, status: int, what: dict[str, Any], more: dict[str, str] | None = None
    ) -> None:
        await exchange.respond(status, json.dumps(what), JSON, _NOT_KEPT | (more or {}))

    # The board's owner

    async def _own(self, exchange: Exchange) -> None:
        """Do what the owner asks. All of it is a POST, so that no other site can ask for any."""
        asked = await self._asked(exchange)
        if asked is None:
            return
        secret = _secret_of(exchange)
        try:
            if self._owner is None or not await self._owner.is_owner(secret):
                is_known = await self._person(exchange) is not None
                why = "only the owner of this board may do that" if is_known else "sign in first"
                await self._tell(exchange, 403 if is_known else 401, {"why": why})
                return
            leaving = asyncio.get_running_loop().create_future()
            if exchange.conn.draining:
                leaving.set_result(None)
            self._asking.add(leaving)
            try:
                answer = await self._owner.answer(asked, secret, leaving)
            finally:
                self._asking.discard(leaving)
        except KeepingFailed as error:
            await self._tell(exchange, 503, {"why": str(error)})
        except JackfieldError as error:
            await self._tell(exchange, 409, {"why": str(error)})
        else:
            await self._tell(exchange, 200, answer)

    # Files

    async def _file(self, exchange: Exchange, path: str) -> None:
        """Answer for a file: to a page by its session, to other programs by a token."""
        fields = exchange.request.fields
        if exchange.request.method not in {"GET", "HEAD"} and not self._is_own(exchange):
            await self._tell(exchange, 403, {"why": "only the board's own page may change files"})
            return
        if self._filed is None:
            await exchange.fail(404, fields=FIELDS)
            return
        scheme, _, token = fields.get("authorization", "").partition(" ")
        secret = token.strip() if scheme.lower() == "bearer" else _secret_of(exchange)
        await self._filed.answer(exchange, path, secret[:MOST_SECRET])

    async def _make_token(self, exchange: Exchange) -> None:
        """Make a secret for programs, such as curl, of whoever is here."""
        if await self._asked(exchange) is None:
            return
        try:
            if self._filed is None:
                raise NotSaid("there are no files here that a program could move")
            token = await self._filed.make_token(_secret_of(exchange))
        except NotSaid as error:
            await self._tell(exchange, 403, {"why": str(error)})
        except KeepingFailed as error:
            await self._tell(exchange, 503, {"why": str(error)})
        else:
            await self._tell(exchange, 200, {"token": token})

    # Remote commands

    async def _may_run(self, secret: str) -> bool:
        return bool(secret) and self._commands is not None and await self._commands.may_run(secret)

    async def _run(self, exchange: Exchange) -> None:
        """Tell what somebody may run; by WebSocket, run it, for other programs by a token too."""
        fields, secret = exchange.request.fields, _secret_of(exchange)
        is_page = bool(secret) or "origin" in fields or "upgrade" not in fields
        if self._commands is None:
            await exchange.fail(404, fields=FIELDS)
        elif not self._is_own(exchange):
            await self._tell(exchange, 403, {"why": "only the board's own page may run commands"})
        elif not _is_private(exchange):
            await self._tell(exchange, 403, {"why": "off loopback commands are run over TLS alone"})
        elif not self._commands.is_served:
            await self._tell(exchange, 404, {"why": "this board runs no commands now"})
        elif is_page and not await self._may_run(secret):
            is_known = await self._person(exchange) is not None
            why = "only operators of this board run commands" if is_known else "sign in first"
            await self._tell(exchange, 403 if is_known else 401, {"why": why})
        elif "upgrade" not in fields:
            await self._tell(exchange, 200, {"allowed": await self._commands.allowed(secret)})
        else:
            framing = commands_wire.framing()
            conn = await exchange.upgrade(framing, self._origins, silent=True)
            if conn is not None:
                with self._noted(conn, secret):
                    await self._commands.serve(conn, secret)

    # The chat

    async def _talk(self, exchange: Exchange) -> None:
        """Go on by WebSocket. Pages are known by their session; other programs tell a token."""
        if not self._is_own(exchange):
            await self._tell(exchange, 403, {"why": "only the board's own page may connect"})
            return
        secret = _secret_of(exchange)
        person = await self._person(exchange)
        if person is None and "origin" in exchange.request.fields:
            await self._tell(exchange, 401, {"why": "sign in first"})
            return
        conn = await exchange.upgrade(wire.FRAMING, self._origins, silent=True)
        if conn is None:
            return
        if person is None:
            await self._chat.by_client(conn)
            return
        with self._noted(conn, secret):
            if await self._people.by_session(secret) is not None:  # it may have ended meanwhile
                await self._chat.by_client(conn, person)

    @contextmanager
    def _noted(self, conn: Connection[Any], secret: str) -> Iterator[None]:
        """Have a connection end when the session does that it is of."""
        own = self._open.setdefault(secret, set())
        own.add(conn)
        try:
            yield
        finally:
            own.discard(conn)
            if not own and self._open.get(secret) is own:
                del self._open[secret]


def _files() -> tuple[dict[str, _File], str]:
    """Read the page's files; give them by name, and what their address has of them."""
    found: dict[str, _File] = {}
    digest = hashlib.sha256()
    folder = resources.files("jackfield.board") / "page"
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        data = entry.read_bytes()
        digest.update(entry.name.encode() + b"\0" + hashlib.sha256(data).digest())
        kind = kind_of(entry.name)
        packed = gzip.compress(data, mtime=0) if is_text(kind) and len(data) > 1024 else None
        found[entry.name] = _File(kind, data, packed)
    return found, digest.hexdigest()[:16]


def _is_private(exchange: Exchange) -> bool:
    """Whether nobody on a network can read along on the way here, as far as can be told."""
    local = exchange.conn.local
    return local.transport.uses_tls or (local.is_loopback and _forwarded(exchange) != "http")


def _forwarded(exchange: Exchange) -> str:
    """Give what a proxy says it was reached by; "" where none says so."""
    return exchange.request.fields.get("x-forwarded-proto", "").lower().partition(",")[0].strip()


def _cookie_of(exchange: Exchange) -> str:
    """Say what the cookie is called where the request came to."""
    host = exchange.request.fields.get("host", "")
    port = host.rpartition("]")[2].rpartition(":")[2]
    return f"{COOKIE}-{port}" if ":" in host and port.isdecimal() else COOKIE


def _secret_of(exchange: Exchange) -> str:
    """Give the secret of the session that a request has; empty without."""
    name = _cookie_of(exchange)
    for pair in exchange.request.fields.get("cookie", "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name and 0 < len(value) <= MOST_SECRET and value.isascii():
            return value
    return ""


def _attributes(exchange: Exchange) -> str:
    """Give the attributes of a cookie. A proxy says whether it was reached over TLS."""
    is_secure = exchange.conn.local.transport.uses_tls or _forwarded(exchange) == "https"
    return f"; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
