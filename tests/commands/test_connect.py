from __future__ import annotations

import os
import random
import select
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.cli.main import run
from jackfield.service import find
from tests.certificates import Certificates
from tests.commands.people import COMMAND, AtTerminal, Piped
from tests.live import PATIENCE, Live, free_port


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An echo service on every transport: URLs by scheme."""
    folder = tmp_path_factory.mktemp("echo")
    urls = [
        "tcp://127.0.0.1:0",
        "udp://127.0.0.1:0",
        f"unix://{folder}/stream",
        f"unix+dgram://{folder}/datagrams",
        f"unix+seqpacket://{folder}/packets",
        "ws://127.0.0.1:0/echo",
    ]
    with Live(find("echo"), *urls) as live:
        yield {str(endpoint.transport): str(endpoint) for endpoint in live.endpoints}


class Peer:
    """A listening socket of the test's own, so that it decides what the other side does."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._accepted: list[socket.socket] = []

    def accept(self) -> socket.socket:
        conn, _ = self.listener.accept()
        conn.settimeout(PATIENCE)
        self._accepted.append(conn)
        return conn

    def close(self) -> None:
        for sock in (self.listener, *self._accepted):
            sock.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.close()


def read_all(conn: socket.socket) -> bytes:
    parts = []
    while part := conn.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_exactly(conn: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = conn.recv(size - len(data))
        assert part, data
        data += part
    return data


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    conn.close()


# What goes wrong is one line


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("tcp://127.0.0.1:{free}", 1, "refused (ECONNREFUSED); nobody listens"),
        ("unix:///nowhere/at/all", 1, "no socket at this path (ENOENT)"),
        ("tls://127.0.0.1:{echo}", 1, "the other side does not speak TLS; it may expect tcp://"),
        ("memory://x", 2, "memory: is inside one process"),
        ("fd://3", 2, "fd: is for listening"),
        ("tcp:/127.0.0.1", 2, "for example tcp://127.0.0.1:9999"),
        ("tcp://127.0.0.1:9 --framing line", 2, "did you mean 'lines'"),
        ("tcp://127.0.0.1:9 --timeout soon", 2, "'soon' is no time"),
        ("tcp://127.0.0.1:9 --cert x", 2, "--cert, --key and --ca are for tls://"),
        ("tls://127.0.0.1:{echo} --ca /nowhere", 2, "/nowhere: No such file"),
        ("", 2, "Missing argument 'ENDPOINT'"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_status(
    arguments: str,
    status: int,
    says: str,
    echo: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = echo["tcp"].rpartition(":")[2]
    given = arguments.format(free=free_port(), echo=port).split()
    assert run(["connect", *given]) == status
    output, errors = capfd.readouterr()
    assert says in errors
    assert (output, errors.count("\n")) == ("", 1)
    assert errors.startswith("jackfield")


def test_datagrams_to_nobody_are_a_failure() -> None:
    with Piped("connect", url := f"udp://127.0.0.1:{free_port()}") as command:
        command.write("hello\n")
        status, _, errors = command.finish()
    assert status == 1
    assert errors == f"jackfield: {url}: nobody listens at the other end (ECONNREFUSED)\n"


def test_a_peer_that_resets_the_connection_is_a_failure(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        conn.sendall(b"good")
        command.await_output("good")
        reset(conn)
        status, output, errors = command.finish()
    assert (status, output) == (1, b"good")
    assert errors == f"jackfield: {peer.url}: the peer reset the connection (ECONNRESET)\n"


def test_a_message_that_breaks_the_framing_comes_after_the_good_ones(peer: Peer) -> None:
    with Piped("connect", peer.url, "--framing", "netstring") as command:
        peer.accept().sendall(b"4:good,bad")
        status, output, errors = command.finish()
    assert (status, output) == (1, b"good\n")
    assert errors.startswith(f"jackfield: {peer.url}: ")
    assert errors.count("\n") == 1


def test_output_that_cannot_be_written_is_said(echo: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, "connect", echo["tcp"]],
            input=b"hello",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE,
        )
    assert ended.returncode == 1
    assert b"standard output cannot be written: No space left on device (ENOSPC)" in ended.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_process_started_without_standard_files_ends_quietly(
    closed: str, echo: dict[str, str]
) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{' '.join(COMMAND)} connect {echo['tcp']} {closed}"],
        input=b"hello",
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_an_address_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"tcp://127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:  # more than its queue takes: the next one's SYN is dropped
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        with Piped("connect", url, "--timeout", "300ms", "-v") as command:
            status, _, errors = command.finish()
        for sock in waiting:
            sock.close()
    assert status == 1
    assert "no answer within 0.3 s" in errors.splitlines()[-1] or "ETIMEDOUT" in errors


def test_retry_connects_once_somebody_listens() -> None:
    port = free_port()
    with Piped("connect", f"tcp://127.0.0.1:{port}", "--retry", "50", "-v") as command:
        command.await_error("refused (ECONNREFUSED)")
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(PATIENCE)
            conn, _ = listener.accept()
            with conn:
                conn.sendall(b"at last")
        status, output, _ = command.finish()
    assert (status, output) == (0, b"at last")


# In a pipe: exact bytes, both ways


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        ("tcp", 3_000_000),
        ("unix", 300_000),
        ("unix+seqpacket", 100_000),
        ("udp", 60_000),
        ("ws", 300_000),
    ],
)
def test_bytes_go_through_a_pipe_unchanged(scheme: str, size: int, echo: dict[str, str]) -> None:
    data = random.Random(1).randbytes(size)
    wait = {"udp": "1s", "ws": "1s"}.get(scheme, "5s")
    with Piped("connect", echo[scheme], "--wait", wait) as command:
        writer = threading.Thread(target=command.write_all, args=(data,))
        writer.start()
        command.await_all(len(data))
        writer.join(PATIENCE)
        status, output, errors = command.finish()
    assert (status, errors) == (0, "")
    assert output == data


def test_the_end_of_input_is_passed_on_and_reading_goes_on(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        command.write("question")
        command.end_input()
        conn = peer.accept()
        assert read_all(conn) == b"question"
        conn.sendall(b"answer")
        command.await_output("answer")
        conn.sendall(b", and more")
        conn.close()
        assert command.finish() == (0, b"answer, and more", "")


def test_input_goes_on_after_the_peer_has_ended_its_side(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        conn.sendall(b"I have said it all")
        conn.shutdown(socket.SHUT_WR)
        command.await_output("all")
        command.write("but I have not")
        command.end_input()
        assert read_all(conn) == b"but I have not"
        assert command.finish()[0] == 0


def test_a_peer_that_takes_no_more_fails_with_what_it_said(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        conn.sendall(b"enough")
        command.await_output("enough")
        reset(conn)
        status, output, errors = command.finish()
    assert (status, output) == (1, b"enough")
    assert errors.count("\n") == 1


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("listens", "url"),
    [
        ("nc -l 127.0.0.1 {port}", "tcp://127.0.0.1:{port}"),
        ("nc -lu 127.0.0.1 {port}", "udp://127.0.0.1:{port}"),
        ("nc -lU {folder}/s", "unix://{folder}/s"),
    ],
)
def test_nc_hears_what_is_said(listens: str, url: str, tmp_path: Path) -> None:
    places = {"port": free_port(), "folder": tmp_path}
    with subprocess.Popen(
        listens.format(**places).split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as nc:
        assert nc.stdin
        assert nc.stdout
        where = url.format(**places)
        retry = [] if "udp" in url else ["--retry", "50"]
        if "udp" in url:
            await_bound(places["port"])
        with Piped("connect", where, *retry) as command:
            command.write("hello nc\n")
            assert nc.stdout.readline() == b"hello nc\n"
            nc.stdin.write(b"hello jackfield\n")
            nc.stdin.flush()
            command.await_output("hello jackfield\n")
        nc.kill()


def await_bound(port: object) -> None:
    """Wait until somebody has a UDP port: proc(5), in hexadecimal."""
    wanted = f":{int(str(port)):04X} "
    while wanted not in Path("/proc/net/udp").read_text():
        os.sched_yield()


def test_who_reads_no_more_ends_it_quietly(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        conn.sendall(b"first line\n")
        command.await_output("first line\n")
        command.stdout.close()
        conn.sendall(b"second line\n")
        assert read_all(conn) == b""
        assert command.process.wait(PATIENCE) == 0
        assert command.stderr.read() == b""


def test_a_peer_that_does_not_read_holds_up_the_input(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        written = write_until_held_up(command.stdin.fileno(), most=64 << 20)
        assert written < 64 << 20
        command.stdin.close()
        assert len(read_all(conn)) == written
        conn.close()
        assert command.finish()[0] == 0


@pytest.mark.long
def test_output_that_is_not_read_holds_up_the_peer(peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        written = write_until_held_up(conn.fileno(), most=64 << 20)
        assert written < 64 << 20
        conn.shutdown(socket.SHUT_WR)
        command.end_input()
        _, output, _ = command.finish()
        assert len(output) == written


def write_until_held_up(fd: int, most: int) -> int:
    """Write until nothing is taken for half a second; give how much was."""
    os.set_blocking(fd, False)
    written = 0
    while written < most and select.select([], [fd], [], 0.5)[1]:
        written += os.write(fd, bytes(65536))
    os.set_blocking(fd, True)
    return written


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_quietly(number: int, status: int, peer: Peer) -> None:
    with Piped("connect", peer.url) as command:
        conn = peer.accept()
        conn.sendall(b"here")
        command.await_output("here")
        command.process.send_signal(number)
        assert command.process.wait(PATIENCE) == status
        assert command.stderr.read() == b""


# Framings, --hex, --once, -v


def test_with_a_framing_a_line_is_a_message_and_a_message_a_line(peer: Peer) -> None:
    with Piped("connect", peer.url, "--framing", "length:2") as command:
        command.write("one\r\ntwo")
        command.end_input()
        conn = peer.accept()
        assert read_all(conn) == b"\0\3one\0\3two"
        conn.sendall(b"\0\5three\0\0")
        conn.close()
        assert command.finish() == (0, b"three\n\n", "")


def test_a_line_that_is_no_message_is_refused_in_a_pipe(peer: Peer) -> None:
    with Piped("connect", peer.url, "--framing", "json") as command:
        command.write('{"a": 1}\nno json\n')
        conn = peer.accept()
        assert read_all(conn) == b'{"a":1}\n'
        status, _, errors = command.finish()
    assert status == 1
    assert "a line that is not JSON" in errors


def test_hex_dumps_what_comes(peer: Peer) -> None:
    with Piped("connect", peer.url, "--hex") as command:
        conn = peer.accept()
        conn.sendall(bytes(range(20)))
        command.await_output("00000010")
        conn.sendall(b"~\x7f\xff")
        conn.close()
        _, output, _ = command.finish()
    assert output.decode() == (
        "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|\n"
        "00000010  10 11 12 13                                       |....|\n"
        "00000014  7e 7f ff                                          |~..|\n"
    )


@pytest.mark.some(2)
@pytest.mark.parametrize("scheme", ["tcp", "udp", "unix+seqpacket", "ws"])
def test_once_sends_one_message_and_prints_one_answer(scheme: str, echo: dict[str, str]) -> None:
    with Piped("connect", echo[scheme], "--once") as command:
        command.write("Tracy")
        command.end_input()
        assert command.finish() == (0, b"Tracy", "")


def test_once_with_lines_needs_no_end_of_input(peer: Peer) -> None:
    with Piped("connect", peer.url, "--once", "--framing", "lines") as command:
        command.write("one\ntwo\n")
        conn = peer.accept()
        assert read_exactly(conn, 4) == b"one\n"
        conn.sendall(b"1\n2\n")
        assert read_all(conn) == b""
        assert command.process.wait(PATIENCE) == 0
        assert command.finish()[1] == b"1\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--once"], "more than the 1048576 bytes of one message"),
        (["--framing", "lines"], "a line of more than 1048576 bytes"),
    ],
)
def test_input_past_its_bound_is_refused(arguments: list[str], says: str, peer: Peer) -> None:
    with Piped("connect", peer.url, *arguments) as command:
        with pytest.raises(BrokenPipeError):
            command.write_all(bytes(4 << 20))
        status, _, errors = command.finish()
    assert status == 1
    assert says in errors


def test_once_without_an_answer_is_a_failure(peer: Peer) -> None:
    with Piped("connect", peer.url, "--once", "--timeout", "500ms") as command:
        command.write("anybody?")
        assert command.finish() == (1, b"", f"jackfield: {peer.url}: no answer within 0.5 s\n")
    with Piped("connect", peer.url, "--once") as command:
        command.write("anybody?")
        command.end_input()
        peer.accept()
        conn = peer.accept()
        assert read_all(conn) == b"anybody?"
        conn.close()
        assert command.finish()[0] == 1
    with Piped("connect", peer.url, "--once") as command:
        status, _, errors = command.finish()
        assert (status, "there is nothing to send" in errors) == (1, True)


def test_verbose_tells_what_was_tried_and_agreed_on(certificates: Certificates) -> None:
    with Live(find("echo"), certificates.url()) as live:
        url = f"tls://localhost:{live.endpoints[0].port}"
        with Piped("connect", url, "--ca", certificates.ca, "-v") as command:
            command.write("secret")
            command.end_input()
            status, output, errors = command.finish()
    assert (status, output) == (0, b"secret")
    assert "127.0.0.1:" in errors
    assert "connected, " in errors
    assert "TLSv1.3, TLS_" in errors
    assert "received " in errors.splitlines()[-1]


def test_tls_is_verified_and_shows_our_certificate(certificates: Certificates) -> None:
    ca, cert, key = certificates.ca, certificates.cert, certificates.key
    with Live(find("echo"), certificates.url() + f"&ca={ca}") as live:
        url = f"tls://127.0.0.1:{live.endpoints[0].port}"
        with Piped("connect", url) as command:
            status, _, errors = command.finish()
        assert status == 1
        assert "cannot be trusted" in errors
        with Piped("connect", url, "--ca", ca, "--cert", cert, "--key", key) as command:
            command.write("it is me")
            command.end_input()
            assert command.finish() == (0, b"it is me", "")


def test_a_tls_stream_that_is_cut_off_is_a_failure(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        url = f"tls://127.0.0.1:{listener.getsockname()[1]}"
        with Piped("connect", url, "--ca", certificates.ca) as command:
            conn, _ = listener.accept()
            with context.wrap_socket(conn, server_side=True) as tls:
                tls.sendall(b"part of it")
                command.await_output("part of it")
                tls.shutdown(socket.SHUT_WR)  # of TCP: no close_notify
                status, output, errors = command.finish()
    assert (status, output) == (1, b"part of it")
    assert "cut off" in errors


# At a terminal


def test_lines_are_edited_sent_and_called_back(peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        conn = peer.accept()
        person.await_screen("-- connected to tcp://127.0.0.1:")
        person.press("helo\x1b[Dl\r")
        assert read_exactly(conn, 6) == b"hello\n"
        person.press("\x1b[A!\r")
        assert read_exactly(conn, 7) == b"hello!\n"
        person.await_screen("hello\nhello!\n")
        person.press("世界\r")
        assert read_exactly(conn, 7) == "世界\n".encode()
        conn.close()
        person.await_screen("-- the other side has ended the connection\n")
        assert person.finish() == 0


def test_what_comes_does_not_garble_the_line_being_typed(peer: Peer) -> None:
    with AtTerminal("connect", peer.url, columns=40) as person:
        conn = peer.accept()
        person.press("half a line")
        person.await_screen("\nhalf a line")
        conn.sendall(b"first\nsecond\n")
        person.await_screen("\nfirst\nsecond\nhalf a line")
        person.press(" and much more of it than one row holds")
        person.await_screen("second\n and much more of it than one row holds")
        conn.sendall(b"third\n")
        person.await_screen("third\n and much more of it than one row holds")
        person.press("\r")
        line = "half a line and much more of it than one row holds"
        person.await_screen(f"third\n{line}\n")
        assert read_exactly(conn, 51) == f"{line}\n".encode()


def test_text_without_an_end_of_line_is_a_prompt(peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        conn = peer.accept()
        conn.sendall(b"login: ")
        person.await_screen("\nlogin:")
        person.press("tracy")
        person.await_screen("\nlogin: tracy")
        person.press("\r")
        assert read_exactly(conn, 6) == b"tracy\n"
        conn.sendall(b"Welcome\r\n> ")
        person.await_screen("\nlogin: tracy\nWelcome\n>")


def test_an_unfinished_line_has_a_bound_and_the_screen_can_be_cleared(peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        conn = peer.accept()
        conn.sendall(b"x" * 5000 + b"y")
        person.await_screen("xy\n")
        person.press("typed\x0c")
        person.await_raw(b"\x1b[2J")
        person.await_screen("typed")
        person.press("\r" * 300)
        assert read_exactly(conn, 305) == b"typed" + b"\n" * 300


def test_control_characters_of_the_peer_are_shown_not_obeyed(peer: Peer) -> None:
    evil = b"\x1b]0;title\x07\x1b[2J\xc2\x9b1mred\r\xe2\x80\xae\xff\n"
    with AtTerminal("connect", peer.url) as person:
        peer.accept().sendall(evil)
        person.await_screen("\\x1b]0;title\\x07\\x1b[2J\\x9b1mred\\r\\u202e\\xff\n")
    with AtTerminal("connect", peer.url, "--raw-output") as person:
        peer.accept().sendall(b"\x1b[31mred\x1b[0m\n")
        person.await_raw(b"\x1b[31mred\x1b[0m")


def test_ctrl_d_ends_this_side_and_goes_on_reading(peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        conn = peer.accept()
        person.await_screen("-- connected")
        person.press("question\r\x04")
        assert read_all(conn) == b"question\n"
        conn.sendall(b"answer\n")
        person.await_screen("answer\n")
        conn.close()
        assert person.finish() == 0


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_the_terminal_is_left_as_it_was(how: str, peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        peer.accept()
        person.await_screen("-- connected")
        assert person.modes_now() != person.modes
        if how == "Ctrl-C":
            person.press("\x03")
        else:
            person.send_signal(getattr(signal, how))
        assert person.finish() == {"Ctrl-C": 130, "SIGTERM": 143, "SIGHUP": 129}[how]
        assert "Traceback" not in person.screen


def test_ctrl_z_gives_the_terminal_back_for_as_long_as_it_lasts(peer: Peer) -> None:
    with AtTerminal("connect", peer.url) as person:
        conn = peer.accept()
        person.await_screen("-- connected")
        person.press("half")
        person.await_screen("half")
        person.press("\x1a")
        _, status = os.waitpid(person.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert person.modes_now() == person.modes
        person.read.clear()
        person.send_signal(signal.SIGCONT)
        person.await_screen("half")
        person.press(" done\r")
        assert read_exactly(conn, 10) == b"half done\n"


def test_hexadecimal_is_typed_and_shown(peer: Peer) -> None:
    with AtTerminal("connect", peer.url, "--hex") as person:
        conn = peer.accept()
        person.press("0x 00 ff0a\rtext\r0xzz\r")
        assert read_exactly(conn, 8) == b"\x00\xff\x0atext\n"
        person.await_screen("-- a line that begins with 0x is bytes in hexadecimal")
        conn.sendall(b"\x00A")
        person.await_screen("00000000  00 41  ")


def test_a_line_that_is_no_message_is_told_and_can_be_typed_again(peer: Peer) -> None:
    with AtTerminal("connect", peer.url, "--framing", "json") as person:
        conn = peer.accept()
        person.press("{\r[1]\r")
        assert read_exactly(conn, 4) == b"[1]\n"
        person.await_screen("-- a line that is not JSON")
        conn.sendall(b'{"name":"\xe4\xb8\x96\\u001b"}\n')
        person.await_screen('{"name":"世\\u001b"}\n')


def test_once_at_a_terminal_sends_the_line_typed(echo: dict[str, str]) -> None:
    with AtTerminal("connect", echo["udp"], "--once") as person:
        person.press("hello\r")
        person.await_screen("hello\nhello\n")
        assert person.finish() == 0


def test_ctrl_d_with_datagrams_waits_a_moment_for_answers(echo: dict[str, str]) -> None:
    with AtTerminal("connect", echo["udp"], "--wait", "1s") as person:
        person.await_screen("-- connected")
        person.press("hello\r\x04")
        person.await_screen("hello\nhello\n-- nothing more has come for 1 s\n")
        assert person.finish() == 0


def test_datagrams_to_nobody_end_it_with_a_reason() -> None:
    with AtTerminal("connect", f"udp://127.0.0.1:{free_port()}") as person:
        person.await_screen("-- connected")
        person.press("hello\r")
        person.await_screen("nobody listens at the other end (ECONNREFUSED)\n")
        assert person.finish() == 1


def test_a_dumb_terminal_is_a_pipe_that_people_read(peer: Peer) -> None:
    with AtTerminal("connect", peer.url, TERM="dumb") as person:
        conn = peer.accept()
        person.press("typed\r")
        assert read_exactly(conn, 6) == b"typed\n"
        conn.sendall(b"\x1b[1m\n")
        person.await_screen("\\x1b[1m")
