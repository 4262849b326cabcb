"""`jackfield run` against a board, by the sign-in that `jackfield chat` has kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jackfield.events import CommandStarted
from tests.commanded import WAIT, Running, running
from tests.commands.people import COMMAND, Piped, environment
from tests.live import PATIENCE
from tests.owned import DAY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands needs Linux")


def done(home: Path, *arguments: str, said: str = "", **more: str) -> tuple[int, str, str]:
    """Run a command of `jackfield` to its end, by somebody who keeps things there."""
    env = environment(JACKFIELD_HOME=str(home), **more)
    command = [*COMMAND, *arguments]
    found = subprocess.run(
        command, input=said, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env
    )
    return found.returncode, found.stdout, found.stderr


def sign_in(lab: Running, home: Path, name: str, role: str) -> None:
    """Have somebody come in by `jackfield chat`, which keeps their token."""
    secret = lab.wait_for(lab.board.people.invite(role, time.time() + DAY, 1))
    link = f"{lab.url}in/{secret}"
    status, _, err = done(home, "chat", link, "--name", name, "--send", said="hello\n")
    assert status == 0, err


@pytest.mark.long
def test_who_has_signed_in_by_the_chat_runs_what_they_may(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        at = f"ws://127.0.0.1:{lab.ports['page']}/commands"
        sign_in(lab, tmp_path / "bo", "Bo", "operator")
        assert done(tmp_path / "bo", "run", at, "--", "env", "echo", "$X") == (0, "$X\n", "")
        assert lab.of(CommandStarted)[0].who == "Bo"
        status, out, err = done(tmp_path / "bo", "run", at, JACKFIELD_TOKEN="another")
        assert (status, out) == (126, "")
        assert "this token is not known here" in err
        lab.wait_for(lab.board.people.set_role("Bo", "member"))
        status, _, err = done(tmp_path / "bo", "run", at, "--", "env", "echo", "x")
        assert (status, err.count("\n")) == (126, 1)


@pytest.mark.long
def test_who_is_no_operator_any_more_is_ended_and_refused_where_they_are(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        at = f"ws://127.0.0.1:{lab.ports['page']}/commands"
        home = tmp_path / "bo"
        sign_in(lab, home, "Bo", "operator")
        with (
            Piped("run", at, "--", *WAIT, JACKFIELD_HOME=str(home)) as during,
            Piped("run", at, "-v", JACKFIELD_HOME=str(home)) as before,
        ):
            during.await_output("begun")
            before.await_error("known there as Bo")
            lab.wait_for(lab.board.people.set_role("Bo", "member"))
            status, _, err = during.finish()
            assert status == 128 + signal.SIGTERM
            assert err.startswith("jackfield: it is not allowed any more")
            before.write("env echo x\n")
            status, out, err = before.finish()
            assert (status, out) == (126, b"")
            assert "you may not run anything here any more" in err
        assert len(lab.of(CommandStarted)) == 1


def test_a_member_and_a_stranger_run_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        at = f"ws://127.0.0.1:{lab.ports['page']}/commands"
        sign_in(lab, tmp_path / "mei", "Mei", "member")
        for home in ("mei", "nobody"):
            status, out, err = done(tmp_path / home, "run", at, "--", "env", "echo", "x")
            assert (status, out, err.count("\n")) == (126, "", 1)
            assert "token" in err
        assert lab.of(CommandStarted) == []
