"""Two machines with a router between them, each in a network namespace."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.commands.people import COMMAND, environment
from tests.live import PATIENCE
from tests.namespaces import Namespace, needs

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Net:
    """Here and there, with a router between: 10.9.1.1, 10.9.1.254 and 10.9.2.254, 10.9.2.2."""

    def __init__(self, here: Namespace, router: Namespace, there: Namespace) -> None:
        self.here = here
        self.router = router
        self.there = there

    def ping(self, *words: str, as_nobody: bool = False) -> subprocess.CompletedProcess[str]:
        if as_nobody:
            needs("setpriv")
        who = NOBODY if as_nobody else ()
        return subprocess.run(
            self.here.within(*who, *COMMAND, "ping", *words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=_of_nobody(environment()) if as_nobody else environment(),
            check=False,
        )

    def json(self, *words: str, status: int = 0, as_nobody: bool = False) -> list[Any]:
        done = self.ping("--json", *words, as_nobody=as_nobody)
        assert done.returncode == status, done.stderr
        assert done.stderr == ""
        found: list[Any] = json.loads(done.stdout)["hosts"]
        return found


def _of_nobody(variables: dict[str, str]) -> dict[str, str]:
    """Leave out what has a process measured: nobody may write where that is kept."""
    return {name: value for name, value in variables.items() if not name.startswith("COVERAGE_")}


@contextlib.contextmanager
def made() -> Iterator[Net]:
    with Namespace() as here, Namespace() as router, Namespace() as there:
        here.link(router, "e0", "e0")
        router.link(there, "e1", "e0")
        here.address("10.9.1.1/24", "fd09:1::1/64", on="e0")
        router.address("10.9.1.254/24", "fd09:1::ff/64", on="e0")
        router.address("10.9.2.254/24", "fd09:2::ff/64", on="e1")
        there.address("10.9.2.2/24", "fd09:2::2/64", on="e0")
        router.set("ipv4/ip_forward", "1")
        router.set("ipv6/conf/all/forwarding", "1")
        # A machine of its own says so at once, and as often as it is asked.
        router.set("ipv4/icmp_ratelimit", "0")
        router.set("ipv6/icmp/ratelimit", "0")
        for space, by4, by6 in (
            (here, "10.9.1.254", "fd09:1::ff"),
            (there, "10.9.2.254", "fd09:2::ff"),
        ):
            space.run("ip", "route", "add", "default", "via", by4)
            space.run("ip", "-6", "route", "add", "default", "via", by6)
        yield Net(here, router, there)
