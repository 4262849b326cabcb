"""What is asked for, and how: a request before it is sent, and the options of `fetch()`.

The rules this file owns:

1. Host and Content-Length are ours to say: two sides that disagree on where a message ends are
   two sides that an attacker can play off against each other (RFC 9112, section 11.2).
2. A field that the caller names stands in place of the one that would be sent by default; with an
   empty value it is not sent at all.
3. Who wants a body decoded asks for codings; who wants bytes as they are, or a range of them,
   asks for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jackfield.client import TIMEOUT
from jackfield.errors import ConfigurationError
from jackfield.fetching.decoding import offered
from jackfield.fetching.steps import Step
from jackfield.fetching.urls import URL, credentials
from jackfield.framing.http import Request
from jackfield.version import __version__

IDLE = 30.0
"""Seconds that a server may say nothing while it is waited for."""

REDIRECTS = 10
"""Redirects that are followed one after another."""

RETRIES = 3
"""Times that is tried again in a row without anything gained."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a body that is kept in memory as a whole."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""What can be asked twice as well as once: RFC 9110, section 9.2.2."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"content-length", "transfer-encoding", "te", "trailer", "upgrade"})
_FORM = "application/x-www-form-urlencoded"

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Data = bytes | str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """How something is fetched; see `fetch()`, which has the same names."""

    timeout: float = TIMEOUT
    idle_timeout: float = IDLE
    max_time: float | None = None
    redirects: int = REDIRECTS
    retries: int = RETRIES
    retry_connect: bool = False
    max_body: int | None = None
    decode: bool = True
    ca: str | None = None
    cert: str = ""
    key: str = ""
    on_step: Callable[[Step], None] | None = None

    def __post_init__(self) -> None:
        for name in ("timeout", "idle_timeout", "max_time", "max_body"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} is {value!r}, and has to be above 0")
        for name in ("redirects", "retries"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; 0 is none")

    def tell(self, step: Step) -> None:
        """Tell whoever wants to know of a step."""
        if self.on_step is not None:
            self.on_step(step)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request before it is sent. `fields` are all but Host and Content-Length."""

    url: URL
    method: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def is_idempotent(self) -> bool:
        """Whether it can be asked again when nobody knows what came of it."""
        return self.method in IDEMPOTENT

    def request(self) -> Request:
        """Give the head to send."""
        named = {name.lower() for name, _ in self.fields}
        fields = [] if "host" in named else [("Host", self.url.authority)]
        fields += self.fields
        if self.body is not None:
            fields.append(("Content-Length", str(len(self.body))))
        return Request(self.method, self.url.target, fields)  # type: ignore[arg-type]  # in this order


def new_ask(
    url: URL,
    method: str | None,
    data: Data | None,
    headers: Fields,
    auth: tuple[str, str] | None,
    *,
    decode: bool,
) -> Ask:
    """Make a request. Raises ConfigurationError for what cannot be one."""
    body, kind = _body(data)
    method = method or ("GET" if body is None else "POST")
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise ConfigurationError(f"{method[:40]!r} is no method that can be asked with")
    given = _checked(headers)
    if auth is None and url.user is not None:
        auth = (url.user, url.password or "")
    named = {name.lower() for name, _ in given}
    default = {
        "User-Agent": f"jackfield/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": offered() if decode and "range" not in named else "identity",
    }
    if auth is not None:
        default["Authorization"] = credentials(*auth)
    if kind:
        default["Content-Type"] = kind
    fields = [pair for pair in default.items() if pair[0].lower() not in named]
    fields += [(name, value) for name, value in given if value]
    return Ask(url, method, tuple(fields), body)


def _body(data: Any) -> tuple[bytes | None, str]:
    """Give the bytes to send, and what they are by default."""
    if isinstance(data, Mapping):
        return urlencode(data).encode("ascii"), _FORM
    if isinstance(data, str):
        return data.encode(), _FORM
    if data is None or isinstance(data, bytes):
        return data, _FORM if data is not None else ""
    raise ConfigurationError(f"data is bytes, str or a mapping, and not {type(data).__name__}")


def _checked(headers: Fields) -> list[tuple[str, str]]:
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    for name, value in pairs:
        if not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"{name[:80]!r} is no name of a field (RFC 9110, section 5.1)")
        if name.lower() in _OURS:
            raise ConfigurationError(f"the field {name} is not to be set; it follows from the rest")
        if any(char in "\r\n\0" for char in value):
            raise ConfigurationError(f"the value of {name} holds CR, LF or NUL")
    return pairs
