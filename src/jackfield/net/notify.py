"""Telling the service manager what goes on: sd_notify(3), without its library.

Where no manager asks for it, by NOTIFY_SOCKET in the environment, nothing is done.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(*lines: str) -> bool:
    """Send lines such as `READY=1`; whether somebody was there to be told.

    Never raises: a manager that is gone stops no server.
    """
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where or not hasattr(socket, "AF_UNIX"):
        return False
    name = "\0" + where[1:] if where.startswith("@") else where
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(lines).encode(), name)
        return True
    return False


def reloading() -> bool:
    """Say that a reload begins; `READY=1` ends it. See "notify-reload" in systemd.service(5)."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval() -> float | None:
    """Seconds between two signs of life; None where nobody waits for them.

    Half of what the manager allows, as sd_watchdog_enabled(3) recommends.
    """
    try:
        allowed = int(os.environ.get("WATCHDOG_USEC", "0"))
        owner = int(os.environ.get("WATCHDOG_PID") or os.getpid())
    except ValueError:
        return None
    return allowed / 2_000_000 if allowed > 0 and owner == os.getpid() else None
