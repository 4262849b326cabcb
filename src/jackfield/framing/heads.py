"""What HTTP's messages are: heads of requests and responses, the end of a body, and errors.

`jackfield.framing.http` makes them of bytes, and bytes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from jackfield.errors import BadMessage, LocalProtocolError

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


class HTTPError(BadMessage):
    """A head or body that is not to be used. `status` is what to answer it by."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"{status} {HTTPStatus(status).phrase}: {why}")
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, str(self).partition(": ")[2])


class End:
    """The end of a body."""

    def __repr__(self) -> str:
        return "END"

    def __reduce__(self) -> str:
        return "END"


END: Final = End()
"""What comes behind the last piece of a body."""


class Request:
    """The head of a request.

    target: as it was sent, percent-encoding and all.
    fields: by name in lower case; of one that came several times the values are joined.
    has_body: whether pieces of a body follow, and `END`.
    keep_alive: whether the peer wants to go on with this connection.
    upgrade: whether it wants to go on with another protocol; see `fields`.
    """

    __slots__ = ("fields", "has_body", "keep_alive", "method", "target", "upgrade", "version")

    def __init__(
        self, method: str, target: str, fields: dict[str, str], version: str = "1.1"
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.version = version
        self.has_body = self.upgrade = False
        self.keep_alive = True

    def __repr__(self) -> str:
        return f"{self.method} {self.target} HTTP/{self.version}"


class Response:
    """The head of a response, and its body where that is sent with it.

    fields: to send, by name or as pairs; of a received one by name in lower case.
    raw: the fields of a received one as they came.
    has_body: whether pieces of a body follow.
    until_close: whether that ends with the connection alone, so no `END` follows it.
    keep_alive, upgrade: as in a request.
    """

    __slots__ = (
        "body",
        "fields",
        "has_body",
        "keep_alive",
        "raw",
        "reason",
        "status",
        "until_close",
        "upgrade",
        "version",
    )

    def __init__(
        self,
        status: int,
        fields: Fields = (),
        body: bytes = b"",
        *,
        reason: str | None = None,
        version: str = "1.1",
    ) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.reason = phrase(status) if reason is None else reason
        self.version = version
        self.raw: list[tuple[str, str]] = []
        self.has_body = self.until_close = self.upgrade = False
        self.keep_alive = True

    def __repr__(self) -> str:
        return f"HTTP/{self.version} {self.status} {self.reason}"


Message = Request | Response | bytes | End


def phrase(status: int) -> str:
    """Give the words that belong to a status; RFC 9110, section 15."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def chunked(data: bytes) -> bytes:
    """Make a chunk of some bytes; of none, the last one. RFC 9112, section 7.1."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def encode_head(first: str, fields: Fields) -> bytes:
    """Give the bytes of a head. Raises LocalProtocolError for what no line can carry."""
    pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields)
    text = "".join([f"{first}\r\n", *(f"{name}: {value}\r\n" for name, value in pairs), "\r\n"])
    lines = len(pairs) + 2
    if text.count("\n") != lines or text.count("\r") != lines or "\0" in text:
        raise LocalProtocolError("a line of a head holds CR, LF or NUL, which would break it")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        msg = f"a head is in latin-1, and {text[error.start]!r} is not; percent-encode it"
        raise LocalProtocolError(msg) from None
