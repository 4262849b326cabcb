"""Network namespaces: machines of a test's own, with cables, routers and firewalls between them.

They need root and `ip netns`: where they cannot be, a test that makes one is skipped, and says why.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

from tests.live import PATIENCE, until

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


def run(*words: str) -> str:
    """Run a program; give what it prints. Fails when it fails."""
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@functools.cache
def why_not() -> str:
    """Say why there can be no namespaces here; "" when there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need ip, of iproute2"
    name = f"jf-{os.getpid()}-try"
    try:
        run("ip", "netns", "add", name)
    except AssertionError as error:
        return f"network namespaces cannot be made: {error}"
    run("ip", "netns", "del", name)
    return ""


def needs(program: str) -> None:
    """Skip a test where a program is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"this machine has no {program}")


class Namespace:
    """One machine: loopback alone, until it is linked to another one. A context manager.

    files: written to /etc/netns, where `ip netns exec` puts them in the place of those in /etc.
    """

    def __init__(self, **files: str) -> None:
        self.name = f"jf-{os.getpid()}-{next(_numbers)}"
        self._files = files

    def __enter__(self) -> Self:
        if why_not():
            pytest.skip(why_not())
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        with contextlib.suppress(FileNotFoundError):  # a system without IPv6
            for name in ("dad_transmits", "router_solicitation_delay"):  # an address is soon there
                self.set(f"ipv6/conf/default/{name}", "0")
        folder = Path("/etc/netns") / self.name
        if self._files:
            folder.mkdir(parents=True)
            for name, text in self._files.items():
                (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run("ip", "netns", "del", self.name)
        if self._files:
            shutil.rmtree(Path("/etc/netns") / self.name)
            with contextlib.suppress(OSError):  # others have files there
                Path("/etc/netns").rmdir()

    def within(self, *words: str) -> list[str]:
        """Give the words that run a program there."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str) -> str:
        """Run a program there; give what it prints."""
        return run(*self.within(*words))

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in a thread that is there: its sockets stay there."""
        result: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                with Path(f"/run/netns/{self.name}").open("rb") as file:
                    libc = ctypes.CDLL(None, use_errno=True)
                    assert libc.setns(file.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()
                result.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(PATIENCE)
        if errors:
            raise errors[0]
        return result[0]

    def set(self, path: str, value: str) -> None:
        """Set a value of the kernel's there, by its path below /proc/sys/net."""
        self.call(lambda: Path("/proc/sys/net", path).write_text(value, encoding="ascii"))

    def address(self, *addresses: str, on: str = "lo") -> None:
        """Have these addresses, usable at once."""
        for address in addresses:
            more = ["nodad"] if ":" in address else []
            self.run("ip", "address", "add", address, "dev", on, *more)

    def link(self, other: Namespace, name: str, peer: str) -> None:
        """Put a cable between the two: `name` here, `peer` at the other end."""
        # there at once: other tests look at the interfaces of this machine, which stay as they are
        there = ("peer", "name", peer, "netns", other.name)
        run("ip", "-netns", self.name, "link", "add", name, "type", "veth", *there)
        self.run("ip", "link", "set", name, "up")
        other.run("ip", "link", "set", peer, "up")
        if Path("/proc/net/if_inet6").exists():
            for space, end in ((self, name), (other, peer)):  # before, nobody is asked for there
                space.await_own_address(end)

    def await_own_address(self, name: str) -> None:
        """Wait until a cable's own IPv6 address can be used: a router asks for others by it."""
        words = ("ip", "-6", "address", "show", "dev", name, "scope", "link", "-tentative")
        until(lambda: "fe80:" in self.run(*words))


@contextlib.contextmanager
def several(number: int) -> Iterator[list[Namespace]]:
    """Give some machines."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Namespace()) for _ in range(number)]
