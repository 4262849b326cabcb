"""Beginning WebSocket by HTTP's upgrade, from either side, and from within a service of HTTP.

What the sides say to each other is `jackfield.framing.upgrading`; here is who says it when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jackfield.endpoints import Endpoint
from jackfield.errors import (
    ConnectionEnded,
    ConnectTimeout,
    JackfieldError,
    RemoteProtocolError,
    UpgradeError,
)
from jackfield.framing.base import Framing
from jackfield.framing.http import HTTP, HTTPError, Request, Response
from jackfield.framing.upgrading import Offer, Site, accept, check_installed, refusal_of, site_of
from jackfield.framing.websocket import WebSocket
from jackfield.net.crossing import BlockingConnection, BridgedConnection
from jackfield.net.stream import StreamConnection

M = TypeVar("M")

Ready = Callable[[JackfieldError | None], None]


class _Upgrade:
    """What both sides have in common: one connection's way from HTTP to messages."""

    def __init__(self, conn: StreamConnection[Any], ready: Ready) -> None:
        self.conn = conn
        self._ready: Ready | None = ready
        conn.begin_upgrade(self, self._late)

    def take(self, messages: list[Any]) -> None:
        """Take what has come of HTTP."""
        for message in messages:
            if self._ready is not None:
                self._take(message)

    def over(self) -> None:
        """Nothing more comes."""
        if self._ready is None:
            return
        error = self.conn.end_of_input()
        if isinstance(error, RemoteProtocolError):
            self._broken(error)
        elif isinstance(error, ConnectionEnded):
            self._end(UpgradeError(f"during the handshake of WebSocket {error}"))
        else:
            self._end(UpgradeError("the handshake of WebSocket failed"))

    def _late(self) -> None:
        """Time is up."""
        limit = self.conn.limits.handshake
        self._end(ConnectTimeout(f"no handshake of WebSocket within {limit:g} s"))

    def _end(self, error: JackfieldError | None) -> None:
        """Say once what has come of it."""
        ready, self._ready = self._ready, None
        if ready is not None:
            if error is not None:
                self.conn.upgrade_failed()
            ready(error)

    def _take(self, message: Any) -> None:
        raise NotImplementedError

    def _broken(self, error: RemoteProtocolError) -> None:
        raise NotImplementedError


class ServerUpgrade:
    """How the connections of an endpoint begin."""

    def __init__(self, endpoint: Endpoint) -> None:
        check_installed()
        self.http = HTTP("server")
        self.site = site_of(endpoint)
        self._wire: WebSocket[Any] | None = None

    def begin(self, conn: StreamConnection[Any], ready: Ready) -> None:
        """Wait for a request, and answer it."""
        _Accepting(conn, ready, self)

    def wire(self, framing: Framing[Any], deflate: int) -> WebSocket[Any]:
        """Give the framing; the last one again, if it is the same, so that they share it."""
        last = self._wire
        if last is None or last.inner is not framing or last.deflate != deflate:
            last = self._wire = WebSocket(framing, "server", deflate=deflate)
        return last


class _Accepting(_Upgrade):
    """A server's side."""

    def __init__(self, conn: StreamConnection[Any], ready: Ready, upgrade: ServerUpgrade) -> None:
        self._upgrade = upgrade
        super().__init__(conn, ready)

    def _take(self, message: Any) -> None:
        try:
            response, deflate = accept(message, self._upgrade.site)
        except HTTPError as error:
            self._broken(error)
            return
        self.conn.send_head(response)
        self.conn.begin_messages(self._upgrade.wire(self.conn.framing, deflate))
        self._end(None)

    def _broken(self, error: RemoteProtocolError) -> None:
        known = error if isinstance(error, HTTPError) else HTTPError(400, str(error))
        self.conn.send_head(refusal_of(known))
        self._end(UpgradeError(str(error)))

    def _late(self) -> None:
        self.conn.send_head(refusal_of(HTTPError(408, "no request has come in time")))
        super()._late()


class ClientUpgrade:
    """How a client's connections begin."""

    def __init__(self, endpoint: Endpoint) -> None:
        check_installed()
        self.http = HTTP("client")
        self._endpoint = endpoint

    def begin(self, conn: StreamConnection[Any], ready: Ready) -> None:
        """Ask, and wait for the answer."""
        _Asking(conn, ready, Offer(self._endpoint))


class _Asking(_Upgrade):
    """A client's side."""

    def __init__(self, conn: StreamConnection[Any], ready: Ready, offer: Offer) -> None:
        self._offer = offer
        super().__init__(conn, ready)
        conn.send_head(offer.request())

    def _take(self, message: Any) -> None:
        if not isinstance(message, Response) or (message.status < 200 and message.status != 101):
            return  # an interim one; RFC 9110, section 15.2
        try:
            deflate = self._offer.agreed(message)
        except UpgradeError as error:
            self._end(error)
            return
        self.conn.begin_messages(WebSocket(self.conn.framing, "client", deflate=deflate))
        self._end(None)

    def _broken(self, error: RemoteProtocolError) -> None:
        self._end(UpgradeError(f"what the server has answered is no HTTP: {error}"))


async def upgrade(
    conn: Any,
    request: Request,
    framing: Framing[M],
    *,
    origins: Iterable[str] = (),
    deflate: bool = True,
) -> Any:
    """Answer a request to upgrade to WebSocket, and go on with messages of `framing`.

    conn: a server's connection whose framing is HTTP, and who has just received `request` as its
    last message; of any model. It is given back, and its messages are those of `framing` then.
    origins: of web pages that may connect besides those of the request's own host; "any" is all.
    deflate: whether messages may be compressed.
    Raises HTTPError, by whose status the request is to be answered, for one that cannot be agreed
    to; `refusal_of()` makes the whole answer. HTTP goes on then. Raises ConfigurationError without
    the package websockets.
    """
    check_installed()
    core: StreamConnection[Any] = conn.core
    site = Site(None, tuple(origins), deflate, core.local.is_loopback)
    response, bits = accept(request, site)

    async def go_on() -> None:
        core.send_batch([core.framing.encode(response)])
        core.begin_messages(WebSocket(framing, "server", deflate=bits))

    if isinstance(conn, BridgedConnection | BlockingConnection):
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go_on(), core.io.loop))
    else:
        await go_on()
    return conn
