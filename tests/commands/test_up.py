"""`jackfield up`: six services on loopback, and a line to try each with."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.cli import up
from jackfield.cli.main import run
from jackfield.endpoints import parse
from jackfield.net import files
from tests.commands.people import AtTerminal, Piped
from tests.live import Peer

pytestmark = pytest.mark.xdist_group("up")  # it takes fixed ports


class Up(Piped):
    """`jackfield up`, once it has said what there is."""

    def __init__(self, *arguments: str, **more: str) -> None:
        super().__init__("up", *arguments, **more)
        text = self.await_output("connect udp").decode()
        while not text.endswith("\n\n"):
            self.await_all(len(self.read) + 1)
            text = self.read.decode()
        self.text = text
        self.ports = {
            name: int(port) for name, port in re.findall(r"^  (\w+) .*?(\d+)$", text, re.MULTILINE)
        }

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        status, out, err = self.finish()
        assert (status, err) == (0, "")
        assert out.endswith(b"Stopped.\n")
        return out.decode()


@pytest.fixture
def runtime(tmp_path: Path) -> str:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return str(folder)


def test_each_service_answers_on_tcp_udp_and_a_unix_socket(runtime: str) -> None:
    with Up(XDG_RUNTIME_DIR=runtime) as it:
        assert list(it.ports) == list(up.SMALL)
        answers = {
            "echo": "hello",
            "upper": "HELLO",
            "greet": "Hello, hello!",
            "menu": "Please choose 1 to 4; help shows where you are, q leaves.",
        }
        for name, answer in answers.items():
            with Peer(parse(f"udp://127.0.0.1:{it.ports[name]}")) as peer:
                assert peer.ask("hello") == answer
            for url in (
                f"tcp://127.0.0.1:{it.ports[name]}",
                f"unix://{runtime}/jackfield/{name}.sock",
            ):
                with Peer(parse(url)) as peer:
                    peer.send("hello")
                    while peer.line() != answer:
                        pass
        out = it.stop()
    assert re.search(r"^\d\d:\d\d:\d\d echo   #1   came      udp://127", out, re.MULTILINE)
    assert not list(Path(runtime, "jackfield").iterdir())


def test_the_lines_it_prints_can_be_typed(runtime: str) -> None:
    with Up(XDG_RUNTIME_DIR=runtime) as it:
        by_nc = re.findall(r" (nc .*)$", it.text, re.MULTILINE)
        by_connect = re.findall(r"^  (\S*jackfield connect .*)$", it.text, re.MULTILINE)
        assert (len(by_nc), len(by_connect)) == (6, 3)
        for command in by_nc[0], *by_connect:
            with subprocess.Popen(
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as process:
                assert process.stdin
                assert process.stdout
                process.stdin.write(b"hello\n")
                process.stdin.flush()
                assert process.stdout.readline() == b"hello\n"
                process.kill()
        it.stop()


def test_a_port_that_is_taken_is_passed_over(runtime: str) -> None:
    with Up(XDG_RUNTIME_DIR=runtime) as one, Up(XDG_RUNTIME_DIR=runtime) as other:
        assert not set(one.ports.values()) & set(other.ports.values())
        assert f"unix://{runtime}/jackfield/echo-2.sock" in other.text
        for port in (one.ports["greet"], other.ports["greet"]):
            with Peer(parse(f"tcp://127.0.0.1:{port}")) as peer:
                assert peer.line() == "Welcome!"
        other.stop()
        one.stop()


def test_when_no_port_is_free_it_says_so(
    runtime: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setattr(up, "FIRST_PORT", port)
        monkeypatch.setattr(up, "TRIES", 0)
        assert run(["up"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"jackfield: tcp://127.0.0.1:{port}: in use")


def test_a_start_that_fails_leaves_nothing_behind(
    runtime: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port - 1)).close()
            except OSError:  # that one is taken by somebody else
                continue
            monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
            monkeypatch.setattr(up, "FIRST_PORT", port - 1)
            monkeypatch.setattr(up, "TRIES", 0)
            assert run(["up"]) == 1
            break
    assert f"tcp://127.0.0.1:{port}: in use" in capsys.readouterr().err
    assert not list(Path(runtime, "jackfield").iterdir())
    socket.create_server(("127.0.0.1", port - 1)).close()


def test_without_a_runtime_folder_it_makes_one_in_the_folder_for_temporary_files(
    tmp_path: Path,
) -> None:
    with Up(XDG_RUNTIME_DIR="", TMPDIR=str(tmp_path)) as it:
        assert f"unix://{tmp_path}/jackfield-" in it.text
        it.stop()


def test_a_folder_that_others_may_write_in_is_not_used(tmp_path: Path, runtime: str) -> None:
    folder = Path(runtime, "jackfield")
    folder.mkdir()
    folder.chmod(0o777)
    with Up(XDG_RUNTIME_DIR=runtime) as it:
        assert "also by UDP:" in it.text
        it.await_output(f"No UNIX sockets: {folder}: is no folder of yours alone: others")
        it.stop()
    assert not list(folder.iterdir())


def test_at_a_terminal_of_80_columns(runtime: str) -> None:
    with AtTerminal("up", XDG_RUNTIME_DIR=runtime) as terminal:
        screen = terminal.await_screen("jackfield connect unix:")
        assert max(map(len, screen.splitlines()[:9])) <= 80
        assert len({line.index(" nc ") for line in screen.splitlines() if " nc " in line}) == 1
        terminal.press(b"\x03")
        terminal.await_screen("Stopped.")
        assert terminal.finish() == 0


def test_it_names_itself_as_it_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bin_folder = tmp_path / "env" / "bin"
    bin_folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    assert up._command() == f"{bin_folder}/python -m jackfield"
    (bin_folder / "jackfield").touch()
    assert up._command() == f"{bin_folder}/jackfield"
    monkeypatch.chdir(tmp_path)
    assert up._command() == "env/bin/jackfield"
    (tmp_path / "jackfield").touch(mode=0o755)
    assert up._command() == "jackfield"


def test_no_sockets_on_a_system_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert up._folder() == (None, "this system has none")


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert files.own_folder(str(tmp_path / "new")) == str(tmp_path / "new")
