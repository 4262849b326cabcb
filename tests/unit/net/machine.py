"""What the machine that runs the tests has: IPv6 or not, and rights to give up for a while."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")


@contextmanager
def no_privileges() -> Iterator[None]:
    """Have this thread do without all of capabilities(7): what root then meets, others meet."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(_VERSION, 0)
    kept = (_Data * 2)()
    assert libc.capget(ctypes.byref(header), kept) == 0
    none = (_Data * 2)(*[_Data(0, data.permitted, data.inheritable) for data in kept])
    assert libc.capset(ctypes.byref(header), none) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), kept) == 0
