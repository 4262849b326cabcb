"""One request and its response, on one connection: RFC 9112.

The rules this file owns:

1. A body is whole when it has the length that was said, when its last chunk has come, or, where
   there is neither, when the connection has been ended properly. Whatever ends before is cut.
2. A server may say nothing for `idle_timeout` seconds, and no longer than `deadline` in all. The
   head has to come as a whole in that time; while it takes our body, time does not run.
3. Responses of 1xx are passed over, up to `MOST_INTERIM` of them: RFC 9110, section 15.2.
4. A connection is kept only when both sides are done with the message and willing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from jackfield.errors import (
    BadMessage,
    ConnectionEnded,
    IncompleteMessage,
    ReceiveTimeout,
    RemoteProtocolError,
    ResponseCut,
    ServerSilent,
)
from jackfield.fetching.asking import Ask, Options
from jackfield.fetching.pool import Pool
from jackfield.fetching.steps import Answered, Asked
from jackfield.framing.http import END, HTTP, Response, encode_head
from jackfield.net.connection import Connection
from jackfield.net.details import queued

MOST_INTERIM = 16

DRAINED = 64 * 1024
DRAIN_TIME = 1.0
"""Bytes of a body nobody wants that are read to keep its connection, and seconds for it."""


class Exchange:
    """A request sent and a response being received.

    conn: where. deadline: the time of the loop by which all must be over, or None.
    """

    def __init__(
        self, conn: Connection[Any], ask: Ask, options: Options, pool: Pool, deadline: float | None
    ) -> None:
        self._conn = conn
        self._ask = ask
        self._options = options
        self._pool = pool
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._before = conn.bytes_received
        self._done = False
        self.response = Response(0)
        self.received = 0
        self.peer = conn.peer
        self.tls = conn.tls

    @property
    def was_answered(self) -> bool:
        """Whether any byte of an answer has come."""
        return self._conn.bytes_received > self._before

    @property
    def length(self) -> int | None:
        """Bytes that the body is said to have; None when that is not said."""
        response = self.response
        if not response.has_body:
            return 0
        fields = response.fields
        assert isinstance(fields, dict)
        if "transfer-encoding" in fields or response.until_close:
            return None
        return int(fields["content-length"])

    async def ask(self) -> Response:
        """Send the request; give the head of the response.

        Raises ServerSilent, ResponseCut, and RemoteProtocolError for what is no HTTP.
        """
        ask, conn = self._ask, self._conn
        bodiless = ask.method == "HEAD"
        if conn.framing.bodiless != bodiless:  # type: ignore[attr-defined]  # it is an HTTP
            conn.switch(HTTP("client", max_body=None, bodiless=bodiless))
        request = ask.request()
        head = encode_head(f"{request.method} {request.target} HTTP/1.1", request.fields)
        # not waited for: the answer may come before the body has been taken, and say why not
        conn.send_batch([head, ask.body] if ask.body else [head])
        self._options.tell(Asked(request, len(ask.body or b"")))
        began = time.monotonic()  # the loop's clock may be too coarse to show
        for _ in range(MOST_INTERIM):
            response = await self._head()
            self._options.tell(Answered(response, time.monotonic() - began))
            if response.status >= 200:
                self.response = response
                if not response.has_body:
                    self._finish()
                return response
            if response.status == 101:
                break
        raise self._bad("it answers with what was not asked for")

    async def _head(self) -> Response:
        sent = -1
        while True:
            try:
                message = await self._receive()
            except ServerSilent:
                taken = self._taken()
                if not self._ask.body or taken <= sent or self._is_late():
                    raise
                sent = taken  # it still takes what is sent to it
                continue
            if not isinstance(message, Response):
                raise self._bad("it sends a body where a head should be")
            return message

    def _taken(self) -> int:
        """Bytes of ours that the other side has taken."""
        conn = self._conn
        return -1 if conn.is_over else conn.bytes_sent - queued(conn.live_socket())

    async def piece(self) -> bytes:
        """Give the next piece of the body, b"" at its end. Errors as `ask()`."""
        if self._done:
            return b""
        message = await self._receive()
        if type(message) is bytes:
            self.received += len(message)
            return message
        if message is not END:
            raise self._bad("a head comes inside a body")
        self._finish()
        return b""

    async def drain(self) -> None:
        """Read the rest of a body nobody wants if it is short, and be done with it."""
        if not self.response.until_close and (self.length or 0) <= DRAINED:
            nobody_cares = (ResponseCut, ServerSilent, RemoteProtocolError, TimeoutError)
            with contextlib.suppress(*nobody_cares):
                async with asyncio.timeout(DRAIN_TIME):
                    while self.received <= DRAINED and await self.piece():
                        pass
        self.close()

    def close(self) -> None:
        """Be done with it, wherever it is."""
        if not self._done:
            self._done = True
            self._conn.abort("the rest of the response is not wanted")

    def _finish(self) -> None:
        """The response is whole."""
        self._done = True
        if self.response.keep_alive and not self.response.until_close:
            self._pool.give(self._conn, self._ask.url, self._options)
        else:
            self._conn.close_soon()

    async def _receive(self) -> Any:
        conn = self._conn
        if conn.messages_at_hand:
            return conn.inbox.pop()
        idle = self._options.idle_timeout
        left = idle if self._deadline is None else min(idle, self._deadline - self._loop.time())
        try:
            return await conn.receive(max(0.0, left))
        except ReceiveTimeout:
            raise self._silent() from None
        except (ConnectionEnded, IncompleteMessage) as error:
            if self._ends_with(error):
                return END
            raise self._cut(error) from None
        except RemoteProtocolError as error:
            raise self._bad(str(error).partition(": ")[2] or str(error)) from None

    def _ends_with(self, error: Exception) -> bool:
        """Whether it is the body that ends with the connection, and properly."""
        return self.response.until_close and isinstance(error, EOFError)

    def _is_late(self) -> bool:
        return self._deadline is not None and self._loop.time() >= self._deadline

    def _silent(self) -> ServerSilent:
        if self._is_late():
            return ServerSilent(
                f"{self._ask.url}: not over within {self._options.max_time:g} s{self._so_far()}"
            )
        return ServerSilent(
            f"{self._ask.url}: the server says nothing more for {self._options.idle_timeout:g} s"
            f"{self._so_far()}"
        )

    def _cut(self, error: Exception) -> ResponseCut:
        if not self.was_answered:
            return ResponseCut(
                f"{self._ask.url}: the server has ended the connection without an answer"
            )
        if not self.response.status:
            return ResponseCut(f"{self._ask.url}: the connection ended inside the response's head")
        why = "" if isinstance(error, EOFError | IncompleteMessage) else f" ({error})"
        return ResponseCut(f"{self._ask.url}: the body was cut off{self._so_far()}{why}")

    def _so_far(self) -> str:
        if not self.response.status:
            return ""
        length = self.length
        of = f" of {length}" if length is not None else ""
        return f" after {self.received}{of} bytes"

    def _bad(self, why: str) -> BadMessage:
        return BadMessage(f"{self._ask.url}: what the server sends is no proper HTTP: {why}")
