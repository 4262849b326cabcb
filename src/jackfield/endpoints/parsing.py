"""Reading the URL of an endpoint."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv6Address

from jackfield.endpoints.endpoint import UNIX, WEBSOCKET, WITH_HOST, Endpoint, Transport
from jackfield.endpoints.options import CARD, INTERFACE, read_options
from jackfield.endpoints.text import Wrong, decoded, did_you_mean, natural, sent_path, shown
from jackfield.errors import EndpointError

_MAX_URL, _MAX_PORT, _MAX_FD = 4096, 65535, 2**31 - 1  # characters; a port; a C int
_MAX_UNIX, _MAX_NAME = 107, 253  # bytes: unix(7) less one NUL; RFC 1035 less first length and root

_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([^\[\]:]*))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MEMORY = re.compile(r"[\w.~-]+")

_SCHEMES = {str(transport): transport for transport in Transport}

_EXAMPLES = (
    {transport: f"{transport}://127.0.0.1:9999" for transport in WITH_HOST}
    | {transport: f"{transport}:///run/x.sock" for transport in UNIX}
    | {Transport.FD: "fd://3", Transport.MEMORY: "memory://x"}
)


def parse(url: str) -> Endpoint:
    """Make an endpoint of a URL of at most 4096 characters, as the top of this module has them.

    Raises EndpointError: one line that quotes the URL and says what is wrong and what is right.
    """
    try:
        return _read(url)
    except Wrong as wrong:
        transport = _SCHEMES.get(url.partition(":")[0].lower(), Transport.TCP)
        example = _first_right(*wrong.better, _EXAMPLES[transport])
        raise EndpointError(f"{shown(url)}: {wrong}; for example {example}") from None


def _first_right(url: str, *others: str) -> Endpoint:
    """Give the first of these URLs that is right; the last one is."""
    try:
        return _read(url)
    except Wrong:
        return _first_right(*others)


def _read(url: str) -> Endpoint:
    if len(url) > _MAX_URL:
        raise Wrong(f"{len(url)} characters are more than the {_MAX_URL} a URL may have")
    odd = next((char for char in url if char == " " or not char.isprintable()), None)
    if odd is not None:
        what = f"{odd!r} cannot stand in a URL (in a path it is percent-encoded)"
        raise Wrong(what, url.strip().replace(" ", "%20"))
    whole, hash_sign, fragment = url.partition("#")
    if hash_sign:
        what = f"fragment {shown('#' + fragment)} has no place in an endpoint (in a path # is %23)"
        raise Wrong(what, whole)
    place, _, query = url.partition("?")
    scheme, _, rest = place.partition(":")
    transport = _SCHEMES.get(scheme.lower())
    if transport is None:
        raise _no_scheme(url, scheme, rest)
    if transport in UNIX:
        endpoint = Endpoint(transport, path=_read_path(transport, rest.removeprefix("//")))
    elif not rest.startswith("//"):
        raise Wrong(f"the // after {transport}: is missing", f"{transport}://{rest}")
    elif transport in WITH_HOST:
        endpoint = _read_host_and_port(transport, rest[2:])
    else:
        endpoint = _read_fd_or_memory(transport, rest[2:])
    if query:
        endpoint = replace(endpoint, options=read_options(endpoint, query))
    if len(str(endpoint)) > _MAX_URL:
        raise Wrong(f"its canonical form has more than the {_MAX_URL} characters a URL may have")
    return endpoint


def _no_scheme(url: str, scheme: str, rest: str) -> Wrong:
    meant, guess = did_you_mean(scheme.lower(), list(_SCHEMES))
    if "://" not in url and (not meant or not rest or rest.isdecimal()):
        return Wrong("the scheme is missing", f"tcp://{url}", f"unix:{url}")
    what = f"scheme {shown(scheme)} is unknown{guess}; known are {', '.join(_SCHEMES)}"
    return Wrong(what, meant + url.removeprefix(scheme))


def _read_host_and_port(transport: Transport, rest: str) -> Endpoint:
    prefix = f"{transport}://"
    authority, slash, path = rest.partition("/")
    resource = ""
    if slash and transport in WEBSOCKET:
        resource = f"/{sent_path(path)}" if path else ""
    elif slash:
        raise Wrong(f"path {shown('/' + path)} has no place after host:port", prefix + authority)
    user, at_sign, place = authority.rpartition("@")
    if at_sign:
        raise Wrong(f"user info {shown(user + '@')} has no place in an endpoint", prefix + place)
    found = _HOST_AND_PORT.fullmatch(place)
    if found is None:
        what = f"{shown(place)} is not host:port, where an IPv6 address goes in brackets"
        bare = place.replace("[", "").replace("]", "")
        address, _, last = bare.rpartition(":")
        raise Wrong(what, f"{prefix}[{address}]:{last}", f"{prefix}[{bare}]:9999")
    host, port = found.groups()
    example = f"{prefix}{host}:9999"
    host = _read_ipv6(host[1:-1]) if host.startswith("[") else _read_name(host or "localhost")
    if not port:
        raise Wrong("the port is missing", example)
    number = natural(port)
    if number < 0:
        raise Wrong(f"port {shown(port)} is not a number", example)
    if number > _MAX_PORT:
        raise Wrong(f"port {shown(port)} is past {_MAX_PORT}", example)
    return Endpoint(transport, host, number, resource=resource)


def _read_ipv6(text: str) -> str:
    address, percent, zone = text.partition("%")
    try:
        parsed = IPv6Address(address)
    except ValueError:
        raise Wrong(f"host {shown(text)} is in brackets but is not an IPv6 address") from None
    # Not all of our Pythons write these as the system and RFC 5952 do.
    mapped = parsed.ipv4_mapped
    host = str(parsed) if mapped is None else f"::ffff:{mapped}"
    if not percent:
        return host
    zone = zone.removeprefix("25")
    if not INTERFACE.fullmatch(zone):
        raise Wrong(f"zone {shown(zone)} of host {shown(text)} is not {CARD}")
    return f"{host}%{zone}"


def _read_name(host: str) -> str:
    """Check a name or an IPv4 address; only a name beyond ASCII comes back as it is."""
    quoted_host = shown(host)
    try:
        plain = (host if host.isascii() else host.encode("idna").decode("ascii")).lower()
    except UnicodeError:
        raise Wrong(
            f"host {quoted_host} is not a name that IDNA (RFC 3490) can put in ASCII"
        ) from None
    labels = plain.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        _check_ipv4(plain)
        return plain
    for label in labels:
        if not _LABEL.fullmatch(label):
            rule = "1 to 63 letters, digits, underscores or, inside, hyphens"
            raise Wrong(f"label {shown(label)} of host {quoted_host} is not {rule}")
    if len(plain.removesuffix(".")) > _MAX_NAME:
        raise Wrong(
            f"host {quoted_host} has {len(plain)} characters, past the {_MAX_NAME} of a name"
        )
    return plain if host.isascii() else host


def _check_ipv4(host: str) -> None:
    octets = host.split(".")
    if len(octets) != 4 or min(map(natural, octets)) < 0:
        raise Wrong(f"host {shown(host)} is not an IPv4 address of four decimal numbers")
    for octet in octets:
        part = f"{shown(octet)} in host {shown(host)}"
        if octet != "0" and octet.startswith("0"):
            raise Wrong(f"{part} begins with a 0, which some programs take for octal")
        if natural(octet) > 255:
            raise Wrong(f"{part} is past 255")


def _read_path(transport: Transport, text: str) -> str:
    path = decoded(text)
    quoted_path = shown(path)
    if not path.startswith(("/", "@")):
        what = f"path {quoted_path} begins neither with / nor, as an abstract name does, with @"
        raise Wrong(what, f"{transport}:///{text}")
    if path == "@" or (path.startswith("/") and path.endswith("/")):
        raise Wrong(f"path {quoted_path} has no name at its end")
    size = len(path.removeprefix("@").encode("utf-8", "surrogateescape"))
    if size > _MAX_UNIX:
        raise Wrong(f"path {quoted_path} has {size} bytes, past the {_MAX_UNIX} of a UNIX socket")
    return path


def _read_fd_or_memory(transport: Transport, text: str) -> Endpoint:
    if transport is Transport.MEMORY:
        if not _MEMORY.fullmatch(text):
            raise Wrong(f"name {shown(text)} is not made of letters, digits and . _ ~ - alone")
        return Endpoint(transport, path=text)
    fd = natural(text)
    if not 0 <= fd <= _MAX_FD:
        raise Wrong(f"{shown(text)} is not the number of a descriptor, 0 to {_MAX_FD}")
    return Endpoint(transport, fd=fd)
