"""`jackfield export`: a room of a board that runs, and of one that does not."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.commands.people import COMMAND, AtTerminal, environment
from tests.commands.test_up import Up, said
from tests.live import PATIENCE

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ann: (.*)\n")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("board")) as it:
        with it.line() as ann:
            said(ann, "name?")
            ann.sendall("ann\none\n/join ops\n你好\n/history\n".encode())
            said(ann, "ann: 你好")
        yield it


def test_a_room_that_there_is_not_is_answered_with_those_there_are(board: Up) -> None:
    done = board.ask("export", "opps")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "jackfield: there is no room called 'opps'; there are lobby, ops\n"


@pytest.mark.some(1)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("@ann,bob",), "its two people's"),
        (("ops", "--from", "yesterday"), "'yesterday' is no time; write 2026-11-28"),
        (("ops", "-o", "."), "is there already"),
        (("ops", "--data", "/none"), "no board has kept anything there"),
    ],
)
def test_what_cannot_be_is_one_line(board: Up, arguments: tuple[str, ...], says: str) -> None:
    done = board.ask("export", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_not_left_half(board: Up) -> None:
    done = board.ask("export", "opps", "-o", str(board.folder / "opps.txt"))
    assert done.returncode == 2
    with Path("/dev/full").open("wb") as output:
        full = subprocess.run(
            [*COMMAND, "export", "ops"],
            env=environment(**board.env),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert full.returncode == 1
    assert full.stderr.startswith("jackfield: standard output cannot be written: ")
    assert full.stderr.count("\n") == 1
    assert not list(board.folder.glob("*opps*"))


def test_a_room_is_written_out_while_the_board_runs(board: Up, tmp_path: Path) -> None:
    found = LINE.fullmatch(board.told("export", "#Ops"))
    assert found
    assert found[1] == "你好"
    one = json.loads(board.told("export", "ops", "--json"))
    assert (one["number"], one["author"], one["text"]) == (1, "ann", "你好")
    assert board.told("export", "ops", "--from", "2999-01-01") == ""
    target = tmp_path / "ops.txt"
    assert board.ask("export", "ops", "-o", str(target)).returncode == 0
    assert target.read_text("utf-8") == found[0]
    assert target.stat().st_mode & 0o077 == 0
    assert board.ask("export", "ops", "-o", str(target)).returncode == 2  # it is there already


def test_a_terminal_is_not_steered(board: Up) -> None:
    with board.line() as ann:
        said(ann, "name?")
        ann.sendall(b"steer\n/join steering\nbefore\tafter\n/history\n")
        said(ann, "steer: before")
    # What people say is cleaned before it is kept; a store from elsewhere may hold anything.
    with contextlib.closing(apsw.Connection(board.env["JACKFIELD_DATA"] + "/board.db")) as db:
        db.execute(
            "UPDATE messages SET text = ? WHERE author = 'steer'", ("\x1b]0;x\x07 \u202eabc",)
        )
    at, runtime = board.env["JACKFIELD_DATA"], board.env["XDG_RUNTIME_DIR"]
    with AtTerminal("export", "steering", JACKFIELD_DATA=at, XDG_RUNTIME_DIR=runtime) as it:
        assert "steer: \\x1b]0;x\\x07 \\u202eabc" in it.await_screen("\\u202eabc")
        assert it.finish() == 0


@pytest.mark.long
def test_a_room_is_written_out_while_no_board_runs_and_the_board_goes_on(tmp_path: Path) -> None:
    with Up(tmp_path) as it:
        with it.line() as ann:
            said(ann, "name?")
            ann.sendall(b"ann\nkept\n/history\n")
            said(ann, "ann: kept")
        it.process.process.kill()
        it.process.process.wait(PATIENCE)
        assert LINE.fullmatch(it.told("export", "lobby"))
    with Up(tmp_path) as it:
        assert it.status()["store"]["state"] == "ok"
        assert it.stop() == 0
        assert LINE.fullmatch(it.told("export", "lobby"))
        assert LINE.fullmatch(it.told("export", "lobby", "--from", "2020-01-01T00:00+02:00"))
