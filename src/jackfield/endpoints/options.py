"""Reading the options of an endpoint: the query of its URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple

from jackfield.endpoints.endpoint import (
    LISTENING,
    TCP,
    TLS,
    UDP,
    UNIX,
    WEBSOCKET,
    WITH_HOST,
    Endpoint,
    Options,
    Transport,
)
from jackfield.endpoints.text import Wrong, decoded, did_you_mean, natural, shown

_MAX_BUFFER = 2**30 - 1  # socket(7): the kernel keeps the double of it in an int
_MAX_KEEPALIVE = 32767  # tcp(7), TCP_KEEPIDLE

INTERFACE = re.compile(r"[A-Za-z0-9._~-]{1,15}")  # RFC 6874's unreserved; Linux's IFNAMSIZ
CARD = "an interface, 1 to 15 of A-Z a-z 0-9 . _ ~ -"
_PROTOCOLS = re.compile(r"[!-+\--~]{1,255}(,[!-+\--~]{1,255}){0,15}")  # RFC 7301, section 3.1
_SCALED = re.compile(r"([0-9]+)([A-Za-z]*)")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")
_QUERY = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+")
_FLAGS = {"on": True, "off": False}


def _number(text: str, most: int) -> int | None:
    number = natural(text)
    return number if 1 <= number <= most else None


def _scaled(text: str, units: dict[str, int]) -> int:
    """Read a number and the unit after it; 0 when it is none."""
    found = _SCALED.fullmatch(text)
    return natural(found[1]) * units.get(found[2], 0) if found else 0


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


def _query(text: str) -> str | None:
    """Read a query as it is sent: RFC 3986, section 3.4."""
    return _matching(text, _QUERY)


def _origins(text: str) -> str | None:
    """Read origins as browsers send them (RFC 6454, section 6.2): in lower case, no port for 80."""
    return text if text == "any" or all(map(_is_origin, text.split(","))) else None


def _is_origin(text: str) -> bool:
    return text == "null" or _ORIGIN.fullmatch(text) is not None


class Option(NamedTuple):
    """What one option takes, and where."""

    read: Callable[[str], Any]  # gives None for a text that does not fit
    rule: str  # what fits
    example: str
    transports: frozenset[Transport]


_SIZE = f"a size from 1 to {_MAX_BUFFER} bytes, such as 65536, 64K or 1M"
_TIME = f"off or whole seconds from 1 to {_MAX_KEEPALIVE}, such as 30, 30s, 2000ms or 2m"

# fd:// takes none: whoever opened that socket has set it up. UNIX sockets take no rcvbuf, since
# it does nothing there (unix(7)).
OPTIONS = {
    "backlog": Option(partial(_number, most=65535), "a number from 1 to 65535", "128", LISTENING),
    "nodelay": Option(_FLAGS.get, "on or off", "on", TCP),
    "keepalive": Option(_seconds, _TIME, "30s", TCP),
    "rcvbuf": Option(_size, _SIZE, "64K", WITH_HOST),
    "sndbuf": Option(_size, _SIZE, "64K", WITH_HOST | UNIX),
    "broadcast": Option(_FLAGS.get, "on or off", "on", UDP),
    "group": Option(_group, "an address in 224.0.0.0/4 or ff00::/8", "239.1.2.3", UDP),
    "interface": Option(partial(_matching, pattern=INTERFACE), CARD, "eth0", UDP),
    "ttl": Option(partial(_number, most=255), "a number from 1 to 255", "1", UDP),
    "cert": Option(str, "the name of a file", "cert.pem", TLS),
    "key": Option(str, "the name of a file", "key.pem", TLS),
    "ca": Option(str, "the name of a file", "ca.pem", TLS),
    "alpn": Option(
        partial(_matching, pattern=_PROTOCOLS),
        "names of 1 to 255 characters, with commas",
        "h2,http/1.1",
        TLS,
    ),
    "query": Option(_query, "percent-encoded ASCII", "room=1%26as=ann", WEBSOCKET),
    "origin": Option(
        _origins,
        "any, or such as https://a.example with commas",
        "https://a.example",
        WEBSOCKET,
    ),
    "deflate": Option(_FLAGS.get, "on or off", "on", WEBSOCKET),
}


def read_options(endpoint: Endpoint, query: str) -> Options:
    """Read the query of a URL; the endpoint is what the rest of the URL says."""
    known = [name for name, option in OPTIONS.items() if endpoint.transport in option.transports]
    takes = f"{endpoint.transport} takes {', '.join(known) or 'no options'}"
    values: dict[str, Any] = {}
    for item in query.split("&"):
        name, _, text = item.partition("=")
        if name not in OPTIONS:
            meant, guess = did_you_mean(name, known)
            what = f"option {shown(name)} is unknown{guess}; {takes}"
            raise Wrong(what, f"{endpoint}?{meant}={text}", str(endpoint))
        if name not in known:
            raise Wrong(f"option {name} does not apply; {takes}", str(endpoint))
        option = OPTIONS[name]
        example = f"{endpoint}?{name}={option.example}"
        if name in values:
            raise Wrong(f"option {name} is given twice", f"{endpoint}?{name}={text}", example)
        value = decoded(text)
        values[name] = option.read(value) if value else None
        if values[name] is None:
            raise Wrong(f"{name} {shown(value)} is not {option.rule}", example)
    return Options(**values)
