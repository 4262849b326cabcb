"""`jackfield serve web`, and the clients that people use: curl, wget, Chromium, load generators."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.cli.main import run
from jackfield.endpoints import Endpoint, parse
from tests.commands.people import Piped
from tests.live import PATIENCE, Peer
from tests.web import Browser, settle

TCP = "tcp://127.0.0.1:0"
LONG = os.urandom(3_000_000)
LINE = re.compile(
    r'127\.0\.0\.1 - (\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d+) (\S+)'
)


def tool(name: str) -> str:
    """A program that may not be here."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def output(*command: str, status: int = 0, timeout: float = PATIENCE) -> str:
    """What a program prints, and that it ends as it should."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout.decode("utf-8", "replace")


class Web(Piped):
    """`jackfield serve web`, once it listens."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("serve", "web", *arguments)
        self.await_output("istening")
        self.await_output("\n")
        found = re.search(r"\btcp://[^\s\"]+", self.read.decode())
        assert found
        self.endpoint: Endpoint = parse(found[0])
        self.url = f"http://127.0.0.1:{self.endpoint.port}"

    def stop(self) -> str:
        """End it as Ctrl-C does; give all it has said."""
        self.process.send_signal(signal.SIGINT)
        status, out, err = self.finish()
        assert (status, err) == (0, "")
        return out.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    (site / "a.txt").write_text("alpha")
    (site / "long.bin").write_bytes(LONG)
    (site / "zip.css").write_text("plain" * 1000)
    (site / "zip.css.gz").write_bytes(gzip.compress(b"plain" * 1000))
    (site / "d" / "e").mkdir(parents=True)
    (site / "d" / "b ü.txt").write_text("beta")
    (site / "d" / "e" / "c.txt").write_text("gamma")
    (site / "page.html").write_text(
        "<!doctype html><title>page</title><link rel=stylesheet href=zip.css>"
        "<p id=x>before<script src=d/run.js></script>"
    )
    (site / "d" / "run.js").write_text("document.getElementById('x').textContent = 'it ran'")
    settle(site)
    return site


def drop(fd: int) -> None:
    """Read a pipe for nobody, to its end."""
    while os.read(fd, 1 << 16):
        pass


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Web]:
    """One server for whoever comes."""
    with Web(str(folder), TCP) as served:
        log = threading.Thread(target=drop, args=(served.stdout.fileno(),))
        log.start()  # a pipe that nobody reads is full at some time
        yield served
        served.process.terminate()
        log.join()


# The command


def test_the_log_is_in_the_common_form(folder: Path) -> None:
    digest = hashlib.sha256(b"open").hexdigest()
    with Web(str(folder), TCP, "--auth", f"an na:sha256:{digest}") as served:
        with Browser(served.endpoint) as browser:
            basic = "Basic YW4gbmE6b3Blbg=="
            assert browser.ask("/a.txt", Authorization=basic).text == "alpha"
            assert browser.ask('/"\\?x', "HEAD", Authorization=basic).status == 404
            assert browser.ask("/a.txt", User_Agent="\x9b31m").status == 401
        out = served.stop()
    lines = [LINE.fullmatch(line) for line in out.splitlines()]
    assert [line.groups() for line in lines if line] == [
        ("an_na", "GET /a.txt HTTP/1.1", "200", "5"),
        ("an_na", 'HEAD /\\"\\\\?x HTTP/1.1', "404", "-"),
        ("-", "GET /a.txt HTTP/1.1", "401", "17"),
    ]
    assert all(line.isprintable() for line in out.splitlines())
    assert " came " not in out


def test_or_in_json(folder: Path) -> None:
    with Web(str(folder), TCP, "--json") as served:
        with Browser(served.endpoint) as browser:
            browser.ask("/a.txt?b=1", User_Agent="tests/1", Referer="http://x/")
        out = served.stop()
    (told,) = [
        one for one in map(json.loads, out.splitlines()) if one["event"] == "RequestAnswered"
    ]
    assert told.pop("seconds") < 20
    assert told.pop("time")
    assert told.pop("peer").startswith("tcp://127.0.0.1:")
    assert told == {
        "event": "RequestAnswered",
        "number": 1,
        "method": "GET",
        "target": "/a.txt?b=1",
        "version": "1.1",
        "status": 200,
        "size": 5,
        "user": "",
        "referer": "http://x/",
        "agent": "tests/1",
    }


def test_verbose_tells_of_peers_too(folder: Path) -> None:
    with Piped("serve", "web", str(folder), TCP, "-v") as served:
        served.await_output("listening on ")
        served.await_output("\n")
        endpoint = parse(served.read.decode().split()[3])
        with Browser(endpoint) as browser:
            browser.ask("/a.txt")
        served.await_output(" went ")
        assert b" came " in served.read


@pytest.mark.long
def test_a_text_in_place_of_a_folder() -> None:
    with Web("--hello", "<h1>hello</h1>", TCP) as served, Browser(served.endpoint) as browser:
        reply = browser.ask("/any/path")
        assert (reply.text, reply.fields["content-type"]) == (
            "<h1>hello</h1>",
            "text/html; charset=utf-8",
        )
        assert '"GET /any/path HTTP/1.1" 200 14\n' in served.stop()


def test_options_reach_the_service(tmp_path: Path) -> None:
    (tmp_path / ".x").write_text("hidden")
    (tmp_path / "out").symlink_to("/etc/hostname")
    options = ("--hidden", "--follow-links", "--host", "files.example")
    with Web(str(tmp_path), TCP, *options) as served, Browser(served.endpoint) as browser:
        assert browser.ask("/.x", Host="files.example").text == "hidden"
        assert browser.ask("/out").status == 200
        assert browser.ask("/.x", Host="other.example").status == 421


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        ([], 2, "which folder?"),
        ([TCP], 2, "which folder?"),
        (["."], 2, "an endpoint is missing"),
        (["/none/such", TCP], 2, "ENOENT"),
        ([__file__, TCP], 2, "ENOTDIR"),
        ([".", TCP, "--auth", "anna:secret"], 2, "sha256sum"),
        ([".", "udp://127.0.0.1:0"], 2, "stream"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: list[str], status: int, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "web", *arguments]) == status
    error = capfd.readouterr().err
    assert complaint in error
    assert "Traceback" not in error
    assert "secret" not in error


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this needs prlimit(2)")
def test_a_process_without_descriptors_is_busy_and_recovers(folder: Path) -> None:
    """Who is connected is told so, who comes waits, and neither loses anything."""
    with Web(str(folder), TCP) as served, Browser(served.endpoint) as browser:
        assert browser.ask("/none").status == 404
        pid = served.process.pid
        used = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()) + 1
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
        assert browser.ask("/long.bin").status == 503
        with Browser(served.endpoint) as again, Peer(served.endpoint) as waiting:
            waiting.sock.sendall(b"GET /a.txt HTTP/1.0\r\nHost: localhost\r\n\r\n")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert again.ask("/long.bin").body == LONG
            assert waiting.rest().endswith(b"alpha")


# People's clients


def test_curl(web: Web, tmp_path: Path) -> None:
    curl = (tool("curl"), "-sS", "--max-time", "10")
    assert output(*curl, f"{web.url}/a.txt") == "alpha"
    assert output(*curl, "--http1.0", f"{web.url}/a.txt") == "alpha"
    assert output(*curl, "--http2", f"{web.url}/a.txt") == "alpha"  # an upgrade it can do without
    assert output(*curl, "-I", f"{web.url}/a.txt").startswith("HTTP/1.1 200 OK\r\n")
    assert output(*curl, "--compressed", f"{web.url}/zip.css") == "plain" * 1000
    assert output(*curl, "-r", "1-2", f"{web.url}/a.txt") == "lp"
    assert output(*curl, "-L", f"{web.url}/d").count("<li") == 4
    assert output(*curl, f"{web.url}/d/b%20%C3%BC.txt") == "beta"
    assert output(*curl, "--path-as-is", f"{web.url}/../a.txt") == "404 Not Found\n"
    assert output(*curl, "--proxy", web.url, "http://localhost/a.txt") == "alpha"
    assert output(*curl, "-f", f"{web.url}/none", status=22)
    assert output(*curl, "-d", "x" * 2000, f"{web.url}/a.txt") == "405 Method Not Allowed\n"
    assert output(*curl, "-T", __file__, f"{web.url}/x") == "405 Method Not Allowed\n"
    half = tmp_path / "long"
    half.write_bytes(LONG[:1000])
    output(*curl, "-C", "-", "-o", str(half), f"{web.url}/long.bin")
    assert half.read_bytes() == LONG
    said = output(*curl, "-w", "%{num_connects}\n", *["-o", os.devnull, f"{web.url}/long.bin"] * 2)
    assert said == "1\n0\n"  # the second one on the connection of the first


def test_curl_keeps_what_has_not_changed(web: Web, tmp_path: Path) -> None:
    curl = (tool("curl"), "-sS", "--max-time", "10")
    tag, copy = str(tmp_path / "tag"), str(tmp_path / "copy")
    both = ("--etag-save", tag, "--etag-compare", tag, "-o", copy, "-w", "%{http_code}")
    assert output(*curl, *both, f"{web.url}/a.txt") == "200"
    assert output(*curl, *both, f"{web.url}/a.txt") == "304"
    assert output(*curl, "-z", copy, "-w", "%{http_code}", f"{web.url}/a.txt") == "304"


def test_wget_takes_a_whole_folder(web: Web, tmp_path: Path) -> None:
    output(
        tool("wget"), "-nv", "-r", "-np", "-nH", "-T", "10", "-P", str(tmp_path), f"{web.url}/d/"
    )
    assert (tmp_path / "d" / "b ü.txt").read_text() == "beta"
    assert (tmp_path / "d" / "e" / "c.txt").read_text() == "gamma"
    (tmp_path / "long.bin").write_bytes(LONG[:5000])
    output(tool("wget"), "-nv", "-c", "-T", "10", "-P", str(tmp_path), f"{web.url}/long.bin")
    assert (tmp_path / "long.bin").read_bytes() == LONG


def test_pythons_own_client(web: Web) -> None:
    with Browser(web.endpoint) as browser:
        for _ in range(20):
            assert browser.ask("/a.txt").text == "alpha"
            assert browser.ask("/long.bin").body == LONG
        assert browser.is_open


@pytest.mark.parametrize("keep", [["-k"], []])
def test_ab(web: Web, keep: list[str]) -> None:
    said = output(tool("ab"), "-q", "-n", "300", "-c", "10", *keep, f"{web.url}/a.txt")
    assert re.search(r"Complete requests: +300\n", said)
    assert re.search(r"Failed requests: +0\n", said)
    assert "Non-2xx" not in said
    if keep:
        assert re.search(r"Keep-Alive requests: +300\n", said)


def test_h2load(web: Web) -> None:
    said = output(tool("h2load"), "--h1", "-n", "400", "-c", "8", "-m", "4", f"{web.url}/a.txt")
    assert "400 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 400 2xx" in said


@pytest.mark.long
def test_wrk(web: Web) -> None:
    said = output(tool("wrk"), "-t", "1", "-c", "8", "-d", "1s", f"{web.url}/a.txt")
    assert "Non-2xx" not in said
    assert "Socket errors" not in said
    found = re.search(r"(\d+) requests in", said)
    assert found
    assert int(found[1]) > 100


@pytest.mark.timeout(180)
def test_chromium(web: Web, tmp_path: Path) -> None:
    """It runs a page with what belongs to it, and shows a folder."""
    chromium = (
        *(tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu"),
        *(f"--user-data-dir={tmp_path}", "--dump-dom"),
    )
    assert "it ran</p>" in output(*chromium, f"{web.url}/page.html", timeout=80)
    listing = output(*chromium, f"{web.url}/d/", timeout=80)
    assert ">b ü.txt</span>" in listing
    assert "Refused to apply" not in listing


@pytest.mark.long
def test_what_it_says_when_it_is_stopped_in_the_middle(folder: Path) -> None:
    """A download goes on to its end, and nobody new is let in."""
    with Web(str(folder), TCP) as served, Peer(served.endpoint) as peer:
        peer.sock.sendall(b"GET /long.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = peer.sock.recv(1000)
        served.process.send_signal(signal.SIGTERM)
        served.await_output("stopping")
        assert len(first) + len(peer.rest()) > len(LONG)
        status, out, _ = served.finish()
        assert status == 0
        assert b'"GET /long.bin HTTP/1.1" 200 3000000\n' in out
