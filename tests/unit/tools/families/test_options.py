from __future__ import annotations

import errno
import os
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ConfigurationError
from jackfield.tools.families import options as module
from jackfield.tools.families.meanings import LEVELS
from jackfield.tools.families.options import Value, number_of, options, read
from tests.unit.net.machine import needs_ipv6

EVERY = [
    pytest.param(name, marks=needs_ipv6 if name == "ipv6" else ()) for name in LEVELS
]  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_values_are_those_of_a_real_socket(name: str) -> None:
    level = LEVELS[name]
    values = options(name)
    assert [one.name for one in values] == [option.name for option in level.options]
    told = [one for one in values if not one.problem]
    assert told
    with socket.socket(
        getattr(socket, f"AF_{level.family}"), getattr(socket, f"SOCK_{level.type}")
    ) as sock:
        for one in told:
            assert one.text
            if isinstance(one.value, bool | int) and one.name not in {
                "SO_COOKIE",
                "IP_MTU",
                "IPV6_MTU",
            }:
                assert one.number is not None
                data = sock.getsockopt(one.level, one.number, 8)
                assert bool(int.from_bytes(data, sys.byteorder)) == bool(one.value), one.name


def by_name(name: str) -> dict[str, Value]:
    return {one.name: one for one in options(name)}


def test_some_values_in_words() -> None:
    found = by_name("socket")
    assert (found["SO_TYPE"].text, found["SO_TYPE"].value) == ("STREAM", "STREAM")
    assert (found["SO_KEEPALIVE"].text, found["SO_KEEPALIVE"].value) == ("off", False)
    assert found["SO_RCVBUF"].text == f"{found['SO_RCVBUF'].value:,} bytes"
    assert found["SO_RCVBUF"].unit == "bytes"
    assert found["SO_LINGER"].text == "off"
    assert found["SO_ERROR"].text == "none"


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells")
def test_what_linux_tells_beside() -> None:
    unix = by_name("unix")
    assert str(unix["SO_PEERCRED"].value).startswith(f"process {os.getpid()}, user ")
    assert by_name("tcp")["TCP_CONGESTION"].text.isascii()
    assert by_name("ip")["IP_MTU"].value
    assert by_name("socket")["SO_DOMAIN"].text == "INET"
    assert by_name("ip")["IP_MULTICAST_IF"].text == "0.0.0.0"


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are Linux'")
def test_the_numbers_are_those_of_the_socket_module() -> None:
    for level in LEVELS.values():
        for option in level.options:
            assert getattr(socket, option.name, option.number) == option.number, option.name
        numbers = [option.number for option in level.options]
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("form", "data", "value", "text"),
    [
        ("bool", struct.pack("=i", 0), False, "off"),
        ("bool", b"\1", True, "on"),
        ("", struct.pack("=i", -1), -1, "-1"),
        ("", b"\xff", 255, "255"),
        ("", struct.pack("=q", 1 << 40), 1 << 40, str(1 << 40)),
        ("bytes", struct.pack("=i", 131072), 131072, "131,072 bytes"),
        ("bytes", struct.pack("=i", 1), 1, "1 byte"),
        ("s", struct.pack("=i", 1), 1, "1 s"),
        ("text", b"cubic\0\0\0", "cubic", "cubic"),
        ("text", b"", "", "none"),
        ("text", b"\xff", "\\xff", "\\xff"),
        ("error", struct.pack("=i", errno.ECONNREFUSED), errno.ECONNREFUSED, "ECONNREFUSED"),
        ("error", struct.pack("=i", 99999), 99999, "99999"),
        ("linger", struct.pack("=ii", 1, 5), "5 s", "5 s"),
        ("timeval", struct.pack("@ll", 1, 500_000), "1.5 s", "1.5 s"),
        ("groups", struct.pack("=II", 4, 27), "4, 27", "4, 27"),
        ("groups", b"", "", "none"),
        ("range", struct.pack("=I", 60999 << 16 | 32768), "32768 to 60999", "32768 to 60999"),
        ("ipv4", bytes(4), "0.0.0.0", "0.0.0.0"),
        ("type", struct.pack("=i", 5), "SEQPACKET", "SEQPACKET"),
        ("type", struct.pack("=i", 77), "77", "77"),
        ("family", struct.pack("=i", socket.AF_INET6), "INET6", "INET6"),
        ("family", struct.pack("=i", 777), "777", "777"),
        ("", b"abc", "616263", "616263"),
        ("ipv4", b"abc", "616263", "616263"),
        ("ucred", b"", "", "nothing"),
    ],
)
def test_a_value_is_read(form: str, data: bytes, value: object, text: str) -> None:
    assert read(form, data) == (value, text)


@given(st.sampled_from([*sorted(module._READERS), ""]), st.binary(max_size=64))
def test_any_value_is_read(form: str, data: bytes) -> None:
    """Whatever the kernel gives, there is a value and a text for it."""
    value, text = read(form, data)
    assert isinstance(value, int | bool | str)
    assert text


def test_an_option_that_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOPROTOOPT, "Protocol not available")

    monkeypatch.setattr(socket.socket, "getsockopt", refuse)
    for one in options("udp"):
        assert (one.value, one.problem) == (None, "not in this kernel (ENOPROTOOPT)")


def test_a_platform_without_an_option_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(module, "number_of", lambda _: None)
    assert {one.problem for one in options("tcp")} == {"this platform has no such option"}


def test_another_platform_has_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    (nodelay,) = (one for one in LEVELS["tcp"].options if one.name == "TCP_NODELAY")
    assert number_of(nodelay) == socket.TCP_NODELAY
    assert number_of(nodelay._replace(name="TCP_NOWHERE")) is None


def test_a_system_without_the_family_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ConfigurationError, match=r"unix: this system has no such socket \(EAFNO"):
        options("unix")
