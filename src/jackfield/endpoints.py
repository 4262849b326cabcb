"""Endpoints as URLs: read, checked, held and written. Nothing here opens or looks up anything.

The rules this file owns:

1. The forms, each with options in the query where its transport takes any::

       tcp://HOST:PORT   tls://HOST:PORT   udp://HOST:PORT
       unix:///PATH   unix:@NAME (abstract); so too unix+dgram: and unix+seqpacket:
       fd://NUMBER   memory://NAME

2. HOST is an IPv4 address of four decimal numbers, an IPv6 address in brackets, or a name.
   A zone is written `[fe80::1%25eth0]` (RFC 6874); `[fe80::1%eth0]` is taken too, except that
   `%25` always stands for the percent sign. No HOST at all means localhost: never all
   addresses, which are `[::]` or `0.0.0.0`.
3. A UNIX path and the value of an option may hold any byte but NUL, percent-encoded where it
   is no printable character or means something in a URL.
4. `parse(str(endpoint)) == endpoint` for whatever `parse()` gave. So one endpoint has one
   canonical URL: addresses and ASCII names in lower case, sizes in bytes, times in seconds.
5. A URL that is not an endpoint raises `EndpointError` and nothing else. Its one line quotes
   the URL, names the part that is wrong, and ends with a URL that is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from jackfield.errors import EndpointError

_MAX_URL, _MAX_PORT, _MAX_FD = 4096, 65535, 2**31 - 1  # characters; a port; a C int
_MAX_UNIX, _MAX_NAME = 107, 253  # bytes: unix(7) less one NUL; RFC 1035 less first length and root
_MAX_BUFFER = 2**30 - 1  # socket(7): the kernel keeps the double of it in an int
_MAX_KEEPALIVE = 32767  # tcp(7), TCP_KEEPIDLE
_SHOWN = 200  # characters of a part that a message quotes

_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([^\[\]:]*))?")
_LOOPBACK = re.compile(r"localhost|::1(%.*)?|(::ffff:)?127(\.[0-9]{1,3}){3}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERFACE = re.compile(r"[A-Za-z0-9._~-]{1,15}")  # RFC 6874's unreserved; Linux's IFNAMSIZ
_CARD = "an interface, 1 to 15 of A-Z a-z 0-9 . _ ~ -"
_PROTOCOLS = re.compile(r"[!-+\--~]{1,255}(,[!-+\--~]{1,255}){0,15}")  # RFC 7301, section 3.1
_MEMORY = re.compile(r"[\w.~-]+")
_SCALED = re.compile(r"([0-9]+)([A-Za-z]*)")
_FLAGS = {"on": True, "off": False}
_NO_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


class Transport(StrEnum):
    """What an endpoint runs on. The value is the scheme of its URL."""

    TCP = "tcp"
    TLS = "tls"
    UDP = "udp"
    UNIX = "unix"
    UNIX_DATAGRAM = "unix+dgram"
    UNIX_SEQPACKET = "unix+seqpacket"
    FD = "fd"
    MEMORY = "memory"


_SCHEMES = {str(transport): transport for transport in Transport}

_TLS, _UDP = frozenset({Transport.TLS}), frozenset({Transport.UDP})
_TCP = frozenset({Transport.TCP}) | _TLS
_WITH_HOST = _TCP | _UDP
_DATAGRAM = frozenset({Transport.UDP, Transport.UNIX_DATAGRAM})
_BOUNDARIES = _DATAGRAM | {Transport.UNIX_SEQPACKET}
_UNIX = frozenset({Transport.UNIX, Transport.UNIX_DATAGRAM, Transport.UNIX_SEQPACKET})
_STREAM = frozenset(Transport) - _BOUNDARIES
_LISTENING = (_TCP | _UNIX) - _DATAGRAM

_EXAMPLES = (
    {transport: f"{transport}://127.0.0.1:9999" for transport in _WITH_HOST}
    | {transport: f"{transport}:///run/x.sock" for transport in _UNIX}
    | {Transport.FD: "fd://3", Transport.MEMORY: "memory://x"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the query of an endpoint's URL sets. None leaves a thing to our or the system's default.

    `str()` gives the query with its question mark, or nothing when all is left to defaults.
    """

    backlog: int | None = None
    """Connections that may wait to be accepted, 1 to 65535; listen(2)."""
    nodelay: bool | None = None
    """Whether small writes leave at once; tcp(7), TCP_NODELAY."""
    keepalive: int | None = None
    """Seconds of silence until the system asks whether the peer is there, up to 32767; 0 is off."""
    rcvbuf: int | None = None
    """Bytes the system may hold unread; socket(7), SO_RCVBUF."""
    sndbuf: int | None = None
    """Bytes the system may hold unsent; socket(7), SO_SNDBUF."""
    broadcast: bool | None = None
    """Whether datagrams may go to a broadcast address."""
    group: str | None = None
    """The multicast group to join: an IPv4 or IPv6 address."""
    interface: str | None = None
    """The network interface multicast uses, by name."""
    ttl: int | None = None
    """Routers a datagram may pass, 1 to 255."""
    cert: str | None = None
    """File with our certificate."""
    key: str | None = None
    """File with the private key of `cert`."""
    ca: str | None = None
    """File with the certificates of the authorities we trust."""
    alpn: str | None = None
    """Application protocols to agree on one of, most wanted first, between commas; RFC 7301."""

    def __str__(self) -> str:
        items = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                off = value == 0  # False, or a time of 0
                text = "off" if off else "on" if value is True else _quoted(str(value), "%#&")
                items.append(f"{field.name}={text}")
        return "?" + "&".join(items) if items else ""


DEFAULT_OPTIONS = Options()
"""All left to defaults: one object, shared by every endpoint without options of its own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where bytes enter or leave; `str()` gives its canonical URL.

    `parse()` makes one of a URL and checks it. The class itself checks nothing: what the system
    tells of a peer is taken as it is, so the path of a UNIX peer may be empty.
    """

    transport: Transport
    host: str = ""
    """An address or a name, without brackets; a zone stands after a plain `%`."""
    port: int = 0
    path: str = ""
    """UNIX: the path, or `@` and the abstract name. Memory: the name."""
    fd: int = -1
    options: Options = DEFAULT_OPTIONS

    @property
    def is_stream(self) -> bool:
        """Whether bytes flow with no boundaries in them (an inherited socket is taken to)."""
        return self.transport in _STREAM

    @property
    def is_datagram(self) -> bool:
        """Whether messages go one by one, without a connection."""
        return self.transport in _DATAGRAM

    @property
    def keeps_boundaries(self) -> bool:
        """Whether the transport itself tells where a message ends."""
        return self.transport in _BOUNDARIES

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. Of names, localhost alone is known to be so."""
        return self.transport not in _WITH_HOST or _LOOPBACK.fullmatch(self.host) is not None

    @property
    def is_any(self) -> bool:
        """Whether it stands for every address of this machine."""
        return self.host in {"0.0.0.0", "::"}

    @property
    def address(self) -> str:
        """The URL without scheme and options, for people to read: `[::1]:9999`, `/run/x.sock`."""
        if self.transport in _WITH_HOST:
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"{host}:{self.port}"
        return str(self.fd) if self.transport is Transport.FD else self.path

    def with_port(self, port: int) -> Endpoint:
        """Give the same endpoint with the port the system chose for port 0."""
        return replace(self, port=port)

    def __str__(self) -> str:
        if self.transport in _UNIX:
            slashes = "//" if self.path.startswith("/") else ""
            return f"{self.transport}:{slashes}{_quoted(self.path, '%?#')}{self.options}"
        return f"{self.transport}://{self.address.replace('%', '%25')}{self.options}"


class _Wrong(Exception):
    """A part of a URL is wrong. What leaves this file is an EndpointError instead.

    better: URLs that may be what was meant, likeliest first; `parse()` finds out which are right.
    """

    def __init__(self, what: str, *better: str) -> None:
        super().__init__(what)
        self.better = better


def parse(url: str) -> Endpoint:
    """Make an endpoint of a URL of at most 4096 characters, as the top of this module has them.

    Raises EndpointError: one line that quotes the URL and says what is wrong and what is right.
    """
    try:
        return _read(url)
    except _Wrong as wrong:
        transport = _SCHEMES.get(url.partition(":")[0].lower(), Transport.TCP)
        example = _first_right(*wrong.better, _EXAMPLES[transport])
        raise EndpointError(f"{_shown(url)}: {wrong}; for example {example}") from None


def _first_right(url: str, *others: str) -> Endpoint:
    """Give the first of these URLs that is right; the last one is."""
    try:
        return _read(url)
    except _Wrong:
        return _first_right(*others)


def _read(url: str) -> Endpoint:
    if len(url) > _MAX_URL:
        raise _Wrong(f"{len(url)} characters are more than the {_MAX_URL} a URL may have")
    odd = next((char for char in url if char == " " or not char.isprintable()), None)
    if odd is not None:
        what = f"{odd!r} cannot stand in a URL (in a path it is percent-encoded)"
        raise _Wrong(what, url.strip().replace(" ", "%20"))
    whole, hash_sign, fragment = url.partition("#")
    if hash_sign:
        what = f"fragment {_shown('#' + fragment)} has no place in an endpoint (in a path # is %23)"
        raise _Wrong(what, whole)
    place, _, query = url.partition("?")
    scheme, _, rest = place.partition(":")
    transport = _SCHEMES.get(scheme.lower())
    if transport is None:
        raise _no_scheme(url, scheme, rest)
    if transport in _UNIX:
        endpoint = Endpoint(transport, path=_read_path(transport, rest.removeprefix("//")))
    elif not rest.startswith("//"):
        raise _Wrong(f"the // after {transport}: is missing", f"{transport}://{rest}")
    elif transport in _WITH_HOST:
        endpoint = _read_host_and_port(transport, rest[2:])
    else:
        endpoint = _read_fd_or_memory(transport, rest[2:])
    if query:
        endpoint = replace(endpoint, options=_read_options(endpoint, query))
    if len(str(endpoint)) > _MAX_URL:
        raise _Wrong(f"its canonical form has more than the {_MAX_URL} characters a URL may have")
    return endpoint


def _no_scheme(url: str, scheme: str, rest: str) -> _Wrong:
    meant, guess = _did_you_mean(scheme.lower(), list(_SCHEMES))
    if "://" not in url and (not meant or not rest or rest.isdecimal()):
        return _Wrong("the scheme is missing", f"tcp://{url}", f"unix:{url}")
    what = f"scheme {_shown(scheme)} is unknown{guess}; known are {', '.join(_SCHEMES)}"
    return _Wrong(what, meant + url.removeprefix(scheme))


def _read_host_and_port(transport: Transport, rest: str) -> Endpoint:
    prefix = f"{transport}://"
    authority, slash, path = rest.partition("/")
    if slash:
        raise _Wrong(f"path {_shown('/' + path)} has no place after host:port", prefix + authority)
    user, at_sign, place = authority.rpartition("@")
    if at_sign:
        raise _Wrong(f"user info {_shown(user + '@')} has no place in an endpoint", prefix + place)
    found = _HOST_AND_PORT.fullmatch(place)
    if found is None:
        what = f"{_shown(place)} is not host:port, where an IPv6 address goes in brackets"
        bare = place.replace("[", "").replace("]", "")
        address, _, last = bare.rpartition(":")
        raise _Wrong(what, f"{prefix}[{address}]:{last}", f"{prefix}[{bare}]:9999")
    host, port = found.groups()
    example = f"{prefix}{host}:9999"
    host = _read_ipv6(host[1:-1]) if host.startswith("[") else _read_name(host or "localhost")
    if not port:
        raise _Wrong("the port is missing", example)
    number = _natural(port)
    if number < 0:
        raise _Wrong(f"port {_shown(port)} is not a number", example)
    if number > _MAX_PORT:
        raise _Wrong(f"port {_shown(port)} is past {_MAX_PORT}", example)
    return Endpoint(transport, host, number)


def _read_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        parsed = IPv6Address(address)
    except ValueError:
        raise _Wrong(f"host {_shown(text)} is in brackets but is not an IPv6 address") from None
    # Not all of our Pythons write these as the system and RFC 5952 do.
    mapped = parsed.ipv4_mapped
    host = str(parsed) if mapped is None else f"::ffff:{mapped}"
    if not percent:
        return host
    zone = zone.removeprefix("25")
    if not _INTERFACE.fullmatch(zone):
        raise _Wrong(f"zone {_shown(zone)} of host {_shown(text)} is not {_CARD}")
    return f"{host}%{zone}"


def _read_name(host: str) -> str:
    """Check a name or an IPv4 address; only a name beyond ASCII comes back as it is."""
    shown = _shown(host)
    try:
        plain = (host if host.isascii() else host.encode("idna").decode("ascii")).lower()
    except UnicodeError:
        raise _Wrong(f"host {shown} is not a name that IDNA (RFC 3490) can put in ASCII") from None
    labels = plain.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        _check_ipv4(plain)
        return plain
    for label in labels:
        if not _LABEL.fullmatch(label):
            rule = "1 to 63 letters, digits, underscores or, inside, hyphens"
            raise _Wrong(f"label {_shown(label)} of host {shown} is not {rule}")
    if len(plain.removesuffix(".")) > _MAX_NAME:
        raise _Wrong(f"host {shown} has {len(plain)} characters, past the {_MAX_NAME} of a name")
    return plain if host.isascii() else host


def _check_ipv4(host: str) -> None:
    octets = host.split(".")
    if len(octets) != 4 or min(map(_natural, octets)) < 0:
        raise _Wrong(f"host {_shown(host)} is not an IPv4 address of four decimal numbers")
    for octet in octets:
        part = f"{_shown(octet)} in host {_shown(host)}"
        if octet != "0" and octet.startswith("0"):
            raise _Wrong(f"{part} begins with a 0, which some programs take for octal")
        if _natural(octet) > 255:
            raise _Wrong(f"{part} is past 255")


def _read_path(transport: Transport, text: str) -> str:
    path = _decoded(text)
    shown = _shown(path)
    if not path.startswith(("/", "@")):
        what = f"path {shown} begins neither with / nor, as an abstract name does, with @"
        raise _Wrong(what, f"{transport}:///{text}")
    if path == "@" or (path.startswith("/") and path.endswith("/")):
        raise _Wrong(f"path {shown} has no name at its end")
    size = len(path.removeprefix("@").encode("utf-8", "surrogateescape"))
    if size > _MAX_UNIX:
        raise _Wrong(f"path {shown} has {size} bytes, past the {_MAX_UNIX} of a UNIX socket")
    return path


def _read_fd_or_memory(transport: Transport, text: str) -> Endpoint:
    if transport is Transport.MEMORY:
        if not _MEMORY.fullmatch(text):
            raise _Wrong(f"name {_shown(text)} is not made of letters, digits and . _ ~ - alone")
        return Endpoint(transport, path=text)
    fd = _natural(text)
    if not 0 <= fd <= _MAX_FD:
        raise _Wrong(f"{_shown(text)} is not the number of a descriptor, 0 to {_MAX_FD}")
    return Endpoint(transport, fd=fd)


def _natural(text: str) -> int:
    """Read a decimal number, however long; -1 when it is none. Past 18 digits it is not exact."""
    return int(text.lstrip("0")[:19] or 0) if text.isascii() and text.isdecimal() else -1


def _number(text: str, most: int) -> int | None:
    number = _natural(text)
    return number if 1 <= number <= most else None


def _scaled(text: str, units: dict[str, int]) -> int:
    """Read a number and the unit after it; 0 when it is none."""
    found = _SCALED.fullmatch(text)
    return _natural(found[1]) * units.get(found[2], 0) if found else 0


def _size(text: str) -> int | None:
    size = _scaled(text.upper(), {"": 1, "K": 1024, "M": 1024 * 1024})
    return size if 1 <= size <= _MAX_BUFFER else None


def _seconds(text: str) -> int | None:
    if text in {"off", "0"}:
        return 0
    seconds, odd = divmod(_scaled(text, {"ms": 1, "": 1000, "s": 1000, "m": 60_000}), 1000)
    return seconds if not odd and 1 <= seconds <= _MAX_KEEPALIVE else None


def _group(text: str) -> str | None:
    try:
        group = ip_address(text)
    except ValueError:
        return None
    first = group.packed[0]
    multicast = first == 255 if group.version == 6 else 224 <= first < 240
    return str(group) if multicast and "%" not in text else None


def _matching(text: str, pattern: re.Pattern[str]) -> str | None:
    return text if pattern.fullmatch(text) else None


class _Option(NamedTuple):
    read: Callable[[str], Any]  # gives None for a text that does not fit
    rule: str  # what fits
    example: str
    transports: frozenset[Transport]


_SIZE = f"a size from 1 to {_MAX_BUFFER} bytes, such as 65536, 64K or 1M"
_TIME = f"off or whole seconds from 1 to {_MAX_KEEPALIVE}, such as 30, 30s, 2000ms or 2m"

# fd:// takes none: whoever opened that socket has set it up. UNIX sockets take no rcvbuf, since
# it does nothing there (unix(7)).
_OPTIONS = {
    "backlog": _Option(partial(_number, most=65535), "a number from 1 to 65535", "128", _LISTENING),
    "nodelay": _Option(_FLAGS.get, "on or off", "on", _TCP),
    "keepalive": _Option(_seconds, _TIME, "30s", _TCP),
    "rcvbuf": _Option(_size, _SIZE, "64K", _WITH_HOST),
    "sndbuf": _Option(_size, _SIZE, "64K", _WITH_HOST | _UNIX),
    "broadcast": _Option(_FLAGS.get, "on or off", "on", _UDP),
    "group": _Option(_group, "an address in 224.0.0.0/4 or ff00::/8", "239.1.2.3", _UDP),
    "interface": _Option(partial(_matching, pattern=_INTERFACE), _CARD, "eth0", _UDP),
    "ttl": _Option(partial(_number, most=255), "a number from 1 to 255", "1", _UDP),
    "cert": _Option(str, "the name of a file", "cert.pem", _TLS),
    "key": _Option(str, "the name of a file", "key.pem", _TLS),
    "ca": _Option(str, "the name of a file", "ca.pem", _TLS),
    "alpn": _Option(
        partial(_matching, pattern=_PROTOCOLS),
        "names of 1 to 255 characters, with commas",
        "h2,http/1.1",
        _TLS,
    ),
}


def _read_options(endpoint: Endpoint, query: str) -> Options:
    """Read the query of a URL; the endpoint is what the rest of the URL says."""
    known = [name for name, option in _OPTIONS.items() if endpoint.transport in option.transports]
    takes = f"{endpoint.transport} takes {', '.join(known) or 'no options'}"
    values: dict[str, Any] = {}
    for item in query.split("&"):
        name, _, text = item.partition("=")
        if name not in _OPTIONS:
            meant, guess = _did_you_mean(name, known)
            what = f"option {_shown(name)} is unknown{guess}; {takes}"
            raise _Wrong(what, f"{endpoint}?{meant}={text}", str(endpoint))
        if name not in known:
            raise _Wrong(f"option {name} does not apply; {takes}", str(endpoint))
        option = _OPTIONS[name]
        example = f"{endpoint}?{name}={option.example}"
        if name in values:
            raise _Wrong(f"option {name} is given twice", f"{endpoint}?{name}={text}", example)
        value = _decoded(text)
        values[name] = option.read(value) if value else None
        if values[name] is None:
            raise _Wrong(f"{name} {_shown(value)} is not {option.rule}", example)
    return Options(**values)


def _did_you_mean(word: str, known: list[str]) -> tuple[str, str]:
    """Give the known word nearest to this one, and the question for it; both empty if none is."""
    near = get_close_matches(word, known, 1)
    return (near[0], f" (did you mean {near[0]}?)") if near else ("", "")


def _decoded(text: str) -> str:
    """Undo percent-encoding, without NUL; bytes that are not UTF-8 become surrogates (PEP 383)."""
    found = _NO_PERCENT.search(text)
    if found:
        raise _Wrong(f"{_shown(found[0])} is not a percent-encoded byte (the sign % itself is %25)")
    data = unquote_to_bytes(text)
    if b"\0" in data:
        raise _Wrong(f"{_shown(text)} holds a NUL byte, which no path has")
    return data.decode("utf-8", "surrogateescape")


def _quoted(text: str, special: str) -> str:
    """Percent-encode what cannot stand in a URL, and nothing that people can read."""
    return "".join(
        quote(char, safe="", errors="surrogateescape")
        if char == " " or char in special or not char.isprintable()
        else char
        for char in text
    )


def _shown(text: str) -> str:
    """Quote a part in a line of text: cut when long, escaped when blank or unprintable."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return text if text and text.isprintable() and " " not in text else repr(text)
