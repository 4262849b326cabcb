from __future__ import annotations

import contextlib
import random
import re
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from jackfield.cli.main import run
from tests.certificates import Certificates
from tests.commands.people import AtTerminal, Piped
from tests.live import PATIENCE, free_port

WAITING = re.compile(r"waiting at (\S+); Ctrl-D ends that")


def listening_at(person: AtTerminal) -> str:
    """Wait until it listens; give where."""
    screen = person.await_screen("Ctrl-D ends that\n")
    found = WAITING.search(screen)
    assert found, screen
    return found[1]


def shown(who: str, text: str) -> re.Pattern[str]:
    """A line of the screen: time, name, text."""
    return re.compile(rf"^\d\d:\d\d:\d\d {re.escape(who)}: {re.escape(text)}$", re.MULTILINE)


def await_line(person: AtTerminal, who: str, text: str) -> None:
    assert shown(who, text).search(person.await_screen(f"{who}: {text}\n"))


def dialed(url: str) -> socket.socket:
    """A bare socket connected to tcp:// or udp://."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(PATIENCE)
    sock.connect((host, int(port)))
    return sock


def read_line(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = sock.recv(65536 if sock.type == socket.SOCK_DGRAM else 1)
        assert part, line
        line += part
    return line


# Usage


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["tcp:/x"], 2, "for example tcp://127.0.0.1:9999"),
        (["tcp://127.0.0.1:9", "--name", ""], 2, "is no name"),
        (["tcp://127.0.0.1:9", "--name", "a\x1bb"], 2, "is no name"),
        (["tcp://127.0.0.1:9", "--name", "x" * 41], 2, "1 to 40 characters"),
        (["tcp://127.0.0.1:9", "--encoding", "klingon"], 2, "try 'utf-8' or 'gbk'"),
        (["tcp://127.0.0.1:9", "--key", "x"], 2, "--cert, --key and --ca are for tls://"),
        (["memory://x"], 2, "memory: is inside one process"),
        (["memory://x", "--listen"], 2, "memory: is inside one process"),
        (["tls://127.0.0.1:0?cert=/none", "--listen"], 2, "/none: No such file"),
        (["tcp://127.0.0.1:0"], 2, "port 0"),
        (["tcp://203.0.113.1:1", "--listen"], 1, "EADDRNOTAVAIL"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_status(
    arguments: list[str], status: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["talk", *arguments]) == status
    output, errors = capfd.readouterr()
    lines = [line for line in errors.splitlines() if not line.startswith("-- ")]
    assert output == ""
    assert len(lines) == 1
    assert says in lines[0]


def test_a_listener_that_others_can_reach_says_so_and_how() -> None:
    with Piped("talk", "--listen", "tcp://0.0.0.0:0") as ann:
        errors = ann.await_error("jackfield talk tcp://")
        assert "other machines can reach it" in errors


# Two talks


@pytest.mark.some(1)
@pytest.mark.parametrize(
    "url",
    ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "unix://{folder}/s", "unix+dgram://{folder}/d"],
)
def test_two_people_talk_and_a_leaving_word_ends_it_for_both(url: str, tmp_path: Path) -> None:
    with AtTerminal("talk", "--listen", url.format(folder=tmp_path), "--name", "Ann") as ann:
        where = listening_at(ann)
        with AtTerminal("talk", where, "--name", "Bob") as bob:
            ann.await_screen("-- Bob has come")
            bob.await_screen("-- Ann is here")
            ann.press("hello\r")
            bob.press("hi Ann\r")
            for person in (ann, bob):
                await_line(person, "Ann", "hello")
                await_line(person, "Bob", "hi Ann")
            bob.press("Bye\r")
            assert bob.finish() == 0
        ann.await_screen("-- Bob has left\n-- waiting for the next one")
        with AtTerminal("talk", where, "--name", "Carl") as carl:
            carl.await_screen("-- Ann is here")
            ann.press("one more\r\x04")
            await_line(carl, "Ann", "one more")
            carl.await_screen("-- Ann has left")
        ann.await_screen("Ann: one more\n-- waiting for the next one")  # else it leaves Carl twice
        ann.press("\x04")
        assert ann.finish() == 0


def test_two_people_talk_over_tls(certificates: Certificates) -> None:
    given = ["--cert", certificates.cert, "--key", certificates.key, "--name", "Ann"]
    with AtTerminal("talk", "--listen", "tls://127.0.0.1:0", *given) as ann:
        where = listening_at(ann)
        with AtTerminal("talk", where, "--ca", certificates.ca, "--name", "Bob", "-v") as bob:
            screen = bob.await_screen("-- Ann is here")
            assert "-- tried tls://127.0.0.1:" in screen
            assert "-- TLSv1.3, TLS_" in screen
            bob.press("secret\r")
            await_line(ann, "Bob", "secret")
            ann.press("q\r")
            bob.await_screen("-- Ann has left")
            assert bob.finish() == 0


def test_a_line_being_typed_survives_what_comes(tmp_path: Path) -> None:
    with AtTerminal("talk", "--listen", f"unix://{tmp_path}/s", "--name", "Ann") as ann:
        where = listening_at(ann)
        ann.press("nobody here\r")
        ann.await_screen("-- not sent (nobody is there): nobody here\n")
        with AtTerminal("talk", where, "--name", "Ann") as other:
            ann.press("typi")
            other.await_screen("-- Ann (there) is here")
            other.press("世界\x07\x1b[A\r")
            await_line(ann, "Ann (there)", "世界")
            ann.await_screen("> typi")
            ann.press("ng\r")
            await_line(ann, "Ann", "typing")
            await_line(other, "Ann (there)", "typing")


def test_a_second_caller_is_told_that_the_line_is_busy() -> None:
    with AtTerminal("talk", "--listen", "udp://127.0.0.1:0", "--name", "Ann") as ann:
        where = listening_at(ann)
        with AtTerminal("talk", where, "--name", "Bob") as bob:
            bob.await_screen("-- Ann is here")
            with Piped("talk", where, "--name", "Carl") as carl:
                status, output, errors = carl.finish()
                assert (status, output) == (1, b"")
                assert "-- Ann is talking with somebody else; try again later\n" in errors
            with dialed(where) as bare:
                bare.send(b"anybody?")
                assert read_line(bare) == (
                    b"[jackfield-talk/1 busy] Ann is talking with somebody else; try again later\n"
                )
            bob.press("still here\r")
            await_line(ann, "Bob", "still here")


def test_ctrl_c_leaves_and_the_other_side_is_told() -> None:
    with AtTerminal("talk", "--listen", "udp://127.0.0.1:0", "--name", "Ann") as ann:
        with AtTerminal("talk", listening_at(ann), "--name", "Bob") as bob:
            bob.await_screen("-- Ann is here")
            ann.await_screen("-- Bob has come")
            bob.press("\x03")
            assert bob.finish() == 130
        ann.await_screen("-- Bob has left")
        ann.press("\x03")
        assert ann.finish() == 130


def test_a_peer_that_was_killed_is_noticed_over_tcp() -> None:
    with AtTerminal("talk", "--listen", "tcp://127.0.0.1:0", "--name", "Ann") as ann:
        where = listening_at(ann)
        with AtTerminal("talk", where, "--name", "Bob") as bob:
            bob.await_screen("-- Ann is here")
            ann.send_signal(signal.SIGKILL)
            bob.await_screen("-- Ann has gone: ")  # an end or a reset: chance decides
            assert bob.finish() == 1


def test_a_peer_that_was_killed_is_noticed_over_udp() -> None:
    with AtTerminal("talk", "--listen", "udp://127.0.0.1:0", "--name", "Ann") as ann:
        where = listening_at(ann)
        with AtTerminal("talk", where, "--name", "Bob") as bob:
            bob.await_screen("-- Ann is here")
            ann.send_signal(signal.SIGKILL)
            ann.process.wait(PATIENCE)
            bob.press("are you there?\r")
            bob.await_screen("-- Ann has gone: nobody listens at the other end (ECONNREFUSED)")
            assert bob.finish() == 1


# Peers that are no talk


def test_nc_gets_plain_text_and_the_screen_says_that_it_is_unconfirmed() -> None:
    with AtTerminal("talk", "--listen", "tcp://127.0.0.1:0", "--name", "Ann") as ann:
        port = listening_at(ann).rpartition(":")[2]
        with subprocess.Popen(
            ["nc", "127.0.0.1", port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as nc:
            assert nc.stdin
            assert nc.stdout
            assert re.fullmatch(
                rb"\[jackfield-talk/1 [0-9a-f]{16}\] Ann is here\n", nc.stdout.readline()
            )
            nc.stdin.write(b"\x1b[2Jhello\x07\n")
            screen = ann.await_screen(": \\x1b[2Jhello\\x07\n")
            assert " is no jackfield talk: plain text, delivery unconfirmed\n" in screen
            ann.press("hello nc\r")
            assert nc.stdout.readline() == b"hello nc\n"
            nc.kill()
        ann.await_screen("has left\n-- waiting for the next one")


def test_nc_may_listen_and_the_end_is_the_end_for_both() -> None:
    port = free_port()
    with subprocess.Popen(
        ["nc", "-N", "-l", "127.0.0.1", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as nc:
        where = f"tcp://127.0.0.1:{port}"
        with AtTerminal("talk", where, "--name", "Ann", "--retry", "50") as ann:
            ann.await_screen(f"-- 127.0.0.1:{port} is no jackfield talk")
            ann.press("hello\rquit\r")
            assert nc.stdout
            assert nc.stdout.readlines()[1:] == [b"hello\n"]  # to its end, which is ours
            assert ann.finish() == 0
            nc.kill()


def test_a_bare_datagram_program_talks_plain_text_and_leaves_in_words() -> None:
    with AtTerminal("talk", "--listen", "udp://127.0.0.1:0", "--name", "Ann") as ann:
        where = listening_at(ann)
        with dialed(where) as bare:
            bare.send(b"Tracy")
            assert read_line(bare).endswith(b"] Ann is here\n")
            name = "{}:{}".format(*bare.getsockname())
            await_line(ann, name, "Tracy")
            ann.press("hello\r")
            assert read_line(bare) == b"hello\n"
            bare.send(b"quit")
            ann.await_screen(f"-- {name} has left")
            assert read_line(bare) == b"bye\n"


def test_a_bare_stream_program_needs_no_line_endings_and_may_speak_gbk() -> None:
    given = ["--name", "安", "--encoding", "gbk"]
    with AtTerminal("talk", "--listen", "tcp://127.0.0.1:0", *given) as ann:
        where = listening_at(ann)
        with dialed(where) as bare:
            assert read_line(bare).decode("gbk").endswith("] 安 is here\n")
            bare.sendall("你好".encode("gbk"))
            await_line(ann, "{}:{}".format(*bare.getsockname()), "你好")
            ann.press("世界\r")
            assert read_line(bare) == "世界\n".encode("gbk")
            ann.press("🙂\r")
            ann.await_screen("-- not confirmed, so it may not have arrived: 🙂\n")
            ann.press("\x04")
            assert bare.recv(100) == b""


# In a pipe


def test_lines_of_a_pipe_are_sent_and_confirmed_before_it_leaves() -> None:
    lines = [f"line {number} 世界" for number in range(300)]
    with Piped("talk", "--listen", "tcp://127.0.0.1:0", "--name", "Ann") as ann:
        where = WAITING.search(ann.await_error("Ctrl-D ends that\n"))
        assert where
        with Piped("talk", where[1], "--name", "Bob") as bob:
            bob.write_all("\r\n".join(lines).encode())
            status, output, errors = bob.finish()
            assert (status, output) == (0, b"")
            assert errors == f"-- calling {where[1]}\n-- Ann is here\n"
        ann.await_error("-- Bob has left")
        ann.end_input()
        status, output, _ = ann.finish()
    assert status == 0
    assert [line.partition(" Bob: ")[2] for line in output.decode().splitlines()] == lines


@pytest.mark.long
def test_a_pipe_to_a_plain_program_says_that_nothing_was_confirmed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        where = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with Piped("talk", where, "--name", "Ann") as ann:
            ann.write_all(b"one\ntwo")
            conn, _ = listener.accept()
            conn.settimeout(PATIENCE)
            with conn, conn.makefile("rb") as file:
                assert file.read().splitlines()[1:] == [b"one", b"two"]
            status, _, errors = ann.finish()
    assert status == 0
    assert "is no jackfield talk: plain text, delivery unconfirmed\n" in errors


@pytest.mark.long
def test_a_pipe_that_talks_to_nobody_fails_with_what_was_not_confirmed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        where = f"udp://127.0.0.1:{peer.getsockname()[1]}"
        with Piped("talk", where) as ann:
            _, address = peer.recvfrom(65536)
            peer.sendto(b"[jackfield-talk/1 0123456789abcdef] Bob is here\n", address)
            ann.await_error("-- Bob is here")
            ann.write("hello\n")
            while b" L 1 0 hello" not in peer.recv(65536):
                pass
            peer.sendto(b"\x010123456789abcdef B 1 0\n", address)
            status, _, errors = ann.finish()
    assert status == 1
    assert errors.endswith("-- Bob has left\n-- not confirmed, so it may not have arrived: hello\n")


def test_a_line_past_the_bound_is_told_and_fails_in_the_end(tmp_path: Path) -> None:
    with Piped("talk", "--listen", f"unix://{tmp_path}/s", "--name", "Ann") as ann:
        ann.await_error("Ctrl-D ends that\n")
        with Piped("talk", f"unix://{tmp_path}/s") as bob:
            bob.write_all(b"x" * 9000 + b"\nshort")
            status, _, errors = bob.finish()
        assert status == 1
        assert "-- not sent (a line of 9000 bytes, and 8192 are the most; " in errors
        assert ann.await_output(": short\n")


# Over a network that loses, doubles and reorders


class BadNetwork:
    """A relay of datagrams between one caller and a place, by a seed."""

    def __init__(self, port: int) -> None:
        self._near, self._far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "12")
        self._near.bind(("127.0.0.1", 0))
        self._far.connect(("127.0.0.1", port))
        self.url = f"udp://127.0.0.1:{self._near.getsockname()[1]}"
        self._caller = ("", 0)
        self._seen = 0
        self._held: list[tuple[socket.socket, bytes]] = []
        self._chance = random.Random(7)
        self._ending, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self.lost = self.doubled = self.late = 0

    def _relay(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._near, self._far, self._ending):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(0.01)]
                if self._ending in ready:
                    return
                if self._near in ready:
                    data, self._caller = self._near.recvfrom(65536)
                    self._pass_on(self._far, data)
                if self._far in ready:
                    self._pass_on(self._near, self._far.recv(65536))
                if not ready:  # nothing comes any more that could overtake these
                    for out, data in self._held:
                        self._send(out, data)
                    self._held.clear()

    def _pass_on(self, out: socket.socket, data: bytes) -> None:
        self._seen += 1
        fate = self._chance.random() if self._seen > 4 else 1.0  # the hellos get through
        if fate < 0.2:
            self.lost += 1
        elif fate < 0.4:
            self.late += 1
            self._held.append((out, data))
        else:
            self._send(out, data)
            if fate < 0.6:
                self.doubled += 1
                self._send(out, data)

    def _send(self, out: socket.socket, data: bytes) -> None:
        with contextlib.suppress(ConnectionRefusedError):  # they have gone
            if out is self._near:
                out.sendto(data, self._caller)
            else:
                out.send(data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.send(b"!")
        self._thread.join(PATIENCE)
        for sock in (self._near, self._far, self._end, self._ending):
            sock.close()


@pytest.fixture
def ann() -> Iterator[Piped]:
    with Piped("talk", "--listen", "udp://127.0.0.1:0", "--name", "Ann") as found:
        yield found


@pytest.mark.long
def test_over_a_bad_network_every_line_arrives_once_and_in_order(ann: Piped) -> None:
    where = WAITING.search(ann.await_error("Ctrl-D ends that\n"))
    assert where
    lines = [f"line {number}" for number in range(150)]
    with BadNetwork(int(where[1].rpartition(":")[2])) as network:
        with Piped("talk", network.url, "--name", "Bob") as bob:
            bob.write_all("\n".join(lines).encode())
            assert bob.finish()[0] == 0
        ann.await_error("-- Bob has left")
        ann.end_input()
        _, output, _ = ann.finish()
        assert network.lost > 10
        assert network.doubled > 10
        assert network.late > 10
    assert [line.partition(" Bob: ")[2] for line in output.decode().splitlines()] == lines
