"""All that can be said of some ports: names, range, who may bind them, who holds them now."""

from __future__ import annotations

from dataclasses import dataclass

from jackfield.tools.ports.held import Held, held
from jackfield.tools.ports.known import BOTH
from jackfield.tools.ports.names import LAST, Asked, Service, by_port, services
from jackfield.tools.ports.rights import RANGES, Range, Rights, range_of, rights


@dataclass(frozen=True, slots=True)
class Port:
    """One port."""

    port: int
    range: str
    """`system`, `user` or `dynamic`."""
    privileged: bool
    """Whether binding it takes root or CAP_NET_BIND_SERVICE on this machine."""
    local: bool
    """Whether the system gives it to sockets that ask for no port."""
    services: tuple[Service, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Ports:
    """Some ports: those that were asked for, or of a range those of which there is something."""

    text: str
    first: int
    last: int
    protocols: tuple[str, ...]
    ports: tuple[Port, ...]
    ranges: tuple[Range, ...]
    """Those in which they are."""
    rights: Rights
    hidden: int
    """Processes this user may not look into, where a socket is without a process; else 0."""
    told: bool
    """Whether this system tells who holds what."""


def facts(asked: Asked) -> Ports:
    """Say what there is to the ports that were asked for."""
    found = held(asked.first, asked.last, asked.protocols)
    by_number: dict[int, list[Held]] = {}
    for one in found.held:
        by_number.setdefault(one.port, []).append(one)
    here = rights()
    named: dict[int, tuple[Service, ...]] = {}
    if asked.services:
        for service in asked.services:
            named[service.port] = (*named.get(service.port, ()), service)
        by_number = {port: one for port, one in by_number.items() if port in named}
    elif asked.first == asked.last:
        named[asked.first] = by_port(asked.first)
    else:
        for service in services():
            if asked.first <= service.port <= asked.last:
                named[service.port] = (*named.get(service.port, ()), service)
    ports = [
        _port(number, named.get(number, ()), asked, by_number.get(number, []), here)
        for number in sorted({*named, *by_number})
    ]
    ranges = [one for one in RANGES if one.first <= asked.last and asked.first <= one.last]
    return Ports(
        text=asked.text,
        first=asked.first,
        last=asked.last,
        protocols=asked.protocols,
        ports=tuple(ports),
        ranges=tuple(ranges),
        rights=here,
        hidden=found.hidden,
        told=found.told,
    )


def machine() -> Ports:
    """Say what waits for whoever comes, on any port of this machine."""
    found = held(0, LAST)
    here = rights()
    asked = Asked("", 0, LAST, BOTH, ())
    by_number: dict[int, list[Held]] = {}
    for one in found.held:
        if one.waits:
            by_number.setdefault(one.port, []).append(one)
    ports = [
        _port(number, by_port(number), asked, there, here) for number, there in by_number.items()
    ]
    hidden = found.hidden if any(not one.processes for port in ports for one in port.held) else 0
    return Ports("", 0, LAST, BOTH, tuple(ports), RANGES, here, hidden, found.told)


def _port(
    number: int, named: tuple[Service, ...], asked: Asked, there: list[Held], here: Rights
) -> Port:
    wanted = set(asked.protocols)
    return Port(
        port=number,
        range=range_of(number).name,
        privileged=number < here.unprivileged,
        local=here.local_first <= number <= here.local_last,
        services=tuple(one for one in named if wanted & set(one.protocols)),
        held=tuple(there),
    )
