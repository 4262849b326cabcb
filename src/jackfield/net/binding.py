"""Binding: from an endpoint to sockets that listen.

The rules this file owns:

1. All or nothing: every address an endpoint stands for is bound, or none. Of a name, addresses
   this machine does not have are left out, as long as one is there. `localhost` is 127.0.0.1
   and ::1 (RFC 6761), whatever the resolver says.
2. Port 0 is one port, the same for all addresses of an endpoint.
3. `[::]` takes IPv4 along; any other IPv6 address is IPv6 alone (RFC 3493, IPV6_V6ONLY).
4. Nobody's address is taken away or shared unseen: SO_REUSEADDR is for TCP, where it lets a
   restart bind at once, and for multicast groups, which are for many. SO_EXCLUSIVEADDRUSE on
   Windows.
5. A UNIX socket file behind which nobody listens is replaced. One that answers never is, nor
   is anything that is no socket. It is removed at the end if it is still the one made here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import socket
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jackfield.endpoints import DEFAULT_OPTIONS, Endpoint, Transport
from jackfield.errors import AddressInUse, AddressNotAvailable, BindError, ConfigurationError
from jackfield.net import details, holders, options
from jackfield.net.interfaces import addresses
from jackfield.net.oserrors import code, not_bound, not_found

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

DEFAULT_BACKLOG = 4096
"""Connections that may wait to be accepted; the system has a cap of its own (somaxconn)."""

_PORT_TRIES = 16
"""Times a port of the system's choice may turn out to be taken at another address."""

_LOCK_TIME = 5.0
"""Seconds to wait for another server that replaces a socket file in the same folder."""

_LOCK_PAUSE = 0.01
"""Seconds between two looks at that lock: flock(2) itself knows no deadline."""

_DIGITS = 8
"""Digits that a number of descriptors does not reach."""

_FIRST_FD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

_UNIX = {Transport.UNIX, Transport.UNIX_DATAGRAM, Transport.UNIX_SEQPACKET}

Sockaddr = tuple[Any, ...]
"""What the socket module calls an address: host and port first."""

FileIdentity = tuple[int, int, int]
"""Device, inode, and time of making in nanoseconds: inode numbers are used again."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that listens (streams, seqpacket) or is bound (datagrams); it does not block."""

    sock: socket.socket
    endpoint: Endpoint
    """Where it really is: a numeric host and the port the system chose. Options as asked for."""
    file: FileIdentity | None = None
    """The UNIX socket file that was made for it."""


def bind(endpoint: Endpoint) -> list[Bound]:
    """Bind all addresses of an endpoint, and listen. The caller closes the sockets.

    Raises BindError (AddressInUse, BindNotPermitted, AddressNotAvailable), NameNotFound, and
    ConfigurationError for what cannot be bound at all; then nothing stays open.
    """
    if endpoint.transport is Transport.FD:
        return [_inherit(endpoint)]
    if endpoint.transport in _UNIX:
        return [_bind_unix(endpoint)]
    if endpoint.transport is Transport.MEMORY:
        msg = f"{endpoint}: an in-memory endpoint has no socket to bind"
        raise ConfigurationError(msg)
    try:
        return _bind_inet(endpoint)
    except AddressNotAvailable:
        if endpoint.host != "::":
            raise
        return _bind_inet(replace(endpoint, host="0.0.0.0"))  # IPv6 is off here


def bind_for_workers(endpoint: Endpoint, count: int) -> list[list[Bound]]:
    """Bind an endpoint for so many processes: for each of them the sockets that it serves.

    Streams and seqpacket share theirs. UDP has one for each, with SO_REUSEPORT: the system then
    keeps the datagrams of a peer with one of them (socket(7)). Errors as `bind()`, which is also
    asked whether somebody else has the address: of one user, SO_REUSEPORT would let in anybody.
    """
    first = bind(endpoint)
    if not first[0].endpoint.is_datagram:
        return [first] * count
    for bound in first:
        bound.sock.close()
    if endpoint.transport is not Transport.UDP:
        msg = (
            f"{endpoint}: a datagram socket that was passed is one for all, so that no peer could "
            "stay with its worker; serve it without workers"
        )
        raise ConfigurationError(msg)
    with contextlib.ExitStack() as opened:
        shares: list[list[Bound]] = []
        for _ in range(count):
            shares.append([])
            for bound in first:
                shares[-1].append(_bind_shared(endpoint, bound.endpoint))
                opened.enter_context(shares[-1][-1].sock)
        opened.pop_all()
    return shares


def _bind_shared(endpoint: Endpoint, at: Endpoint) -> Bound:
    ((family, sockaddr),) = _addresses(at)
    sock = _bind_one(endpoint, family, sockaddr, "", shared=True)
    return Bound(sock, at)


@contextlib.contextmanager
def _new_socket(
    endpoint: Endpoint, at: Endpoint, family: int, who: str = ""
) -> Iterator[socket.socket]:
    """Make a socket to bind to `at`; when that fails, close it and say why.

    who: whom to name as the holder of an address in use, without looking for it.
    """
    with contextlib.ExitStack() as opened:
        try:
            sock = opened.enter_context(options.new_socket(endpoint, family))
            yield sock
        except BindError:
            raise
        except OSError as error:
            raise not_bound(endpoint, at, error, who) from error
        opened.pop_all()


def _listen(sock: socket.socket, endpoint: Endpoint) -> None:
    if not endpoint.is_datagram:
        sock.listen(endpoint.options.backlog or DEFAULT_BACKLOG)


# TCP, TLS and UDP


def _bind_inet(endpoint: Endpoint) -> list[Bound]:
    found = _addresses(endpoint)
    if endpoint.port == 0 and len(found) > 1:
        for _ in range(_PORT_TRIES - 1):
            with contextlib.suppress(AddressInUse):
                return _bind_all(endpoint, found, who="somebody")
    return _bind_all(endpoint, found)


def _addresses(endpoint: Endpoint) -> list[tuple[int, Sockaddr]]:
    """Give family and sockaddr of each address the endpoint's host stands for."""
    hosts = ["127.0.0.1", "::1"] if endpoint.host == "localhost" else [endpoint.host]
    kind = options.kind_of(endpoint.transport)
    found: dict[tuple[int, Sockaddr], None] = {}
    try:
        for host in hosts:
            for family, *_, sockaddr in socket.getaddrinfo(host, endpoint.port, type=kind):
                found[family, sockaddr] = None
    except (socket.gaierror, UnicodeError) as error:
        raise not_found(endpoint, error) from error
    return list(found)


def _bind_all(
    endpoint: Endpoint, addresses: list[tuple[int, Sockaddr]], who: str = ""
) -> list[Bound]:
    bound: list[Bound] = []
    missing: AddressNotAvailable | None = None
    port = endpoint.port
    with contextlib.ExitStack() as opened:
        for family, (host, _, *rest) in addresses:
            try:
                sock = _bind_one(endpoint, family, (host, port, *rest), who)
            except AddressNotAvailable as error:
                if len(addresses) == 1:
                    raise
                missing = error
                continue
            opened.enter_context(sock)
            at = details.endpoint_of(endpoint.transport, sock.getsockname())
            bound.append(Bound(sock, endpoint.bound_at(at)))
            port = at.port
        if missing is not None and not bound:
            raise missing
        opened.pop_all()
    return bound


def _bind_one(
    endpoint: Endpoint, family: int, sockaddr: Sockaddr, who: str, *, shared: bool = False
) -> socket.socket:
    at = details.endpoint_of(endpoint.transport, sockaddr)
    with _new_socket(endpoint, at, family, who) as sock:
        if family == socket.AF_INET6:
            alone = endpoint.host != "::" and not endpoint.host.startswith("::ffff:")
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(alone))
        if sys.platform == "win32":
            # SO_REUSEADDR would let anybody take the address over there.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        elif not endpoint.is_datagram:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if endpoint.transport is Transport.UDP:
            options.join(sock, endpoint)
            if endpoint.is_any:
                options.tell_local_address(sock)
        sock.bind(sockaddr)
        _listen(sock, endpoint)
    return sock


# UNIX


def _bind_unix(endpoint: Endpoint) -> Bound:
    family, address = options.unix_address(endpoint)
    with _new_socket(endpoint, endpoint, family) as sock:
        if isinstance(address, bytes):  # an abstract name leaves nothing behind
            sock.bind(address)
            _listen(sock, endpoint)
            return Bound(sock, endpoint)
        with _lock(endpoint):
            try:
                sock.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                _remove_stale(endpoint, error)
                sock.bind(address)
            _listen(sock, endpoint)
            return Bound(sock, endpoint, _identity(address))


@contextlib.contextmanager
def _lock(endpoint: Endpoint) -> Iterator[None]:
    """Keep other servers of this library off the socket files in the endpoint's folder.

    Two that replace one stale file at a time would remove each other's new one, and between
    bind() and listen() a live one looks stale. The lock is on the folder itself, so nothing
    is left lying about; where none is to be had (a folder one may not read, a filesystem
    without locks) it goes without. Raises OSError when there is no such folder.
    """
    with contextlib.ExitStack() as opened:
        if fcntl is not None:
            with contextlib.suppress(PermissionError):
                number = os.open(Path(endpoint.path).parent, os.O_RDONLY | os.O_DIRECTORY)
                opened.callback(os.close, number)
                _wait_for_lock(endpoint, number)
        yield


def _wait_for_lock(endpoint: Endpoint, folder: int) -> None:
    deadline = time.monotonic() + _LOCK_TIME
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                msg = (
                    f"{endpoint}: another process keeps its folder locked ({code(error)}); "
                    "choose a folder of your own"
                )
                raise BindError(msg) from error
            time.sleep(_LOCK_PAUSE)
        except OSError:  # a filesystem without locks
            return
        else:
            return


def _remove_stale(endpoint: Endpoint, error: OSError) -> None:
    """Remove a socket file behind which nobody is. Raises AddressInUse for anything else."""
    try:
        mode = Path(endpoint.path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        msg = (
            f"{endpoint}: there is something that is no socket ({code(error)}), and so it stays; "
            "choose another path"
        )
        raise AddressInUse(msg) from error
    who = _who_answers(endpoint)
    if who is not None:
        raise not_bound(endpoint, endpoint, error, who)
    Path(endpoint.path).unlink(missing_ok=True)


def _who_answers(endpoint: Endpoint) -> str | None:
    """Say who is behind a socket file, in words that may be empty; None for nobody.

    Connecting is the one test that holds across containers, users and forks.
    """
    family, address = options.unix_address(endpoint)
    with options.new_socket(endpoint, family) as probe:
        number = probe.connect_ex(address)
        if number in {errno.ECONNREFUSED, errno.ENOENT}:
            return None
        found = details.credentials(probe) if number == 0 else None
        return holders.text([holders.process(found.pid)]) if found else ""


def _identity(path: str) -> FileIdentity:
    found = Path(path).lstat()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def unlink_own(bound: Bound) -> None:
    """Remove the UNIX socket file that `bind()` made, unless another has taken its place.

    Never raises: a file that stays is replaced by the next server there.
    """
    path = bound.endpoint.path
    if bound.file is not None:
        with contextlib.suppress(OSError), _lock(bound.endpoint):
            if _identity(path) == bound.file:
                Path(path).unlink()


# Inherited


def _inherit(endpoint: Endpoint) -> Bound:
    """Use a socket somebody else has bound: a duplicate, since the descriptor stays theirs.

    So a server can be stopped and started again on it.
    """
    try:
        if not stat.S_ISSOCK(os.fstat(endpoint.fd).st_mode):
            raise _not_inherited(endpoint, "is no socket (ENOTSOCK)")
        sock = socket.socket(fileno=os.dup(endpoint.fd))
    except BindError:
        raise
    except OSError as error:
        raise _not_inherited(endpoint, f"is not open ({code(error)})") from error
    with contextlib.ExitStack() as opened:
        opened.enter_context(sock)
        transport = _transport_of(sock)
        if transport is None:
            raise _not_inherited(endpoint, "is a socket of a kind not served here")
        at = details.endpoint_of(transport, sock.getsockname())
        if at.is_datagram:
            ready = bool(at.port or at.path)
        else:
            ready = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        if not ready:
            raise _not_inherited(endpoint, "is a socket that does not listen")
        sock.setblocking(False)
        options.apply(sock, at)
        if transport is Transport.UDP and at.is_any:
            options.tell_local_address(sock)
        opened.pop_all()
    return Bound(sock, at)


def _not_inherited(endpoint: Endpoint, what: str) -> BindError:
    return BindError(
        f"{endpoint}: descriptor {endpoint.fd} {what}; "
        "whoever starts this process has to pass a listening socket there"
    )


def _transport_of(sock: socket.socket) -> Transport | None:
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        kinds = {socket.SOCK_STREAM: Transport.TCP, socket.SOCK_DGRAM: Transport.UDP}
        return kinds.get(sock.type)
    if sock.family == getattr(socket, "AF_UNIX", None):
        return next((found for found in _UNIX if options.kind_of(found) == sock.type), None)
    return None


def listen_fds(name: str = "") -> list[Endpoint]:
    """List the sockets that systemd has passed to this process, as sd_listen_fds(3) says.

    name: those of this FileDescriptorName= alone. Children will not inherit them.
    Raises ConfigurationError for an environment that contradicts itself.
    """
    environ = os.environ
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []  # none, or for another process
    count = environ.get("LISTEN_FDS", "")
    if not (count.isascii() and count.isdecimal() and len(count) < _DIGITS):
        msg = f"LISTEN_FDS is {count!r}, which is no number of sockets"
        raise ConfigurationError(msg)
    numbers = range(_FIRST_FD, _FIRST_FD + int(count))
    names = environ["LISTEN_FDNAMES"].split(":") if environ.get("LISTEN_FDNAMES") else []
    if names and len(names) != len(numbers):
        msg = f"LISTEN_FDNAMES has {len(names)} names for the {count} sockets of LISTEN_FDS"
        raise ConfigurationError(msg)
    for number in numbers:
        try:
            os.set_inheritable(number, False)
        except OSError as error:
            msg = f"LISTEN_FDS is {count}, and descriptor {number} is not open ({code(error)})"
            raise ConfigurationError(msg) from error
    return [
        Endpoint(Transport.FD, fd=number)
        for number, called in zip(numbers, names or ["unknown"] * len(numbers), strict=True)
        if name in {"", called}
    ]


# What to tell when others can reach it


def warning_off_loopback(endpoint: Endpoint) -> str | None:
    """Warn of a bound endpoint that other machines can reach; None for one they cannot."""
    if endpoint.is_loopback:
        return None
    plain = replace(endpoint, options=DEFAULT_OPTIONS)
    open_to = "other machines can reach it"
    if not endpoint.transport.uses_tls:
        open_to += ", and nothing on the way is encrypted"
    here = "[::1]" if ":" in endpoint.host else "127.0.0.1"
    return f"{plain}: {open_to}; {here} in its place is for this machine alone"


def reach_commands(endpoint: Endpoint, framing: str = "") -> list[str]:
    """Give the commands that reach a bound endpoint from another machine, one for each address.

    framing: the service's, as the command's option calls it. The zone of a link-local address
    is the interface of this machine; the other one has its own. Which authority the other one
    has to be told to trust, only its operator knows. Empty for loopback.
    """
    if endpoint.is_loopback:
        return []
    hosts = _hosts(six=endpoint.host == "::") if endpoint.is_any else [endpoint.host]
    tail = " --ca FILE" if endpoint.transport.uses_tls else ""
    if framing == "http":
        return [
            f"jackfield fetch {shlex.quote(web_address(endpoint, host))}{tail}" for host in hosts
        ]
    tail += f" --framing {shlex.quote(framing)}" if framing else ""
    ways = [replace(endpoint, host=host, options=DEFAULT_OPTIONS) for host in hosts]
    return [f"jackfield connect {shlex.quote(str(way))}{tail}" for way in ways]


def web_address(endpoint: Endpoint, host: str = "") -> str:
    """Write what a browser calls an endpoint that HTTP is served at: http://127.0.0.1:8080/.

    host: in place of the endpoint's own.
    """
    scheme, usual = ("https", 443) if endpoint.transport.uses_tls else ("http", 80)
    name = host or endpoint.host
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}{'' if endpoint.port == usual else f':{endpoint.port}'}/"


def reachable_host(endpoint: Endpoint) -> str:
    """Give an address by which others reach an endpoint: its own, or the likeliest of all."""
    if not endpoint.is_any:
        return endpoint.host
    hosts = _hosts(six=endpoint.host == "::")
    return hosts[0] if hosts else "127.0.0.1"


def _hosts(*, six: bool) -> list[str]:
    """List this machine's addresses that others may use, the likeliest to work first."""
    found = [
        address
        for address in addresses()
        if not address.is_loopback and (six or address.version == 4)
    ]
    found.sort(key=lambda ip: (ip.is_link_local, ip.version))
    return [str(ip) for ip in found]
