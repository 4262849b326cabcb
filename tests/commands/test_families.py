"""`jackfield families`, as people and scripts use it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from jackfield.cli import families as module
from jackfield.cli.main import run
from jackfield.tools.families.meanings import LEVELS
from jackfield.tools.families.options import Value
from jackfield.tools.families.probe import FoundFamily, FoundKind, State

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command; give what it says."""

    def saying(*arguments: str, status: int = 0) -> str:
        assert run(["families", *arguments]) == status
        out, err = capsys.readouterr()
        assert not (out and err)
        return out or err

    return saying


@pytest.mark.parametrize("arguments", [[], *(["--options", name] for name in LEVELS)], ids=" ".join)
def test_it_fits_on_a_screen_and_has_json(arguments: list[str], said: Said) -> None:
    if arguments[-1:] == ["ipv6"] and not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    out = said(*arguments)
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in out.splitlines())
    wanted = (
        ["name", "level", "number", "value", "unit", "text", "problem", "words"]
        if arguments
        else ["name", "number", "words", "manual", "state", "kinds"]
    )
    for one in json.loads(said("--json", *arguments)):
        assert list(one) == wanted
        for kind in one.get("kinds", ()):
            assert list(kind) == ["type", "protocol", "words", "state", "error", "why"]


def test_what_every_system_has(said: Said) -> None:
    text = said()
    assert "  INET       IPv4 (RFC 791); ip(7)\n             has STREAM (TCP" in text
    assert "  SEQPACKET  messages in order, none lost; with a connection\n" in text


def kind(type_: str, words: str, state: State, error: str = "", why: str = "") -> FoundKind:
    return FoundKind(type_, 0, words, state, error, why)


def test_it_is_told_why_not(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        FoundFamily(
            *("A", 1, "one thing", "a(7)", State.HERE),
            (
                kind("STREAM", "X", State.HERE),
                kind("STREAM", "Y", State.HERE),
                kind("DGRAM", "", State.HERE),
                kind("RAW", "Z", State.FORBIDDEN, "EPERM", "not permitted; it takes a right"),
            ),
        ),
        FoundFamily(
            *("B", 2, "another", "b(7)", State.FORBIDDEN),
            (kind("RAW", "", State.FORBIDDEN, "EPERM", "not permitted"),),
        ),
        FoundFamily(
            *("C", 3, "a third", "c(7)", State.LACKING),
            (
                kind("RAW", "", State.LACKING, "EAFNOSUPPORT", "not in the kernel"),
                kind("DGRAM", "", State.LACKING, "EAFNOSUPPORT", "not in the kernel"),
            ),
        ),
    ]
    monkeypatch.setattr(module, "probe", lambda: found)
    assert said().partition("\nTypes")[0] == (
        "Address families of this system\n"
        "  A          one thing; a(7)\n"
        "             has STREAM (X, Y), DGRAM\n"
        "             not RAW (Z): not permitted; it takes a right (EPERM)\n"
        "\n"
        "Not these: not permitted (EPERM)\n"
        "  B          another; b(7); RAW\n"
        "\n"
        "Not these: not in the kernel (EAFNOSUPPORT)\n"
        "  C          a third; c(7); RAW, DGRAM\n"
    )


def test_options_are_told(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        Value("TCP_NODELAY", 6, 1, value=True, unit="", text="on", problem="", words="at once"),
        Value("TCP_X", 6, 9, value=None, unit="", text="", problem="no (EIO)", words="what else"),
    ]
    monkeypatch.setattr(module, "options_of", lambda _: values)
    assert said("--options", "tcp") == (
        "Options of a new socket, INET STREAM; tcp(7)\n"
        "  TCP_NODELAY               on: at once\n"
        "  Not told here:\n"
        "  TCP_X                     no (EIO): what else\n"
    )


def test_what_cannot_be_is_one_line(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    text = said("--options", "sctp", status=2)
    assert text.startswith("jackfield families: Invalid value for '--options': 'sctp' is not one")
    assert text.count("\n") == 1
    monkeypatch.delattr(socket, "AF_UNIX")
    assert said("--options", "unix", status=2) == (
        "jackfield: unix: this system has no such socket (EAFNOSUPPORT); see jackfield families\n"
    )
