"""Who on this machine holds a port now: the sockets, and the processes that have them open.

proc(5) tells the sockets of the network namespace in which this runs; those of containers are
another's. Where there is no /proc nothing is found, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from jackfield.net.holders import (
    Address,
    Bound,
    bound_sockets,
    lines,
    owners,
    process,
    user_name,
)
from jackfield.tools.ports.known import BOTH

_STATES = {
    1: "connected",
    2: "connecting",
    3: "being connected",
    4: "closing",
    5: "closing",
    6: "closed, and remembered for a while",
    7: "bound",
    8: "closed by the peer",
    9: "closing",
    10: "listening",
    11: "closing",
    12: "being connected",
}
"""By net/tcp_states.h; a socket of UDP without peer is in the state of a closed one of TCP."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """A socket that has a port."""

    protocol: str
    """`tcp` or `udp`."""
    address: Address
    port: int
    state: str
    peer: Address | None
    peer_port: int | None
    user: str
    """Whose socket it is."""
    processes: tuple[Process, ...]
    """Who has it open; empty where this user may not see that, or nobody has it any more."""
    kernel: bool
    """Whether only the kernel has it any more, as after a connection has ended."""

    @property
    def waits(self) -> bool:
        """Whether it waits for whoever comes, and is no connection."""
        return self.peer is None


@dataclass(frozen=True, slots=True)
class Found:
    """The sockets that were found."""

    held: tuple[Held, ...]
    """Those that wait for somebody before those that have a peer."""
    hidden: int
    """Processes this user may not look into, where one of the sockets has no process; else 0."""
    told: bool
    """Whether this system tells its sockets at all."""


def held(first: int, last: int, protocols: tuple[str, ...] = BOTH) -> Found:
    """Find the sockets whose ports are from `first` to `last`."""
    told = False
    there: list[tuple[str, Bound]] = []
    for kind in protocols:
        for table in (kind, f"{kind}6"):
            text = lines(table)
            told = told or bool(text)
            there += [(kind, one) for one in bound_sockets(text) if first <= one.port <= last]
    inodes = {one.inode for _, one in there if one.inode}
    pids, hidden = owners(inodes) if inodes else ({}, 0)
    found = sorted(_held(there, pids), key=_order)
    lacking = any(not (one.processes or one.kernel) for one in found)
    return Found(tuple(found), hidden if lacking else 0, told)


def _held(there: list[tuple[str, Bound]], pids: dict[int, list[int]]) -> Iterator[Held]:
    names: dict[int, Process] = {}
    for kind, one in there:
        for pid in pids.get(one.inode, ()):
            if pid not in names:
                names[pid] = Process(pid, process(pid).name)
        has_peer = one.peer_port > 0
        yield Held(
            protocol=kind,
            address=one.address,
            port=one.port,
            state=_STATES.get(one.state, "in a state of its own"),
            peer=one.peer if has_peer else None,
            peer_port=one.peer_port if has_peer else None,
            user=user_name(one.uid),
            processes=tuple(names[pid] for pid in sorted(pids.get(one.inode, ()))),
            kernel=not one.inode,
        )


def _order(one: Held) -> tuple[bool, int, str, bool, int, int]:
    four = isinstance(one.address, IPv4Address)
    return not one.waits, one.port, one.protocol, not four, int(one.address), one.peer_port or 0
