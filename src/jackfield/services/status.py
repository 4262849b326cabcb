"""What a running server says of itself over HTTP: counters for Prometheus, and who is connected.

    GET /metrics        counters, in the text format of Prometheus
    GET /connections    who is connected, as JSON

One request a connection. For operators: keep it on loopback, or behind something that asks who
is there.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from jackfield.errors import MessageTooLong
from jackfield.framing.lines import lines
from jackfield.limits import Limits
from jackfield.metrics import CONTENT_TYPE, Metrics, Served
from jackfield.net.connection import Connection
from jackfield.net.details import is_address
from jackfield.service import Service

LONGEST_LINE = 8192
MOST_LINES = 100
"""Bytes of a line of a request, and lines of it."""

LIMITS = Limits(connections=64, first_message=10, idle=10, message_time=10)


def make(metrics: Metrics, servers: list[Served]) -> Service[str]:
    """Make the service that answers for some servers. Not for `processes`: it looks into them."""
    framing = lines(encoding="latin-1", max_message=LONGEST_LINE)
    return Service("status", _Status(metrics, servers), framing, LIMITS)


@dataclass(frozen=True)
class _Status:
    metrics: Metrics
    servers: list[Served]

    async def __call__(self, conn: Connection[str]) -> None:
        request = host = ""
        try:
            request = await conn.receive()
            count = 1
            while field := await conn.receive():
                name, _, value = field.partition(":")
                if name.lower() == "host":
                    host = value.strip()
                count += 1
                if count > MOST_LINES:
                    await _answer(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    return
        except MessageTooLong:
            await _answer(conn, HTTPStatus(431 if request else 414))
            return
        method, _, rest = request.partition(" ")
        target, _, version = rest.partition(" ")
        page = self._pages.get(target.partition("?")[0])
        head = method == "HEAD"
        if not version.startswith("HTTP/1."):
            await _answer(conn, HTTPStatus.BAD_REQUEST)
        elif conn.local.is_loopback and not _is_own(host):
            await _answer(conn, HTTPStatus.MISDIRECTED_REQUEST, head=head)
        elif method not in {"GET", "HEAD"}:
            await _answer(conn, HTTPStatus.METHOD_NOT_ALLOWED)
        elif page is None:
            await _answer(conn, HTTPStatus.NOT_FOUND, head=head)
        else:
            await _answer(conn, HTTPStatus.OK, *await page(self), head=head)

    async def _index(self) -> tuple[str, str]:
        return "text/plain; charset=utf-8", "GET /metrics or /connections\n"

    async def _counters(self) -> tuple[str, str]:
        return CONTENT_TYPE, await self.metrics.page()

    async def _connections(self) -> tuple[str, str]:
        found = [
            {"service": server.service.name} | one._asdict()
            for server in self.servers
            for one in await server.status()
        ]
        return "application/json", json.dumps(found, indent=1) + "\n"

    _pages: ClassVar[dict[str, Callable[[Any], Awaitable[tuple[str, str]]]]] = {
        "/": _index,
        "/metrics": _counters,
        "/connections": _connections,
    }


def _is_own(host: str) -> bool:
    """Whether a Host field names this machine itself, or no name at all.

    On loopback another name means that a page in the operator's browser asks, whose name server
    says that it is here (DNS rebinding).
    """
    name = host.rpartition("]")[0].lstrip("[") if "]" in host else host.partition(":")[0]
    return name.lower() in {"", "localhost"} or is_address(name)


async def _answer(
    conn: Connection[str],
    status: HTTPStatus,
    kind: str = "text/plain; charset=utf-8",
    text: str = "",
    *,
    head: bool = False,
) -> None:
    body = (text or f"{status} {status.phrase}\n").encode()
    fields = [
        f"HTTP/1.1 {status} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        fields.append("Allow: GET, HEAD")
    await conn.send_chunk("".join(f"{field}\r\n" for field in fields).encode() + b"\r\n")
    if not head:
        await conn.send_chunk(body)
