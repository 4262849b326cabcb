"""Who holds an address: the processes with a socket on it, from Linux' /proc.

proc(5): /proc/net/tcp and its kin tell each socket's address, user and inode; the links in
/proc/PID/fd tell which process has that inode, to whoever may look into that process. Where
there is no /proc nobody is found.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from jackfield.endpoints import Endpoint, Transport
from jackfield.net import diag

Address = IPv4Address | IPv6Address

LISTEN = 10
"""TCP_LISTEN of net/tcp_states.h."""

_ACCEPTS = 0x10000  # __SO_ACCEPTCON of linux/net.h
_SHOWN = 3  # holders that a line of text names


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds an address."""

    pid: int = 0
    """0 when this user may not see which process it is."""
    name: str = ""
    """What the system calls the process: at most 15 characters of its program."""
    user: str = ""
    """Whose it is, where that is all there is to tell."""

    def __str__(self) -> str:
        if self.pid == os.getpid():
            return "this process itself"
        if self.pid:
            return f"{self.name or 'unnamed'} (process {self.pid})"
        return f"a process of user {self.user}" if self.user else "another user's process"


def process(pid: int) -> Holder:
    """Name the process `pid`."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = ""
    return Holder(pid, "".join(char if char.isprintable() else "?" for char in name))


def holders(endpoint: Endpoint) -> list[Holder]:
    """Find who holds `endpoint`, which has a numeric host or a path, or what excludes it.

    Empty when nobody does, or the system does not tell. Never raises.
    """
    users = dict(_sockets(endpoint))
    if not users:
        return []
    pids = sorted({pid for found in owners(users).pids.values() for pid in found})
    if pids:
        return [process(pid) for pid in pids]
    return [Holder(user=user) for user in sorted({user_name(uid) for uid in users.values()})]


def is_users_own(peer: Endpoint, own: Endpoint) -> bool:
    """Whether a peer on this machine's loopback is a process of the user that this one is of.

    own: this end of the connection. False where the system does not tell.
    """
    if peer.transport.uses_tcp:
        if not is_loopback_address(peer.host):
            return False
        with contextlib.suppress(OSError, ValueError):
            return diag.user_of(peer, own) == os.getuid()
    users = {uid for _, uid in _sockets(peer)}
    return hasattr(os, "getuid") and users == {os.getuid()}


def is_loopback_address(host: str) -> bool:
    """Whether an address is of the loopback network."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return found.is_loopback


def text(found: list[Holder]) -> str:
    """Name the holders in a few words; empty for none."""
    names = ", ".join(str(holder) for holder in found[:_SHOWN])
    more = len(found) - _SHOWN
    return f"{names} and {more} more" if more > 0 else names


def _sockets(endpoint: Endpoint) -> Iterator[tuple[int, int | None]]:
    """Give inode and user of each socket in the way; those that listen, where there are any."""
    if endpoint.path:
        yield from unix_sockets(lines("unix"), endpoint.path)
        return
    try:
        host = ip_address(endpoint.host)
    except ValueError:  # a name, or no host
        return
    kind = "udp" if endpoint.transport is Transport.UDP else "tcp"
    yield from inet_sockets([*lines(kind), *lines(f"{kind}6")], host, endpoint.port)


def lines(table: str) -> list[str]:
    """Give the lines of a table in /proc/net; none where there is no such table."""
    try:
        with Path(f"/proc/net/{table}").open(
            encoding="utf-8", errors="surrogateescape", newline="\n"
        ) as file:
            return list(file)
    except OSError:
        return []


class Bound(NamedTuple):
    """A socket as a line of /proc/net/tcp and its kin tells of it."""

    address: Address
    port: int
    peer: Address
    peer_port: int
    """0, and an address of zeros, where there is no peer."""
    state: int
    """By net/tcp_states.h; a socket of UDP has those of TCP: established or closed."""
    uid: int
    inode: int
    """0 where only the kernel has it any more, as in TIME_WAIT."""


def bound_sockets(lines: Iterable[str]) -> Iterator[Bound]:
    """Read lines of /proc/net/tcp and its kin. Those that are no such thing are left out."""
    for line in lines:
        parts = line.split()
        try:
            (address, port), (peer, peer_port) = _place(parts[1]), _place(parts[2])
            state, uid, inode = int(parts[3], 16), int(parts[7]), int(parts[9])
        except (ValueError, IndexError, struct.error):
            continue
        yield Bound(address, port, peer, peer_port, state, uid, inode)


def _place(text: str) -> tuple[Address, int]:
    address, _, port = text.partition(":")
    return _address(address), int(port, 16)


def inet_sockets(lines: Iterable[str], host: Address, port: int) -> list[tuple[int, int | None]]:
    """Read lines of /proc/net/tcp and its kin: inode and user of what is in the way of host:port.

    Lines that are no such thing are left out, whatever they are.
    """
    listening: list[tuple[int, int | None]] = []
    others: list[tuple[int, int | None]] = []
    for found in bound_sockets(lines):
        if found.port == port and found.inode and _excludes(found.address, host):
            there = listening if found.state == LISTEN else others
            there.append((found.inode, found.uid))
    return listening or others


def _address(text: str) -> Address:
    """Read an address: 32-bit numbers of this machine's byte order, in hexadecimal."""
    count = len(text) // 8
    packed = struct.pack(f"={count}I", *struct.unpack(f">{count}I", bytes.fromhex(text)))
    if count == 1:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def _excludes(one: Address, other: Address) -> bool:
    """Whether sockets on these addresses are in each other's way; `::` takes IPv4 along."""
    if one.is_unspecified and (one.version == 6 or other.version == 4):
        return True
    if other.is_unspecified and (other.version == 6 or one.version == 4):
        return True
    return int(one) == int(other) and one.version == other.version


def unix_sockets(lines: Iterable[str], path: str) -> list[tuple[int, int | None]]:
    """Read lines of /proc/net/unix: the inode of each socket bound to `path`; no user is told.

    Lines that are no such thing are left out, whatever they are.
    """
    listening: list[tuple[int, int | None]] = []
    others: list[tuple[int, int | None]] = []
    for line in lines:
        parts = line.removesuffix("\n").split(maxsplit=7)
        if len(parts) < 8 or parts[7] != path:
            continue
        try:
            flags, inode = int(parts[3], 16), int(parts[6])
        except ValueError:
            continue
        (listening if flags & _ACCEPTS else others).append((inode, None))
    return listening or others


class Owners(NamedTuple):
    """The processes that have sockets open."""

    pids: dict[int, list[int]]
    """Of each inode."""
    hidden: int
    """How many processes this user may not look into."""


def owners(inodes: Iterable[int]) -> Owners:
    """Find the processes that have these sockets open, as far as we may look."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    pids: dict[int, list[int]] = {}
    hidden = 0
    for folder in _numbered("/proc"):
        pid = int(folder.rpartition("/")[2])
        found = {_link(path) for path in _numbered(f"{folder}/fd")} - {""}
        if not found and _is_closed(folder):
            hidden += 1
        for inode in {links[link] for link in found if link in links}:
            pids.setdefault(inode, []).append(pid)
    return Owners(pids, hidden)


def _numbered(folder: str) -> list[str]:
    """List what has a number for a name in a folder of /proc; nothing when that is closed to us."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []


def _is_closed(folder: str) -> bool:
    """Whether a process, which is no thread of the kernel's, may not be looked into."""
    try:
        os.stat(f"{folder}/fd/0")  # noqa: PTH116  beside its kin
    except PermissionError:
        try:
            return bool(Path(f"{folder}/cmdline").read_bytes())
        except OSError:
            return False
    except OSError:  # it has ended, or has nothing open
        pass
    return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  by the ten thousand, so the fastest way
    except OSError:
        return ""


def user_name(uid: int | None) -> str:
    """Give the name of a user, or the number where there is none; "" for None."""
    if uid is None:
        return ""
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415  Windows has none

        with contextlib.suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
    return str(uid)
