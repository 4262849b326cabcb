"""Where a name's addresses may come from: hosts(5), resolv.conf(5), nsswitch.conf(5).

What is read is the administrator's, and is bounded and never refused: a line that is none is
passed over, as the C library does.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

HOSTS = Path("/etc/hosts")
RESOLV = Path("/etc/resolv.conf")
NSSWITCH = Path("/etc/nsswitch.conf")
GAI = Path("/etc/gai.conf")

MOST_FILE = 16 * 1024 * 1024
"""Bytes read of a file; lists of hosts to be blocked have a few MiB."""

MOST_SERVERS = 3
MOST_SEARCH = 6
"""As many as the C library takes: resolv.conf(5)."""


def text_of(path: Path) -> str:
    """Give a file's text; "" where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_FILE).decode("utf-8", "replace")
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the hosts file."""

    line: int
    address: str
    names: tuple[str, ...]
    """The first is the canonical name."""


def hosts(text: str) -> list[Entry]:
    """Read a hosts file."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        address, *names = line.partition("#")[0].split() or [""]
        if names and _is_address(address):
            found.append(Entry(number, address, tuple(names)))
    return found


def entries_of(entries: list[Entry], name: str) -> list[Entry]:
    """Give the lines that have a name, whatever its capitals."""
    wanted = name.rstrip(".").lower()
    return [entry for entry in entries if wanted in map(str.lower, entry.names)]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Resolvers:
    """What resolv.conf says."""

    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int = 1
    """A name with fewer dots is tried with the search list first."""


def resolvers(text: str) -> Resolvers:
    """Read a resolv.conf. Without a server, it is this machine itself."""
    servers: list[str] = []
    search: list[str] = []
    ndots = 1
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest and _is_address(rest[0]):
            servers.append(rest[0])
        elif word in {"search", "domain"} and rest:
            search = rest[:MOST_SEARCH] if word == "search" else rest[:1]
        elif word == "options":
            for option in rest:
                name, _, value = option.partition(":")
                if name == "ndots" and value.isdecimal():
                    ndots = min(int(value[:9]), 15)
    return Resolvers(tuple(servers[:MOST_SERVERS] or ["127.0.0.1"]), tuple(search), ndots)


def order(text: str) -> list[str]:
    """Give the words after `hosts:` of an nsswitch.conf: sources, and actions in brackets."""
    for line in text.splitlines():
        database, colon, rest = line.partition("#")[0].partition(":")
        if colon and database.strip() == "hosts":
            return rest.split()
    return ["files", "dns"]


def candidates(name: str, where: Resolvers) -> list[str]:
    """Give the full names that a name may stand for, in the order they are tried."""
    bare = name.rstrip(".")
    if name.endswith("."):
        return [bare]
    longer = [f"{bare}.{suffix.strip('.')}" for suffix in where.search if suffix.strip(".")]
    return [bare, *longer] if bare.count(".") >= where.ndots else [*longer, bare]
