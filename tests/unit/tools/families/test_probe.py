from __future__ import annotations

import errno
import os
import socket
import sys

import pytest

from jackfield.tools.families.known import FAMILIES, NUMBERS, TYPES, Family, Kind
from jackfield.tools.families.probe import State, number_of, probe
from tests.unit.net.machine import no_privileges


def says(family: int, kind: str, protocol: int) -> str:
    """What the system itself says of such a socket: a name of an error, or nothing."""
    try:
        socket.socket(family, NUMBERS[kind], protocol).close()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def test_it_is_what_the_system_says() -> None:
    found = probe()
    assert [one.name for one in found[:3]] == ["INET", "INET6", "UNIX"]
    for family in found:
        for kind in family.kinds:
            assert kind.error == says(family.number, kind.type, kind.protocol), family.name
            assert (kind.state is State.HERE) == (kind.error == "")
            assert bool(kind.why) == bool(kind.error)
        states = {kind.state for kind in family.kinds}
        wanted = next(state for state in State if state in states)
        assert family.state is wanted


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are Linux'")
def test_the_numbers_are_those_of_the_socket_module() -> None:
    for family in FAMILIES:
        if family.number:
            assert getattr(socket, f"AF_{family.name}", family.number) == family.number
    for name, number in NUMBERS.items():
        assert getattr(socket, f"SOCK_{name}") == number
    assert list(NUMBERS) == list(TYPES)


def test_no_family_is_named_twice() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert len({kind[:2] for kind in family.kinds}) == len(family.kinds)
        assert {kind.type for kind in family.kinds} <= set(TYPES)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs rights to give up")
def test_without_privileges_it_is_said_what_they_would_be() -> None:
    with no_privileges():
        found = {one.name: one for one in probe()}
    raw = next(kind for kind in found["INET"].kinds if kind.type == "RAW")
    assert (raw.state, raw.error) == (State.FORBIDDEN, "EPERM")
    assert raw.why == "not permitted; it takes CAP_NET_RAW"
    assert found["INET"].state is State.HERE


@pytest.mark.parametrize(
    ("number", "state", "why"),
    [
        (errno.EAFNOSUPPORT, State.LACKING, "this family is not in the kernel"),
        (errno.EPROTONOSUPPORT, State.LACKING, "this protocol is not in the kernel"),
        (errno.EACCES, State.FORBIDDEN, "not permitted"),
        (errno.EMFILE, State.LACKING, "this process has too many open files; it cannot be told"),
        (errno.EIO, State.LACKING, os.strerror(errno.EIO)),
    ],
)
def test_why_not(number: int, state: State, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        def __init__(self, *_: int) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refused)
    (found,) = probe([Family("INET", 2, "", "", (Kind("STREAM", 6, "TCP"),))])
    assert found.state is state
    assert (found.kinds[0].why, found.kinds[0].error) == (why, errno.errorcode[number])


def test_a_family_of_another_platform_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert number_of(Family("NOWHERE", 99, "", "", ())) is None
    assert probe([Family("NOWHERE", 99, "", "", ())]) == []
    assert number_of(Family("INET", 99, "", "", ())) == socket.AF_INET
