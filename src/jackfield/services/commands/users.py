"""As whom programs run, looked up before any does."""

from __future__ import annotations

import os
from dataclasses import dataclass

from jackfield.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class RunAs:
    """A user. numbers: of the user, its group and its other groups; None for our own."""

    home: str
    numbers: tuple[int, int, tuple[int, ...]] | None = None


def find(name: str) -> RunAs:
    """Look a user up; "" is the one that we are. Raises ConfigurationError."""
    import pwd  # noqa: PLC0415  Windows has none

    own = os.getuid()
    try:
        found = pwd.getpwnam(name) if name else pwd.getpwuid(own)
    except KeyError:
        if not name:  # as in a container
            return RunAs("/")
        raise ConfigurationError(f"user = {name!r}: there is no such user here") from None
    if not name or (found.pw_uid == own and own):
        return RunAs(found.pw_dir)
    if own:
        raise ConfigurationError(
            f"user = {name!r}: only root can run programs as somebody else; start the server as "
            f"{name}, or leave it out"
        )
    groups = tuple(os.getgrouplist(name, found.pw_gid))
    return RunAs(found.pw_dir, (found.pw_uid, found.pw_gid, groups))
