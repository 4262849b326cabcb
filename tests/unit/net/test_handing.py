from __future__ import annotations

import os
import socket
import sys

import pytest

from jackfield.errors import ConfigurationError
from jackfield.net.handing import (
    SUPPORTED,
    adopt,
    control_pair,
    datagram_pair,
    hand,
    pass_unit,
    start_process,
    take,
    take_unit,
)
from tests.live import sockets_of


def test_this_platform_has_it() -> None:
    assert SUPPORTED


def test_messages_keep_their_boundaries() -> None:
    one, other = control_pair()
    with one, other:
        assert hand(one, b"first")
        assert hand(one, b"second " * 10_000)
        assert take(other) == (b"first", None)
        assert take(other) == (b"second " * 10_000, None)


def test_a_socket_travels_beside_a_message_and_is_closed_to_children() -> None:
    one, other = control_pair()
    pair = socket.socketpair()
    with one, other, pair[0], pair[1]:
        assert hand(one, b"here", pair[0])
        pair[0].close()
        message, sock = take(other)
        assert message == b"here"
        assert sock is not None
        with sock:
            assert not sock.get_inheritable()
            sock.send(b"still open")
            assert pair[1].recv(100) == b"still open"


def test_a_process_that_is_gone_is_no_error() -> None:
    one, other = control_pair()
    other.close()
    with one:
        assert take(one) == (b"", None)
        assert not hand(one, b"anybody?")
    assert take(one) == (b"", None)  # this one is closed, too
    assert not hand(one, b"anybody?")


def test_none_to_be_taken_yet_is_told_from_none_any_more() -> None:
    one, other = control_pair()
    with one, other:
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            take(one)
        other.close()
        assert take(one) == (b"", None)


def test_a_full_queue_takes_no_more() -> None:
    one, other = control_pair()
    with one, other:
        one.setblocking(False)
        count = 0
        while hand(one, b"x" * 1000):
            count += 1
        assert 0 < count < 10_000
        for _ in range(count):
            assert take(other)[0] == b"x" * 1000


def test_a_datagram_pair_carries_units_empty_ones_too() -> None:
    one, other = datagram_pair()
    with one, other:
        for unit in (b"one", b"", b"x" * 65_507):
            assert pass_unit(one, unit)
        assert take_unit(other) == b"one"
        assert take_unit(other) == b""
        assert take_unit(other) == b"x" * 65_507
        assert take_unit(other) is None


def test_a_full_datagram_pair_takes_no_more() -> None:
    one, other = datagram_pair()
    with one, other:
        count = 0
        while pass_unit(one, b"x" * 1000):
            count += 1
        assert 0 < count < 10_000
        assert sum(1 for _ in iter(lambda: take_unit(other), None)) == count
        other.close()
        assert not pass_unit(one, b"anybody?")
        assert take_unit(one) is None


ECHO = (
    "import sys; from jackfield.net.handing import adopt, hand, take;"
    "control = adopt(int(sys.argv[-1])); message, sock = take(control);"
    "hand(control, sys.stdin.buffer.read() + message); sock.send(b'hello')"
)


def test_a_process_is_started_with_a_pipe_and_a_private_connection() -> None:
    process, control = start_process([sys.executable, "-c", ECHO])
    pair = socket.socketpair()
    with process, control, pair[0], pair[1]:
        assert control.gettimeout() == 0
        control.setblocking(True)
        assert process.stdin is not None
        process.stdin.write(b"by pipe, ")
        process.stdin.close()
        assert hand(control, b"by message", pair[0])
        assert take(control) == (b"by pipe, by message", None)
        assert pair[1].recv(100) == b"hello"
        assert take(control) == (b"", None)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["/nowhere/python"], "no process can be started: No such file or directory (ENOENT)"),
        (["/etc/passwd"], "no process can be started: Permission denied (EACCES)"),
    ],
)
def test_a_process_that_cannot_be_started_leaves_nothing_open(
    command: list[str], says: str
) -> None:
    before = sockets_of(os.getpid())
    with pytest.raises(ConfigurationError) as caught:
        start_process(command)
    assert str(caught.value) == says
    assert sockets_of(os.getpid()) <= before  # one of an earlier test may be closed by now


def test_no_descriptor_left_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", none_left)
    with pytest.raises(ConfigurationError, match=r"Too many open files \(EMFILE\)"):
        start_process([sys.executable])


def test_an_inherited_descriptor_is_adopted() -> None:
    one, other = control_pair()
    one.set_inheritable(True)
    with other, adopt(one.detach()) as adopted:
        assert not adopted.get_inheritable()
        assert adopted.type == socket.SOCK_SEQPACKET
        assert hand(adopted, b"mine now")
        assert take(other) == (b"mine now", None)
