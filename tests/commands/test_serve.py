"""`jackfield serve`, in processes of its own; its errors in this one."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.cli.main import run
from jackfield.endpoints import parse
from tests.certificates import Certificates
from tests.commands.people import AtTerminal, Piped, environment
from tests.live import PATIENCE, Peer

TCP = "tcp://127.0.0.1:0"


class Served(Piped):
    """`jackfield serve`, once it listens."""

    def __init__(self, *arguments: str, **more: str) -> None:
        super().__init__("serve", *arguments, **more)
        self.await_lines(sum("://" in word for word in arguments), "listening on ")
        found = re.findall(r"listening on (\S+)", self.read.decode())
        self.endpoints = [parse(url) for url in found]

    def await_lines(self, count: int, text: str) -> str:
        """Wait until so many lines have this in them."""
        while self.read.count(text.encode()) < count or not self.read.endswith(b"\n"):
            self.await_all(len(self.read) + 1)
        return self.read.decode()

    def connect(self, number: int = 0) -> Peer:
        return Peer(self.endpoints[number])

    def stop(self, number: int = signal.SIGINT) -> str:
        """Stop it by a signal; give all it has said."""
        self.process.send_signal(number)
        status, out, err = self.finish()
        assert (status, err) == (0, "")
        return out.decode()


@pytest.mark.some(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_where_it_listens_who_comes_and_who_goes(number: int, tmp_path: Path) -> None:
    with Served("greet", TCP, "udp://127.0.0.1:0", f"unix://{tmp_path}/s") as served:
        with served.connect(0) as tcp, served.connect(2) as unix:
            assert tcp.line() == unix.line() == "Welcome!"
            name = tcp.name
            served.await_lines(2, " came ")
        served.await_lines(2, " went ")
        out = served.stop(number)
    assert f"came      {name}\n" in out
    assert f"went      {name}; received 0, sent 1\n" in out
    assert f"came      somebody on unix://{tmp_path}/s\n" in out
    assert out.endswith(" stopped\n")


def test_show_shows_messages_and_nothing_that_could_steer_the_terminal() -> None:
    with Served("upper", TCP, "--show", "--framing", "lines") as served:
        with served.connect() as peer:
            assert peer.ask("a\x1b[31mb\x07") == "A\x1b[31MB\x07"
            served.await_lines(1, " sent ")
        out = served.stop()
    assert "received  a\\x1b[31mb\\x07\n" in out
    assert "sent      A\\x1b[31MB\\x07\n" in out
    assert "\x1b" not in out


def test_json_is_a_line_for_each_event() -> None:
    with Piped("serve", "echo", TCP, "--json", "--show") as command:
        command.await_output("\n")
        with Peer(parse(json.loads(command.read)["endpoint"])) as peer:
            peer.sock.sendall(b"hi")
            assert peer.sock.recv(10) == b"hi"
            command.await_output("MessageSent")
        command.await_output("ConnectionEnded")
        command.process.send_signal(signal.SIGTERM)
        status, out, _ = command.finish()
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [event["event"] for event in events] == [
        "Listening",
        "ConnectionOpened",
        "MessageReceived",
        "MessageSent",
        "ConnectionEnded",
        "Draining",
        "Stopped",
    ]
    assert events[2]["message"] == "hi"


def test_options_reach_the_service() -> None:
    arguments = ("--framing", "raw", "--once", "--delay", "10ms", "--model", "threads")
    with Served("greet", TCP, *arguments) as served:
        with served.connect() as peer:
            assert peer.sock.recv(1024) == b"Welcome!"
            peer.sock.sendall(b"Tracy")
            assert peer.rest() == b"Hello, Tracy!"
        served.stop()


def test_a_limit_reaches_the_server_and_one_past_it_is_told() -> None:
    with Served("greet", TCP, "--max-connections", "1") as served:
        with served.connect() as one:
            assert one.line() == "Welcome!"
            with served.connect() as other:
                assert other.line() == "error: the server is full; try again later"
        out = served.stop()
    assert "refused   tcp://127.0.0.1:" in out


@pytest.mark.long
def test_a_limit_for_each_address() -> None:
    with Served("greet", TCP, "--max-connections-per-ip", "1") as served, served.connect() as one:
        assert one.line() == "Welcome!"
        with served.connect() as other:
            assert other.line() == "error: too many connections from your address"
        served.stop()


def test_tls_with_files(certificates: Certificates) -> None:
    files = ("--cert", certificates.cert, "--key", certificates.key)
    with Served("greet", "tls://127.0.0.1:0", TCP, *files) as served:
        port = served.endpoints[0].port
        context = ssl.create_default_context(cafile=certificates.ca)
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
            context.wrap_socket(sock, server_hostname="127.0.0.1") as peer,
        ):
            assert peer.recv(100) == b"Welcome!\n"
        out = served.stop()
    assert certificates.cert not in out


AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def test_the_socket_systemd_has_passed_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = str(listener.fileno())
        process = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, fd, "-m", "jackfield", "serve", "greet"],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        with socket.create_connection(listener.getsockname(), PATIENCE) as peer:
            assert peer.recv(100) == b"Welcome!\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert b"listening on tcp://127.0.0.1:" in out


OWN = """
from __future__ import annotations
from jackfield import Service, framing

async def shout(conn):
    async for line in conn:
        if line == "fail":
            raise ValueError("what the peer said: \\x1b[31m")
        await conn.send(line.upper())

service = Service("shout", shout, framing=framing.lines())
"""


@pytest.mark.parametrize("model", ["asyncio", "processes"])
def test_ones_own_from_the_current_folder(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_shout.py").write_text(OWN, "utf-8")
    with Served("own_shout:service", TCP, "-v", "--model", model) as served:
        assert served.await_error("process ").startswith(
            f"shout, framing lines, model {model}, process "
        )
        with served.connect() as peer:
            assert peer.ask("hello") == "HELLO"
            peer.send("fail")
            assert peer.line() == ""
        served.await_lines(1, " went ")
        served.process.send_signal(signal.SIGINT)
        status, out, _ = served.finish()
    assert status == 0
    text = out.decode()
    assert "failed    its handler, by ValueError: what the peer said: \\x1b[31m\n" in text
    assert "    Traceback (most recent call last):\n" in text
    assert "\x1b" not in text


def test_off_loopback_is_taken_at_its_word_with_one_warning() -> None:
    with Served("echo", "tcp://0.0.0.0:0", "--framing", "length:4") as served:
        out = served.stop()
    assert out.count(" warning ") == 1
    for line in out.splitlines()[2:-1]:
        assert re.fullmatch(r"    jackfield connect tcp://\S+:\d+ --framing length:4", line)


def test_an_output_that_nobody_reads_any_more_stops_nothing() -> None:
    with Served("greet", TCP) as served:
        served.stdout.close()
        for _ in range(3):
            with served.connect() as peer:
                assert peer.line() == "Welcome!"
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 0
        assert served.stderr.read() == b""


def test_networks_let_in_and_kept_out() -> None:
    with Served("greet", TCP, "--allow", "127.0.0.0/8", "--deny", "127.0.0.1") as served:
        with served.connect() as peer:
            assert peer.rest() == b"error: your address may not connect here\n"
        assert "your address may not connect here" in served.stop()


def test_sighup_reads_the_menu_anew_and_who_is_there_goes_on(tmp_path: Path) -> None:
    menu = tmp_path / "menu.toml"
    menu.write_text('title = "Old"\n[[choice]]\nname = "one"\ntext = "first"\n', "utf-8")
    with Served("menu", TCP, "--file", str(menu)) as served:
        with served.connect() as before:
            assert before.line() == "Old"
            menu.write_text(menu.read_text("utf-8").replace("first", "other"), "utf-8")
            served.process.send_signal(signal.SIGHUP)
            served.await_lines(1, " reloaded ")
            before.send("1")
            assert b"first" in before.sock.recv(1000)
            with served.connect() as after:
                after.send("1", "quit")
                assert b"other" in after.rest()
        menu.write_text("nothing", "utf-8")
        served.process.send_signal(signal.SIGHUP)
        served.await_lines(1, "reloading failed, and all goes on as before: ")
        with served.connect() as after:
            after.send("1", "quit")
            assert b"other" in after.rest()
        served.stop()


def test_a_terminal_that_is_gone_stops_it() -> None:
    with AtTerminal("serve", "echo", TCP) as terminal:
        terminal.await_screen("listening on")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) == 0


def test_the_service_manager_is_told_what_goes_on(tmp_path: Path) -> None:
    where = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(where)
        # so seldom that its socket, which holds few, does not fill while nobody reads it
        with Served("echo", TCP, NOTIFY_SOCKET=where, WATCHDOG_USEC="400000") as served:
            told = {manager.recv(1000).split(b"\n")[0] for _ in range(3)}
            assert told == {b"READY=1", b"WATCHDOG=1"}
            served.process.send_signal(signal.SIGHUP)
            while manager.recv(1000).split(b"\n")[0] != b"RELOADING=1":
                pass
            while manager.recv(1000) != b"READY=1":
                pass
            served.stop()
        while manager.recv(1000) != b"STOPPING=1":
            pass


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_a_terminal(no_color: str, coloured: bool) -> None:
    with AtTerminal("serve", "echo", TCP, NO_COLOR=no_color) as terminal:
        terminal.await_screen("listening on")
        terminal.press(b"\x03")
        terminal.await_screen("stopped")
        assert terminal.finish() == 0
        assert (b"\x1b[" in terminal.read) is coloured


ERRORS = [
    ([], 2, "jackfield serve: which service? there are chat, commands, "),
    (["echo"], 2, "jackfield serve: where? an endpoint is missing, for example tcp://"),
    (["ehco", TCP], 2, "jackfield: there is no service called 'ehco'; did you mean echo? "),
    (["echo", "tcp:/x"], 2, "jackfield: tcp:/x: the // after tcp: is missing; for example "),
    (["echo", TCP, "--farming", "raw"], 2, "jackfield serve: No such option '--farming'"),
    (["echo", TCP, "--framing", "line"], 2, "jackfield: there is no framing called 'line'; did"),
    (["echo", TCP, "--file", "x"], 2, "jackfield: echo has no option --file; it takes --once, "),
    (["time", TCP, "--framing", "raw"], 2, "jackfield: time has no option --framing; it takes "),
    (["menu", TCP, "--file", "/none"], 2, "jackfield: /none: No such file or directory (ENOENT"),
    (["menu", TCP, "--language", "fr"], 2, "jackfield: menu: no built-in menu in 'fr'; there are"),
    (["echo", TCP, "--delay", "1x"], 2, "jackfield serve: Invalid value for '--delay': '1x' is no"),
    (["echo", TCP, "--delay", "2h"], 2, "jackfield: echo: a delay of 7200 s, where 0 to 3600 is"),
    (["echo", TCP, "--model", "thread"], 2, "jackfield serve: Invalid value for '--model': "),
    (["echo", TCP, "--max-connections", "0"], 2, "jackfield serve: Invalid value for '--max-conn"),
    (
        ["echo", TCP, "--deny", "10.1.2.3/8"],
        2,
        "jackfield: '10.1.2.3/8' is no network: 10.1.2.3/8 ",
    ),
    (["echo", TCP, "--cert", "x"], 2, "jackfield serve: --cert, --key and --ca are for tls://"),
    (
        ["echo", TCP, "--workers", "2", "--model", "processes"],
        2,
        "jackfield: workers are processes",
    ),
    (
        ["echo", "unix+dgram:/tmp/x", "--workers", "2"],
        2,
        "jackfield: unix+dgram:///tmp/x: a UNIX d",
    ),
    (["echo", TCP, "--metrics", "udp://127.0.0.1:0"], 2, "jackfield serve: --metrics is HTTP"),
    (["echo", TCP, "--record", "/none/x"], 2, "jackfield: /none/x: No such file or directory (ENO"),
    (["room", TCP, "--model", "inline"], 2, "jackfield: room needs several connections at a time"),
    (["greet", TCP, "--framing", "fixed:9"], 2, "jackfield: greet speaks text, which framing "),
    (["no_such_module:x", TCP], 2, "jackfield: no_such_module:x: cannot import no_such_module: "),
    (["json:nothing", TCP], 2, "jackfield: json:nothing: json has no nothing"),
    (["json:__name__", TCP], 2, "jackfield: json:__name__ is 'json', which is no Service"),
    (["echo", "tcp://192.0.2.123:0"], 1, "jackfield: tcp://192.0.2.123:0: this machine does not"),
]


@pytest.mark.parametrize(("arguments", "status", "line"), ERRORS, ids=range(len(ERRORS)))
def test_what_cannot_be_served_is_one_line(
    arguments: list[str], status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(line)
    assert captured.err.count("\n") == 1


def test_what_did_not_start_leaves_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert run(["serve", "echo", url, "--record", str(path)]) == 1
    wrong = ["--workers", "2", "--model", "processes"]
    assert run(["serve", "echo", TCP, "--record", str(path), *wrong]) == 2
    assert not path.exists()
    assert capsys.readouterr().err.count("\n") == 2


def test_an_endpoint_in_use_is_status_1_and_says_by_whom(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["serve", "echo", f"tcp://127.0.0.1:{taken.getsockname()[1]}"]) == 1
    assert "in use by" in capsys.readouterr().err


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_a_module_that_breaks_while_it_is_loaded(
    verbose: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_broken.py").write_text("x = 1\ny = x / 0\n", "utf-8")
    assert run(["serve", "own_broken:service", TCP, *verbose]) == 2
    *before, last = capsys.readouterr().err.splitlines()
    assert last == (
        "jackfield: own_broken:service: loading it failed: ZeroDivisionError: division by zero "
        f"({tmp_path}/own_broken.py, line 2; -v shows the traceback)"
    )
    assert bool(before) is bool(verbose)
