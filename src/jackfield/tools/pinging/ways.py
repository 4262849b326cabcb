"""By which way a host can be asked here: ICMP over a datagram or a raw socket, else TCP.

The rules this file owns:

1. The least right is tried first: a datagram socket of ICMP, which Linux gives to the groups of
   net.ipv4.ping_group_range (icmp(7)); then a raw one, which is root's (raw(7)).
2. Where neither is allowed, what is done instead is said, with the reason and the way out.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jackfield.net.oserrors import code

Kind = Literal["icmp datagram", "icmp raw", "tcp"]

FALLBACK_PORT = 443
"""Where TCP knocks when nobody has said where: a firewall that lets anything in lets that in."""

_RANGE = Path("/proc/sys/net/ipv4/ping_group_range")
_PROTOCOL = {4: 1, 6: 58}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Way:
    """How hosts of one IP version are asked."""

    kind: Kind
    port: int = 0
    """For TCP."""
    why: str = ""
    """Why it is not ICMP, and what to do about it, where ICMP was wanted."""

    @property
    def text(self) -> str:
        """The way in words."""
        if self.kind == "tcp":
            return f"by connecting over TCP to port {self.port}"
        return f"by ICMP over a {self.kind.rpartition(' ')[2]} socket"


def choose(version: int) -> Way:
    """Find out which way is open for IP of this version."""
    try:
        opened(version, "icmp datagram").close()
    except OSError as error:
        no_datagram = error
    else:
        return Way("icmp datagram")
    try:
        opened(version, "icmp raw").close()
    except OSError as error:
        no_raw = error
    else:
        return Way("icmp raw")
    return Way("tcp", FALLBACK_PORT, _reason(no_datagram, no_raw))


def opened(version: int, kind: Kind) -> socket.socket:
    """Open a socket for ICMP. Raises OSError."""
    if not hasattr(socket.socket, "recvmsg"):  # Windows
        msg = "this system tells too little of what it receives"
        raise OSError(msg)
    what = socket.SOCK_DGRAM if kind == "icmp datagram" else socket.SOCK_RAW
    return socket.socket(FAMILY[version], what, _PROTOCOL[version])


def _reason(no_datagram: OSError, no_raw: OSError) -> str:
    return (
        f"ICMP is not allowed here: no datagram socket ({code(no_datagram)}{_range()}), and no raw "
        f"one ({code(no_raw)}), which needs root or CAP_NET_RAW. TCP stands in for it; "
        "sudo sysctl net.ipv4.ping_group_range='0 2147483647' would allow it to everybody"
    )


def _range() -> str:
    """Say which groups may, where the system has such a rule."""
    try:
        first, last = _RANGE.read_text("ascii").split()
    except (OSError, ValueError):
        return ""
    return f"; net.ipv4.ping_group_range is {first} {last}"


def is_privileged() -> bool:
    """Whether this process may ask as often as it likes."""
    with contextlib.suppress(AttributeError):  # Windows
        return os.geteuid() == 0
    return False
