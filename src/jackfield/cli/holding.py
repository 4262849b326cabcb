"""Ports in words: the lines of `jackfield ports`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jackfield.cli.shown import counted, dim, fact, head, paragraph
from jackfield.tools.ports.facts import Port, Ports
from jackfield.tools.ports.held import Held
from jackfield.tools.ports.names import SYSTEM, Service
from jackfield.tools.ports.rights import RANGES, Range, Rights
from jackfield.visible import printable

MOST_PORTS = 100
"""Ports of a range that are shown; --json has all."""
MOST_PEERS = 8
"""Connections of a port that are shown, where nobody listens."""
MOST_PROCESSES = 3


def told(found: Ports) -> Iterator[str]:
    """Give the lines about what was asked for."""
    if found.first != found.last and found.text[:1].isdigit():
        yield from _range(found)
        return
    for number, port in enumerate(found.ports):
        if number:
            yield ""
        yield from _port(port, found)
    yield from _unseen(found)


def _port(port: Port, found: Ports) -> Iterator[str]:
    yield head(found.text if found.text[:1].isdigit() else f"{found.text}: port {port.port}")
    if not port.port:
        yield from paragraph("No port: a socket that is bound to 0 gets one that is free.", 2)
        return
    for service in port.services:
        yield from fact(service.name, _service(service))
    if not port.services:
        yield from fact("name", "none that is known")
    yield from fact("range", _in_words(next(one for one in RANGES if one.name == port.range)))
    yield from fact("bind", _binds(port, found.rights))
    if port.local:
        first, last = found.rights.local_first, found.rights.local_last
        why = f"from {first} to {last} the system gives ports to sockets that ask for none"
        yield from fact("", why)
    yield from _held(port, found)


def _service(service: Service) -> str:
    parts = [service.words] if service.words else []
    parts.append(" and ".join(service.protocols).upper().replace("AND", "and"))
    if service.aliases:
        parts.append(f"also {', '.join(service.aliases)}")
    if service.source != SYSTEM:
        parts.append("not in this system's list")
    return "; ".join(parts)


def _in_words(one: Range) -> str:
    return f"{one.name}, {one.first} to {one.last}: {one.words}"


def _binds(port: Port, rights: Rights) -> str:
    if port.privileged:
        return f"below {rights.unprivileged}: root alone, and who has CAP_NET_BIND_SERVICE"
    return "everybody may"


def _held(port: Port, found: Ports) -> Iterator[str]:
    if not found.told:
        yield from fact("held", "this system does not tell by whom")
        return
    waiting = [one for one in port.held if one.waits]
    others = [one for one in port.held if not one.waits]
    shown = waiting or others[:MOST_PEERS]
    for number, one in enumerate(shown):
        yield from fact("" if number else "held", _holder(one))
    if not shown:
        yield from fact("held", "by nobody")
    left = len(others) if waiting else len(others) - len(shown)
    if left:
        more = "" if waiting else " more"
        yield from fact("", f"and {counted(left, f'connection{more}', f'connections{more}')}")


def _holder(one: Held) -> str:
    peer = "" if one.peer is None else f" with {_place(str(one.peer), one.peer_port or 0)}"
    where = f"{one.protocol.upper()} {_place(str(one.address), one.port)}"
    return f"{where}, {one.state}{peer}: {_who(one)}"


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _who(one: Held) -> str:
    if one.kernel:
        return "no process any more, the kernel alone"
    names = [
        f"{process.name or 'unnamed'} (process {process.pid})"
        for process in one.processes[:MOST_PROCESSES]
    ]
    more = len(one.processes) - len(names)
    who = ", ".join(names) + (f" and {more} more" if more else "")
    return printable(f"{who or 'a process that is not seen'}, user {one.user}")


def _unseen(found: Ports) -> Iterator[str]:
    if found.hidden:
        count = counted(found.hidden, "process", "processes")
        yield ""
        yield from paragraph(
            f"Not seen: {count} that this user may not look into. That takes CAP_SYS_PTRACE, which "
            "root mostly has."
        )


def _range(found: Ports) -> Iterator[str]:
    yield head(found.text)
    for one in found.ranges:
        yield from fact("range", _in_words(one))
    unprivileged = found.rights.unprivileged
    if found.last < unprivileged:
        yield from fact(
            "bind", f"root alone, and who has CAP_NET_BIND_SERVICE: below {unprivileged}"
        )
    elif found.first >= unprivileged:
        yield from fact("bind", "everybody may")
    else:
        yield from fact("bind", f"everybody from {unprivileged} on; below it root")
    for port in found.ports[:MOST_PORTS]:
        names = ", ".join(one.name for one in port.services)
        words = next((one.words for one in port.services if one.words), "")
        text = f"{names}: {words}" if names and words else names or words or "no name"
        yield from fact(str(port.port), text, columns=9)
        for there in port.held:
            if there.waits:
                yield from (_green(line) for line in fact("", _holder(there), columns=9))
    left = len(found.ports) - MOST_PORTS
    if left > 0:
        yield dim(f"  ... {left:,} more; --json has all")
    yield from _unseen(found)


def _green(line: str) -> str:
    return click.style(line, fg="green")


def told_machine(found: Ports) -> Iterator[str]:
    """Give the lines about all ports of this machine."""
    rights = found.rights
    yield head("Ranges (RFC 6335)")
    for one in found.ranges:
        yield from fact(f"{one.first}-{one.last}", f"{one.name}: {one.words}", columns=13)
    yield ""
    yield head("On this machine")
    below = f"0-{rights.unprivileged - 1}"
    if rights.unprivileged:
        who = "root, and who has CAP_NET_BIND_SERVICE, may bind these; everybody the others"
        yield from fact(below, who, columns=13)
    else:
        yield from fact("0-65535", "everybody may bind these", columns=13)
    local = f"{rights.local_first}-{rights.local_last}"
    why = "the system gives these to sockets that ask for no port, as clients do"
    yield from fact(local, why, columns=13)
    yield ""
    yield head("Who waits for others now")
    if not found.told:
        yield from paragraph("This system does not tell.", 2)
    elif not found.ports:
        yield from paragraph("Nobody.", 2)
    for port in found.ports:
        names = ", ".join(one.name for one in port.services)
        for number, there in enumerate(port.held):
            name = f" ({names})" if names and not number else ""
            where = f"{there.protocol.upper()} {_place(str(there.address), there.port)}{name}"
            yield from fact(where, _who(there), columns=32)
    yield from _unseen(found)
