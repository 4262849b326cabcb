"""A machine with addresses of every kind and a name server, in a network namespace of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.commands.people import COMMAND, environment
from tests.live import PATIENCE
from tests.nameserver import NameServer, pair
from tests.namespaces import Namespace, needs

NSSWITCH = "hosts: files dns\n"
RESOLV = "nameserver 127.0.0.1\nsearch corp.example\noptions timeout:9\n"
HOSTS = "127.0.0.1 localhost\n10.1.0.77 Printer.corp.example printer lp\n::1 localhost\n"

OWN = ["10.1.0.1/16", "fd77::1/64", "2001:db8:1::1/64", "2002:c633:6401::1/64"]


class Machine:
    """A machine with addresses of every kind, and a name server on it."""

    def __init__(self, space: Namespace, server: NameServer) -> None:
        self.space = space
        self.server = server

    def getent(self, name: str) -> list[str]:
        """What getaddrinfo() gives to others."""
        lines = self.space.run("getent", "ahosts", name).splitlines()
        return [line.split()[0] for line in lines if "STREAM" in line]

    def resolve(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.space.within(*COMMAND, "resolve", *words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(),
            check=False,
        )

    def json(self, *words: str) -> Any:
        done = self.resolve("--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextlib.contextmanager
def machine(zone: Sequence[str], **files: str) -> Iterator[Machine]:
    needs("getent")
    etc = {"nsswitch_conf": NSSWITCH, "resolv_conf": RESOLV, "hosts": HOSTS, **files}
    missing = [name for name in etc if not Path("/etc", name.replace("_", ".")).exists()]
    if missing:
        pytest.skip(f"there is no /etc/{missing[0].replace('_', '.')} to put another one over")
    with Namespace(**etc) as space, Namespace() as other:
        space.link(other, "d0", "d1")
        space.address(*OWN, on="d0")
        space.run("ip", "route", "add", "default", "dev", "d0")
        space.run("ip", "-6", "route", "add", "2001:db8::/32", "dev", "d0")
        space.run("ip", "-6", "route", "add", "2002::/16", "dev", "d0")
        sockets = space.call(lambda: pair("127.0.0.1", 53))
        with NameServer(zone, sockets=sockets) as server:
            yield Machine(space, server)
