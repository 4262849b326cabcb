"""A plain client of HTTP, Python's own, for tests of servers."""

from __future__ import annotations

import os
import ssl
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from jackfield.endpoints import Endpoint, Transport
from tests.live import PATIENCE


class Reply(NamedTuple):
    """An answer. Names of fields are in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Browser:
    """Asks one request after another, on one connection as long as the server goes on."""

    def __init__(self, endpoint: Endpoint, *, ca: str = "") -> None:
        where = (endpoint.host, endpoint.port)
        if endpoint.transport is Transport.TLS:
            context = ssl.create_default_context(cafile=ca)
            self.conn: HTTPConnection = HTTPSConnection(*where, timeout=PATIENCE, context=context)
        else:
            self.conn = HTTPConnection(*where, timeout=PATIENCE)

    def ask(
        self, target: str, method: str = "GET", body: bytes | None = None, /, **fields: str
    ) -> Reply:
        """Ask; a field's name is written with `_` for `-`."""
        self.conn.putrequest(method, target, skip_host="Host" in fields, skip_accept_encoding=True)
        for name, value in fields.items():
            self.conn.putheader(name.replace("_", "-"), value)
        if body is not None:
            self.conn.putheader("Content-Length", str(len(body)))
        self.conn.endheaders(body)
        answer = self.conn.getresponse()
        got = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, got, answer.read())

    @property
    def is_open(self) -> bool:
        """Whether the connection of the last answer goes on."""
        return self.conn.sock is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.conn.close()


def settle(folder: Path) -> None:
    """Have all files of a folder look as if nobody had changed them for long."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
