"""Rights given up for a while, so that tests run by root meet what others meet."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def no_privileges() -> Iterator[None]:
    """Have this thread do without all of capabilities(7) until the block ends."""
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
