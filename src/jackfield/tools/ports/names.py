"""Names of services and their ports, from the system's list and one of our own.

The system's list is services(5), `/etc/services`, and what else getservbyname(3) knows, such as a
directory of the network. Ours adds what that lacks, and says of many what speaks there.
"""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jackfield.errors import NotationError
from jackfield.tools.ports.known import BOTH, KNOWN, TCP, UDP

LAST = 65535
MOST_LINES = 100_000
"""Lines of the system's list that are read; the registry of IANA has some 15,000."""
MOST_NAME = 100
"""Characters of a name that are looked at; RFC 6335 gives a name 15."""

SYSTEM, OURS = "system", "built-in"

_LIST = Path("/etc/services")
_PLACE = re.compile(r"([0-9]{1,5})/(tcp|udp)")


@dataclass(frozen=True, slots=True)
class Service:
    """A name for a port."""

    name: str
    port: int
    protocols: tuple[str, ...]
    """`tcp`, `udp` or both."""
    aliases: tuple[str, ...]
    words: str
    """What speaks there; "" where nobody says."""
    source: str
    """Which list has it: `system` or `built-in`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name, and its aliases."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: some ports that follow each other, or a service with its own."""

    text: str
    first: int
    last: int
    protocols: tuple[str, ...]
    services: tuple[Service, ...]
    """Those of the name that was asked for; empty where it was a number."""


def read_list(lines: Iterable[str]) -> Iterator[Service]:
    """Read lines of services(5). Those that are no such thing are left out, whatever they are."""
    found: dict[tuple[str, int], Service] = {}
    for line in lines:
        before, _, words = line.partition("#")
        name, place, *aliases = (*before.split(), "", "")
        match = _PLACE.fullmatch(place)
        if match is None or int(match[1]) > LAST:
            continue
        port, protocol = int(match[1]), match[2]
        there = found.get((name, port), Service(name, port, (), (), words.strip(), SYSTEM))
        found[name, port] = replace(
            there,
            protocols=tuple(dict.fromkeys((*there.protocols, protocol))),
            aliases=tuple(dict.fromkeys((*there.aliases, *filter(None, aliases)))),
        )
    yield from found.values()


@cache
def services() -> tuple[Service, ...]:
    """Give all services of both lists, by port; those that both have are one."""
    system = list(read_list(_lines()))
    ours = [
        Service(one.name, one.port, one.protocols, one.aliases, one.words, OURS) for one in KNOWN
    ]
    return tuple(sorted(joined(system, ours), key=lambda one: (one.port, one.source != SYSTEM)))


def _lines() -> list[str]:
    try:
        with _LIST.open(encoding="utf-8", errors="replace") as file:
            return [line for _, line in zip(range(MOST_LINES), file, strict=False)]
    except OSError:  # not every system has one
        return []


def joined(system: Iterable[Service], ours: Iterable[Service]) -> Iterator[Service]:
    """Join two lists: what has a port and a name in common with one of the system's goes to it."""
    by_port: dict[int, list[Service]] = {}
    for one in ours:
        by_port.setdefault(one.port, []).append(one)
    for one in system:
        words, aliases = one.words, one.aliases
        for other in list(by_port.get(one.port, ())):
            if set(one.names) & set(other.names):
                words = other.words
                more = (name for name in other.names if name not in one.names)
                aliases = (*aliases, *more)
                left = tuple(kind for kind in other.protocols if kind not in one.protocols)
                by_port[one.port].remove(other)
                if left:
                    by_port[one.port].append(replace(other, protocols=left))
        yield replace(one, words=words, aliases=tuple(dict.fromkeys(aliases)))
    for rest in by_port.values():
        yield from rest


def by_port(port: int) -> tuple[Service, ...]:
    """Give the services of a port, the system's own first."""
    found = [one for one in services() if one.port == port]
    for kind in BOTH:
        if not any(one.source == SYSTEM and kind in one.protocols for one in found):
            name = _from_system(lambda kind=kind: socket.getservbyport(port, kind))  # type: ignore[misc]  # of a loop
            if isinstance(name, str):
                found.insert(0, Service(name, port, (kind,), (), "", SYSTEM))
    return tuple(found)


def by_name(name: str) -> tuple[Service, ...]:
    """Give the services of a name, capital letters or not."""
    wanted = name.lower()
    found = [one for one in services() if wanted in map(str.lower, one.names)]
    for kind in () if found else BOTH:
        port = _from_system(lambda kind=kind: socket.getservbyname(name, kind))  # type: ignore[misc]  # of a loop
        if isinstance(port, int):
            found.append(Service(name, port, (kind,), (), "", SYSTEM))
    return tuple(found)


def _from_system(ask: Callable[[], str | int]) -> str | int | None:
    try:
        return ask()
    except (OSError, ValueError, OverflowError):  # not there, or no name at all
        return None


def close_to(name: str) -> list[str]:
    """Give names that are nearly this one."""
    names = dict.fromkeys(name for one in services() for name in one.names)
    return difflib.get_close_matches(name.lower(), names, 3, 0.75)


_PORTS = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([a-z]+))?")


def read(text: str) -> Asked:
    """Read a name, a number or a range, with or without `/tcp`. Raises NotationError."""
    if len(text) > MOST_NAME:
        raise NotationError(
            f"{text[:20]}… has {len(text)} characters: that is no name of a service"
        )
    found = _PORTS.fullmatch(text)
    if found is None:
        return _named(text)
    first = _number(text, found, 1)
    last = first if found[2] is None else _number(text, found, 2)
    if last < first:
        raise NotationError(
            f"{text}: the range ends before it begins; write {last}-{first}", text, *found.span(2)
        )
    return Asked(text, first, last, _protocols(text, found.start(3), found[3]), ())


def _number(text: str, found: re.Match[str], group: int) -> int:
    digits = found[group]
    if len(digits) > 6 or int(digits) > LAST:
        why = f"a port is 0 to {LAST}, what 16 bits hold"
        raise NotationError(f"{text}: {why}", text, *found.span(group))
    return int(digits)


def _protocols(text: str, start: int, name: str | None) -> tuple[str, ...]:
    if name is None:
        return BOTH
    if name not in BOTH:
        why = f"ports of {TCP} and {UDP} are told, not of {name}"
        raise NotationError(f"{text}: {why}", text, start, len(text))
    return (name,)


def _named(text: str) -> Asked:
    name, slash, kind = text.partition("/")
    protocols = _protocols(text, len(name) + 1, kind if slash else None)
    found = tuple(one for one in by_name(name) if set(one.protocols) & set(protocols))
    if not found:
        close = " or ".join(close_to(name))
        hint = (
            f"did you mean {close}?" if close else "write a port, as 22, or a range, as 8000-8100"
        )
        shown = text or "(nothing)"
        end = max(1, len(name))
        raise NotationError(f"{shown}: no service of this name is known; {hint}", text, 0, end)
    ports = [one.port for one in found]
    return Asked(text, min(ports), max(ports), protocols, found)
