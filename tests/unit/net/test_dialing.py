from __future__ import annotations

import asyncio
import errno
import gc
import os
import pickle
import select
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import (
    ConfigurationError,
    ConnectError,
    ConnectRefused,
    ConnectTimeout,
    NameNotFound,
    Unreachable,
)
from jackfield.net import dialing, options, oserrors
from jackfield.net.binding import bind
from jackfield.net.dialing import Attempt, dial
from jackfield.net.ioloop import current, new_event_loop
from tests.live import PATIENCE, free_port, sockets_of
from tests.unit.net.machine import needs_ipv6, no_privileges

T = TypeVar("T")
Run = Callable[[Awaitable[T]], T]
Sockaddr = tuple[Any, ...]

NEVER = 3600.0
"""Seconds: so long that what waits for it to pass fails the test by its time limit."""


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Whatever a test is about, no socket is left open by it."""
    before = sockets_of(os.getpid())
    yield
    assert sockets_of(os.getpid()) <= before  # one of an earlier test may be closed by now


@pytest.fixture(params=[asyncio.SelectorEventLoop, new_event_loop], ids=["asyncio", "fastest"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Runs coroutines on asyncio's own event loop, and on the fastest there is."""
    with asyncio.Runner(loop_factory=request.param) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def nobody() -> Iterator[tuple[str, int]]:
    """An address where nobody listens, and nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """An address where connecting hangs: its queue of one is full."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.2", 0))
        sock.listen(0)
        with socket.create_connection(sock.getsockname()):
            yield sock.getsockname()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has every name mean the addresses given."""

    def means(*addresses: Sockaddr) -> None:
        def lookup(host: str, port: int, type: int) -> list[Any]:  # noqa: A002  as the real one
            return [
                (socket.AF_INET if len(address) == 2 else socket.AF_INET6, type, 0, "", address)
                for address in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)

    return means


def connect(
    runner: asyncio.Runner,
    endpoint: Endpoint | str,
    tried: list[Attempt] | None = None,
    timeout: float = 30,
) -> tuple[socket.socket, Any]:
    """Dial in a loop."""

    async def main() -> tuple[socket.socket, Any]:
        there = parse(endpoint) if isinstance(endpoint, str) else endpoint
        on_attempt = None if tried is None else tried.append
        return await dial(current(), there, timeout=timeout, on_attempt=on_attempt)

    return runner.run(main())


def at(address: Sockaddr) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Streams


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_tcp_is_connected(runner: asyncio.Runner, listener: socket.socket, scheme: str) -> None:
    address = listener.getsockname()
    tried: list[Attempt] = []
    sock, peer = connect(runner, f"{scheme}://{at(address)}", tried)
    with sock, listener.accept()[0] as accepted:
        assert peer == address
        assert sock.gettimeout() == 0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.send(b"hello")
        assert accepted.recv(5) == b"hello"
    ((endpoint, outcome, seconds),) = [(a.endpoint, a.outcome, a.seconds) for a in tried]
    assert (str(endpoint), outcome) == (f"{scheme}://{at(address)}", "connected")
    assert seconds >= 0


@needs_ipv6
def test_tcp_over_ipv6_is_connected(runner: asyncio.Runner) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        address = listener.getsockname()
        sock, peer = connect(runner, f"tcp://{at(address)}")
        with sock, listener.accept()[0]:
            assert peer == address


def test_options_are_set_before_connecting(runner: asyncio.Runner, listener: socket.socket) -> None:
    url = f"tcp://{at(listener.getsockname())}?nodelay=off&keepalive=30&rcvbuf=8K"
    sock, _ = connect(runner, url)
    with sock, listener.accept()[0]:
        assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8192


def test_a_name_is_looked_up(runner: asyncio.Runner) -> None:
    listeners = bind(parse("tcp://localhost:0"))
    sock, peer = connect(runner, f"tcp://localhost:{listeners[0].endpoint.port}")
    assert sock.getpeername() == peer
    sock.close()
    for one in listeners:
        one.sock.close()


def test_nobody_there_is_refused(runner: asyncio.Runner, nobody: tuple[str, int]) -> None:
    tried: list[Attempt] = []
    with pytest.raises(ConnectRefused) as caught:
        connect(runner, f"tcp://{at(nobody)}", tried)
    assert str(caught.value) == (
        f"tcp://{at(nobody)}: refused (ECONNREFUSED); "
        f"nobody listens on {at(nobody)}; start a server there first"
    )
    assert caught.value.errno == errno.ECONNREFUSED
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    text = str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == text  # noqa: S301  our own
    assert [attempt.outcome for attempt in tried] == ["refused (ECONNREFUSED)"]


def test_a_peer_that_never_answers_is_given_up(
    runner: asyncio.Runner, deaf: tuple[str, int]
) -> None:
    tried: list[Attempt] = []
    with pytest.raises(ConnectTimeout) as caught:
        connect(runner, f"tcp://{at(deaf)}", tried, timeout=0.02)
    assert str(caught.value) == (
        f"tcp://{at(deaf)}: no answer within 0.02 s (ETIMEDOUT); "
        "the machine is off, or a firewall drops what is sent to that port"
    )
    assert caught.value.errno == errno.ETIMEDOUT
    assert [attempt.outcome for attempt in tried] == ["no answer within 0.02 s (ETIMEDOUT)"]


def test_a_socket_that_connects_to_itself_is_refused(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may choose for a client the very port it dials; here it is made to."""
    address = ("127.0.0.1", free_port())
    real = options.new_socket

    def new_socket(endpoint: Endpoint, family: int) -> socket.socket:
        sock = real(endpoint, family)
        sock.bind(address)
        return sock

    monkeypatch.setattr(options, "new_socket", new_socket)
    with pytest.raises(ConnectRefused, match="start a server there first"):
        connect(runner, f"tcp://{at(address)}")
    with socket.socket() as server:  # without SO_REUSEADDR: nothing of it is left
        server.bind(address)


def test_a_peer_that_resets_at_once_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
    with sock:
        assert select.select([sock], [], [], PATIENCE)[0]  # it has come
        assert dialing._verdict(sock) == errno.ECONNRESET
        assert dialing._verdict(sock) == errno.ENOTCONN  # told once, and still no connection


def test_an_address_without_a_way_to_it_is_unreachable(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket

    def ipv4_only(family: int = -1, *args: Any, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", ipv4_only)
    with pytest.raises(Unreachable) as caught:
        connect(runner, "tcp://[::1]:9")
    assert str(caught.value) == (
        "tcp://[::1]:9: this machine lacks its address family (EAFNOSUPPORT); "
        "this machine has no way there; check its network"
    )


def test_the_network_is_unreachable(runner: asyncio.Runner) -> None:
    with pytest.raises(Unreachable, match=r"network unreachable \(ENETUNREACH\); this machine has"):
        connect(runner, "tcp://239.255.0.1:9")  # nobody has a connection to a group


@needs_ipv6
def test_a_link_local_address_needs_its_interface(runner: asyncio.Runner) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(runner, "tcp://[fe80::1]:80")
    assert str(caught.value).endswith(
        " (EINVAL); a link-local address needs its interface, as tcp://[fe80::1%25eth0]:80"
    )
    with pytest.raises(NameNotFound, match=r"this machine has no interface eth77 \(EAI_NONAME\)"):
        connect(runner, "tcp://[fe80::1%25eth77]:80")


def test_a_name_without_an_address_is_not_found(runner: asyncio.Runner) -> None:
    with pytest.raises(NameNotFound, match=r"^tcp://nowhere.invalid:80: .*nowhere.invalid.*\(EAI_"):
        connect(runner, "tcp://nowhere.invalid:80")
    with pytest.raises(NameNotFound, match=r"has no address \(EAI_NONAME\); check how it is"):
        connect(runner, Endpoint(Transport.TCP, host="a" * 64, port=80))  # no label is so long


def test_name_servers_that_do_not_answer_are_told_apart() -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    found = oserrors.not_found(parse("tcp://example.test:80"), error)
    assert str(found) == (
        "tcp://example.test:80: no name server answers for example.test (EAI_AGAIN); "
        "check the network, then try again"
    )


def test_a_lookup_that_takes_too_long_is_given_up(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait() and [])
    try:
        with pytest.raises(ConnectTimeout) as caught:
            connect(runner, "tcp://slow.test:80", timeout=0.02)
    finally:
        answer.set()
    assert str(caught.value) == (
        "tcp://slow.test:80: no name server has answered for slow.test within 0.02 s "
        "(ETIMEDOUT); check the network, then try again"
    )


# Several addresses: RFC 8305


def test_the_families_take_turns() -> None:
    four = [(socket.AF_INET, (f"192.0.2.{number}", 1)) for number in range(3)]
    six = [(socket.AF_INET6, (f"2001:db8::{number}", 1, 0, 0)) for number in range(2)]
    assert dialing._interleaved([*six, *four]) == [six[0], four[0], six[1], four[1], four[2]]
    assert dialing._interleaved([four[0], six[0], four[0], four[1]]) == [four[0], six[0], four[1]]
    assert dialing._interleaved([]) == []


def test_the_next_address_follows_at_once_when_one_fails(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    nobody: tuple[str, int],
    listener: socket.socket,
) -> None:
    monkeypatch.setattr(dialing, "STAGGER", NEVER)
    resolve(nobody, listener.getsockname())
    tried: list[Attempt] = []
    sock, peer = connect(runner, "tcp://two.test:80", tried)
    sock.close()
    assert peer == listener.getsockname()
    assert [(attempt.endpoint.address, attempt.outcome) for attempt in tried] == [
        (at(nobody), "refused (ECONNREFUSED)"),
        (at(peer), "connected"),
    ]


def test_the_next_address_follows_soon_when_nothing_has_come_of_one(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    deaf: tuple[str, int],
    listener: socket.socket,
) -> None:
    assert dialing.STAGGER == 0.25
    monkeypatch.setattr(dialing, "STAGGER", 0.01)
    resolve(deaf, listener.getsockname())
    tried: list[Attempt] = []
    sock, peer = connect(runner, "tcp://two.test:80", tried)
    sock.close()
    assert peer == listener.getsockname()
    assert [(attempt.endpoint.address, attempt.outcome) for attempt in tried] == [
        (at(peer), "connected"),
        (at(deaf), "not needed any more"),
    ]


def test_the_next_address_is_not_tried_before(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    deaf: tuple[str, int],
    listener: socket.socket,
) -> None:
    monkeypatch.setattr(dialing, "STAGGER", NEVER)
    resolve(deaf, listener.getsockname())
    tried: list[Attempt] = []
    with pytest.raises(ConnectTimeout):
        connect(runner, "tcp://two.test:80", tried, timeout=0.02)
    assert [attempt.endpoint.address for attempt in tried] == [at(deaf)]
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_once_one_is_connected_no_other_is_tried(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    listener: socket.socket,
    nobody: tuple[str, int],
) -> None:
    monkeypatch.setattr(dialing, "STAGGER", NEVER)
    resolve(listener.getsockname(), nobody)
    tried: list[Attempt] = []
    sock, _ = connect(runner, "tcp://two.test:80", tried)
    sock.close()
    assert [attempt.outcome for attempt in tried] == ["connected"]


def test_of_two_that_connect_one_is_closed(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None]
) -> None:
    monkeypatch.setattr(dialing, "STAGGER", 0)
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.2", 0)) as other,
    ):
        resolve(one.getsockname(), other.getsockname())
        real = dialing._Race._begin

        def begin_all(race: dialing._Race) -> None:
            while race._addresses:
                real(race)

        monkeypatch.setattr(dialing._Race, "_begin", begin_all)
        tried: list[Attempt] = []
        sock, peer = connect(runner, "tcp://two.test:80", tried)
        with sock:
            won, lost = (one, other) if peer == one.getsockname() else (other, one)
            with won.accept()[0] as accepted, lost.accept()[0] as dropped:
                sock.send(b"!")
                assert accepted.recv(1) == b"!"
                assert dropped.recv(1) == b""
    assert [attempt.outcome for attempt in tried] == ["connected", "not needed any more"]


@needs_ipv6
def test_all_refused_on_loopback_are_told_each(
    runner: asyncio.Runner, resolve: Callable[..., None], nobody: tuple[str, int]
) -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        six = other.getsockname()
        resolve(six, nobody)
        with pytest.raises(ConnectRefused) as caught:
            connect(runner, "tcp://localhost:80")
    assert str(caught.value) == (
        f"tcp://localhost:80: {at(six)} refused (ECONNREFUSED), "
        f"{at(nobody)} refused (ECONNREFUSED); "
        f"nobody listens on {at(six)} or {at(nobody)}; start a server there first"
    )


def test_each_address_has_its_own_reason(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    nobody: tuple[str, int],
    deaf: tuple[str, int],
) -> None:
    monkeypatch.setattr(dialing, "STAGGER", 0)
    resolve(deaf, nobody)
    with pytest.raises(ConnectTimeout) as caught:
        connect(runner, "tcp://two.test:80", timeout=0.2)
    assert str(caught.value).startswith(
        f"tcp://two.test:80: {at(nobody)} refused (ECONNREFUSED), "
        f"{at(deaf)} no answer within 0.2 s (ETIMEDOUT); "
    )


@pytest.mark.parametrize(
    ("numbers", "kind", "advice"),
    [
        ([errno.ECONNREFUSED], ConnectRefused, "that machine is there, but nobody listens on"),
        ([errno.ENETUNREACH, errno.ECONNREFUSED], ConnectRefused, "that machine is there"),
        ([errno.ETIMEDOUT], ConnectTimeout, "the machine is off, or a firewall drops"),
        ([errno.ENETUNREACH, errno.EHOSTUNREACH], Unreachable, "this machine has no way there"),
        ([errno.EADDRNOTAVAIL], Unreachable, "this machine has no way there"),
        ([errno.EACCES], ConnectError, "a rule of this machine, such as its firewall's, forbids"),
        ([errno.EMFILE], ConnectError, "the system has refused to try"),
        ([errno.ENETUNREACH, errno.EMFILE], ConnectError, "this machine has no way there"),
    ],
)
def test_each_kind_of_failure_is_told_apart(
    numbers: list[int], kind: type[ConnectError], advice: str
) -> None:
    there = parse("tcp://192.0.2.1:80")
    tried = [(there, OSError(number, os.strerror(number))) for number in numbers]
    found = oserrors.not_connected(there, tried)
    assert type(found) is kind
    assert f"; {advice}" in str(found)
    assert all(f"({errno.errorcode[number]})" in str(found) for number in numbers)


# Ending early


def test_a_cancelled_dial_leaves_nothing_open(
    runner: asyncio.Runner, deaf: tuple[str, int]
) -> None:
    tried: list[Attempt] = []

    async def main() -> None:
        io = current()
        endpoint = parse(f"tcp://{at(deaf)}")
        task = asyncio.ensure_future(dial(io, endpoint, on_attempt=tried.append))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    runner.run(main())
    assert [attempt.outcome for attempt in tried] == ["not needed any more"]


def test_a_dial_cancelled_as_it_connects_leaves_nothing_open(
    runner: asyncio.Runner, listener: socket.socket
) -> None:
    async def main() -> None:
        io = current()
        endpoint = parse(f"tcp://{at(listener.getsockname())}")

        def cancel(attempt: Attempt) -> None:
            if attempt.outcome == "connected":
                task.cancel()

        task = asyncio.ensure_future(dial(io, endpoint, on_attempt=cancel))
        with pytest.raises(asyncio.CancelledError):
            await task

    runner.run(main())
    with listener.accept()[0] as accepted:
        assert accepted.recv(1) == b""


def test_an_option_that_fails_leaves_nothing_open(runner: asyncio.Runner) -> None:
    with pytest.raises(ConfigurationError, match="no interface eth77"):
        connect(runner, "udp://127.0.0.1:9?interface=eth77")


def test_an_option_that_fails_for_a_later_address_is_told(
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    resolve: Callable[..., None],
    nobody: tuple[str, int],
) -> None:
    real = options.new_socket

    def new_socket(endpoint: Endpoint, family: int) -> socket.socket:
        if family == socket.AF_INET6:
            msg = "not for IPv6"
            raise ConfigurationError(msg)
        return real(endpoint, family)

    monkeypatch.setattr(options, "new_socket", new_socket)
    resolve(nobody, ("::1", 9, 0, 0), nobody)
    with pytest.raises(ConfigurationError, match="not for IPv6"):
        connect(runner, "tcp://two.test:9")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("fd://3", "fd://3: fd: is for listening, not for connecting from outside"),
        ("memory://x", "memory://x: memory: is for listening, not for connecting"),
        ("tcp://127.0.0.1:0", "port 0 lets a listener's system choose; to connect, name the port"),
        (
            "udp://0.0.0.0:5?group=239.1.1.1",
            r"group= is for listening; to send to the group, connect to udp://239\.1\.1\.1:5$",
        ),
    ],
)
def test_what_can_only_be_listened_on_is_refused(
    runner: asyncio.Runner, url: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        connect(runner, url)


# Datagrams


def test_udp_is_connected_and_can_be_answered(runner: asyncio.Runner) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sock, peer = connect(runner, f"udp://{at(server.getsockname())}")
        with sock:
            assert peer == server.getsockname()
            sock.send(b"question")
            question, client = server.recvfrom(100)
            server.sendto(question + b"!", client)
            sock.settimeout(10)
            assert sock.recv(100) == b"question!"


def test_a_broadcast_is_asked_for(runner: asyncio.Runner) -> None:
    with pytest.raises(
        ConnectError, match=r"no permission \(EACCES\); sending to a broadcast addr"
    ):
        connect(runner, "udp://127.255.255.255:9")
    sock, peer = connect(runner, "udp://127.255.255.255:9?broadcast=on")
    sock.close()
    assert peer == ("127.255.255.255", 9)


# UNIX


UNIX = ["unix", "unix+dgram", "unix+seqpacket"]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> str:
    return str(tmp_path / "x.sock")


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("scheme", ["unix", "unix+seqpacket"])
def test_unix_is_connected(runner: asyncio.Runner, path: str, scheme: str, abstract: bool) -> None:
    url = f"{scheme}:@jackfield-dial-{os.getpid()}" if abstract else f"{scheme}://{path}"
    (server,) = bind(parse(url))
    sock, peer = connect(runner, url)
    with server.sock, sock, server.sock.accept()[0] as accepted:
        assert peer == server.sock.getsockname() == sock.getpeername()
        sock.send(b"hello")
        assert accepted.recv(100) == b"hello"


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_datagrams_can_be_answered(runner: asyncio.Runner, path: str, abstract: bool) -> None:
    url = f"unix+dgram:@jackfield-dial-{os.getpid()}" if abstract else f"unix+dgram://{path}"
    (server,) = bind(parse(url))
    sock, _ = connect(runner, url)
    with server.sock, sock:
        sock.send(b"question")
        question, client = server.sock.recvfrom(100)
        server.sock.sendto(question + b"!", client)
        assert sock.recv(100) == b"question!"


@pytest.mark.long
def test_without_abstract_names_a_datagram_client_has_a_path_that_goes_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dialing.bind_own_name(sock)
    path = Path(sock.getsockname())
    assert path.is_socket()
    assert path.parent.stat().st_mode & 0o077 == 0
    sock.close()
    del sock
    gc.collect()
    assert not path.parent.exists()


@pytest.mark.parametrize("scheme", UNIX)
def test_no_socket_at_a_path_is_refused(runner: asyncio.Runner, path: str, scheme: str) -> None:
    with pytest.raises(ConnectRefused) as caught:
        connect(runner, f"{scheme}://{path}")
    assert str(caught.value) == (
        f"{scheme}://{path}: no socket at this path (ENOENT); is the server running?"
    )
    with pytest.raises(ConnectRefused, match=r"refused \(ECONNREFUSED\); nobody listens on @nobod"):
        connect(runner, f"{scheme}:@nobody-{os.getpid()}")


@pytest.mark.parametrize("scheme", UNIX)
def test_nobody_behind_a_path_is_refused(runner: asyncio.Runner, path: str, scheme: str) -> None:
    bind(parse(f"{scheme}://{path}"))[0].sock.close()
    with pytest.raises(ConnectRefused, match=f"nobody listens on {path}; start a server there"):
        connect(runner, f"{scheme}://{path}")


def test_a_socket_of_another_kind_is_told(runner: asyncio.Runner, path: str) -> None:
    (server,) = bind(parse(f"unix://{path}"))
    with server.sock, pytest.raises(ConnectError) as caught:
        connect(runner, f"unix+dgram://{path}")
    assert str(caught.value) == (
        f"unix+dgram://{path}: a UNIX socket of another kind (EPROTOTYPE); "
        "one of unix:, unix+dgram: and unix+seqpacket: is right"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file that this user may not use")
def test_a_socket_one_may_not_use_is_told(runner: asyncio.Runner, path: str) -> None:
    (server,) = bind(parse(f"unix://{path}"))
    Path(path).chmod(0)
    with server.sock, no_privileges(), pytest.raises(ConnectError) as caught:
        connect(runner, f"unix://{path}")
    assert str(caught.value) == (
        f"unix://{path}: no permission (EACCES); "
        f"it needs the right to write to {path} and to enter its folders"
    )


def test_a_path_that_is_too_long_is_told(runner: asyncio.Runner) -> None:
    with pytest.raises(ConnectError, match=r"AF_UNIX path too long \(OSError\); the system has"):
        connect(runner, Endpoint(Transport.UNIX, path="/" + "x" * 120))


def test_a_unix_server_whose_queue_is_full_is_waited_for(runner: asyncio.Runner, path: str) -> None:
    """Poll does not tell when there is room; the dial finds out, and gives up in the end."""
    (server,) = bind(parse(f"unix://{path}?backlog=1"))
    first = [connect(runner, server.endpoint)[0] for _ in range(2)]
    with pytest.raises(ConnectTimeout) as caught:
        connect(runner, server.endpoint, timeout=0.05)
    assert str(caught.value) == (
        f"{server.endpoint}: its queue has been full for 0.05 s (EAGAIN); "
        "the server is there, but accepts nobody"
    )

    async def accept_meanwhile() -> socket.socket:
        task = asyncio.ensure_future(dial(current(), server.endpoint))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        server.sock.accept()[0].close()
        sock, _ = await task
        return sock

    first.append(runner.run(accept_meanwhile()))
    for sock in [*first, server.sock]:
        sock.close()
