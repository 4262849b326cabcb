"""New sockets for endpoints, with their options and Jackfield's own settings on them."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import ip_address

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import ConfigurationError
from jackfield.net.interfaces import interfaces
from jackfield.net.oserrors import code

KEEPALIVE = 30
"""Seconds of silence after which a peer that may be silent is asked whether it is there."""

PROBES = 3
"""Unanswered keep-alive probes after which a peer is lost."""

# linux/in.h, linux/in6.h and asm-generic/socket.h; not all of our Pythons name them
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
_SO_RXQ_OVFL = 40

UNSENT = 256 * 1024
"""Bytes that the system takes beside those it has sent and waits to have confirmed: without such a
bound it takes megabytes for each slow peer, and a thousand of them hold up everybody else."""

Value = int | bytes
Setting = tuple[str, int, int, Value]
"""The endpoint's option it stands for; then level, name and value for setsockopt(2)."""


_KINDS = {
    Transport.UDP: socket.SOCK_DGRAM,
    Transport.UNIX_DATAGRAM: socket.SOCK_DGRAM,
    Transport.UNIX_SEQPACKET: socket.SOCK_SEQPACKET,
}


def kind_of(transport: Transport) -> socket.SocketKind:
    """Give the type of socket a transport needs."""
    return _KINDS.get(transport, socket.SOCK_STREAM)


def new_socket(endpoint: Endpoint, family: int) -> socket.socket:
    """Make a socket that does not block, as `apply()` sets it. Raises OSError, and as that."""
    sock = socket.socket(family, kind_of(endpoint.transport))
    try:
        sock.setblocking(False)
        apply(sock, endpoint)
    except BaseException:
        sock.close()
        raise
    return sock


def unix_address(endpoint: Endpoint) -> tuple[int, str | bytes]:
    """Give the family and the address of a UNIX endpoint.

    Raises ConfigurationError where the platform lacks such sockets or names.
    """
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        msg = f"{endpoint}: this platform has no UNIX sockets; use tcp://127.0.0.1:9999 instead"
        raise ConfigurationError(msg)
    if not endpoint.path.startswith("@"):
        return family, endpoint.path
    if sys.platform != "linux":
        msg = f"{endpoint}: abstract names are Linux's own; use a path, as unix:///run/x.sock"
        raise ConfigurationError(msg)
    return family, b"\0" + endpoint.path[1:].encode("utf-8", "surrogateescape")


def apply(sock: socket.socket, endpoint: Endpoint) -> None:
    """Set what the endpoint's options ask, and our defaults. Before bind(), listen(), connect().

    Raises ConfigurationError naming the option that this machine does not take.
    """
    options = endpoint.options
    for option, name, size in (
        ("rcvbuf", socket.SO_RCVBUF, options.rcvbuf),
        ("sndbuf", socket.SO_SNDBUF, options.sndbuf),
    ):
        if size is not None:
            _set(sock, endpoint, (option, socket.SOL_SOCKET, name, size))
    if endpoint.transport.uses_tcp:
        for setting in _tcp(endpoint):
            _set(sock, endpoint, setting)
    elif endpoint.transport is Transport.UDP:
        for setting in _udp(endpoint, six=sock.family == socket.AF_INET6):
            _set(sock, endpoint, setting)
        if sys.platform == "linux":
            # Datagrams the kernel drops for want of room are counted with those that arrive.
            sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)


def _tcp(endpoint: Endpoint) -> Iterator[Setting]:
    """Give what TCP takes. Connections inherit it from the socket that listens."""
    if endpoint.options.nodelay is not False:
        yield "nodelay", socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    if sys.platform == "linux":
        yield "sndbuf", socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT
    silence = endpoint.options.keepalive
    if silence is not None:
        yield from _keepalive(silence)


def _keepalive(silence: int) -> Iterator[Setting]:
    """Give what asks a silent peer whether it is there; 0 is never."""
    yield "keepalive", socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(silence > 0)
    if not silence:
        return
    # Lost after about twice the silence, whatever the system's own pace (75 s on Linux).
    for name, value in (
        ("TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE", silence),
        ("TCP_KEEPINTVL", max(1, silence // PROBES)),
        ("TCP_KEEPCNT", PROBES),
    ):
        yield "keepalive", socket.IPPROTO_TCP, getattr(socket, name), value
    if sys.platform == "linux":  # there is no asking while something sent is not confirmed
        yield "keepalive", socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000 * silence


def keep_alive(sock: socket.socket, endpoint: Endpoint) -> None:
    """Have silent peers of a listening socket asked whether they are there, if no option says how.

    What is accepted inherits it.
    """
    if endpoint.transport.uses_tcp and endpoint.options.keepalive is None:
        for setting in _keepalive(KEEPALIVE):
            _set(sock, endpoint, setting)


def _udp(endpoint: Endpoint, *, six: bool) -> Iterator[Setting]:
    """Give what UDP over IPv4 or IPv6 takes."""
    options = endpoint.options
    if options.broadcast is not None:
        yield "broadcast", socket.SOL_SOCKET, socket.SO_BROADCAST, int(options.broadcast)
    if options.ttl is not None:
        level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        names = (
            (socket.IPV6_UNICAST_HOPS, socket.IPV6_MULTICAST_HOPS)
            if six
            else (socket.IP_TTL, socket.IP_MULTICAST_TTL)
        )
        for name in names:
            yield "ttl", level, name, options.ttl
    if options.interface is not None:
        index = _interface_index(endpoint)
        if six:
            number = struct.pack("=I", index)
            yield "interface", socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, number
        else:
            yield "interface", socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _mreqn(b"", index)


def join(sock: socket.socket, endpoint: Endpoint) -> None:
    """Join the endpoint's multicast group, if it has one, on a socket that will be bound.

    Others may bind the same port for the group too. Raises ConfigurationError for a group that
    cannot be heard there.
    """
    if endpoint.options.group is None:
        return
    group = ip_address(endpoint.options.group)
    every = "0.0.0.0" if group.version == 4 else "[::]"
    six = sock.family == socket.AF_INET6
    if endpoint.host != str(group) and not (endpoint.is_any and six == (group.version == 6)):
        msg = (
            f"{endpoint}: what is sent to group {group} does not arrive at {endpoint.host}; "
            f"listen on udp://{every}:{endpoint.port}?group={group}"
        )
        raise ConfigurationError(msg)
    index = _interface_index(endpoint)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if six:
        request: Value = group.packed + struct.pack("=I", index)  # struct ipv6_mreq
        level, name = socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP
    else:
        request = _mreqn(group.packed, index)
        level, name = socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP
    _set(sock, endpoint, ("group", level, name, request))
    if sys.platform == "linux":
        # Else what other processes have joined arrives here too.
        sock.setsockopt(level, _IPV6_MULTICAST_ALL if six else _IP_MULTICAST_ALL, 0)


def tell_local_address(sock: socket.socket) -> None:
    """Have each datagram arrive with the address it was sent to: IP_PKTINFO, RFC 3542.

    So that replies from a wildcard address leave from the one the peer wrote to.
    """
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _interface_index(endpoint: Endpoint) -> int:
    """Give the number of the endpoint's interface: 0, the system's choice, when it names none."""
    name = endpoint.options.interface
    if name is None:
        return 0
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        ours = ", ".join(found.name for found in interfaces() if found.name)
        msg = f"{endpoint}: this machine has no interface {name} (ENODEV); it has {ours}"
        raise ConfigurationError(msg) from error


def _mreqn(group: bytes, index: int) -> bytes:
    """Make a struct ip_mreqn of ip(7); no group where only the interface is told."""
    if sys.platform == "win32":
        # The interface's number takes the place of its address there, in network order.
        return group + struct.pack("!I", index)
    return struct.pack("=4s4si", group, b"", index)


def _set(sock: socket.socket, endpoint: Endpoint, setting: Setting) -> None:
    option, level, name, value = setting
    try:
        sock.setsockopt(level, name, value)
    except OSError as error:
        hint = ""
        if option == "group" and endpoint.options.interface is None:
            hint = "; name the interface to hear it on, such as &interface=eth0"
        msg = f"{endpoint}: option {option} fails: {error.strerror} ({code(error)}){hint}"
        raise ConfigurationError(msg) from error
