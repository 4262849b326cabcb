"""Handlers by method and path: what services of our own stand on. Not a web framework.

The rules this file owns:

1. A path is a row of names; one in braces stands for any one name, which the handler gets,
   percent-decoded. A name in full is preferred to one in braces. `{name*}` at its end stands for
   all that follows, which the handler gets as it was sent: only it knows what a slash in it means.
2. HEAD is answered by the handler of GET, whose body is left out. OPTIONS is answered here, and so
   is another method than a path has (405) and a path that there is not (404).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from jackfield.http.exchange import Exchange, serve
from jackfield.http.hosts import Hosts
from jackfield.net.connection import Connection

Handler = Callable[..., Awaitable[None]]
"""Called with the exchange, and with what stands for the names in braces, by name."""


class Routes:
    """Routes, and the handler of a service that answers by them.

    hosts: which it answers to; on loopback localhost and addresses alone unless given.
    """

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        self._root = _Node()

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Have `handler` answer requests of this method for this path, such as `/rooms/{room}`."""
        node = self._root
        for name in path.removeprefix("/").split("/"):
            if name.endswith("*}"):
                if node.rest is None:
                    node.rest = name.strip("{*}"), _Node()
                node = node.rest[1]
            elif name.startswith("{"):
                if node.any is None:
                    node.any = name.strip("{}"), _Node()
                node = node.any[1]
            else:
                node = node.names.setdefault(name, _Node())
        node.handlers[method] = handler

    async def __call__(self, conn: Connection[Any]) -> None:
        """Answer request after request."""
        is_local = conn.local.is_loopback

        async def answer(exchange: Exchange) -> None:
            if self._hosts.answer_to(exchange.request, is_local=is_local):
                await self._answer(exchange)
            else:
                await exchange.fail(421)

        await serve(conn, answer)

    async def _answer(self, exchange: Exchange) -> None:
        method = exchange.request.method
        values: dict[str, str] = {}
        handlers = self._root.find(exchange.path.removeprefix("/").split("/"), values)
        if not handlers:
            await exchange.fail(404)
            return
        handler = handlers.get(method) or (handlers.get("GET") if method == "HEAD" else None)
        if handler is not None:
            await handler(exchange, **values)
            return
        allowed = {*handlers, "OPTIONS", *(["HEAD"] if "GET" in handlers else [])}
        fields = {"Allow": ", ".join(sorted(allowed))}
        if method == "OPTIONS":
            await exchange.respond(204, fields=fields)
        else:
            await exchange.fail(405, fields=fields)


class _Node:
    """A place in the tree of paths."""

    def __init__(self) -> None:
        self.names: dict[str, _Node] = {}
        self.any: tuple[str, _Node] | None = None
        self.rest: tuple[str, _Node] | None = None
        self.handlers: dict[str, Handler] = {}

    def find(self, names: list[str], values: dict[str, str]) -> dict[str, Handler]:
        """Give the handlers of a path below here; what stands for names in braces into `values`."""
        if not names:
            return self.handlers
        name, *rest = names
        below = self.names.get(name)
        found = below.find(rest, values) if below is not None else {}
        if not found and self.any is not None and name:
            key, below = self.any
            found = below.find(rest, values)
            if found:
                values[key] = unquote(name)
        if not found and self.rest is not None:
            key, below = self.rest
            found = below.handlers
            values[key] = "/".join(names)
        return found
