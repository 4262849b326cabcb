"""WebSocket's opening handshake (RFC 6455, section 4), by the sans-I/O core of websockets.

The rules this file owns:

1. A server answers 101 to a GET of its path that asks for version 13 of WebSocket, and an error
   of HTTP to all else.
2. A browser tells which web page asks, by Origin. That page must have come from where it connects
   to, host and port, unless its origin is named, or any page is let in. At a loopback endpoint
   that host must be a name of loopback too, or a name that somebody else controls could point
   there. Who sends no Origin is no browser (section 10.2).
3. Compression is agreed on without context takeover, in either direction (RFC 7692, section 7.1.1).
4. A client takes nothing but 101 with the right key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jackfield.endpoints import Endpoint
from jackfield.errors import ConfigurationError, UpgradeError
from jackfield.framing.http import HTTPError, Request, Response
from jackfield.framing.websocket import WINDOW

ServerProtocol: Any
try:
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.extensions import permessage_deflate as deflate
    from websockets.http11 import Request as AnyRequest
    from websockets.http11 import Response as AnyResponse
    from websockets.server import ServerProtocol
    from websockets.uri import parse_uri
except ImportError:  # it is in an extra
    ServerProtocol = None

ANY = "any"
"""Among the origins let in: every one."""

LEAST = 9
"""Bits of the smallest window that zlib compresses with; it reaches no further than one of 8."""

_LOOPBACK = re.compile(r"(.*\.)?localhost|\[::1\]|127(\.[0-9]{1,3}){3}")

_USUAL = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Site:
    """What a server lets in.

    resource: the path, percent-encoded; empty for `/`, None for any.
    origins: of web pages besides its own; `ANY` among them lets in all.
    deflate: whether messages may be compressed.
    is_loopback: whether only this machine can reach it.
    """

    resource: str | None = ""
    origins: tuple[str, ...] = ()
    deflate: bool = True
    is_loopback: bool = False


def site_of(endpoint: Endpoint) -> Site:
    """Say what is let in at an endpoint of WebSocket."""
    options = endpoint.options
    return Site(
        endpoint.resource,
        tuple(options.origin.split(",")) if options.origin else (),
        options.deflate is not False,
        endpoint.is_loopback,
    )


def check_installed() -> None:
    """Raise ConfigurationError without the package websockets."""
    if ServerProtocol is None:
        raise ConfigurationError(
            "WebSocket needs the package websockets; install it, as by pip install 'jackfield[web]'"
        )


def accept(request: Request, site: Site) -> tuple[Response, int]:
    """Give the answer that agrees, and the window to compress with: 0 for not at all.

    Raises HTTPError; `refusal_of()` makes the answer of it.
    """
    if request.method != "GET":
        raise HTTPError(405, f"a WebSocket begins with GET, not {request.method}")
    if site.resource is not None and _path_of(request.target) != (site.resource or "/"):
        raise HTTPError(404, f"there is no WebSocket at this path; it is {site.resource or '/'}")
    if not request.upgrade or request.fields.get("upgrade", "").lower() != "websocket":
        raise HTTPError(426, "a WebSocket is here; connect with a client of ws:// or wss://")
    if request.fields.get("sec-websocket-version") != "13":
        raise HTTPError(426, "version 13 of WebSocket is spoken here")
    _check_origin(request.fields.get("origin"), request.fields.get("host", ""), site)
    factory = deflate.ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True
    )
    protocol = ServerProtocol(extensions=[factory] if site.deflate else None)
    try:
        key, extensions, _ = protocol.process_request(
            AnyRequest(request.target, _headers(request.fields.items()))
        )
    except InvalidHandshake as error:
        raise HTTPError(400, f"no WebSocket can begin so: {_one_line(error)}") from None
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": key}
    if extensions is not None:
        fields["Sec-WebSocket-Extensions"] = extensions
    return Response(101, fields), _window(protocol.extensions)


def refusal_of(error: HTTPError) -> Response:
    """Give the answer that refuses."""
    body = f"{error}\n".encode("utf-8", "replace")
    fields = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if error.status == 405:
        fields["Allow"] = "GET"
    elif error.status == 426:
        fields |= {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        fields["Connection"] = "close, Upgrade"
    return Response(error.status, fields, body)


class Offer:
    """A client's half of one handshake."""

    def __init__(self, endpoint: Endpoint) -> None:
        host = endpoint.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        uri = f"{endpoint.transport}://{host}:{endpoint.port}{endpoint.resource or '/'}"
        if endpoint.options.query:
            uri += f"?{endpoint.options.query}"
        factory = deflate.ClientPerMessageDeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            client_max_window_bits=True,
        )
        self._protocol = ClientProtocol(
            parse_uri(uri), extensions=[factory] if endpoint.options.deflate else None
        )

    def request(self) -> Request:
        """Give what to ask the server."""
        asked = self._protocol.connect()
        return Request("GET", asked.path, dict(asked.headers.raw_items()))

    def agreed(self, response: Response) -> int:
        """Give the window to compress with, 0 for not at all. Raises UpgradeError."""
        answer = f"{response.status} {response.reason}".rstrip()
        try:
            self._protocol.process_response(
                AnyResponse(response.status, response.reason, _headers(response.raw))
            )
        except InvalidStatus:
            where = dict(response.fields).get("location", "")
            to = f" to {where}" if where and 300 <= response.status < 400 else ""
            raise UpgradeError(
                f"the server has answered {answer}{to} in place of beginning a WebSocket"
            ) from None
        except InvalidHandshake as error:
            what = f"the server has answered {answer}, but not as a WebSocket begins"
            raise UpgradeError(f"{what}: {_one_line(error)}") from None
        return _window(self._protocol.extensions)


def _window(extensions: Any) -> int:
    """Give the bits of the window to compress with; 0 where that was not agreed on."""
    for extension in extensions:
        bits: int = extension.local_max_window_bits
        return max(LEAST, min(WINDOW, bits))
    return 0


def _headers(fields: Any) -> Headers:
    headers = Headers()
    for name, value in fields:
        headers[name] = value
    return headers


def _one_line(error: BaseException) -> str:
    parts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        parts.append(str(error))
    return " ".join("; ".join(parts).split())


def _path_of(target: str) -> str:
    """Give the path of a request's target, without a query; RFC 9112, section 3.2."""
    path = target.partition("?")[0]
    if not path.startswith("/"):  # absolute form, as some proxies send it
        path = f"/{path.partition('://')[2].partition('/')[2]}"
    return path


def _check_origin(origin: str | None, host: str, site: Site) -> None:
    if origin is None or ANY in site.origins or origin.lower() in site.origins:
        return
    scheme, colon, asking = origin.lower().partition("://")
    usual = _USUAL.get(scheme, "")
    here = host.lower().removesuffix(usual)
    known = not site.is_loopback or _LOOPBACK.fullmatch(re.sub(r":[0-9]*$", "", here))
    if not colon or asking.removesuffix(usual) != here or not known:
        raise HTTPError(
            403, f"pages of {origin} may not connect here; the endpoint's ?origin= lets them"
        )
