"""The shape of the source: its rules hold here, and each can be seen to fail where it is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import architecture as rules

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[Path], list[str]]

SOURCE = Path(__file__).resolve().parent.parent / "src" / "jackfield"

RULES = [
    rules.wrong_arrows,
    rules.import_cycles,
    rules.long_files,
    rules.stray_sockets,
    rules.stray_packages,
    rules.private_names,
    rules.bare_methods,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert rule(SOURCE) == []


# Each rule against a package that breaks it: (rule, files, what it must say).
BROKEN = [
    (
        rules.wrong_arrows,
        {"net/stream.py": "from p.server import Server", "server.py": ""},
        "p.net.stream:1 imports p.server: net stands above server and may not know it",
    ),
    (
        rules.wrong_arrows,
        {"net/stream.py": "def f():\n    from .. import server", "server.py": ""},
        "p.net.stream:2 imports p.server: net stands above server and may not know it",
    ),
    (
        rules.wrong_arrows,
        {
            "limits.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.rooms",
            "rooms.py": "",
        },
        "p.limits:3 imports p.rooms: limits stands above rooms and may not know it",
    ),
    (
        rules.wrong_arrows,
        {
            "net/a.py": "from importlib import import_module\nimport_module('p.cli.x')",
            "cli/x.py": "",
        },
        "p.net.a:2 imports p.cli.x: net stands above cli and may not know it",
    ),
    (
        rules.wrong_arrows,
        {"cli/serve.py": "from p import serve"},
        "p.cli.serve:1 imports p: cli stands above p and may not know it",
    ),
    (
        rules.wrong_arrows,
        {"utils.py": ""},
        "p.utils: no level is called 'utils': give it a place in LEVELS",
    ),
    (
        rules.import_cycles,
        {"net/a.py": "from p.net import b", "net/b.py": "def f():\n    import p.net.a"},
        "p.net.a -> p.net.b -> p.net.a",
    ),
    (
        rules.import_cycles,
        {"net/__init__.py": "from p.net.a import A", "net/a.py": "from p.net import B"},
        "p.net -> p.net.a -> p.net",
    ),
    (
        rules.import_cycles,
        {"net/a.py": "import p.net.b", "net/b.py": "import p.net.c", "net/c.py": "from . import b"},
        "p.net.b -> p.net.c -> p.net.b",
    ),
    (rules.long_files, {"limits.py": "x = 1\n" * 501}, "p.limits has 501 lines; 500 is the most"),
    (rules.stray_sockets, {"server.py": "import socket"}, "p.server:1 imports socket"),
    (
        rules.stray_sockets,
        {"server.py": "def f():\n    from socket import AF_INET"},
        "p.server:2 imports socket.AF_INET",
    ),
    (
        rules.stray_sockets,
        {"server.py": "try:\n    pass\nexcept (ValueError, OSError):\n    pass"},
        "p.server:3 catches OSError",
    ),
    (
        rules.stray_sockets,
        {"server.py": "try:\n    pass\nexcept IOError as error:\n    pass"},
        "p.server:3 catches IOError",
    ),
    (
        rules.stray_sockets,
        {"server.py": "import contextlib\nwith contextlib.suppress(OSError):\n    pass"},
        "p.server:2 catches OSError",
    ),
    (
        rules.stray_packages,
        {"server.py": "import click"},
        "p.server:1 imports click, a third party's",
    ),
    (
        rules.stray_packages,
        {"net/loop.py": "import uvloop", "models/loop.py": "def f():\n    import uvloop"},
        "uvloop is imported by p.models.loop and p.net.loop: one place is enough",
    ),
    (
        rules.private_names,
        {"__init__.py": "from p._serve import serve", "_serve.py": ""},
        "p:1 loads p._serve, which is private",
    ),
    (
        rules.bare_methods,
        {"rooms.py": "class Room:\n    def join(self):\n        pass"},
        "p.rooms:2 Room.join has no docstring",
    ),
]


@pytest.mark.parametrize(("rule", "files", "complaint"), BROKEN, ids=[row[2] for row in BROKEN])
def test_a_broken_package_is_caught(
    tmp_path: Path, rule: Rule, files: dict[str, str], complaint: str
) -> None:
    assert rule(package(tmp_path, files)) == [complaint]


SOUND = {
    "__init__.py": "def __getattr__(name):\n    from p.net._own import serve\n    return serve",
    "__main__.py": "import click\nfrom p.cli.main import main",
    "version.py": "__version__ = '1'",
    "errors.py": "class Bad(Exception): ...",
    "framing/base.py": (
        "from typing import Generic\n"
        "from p.errors import Bad\n"
        "class Framing(Generic[M]):\n"
        "    def cut(self):\n"
        "        'Cut.'"
    ),
    "framing/lines.py": (
        "from p.framing import base\n"
        "class Lines(base.Framing[str]):\n"
        "    def cut(self): ...\n"
        "class _Own:\n"
        "    def anything(self): ..."
    ),
    "framing/__init__.py": "from p.framing.lines import Lines",
    "net/_own.py": "import socket\ntry:\n    import uvloop\nexcept (OSError, ImportError): ...",
    "services/menu.py": "try:\n    open('x')\nexcept FileNotFoundError: ...",
    "cli/main.py": "import click\nfrom p.net import _own\ndef f():\n    from ..tools import ip",
    "tools/ip.py": "",
    "server.py": "x = 1\n" * 500,
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_package_passes(tmp_path: Path, rule: Rule) -> None:
    assert rule(package(tmp_path, SOUND)) == []


def package(folder: Path, files: dict[str, str]) -> Path:
    """Write a package called p; give its folder."""
    root = folder / "p"
    for name, text in ({"__init__.py": ""} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


# What imports where. Each program below runs in a Python of its own, in the folder above the
# package, and is told the modules to import.

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

WITH_STANDARD_LIBRARY_ALONE = f"""
import sys

class OnlyStandard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != sys.argv[1].partition(".")[0]:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, OnlyStandard())
{IMPORT_ALL}
"""

# The standard library's own Linux half is loaded before it is taken away, by importing the
# package once as it is: what counts is what the package itself does on finding nothing.
WITHOUT_WHAT_WINDOWS_LACKS = f"""
{IMPORT_ALL}
import os, signal, socket
package = sys.argv[1].partition(".")[0]
for name in list(sys.modules):
    if name.partition(".")[0] == package:
        del sys.modules[name]

absent = ["fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline"]
sys.modules.update(dict.fromkeys([*absent, "uvloop"]))
gone = {{
    os: "fork register_at_fork sendfile setsid getuid geteuid killpg pidfd_open uname wait4",
    signal: "SIGHUP SIGCHLD SIGKILL SIGPIPE SIGUSR1 SIGUSR2 SIGQUIT pthread_sigmask",
    socket: "AF_UNIX AF_NETLINK AF_PACKET SO_REUSEPORT SO_PEERCRED SCM_RIGHTS CMSG_LEN CMSG_SPACE"
    " MSG_DONTWAIT MSG_NOSIGNAL MSG_MORE TCP_INFO TCP_USER_TIMEOUT TCP_CORK socketpair",
}}
for module, names in gone.items():
    for name in names.split():
        vars(module).pop(name, None)
sys.platform = "win32"
{IMPORT_ALL}
"""


def run_python(*arguments: str, folder: Path = SOURCE.parent) -> subprocess.CompletedProcess[str]:
    """Run Python on the package in `folder`, with no measuring tool among its imports."""
    theirs = ("COVERAGE_", "PYTHON")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment | {"PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def modules_of(folder: Path, *, without: tuple[str, ...] = ()) -> list[str]:
    """Name the package's modules, less those of the levels `without`."""
    modules = rules.read_package(folder).values()
    return [module.name for module in modules if module.level not in without]


def test_the_library_imports_with_the_standard_library_alone() -> None:
    library = modules_of(SOURCE, without=("board", "cli", "__main__"))  # the extra of that name
    library.remove("jackfield.tls.certificates")  # what the extra is for
    library.remove("jackfield.testing.plugin")  # loaded by pytest alone
    screen = "jackfield.services.chat.terminal."  # of an extra; loaded by the folder's show()
    library = [name for name in library if not name.startswith(screen)]
    done = run_python("-c", WITH_STANDARD_LIBRARY_ALONE, *library)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_imports_without_what_windows_lacks() -> None:
    done = run_python("-c", WITHOUT_WHAT_WINDOWS_LACKS, *modules_of(SOURCE))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("needed", ["uvloop", "click", "trustme"])
def test_a_library_that_needs_a_third_party_is_caught(tmp_path: Path, needed: str) -> None:
    broken = package(tmp_path, {"server.py": f"import {needed}"})
    done = run_python("-c", WITH_STANDARD_LIBRARY_ALONE, *modules_of(broken), folder=tmp_path)
    assert f"No module named {needed!r}" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("needs", "complaint"),
    [
        ("import fcntl", "import of fcntl halted"),
        ("import resource", "import of resource halted"),
        ("import uvloop", "import of uvloop halted"),
        ("import socket\nUNIX = socket.AF_UNIX", "has no attribute 'AF_UNIX'"),
        ("from signal import SIGHUP", "cannot import name 'SIGHUP'"),
    ],
)
def test_a_module_that_windows_cannot_import_is_caught(
    tmp_path: Path, needs: str, complaint: str
) -> None:
    broken = package(tmp_path, {"server.py": needs})
    done = run_python("-c", WITHOUT_WHAT_WINDOWS_LACKS, *modules_of(broken), folder=tmp_path)
    assert complaint in done.stderr
    assert done.returncode == 1


NOT_FOR_A_VERSION = {
    "asyncio",
    "concurrent.futures",
    "email",
    "http",
    "importlib.metadata",
    "multiprocessing",
    "socket",
    "ssl",
    "uvloop",
}
"""Slow to import, and of no use to one who asks for the version."""


def imported(*arguments: str, folder: Path = SOURCE.parent) -> tuple[str, set[str]]:
    """Run Python; give what it printed, and the modules it imported beyond a bare start."""
    done = run_python("-X", "importtime", *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, _names(done.stderr) - _names(
        run_python("-X", "importtime", "-c", "").stderr
    )


def _names(report: str) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in report.splitlines() if "|" in line}


def too_much_for_a_version(names: set[str]) -> set[str]:
    """Give those modules that telling a version has no business importing."""
    ours = {"", "__main__", "version", "errors", "cli"}
    return {
        name
        for name in names
        if name in NOT_FOR_A_VERSION
        or (name.partition(".")[0] in {"jackfield", "p"} and rules.level_of(name) not in ours)
    }


def test_telling_the_version_imports_next_to_nothing() -> None:
    printed, names = imported("-m", "jackfield", "--version")
    assert "0.1.0" in printed
    assert too_much_for_a_version(names) == set()


def test_a_slow_start_is_caught(tmp_path: Path) -> None:
    files = {"__main__.py": "import p.net.loop", "net/loop.py": "import ssl"}
    package(tmp_path, files)
    _, names = imported("-m", "p", folder=tmp_path)
    assert too_much_for_a_version(names) >= {"ssl", "socket", "p.net.loop"}


@pytest.mark.parametrize("name", ["put", "get", "ls", "rm", "run", "chat"])
def test_a_client_loads_nothing_that_only_servers_need(name: str) -> None:
    """People wait for it each time; the many kinds of events are the slowest of it."""
    loaded = f"import sys, jackfield.cli.main, jackfield.cli.{name}; print(*sys.modules)"
    result = run_python("-c", loaded)
    assert result.returncode == 0, result.stderr
    servers = {f"jackfield.{part}" for part in ("events", "logs", "server", "models", "workers")}
    assert servers.isdisjoint(result.stdout.split())
