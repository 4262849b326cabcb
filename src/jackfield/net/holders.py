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

from jackfield.endpoints import Endpoint, Transport

Address = IPv4Address | IPv6Address

_LISTEN = "0A"  # TCP_LISTEN of net/tcp_states.h
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
    pids = sorted(_owners(users.keys()))
    if pids:
        return [process(pid) for pid in pids]
    return [Holder(user=user) for user in sorted({_user_name(uid) for uid in users.values()})]


def is_users_own(peer: Endpoint) -> bool:
    """Whether a peer on this machine's loopback is a process of the user that this one is of.

    False where the system does not tell.
    """
    if peer.transport.uses_tcp and not is_loopback_address(peer.host):
        return False
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
        yield from unix_sockets(_lines("unix"), endpoint.path)
        return
    try:
        host = ip_address(endpoint.host)
    except ValueError:  # a name, or no host
        return
    kind = "udp" if endpoint.transport is Transport.UDP else "tcp"
    yield from inet_sockets([*_lines(kind), *_lines(f"{kind}6")], host, endpoint.port)


def _lines(table: str) -> list[str]:
    try:
        with Path(f"/proc/net/{table}").open(
            encoding="utf-8", errors="surrogateescape", newline="\n"
        ) as file:
            return list(file)
    except OSError:
        return []


def inet_sockets(lines: Iterable[str], host: Address, port: int) -> list[tuple[int, int | None]]:
    """Read lines of /proc/net/tcp and its kin: inode and user of what is in the way of host:port.

    Lines that are no such thing are left out, whatever they are.
    """
    listening: list[tuple[int, int | None]] = []
    others: list[tuple[int, int | None]] = []
    for line in lines:
        parts = line.split()
        try:
            address, _, hexadecimal = parts[1].partition(":")
            if int(hexadecimal, 16) != port or not _excludes(_address(address), host):
                continue
            uid, inode = int(parts[7]), int(parts[9])
        except (ValueError, IndexError, struct.error):
            continue
        if inode:  # 0: only the kernel has it any more, as in TIME_WAIT
            (listening if parts[3] == _LISTEN else others).append((inode, uid))
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


def _owners(inodes: Iterable[int]) -> Iterator[int]:
    """Give the processes that have one of these sockets open, as far as we may look."""
    links = {f"socket:[{inode}]" for inode in inodes}
    for folder in _numbered("/proc"):
        if any(_link(descriptor) in links for descriptor in _numbered(f"{folder}/fd")):
            yield int(folder.rpartition("/")[2])


def _numbered(folder: str) -> list[str]:
    """List what has a number for a name in a folder of /proc; nothing when that is closed to us."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  by the ten thousand, so the fastest way
    except OSError:
        return ""


def _user_name(uid: int | None) -> str:
    if uid is None:
        return ""
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415  Windows has none

        with contextlib.suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
    return str(uid)
