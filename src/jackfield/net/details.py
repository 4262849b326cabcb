"""What can be asked of a socket: addresses, options, credentials, TCP's own state."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import LocalProtocolError

try:
    import fcntl
    import termios
except ImportError:  # Windows has neither
    fcntl = None  # type: ignore[assignment]

_STATES = (
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
)
"""The states of linux/tcp_states.h, by number."""


@dataclass(frozen=True, slots=True)
class TCPInfo:
    """What Linux knows of a TCP connection: struct tcp_info of tcp(7)."""

    state: str
    """As ss(8) and RFC 9293 name it."""
    rtt: float
    """Smoothed round-trip time, in seconds."""
    rtt_variation: float
    """Its mean deviation, in seconds."""
    retransmits: int
    """Segments sent again, in total."""
    unacknowledged: int
    """Segments on their way now."""
    lost: int
    """Segments taken for lost now."""
    congestion_window: int
    """Segments that may be on their way."""
    send_mss: int
    """Bytes in one segment sent."""
    receive_mss: int
    """Bytes in one segment received."""
    receive_window: int
    """Bytes this side makes room for in each round trip: rcv_space of ss(8)."""
    path_mtu: int
    """Bytes in one packet on this path."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is at the other end of a UNIX socket, when it connected: SO_PEERCRED of unix(7)."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class TLSDetails:
    """What TLS agreed on."""

    version: str
    cipher: str
    alpn: str | None
    certificate: bytes | None
    """The peer's, in DER form."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of the chain that a peer's was verified by."""

    subject: str
    """Whose it is: the common name, or what there is of a name instead."""
    issuer: str
    expires: float
    """When it ends, in seconds since 1970."""
    names: tuple[str, ...]
    """The host names and addresses that it is for."""


def endpoint_of(transport: Transport, address: Any) -> Endpoint:
    """Turn what the socket module calls an address into an endpoint."""
    if (transport.uses_tcp or transport is Transport.UDP) and address:
        host, port = address[:2]
        if len(address) == 4 and address[3] and "%" not in host:
            host = f"{host}%{_interface(address[3])}"
        if host.startswith("::ffff:") and "." in host:
            host = host[7:]
        return Endpoint(transport, host=host, port=port)
    if isinstance(address, bytes):
        address = "@" + address[1:].decode("utf-8", "surrogateescape") if address else ""
    return Endpoint(transport, path=address if isinstance(address, str) else "")


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)


def local_endpoint(transport: Transport, sock: socket.socket) -> Endpoint:
    """Give the socket's own address."""
    try:
        return endpoint_of(transport, sock.getsockname())
    except OSError:
        return Endpoint(transport)


def socket_option(sock: socket.socket, level: int, name: int, size: int) -> int | bytes:
    """Read a socket option. Raises LocalProtocolError where there is no such option."""
    try:
        return sock.getsockopt(level, name, size) if size else sock.getsockopt(level, name)
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, "")
        msg = f"this socket has no option {name} at level {level} ({code})"
        raise LocalProtocolError(msg) from error


def tcp_info(sock: socket.socket) -> TCPInfo:
    """Read TCP_INFO. Raises LocalProtocolError where the system or the socket has none."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sock.fileno() < 0 or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        msg = "TCP_INFO is for TCP connections on Linux"
        raise LocalProtocolError(msg)
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, option, 104)
    except OSError as error:
        msg = "TCP_INFO is for TCP connections on Linux"
        raise LocalProtocolError(msg) from error
    # struct tcp_info of linux/tcp.h: eight single bytes, then 32-bit fields
    state = data[0]
    fields = struct.unpack_from("=24I", data, 8)
    return TCPInfo(
        state=_STATES[state] if state < len(_STATES) else str(state),
        rtt=fields[15] / 1e6,
        rtt_variation=fields[16] / 1e6,
        retransmits=fields[23],
        unacknowledged=fields[4],
        lost=fields[6],
        congestion_window=fields[18],
        send_mss=fields[2],
        receive_mss=fields[3],
        receive_window=fields[22],
        path_mtu=fields[13],
    )


def credentials(sock: socket.socket) -> Credentials | None:
    """Read SO_PEERCRED; None where the transport or the system has none."""
    option = getattr(socket, "SO_PEERCRED", None)
    family = getattr(socket, "AF_UNIX", None)
    if option is None or sock.fileno() < 0 or sock.family != family:
        return None
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    return Credentials(pid, uid, gid) if pid else None


def queued(sock: socket.socket) -> int:
    """Bytes that the system holds for the peer and the peer's has not taken: SIOCOUTQ of tcp(7).

    0 where the system does not tell.
    """
    found = b""
    if fcntl is not None:
        with suppress(OSError, ValueError):  # it is none, or in memory
            found = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(found, sys.byteorder)


def is_address(host: str) -> bool:
    """Whether a host is an address and not a name to look up."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
