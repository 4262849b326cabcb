"""Connections, made and kept alive between requests: RFC 9112, section 9.3.

The rules this file owns:

1. A connection is used for one request at a time, and kept only when the last one ended as it
   should: its response whole, nothing behind it, and the other side willing.
2. It is used again only for the same origin, with the same TLS files, on the same event loop.
3. No more than `MOST_KEPT` are kept, none longer than `KEPT_FOR`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from jackfield.client import connect, in_background
from jackfield.endpoints import Endpoint
from jackfield.errors import ConnectError
from jackfield.fetching.asking import Options
from jackfield.fetching.steps import Connected, LookedUp, Reused, Tried
from jackfield.fetching.urls import URL
from jackfield.framing.http import HTTP
from jackfield.net.connection import Connection
from jackfield.net.ioloop import IOLoop, current

MOST_KEPT = 16
KEPT_FOR = 30.0
"""Connections that are kept at a time, and seconds: servers close idle ones after 5 to 75."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    conn: Connection[Any]
    since: float


class Pool:
    """Keeps connections alive, so that several fetches share them.

    Give it to `fetch(pool=...)`; use it in `async with`, or in a plain `with` for blocking
    fetches, and all connections are closed at its end.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, list[_Kept]] = {}

    async def take(
        self, url: URL, options: Options, timeout: float, *, new: bool = False
    ) -> tuple[Connection[Any], bool]:
        """Give a connection, and whether it was used before; `new` wants one that was not.

        timeout: seconds that connecting may take. Raises ConnectError.
        """
        io = current()
        key = _key(io, url, options)
        while not new and (kept := self._kept.get(key)):
            last = kept.pop()
            await asyncio.sleep(0)  # what came behind the last response is decoded by then
            if io.loop.time() - last.since <= KEPT_FOR and is_clean(last.conn):
                options.tell(Reused(last.conn.peer))
                return last.conn, True
            last.conn.close_soon()
        return await _connected(url, options, timeout), False

    def give(self, conn: Connection[Any], url: URL, options: Options) -> None:
        """Keep a connection whose response is whole."""
        if not is_clean(conn) or conn.unsent:
            conn.close_soon()
            return
        if conn.is_held:
            conn.release()  # else nobody would hear it when the other side ends it
        now = conn.io_loop.loop.time()
        self._kept.setdefault(_key(conn.io_loop, url, options), []).append(_Kept(conn, now))
        while sum(map(len, self._kept.values())) > MOST_KEPT:
            oldest = min((k for k in self._kept if self._kept[k]), key=self._age_of)
            self._kept[oldest].pop(0).conn.close_soon()

    def _age_of(self, key: Key) -> float:
        return self._kept[key][0].since

    @property
    def size(self) -> int:
        """Connections that are kept now."""
        return sum(map(len, self._kept.values()))

    async def close(self) -> None:
        """Close what is kept. Afterwards it can be used again."""
        io = current()
        all_kept, self._kept = self._kept, {}
        for kept in all_kept.values():
            for one in kept:
                if one.conn.io_loop is io:
                    await one.conn.close()
                else:
                    one.conn.io_loop.run(one.conn.close_soon)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        in_background(self.close())


def is_clean(conn: Connection[Any]) -> bool:
    """Whether nothing has come on a connection that nobody asked for, its end included."""
    return not (conn.is_over or conn.is_ended or conn.messages_at_hand or conn.unfinished)


def _key(io: IOLoop, url: URL, options: Options) -> Key:
    return (id(io), url.origin, options.ca, options.cert, options.key)


def _in_terms_of(url: URL, endpoint: Endpoint, error: ConnectError) -> ConnectError:
    """Say the same of the URL, which is what the caller knows."""
    text = str(error).replace(f"{endpoint}: ", f"{url}: ", 1)
    found = type(error)(text.replace("it may expect tcp://", "it may expect http://"))
    found.errno = error.errno
    return found


async def _connected(url: URL, options: Options, timeout: float) -> Connection[Any]:
    began = time.monotonic()
    endpoint = url.endpoint(options.ca, options.cert, options.key)

    def looked_up(addresses: list[Endpoint], seconds: float) -> None:
        options.tell(LookedUp(url.host, addresses, seconds))

    try:
        conn: Connection[Any] = await connect(
            endpoint,
            HTTP("client", max_body=None),
            timeout=timeout,
            on_attempt=lambda attempt: options.tell(Tried(attempt)),
            on_addresses=looked_up,
        )
    except ConnectError as error:
        raise _in_terms_of(url, endpoint, error) from error.__cause__
    layer = conn.tls_layer
    chain = layer.chain() if layer is not None and options.on_step is not None else []
    options.tell(
        Connected(conn.peer, conn.local, conn.tls, chain, time.monotonic() - began),
    )
    return conn
