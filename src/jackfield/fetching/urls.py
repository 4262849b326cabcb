"""URLs of http and https: read, checked, resolved and written. Nothing here looks anything up.

The rules this file owns:

1. The forms are `http://` and `https://`, `[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]`; a
   fragment is dropped, since it is not the server's business (RFC 9110, section 7.1).
2. HOST is as in an endpoint. A name beyond ASCII is put in ASCII by IDNA (RFC 3490).
3. What cannot stand in a path or a query is percent-encoded, as UTF-8; what is percent-encoded
   already stays. Control characters are refused: somebody meant something else.
4. Dot segments are removed (RFC 3986, section 5.2.4).
5. A password never shows: `str()` leaves it out, and so does every error.
"""

from __future__ import annotations

import contextlib
import re
from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.parse import quote_from_bytes, unquote_to_bytes

from jackfield import endpoints
from jackfield.endpoints import Endpoint, Options, Transport
from jackfield.errors import EndpointError

MOST = 8000
"""Characters of a URL: what RFC 9112, section 3, asks for at the least of a request's target."""

PORTS = {"http": 80, "https": 443}

_SHOWN = 200
"""Characters of a URL that a message quotes."""

_PARTS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL
)
"""RFC 3986, appendix B, where a scheme is one."""

_PLACE = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{0,5}))?")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udc7f\udd00-\udfff]")
"""Those, and surrogates that stand for no byte."""

_NO_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PASSWORD = re.compile(r"(?:(?<=//)|^)[^/?#]*@")

_IN_PATH = "/:@!$&'()*+,;=~-._%"
_IN_QUERY = _IN_PATH + "?"
"""What may stand there as it is: RFC 3986, sections 3.3 and 3.4."""


@dataclass(frozen=True, slots=True)
class URL:
    """A URL of http or https. `str()` gives it without user and password."""

    scheme: str
    host: str
    """An address, or a name in ASCII; without brackets."""
    port: int
    target: str = "/"
    """Path and query as they are sent: RFC 9112, section 3.2.1."""
    user: str | None = None
    password: str | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it takes TLS."""
        return self.scheme == "https"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is trusted with the same secrets: RFC 6454, section 4."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """What the field Host says: RFC 9110, section 7.2."""
        host = self.host.partition("%")[0]  # a zone is of this machine alone: RFC 6874, section 1
        host = f"[{host}]" if ":" in host else host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def endpoint(self, ca: str | None = None, cert: str = "", key: str = "") -> Endpoint:
        """Give where to connect to, and for TLS by which files: see `Options`."""
        if not self.is_secure:
            return Endpoint(Transport.TCP, self.host, self.port)
        options = Options(cert=cert or None, key=key or None, ca=ca or None, alpn="http/1.1")
        return Endpoint(Transport.TLS, self.host, self.port, options=options)

    def join(self, reference: str) -> URL:
        """Resolve a reference, as of a field Location: RFC 3986, section 5.2.

        User and password that it names are not used (RFC 9110, section 4.2.4); the caller
        decides whether those of this URL go with it. Raises EndpointError.
        """
        # what came in a field came as bytes: RFC 3986 knows none but ASCII, and UTF-8 is meant
        text = reference.encode("latin-1", "replace").decode("utf-8", "surrogateescape").strip()
        scheme, authority, path, query = _split(text)
        if scheme is not None or authority is not None:
            absolute = text if scheme is not None else f"{self.scheme}:{text}"
            return replace(parse(absolute), user=None, password=None)
        base = self.target.partition("?")[0]
        if path.startswith("/"):
            target = path
        elif path:
            target = f"{base.rpartition('/')[0]}/{path}"
        else:
            target = base
            query = query if query is not None else _split(self.target)[3]
        return replace(self, target=_target(target, query), user=None, password=None)

    @property
    def name(self) -> str:
        """The last part of the path, decoded, as a file may be called; "" where there is none."""
        last = self.target.partition("?")[0].rpartition("/")[2]
        name = unquote_to_bytes(last).decode("utf-8", "replace")
        return "" if name in {".", ".."} or "/" in name or "\\" in name or "\0" in name else name

    def __str__(self) -> str:
        host = self.host.replace("%", "%25")
        host = f"[{host}]" if ":" in host else host
        place = host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"
        return f"{self.scheme}://{place}{self.target}"


def parse(text: str) -> URL:
    """Read a URL of at most `MOST` characters.

    Raises EndpointError: one line that quotes it and says what is wrong and what would be right.
    """
    if len(text) > MOST:
        raise _wrong(text, f"{len(text)} characters are more than the {MOST} of a URL")
    text = text.strip(" ")
    odd = _CONTROL.search(text)
    if odd is not None:
        raise _wrong(text, f"{odd[0]!r} cannot stand in a URL")
    scheme, authority, path, query = _split(text)
    scheme = scheme.lower() if scheme is not None else None
    if scheme not in PORTS:
        bare = "://" not in text
        what = "the scheme is missing" if bare else f"scheme {scheme!r} is neither http nor https"
        raise _wrong(text, what, f"https://{text}" if bare else "https://" + text.split("://")[1])
    if authority is None:
        raise _wrong(text, f"the // after {scheme}: is missing")
    if path and not path.startswith("/"):
        raise _wrong(text, "the host is missing")
    if "\\" in authority:  # which some programs take for a /, and so for another host
        raise _wrong(text, "a \\ cannot stand in a host, nor before it")
    info, at_sign, place = authority.rpartition("@")
    host, port = _place(text, scheme, place)
    user, colon, password = info.partition(":")
    found = URL(
        scheme,
        host,
        port,
        _target(path, query),
        _decoded(user) if at_sign else None,
        _decoded(password) if colon else None,
    )
    if len(str(found)) > MOST:
        raise _wrong(text, f"percent-encoded, it has more than the {MOST} characters of a URL")
    return found


def credentials(user: str, password: str) -> str:
    """Give what the field Authorization says: RFC 7617. Raises EndpointError.

    user: has no colon in it, which would end it.
    """
    if ":" in user or _CONTROL.search(user + password):
        raise EndpointError("a user may have no colon, and neither it nor a password a control")
    both = f"{user}:{password}".encode("utf-8", "surrogateescape")
    return f"Basic {b64encode(both).decode('ascii')}"


def _split(text: str) -> tuple[str | None, str | None, str, str | None]:
    """Give scheme, authority, path and query."""
    found = _PARTS.fullmatch(text)
    assert found is not None  # it matches anything
    scheme, authority, path, query = found.groups()
    return scheme, authority, path, query


def _place(text: str, scheme: str, place: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(place)
    if found is None or not found[1]:
        what = "is not host or host:port, where an IPv6 address goes in brackets"
        raise _wrong(text, f"{_cut(place)!r} {what}" if place else "the host is missing")
    host, port = found[1], int(found[2] or PORTS[scheme])
    try:
        checked = endpoints.parse(f"tcp://{host}:{port}").host
        host = checked if checked.isascii() else checked.encode("idna").decode("ascii").lower()
    except (EndpointError, UnicodeError) as error:
        why = str(error).partition(": ")[2].partition("; for example")[0] or str(error)
        raise _wrong(text, why) from None
    if not port:
        raise _wrong(text, "port 0 is no port to connect to")
    return host, port


def _target(path: str, query: str | None) -> str:
    target = _encoded(_without_dots(path or "/"), _IN_PATH)
    return target if query is None else f"{target}?{_encoded(query, _IN_QUERY)}"


def _encoded(text: str, safe: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return quote_from_bytes(_NO_PERCENT.sub(b"%25", data), safe)


def _without_dots(path: str) -> str:
    """Remove dot segments: RFC 3986, section 5.2.4."""
    kept: list[str] = []
    parts = path.split("/")
    for number, part in enumerate(parts):
        plain = part.replace("%2e", ".").replace("%2E", ".")
        if plain in {".", ".."}:
            if plain == ".." and len(kept) > 1:
                kept.pop()
            if number == len(parts) - 1:
                kept.append("")
        else:
            kept.append(part)
    return "/".join(kept)


def _decoded(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(data).decode("utf-8", "surrogateescape")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _wrong(text: str, what: str, better: str = "") -> EndpointError:
    """Say what is wrong with a URL."""
    shown = _cut(_PASSWORD.sub("", text))
    example = "https://example.org/"
    if better:
        with contextlib.suppress(EndpointError):
            example = str(parse(better))
    return EndpointError(f"{shown!r}: {what}; for example {_cut(example)}")
