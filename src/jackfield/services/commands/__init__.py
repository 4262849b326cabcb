"""commands: programs of this machine, run for who may, by a policy.

Nothing is allowed unless a policy, or `--allow`, says so. Off loopback it is served over TLS alone,
to people who have a token or a certificate. A board gives it its own people and its own record.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jackfield.errors import ConfigurationError

if TYPE_CHECKING:
    from jackfield.service import Service
    from jackfield.services.commands.service import LIMITS, Commands, Source

__all__ = ["LIMITS", "Commands", "Source", "make"]


def __getattr__(name: str) -> Any:
    """Load the service when it is asked for.

    The helper imports this package too, and what it has loaded each of its forks copies.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jackfield.services.commands import service  # noqa: PLC0415  as said

    return getattr(service, name)


def make(
    *,
    policy: str | None = None,
    allow: tuple[str, ...] = (),
    token_file: str | None = None,
) -> Service[Any]:
    """Make the service.

    policy: a file of TOML that says who may run what. allow: in place of one, programs that may be
    run with any arguments: by everybody who has a token, or where nobody has one, by this user.
    token_file: who has a token, in each line NAME:sha256:HEX.
    Raises ConfigurationError for what cannot be used.
    """
    from jackfield.services.commands.service import Source, service_of  # noqa: PLC0415  as above

    if sys.platform != "linux":
        raise ConfigurationError(
            "commands needs Linux, which alone can end all that a program starts"
        )
    names = tuple(name.strip() for one in allow for name in one.split(",") if name.strip())
    if (policy is None) == (not names):
        raise ConfigurationError(
            "commands runs what is allowed, and nothing is: name programs by --allow date,ls,df, "
            "or a file by --policy FILE"
        )
    return service_of(Source(policy, names, token_file))
