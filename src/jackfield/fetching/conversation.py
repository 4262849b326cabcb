"""From a request to the response that counts: redirects followed, tried again where that is safe.

The rules this file owns:

1. Only what is idempotent is asked again (RFC 9110, section 9.2.2), and no more than `retries`
   times in a row without `GAIN` bytes gained.
2. A kept connection that ends before any byte of an answer was closed while it was idle: once, the
   same is asked on a new one (RFC 9112, section 9.3.1), and that is no failure.
3. A body that is cut, or comes no more, is gone on with by Range and If-Range. What comes must
   fit: the same validator, the same total, the very next byte. From a server that sends all of
   it again, what is there already is dropped.
4. Where that cannot be, whoever has kept all of the body so far may have it begin anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from jackfield.errors import (
    BadMessage,
    ConnectError,
    FetchError,
    HTTPStatusError,
    JackfieldError,
    RedirectRefused,
    ResponseCut,
    ServerSilent,
    TLSError,
)
from jackfield.fetching.asking import Ask, Options
from jackfield.fetching.exchange import Exchange
from jackfield.fetching.following import FOLLOWED, redirected
from jackfield.fetching.pool import Pool
from jackfield.fetching.resuming import BUSY, content_range, pause, validator
from jackfield.fetching.steps import Ended, Pausing, Redirected

GAIN = 64 * 1024
"""Bytes that make a try worth it, so that failures are counted anew."""

_MISSED = (ResponseCut, ServerSilent)


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect that was followed."""

    status: int
    url: str
    """Where it was met."""


class Conversation:
    """All requests on the way to one response."""

    def __init__(self, ask: Ask, options: Options, pool: Pool | None) -> None:
        self.ask = ask
        self.options = options
        self.history: list[Hop] = []
        self._is_own = pool is None
        self.pool = pool or Pool()
        self._loop = asyncio.get_running_loop()
        self.began = time.monotonic()
        self._deadline = None
        if options.max_time is not None:
            self._deadline = self._loop.time() + options.max_time
        self._failures = 0

    async def close(self) -> None:
        """Close the connections that nobody else may use."""
        if self._is_own:
            await self.pool.close()

    async def begin(self) -> Exchange:
        """Ask until there is an answer that counts. Raises what `fetch()` does."""
        first = self.ask
        while True:
            error: JackfieldError
            retry_after = ""
            try:
                self.ask = first
                exchange = await self.open()
            except _MISSED as missed:
                error = missed
            except ConnectError as missed:
                if not self.options.retry_connect or isinstance(missed, TLSError):
                    raise
                error = missed
            else:
                if exchange.response.status not in BUSY or not first.is_idempotent:
                    return exchange
                error = busy(self.ask, exchange)
                retry_after = fields_of(exchange).get("retry-after", "")
                if not self._may_pause(retry_after):
                    return exchange
                await exchange.drain()
            if not first.is_idempotent:
                raise error
            await self.pause(error, retry_after)

    async def open(self) -> Exchange:
        """Ask once, and where a redirect leads. `ask` is what was asked last, then."""
        hops: list[Hop] = []
        self.history = hops
        while True:
            exchange = await self._once()
            status = exchange.response.status
            location = fields_of(exchange).get("location")
            if status not in FOLLOWED or not location or not self.options.redirects:
                return exchange
            try:
                if len(hops) >= self.options.redirects:
                    raise self._too_many()
                following = redirected(self.ask, status, location)
            except FetchError:
                exchange.close()
                raise
            await exchange.drain()
            hops.append(Hop(status, str(self.ask.url)))
            self.ask = following
            self.options.tell(Redirected(status, str(following.url)))

    def _too_many(self) -> RedirectRefused:
        urls = [hop.url for hop in self.history] + [str(self.ask.url)]
        circle = " in a circle" if len(set(urls)) < len(urls) else ""
        return RedirectRefused(
            f"{urls[0]}: more than {self.options.redirects} redirects{circle}, the last one from "
            f"{urls[-1]}"
        )

    async def _once(self) -> Exchange:
        """Have one request answered; twice, if the first connection was closed meanwhile."""
        new = False
        while True:
            conn, used = await self.pool.take(self.ask.url, self.options, self._left(), new=new)
            exchange = Exchange(conn, self.ask, self.options, self.pool, self._deadline)
            try:
                await exchange.ask()
            except ResponseCut:
                exchange.close()
                if not used or exchange.was_answered or not self.ask.is_idempotent:
                    raise
                new = True
            except BaseException:
                exchange.close()
                raise
            else:
                return exchange

    def _left(self) -> float:
        """Seconds that connecting may take."""
        timeout = self.options.timeout
        if self._deadline is None:
            return timeout
        return max(0.001, min(timeout, self._deadline - self._loop.time()))

    def _may_pause(self, retry_after: str) -> bool:
        if self._failures >= self.options.retries:
            return False
        seconds = pause(self._failures + 1, retry_after)
        return seconds is not None and self._is_in_time(seconds)

    def _is_in_time(self, seconds: float) -> bool:
        return self._deadline is None or self._loop.time() + seconds < self._deadline

    async def pause(self, error: JackfieldError, retry_after: str = "", offset: int = 0) -> None:
        """Wait before the next try. Raises `error` when there is to be none."""
        if self._failures >= self.options.retries:
            raise error
        self._failures += 1
        seconds = pause(self._failures, retry_after)
        if seconds is None or not self._is_in_time(seconds):
            raise error
        self.options.tell(Pausing(str(error), seconds, offset))
        await asyncio.sleep(seconds)

    def gained(self) -> None:
        """Count failures anew."""
        self._failures = 0


class Body:
    """The bytes of one body as they come, gone on with where they are cut.

    restart: what to do when the body begins anew; None where that cannot be. offset: where in
    the whole the next byte stands.
    """

    def __init__(self, conversation: Conversation, exchange: Exchange) -> None:
        self._conversation = conversation
        self._exchange = exchange
        self.restart: Callable[[], None] | None = None
        fields = fields_of(exchange)
        part = content_range(fields) if exchange.response.status == 206 else None
        self.offset = part.first if part else 0
        length = exchange.length
        self.total = part.total if part else length
        # of a part with an end that was asked for, that end; else all there is
        self._end = part.last + 1 if part and not _is_open(conversation.ask) else self.total
        self._validator = validator(fields)
        self._coding = fields.get("content-encoding", "")
        self._gained_at = self.offset
        self._skip = 0
        self.size = 0

    @property
    def length(self) -> int | None:
        """Bytes that the response at hand is said to have."""
        return self._exchange.length

    async def piece(self) -> bytes:
        """Give the next bytes, b"" at the end. Raises what `fetch()` does."""
        while True:
            try:
                piece = await self._exchange.piece()
            except _MISSED as error:
                self._exchange.close()
                await self._go_on(error)
                continue
            if not piece and self._end is not None and 0 < self.offset < self._end:
                await self._go_on(self._short())  # a server may send less than was asked for
                continue
            if not piece:
                conversation = self._conversation
                seconds = time.monotonic() - conversation.began
                conversation.options.tell(Ended(self.size, seconds))
                return b""
            if self._skip:
                dropped = min(self._skip, len(piece))
                self._skip -= dropped
                piece = piece[dropped:]
                if not piece:
                    continue
            self.offset += len(piece)
            self.size += len(piece)
            if self._end is not None and self.offset > self._end:
                self.close()
                url = self._conversation.ask.url
                raise BadMessage(f"{url}: the server sends more than its Content-Range says")
            return piece

    def close(self) -> None:
        """Be done with it."""
        self._exchange.close()

    async def _go_on(self, error: JackfieldError) -> None:
        """Ask for the rest. Raises `error` where that is not safe, or leads nowhere."""
        conversation = self._conversation
        ask = conversation.ask
        status = self._exchange.response.status
        if ask.method != "GET" or status not in {200, 206}:
            raise error
        can_go_on = (
            bool(self._validator) and fields_of(self._exchange).get("accept-ranges") != "none"
        )
        if not can_go_on and (self.restart is None or status == 206):
            raise error
        if self.offset - self._gained_at >= GAIN:
            conversation.gained()
        self._gained_at = self.offset
        retry_after = ""
        while True:
            await conversation.pause(error, retry_after, self.offset if can_go_on else 0)
            retry_after = ""
            conversation.ask = self._rest_of(ask) if can_go_on else ask
            try:
                exchange = await conversation.open()
            except (*_MISSED, ConnectError) as missed:
                error = missed
                continue
            finally:
                conversation.ask = ask
            if exchange.response.status in BUSY:
                error = busy(ask, exchange)
                retry_after = fields_of(exchange).get("retry-after", "")
                await exchange.drain()
                continue
            if not self._fits(exchange):
                exchange.close()
                raise ResponseCut(f"{error}; and it cannot be gone on with: the source has changed")
            self._exchange = exchange
            return

    def _short(self) -> ResponseCut:
        url = self._conversation.ask.url
        return ResponseCut(f"{url}: the body ended after {self.offset} of {self._end} bytes")

    def _rest_of(self, ask: Ask) -> Ask:
        fields = [pair for pair in ask.fields if pair[0].lower() not in {"range", "if-range"}]
        last = "" if self._end in {None, self.total} else str(self._end - 1)
        fields += [("Range", f"bytes={self.offset}-{last}"), ("If-Range", self._validator)]
        return replace(ask, fields=tuple(fields))

    def _fits(self, exchange: Exchange) -> bool:
        """Whether a response goes on where we are, or can be made to."""
        fields = fields_of(exchange)
        status = exchange.response.status
        same = bool(self._validator) and validator(fields) == self._validator
        same_coding = fields.get("content-encoding", "") == self._coding
        if status == 206:
            part = content_range(fields)
            name = "etag" if self._validator.startswith('"') else "last-modified"
            return (
                part is not None
                and part.first == self.offset
                and (self._end is None or part.last < self._end)
                and (part.total is None or self.total is None or part.total == self.total)
                and same_coding
                and fields.get(name, self._validator).strip() == self._validator
            )
        if status != 200:
            return False
        if same and same_coding and exchange.length == self.total:
            self._skip = self.offset
            return True
        if self.restart is None or not same_coding:
            return False
        self.restart()
        self.offset = self.size = self._gained_at = 0
        self.total = self._end = exchange.length
        self._validator = validator(fields)
        return True


def _is_open(ask: Ask) -> bool:
    """Whether all there is was asked for, from somewhere on."""
    return any(value.strip().endswith("-") for name, value in ask.fields if name.lower() == "range")


def fields_of(exchange: Exchange) -> dict[str, str]:
    """Give the fields of a response that was received."""
    fields = exchange.response.fields
    assert isinstance(fields, dict)
    return fields


def busy(ask: Ask, exchange: Exchange) -> HTTPStatusError:
    """Say that a server will have a request later."""
    response = exchange.response
    return HTTPStatusError(f"{ask.url}: {response.status} {response.reason}", response.status)
