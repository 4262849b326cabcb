"""The border where the system's errors become Jackfield's own."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from jackfield.endpoints import Endpoint, Transport
from jackfield.errors import (
    AddressInUse,
    AddressNotAvailable,
    BindError,
    BindNotPermitted,
    ConnectError,
    ConnectRefused,
    ConnectTimeout,
    NameNotFound,
    PeerLost,
    Unreachable,
)
from jackfield.net import holders, interfaces


def code(error: OSError) -> str:
    """Give the error's name, such as ECONNRESET."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


_LOST = {
    errno.ECONNRESET: "the peer reset the connection",
    errno.EPIPE: "the peer has closed the connection",
    errno.ETIMEDOUT: "the peer answers no more",
    errno.ECONNREFUSED: "nobody listens at the other end",
    errno.EHOSTUNREACH: "the peer's machine cannot be reached any more",
    errno.ENETUNREACH: "the peer's network cannot be reached any more",
    errno.ENETDOWN: "the network is down",
}


def lost(error: OSError) -> PeerLost:
    """Say how a peer was lost."""
    text = _LOST.get(error.errno or 0, error.strerror or "the connection failed")
    found = PeerLost(f"{text} ({code(error)})")
    found.__cause__ = error
    return found


def _where(endpoint: Endpoint, at: Endpoint) -> str:
    """Name an endpoint, and the address that is meant when it stands for several."""
    return str(endpoint) if at.host == endpoint.host else f"{endpoint}: {at.address}"


def not_bound(endpoint: Endpoint, at: Endpoint, error: OSError, who: str = "") -> BindError:
    """Say why `at`, an address of `endpoint`, cannot be bound, and what to do.

    who: the holder of an address in use, where the caller knows; else it is looked for.
    """
    kind, text = _bind_reason(at, error, who)
    found = kind(f"{_where(endpoint, at)}: {text}")
    found.errno = error.errno
    found.__cause__ = error
    return found


def _bind_reason(at: Endpoint, error: OSError, who: str) -> tuple[type[BindError], str]:
    name = code(error)
    if error.errno == errno.EADDRINUSE:
        who = who or holders.text(holders.holders(at))
        by = f"in use by {who} ({name})" if who else f"in use ({name}), the system hides by whom"
        other = "path" if at.path.startswith("/") else "name" if at.path else "port"
        return AddressInUse, f"{by}; stop that, or choose another {other}"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return BindNotPermitted, f"no right to bind ({name}): {_who_may(at)}"
    if error.errno == errno.EADDRNOTAVAIL:
        every = "[::]" if ":" in at.host else "0.0.0.0"
        text = f"this machine does not have {at.host} ({name}); it has {_ours()}"
        return AddressNotAvailable, f"{text}; {every} stands for all of them"
    if error.errno == errno.EAFNOSUPPORT:
        what = "UNIX sockets" if at.path else "IPv6" if ":" in at.host else "IPv4"
        return AddressNotAvailable, f"this machine has no {what} ({name})"
    return BindError, _other_bind_reason(at, error)


def _other_bind_reason(at: Endpoint, error: OSError) -> str:
    name = code(error)
    if at.path and (error.errno is None or error.errno == errno.ENAMETOOLONG):
        # The socket module itself measures the path, and gives no number.
        size = len(os.fsencode(at.path))
        return f"{size} bytes are too long for the path of a UNIX socket (ENAMETOOLONG)"
    if at.path and error.errno in {errno.ENOENT, errno.ENOTDIR}:
        folder = str(Path(at.path).parent)
        return f"no folder {folder} ({name}); make it first: mkdir -p {shlex.quote(folder)}"
    if _lacks_zone(at):
        return f"a link-local address needs its interface ({name}), as {_with_zone(at)}"
    return f"cannot be bound: {error.strerror or error} ({name})"


def _lacks_zone(at: Endpoint) -> bool:
    return at.host.startswith("fe80:") and "%" not in at.host


def _with_zone(at: Endpoint) -> str:
    return str(Endpoint(at.transport, f"{at.host}%eth0", at.port))


def _who_may(at: Endpoint) -> str:
    if at.path:
        folder = Path(at.path).parent
        return f"a socket there needs the right to write in {folder}; choose a folder of your own"
    first = unprivileged_port()
    if at.port >= first:
        return "a security policy of this machine forbids it"
    python = shlex.quote(os.path.realpath(sys.executable))
    return (
        f"ports below {first} are for root and those with CAP_NET_BIND_SERVICE; take a port "
        f"from {first} on, let systemd open the socket (fd://3), "
        f"or run: sudo setcap cap_net_bind_service=+ep {python}"
    )


def unprivileged_port() -> int:
    """Give the first port that everybody may bind: 1024, or as Linux is set; ip(7)."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text("ascii"))
    except (OSError, ValueError):
        return 1024


def _ours() -> str:
    """List this machine's addresses."""
    ours = [str(address) for address in interfaces.addresses()]
    more = len(ours) - _SHOWN
    text = ", ".join(ours[:_SHOWN]) or "none that the system tells"
    return f"{text} and {more} more" if more > 0 else text


_SHOWN = 12
"""Addresses that a line of text lists."""

_OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "machine unreachable",
    errno.ENETDOWN: "network down",
    errno.EADDRNOTAVAIL: "no address or port of ours to reach it from",
    errno.EAFNOSUPPORT: "this machine lacks its address family",
    errno.ENOENT: "no socket at this path",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EPROTOTYPE: "a UNIX socket of another kind",
    errno.EMFILE: "too many open files in this process",
}

_REFUSED = frozenset({errno.ECONNREFUSED, errno.ENOENT})
_NO_ANSWER = frozenset({errno.ETIMEDOUT, errno.EAGAIN})
_NO_WAY = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
    }
)


def outcome(error: OSError) -> str:
    """Say in a few words what came of an attempt to connect: `refused (ECONNREFUSED)`."""
    words = _OUTCOMES.get(error.errno or 0, error.strerror or str(error))
    return f"{words} ({code(error)})"


def not_connected(endpoint: Endpoint, tried: Sequence[tuple[Endpoint, OSError]]) -> ConnectError:
    """Say what was tried to connect to `endpoint`, address by address, and what to do.

    tried: one at the least.
    """
    errors = [error for _, error in tried]
    numbers = {error.errno or 0 for error in errors}
    kind: type[ConnectError] = ConnectError
    if numbers & _NO_ANSWER:
        kind = ConnectTimeout
    elif numbers & _REFUSED:
        kind = ConnectRefused
    elif numbers <= _NO_WAY:
        kind = Unreachable
    each = ", ".join(f"{at.address} {outcome(error)}" for at, error in tried)
    if len(tried) == 1 and tried[0][0].address == endpoint.address:
        each = outcome(errors[0])
    found = kind(f"{endpoint}: {each}; {_advice([at for at, _ in tried], numbers)}")
    found.errno = errors[-1].errno
    found.__cause__ = errors[-1]
    return found


def _advice(tried: list[Endpoint], numbers: set[int]) -> str:
    """Say what to do after these errors, by the most telling one."""
    at = tried[0]
    if at.path:
        return _unix_advice(at.path, numbers)
    if numbers == {errno.ECONNREFUSED} and all(place.is_loopback for place in tried):
        places = " or ".join(place.address for place in tried)
        return f"nobody listens on {places}; start a server there first"
    if _lacks_zone(at):
        return f"a link-local address needs its interface, as {_with_zone(at)}"
    if at.transport is Transport.UDP and errno.EACCES in numbers:
        return "sending to a broadcast address needs ?broadcast=on"
    return next((advice for some, advice in _ADVICE if numbers & some), _NO_ADVICE)


def _unix_advice(path: str, numbers: set[int]) -> str:
    advice = next((advice for some, advice in _UNIX_ADVICE if numbers & some), _NO_ADVICE)
    return advice.replace("PATH", path)


_NO_ADVICE = "the system has refused to try"

_ADVICE = (
    (
        {errno.ECONNREFUSED},
        "that machine is there, but nobody listens on that port, or on its loopback alone",
    ),
    (_NO_ANSWER, "the machine is off, or a firewall drops what is sent to that port"),
    (_NO_WAY, "this machine has no way there; check its network"),
    ({errno.EACCES, errno.EPERM}, "a rule of this machine, such as its firewall's, forbids it"),
)

_UNIX_ADVICE = (
    ({errno.ENOENT}, "is the server running?"),
    ({errno.ECONNREFUSED}, "nobody listens on PATH; start a server there first"),
    (_NO_ANSWER, "the server is there, but accepts nobody"),
    ({errno.EACCES}, "it needs the right to write to PATH and to enter its folders"),
    ({errno.EPROTOTYPE}, "one of unix:, unix+dgram: and unix+seqpacket: is right"),
)

_LOOKUPS = {
    value: name
    for name, value in vars(socket).items()
    if name.startswith("EAI_") and isinstance(value, int)
}


def not_found(endpoint: Endpoint, error: OSError | UnicodeError) -> NameNotFound:
    """Say why the name in `endpoint` has no address."""
    number = error.errno if isinstance(error, OSError) else socket.EAI_NONAME
    name = _LOOKUPS.get(number or 0, "EAI_FAIL")
    host = endpoint.host
    if "%" in host:
        text = f"this machine has no interface {host.rpartition('%')[2]} ({name})"
    elif name == "EAI_AGAIN":
        text = f"no name server answers for {host} ({name}); check the network, then try again"
    else:
        text = f"the name {host} has no address ({name}); check how it is written"
    found = NameNotFound(f"{endpoint}: {text}")
    found.__cause__ = error
    return found
