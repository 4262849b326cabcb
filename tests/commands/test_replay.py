"""`jackfield serve --record`, and `jackfield connect --replay` of what it has recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jackfield.cli.main import run
from tests.commands.people import COMMAND, environment
from tests.commands.test_serve import Served
from tests.live import PATIENCE

TCP = "tcp://127.0.0.1:0"


def replayed(*arguments: str) -> tuple[int, bytes, str]:
    """Give exit status, output and errors."""
    done = subprocess.run(
        [*COMMAND, "connect", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recording of two peers of `greet`, over TCP and UDP."""
    path = str(tmp_path_factory.mktemp("recorded") / "it")
    with Served("greet", TCP, "udp://127.0.0.1:0", "--record", path) as served:
        with served.connect(0) as peer:
            peer.send("Tracy")
            assert [peer.line(), peer.line()] == ["Welcome!", "Hello, Tracy!"]
            peer.sock.sendall(b"Ann\xff\nquit\n")
            assert peer.line().startswith("error: ")
        with served.connect(1) as peer:
            assert peer.ask("Eve") == "Hello, Eve!"
            assert peer.ask("Bob") == "Hello, Bob!"
        served.stop()
    return path


@pytest.mark.some(1)
@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_a_stream_is_played_byte_for_byte(recorded: str, fast: list[str]) -> None:
    with Served("echo", TCP) as served:
        at = str(served.endpoints[0])
        status, out, told = replayed(at, "--replay", recorded, *fast)
        assert (status, out) == (0, b"Tracy\nAnn\xff\nquit\n")
        assert told == "replaying connection 1, the first of 2; see --of\n"
        served.stop()


def test_datagrams_are_played_one_by_one(recorded: str) -> None:
    with Served("greet", "udp://127.0.0.1:0") as served:
        at = str(served.endpoints[0])
        status, out, told = replayed(at, "--replay", recorded, "--of", "2", "--wait", "300ms")
        assert (status, told) == (0, "")
        assert out == b"Hello, Eve!Hello, Bob!"
        served.stop()


WRONG = [
    (["--fast"], 2, "jackfield connect: --of and --fast are for --replay FILE"),
    (["--replay", "/none"], 2, "jackfield: /none: No such file or directory (ENOENT)"),
    (["--replay", __file__], 2, f"jackfield: {__file__} is no recording; `jackfield serve --rec"),
    (
        ["--replay", "{it}", "--of", "7"],
        2,
        "jackfield: {it}: no connection 7 in it; there are 1, 2",
    ),
    (["--replay", "{it}", "--once"], 2, "jackfield connect: --replay sends bytes as they were: "),
    (["--replay", "{it}", "--framing", "lines"], 2, "jackfield connect: --replay sends bytes as"),
]


def test_a_websocket_is_replayed_to_what_it_runs_on(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for scheme, plain in (("ws", "tcp"), ("wss", "tls")):
        assert run(["connect", f"{scheme}://127.0.0.1:9/a", "--replay", recorded]) == 2
        assert f"connect to {plain}://127.0.0.1:9 " in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status", "line"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_played_is_one_line(
    recorded: str,
    arguments: list[str],
    status: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [argument.format(it=recorded) for argument in arguments]
    assert run(["connect", "tcp://127.0.0.1:9", *given]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line.format(it=recorded))
    assert captured.err.count("\n") == 1


def test_a_recording_of_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "it")
    with Served("echo", TCP, "--record", path) as served:
        served.stop()
    assert run(["connect", "tcp://127.0.0.1:9", "--replay", path]) == 2
    assert "nobody connected while this was recorded" in capsys.readouterr().err
