"""`jackfield up` and the commands that ask a board: real processes, as its owner uses them."""

from __future__ import annotations

import http.client
import json
import re
import resource
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from tests.commands.people import COMMAND, Piped, environment
from tests.live import PATIENCE, free_port, until

CONFIG = """\
[board]
name = "The lab"

[services.chat]
endpoints = ["tcp://127.0.0.1:{chat}"]

[services.page]
endpoints = ["tcp://127.0.0.1:{page}"]

[services.clock]
service = "time"
endpoints = ["tcp://127.0.0.1:{clock}"]
"""


class Up:
    """A board in a process of its own, once it has said how to come in."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.config = folder / "jackfield.toml"
        ports = folder / "ports.json"
        if not ports.exists():  # else it is the same board once more
            found = {name: free_port() for name in ("chat", "page", "clock")}
            ports.write_text(json.dumps(found), encoding="utf-8")
        self.ports: dict[str, int] = json.loads(ports.read_text("utf-8"))
        if not self.config.exists():
            self.configure(CONFIG)
        runtime = folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self.env = {"XDG_RUNTIME_DIR": str(runtime), "JACKFIELD_DATA": str(folder / "data")}
        options = ("--config", str(self.config))
        self.process = Piped("up", *options, *arguments, **self.env)
        self.text = self.process.await_output("invite lets others in").decode()

    def configure(self, text: str) -> None:
        self.config.write_text(text.format(**self.ports), encoding="utf-8")

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=environment(**self.env),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def told(self, *arguments: str) -> str:
        """What a command says that must succeed."""
        done = self.ask(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.told("status", "--json"))
        return found

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            one for one in self.status()["services"] if one["name"] == name
        )
        return found

    def line(self) -> socket.socket:
        """A connection to the chat, as `nc` makes it."""
        return socket.create_connection(("127.0.0.1", self.ports["chat"]), PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.process.send_signal(number)
        return self.process.finish()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.__exit__(None, None, None)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for that of a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="jf-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One board for the tests that only ask."""
    with Up(tmp_path_factory.mktemp("board")) as it:
        yield it


def said(conn: socket.socket, wanted: str) -> str:
    """Read on until something was said."""
    read = ""
    while wanted not in read:
        data = conn.recv(4096)
        assert data, read
        read += data.decode()
    return read


def link_in(text: str) -> str:
    found = re.search(r"http://\S+/in/\S+", text)
    assert found
    return found[0]


def test_it_says_how_to_come_in(board: Up) -> None:
    assert board.text.startswith("The lab is up.")
    assert link_in(board.text).startswith(f"http://127.0.0.1:{board.ports['page']}/in/")
    assert "jackfield chat" in board.text
    assert f"nc 127.0.0.1 {board.ports['chat']}" in board.text or "connect" in board.text


def test_the_page_is_there(board: Up) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", board.ports["page"], PATIENCE)) as conn:
        conn.request("GET", "/")
        answer = conn.getresponse()
        assert (answer.status, b"<html" in answer.read()) == (200, True)


def test_who_runs_it_talks_by_lines_under_any_name(board: Up) -> None:
    with board.line() as ann, board.line() as bob:
        said(ann, "name?")
        ann.sendall(b"ann\n")
        said(ann, "Hello, ann")
        said(bob, "name?")
        bob.sendall(b"bob\nhello there\n")
        assert "bob: hello there" in said(ann, "hello there")


def test_its_status_is_for_people_and_for_programs(board: Up) -> None:
    found = board.status()
    assert (found["name"], found["store"]["state"]) == ("The lab", "ok")
    assert [one["name"] for one in found["services"]] == ["chat", "page", "files", "clock"]
    assert {one["state"] for one in found["services"]} == {"running"}
    text = board.told("status")
    assert text.startswith("The lab: process ")
    assert f"tcp://127.0.0.1:{board.ports['clock']}" in text
    assert all(line.strip() for line in text.splitlines())


def test_what_it_counts_is_shown(board: Up) -> None:
    before = board.service("clock")["opened"]
    with socket.create_connection(("127.0.0.1", board.ports["clock"]), PATIENCE) as conn:
        assert conn.recv(100)
    until(lambda: board.service("clock")["opened"] == before + 1)


def test_one_service_is_stopped_and_started_and_the_others_do_not_notice(board: Up) -> None:
    with board.line() as ann:
        said(ann, "name?")
        assert board.told("stop", "clock") == "clock: stopped.\n"
        assert board.service("clock")["state"] == "stopped"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", board.ports["clock"]), PATIENCE)
        assert board.told("start", "clock") == "clock: started.\n"
        assert board.told("restart", "clock") == "clock: restarted.\n"
        socket.create_connection(("127.0.0.1", board.ports["clock"]), PATIENCE).close()
        ann.sendall(b"stopped-ann\n")
        said(ann, "Hello, stopped-ann")


@pytest.mark.some(2)
@pytest.mark.parametrize("what", ["start", "stop", "restart", "reload", "status"])
def test_a_service_that_there_is_not_is_answered_with_those_there_are(board: Up, what: str) -> None:
    done = board.ask(what, "clocks")
    assert (done.returncode, done.stdout) == (2, "")
    expected = "jackfield: there is no service 'clocks'; there are chat, page, files, clock\n"
    assert done.stderr == expected


def test_a_second_board_with_the_same_data_is_told_so(board: Up) -> None:
    done = board.ask("up", "--config", str(board.config))
    assert done.returncode == 2
    assert "a board with this data runs already" in done.stderr
    assert board.status()["store"]["state"] == "ok"


def test_an_invitation_is_a_link_and_a_code(board: Up) -> None:
    text = board.told("invite", "--expires", "1d", "--uses", "30")
    assert link_in(text).startswith(f"http://127.0.0.1:{board.ports['page']}/in/")
    assert "For 30 people, as member" in text
    assert "█" in text
    found = json.loads(board.told("invite", "--role", "operator", "--json"))
    assert (found["role"], found["uses"]) == ("operator", 1)


def test_a_token_is_listed_without_its_secret_and_can_be_revoked(board: Up) -> None:
    secret = json.loads(board.told("invite", "--json"))["link"].rpartition("/")[2]
    tokens = json.loads(board.told("tokens", "--json"))
    assert secret not in json.dumps(tokens)
    assert f"Token {tokens[0]['number']}, invite," in board.told("revoke", str(tokens[0]["number"]))
    assert board.ask("revoke", "999999").returncode == 2


def test_a_backup_is_taken_while_it_runs(board: Up, tmp_path: Path) -> None:
    target = tmp_path / "monday.db"
    assert str(target) in board.told("backup", str(target))
    assert target.stat().st_size > 0
    assert board.ask("backup", str(target)).returncode == 2  # it is there already


def test_nobody_else_can_come_near_what_it_keeps_and_how_it_is_asked(board: Up) -> None:
    for folder in (board.env["XDG_RUNTIME_DIR"] + "/jackfield", board.env["JACKFIELD_DATA"]):
        assert Path(folder).stat().st_mode & 0o077 == 0


def test_no_board_is_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "status", "--data", str(tmp_path)],
        env=environment(XDG_RUNTIME_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no board runs here" in done.stderr
    assert "jackfield up" in done.stderr


def test_what_was_said_is_there_after_a_kill(tmp_path: Path) -> None:
    with Up(tmp_path) as it:
        with it.line() as ann:
            said(ann, "name?")
            ann.sendall(b"ann\nkeep this\n/history\n")
            said(ann, "ann: keep this")
        it.process.process.kill()
        it.process.process.wait(PATIENCE)
    with Up(tmp_path) as it:
        with it.line() as bob:
            said(bob, "name?")
            bob.sendall(b"bob\n")
            assert "ann: keep this" in said(bob, "keep this")
        assert it.stop(signal.SIGINT) == 0


@pytest.mark.long
def test_one_goes_back_to_a_backup(tmp_path: Path) -> None:
    target = tmp_path / "before.db"
    with Up(tmp_path) as it:
        with it.line() as ann:
            said(ann, "name?")
            ann.sendall(b"ann\nbefore\n/history\n")
            said(ann, "ann: before")
            it.told("backup", str(target))
            ann.sendall(b"after\n/history\n")
            said(ann, "ann: after")
        done = it.ask("restore", str(target))
        assert done.returncode == 2
        assert done.stderr == "jackfield: the board runs; stop it first, by jackfield down\n"
        assert it.stop() == 0
        assert "What was there is " in it.told("restore", str(target))
    with Up(tmp_path) as it, it.line() as bob:
        said(bob, "name?")
        bob.sendall(b"bob\n/history\nquit\n")
        text = said(bob, "Goodbye")
        assert "ann: before" in text
        assert "ann: after" not in text


def test_a_bad_configuration_is_refused_and_the_old_one_stays_in_force(tmp_path: Path) -> None:
    with Up(tmp_path) as it, it.line() as ann:
        said(ann, "name?")
        it.configure(CONFIG + '\n[services.more]\nendpoint = ["tcp://127.0.0.1:0"]\n')
        done = it.ask("reload")
        assert done.returncode == 2
        assert "line 15: a service has no 'endpoint'; did you mean endpoints?" in done.stderr
        assert [one["name"] for one in it.status()["services"]] == [
            "chat",
            "page",
            "files",
            "clock",
        ]
        without = CONFIG.partition("[services.clock]")[0]
        more = '[services.more]\nservice = "echo"\nendpoints = ["tcp://127.0.0.1:0"]\n'
        it.configure(without + more)
        assert it.told("reload") == "The configuration was read anew.\n"
        assert [one["name"] for one in it.status()["services"]] == ["chat", "page", "files", "more"]
        ann.sendall(b"ann\n")  # what has not changed goes on
        said(ann, "Hello, ann")
        assert it.told("down") == "The lab stops.\n"
        assert it.process.finish()[0] == 0


def test_a_service_that_cannot_start_stops_no_other(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = CONFIG.replace("{clock}", str(port))
        (tmp_path / "jackfield.toml").write_text(
            config.format(chat=free_port(), page=free_port()), encoding="utf-8"
        )
        with Up(tmp_path) as it:
            assert "clock has not started" in it.process.await_output("has not started").decode()
            done = it.ask("status", "--json")
            states = {one["name"]: one["state"] for one in json.loads(done.stdout)["services"]}
            assert (done.returncode, states) == (
                1,
                {"chat": "running", "page": "running", "files": "running", "clock": "failed"},
            )
            taken.close()
            assert it.told("start", "clock") == "clock: started.\n"


def test_a_board_without_a_page_has_an_owner_who_comes_in_where_it_says(short: Path) -> None:
    (short / "run").mkdir(mode=0o700)
    (short / "jackfield.toml").write_text(
        f"""[services.chat]
endpoints = ["unix://{short}/lines.sock"]

[services.page]
enabled = false
""",
        encoding="utf-8",
    )
    environ = {"XDG_RUNTIME_DIR": str(short / "run")}
    data = str(short / "here")
    config = str(short / "jackfield.toml")
    with Piped("up", "--config", config, "--data", data, **environ) as board:
        text = board.await_output(" lets others in.").decode()
        assert f"nc -U {short}/lines.sock" in text
        command = re.findall(r"In a terminal +\S*jackfield (chat --data \S+)\n", text)[0]
        sending = [*COMMAND, *command.split(), "--send"]
        env = environment() | environ
        subprocess.run(sending, input=b"hello", env=env, check=True, timeout=PATIENCE)
        with closing(socket.socket(socket.AF_UNIX)) as conn:
            conn.connect(f"{short}/lines.sock")
            said(conn, "What is your name?")
            conn.sendall(b"Olu\n")
            said(conn, "hello")


@pytest.mark.long
def test_a_full_disk_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    with Up(tmp_path) as it, it.line() as ann:
        said(ann, "name?")
        ann.sendall(b"ann\nbefore\n/history\n")
        said(ann, "ann: before")
        process = it.process.process.pid
        before = resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        ann.sendall(b"into nothing\ninto nothing\n")
        said(ann, "* there is no room for")
        it.process.await_output("store     full: there is no room for")
        assert json.loads(it.ask("status", "--json").stdout)["store"]["state"] == "full"
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        text = it.process.await_output("store     keeps things again").decode()
        assert text.count("store     ") == 2
        ann.sendall(b"after\n/history\n")
        said(ann, "ann: after")
        assert it.stop() == 0
    assert b"closed" not in it.process.read


def test_a_store_that_is_damaged_from_the_start_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "board.db").write_bytes(b"no database, but as long as one" * 1000)
    with Up(tmp_path) as it:
        assert b"store     damaged: " in it.process.read
        done = it.ask("status", "--json")
        assert (done.returncode, json.loads(done.stdout)["store"]["state"]) == (1, "damaged")


def test_in_the_background_it_says_the_same_and_goes_on(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("chat", "page", "clock")}
    config = tmp_path / "jackfield.toml"
    config.write_text(CONFIG.format(**ports), encoding="utf-8")
    env = environment(XDG_RUNTIME_DIR=str(tmp_path), JACKFIELD_DATA=str(tmp_path / "data"))
    how: dict[str, Any] = {"env": env, "text": True, "timeout": PATIENCE}
    command = [*COMMAND, "up", "--config", str(config), "--detach"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, **how)
    assert done.returncode == 0
    assert "The lab is up." in done.stdout
    assert re.search(r"In the background, as process \d+; jackfield down stops it\.", done.stdout)
    down = subprocess.run([*COMMAND, "down"], stdout=subprocess.PIPE, check=False, **how)
    assert (down.returncode, down.stdout) == (0, "The lab stops.\n")


def test_what_cannot_be_asked_for_is_refused() -> None:
    done = subprocess.run(
        [*COMMAND, "up", "--plain"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "--plain is for --lan --open" in done.stderr
