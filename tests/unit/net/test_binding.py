from __future__ import annotations

import errno
import fcntl
import os
import pickle
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from jackfield.endpoints import Endpoint, Transport, parse
from jackfield.errors import (
    AddressInUse,
    AddressNotAvailable,
    BindError,
    BindNotPermitted,
    ConfigurationError,
    NameNotFound,
)
from jackfield.net import binding, options, oserrors
from jackfield.net.binding import (
    Bound,
    bind,
    listen_fds,
    reach_commands,
    unlink_own,
    warning_off_loopback,
)
from tests.live import free_port, sockets_of
from tests.unit.net.machine import needs_ipv6, no_privileges

Bind = Callable[[str], list[Bound]]
UNIX = ["unix", "unix+dgram", "unix+seqpacket"]


@pytest.fixture(name="bound")
def _bound() -> Iterator[Bind]:
    """Binds URLs; closes what was bound at the end."""
    opened: list[Bound] = []

    def bind_url(url: str) -> list[Bound]:
        found = bind(parse(url))
        opened.extend(found)
        return found

    yield bind_url
    for one in opened:
        one.sock.close()


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Whatever a test is about, no socket is left open by it."""
    before = sockets_of(os.getpid())
    yield
    assert sockets_of(os.getpid()) <= before  # one of an earlier test may be closed by now


@contextmanager
def resolver(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> Iterator[None]:
    """Have every name mean these addresses."""

    def lookup(host: str, port: int, type: int) -> list[Any]:  # noqa: A002  as the real one
        return [
            (socket.AF_INET6, type, 0, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, type, 0, "", (address, port))
            for address in addresses
        ]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


def hosts(found: list[Bound]) -> list[str]:
    return [one.endpoint.host for one in found]


# TCP and UDP


@pytest.mark.parametrize("scheme", ["tcp", "tls", "udp"])
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0.0.0.0",
        pytest.param("[::1]", marks=needs_ipv6),
        pytest.param("[::]", marks=needs_ipv6),
    ],
)
def test_an_address_is_bound_with_a_port_of_the_systems_choice(
    bound: Bind, scheme: str, host: str
) -> None:
    (one,) = bound(f"{scheme}://{host}:0")
    assert one.sock.getsockname()[:2] == (host.strip("[]"), one.endpoint.port)
    assert str(one.endpoint) == f"{scheme}://{host}:{one.endpoint.port}"
    assert one.endpoint.port > 0
    assert one.sock.gettimeout() == 0
    assert not one.sock.get_inheritable()
    listens = one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert bool(listens) is (scheme != "udp")


def test_options_are_kept_and_applied(bound: Bind) -> None:
    (one,) = bound("tcp://127.0.0.1:0?backlog=1&rcvbuf=8K&nodelay=off")
    assert str(one.endpoint).endswith("?backlog=1&nodelay=off&rcvbuf=8192")
    assert one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8192
    assert not one.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def waiting_room(sock: socket.socket) -> int:
    """The backlog of a TCP listener: tcpi_sacked of struct tcp_info."""
    return int(struct.unpack_from("=I", sock.getsockopt(6, socket.TCP_INFO, 104), 28)[0])


def test_the_backlog_is_as_asked_for_up_to_the_systems_cap(bound: Bind) -> None:
    cap = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert waiting_room(bound("tcp://127.0.0.1:0?backlog=3")[0].sock) == 3
    assert waiting_room(bound("tcp://127.0.0.1:0")[0].sock) == min(4096, cap)


@needs_ipv6
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_localhost_is_both_loopback_addresses_on_one_port(bound: Bind, scheme: str) -> None:
    found = bound(f"{scheme}://localhost:0")
    assert hosts(found) == ["127.0.0.1", "::1"]
    assert len({one.endpoint.port for one in found}) == 1


def test_the_same_port_serves_tcp_and_udp(bound: Bind) -> None:
    (one,) = bound(f"tcp://127.0.0.1:{free_port()}")
    assert bound(f"udp://127.0.0.1:{one.endpoint.port}")


@needs_ipv6
def test_all_addresses_of_a_name_are_bound_once(
    bound: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with resolver(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.2", "::1"):
        assert hosts(bound("tcp://several.test:0")) == ["127.0.0.2", "127.0.0.3", "::1"]


def test_addresses_of_a_name_that_are_elsewhere_are_left_out(
    bound: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with resolver(monkeypatch, "203.0.113.1", "127.0.0.2", "2001:db8::1"):
        assert hosts(bound("tcp://several.test:0")) == ["127.0.0.2"]


@pytest.mark.parametrize(
    "there",
    [("203.0.113.1",), pytest.param(("203.0.113.1", "2001:db8::1"), marks=needs_ipv6)],
)
def test_a_name_that_is_another_machines_is_refused(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    with resolver(monkeypatch, *there), pytest.raises(AddressNotAvailable) as caught:
        bind(parse("tcp://elsewhere.test:9999"))
    assert str(caught.value).startswith(
        f"tcp://elsewhere.test:9999: {parse_host(there[-1])}: "
        f"this machine does not have {there[-1]} (EADDRNOTAVAIL); it has 127.0.0.1"
    )


def parse_host(address: str) -> str:
    return f"[{address}]:9999" if ":" in address else f"{address}:9999"


def test_port_0_tries_again_when_the_other_address_has_it(
    bound: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver gives the second address one port, which is taken the first two times."""
    (taken,) = bound("tcp://127.0.0.2:0")
    real = binding._bind_one
    second: list[int] = []

    def bind_one(
        endpoint: Endpoint, family: int, sockaddr: binding.Sockaddr, who: str
    ) -> socket.socket:
        if sockaddr[0] == "127.0.0.2":
            second.append(sockaddr[1])
            if len(second) < 3:
                sockaddr = ("127.0.0.2", taken.endpoint.port)
        return real(endpoint, family, sockaddr, who)

    monkeypatch.setattr(binding, "_bind_one", bind_one)
    with resolver(monkeypatch, "127.0.0.1", "127.0.0.2"):
        one, other = bound("tcp://both.test:0")
    assert one.endpoint.port == other.endpoint.port == second[2]
    assert len(second) == 3


def test_port_0_gives_up_after_some_tries(bound: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = bound("tcp://127.0.0.2:0")
    tried: list[int] = []
    real = binding._bind_one

    def bind_one(
        endpoint: Endpoint, family: int, sockaddr: binding.Sockaddr, who: str
    ) -> socket.socket:
        if sockaddr[0] == "127.0.0.2":
            tried.append(sockaddr[1])
            sockaddr = ("127.0.0.2", taken.endpoint.port)
        return real(endpoint, family, sockaddr, who)

    monkeypatch.setattr(binding, "_bind_one", bind_one)
    with resolver(monkeypatch, "127.0.0.1", "127.0.0.2"), pytest.raises(AddressInUse):
        bind(parse("tcp://both.test:0"))
    assert len(tried) == 16


def test_when_one_address_fails_none_stays_bound(
    bound: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    bound(f"tcp://127.0.0.2:{port}")
    with resolver(monkeypatch, "127.0.0.1", "127.0.0.2"), pytest.raises(AddressInUse) as caught:
        bind(parse(f"tcp://both.test:{port}"))
    assert f"tcp://both.test:{port}: 127.0.0.2:{port}: in use by" in str(caught.value)
    assert bound(f"tcp://127.0.0.1:{port}")


def talk(sock: socket.socket, host: str) -> None:
    """Have a client at `host` connect to a listener."""
    with socket.create_connection((host, sock.getsockname()[1])):
        sock.setblocking(True)
        sock.accept()[0].close()


@needs_ipv6
def test_the_ipv6_wildcard_takes_ipv4_along(bound: Bind) -> None:
    (one,) = bound("tcp://[::]:0")
    talk(one.sock, "127.0.0.1")
    talk(one.sock, "::1")


@needs_ipv6
def test_other_ipv6_addresses_leave_ipv4_alone(bound: Bind) -> None:
    (one,) = bound(f"tcp://[::1]:{free_port()}")
    assert one.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    assert bound(f"tcp://127.0.0.1:{one.endpoint.port}")


def test_an_ipv4_address_written_as_ipv6_is_bound(bound: Bind) -> None:
    (one,) = bound("tcp://[::ffff:127.0.0.1]:0")
    assert one.endpoint.host == "127.0.0.1"
    talk(one.sock, "127.0.0.1")


def test_where_ipv6_is_off_its_wildcard_is_ipv4s(
    bound: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket

    def ipv4_only(family: int = -1, *args: Any, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", ipv4_only)
    assert hosts(bound("tcp://[::]:0")) == ["0.0.0.0"]
    assert hosts(bound("udp://localhost:0")) == ["127.0.0.1"]
    with pytest.raises(AddressNotAvailable) as caught:
        bind(parse("tcp://[::1]:9999"))
    assert str(caught.value) == "tcp://[::1]:9999: this machine has no IPv6 (EAFNOSUPPORT)"


def test_a_restart_binds_at_once_although_connections_linger(bound: Bind) -> None:
    (first,) = bound("tcp://127.0.0.1:0")
    address = first.sock.getsockname()
    with socket.create_connection(address) as client:
        first.sock.setblocking(True)
        first.sock.accept()[0].close()  # the side that closes first is left in TIME_WAIT
        assert client.recv(1) == b""
    first.sock.close()
    with socket.socket() as plain, pytest.raises(OSError, match="in use"):
        plain.bind(address)
    assert bound(str(first.endpoint))


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_an_address_in_use_is_refused_with_who_holds_it(bound: Bind, scheme: str) -> None:
    (one,) = bound(f"{scheme}://127.0.0.1:0")
    with pytest.raises(AddressInUse) as caught:
        bind(one.endpoint)
    assert str(caught.value) == (
        f"{one.endpoint}: in use by this process itself (EADDRINUSE); "
        "stop that, or choose another port"
    )
    assert caught.value.errno == errno.EADDRINUSE
    assert isinstance(caught.value.__cause__, OSError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(  # noqa: S301  our own
        caught.value
    )


def test_who_holds_an_address_may_be_hidden(bound: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.net.holders.holders", lambda _: [])
    (one,) = bound("tcp://127.0.0.1:0")
    with pytest.raises(AddressInUse, match=r"in use \(EADDRINUSE\), the system hides by whom; st"):
        bind(one.endpoint)


def test_an_address_of_another_machine_is_refused_with_those_of_this_one() -> None:
    with pytest.raises(AddressNotAvailable) as caught:
        bind(parse("tcp://203.0.113.1:9999"))
    text = str(caught.value)
    assert text.startswith(
        "tcp://203.0.113.1:9999: this machine does not have 203.0.113.1 (EADDRNOTAVAIL); "
        "it has 127.0.0.1"
    )
    assert text.endswith("; 0.0.0.0 stands for all of them")


@needs_ipv6
def test_an_ipv6_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressNotAvailable, match=r"; \[::\] stands for all of them"):
        bind(parse("udp://[2001:db8::1]:9999"))


@pytest.mark.parametrize(
    ("count", "told"), [(0, "none that the system tells"), (12, "10.0.0.11"), (14, "and 2 more")]
)
def test_a_long_list_of_addresses_is_cut(
    monkeypatch: pytest.MonkeyPatch, count: int, told: str
) -> None:
    ours = [ip_address(f"10.0.0.{number}") for number in range(count)]
    monkeypatch.setattr("jackfield.net.interfaces.addresses", lambda: ours)
    with pytest.raises(AddressNotAvailable, match=f"{told}; 0.0.0.0"):
        bind(parse("tcp://203.0.113.1:9999"))


@pytest.mark.skipif(oserrors.unprivileged_port() <= 80, reason="everybody may bind port 80 here")
def test_a_low_port_is_refused_with_who_may_and_what_to_do() -> None:
    with no_privileges(), pytest.raises(BindNotPermitted) as caught:
        bind(parse("tcp://127.0.0.1:80"))
    first = oserrors.unprivileged_port()
    text = str(caught.value)
    assert text.startswith(
        f"tcp://127.0.0.1:80: no right to bind (EACCES): ports below {first} are for root and "
        f"those with CAP_NET_BIND_SERVICE; take a port from {first} on, let systemd"
    )
    assert os.path.realpath(sys.executable) in text
    assert isinstance(caught.value, PermissionError)


def test_a_port_that_a_policy_forbids() -> None:
    endpoint = parse("tcp://127.0.0.1:9999")
    denied = PermissionError(errno.EPERM, "")
    text = str(oserrors.not_bound(endpoint, endpoint, denied))
    assert text.endswith("no right to bind (EPERM): a security policy of this machine forbids it")


def test_the_first_port_for_everybody_is_1024_where_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(oserrors, "Path", lambda _: tmp_path / "nothing")
    assert oserrors.unprivileged_port() == 1024


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(NameNotFound) as caught:
        bind(parse("tcp://nowhere.invalid:9999"))
    assert "nowhere.invalid" in str(caught.value)
    assert "(EAI_" in str(caught.value)
    assert isinstance(caught.value.__cause__, socket.gaierror)
    with pytest.raises(NameNotFound, match="EAI_NONAME"):
        bind(Endpoint(Transport.TCP, host="a" * 64, port=80))  # not by parse(): no label so long


@needs_ipv6
def test_a_link_local_address_needs_an_interface_that_is_there() -> None:
    with pytest.raises(BindError) as caught:
        bind(parse("tcp://[fe80::1]:9999"))
    assert str(caught.value) == (
        "tcp://[fe80::1]:9999: a link-local address needs its interface (EINVAL), "
        "as tcp://[fe80::1%25eth0]:9999"
    )
    with pytest.raises(NameNotFound, match=r"this machine has no interface eth77 \(EAI_NONAME\)"):
        bind(parse("tcp://[fe80::1%25eth77]:9999"))


def test_other_errors_are_told_by_name() -> None:
    endpoint = parse("tcp://127.0.0.1:9999")
    text = str(oserrors.not_bound(endpoint, endpoint, OSError(errno.EMFILE, "Too many open files")))
    assert text == "tcp://127.0.0.1:9999: cannot be bound: Too many open files (EMFILE)"


def test_an_option_that_fails_leaves_nothing_open() -> None:
    with pytest.raises(ConfigurationError, match="no interface eth77"):
        bind(parse("udp://0.0.0.0:0?interface=eth77"))


def test_memory_has_nothing_to_bind() -> None:
    with pytest.raises(ConfigurationError, match="memory://x: an in-memory endpoint has no socket"):
        bind(parse("memory://x"))


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("[::]", marks=needs_ipv6)])
def test_a_udp_wildcard_learns_which_address_was_written_to(bound: Bind, host: str) -> None:
    (one,) = bound(f"udp://{host}:0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.9", one.endpoint.port))
    _, ancillary, _, _ = one.sock.recvmsg(100, 100)
    assert any(data.find(b"\x7f\0\0\x09") >= 0 for _, _, data in ancillary)


def test_all_who_join_a_group_hear_it(bound: Bind) -> None:
    (one,) = bound("udp://0.0.0.0:0?group=239.255.7.7&interface=lo")
    (other,) = bound(str(one.endpoint))
    with options.new_socket(parse("udp://0.0.0.0:0?interface=lo"), socket.AF_INET) as sender:
        sender.sendto(b"to all", ("239.255.7.7", one.endpoint.port))
    for member in (one, other):
        member.sock.settimeout(10)
        assert member.sock.recv(100) == b"to all"


@needs_ipv6
def test_an_ipv6_group_is_shared(bound: Bind) -> None:
    (one,) = bound("udp://[::]:0?group=ff02::7:7&interface=lo")
    assert bound(str(one.endpoint))


# UNIX


def connects(endpoint: Endpoint) -> bool:
    """Whether somebody answers at a UNIX stream endpoint."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(endpoint.path) == 0


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> str:
    return str(tmp_path / "x.sock")


@pytest.mark.parametrize("scheme", UNIX)
def test_a_path_is_bound_and_removed_at_the_end(bound: Bind, path: str, scheme: str) -> None:
    (one,) = bound(f"{scheme}://{path}")
    assert one.endpoint == parse(f"{scheme}://{path}")
    assert one.sock.getsockname() == path
    assert one.sock.gettimeout() == 0
    listens = one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert bool(listens) is (scheme != "unix+dgram")
    one.sock.close()
    unlink_own(one)
    assert not os.path.lexists(path)
    unlink_own(one)  # once more does no harm


@pytest.mark.parametrize("scheme", UNIX)
def test_an_abstract_name_is_bound(bound: Bind, scheme: str) -> None:
    url = f"{scheme}:@jackfield-test-{os.getpid()}"
    (one,) = bound(url)
    assert one.sock.getsockname() == b"\0" + one.endpoint.path[1:].encode()
    with pytest.raises(AddressInUse) as caught:
        bind(parse(url))
    assert str(caught.value) == (
        f"{url}: in use by this process itself (EADDRINUSE); stop that, or choose another name"
    )
    unlink_own(one)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o700), (0o000, 0o777), (0o117, 0o660)])
def test_the_umask_says_who_may_connect(bound: Bind, path: str, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        bound(f"unix://{path}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(path).stat().st_mode) == mode


DIE = """
import os, signal, sys
from jackfield.endpoints import parse
from jackfield.net.binding import bind
bind(parse(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("scheme", UNIX)
def test_what_a_killed_server_left_is_replaced(bound: Bind, path: str, scheme: str) -> None:
    url = f"{scheme}://{path}"
    killed = subprocess.run([sys.executable, "-c", DIE, url], check=False, timeout=30)
    assert killed.returncode == -9
    assert Path(path).is_socket()
    (one,) = bound(url)
    assert one.file == binding._identity(path)
    assert one.sock.getsockname() == path


@pytest.mark.parametrize("scheme", UNIX)
def test_a_live_server_is_never_replaced(bound: Bind, path: str, scheme: str) -> None:
    (one,) = bound(f"{scheme}://{path}")
    for other in UNIX:
        with pytest.raises(AddressInUse) as caught:
            bind(parse(f"{other}://{path}"))
        assert str(caught.value) == (
            f"{other}://{path}: in use by this process itself (EADDRINUSE); "
            "stop that, or choose another path"
        )
    assert one.file == binding._identity(path)


def test_a_live_server_that_accepts_nobody_is_never_replaced(bound: Bind, path: str) -> None:
    (one,) = bound(f"unix://{path}?backlog=1")
    clients = []
    for _ in range(3):
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].setblocking(False)
        full = clients[-1].connect_ex(path)
    assert full == errno.EAGAIN
    with pytest.raises(AddressInUse):
        bind(one.endpoint)
    for client in clients:
        client.close()
    assert one.file == binding._identity(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file that this user may not use")
def test_a_live_server_that_must_not_be_connected_to_is_never_replaced(
    bound: Bind, path: str
) -> None:
    (one,) = bound(f"unix://{path}")
    Path(path).chmod(0)
    with no_privileges(), pytest.raises(AddressInUse):
        bind(one.endpoint)
    assert connects(one.endpoint)


def test_who_holds_a_path_is_told_by_the_socket_itself(
    bound: Bind, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.net.holders.holders", lambda _: [])
    (one,) = bound(f"unix://{path}")
    with pytest.raises(AddressInUse, match="in use by this process itself"):
        bind(one.endpoint)


@pytest.mark.parametrize("kind", ["file", "folder", "link to a socket", "broken link"])
def test_what_is_no_socket_is_never_removed(bound: Bind, path: str, kind: str) -> None:
    there = Path(path)
    if kind == "file":
        there.write_text("precious")
    elif kind == "folder":
        there.mkdir()
    else:
        target = there.with_name("target")
        there.symlink_to(target)
        if kind == "link to a socket":
            bound(f"unix://{target}")[0].sock.close()
    before = there.lstat()
    with pytest.raises(AddressInUse) as caught:
        bind(parse(f"unix://{path}"))
    assert str(caught.value) == (
        f"unix://{path}: there is something that is no socket (EADDRINUSE), and so it stays; "
        "choose another path"
    )
    assert there.lstat() == before


def test_a_stale_file_that_goes_away_by_itself_is_no_error(
    bound: Bind, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = parse(f"unix://{path}")
    binding._remove_stale(stale, OSError(errno.EADDRINUSE, ""))
    bound(str(stale))[0].sock.close()
    monkeypatch.setattr(binding, "_who_answers", lambda _: Path(path).unlink())
    assert bound(str(stale))


def test_many_who_replace_one_stale_file_leave_one_server(path: str) -> None:
    """Whoever of many is first listens there; the others are told so, and it goes on."""
    endpoint = parse(f"unix://{path}")
    for _ in range(10):
        start = threading.Barrier(8)
        results: list[Bound | AddressInUse] = []

        def compete() -> None:
            start.wait()  # noqa: B023  the threads end within this turn
            try:
                results.extend(bind(endpoint))  # noqa: B023
            except AddressInUse as error:
                results.append(error)  # noqa: B023

        threads = [threading.Thread(target=compete) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [result for result in results if isinstance(result, Bound)]
        assert len(results) == 8
        assert winner.file == binding._identity(path)
        assert connects(endpoint)
        winner.sock.close()  # stale from here on


def test_the_file_of_another_server_is_left_to_it(bound: Bind, path: str) -> None:
    (first,) = bound(f"unix://{path}")
    first.sock.close()
    (second,) = bound(f"unix://{path}")
    unlink_own(first)
    assert connects(second.endpoint)
    unlink_own(second)
    assert not os.path.lexists(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "no folder"
    with pytest.raises(BindError) as caught:
        bind(Endpoint(Transport.UNIX, path=f"{folder}/x.sock"))
    assert str(caught.value).endswith(
        f": no folder {folder} (ENOENT); make it first: mkdir -p '{folder}'"
    )
    (tmp_path / "file").touch()
    with pytest.raises(BindError, match=r"no folder .*/file \(ENOTDIR\)"):
        bind(parse(f"unix://{tmp_path}/file/x.sock"))


def test_a_path_that_is_too_long_is_measured(tmp_path: Path) -> None:
    path = f"{tmp_path}/{'x' * 120}"
    with pytest.raises(BindError) as caught:
        bind(Endpoint(Transport.UNIX, path=path))
    assert str(caught.value).endswith(
        f": {len(path)} bytes are too long for the path of a UNIX socket (ENAMETOOLONG)"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder that this user may not use")
@pytest.mark.parametrize("mode", [0o500, 0o300, 0o000])
def test_a_folder_that_one_may_not_write_in(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    endpoint = parse(f"unix://{tmp_path}/x.sock")
    try:
        with no_privileges():
            if mode == 0o300:  # no right to read it, so no lock; binding goes on without
                (one,) = bind(endpoint)
                one.sock.close()
                unlink_own(one)
                return
            with pytest.raises(BindNotPermitted) as caught:
                bind(endpoint)
        assert str(caught.value) == (
            f"{endpoint}: no right to bind (EACCES): a socket there needs the right to write in "
            f"{tmp_path}; choose a folder of your own"
        )
    finally:
        tmp_path.chmod(0o700)
        assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_never_released_is_waited_for_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "_LOCK_TIME", 0.03)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(BindError, match=r"keeps its folder locked \(EAGAIN\); choose a folder of"):
        bind(parse(f"unix://{tmp_path}/x.sock"))
    os.close(folder)


@pytest.mark.parametrize("lacks", ["flock", "fcntl"])
def test_without_locks_it_goes_without(
    bound: Bind, path: str, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "")

    if lacks == "flock":
        monkeypatch.setattr(fcntl, "flock", flock)
    else:
        monkeypatch.setattr(binding, "fcntl", None)
    (one,) = bound(f"unix://{path}")
    assert connects(one.endpoint)


# Inherited


def passed(sock: socket.socket) -> list[Bound]:
    return bind(Endpoint(Transport.FD, fd=sock.fileno()))


@pytest.mark.parametrize(
    "url",
    ["tcp://127.0.0.1:0", "udp://0.0.0.0:0", pytest.param("udp://[::1]:0", marks=needs_ipv6)],
)
def test_an_inherited_socket_is_of_its_own_transport(bound: Bind, url: str) -> None:
    (outer,) = bound(url)
    outer.sock.setblocking(True)
    (inner,) = passed(outer.sock)
    assert inner.endpoint == outer.endpoint
    assert inner.sock.getsockname() == outer.sock.getsockname()
    assert inner.sock.gettimeout() == 0
    inner.sock.close()
    assert outer.sock.fileno() >= 0  # it stays whoever's it was
    passed(outer.sock)[0].sock.close()  # so it can be served again


@pytest.mark.parametrize("scheme", UNIX)
def test_an_inherited_unix_socket_is_never_removed(bound: Bind, path: str, scheme: str) -> None:
    (outer,) = bound(f"{scheme}://{path}")
    (inner,) = passed(outer.sock)
    assert inner.endpoint == outer.endpoint
    inner.sock.close()
    unlink_own(inner)
    assert Path(path).is_socket()


@pytest.mark.parametrize(
    ("family", "kind", "complaint"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "is a socket that does not listen"),
        (socket.AF_INET, socket.SOCK_DGRAM, "is a socket that does not listen"),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, "is a socket that does not listen"),
        (socket.AF_NETLINK, socket.SOCK_RAW, "is a socket of a kind not served here"),
    ],
)
def test_an_inherited_socket_that_cannot_serve_is_refused(
    family: int, kind: int, complaint: str
) -> None:
    with socket.socket(family, kind) as sock, pytest.raises(BindError, match=complaint):
        passed(sock)


def test_an_inherited_descriptor_that_is_no_socket_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(BindError) as caught:
        bind(Endpoint(Transport.FD, fd=file.fileno()))
    number = file_number(str(caught.value))
    assert str(caught.value) == (
        f"fd://{number}: descriptor {number} is no socket (ENOTSOCK); "
        "whoever starts this process has to pass a listening socket there"
    )
    with pytest.raises(BindError, match=r"descriptor 999999 is not open \(EBADF\)"):
        bind(parse("fd://999999"))


def file_number(text: str) -> str:
    return text.removeprefix("fd://").partition(":")[0]


ACTIVATED = """
import os, sys
for number, given in enumerate(sys.argv[1].split(","), 3):
    os.dup2(int(given), number + 100)
for number in range(3, 3 + len(sys.argv[1].split(","))):
    os.dup2(number + 100, number, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
from jackfield.net.binding import bind, listen_fds
for endpoint in listen_fds(*sys.argv[2:]):
    (bound,) = bind(endpoint)
    print(endpoint, bound.endpoint, os.get_inheritable(endpoint.fd))
"""


def activated(environ: dict[str, str], sockets: list[socket.socket], *names: str) -> list[str]:
    """Run a process to which systemd would have passed these sockets; give what it printed."""
    numbers = [sock.fileno() for sock in sockets]
    done = subprocess.run(
        [sys.executable, "-c", ACTIVATED, ",".join(map(str, numbers)), *names],
        env=os.environ | environ,
        pass_fds=numbers,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout.splitlines()


def test_sockets_that_systemd_passes_are_listed(bound: Bind, path: str) -> None:
    (tcp,), (unix,) = bound("tcp://127.0.0.1:0"), bound(f"unix://{path}")
    environ = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:admin"}
    lines = [f"fd://3 {tcp.endpoint} False", f"fd://4 {unix.endpoint} False"]
    sockets = [tcp.sock, unix.sock]
    assert activated(environ, sockets) == lines
    assert activated(environ, sockets, "admin") == lines[1:]
    assert activated({"LISTEN_FDS": "2"}, sockets) == lines
    assert activated({"LISTEN_FDS": "2"}, sockets, "unknown") == lines


@pytest.mark.parametrize("pid", [None, "", "1"])
def test_what_is_passed_to_another_process_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, pid: str | None
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.delenv("LISTEN_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("LISTEN_PID", pid)
    assert listen_fds() == []


@pytest.mark.parametrize(
    ("fds", "names", "complaint"),
    [
        ("", None, "LISTEN_FDS is '', which is no number of sockets"),
        ("-1", None, "LISTEN_FDS is '-1', which is no number"),
        ("²", None, "which is no number"),
        ("9" * 5000, None, "which is no number"),
        ("2", "a:b:c", "LISTEN_FDNAMES has 3 names for the 2 sockets of LISTEN_FDS"),
        ("9999999", None, r"LISTEN_FDS is 9999999, and descriptor \d+ is not open \(EBADF\)"),
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, fds: str, names: str | None, complaint: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", fds)
    monkeypatch.delenv("LISTEN_FDNAMES", raising=False)
    if names is not None:
        monkeypatch.setenv("LISTEN_FDNAMES", names)
    monkeypatch.setattr(os, "set_inheritable", check_descriptor)
    with pytest.raises(ConfigurationError, match=complaint):
        listen_fds()


def check_descriptor(number: int, inheritable: bool) -> None:
    """As os.set_inheritable(), without a change to what this test process has open."""
    os.fstat(number)


# Off loopback


@pytest.mark.parametrize(
    "url",
    ["tcp://127.0.0.1:5", "udp://[::1]:5", "unix:@x", "fd://3", "memory://x", "tcp://localhost:5"],
)
def test_on_loopback_there_is_nothing_to_warn_of(url: str) -> None:
    assert warning_off_loopback(parse(url)) is None
    assert reach_commands(parse(url)) == []


def test_off_loopback_there_is_one_line_of_warning() -> None:
    assert warning_off_loopback(parse("tcp://0.0.0.0:5?backlog=3")) == (
        "tcp://0.0.0.0:5: other machines can reach it, and nothing on the way is encrypted; "
        "127.0.0.1 in its place is for this machine alone"
    )
    assert warning_off_loopback(parse("tls://[::]:5?cert=c.pem")) == (
        "tls://[::]:5: other machines can reach it; [::1] in its place is for this machine alone"
    )


def test_the_commands_that_reach_it_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ["127.0.0.1", "::1", "fe80::2%eth0", "fd00::2", "192.0.2.2"]
    monkeypatch.setattr(binding, "addresses", lambda: list(map(ip_address, ours)))
    assert reach_commands(parse("tcp://0.0.0.0:5?backlog=3"), "lines") == [
        "jackfield connect tcp://192.0.2.2:5 --framing lines"
    ]
    assert reach_commands(parse("udp://[::]:5")) == [
        "jackfield connect udp://192.0.2.2:5",
        "jackfield connect 'udp://[fd00::2]:5'",
        "jackfield connect 'udp://[fe80::2%25eth0]:5'",
    ]
    assert reach_commands(parse("tls://192.0.2.2:5?cert=c.pem"), "delimited: a b") == [
        "jackfield connect tls://192.0.2.2:5 --ca FILE --framing 'delimited: a b'"
    ]
    assert reach_commands(parse("wss://0.0.0.0:5/chat?origin=any")) == [
        "jackfield connect wss://192.0.2.2:5/chat --ca FILE"
    ]


@needs_ipv6
def test_every_command_reaches_a_wildcard(bound: Bind) -> None:
    (one,) = bound("tcp://[::]:0")
    one.sock.setblocking(True)
    for command in reach_commands(one.endpoint):
        there = parse(command.removeprefix("jackfield connect ").strip("'"))
        with closing(socket.create_connection((there.host, there.port))):
            one.sock.accept()[0].close()
