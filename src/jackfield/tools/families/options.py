"""The options of a socket as they are here: read from a real one that nobody has changed."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

from jackfield.errors import ConfigurationError
from jackfield.net.holders import user_name
from jackfield.net.oserrors import code
from jackfield.tools.families.known import FAMILIES, NUMBERS
from jackfield.tools.families.meanings import LEVELS, SOL_SOCKET, Level, Option

_ROOM = 1024
"""Bytes of a value that are read."""

_SOME_PORT = 9  # of the service discard; nothing is sent there

_LINGER = struct.Struct("=ii")
_TIMEVAL = struct.Struct("@ll")
_UCRED = struct.Struct("=iII")


@dataclass(frozen=True, slots=True)
class Value:
    """An option, and its value on a new socket."""

    name: str
    level: int
    number: int | None
    """For getsockopt(2); None where this platform has no such option."""
    value: int | bool | str | None
    """None where it could not be read."""
    unit: str
    """`bytes`, `ms`, `us` or `s`; "" without one."""
    text: str
    """The value as people read it."""
    problem: str
    """Why it could not be read; "" where it was."""
    words: str


def options(name: str) -> list[Value]:
    """Read the options of `tcp`, `udp`, `unix`, `ip`, `ipv6` or `socket`.

    Raises ConfigurationError where this system has no socket on which to look.
    """
    level = LEVELS[name]
    try:
        with _opened(level) as sock:
            return [_value(sock, level, option) for option in level.options]
    except OSError as error:
        msg = f"{name}: this system has no such socket ({code(error)}); see jackfield families"
        raise ConfigurationError(msg) from error


@contextmanager
def _opened(level: Level) -> Iterator[socket.socket]:
    """Open a socket for a level: one with a peer, where options tell of that. Raises OSError."""
    family = getattr(socket, f"AF_{level.family}", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    kind = getattr(socket, f"SOCK_{level.type}")
    if level.name == "unix":
        ours, theirs = socket.socketpair(family, kind)
        with ours, theirs:
            yield ours
        return
    with socket.socket(family, kind) as sock:
        if level.name in {"ip", "ipv6"}:
            with suppress(OSError):  # without it some options tell nothing
                sock.connect(("127.0.0.1" if level.name == "ip" else "::1", _SOME_PORT))
        yield sock


def number_of(option: Option) -> int | None:
    """Give an option's number here; None where the platform does not know it."""
    number = getattr(socket, option.name, None)
    if number is not None:
        return int(number)
    return option.number if sys.platform == "linux" else None


def _value(sock: socket.socket, level: Level, option: Option) -> Value:
    place = socket.SOL_SOCKET if level.level == SOL_SOCKET else level.level
    number = number_of(option)
    unit = option.form if option.form in _UNITS else ""

    def made(value: int | bool | str | None, text: str, problem: str = "") -> Value:  # noqa: FBT001  it is what was read
        return Value(option.name, place, number, value, unit, text, problem, option.words)

    if number is None:
        return made(None, "", "this platform has no such option")
    try:
        data = sock.getsockopt(place, number, _ROOM)
        return made(*read(option.form, data))
    except OSError as error:
        return made(None, "", f"{_WHY.get(error.errno or 0, error.strerror)} ({code(error)})")


_WHY = {
    errno.ENOPROTOOPT: "not in this kernel",
    errno.EOPNOTSUPP: "not in this kernel",
    errno.EPERM: "not permitted",
    errno.EACCES: "not permitted",
    errno.ENODATA: "there is none",
    errno.ENOTCONN: "a socket without a peer has none",
}

_UNITS = frozenset({"bytes", "ms", "us", "s"})


def read(form: str, data: bytes) -> tuple[int | bool | str, str]:
    """Read a value in a form of `meanings`: the value, and in words. What does not fit is hex."""
    reader = _READERS.get(form, _number)
    try:
        return reader(data)
    except (ValueError, struct.error):
        return data.hex(), data.hex() or "nothing"


def _integer(data: bytes) -> int:
    if len(data) not in {1, 2, 4, 8}:
        raise ValueError(data)
    return int.from_bytes(data, sys.byteorder, signed=len(data) > 2)


def _number(data: bytes) -> tuple[int, str]:
    value = _integer(data)
    return value, str(value)


def _with(unit: str) -> Callable[[bytes], tuple[int, str]]:
    def reader(data: bytes) -> tuple[int, str]:
        value = _integer(data)
        return value, f"{value:,} {'byte' if (value, unit) == (1, 'bytes') else unit}"

    return reader


def _bool(data: bytes) -> tuple[bool, str]:
    value = _integer(data) != 0
    return value, "on" if value else "off"


def _text(data: bytes) -> tuple[str, str]:
    value = data.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return value, value or "none"


def _error(data: bytes) -> tuple[int, str]:
    value = _integer(data)
    return value, errno.errorcode.get(value, str(value)) if value else "none"


def _linger(data: bytes) -> tuple[str, str]:
    on, seconds = _LINGER.unpack(data)
    text = f"{seconds} s" if on else "off"
    return text, text


def _timeval(data: bytes) -> tuple[str, str]:
    seconds, micros = _TIMEVAL.unpack(data)
    text = f"{seconds + micros / 1_000_000:g} s"
    return text, text


def _ucred(data: bytes) -> tuple[str, str]:
    pid, uid, gid = _UCRED.unpack(data)
    user = user_name(uid)
    text = f"process {pid}, user {user}, group {gid}"
    return text, text


def _groups(data: bytes) -> tuple[str, str]:
    count, rest = divmod(len(data), 4)
    if rest:
        raise ValueError(data)
    text = ", ".join(map(str, struct.unpack(f"={count}I", data)))
    return text, text or "none"


def _range(data: bytes) -> tuple[str, str]:
    value = _integer(data) & 0xFFFFFFFF
    text = f"{value & 0xFFFF} to {value >> 16}"
    return text, text


def _ipv4(data: bytes) -> tuple[str, str]:
    text = str(IPv4Address(data))
    return text, text


def _type(data: bytes) -> tuple[str, str]:
    value = _integer(data)
    text = next((name for name, number in NUMBERS.items() if number == value), str(value))
    return text, text


def _family(data: bytes) -> tuple[str, str]:
    value = _integer(data)
    names = (one.name for one in FAMILIES if getattr(socket, f"AF_{one.name}", -1) == value)
    text = next(names, str(value))
    return text, text


_READERS: dict[str, Callable[[bytes], tuple[int | bool | str, str]]] = {
    "bool": _bool,
    "bytes": _with("bytes"),
    "ms": _with("ms"),
    "us": _with("µs"),
    "s": _with("s"),
    "text": _text,
    "error": _error,
    "linger": _linger,
    "timeval": _timeval,
    "ucred": _ucred,
    "groups": _groups,
    "range": _range,
    "ipv4": _ipv4,
    "type": _type,
    "family": _family,
}
