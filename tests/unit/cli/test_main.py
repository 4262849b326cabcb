"""The command as a whole: what it lists, and what becomes of an error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

from jackfield.cli.main import COMMANDS, run
from jackfield.errors import BindError, ConfigurationError, EndpointError
from jackfield.version import __version__
from tests.commands.people import COMMAND, Piped
from tests.live import PATIENCE


def test_without_a_command_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    out = capsys.readouterr().out
    for name, text in COMMANDS.items():
        assert name in out
        assert text in out


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_every_command_has_help_with_an_example(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Example" in out
    assert f"jackfield {' '.join(arguments)}".strip() in out
    assert "\b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"jackfield {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["cert", "--help"]])
def test_a_full_disk_is_told_in_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    line = "jackfield: standard output cannot be written: No space left on device (ENOSPC)\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["srve"], "jackfield: there is no command 'srve'; did you mean serve? (see jackfield "),
        (["xyzzy"], "jackfield: there is no command 'xyzzy'; there are serve, connect, "),
        (["--vrsion"], "jackfield: No such option '--vrsion'"),
        (
            ["up", "now"],
            "jackfield up: Got unexpected extra argument (now) (see ",
        ),
    ],
    ids=["near", "far", "option", "argument"],
)
def test_what_cannot_be_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("they do not fit"), 2),
        (EndpointError("x: not a URL"), 2),
        (BindError("tcp://[::1]:1: cannot"), 1),
        (BindError("two\nlines \x1b[31m"), 1),
        (click.ClickException("it does not go"), 1),
        (click.Abort(), 130),
    ],
    ids=["configuration", "endpoint", "bind", "lines", "click", "abort"],
)
def test_an_error_is_one_line_with_its_status(
    error: Exception,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def up() -> None:
        raise error

    monkeypatch.setattr("jackfield.cli.up.up", up)
    assert run(["up"]) == status
    err = capsys.readouterr().err
    assert err.count("\n") <= 1
    assert "\x1b" not in err
    if status != 130:
        assert err.startswith("jackfield: ")


def test_a_command_gives_its_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.cli.up.up", click.Command("up", callback=lambda: 3))
    assert run(["up"]) == 3


def test_it_runs_as_a_module() -> None:
    with Piped("serve", "ehco", "tcp://127.0.0.1:0") as command:
        status, out, err = command.finish()
    assert (status, out) == (2, b"")
    assert err.startswith("jackfield: there is no service called 'ehco'; did you mean echo? ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("jackfield ", ["plain,serve", "plain,connect", "plain,up"]),
        ("jackfield serve gr", ["plain,greet"]),
        ("jackfield serve --del", ["plain,--delay"]),
        ("jackfield nothing x", []),
    ],
)
def test_a_shell_can_complete_what_is_typed(words: str, offered: list[str]) -> None:
    typed = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    with Piped(_JACKFIELD_COMPLETE="bash_complete", **typed) as command:
        status, out, err = command.finish()
    assert (status, err) == (0, "")
    found = out.decode().split()
    assert set(offered) <= set(found)
    assert bool(offered) == bool(found)
