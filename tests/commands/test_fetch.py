from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackfield.cli.main import run
from jackfield.fetching import resuming
from tests.certificates import Certificates
from tests.commands.people import AtTerminal, Piped
from tests.live import PATIENCE, until
from tests.scripted import STAY, Answer, Part, Scripted, chunked, ok, redirect

ETAG = 'ETag: "one"'
BODY = os.urandom(150_000)


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "FIRST_PAUSE", 0.01)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens, and nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


class Fetched:
    """What a run of the command in this process left."""

    def __init__(self, status: int, output: bytes, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors


@pytest.fixture
def fetch(capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    def fetched(*arguments: str) -> Fetched:
        status = run(["fetch", *arguments])
        output, errors = capfdbinary.readouterr()
        return Fetched(status, output, errors.decode())

    return fetched


def part(body: bytes, first: int) -> bytes:
    where = f"Content-Range: bytes {first}-{len(body) - 1}/{len(body)}"
    return ok(body[first:], where, ETAG, status="206 Partial Content")


# Into a pipe


@pytest.mark.parametrize(
    "answer",
    [ok(BODY), chunked([BODY[:7], BODY[7:]]), b"HTTP/1.1 200 OK\r\n\r\n" + BODY],
    ids=["length", "chunks", "close"],
)
def test_into_a_pipe_goes_the_body_and_nothing_else(answer: bytes, fetch: Any) -> None:
    with Scripted([answer]) as server:
        done = fetch(server.url)
    assert (done.status, done.output, done.errors) == (0, BODY, "")


def test_several_urls_share_a_connection(fetch: Any) -> None:
    with Scripted([ok(b"one\n"), ok(b"two\n"), ok(b"three\n")]) as server:
        done = fetch(*(f"{server.url}/{name}" for name in "abc"))
        assert {asked.connection for asked in server.asked} == {1}
    assert (done.status, done.output) == (0, b"one\ntwo\nthree\n")


def test_one_that_fails_does_not_keep_the_others_from_it(fetch: Any, nobody: int) -> None:
    with Scripted([ok(b"one"), ok(b"x", status="404 Not Found"), ok(b"two")]) as server:
        done = fetch(server.url, f"http://127.0.0.1:{nobody}/", f"{server.url}/x", server.url)
    assert (done.status, done.output) == (7, b"onextwo")
    assert done.errors.count("\n") == 2


def test_the_standard_librarys_server_is_understood(fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(BODY)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = fetch(f"http://127.0.0.1:{server.server_port}/page")
            missing = fetch(f"http://127.0.0.1:{server.server_port}/nothing")
        finally:
            server.shutdown()
            thread.join(PATIENCE)
    assert (done.status, done.output) == (0, BODY)
    assert (missing.status, b"404" in missing.output) == (22, True)


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    with Scripted([ok(b"x" * 50_000_000)]) as server, Piped("fetch", server.url) as command:
        command.await_output(b"x")
        command.stdout.close()
        assert command.process.wait(PATIENCE) == 0
        assert command.stderr.read() == b""


def test_what_is_asked_for_is_sent(fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\0\n1")
    with Scripted([ok()], forever=True) as server:
        fetch(server.url, "-d", "a=1", "-d", "b=ü")
        fetch(server.url, "-X", "PUT", "-d", f"@{tmp_path}/data", "-H", "content-type: x/y")
        fetch(server.url, "-H", "Accept:", "-u", "Aladdin:open sesame", "--no-compressed")
        first, second, third = server.asked
    assert (first.method, first.body) == ("POST", "a=1&b=ü".encode())
    assert first.fields["content-type"] == "application/x-www-form-urlencoded"
    assert (second.method, second.body, second.fields["content-type"]) == ("PUT", b"\0\n1", "x/y")
    assert "accept" not in third.fields
    assert third.fields["accept-encoding"] == "identity"
    assert third.fields["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_standard_input_is_sent() -> None:
    with Scripted([ok(b"thanks")]) as server, Piped("fetch", server.url, "-d", "@-") as command:
        command.write_all(BODY)
        assert command.finish() == (0, b"thanks", "")
        assert server.asked[0].body == BODY


def test_only_the_header(fetch: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-It: \x9b31mred\r\n\r\n"
    with Scripted([head]) as server:
        done = fetch("-I", server.url)
        assert server.asked[0].method == "HEAD"
    assert done.output == b"HTTP/1.1 200 OK\nContent-Length: 9\nX-It: \xc2\x9b31mred\n\n"


def test_header_and_body(fetch: Any) -> None:
    with Scripted([ok(b"body", "X: y")]) as server:
        assert fetch("-i", server.url).output == b"HTTP/1.1 200 OK\nContent-Length: 4\nX: y\n\nbody"


# Exit statuses tell what went wrong


ANSWERS: dict[str, tuple[Answer, int, str]] = {
    "404": (ok(b"", status="404 Not Found"), 22, "404 Not Found"),
    "500": (ok(b"", status="500 Oh\x1b[31m no"), 22, "500 Oh\\x1b[31m no"),
    "cut": (ok(b"half", length=8), 18, "cut off after 4 of 8 bytes"),
    "silent": ([STAY], 28, "the server says nothing more for 0.2 s"),
    "circle": (redirect("/"), 47, "more than 10 redirects in a circle"),
    "coding": (ok(b"no gzip at all", "Content-Encoding: gzip"), 61, "not in its content coding"),
    "large": (ok(b"x" * 4097), 63, "more than the 4096 bytes"),
    "no http": (b"220 smtp.example.org ESMTP\r\n", 8, "no proper HTTP"),
}


@pytest.mark.parametrize("kind", list(ANSWERS))
def test_what_a_server_does_wrong_is_one_line_and_an_exit_status(kind: str, fetch: Any) -> None:
    answer, status, says = ANSWERS[kind]
    patience = "200ms" if kind == "silent" else "20s"
    with Scripted([answer], forever=True) as server:
        done = fetch(
            *(server.url, "--idle-timeout", patience, "--retries", "0", "--max-size", "4K"),
            "--quiet",
        )
    assert done.status == status
    assert done.errors.startswith(f"jackfield: {server.url}/: ")
    assert says in done.errors
    assert done.errors.count("\n") == 1


def test_so_is_a_server_that_is_not_there(fetch: Any, nobody: int) -> None:
    refused = fetch(f"http://127.0.0.1:{nobody}/x")
    assert refused.status == 7
    assert refused.errors.startswith(f"jackfield: http://127.0.0.1:{nobody}/x: refused")
    nowhere = fetch("http://nowhere.invalid/")
    assert (nowhere.status, nowhere.errors.count("\n")) == (6, 1)


def test_so_is_a_certificate_nobody_vouches_for(fetch: Any, certificates: Certificates) -> None:
    with Scripted([], [ok(b"trusted")], tls=certificates) as server:
        done = fetch(server.url)
        assert (done.status, "cannot be trusted" in done.errors) == (35, True)
        assert fetch(server.url, "--ca", certificates.ca).output == b"trusted"


def test_so_is_one_that_does_not_shake_hands(fetch: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = fetch(f"https://127.0.0.1:{silent.getsockname()[1]}/", "--timeout", "200ms")
    assert (done.status, "no TLS handshake within" in done.errors) == (28, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "Missing argument 'URL...'"),
        ("example.org", "the scheme is missing; for example https://example.org/"),
        ("ftp://a/", "neither http nor https"),
        ("http://a/ -O", "http://a/ ends in no name for a file"),
        ("http://a/x -O -o y", "-o and -O do not go together"),
        ("http://a/x -o y -o z", "2 times -o, and 1 URLs"),
        ("http://a/ --continue", "--continue is for a file"),
        ("http://a/x -O --continue --compressed", "do not go together"),
        ("http://a/ --checksum sha256:12", "which has 64 hexadecimal digits"),
        ("http://a/ http://b/ --checksum sha256:12", "--checksum is for one URL"),
        ("http://a/ --json", "--json prints a report in place of a body"),
        ("http://a/ -I -d x", "-I asks for a header alone"),
        ("http://a/x -I -O", "no body for a file"),
        ("http://a/ -H nonsense", "'nonsense' is no field"),
        ("http://a/ -H Content-Length:3", "is not to be set"),
        ("http://a/ -X B@D", "no method"),
        ("http://a/ -d @/nowhere", "/nowhere: No such file"),
        ("http://a/ --max-size 0", "'0' is no size"),
        ("http://a/ --timeout soon", "'soon' is no time"),
        ("https://a/ --ca /nowhere", "/nowhere: No such file"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked(
    arguments: str, says: str, fetch: Any
) -> None:
    done = fetch(*arguments.split())
    assert done.status == 2
    assert says in done.errors
    assert (done.output, done.errors.count("\n")) == (b"", 1)


# Into files


def test_a_file_by_name(fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Scripted([ok(BODY)], [ok(b"two"), ok(b"three")]) as server:
        assert fetch(f"{server.url}/a/film%20one.mkv?x=y", "-O").status == 0
        done = fetch(f"{server.url}/b", f"{server.url}/c", "-o", "two", "-o", "-")
    assert (tmp_path / "film one.mkv").read_bytes() == BODY
    assert (tmp_path / "two").read_bytes() == b"two"
    assert (done.output, done.errors) == (b"three", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film one.mkv", "two"]


def test_the_page_of_an_error_is_no_file(fetch: Any, tmp_path: Path) -> None:
    with Scripted([ok(b"sorry", status="403 Forbidden")]) as server:
        done = fetch(server.url, "-o", f"{tmp_path}/x")
    assert (done.status, done.output) == (22, b"")
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_was_cut_says_how_to_go_on_and_does(fetch: Any, tmp_path: Path) -> None:
    file = tmp_path / "my file"
    answers = [[ok(BODY[:1000], ETAG, length=len(BODY))], [part(BODY, 1000)]]
    with Scripted(*answers) as server:
        cut = fetch(f"{server.url}/x", "-o", str(file), "--retries", "0")
        assert cut.status == 18
        line = f"to go on: jackfield fetch --continue -o '{file}' {server.url}/x\n"
        assert cut.errors.endswith(line)
        done = fetch("--continue", "-o", str(file), f"{server.url}/x")
        assert server.asked[1].fields["range"] == "bytes=1000-"
    assert (done.status, done.errors) == (0, "")
    assert file.read_bytes() == BODY


def test_one_that_was_cut_is_gone_on_with_by_itself(fetch: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    answers = [[ok(BODY[:1000], ETAG, length=len(BODY))], [part(BODY, 1000)]]
    with Scripted(*answers) as server:
        done = fetch(server.url, "-v", "-o", str(file))
    assert done.status == 0
    assert file.read_bytes() == BODY
    assert "* trying again, from byte 1000 on, in 0.0 s" in done.errors
    assert "> Range: bytes=1000-" in done.errors


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "file"
    answer: list[Part] = [ok(BODY[:70_000], ETAG, length=len(BODY)), STAY]
    with (
        Scripted([answer]) as server,
        Piped("fetch", "-v", server.url, "-o", str(file), "-H", "X: y") as command,
    ):
        command.await_error("first byte after")
        until(lambda: Path(f"{file}.part").stat().st_size)  # else there is nothing to go on with
        command.process.send_signal(signal.SIGINT)
        status, output, errors = command.finish()
    assert (status, output) == (130, b"")
    assert errors.splitlines()[-1] == (
        f"stopped; to go on: jackfield fetch --continue -o {file} {server.url}/, "
        "with the other options as before"
    )
    assert (tmp_path / "file.part").exists()


def test_a_checksum_is_compared(fetch: Any, tmp_path: Path) -> None:
    right = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
    wrong = f"sha256:{'0' * 64}"
    with Scripted([ok(BODY)], forever=True) as server:
        assert fetch(server.url, "--checksum", right).status == 0
        assert fetch(server.url, "--checksum", wrong).status == 1
        assert fetch(server.url, "--checksum", right, "-o", f"{tmp_path}/a").status == 0
        done = fetch(server.url, "--checksum", wrong, "-o", f"{tmp_path}/b")
    assert (done.status, "was expected; it is damaged" in done.errors) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_coding_is_undone_but_not_asked_for_a_file(fetch: Any, tmp_path: Path) -> None:
    text = b"text " * 1000
    coded = ok(gzip.compress(text), "Content-Encoding: gzip")
    with Scripted([coded], [ok(text)], [coded]) as server:
        assert fetch(server.url).output == text
        fetch(server.url, "-o", f"{tmp_path}/a")
        fetch(server.url, "-o", f"{tmp_path}/b", "--compressed")
        offers = [asked.fields["accept-encoding"] for asked in server.asked]
    assert offers == ["gzip, deflate, br, zstd", "identity", "gzip, deflate, br, zstd"]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == text


# Told


def test_the_conversation_is_told_as_it_happened(fetch: Any, certificates: Certificates) -> None:
    answers = [ok(b"", "Location: /b", "X: \x9b2J", status="302 Found"), ok(b"body\n")]
    with Scripted(answers, tls=certificates) as server:
        url = f"https://me:secret@localhost:{server.port}/a"
        done = fetch("-v", url, "--ca", certificates.ca)
        port = server.port
    assert (done.status, done.output) == (0, b"body\n")
    assert "secret" not in done.errors
    wanted = [
        r"\* localhost is .*127\.0\.0\.1.*, looked up in [0-9.]+ ms",
        rf"\* tried 127\.0\.0\.1:{port}: connected, [0-9.]+ ms",
        rf"\* connected to 127\.0\.0\.1:{port} from 127\.0\.0\.1:[0-9]+, [0-9.]+ ms",
        r"\* TLSv1\.3, TLS_AES_256_GCM_SHA384",
        r"\*   .* for 127\.0\.0\.1, localhost, ::1: certified by .*, until 3000-01-01, in \d+ days",
        r"\*     .*: an authority that is trusted, until 3000-01-01, in \d+ days",
        r"> GET /a HTTP/1\.1",
        rf"> Host: localhost:{port}",
        r"> Authorization: Basic \(not shown\)",
        r">",
        r"\* first byte after [0-9.]+ ms",
        r"< HTTP/1\.1 302 Found",
        r"< X: \\x9b2J",
        r"<",
        rf"\* 302 leads to https://localhost:{port}/b",
        rf"\* the connection to 127\.0\.0\.1:{port} is used again",
        r"> GET /b HTTP/1\.1",
        r"< HTTP/1\.1 200 OK",
        r"\* 5 bytes of body, [0-9.]+ ms in all",
    ]
    lines = iter(done.errors.splitlines())
    for pattern in wanted:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, done.errors)


def test_a_report_as_json(fetch: Any, tmp_path: Path, certificates: Certificates) -> None:
    answers = [redirect("/b"), ok(BODY), ok(b"", status="404 Not Found")]
    with Scripted(answers, tls=certificates) as server:
        done = fetch(
            *("--json", "--ca", certificates.ca, f"{server.url}/a", f"{server.url}/c"),
            *("-o", f"{tmp_path}/a", "-o", f"{tmp_path}/b"),
        )
    first, second = map(json.loads, done.output.splitlines())
    assert (first["url"], first["final_url"]) == (f"{server.url}/a", f"{server.url}/b")
    assert (first["status"], first["exit_status"], first["size"]) == (200, 0, len(BODY))
    assert first["history"] == [{"status": 302, "url": f"{server.url}/a"}]
    assert first["fields"]["content-length"] == str(len(BODY))
    assert first["file"] == f"{tmp_path}/a"
    assert first["tls"]["version"] == "TLSv1.3"
    assert len(first["tls"]["chain"]) == 2
    assert (second["exit_status"], second["status"]) == (22, 404)
    assert "404 Not Found" in second["error"]
    assert done.status == 22


# At a terminal


def test_at_a_terminal_the_header_is_shown_and_neither_it_nor_the_body_is_obeyed() -> None:
    answer = ok(
        "ü\x1b[2Jbody\r\nlast".encode("latin-1"),
        "X: \x9b31mred",
        "Content-Type: text/plain; charset=latin-1",
    )
    with Scripted([answer]) as server, AtTerminal("fetch", server.url) as terminal:
        assert terminal.finish() == 0
        lines = terminal.screen.splitlines()
    assert lines == [
        "HTTP/1.1 200 OK",
        f"Content-Length: {len(answer.partition(bytes([13, 10, 13, 10]))[2])}",
        "X: \\x9b31mred",
        "Content-Type: text/plain; charset=latin-1",
        "",
        "ü\\x1b[2Jbody",
        "last",
    ]


def test_what_is_no_text_is_kept_off_a_terminal() -> None:
    with (
        Scripted([ok(b"\x7fELF\0\0")]) as server,
        AtTerminal("fetch", "-q", server.url) as terminal,
    ):
        assert terminal.finish() == 1
        assert "what comes is no text" in terminal.screen
        assert "\x7f" not in terminal.screen


def test_a_download_shows_how_far_it_is_and_leaves_a_line(tmp_path: Path) -> None:
    file = tmp_path / "film.mkv"
    go_on = threading.Event()

    class Slowly(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield ok(BODY[:100_000], length=len(BODY))
            go_on.wait(PATIENCE)
            yield BODY[100_000:]

    with (
        Scripted([Slowly()]) as server,
        AtTerminal("fetch", server.url, "-o", str(file)) as terminal,
    ):
        terminal.await_screen("film.mkv ")
        terminal.await_screen("146 KiB")
        go_on.set()
        assert terminal.finish() == 0
        last = terminal.screen.splitlines()[-2:]
    assert f"{file}: 150000 bytes" in "".join(last).replace("\n", "")
    assert file.read_bytes() == BODY


def test_a_password_is_asked_for_unseen() -> None:
    with (
        Scripted([ok(b"in\n")]) as server,
        AtTerminal("fetch", "-q", "-u", "Aladdin", server.url) as terminal,
    ):
        terminal.await_screen("Password of Aladdin:")
        terminal.press("open sesame\n")
        terminal.await_screen("in")
        assert terminal.finish() == 0
        assert server.asked[0].fields["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        assert "sesame" not in terminal.screen


def test_a_report_of_a_header(fetch: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    with Scripted([head]) as server:
        done = fetch("-I", "--json", server.url)
    found = json.loads(done.output)
    assert (found["status"], found["fields"]) == (200, {"content-length": "9"})


def test_a_note_says_why_a_download_begins_anew(fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"of whatever")
    with Scripted([ok(b"new")]) as server:
        done = fetch("--continue", server.url, "-o", f"{tmp_path}/file")
    assert done.errors == f"{tmp_path}/file: nothing tells whether the source is still the same\n"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_without_the_extra_it_says_what_to_install(
    fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.framing.http.httptools", None)
    done = fetch("http://127.0.0.1:1/")
    assert done.status == 2
    assert "pip install 'jackfield[web]'" in done.errors


@pytest.mark.timeout(300)
def test_a_file_of_any_size_takes_no_more_memory_than_a_small_one() -> None:
    """4 GiB where there is time for it."""
    size = (4 << 30) if os.environ.get("JACKFIELD_PROOF") == "1" else 256 << 20
    piece = bytes(1 << 20)
    answer = [ok(length=size), *[piece] * (size // len(piece))]
    program = (
        "import sys; from jackfield.cli.main import run; status = run(sys.argv[1:]); "
        "print(open('/proc/self/status').read()); sys.exit(status)"
    )
    with Scripted([answer]) as server:
        done = subprocess.run(
            [sys.executable, "-c", program, "fetch", "-q", "-o", "/dev/null", server.url],
            stdout=subprocess.PIPE,
            check=True,
            timeout=250,
        )
    peak = re.search(rb"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is not None
    assert int(peak[1]) < 80_000


def test_at_a_terminal_it_is_said_that_it_is_tried_again() -> None:
    busy = ok(b"", "Retry-After: 0", status="503 Service Unavailable")
    with Scripted([busy, ok(b"now\n")]) as server, AtTerminal("fetch", server.url) as terminal:
        assert terminal.finish() == 0
        lines = terminal.screen.splitlines()
    assert lines[:2] == [
        f"* {server.url}/: 503 Service Unavailable",
        "* trying again in 0.0 s",
    ]
    assert lines[-1] == "now"
