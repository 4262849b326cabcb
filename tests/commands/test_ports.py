"""`jackfield ports`, as people and scripts use it."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from jackfield.cli import holding
from jackfield.cli.main import run
from jackfield.tools.ports import names
from jackfield.tools.ports.held import Found, Held, Process
from jackfield.tools.ports.rights import Rights

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command; give what it says."""

    def saying(*arguments: str, status: int = 0) -> str:
        assert run(["ports", *arguments]) == status
        out, err = capsys.readouterr()
        assert not (out and err)
        return out or err

    return saying


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine as most are, with a short list of names, on which nobody holds anything."""
    monkeypatch.setattr("jackfield.tools.ports.facts.rights", lambda: Rights(1024, 32768, 60999))
    monkeypatch.setattr("jackfield.tools.ports.facts.held", lambda *_: Found((), 0, True))
    own = tmp_path / "services"
    own.write_text("ssh 22/tcp\ndomain 53/tcp\ndomain 53/udp\n")
    monkeypatch.setattr(names, "_LIST", own)
    monkeypatch.setattr(names, "_from_system", lambda _: None)
    names.services.cache_clear()
    yield
    names.services.cache_clear()


@pytest.mark.usefixtures("usual")
def test_a_name_gives_its_port(said: Said) -> None:
    assert said("sshd") == (
        "sshd: port 22\n"
        "  ssh        remote login and files, encrypted (SSH); TCP; also sshd, sftp, scp\n"
        "  range      system, 0 to 1023: given by IANA to protocols that everybody uses\n"
        "  bind       below 1024: root alone, and who has CAP_NET_BIND_SERVICE\n"
        "  held       by nobody\n"
    )


@pytest.mark.usefixtures("usual")
def test_a_port_gives_its_names(said: Said) -> None:
    text = said("53/udp", "40001")
    assert text.startswith("53/udp\n  domain     names and their addresses (DNS); ")
    assert "\n\n40001\n  name       none that is known\n" in text
    assert "everybody may\n             from 32768 to 60999 the system gives ports" in text
    assert "not in this system's list" in re.sub(r"\s+", " ", said("6379"))
    assert "No port: a socket that is bound to 0" in said("0")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ssh"],
        ["8080"],
        ["53"],
        ["0-65535"],
        ["http", "8000-8100", "60000-60999"],
        ["1-80/udp"],
    ],
    ids=" ".join,
)
def test_it_fits_on_a_screen_and_has_json(arguments: list[str], said: Said) -> None:
    out = said(*arguments)
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in out.splitlines())
    found = json.loads(said("--json", *arguments))
    for one in found if arguments else [found]:
        assert list(one) == [
            *("text", "first", "last", "protocols", "ports", "ranges", "rights", "hidden", "told"),
        ]
        for port in one["ports"]:
            assert list(port) == ["port", "range", "privileged", "local", "services", "held"]
            for there in port["held"]:
                assert list(there) == [
                    *("protocol", "address", "port", "state", "peer", "peer_port", "user"),
                    *("processes", "kernel"),
                ]


def test_who_holds_a_port_is_told(said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = said(str(port))
        mine = re.sub(r"\s+", " ", text)
        assert f"held TCP 127.0.0.1:{port}, listening: " in mine
        assert f"(process {os.getpid()}), user " in mine
        assert f"127.0.0.1:{port}" in said()
        assert f"TCP 127.0.0.1:{port}, listening" in said(
            f"{port}-{port + 1}" if port < 65535 else "1-65535"
        )
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0]:
            assert "connection" in said(str(port))
            there = re.sub(r"\s+", " ", said(str(client.getsockname()[1])))
            assert f"connected with 127.0.0.1:{port}" in there
    found = json.loads(said("--json", str(port)))
    assert not any(one["state"] == "listening" for one in found[0]["ports"][0]["held"])


def one_held(**more: object) -> Held:
    fields: dict[str, object] = {
        "protocol": "tcp",
        "address": ip_address("2001:db8:1111:2222:3333:4444:5555:6666"),
        "port": 22,
        "state": "listening",
        "peer": None,
        "peer_port": None,
        "user": "root",
        "processes": (Process(4194304, "a-name-of-15-ch"),),
        "kernel": False,
    }
    return Held(**(fields | more))  # type: ignore[arg-type]  # as it has them


def test_the_longest_of_all_fits(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple(Process(number, "") for number in range(5))
    peer = ip_address("192.0.2.1")
    there = (
        one_held(),
        one_held(processes=(), address=ip_address("::")),
        one_held(processes=many, user="x\x1b"),
        *(one_held(state="connected", peer=peer, peer_port=port) for port in (1, 2)),
        one_held(state="closed, and remembered for a while", peer=peer, peer_port=3, kernel=True),
    )
    monkeypatch.setattr("jackfield.tools.ports.facts.held", lambda *_: Found(there, 7, True))
    for arguments in ([], ["22"], ["20-30"]):
        text = said(*arguments)
        assert max(map(len, text.splitlines())) <= 80
        assert "\x1b" not in text
        plain = re.sub(r"\s+", " ", text)
        assert "a-name-of-15-ch (process 4194304), user root" in plain
        assert "TCP [::]:22" in plain
        assert "unnamed (process 2) and 2 more, user x\\x1b" in plain
        assert "Not seen: 7 processes that this user may not look into." in plain
    assert "and 3 connections" in said("22")
    monkeypatch.setattr(holding, "MOST_PEERS", 1)
    monkeypatch.setattr("jackfield.tools.ports.facts.held", lambda *_: Found(there[3:], 0, True))
    assert "and 2 connections more" in said("22")


def test_a_system_that_does_not_tell(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.tools.ports.facts.held", lambda *_: Found((), 0, False))
    assert "this system does not tell by whom" in said("22")
    assert "This system does not tell." in said()


def test_rights_differ_from_machine_to_machine(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.tools.ports.facts.rights", lambda: Rights(0, 1024, 65535))
    assert "0-65535      everybody may bind these" in said()
    assert "bind       everybody may\n" in said("22")
    assert "bind       everybody may\n" in said("20-30")
    monkeypatch.setattr("jackfield.tools.ports.facts.rights", lambda: Rights(25, 1024, 65535))
    assert "bind       everybody from 25 on; below it root" in said("20-30")
    assert "bind       root alone" in said("20-24")


@pytest.mark.usefixtures("usual")
def test_a_long_range_is_cut(said: Said) -> None:
    text = said("1-65535")
    assert re.search(r"^  \.\.\. \d+ more; --json has all$", text, re.MULTILINE)
    found = json.loads(said("1-65535", "--json"))
    assert len(found[0]["ports"]) > holding.MOST_PORTS


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("65536", "jackfield: 65536: a port is 0 to 65535, what 16 bits hold\n"),
        ("redi", "jackfield: redi: no service of this name is known; did you mean redis"),
        ("9-8", "jackfield: 9-8: the range ends before it begins; write 8-9\n"),
    ],
)
def test_an_error_is_one_line(said: Said, asked: str, line: str) -> None:
    text = said(asked, status=2)
    assert text.startswith(line)
    assert text.count("\n") == 1
