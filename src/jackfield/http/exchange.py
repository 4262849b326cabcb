"""One request and its answer, and one after another on a connection.

The rules this file owns:

1. Requests are answered in the order in which they came, pipelined ones too.
2. Every request has exactly one answer. A handler that fails, or answers nothing, has 500 said
   for it, unless its answer has begun: then the connection is cut, so that nobody takes a part
   for the whole.
3. A body that nobody has read is dropped up to `DROPPED` bytes; past that the connection is
   closed after the answer, since nobody knows what else is to come.
4. An interim 100 is sent when a body is first asked for, and not where the answer came before.
   An expectation of anything else gets 417.
5. What is wrong with a body whose request was answered closes the connection, without a word:
   it would be taken for the answer to the next request.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar

from jackfield.errors import (
    ConnectionEnded,
    JackfieldError,
    LocalProtocolError,
    RemoteProtocolError,
)
from jackfield.events import Events, RequestAnswered
from jackfield.framing.base import Framing
from jackfield.framing.http import (
    END,
    MAX_BODY,
    HTTPError,
    Request,
    Response,
    chunked,
    phrase,
)
from jackfield.http.dates import now_field, now_line
from jackfield.net.connection import Connection

DROPPED = 256 * 1024
"""Bytes of a body that are read for nobody, so that the connection can go on."""

MOST_TOLD = 1000
"""Characters of a field that the access log is told."""

PLAIN = "text/plain; charset=utf-8"

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset({204, 304})

M = TypeVar("M")

Answer = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """A request, and the way to answer it: `respond()`, `begin()` and `write()`, or `send_file()`.

    request: its head.
    user: who asks, once somebody has found out; for the access log.
    status: of the answer; 0 before there is one. size: bytes of its body so far.
    """

    __slots__ = (
        "_chunked",
        "_left",
        "_unread",
        "_waits",
        "conn",
        "keep_alive",
        "request",
        "size",
        "started",
        "status",
        "user",
    )

    def __init__(self, conn: Connection[Any], request: Request) -> None:
        self.conn = conn
        self.request = request
        self.keep_alive = request.keep_alive
        self.started = time.monotonic()
        self.status = self.size = 0
        self.user = ""
        self._unread = request.has_body
        self._waits = request.has_body and request.version != "1.0" and "expect" in request.fields
        self._chunked = False
        self._left = 0  # bytes of the body that were announced and not written yet

    @property
    def path(self) -> str:
        """The target without its query, as it was sent."""
        return self.request.target.partition("?")[0]

    # The request's body

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece. Raises HTTPError, and PeerLost, for one that ends early."""
        if self._waits:
            self._waits = False
            await self.conn.send(_CONTINUE)
        while self._unread:
            piece = await self.conn.receive()
            if piece is END:
                self._unread = False
            else:
                yield piece

    async def read(self, most: int = MAX_BODY) -> bytes:
        """Give the whole body. Raises HTTPError 413 for one past `most` bytes."""
        parts = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > most:
                raise HTTPError(413, f"a body here may have {most} bytes")
            parts.append(piece)
        return b"".join(parts)

    # The answer

    async def respond(
        self,
        status: int,
        body: bytes | str = b"",
        kind: str = PLAIN,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Answer at once.

        kind: the media type of the body. fields: others, by name.
        """
        data = body.encode() if isinstance(body, str) else body
        head = dict(fields or {})
        if status not in _BODILESS:
            head["Content-Type"] = kind
            head["Content-Length"] = str(len(data))
        self._note(status)
        if self.request.method == "HEAD" or status in _BODILESS:
            data = b""
        self.size = len(data)
        await self.conn.send(Response(status, self._closing_fields(head), data))

    async def fail(
        self, status: int, text: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        """Answer by an error, with a line for people."""
        await self.respond(status, f"{text or f'{status} {phrase(status)}'}\n", fields=fields)

    async def begin(
        self, status: int, fields: Mapping[str, str], length: int | None = None
    ) -> None:
        """Begin an answer whose body follows by `write()`, and ends by `end()`.

        length: bytes it will have; None where that is not known, so that it goes in chunks or,
        to a peer of HTTP/1.0, until the connection ends.
        """
        head = dict(fields)
        if length is not None:
            head["Content-Length"] = str(length)
        elif self.request.version == "1.0":
            self.keep_alive = False
        else:
            head["Transfer-Encoding"] = "chunked"
            self._chunked = True
        self._left = -1 if length is None else length
        self._note(status)
        self.conn.core.mid_message = True
        await self.conn.send(Response(status, self._closing_fields(head)))

    async def write(self, data: bytes) -> None:
        """Send more of the body, and wait for a peer that lags."""
        if not data:
            return
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                raise LocalProtocolError("the body is longer than was announced")
        if self.request.method != "HEAD":
            self.size += len(data)
            await self.conn.send(chunked(data) if self._chunked else data)

    async def end(self) -> None:
        """End the body. One shorter than was announced cuts the connection."""
        if self.request.method != "HEAD":
            if self._left > 0:
                self.conn.abort("the body came to less than was announced")
                return
            if self._chunked:
                await self.conn.send(chunked(b""))
        self.conn.core.mid_message = False

    async def send_file(self, file: BinaryIO, offset: int, count: int) -> None:
        """Send a part of an open file as the body begun by `begin()`, whose length is `count`.

        A file that has become shorter cuts the connection: nobody takes it for whole.
        """
        if self.request.method == "HEAD":
            self._left = 0
            return
        sent = await self.conn.send_file(file, offset, count)
        self.size += sent
        self._left -= sent

    async def respond_prepared(self, status: int, head: bytes, body: bytes) -> None:
        """Answer to a GET by a head that lacks Date and Connection alone, and a body."""
        self._note(status)
        self.size = len(body)
        await self.conn.send(b"".join((head, self._ending(), body)))

    async def send_prepared(self, status: int, head: bytes, file: BinaryIO, count: int) -> None:
        """The same, the body being `count` bytes of an open file."""
        self._note(status)
        self._left = count
        conn = self.conn
        conn.core.mid_message = True
        self.size = await conn.send_file(file, 0, count, head=head + self._ending())
        self._left -= self.size
        await self.end()

    def _ending(self) -> bytes:
        """Give the end of a head: Date, and Connection where it says what is not the rule."""
        if not self.keep_alive:
            return now_field() + b"Connection: close\r\n\r\n"
        if self.request.version == "1.0":
            return now_field() + b"Connection: keep-alive\r\n\r\n"
        return now_field() + b"\r\n"

    async def upgrade(
        self, framing: Framing[M], origins: Iterable[str] = (), *, silent: bool = False
    ) -> Connection[M] | None:
        """Go on by WebSocket: give the connection, whose messages are those of `framing` now.

        origins: of web pages that may connect besides those of the request's own host.
        silent: whether the peer may listen in silence; pings stand in for the idle deadline.
        None where the request asks for no such thing, or comes from elsewhere: it is answered
        then. What the handler does afterwards, it does on the connection.
        """
        # a package of an extra of its own, and slow to load
        from jackfield.framing.upgrading import refusal_of  # noqa: PLC0415
        from jackfield.net.upgrading import upgrade  # noqa: PLC0415

        try:
            conn: Connection[M] = await upgrade(self.conn, self.request, framing, origins=origins)
        except HTTPError as error:
            response = refusal_of(error)
            self.keep_alive = False
            self._note(response.status)
            await self.conn.send(response)
            return None
        self.status = 101
        conn.core.may_be_silent = silent
        return conn

    def _note(self, status: int) -> None:
        if self.status:
            raise LocalProtocolError("this request has been answered already")
        self.status = status
        if self._waits:  # the peer may send the body or not: nobody knows which
            self.keep_alive = False
        if self.conn.draining:
            self.keep_alive = False

    def _closing_fields(self, head: dict[str, str]) -> dict[str, str]:
        head["Date"] = now_line()
        if not self.keep_alive:
            head["Connection"] = "close"
        elif self.request.version == "1.0":
            head["Connection"] = "keep-alive"
        return head

    @property
    def is_read(self) -> bool:
        """Whether nothing of the request is left to be read."""
        return not self._unread

    async def drop_rest(self) -> bool:
        """Read what is left of the request for nobody; False for one that is too long for that."""
        left = DROPPED
        core = self.conn.core
        core.mid_message = True  # it has its answer, and no refusal may follow
        async for piece in self.pieces():
            left -= len(piece)
            if left < 0:
                return False
        core.mid_message = False
        return True

    def tell(self) -> None:
        """Tell of this exchange, if somebody wants to know."""
        events = self.conn.core.events
        if events is not None and events.listens(RequestAnswered):
            self._tell(events)

    def _tell(self, events: Events) -> None:
        request, conn = self.request, self.conn
        events.emit(
            RequestAnswered(
                conn.number,
                str(conn.peer),
                request.method,
                request.target,
                request.version,
                self.status,
                self.size,
                time.monotonic() - self.started,
                self.user,
                request.fields.get("referer", "")[:MOST_TOLD],
                request.fields.get("user-agent", "")[:MOST_TOLD],
            )
        )


async def serve(conn: Connection[Any], answer: Answer) -> None:
    """Have `answer()` answer each request of a connection, until either side closes it.

    The connection's framing is `HTTP("server")`. Raises as `conn.receive()`, and what a handler
    raised, after 500 was said for it.
    """
    async for request in conn:
        exchange = Exchange(conn, request)
        try:
            if "expect" in request.fields and not _is_met(request):
                await exchange.fail(417)
            else:
                await answer(exchange)
            if not exchange.status:
                await exchange.fail(500)
        except RemoteProtocolError:  # of the body: it closes the connection, answered or not
            if conn.core.mid_message:
                conn.abort("its answer was cut short")
            conn.core.mid_message = exchange.status != 0
            raise
        except ConnectionEnded:
            exchange.tell()
            raise
        except Exception as error:
            await _give_up(exchange, error)
            raise
        exchange.tell()
        if conn.core.mid_message:
            conn.abort("its answer was begun and not ended")
            return
        if not exchange.keep_alive or not (exchange.is_read or await exchange.drop_rest()):
            return


async def _give_up(exchange: Exchange, error: Exception) -> None:
    """Say that a handler has failed, or cut its answer short."""
    if not exchange.status:
        exchange.keep_alive = False
        busy = isinstance(error, JackfieldError)
        with contextlib.suppress(ConnectionEnded):
            await exchange.fail(503 if busy else HTTPStatus.INTERNAL_SERVER_ERROR)
    elif exchange.conn.core.mid_message:
        exchange.conn.abort("its answer was cut short")
    exchange.tell()


def _is_met(request: Request) -> bool:
    """Whether what a peer expects is met: RFC 9110, section 10.1.1."""
    members = request.fields["expect"].lower().split(",")
    return request.version == "1.0" or {one.strip() for one in members} <= {"100-continue", ""}
