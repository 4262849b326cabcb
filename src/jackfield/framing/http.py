"""HTTP/1.1 as a framing: heads and pieces of bodies in, bytes out. httptools does the parsing.

A server receives, for each request, a `Request`; when that has a body, pieces of it as `bytes`
and then `END`. A client receives a `Response` and its body likewise. Either sends heads, with a
body that is whole already if they like, and bytes as they are: `chunked()` makes chunks of them.

The rules this file owns:

1. HTTP/1.1 and 1.0 as RFC 9112 has them. What is ambiguous is refused, never guessed at: two
   lengths, a length with chunks, a bare CR or LF, folded lines, NUL, a second Host.
2. Every part has a bound: target, number and size of fields, body, what is not body in chunks.
3. What breaks the rules raises an `HTTPError`, whose text begins with the status to answer it by.
   Nothing that comes after it is looked at: the connection is to be closed.
4. After a request to upgrade nothing is parsed: what follows is the other protocol's.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from jackfield.errors import (
    ConfigurationError,
    IncompleteMessage,
    LocalProtocolError,
    MessageTooLong,
    RemoteProtocolError,
)
from jackfield.framing.base import Buffer, Cut, Decoder, Framing, as_bytes
from jackfield.framing.heads import (
    END,
    End,
    Fields,
    HTTPError,
    Request,
    Response,
    chunked,
    encode_head,
    phrase,
)

try:
    import httptools
    from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade
except ImportError:  # it is in an extra
    httptools = None  # type: ignore[assignment]

__all__ = [
    "END",
    "HTTP",
    "MAX_BODY",
    "MAX_FIELDS",
    "MAX_HEAD",
    "MAX_TARGET",
    "End",
    "Fields",
    "HTTPError",
    "Request",
    "Response",
    "chunked",
    "encode_head",
    "phrase",
    "too_large",
]

MAX_TARGET = 8000
"""Bytes of a request's target: as many as RFC 9112, section 3, asks for at the least."""

MAX_HEAD = 32 * 1024
"""Bytes of all fields of one head; browsers send about 1 KiB."""

MAX_FIELDS = 100
"""Fields of one head; browsers send about 20."""

MAX_BODY = 1024 * 1024
"""Bytes of a request's body, unless the service says otherwise."""

AT_ONCE = 64 * 1024
"""Bytes of a body that are decoded at once: they are copied, no more."""

_BLANK = 1024
_KEPT = 64 * 1024
"""Bytes of empty lines before a head, and of what follows a request to upgrade."""

_PER_BYTE = 8
"""Bytes of chunk framing per byte of the body at the most, beside what heads may have."""

_VERSION = frozenset({"Invalid HTTP version", "Pause on PRI/Upgrade"})
"""What httptools says of a version that it does not know; the other one is HTTP/2 at once."""

_TIMES = frozenset({"first_message", "message_time"})
"""The limits of whose passing a peer is told by 408."""


class HTTP(Framing[Any]):
    """HTTP/1.1.

    side: "server" receives requests, "client" responses.
    bodiless: for a client whose request was a HEAD: what comes has no body, whatever it says.
    max_body: bytes that a body may have; None for as many as come, as a client likes to have.
    Raises ConfigurationError without httptools, which is in the extra `web`.
    """

    name = "http"
    rests = only_streams = True

    def __init__(
        self,
        side: Literal["server", "client"] = "server",
        *,
        max_body: int | None = MAX_BODY,
        bodiless: bool = False,
    ) -> None:
        if httptools is None:
            raise ConfigurationError(
                "HTTP needs httptools; install it, as by pip install 'jackfield[web]'"
            )
        super().__init__(AT_ONCE)
        self.side = side
        self.max_body = max_body
        self.bodiless = bodiless

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        raise NotImplementedError  # its decoder does not cut

    def decoder(self) -> Decoder[Any]:
        return _Requests(self) if self.side == "server" else _Responses(self)

    def encode(self, message: Any) -> bytes:
        if type(message) is bytes:
            return message
        if isinstance(message, Response):
            first = f"HTTP/1.1 {message.status} {message.reason}"
            return encode_head(first, message.fields) + message.body
        if isinstance(message, Request):
            return encode_head(f"{message.method} {message.target} HTTP/1.1", message.fields)
        return as_bytes(message)

    def refusal(self, reason: str) -> bytes:
        status = reason.partition(" ")[0]
        return self._answer(int(status) if status in _STATUSES else 400, reason)

    def refusal_past(self, limit: str, reason: str) -> bytes:
        return self._answer(408 if limit in _TIMES else 503, reason)

    def _answer(self, status: int, reason: str) -> bytes:
        if self.side == "client":
            return b""
        text = f"{reason}\n".encode("utf-8", "replace")
        fields = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(text)),
            "Connection": "close",
        }
        return encode_head(f"HTTP/1.1 {status} {phrase(status)}", fields) + text


_STATUSES = frozenset(str(int(status)) for status in HTTPStatus)


class _Messages(Decoder[Any]):
    """What requests and responses have in common; httptools calls what begins with `on_`."""

    __slots__ = (
        "_body",
        "_count",
        "_fed",
        "_fields",
        "_in_body",
        "_in_message",
        "_kept",
        "_max_body",
        "_messages",
        "_parser",
        "_parts",
        "_size",
        "_stopped",
        "pieces",
    )

    def __init__(self, framing: HTTP) -> None:
        super().__init__(framing)
        self._max_body = framing.max_body
        self._messages: list[Any] = []
        self._parts: list[bytes] = []  # of a body, to be one piece
        self._fields: dict[str, str] = {}
        self._count = self._size = 0  # fields, and bytes of them
        self._fed = 0  # bytes since the message began, or the last one ended
        self._body = 0  # bytes of its body
        self._in_message = self._in_body = False
        self._stopped = False
        self._kept = b""  # what came after that
        self.pieces = 0
        self._parser: Any = None

    def feed(self, data: bytes) -> list[Any]:
        if self._stopped or self.error is not None:
            self._keep(data)
            return []
        messages = self._messages = []
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._stopped = True
            self._keep(data[upgrade.args[0] :])
        except HttpParserCallbackError as error:
            self._fail(error.__context__)
        except HttpParserError as error:
            text = str(error)
            self._fail(_other_version() if text in _VERSION else HTTPError(400, text))
        if self._parts:
            self._flush()
        if self._in_body:
            self.need = AT_ONCE
            if self._fed > 3 * MAX_HEAD + (_PER_BYTE + 1) * self._body:
                self._fail(HTTPError(400, "there is much in these chunks that is no body"))
        elif self._fed > _BLANK and self.error is None:
            self._check_size()
        return messages

    def _check_size(self) -> None:
        """See to it that what has come of a head is not too long already."""
        if not self._in_message:
            self._fail(HTTPError(400, "nothing but empty lines"))
        elif self._fed > MAX_HEAD + 2 * MAX_TARGET:
            self._fail(too_large())

    def _fail(self, error: BaseException | None) -> None:
        if not isinstance(error, RemoteProtocolError):
            error = HTTPError(400, "what came is no HTTP")
        self.error = error.with_traceback(None)
        self.error.__context__ = None
        self.attention = True
        self._in_message = self._in_body = False

    def _keep(self, data: bytes) -> None:
        if self.error is None:
            self._kept += data
            if len(self._kept) > _KEPT:
                self._fail(HTTPError(400, "more than a request to upgrade can be followed by"))

    def _flush(self) -> None:
        """Make one piece of the parts of a body."""
        parts = self._parts
        self._messages.append(parts[0] if len(parts) == 1 else b"".join(parts))
        self.pieces += 1
        self._parts = []

    def on_message_begin(self) -> None:
        self._in_message = True
        self._fields = {}
        self._count = self._size = self._body = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        self._size += len(name) + len(value) + 4
        if self._count > MAX_FIELDS or self._size > MAX_HEAD:
            raise too_large()
        if self._in_body:  # in a trailer, and nobody has asked for one
            return
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        fields = self._fields
        if key in fields:
            text = f"{fields[key]}{'; ' if key == 'cookie' else ', '}{text}"
        fields[key] = text

    def on_body(self, data: bytes) -> None:
        self._body += len(data)
        if self._max_body is not None and self._body > self._max_body:
            raise HTTPError(413, f"a body may have {self._max_body} bytes")
        self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._in_body:
            if self._parts:
                self._flush()
            self._messages.append(END)
            self.pieces += 1
            self._in_body = False
            self.need = 1
        self._in_message = False
        self._fed = 0

    @property
    def unfinished(self) -> int:
        return max(1, self._fed) if self._in_message else 0

    def finish(self) -> None:
        if self._in_message and self.error is None:
            self.error = IncompleteMessage(
                "the stream ended inside the body of an HTTP message"
                if self._in_body
                else "the stream ended inside the head of an HTTP message"
            )
            self.attention = True

    def drop(self) -> None:
        self.attention = self.error is not None

    def rest(self, unread: int) -> bytes:
        if unread:
            raise LocalProtocolError("HTTP that was parsed cannot be cut by another framing")
        self._parser = None  # which holds this: else both would stay until garbage is collected
        return self._kept


class _Requests(_Messages):
    """What a server receives."""

    __slots__ = ("_target",)

    def __init__(self, framing: HTTP) -> None:
        super().__init__(framing)
        self._target = b""
        self._parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:  # as for responses, in one step: it is for every request
        self._in_message = True
        self._fields = {}
        self._count = self._size = self._body = 0
        self._target = b""

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > MAX_TARGET:
            raise HTTPError(414, f"a target may have {MAX_TARGET} bytes")

    def on_headers_complete(self) -> None:
        parser, fields = self._parser, self._fields
        version = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise _other_version()
        host = fields.get("host")
        if host is None:
            if version == "1.1":
                raise HTTPError(400, "there is no Host field")
        elif "," in host:  # two of them were joined
            raise HTTPError(400, "there is more than one host")
        has_body = False
        if "transfer-encoding" in fields:
            has_body = True
            _check_coding(fields, version)
        elif "content-length" in fields:
            length = int(fields["content-length"])
            has_body = length > 0
            if self._max_body is not None and length > self._max_body:
                raise HTTPError(413, f"a body may have {self._max_body} bytes, not {length}")
        upgrade = parser.should_upgrade()
        method = parser.get_method().decode()
        if upgrade and (has_body or method == "CONNECT"):
            why = "this is no proxy" if method == "CONNECT" else "a request to upgrade has no body"
            raise HTTPError(400, why)
        target = self._target.decode("latin-1")
        request = Request(method, target, fields, version)
        request.has_body = self._in_body = has_body
        request.keep_alive = not upgrade and parser.should_keep_alive()
        request.upgrade = upgrade
        self._messages.append(request)


def _check_coding(fields: dict[str, str], version: str) -> None:
    """See to it that a body comes in chunks that both sides understand alike."""
    if "content-length" in fields:
        raise HTTPError(400, "there is a length, and chunks too")
    if version == "1.0":
        raise HTTPError(400, "HTTP/1.0 has no chunks")
    if fields["transfer-encoding"].strip().lower() != "chunked":
        raise HTTPError(501, "of transfer codings there is chunked, and that once")


def _other_version() -> HTTPError:
    return HTTPError(505, "this server speaks HTTP/1.1 and 1.0")


def too_large() -> HTTPError:
    """Say that a head is past its bounds."""
    return HTTPError(431, f"a head may have {MAX_FIELDS} fields of {MAX_HEAD} bytes in all")


class _Bodiless(Exception):
    """Raised through httptools, which cannot be told in another way that there is no body."""


class _Responses(_Messages):
    """What a client receives."""

    __slots__ = ("_bodiless", "_raw", "_reason", "_until_close")

    def __init__(self, framing: HTTP) -> None:
        super().__init__(framing)
        self._bodiless = framing.bodiless
        self._until_close = False
        self._begin()

    def _begin(self) -> None:
        self._reason = b""
        self._raw: list[tuple[str, str]] = []
        self._parser = httptools.HttpResponseParser(self)

    def _fail(self, error: BaseException | None) -> None:
        if isinstance(error, _Bodiless):
            self.on_message_complete()
            self._begin()
        elif isinstance(error, MessageTooLong | HTTPError) or self.error is None:
            super()._fail(error)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reason = b""
        self._raw = []

    def on_status(self, part: bytes) -> None:
        self._reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if not self._in_body:
            self._raw.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        parser, fields = self._parser, self._fields
        status = parser.get_status_code()
        bodiless = self._bodiless or status < 200 or status in {204, 304}
        counted = "transfer-encoding" in fields or "content-length" in fields
        response = Response(status, fields, reason=self._reason.decode("latin-1"))
        response.version = parser.get_http_version()
        response.raw = self._raw
        response.upgrade = parser.should_upgrade() and status == 101
        response.keep_alive = parser.should_keep_alive()
        if not bodiless:
            response.has_body = fields.get("content-length") != "0"
            response.until_close = not counted
        elif self._bodiless and not counted:
            response.keep_alive = fields.get("connection", "").lower() != "close"
        self._in_body = response.has_body
        self._until_close = response.until_close
        self._messages.append(response)
        if self._bodiless and status >= 200:
            raise _Bodiless

    def finish(self) -> None:
        if not (self._in_body and self._until_close):
            super().finish()
