"""A process of ours that was started afresh: reading what to do there, and leaving it."""

from __future__ import annotations

import os
import pickle
import runpy
import sys
import types
from typing import Any, NoReturn

from jackfield.models import spec


def read_start() -> Any:
    """Read start data from standard input, and import what it names as the parent did.

    The parent has written `(sys.path, spec.main(), spec.pickled(...))`.
    """
    path, main, data = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
    sys.path[:] = path
    if main is not None and b"__main__" in data:
        spec.importing = True
        module = types.ModuleType("__mp_main__")  # so that its `if __name__` part stays out
        if main.module is None:
            names = runpy.run_path(main.path, run_name="__mp_main__")
        else:
            names = runpy.run_module(main.module, run_name="__mp_main__", alter_sys=True)
        module.__dict__.update(names)
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    return pickle.loads(data)  # noqa: S301  likewise


def leave(status: int) -> NoReturn:
    """End this process; nothing that goes on in it is waited for."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
