"""The page 'Coming from the socket module' has a row for every name of Python's socket module.

The names are found by looking at the module, so one that a new Python adds fails here until the
page says what becomes of it.
"""

from __future__ import annotations

import inspect
import re
import socket
import types
from pathlib import Path

import pytest

from jackfield import Connection

PAGE = Path(__file__).parents[1] / "docs/how-to/coming-from-the-socket-module.md"

NOT_EVERYWHERE = {
    "functions": {"fromshare", "sethostname", "CMSG_LEN", "CMSG_SPACE", "send_fds", "recv_fds"},
    "methods": {"ioctl", "share", "sendmsg_afalg", "sendmsg", "recvmsg", "recvmsg_into"},
    "constants": {
        *("ALG_", "BDADDR_", "BTPROTO_", "CAN_", "ETH_", "ETHERTYPE_", "HCI_", "HV_"),
        *("HVSOCKET_", "IOCTL_", "J1939_", "LOCAL_", "NETLINK_", "PACKET_", "PF_", "RCVALL_"),
        *("SIO_", "SYSPROTO_", "TIPC_", "UDPLITE_", "VMADDR_", "VM_"),
    },
}
"""Names that a Python may lack: of another platform, or of a system it was not built for."""


def rows(section: str) -> set[str]:
    """Give the names in the first column of the first table of a section."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(f"\n## {section.capitalize()}\n\n")[2].partition("\n\n")[0]
    lines = table.splitlines()[2:]
    cells = [line.split(" | ")[0] for line in lines]
    return {name.removesuffix("()") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def public(owner: object) -> dict[str, object]:
    """Give what an object has, but for what is private and modules it has imported."""
    return {
        name: value
        for name, value in inspect.getmembers(owner)
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }


def family(constant: str) -> str:
    """Give what the page lists a constant by: its beginning, or all of it."""
    head, underscore, rest = constant.partition("_")
    return constant if rest[:1].islower() else head + underscore


def names() -> dict[str, set[str]]:
    """Give all names of the module, by section of the page."""
    found: dict[str, set[str]] = {
        section: set()
        for section in ("functions", "classes", "methods", "attributes", "exceptions", "constants")
    }
    for name, value in public(socket).items():
        if inspect.isclass(value) and value.__module__ != "enum":
            raised = issubclass(value, BaseException)
            found["exceptions" if raised else "classes"].add(name)
        elif callable(value):
            if not inspect.isclass(value):
                found["functions"].add(name)
        else:
            found["constants"].add(family(name))
    for name, value in public(socket.socket).items():
        found["methods" if callable(value) else "attributes"].add(name)
    return found


@pytest.mark.parametrize("section", names())
def test_every_name_has_a_row(section: str) -> None:
    assert names()[section] - rows(section) == set()


@pytest.mark.parametrize("section", names())
def test_every_row_has_a_name(section: str) -> None:
    known = names()[section] | NOT_EVERYWHERE.get(section, set())
    assert rows(section) - known == set()


def test_what_the_page_offers_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    offered = set(re.findall(r"\bconn\.(\w+)", text))
    assert offered
    assert {name for name in offered if not hasattr(Connection, name)} == set()


def test_the_module_is_really_looked_at() -> None:
    found = names()
    assert {"create_server", "getaddrinfo"} <= found["functions"]
    assert {"accept", "recv", "sendall"} <= found["methods"]
    assert found["attributes"] == {"family", "proto", "timeout", "type"}
    assert found["exceptions"] == {"error", "gaierror", "herror", "timeout"}
    assert {"AF_", "SO_", "has_ipv6", "SOMAXCONN"} <= found["constants"]
