"""`jackfield put`, `get`, `ls` and `rm`: what they say, how they end, and what stays."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.cli.main import run
from tests.certificates import Certificates
from tests.live import PATIENCE, until
from tests.moved import Served, command, contents, parts_in

LONG = os.urandom(3_000_000)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def server(there: Path) -> Iterator[Served]:
    with Served(there) as server:
        yield server


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["put", "a"], "an endpoint comes last"),
        (["put", "tcp://h:1"], "an endpoint comes last"),
        (["put", "a", "b"], "an endpoint comes last"),
        (["put", "tcp://h:1/a", "tcp://h:1"], "is no file here"),
        (["put", "a", "b", "--name", "c", "tcp://h:1"], "--name is for one FILE"),
        (["put", "-", "tcp://h:1"], "give it a --name"),
        (["put", "a", "--name", "../b", "tcp://h:1"], "empty, . or .."),
        (["put", "a", "udp://h:1"], "over a stream"),
        (["put", "a", "tcp://h:1/../b"], "empty, . or .."),
        (["put", "a", "tcp://h:1", "--ca", "x"], "--cert, --key and --ca are for tls://"),
        (["get", "a"], "what? it comes first"),
        (["get", "tcp://h:1/a", "b", "c"], "is no file on a server"),
        (["get", "tcp://h:1"], "names no file"),
        (["get", "tcp://h:1/a", "tcp://h:1/b", "-"], "standard output takes one file"),
        (["get", "-r", "tcp://h:1/a", "-"], "standard output takes one file"),
        (["get", "--json", "tcp://h:1/a", "-"], "--json prints to standard output"),
        (["get", "tcp://h:1/a", "/dev/null"], "/dev/null is no folder here; --name NAME gives"),
        (["get", "tcp://h:1/a", "/dev/null/b/c"], "/dev/null is no folder here"),
        (["get", "tcp://h:1/a", "none/.."], "'none/..' is no folder that could be made here"),
        (["get", "tcp://h:1/a", ""], "'' is no folder that could be made here"),
        (["get", "tcp://h:1/a", "tcp://h:1/b", "--name", "c"], "--name is for one ENDPOINT/NAME"),
        (["get", "tcp://h:1/a", "-", "--name", "c"], "--name is for one ENDPOINT/NAME"),
        (["get", "tcp://h:1/a", "--name", "../b"], "empty, . or .."),
        (["ls", "here"], "scheme"),
        (["rm", "tcp://h:1"], "is all that is served"),
        (["serve", "files", "tcp://127.0.0.1:0"], "which folder?"),
        (["serve", "files", "none", "tcp://127.0.0.1:0"], "ENOENT"),
        (["serve", "files", ".", "tcp://127.0.0.1:0", "--quota", "much"], "is no size"),
    ],
)
def test_what_cannot_be_asked(
    words: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    said = capfd.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_nobody_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert run(["ls", f"tcp://127.0.0.1:{taken.getsockname()[1]}"]) == 1
    said = capfd.readouterr().err
    assert "ECONNREFUSED" in said
    assert said.count("\n") == 1


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("service", "says"),
    [
        (["chat"], "no files are served there, but something that says 'What is your name?'; give"),
        (["echo"], "no files are served there, but an echo of what is sent; give the endpoint"),
        (["web", "."], "no files are served there, but HTTP; jackfield fetch gets what it has"),
        (["files", "."], "you do not speak TLS, and this endpoint does; connect to tls://"),
    ],
)
def test_somebody_else_is_there(
    service: list[str],
    says: str,
    here: Path,
    certificates: Certificates,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """That is told once, at once, and in one line."""
    (here / "f").write_bytes(b"f")
    where, options = "tcp://127.0.0.1:0", list[str]()
    if service[0] == "files":
        where = "tls://127.0.0.1:0"
        options = ["--cert", certificates.cert, "--key", certificates.key]
    process = subprocess.Popen(
        command("serve", *service, where, *options), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert said is not None
        url = f"tcp://{said[0]}"
        for words in (["ls", url], ["get", f"{url}/f"], ["put", "f", url], ["rm", f"{url}/f"]):
            assert run(words) == 1
            told = capfd.readouterr().err
            assert told.startswith(f"jackfield: {url}: {says}")
            assert told.count("\n") == 1
            assert "to go on" not in told
    finally:
        process.kill()
        process.communicate()
    assert [path.name for path in here.iterdir()] == ["f"]


def test_one_that_fails_does_not_keep_the_others(
    server: Served, here: Path, there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "a").write_bytes(b"a")
    (here / "d").mkdir()
    (there / "b").write_bytes(b"old")
    (here / "b").write_bytes(b"new")
    (here / "c").write_bytes(b"c")
    (here / "link").symlink_to("c")
    os.mkfifo(here / "fifo")
    names = ["a", "none", "d", "b", "fifo", "link"]
    assert run(["put", "--json", *names, server.url]) == 1
    said = capfd.readouterr()
    assert said.err.splitlines() == [
        "jackfield: none: No such file or directory (ENOENT)",
        "jackfield: d: it is a folder; -r takes folders",
        "jackfield: fifo: it is no regular file",
        "jackfield: b: there is another file of that name; --replace replaces it",
    ]
    told = [json.loads(line) for line in said.out.splitlines()]
    assert {one["file"]: "error" not in one for one in told} == {
        "a": True,
        "none": False,
        "d": False,
        "b": False,
        "fifo": False,
        "link": True,
    }
    assert (there / "link").read_bytes() == b"c"
    assert not (there / "link").is_symlink()
    assert (there / "b").read_bytes() == b"old"
    assert run(["put", "--replace", "b", server.url]) == 0
    assert (there / "b").read_bytes() == b"new"


def test_names_that_are_no_utf_8_are_refused_and_said(
    server: Served, here: Path, there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "d").mkdir()
    (here / "d" / os.fsdecode(b"caf\xe9")).touch()
    (here / "d" / "good").touch()
    (here / os.fsdecode(b"\xff")).touch()
    assert run(["put", "-r", "d", server.url]) == 1
    assert capfd.readouterr().err == ("jackfield: d/caf\\udce9: has a name that is no UTF-8\n")
    assert run(["put", os.fsdecode(b"\xff"), server.url]) == 2
    assert "no UTF-8" in capfd.readouterr().err
    (there / os.fsdecode(b"\xff")).touch()
    assert run(["ls", server.url]) == 1
    said = capfd.readouterr()
    assert "1 names that are no UTF-8 are not listed" in said.err
    assert run(["get", "-r", server.url, "."]) == 1
    assert "1 of its names are no UTF-8, and left out" in capfd.readouterr().err
    assert sorted(path.name for path in (there / "d").iterdir()) == ["good"]


def test_what_comes_last_is_a_folder_always(
    server: Served, here: Path, there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (there / "d" / "e").mkdir(parents=True)
    (there / "d" / "f").write_bytes(b"f")
    (there / "g").write_bytes(b"g")
    assert run(["get", f"{server.url}/g"]) == 0
    assert run(["get", f"{server.url}/g", "--name", "h"]) == 0
    assert run(["get", f"{server.url}/g", f"{server.url}/d/f", "."]) == 0
    for slash in ("", "/"):  # the same twice
        assert run(["get", "-r", f"{server.url}/d{slash}", f"new{slash}"]) == 0
        assert run(["get", f"{server.url}/g", f"new/./e//k{slash}", "--name", "i/j"]) == 0
        assert run(["get", "-r", f"{server.url}", f"all{slash}"]) == 0
        assert run(["get", "-r", f"{server.url}/d", str(here / "as"), "--name", "l"]) == 0
    assert capfd.readouterr().err == ""
    assert run(["get", f"{server.url}/d", "none"]) == 1
    assert "none/d: it is a folder; -r gets folders" in capfd.readouterr().err
    assert run(["get", f"{server.url}/none", "none"]) == 1
    assert "none/none: there is no such file" in capfd.readouterr().err
    assert {name: data for name, (_, _, data) in contents(here).items()} == {
        "f": b"f",
        "g": b"g",
        "h": b"g",
        "new": None,
        "new/e": None,
        "new/e/k": None,
        "new/e/k/i": None,
        "new/e/k/i/j": b"g",
        "new/d": None,
        "new/d/f": b"f",
        "new/d/e": None,
        "all": None,
        "all/d": None,
        "all/d/f": b"f",
        "all/d/e": None,
        "all/g": b"g",
        "as": None,
        "as/l": None,
        "as/l/f": b"f",
        "as/l/e": None,
    }
    assert run(["put", "-r", "as/l/.", f"{server.url}/x"]) == 0
    assert run(["put", "-r", "new", f"{server.url}/x/"]) == 0
    assert run(["put", "g", "--name", "j", f"{server.url}/x"]) == 0
    assert sorted(path.name for path in (there / "x").iterdir()) == ["e", "f", "j", "new"]


def test_standard_output_is_the_file_and_nothing_else(
    server: Served, there: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (there / "long").write_bytes(LONG)
    assert run(["get", f"{server.url}/long", "-"]) == 0
    assert capfdbinary.readouterr() == (LONG, b"")


def test_standard_input(server: Served, there: Path) -> None:
    words = command("put", "-", "--name", "in", server.url)
    for data, status in ((LONG, 0), (LONG, 0), (b"other", 1)):
        done = subprocess.run(words, input=data, capture_output=True, check=False)
        assert done.returncode == status, done.stderr
        assert (there / "in").read_bytes() == LONG
    assert b"there is another file of that name" in done.stderr
    done = subprocess.run([*words, "--replace"], input=b"", capture_output=True, check=False)
    assert done.returncode == 0
    assert (there / "in").read_bytes() == b""


def test_listing(server: Served, there: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (there / "d").mkdir()
    (there / "f\x1b[2J").write_bytes(LONG)
    (there / "link").symlink_to("d")
    for name in ("d", "f\x1b[2J"):
        os.utime(there / name, (1_600_000_000, 1_600_000_000))
    assert run(["ls", server.url]) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert [line[-1] for line in lines] == ["d/", "f\\x1b[2J", "link@"]
    assert lines[1][:2] == ["2.9", "MiB"]
    assert run(["ls", "--json", "--hash", server.url, f"{server.url}/d"]) == 0
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["kind"] for one in found] == ["folder", "file", "link"]
    assert found[1]["name"] == "f\x1b[2J"
    assert found[1]["mtime"] == 1_600_000_000
    assert len(found[1]["hash"]) == 64
    assert run(["ls", f"{server.url}/none"]) == 1
    assert "there is no such file" in capfd.readouterr().err


def test_removing(
    server: Served, here: Path, there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (there / "d" / "e").mkdir(parents=True)
    (there / "f").touch()
    assert run(["rm", f"{server.url}/none", f"{server.url}/d", f"{server.url}/f"]) == 1
    assert [line.partition("/d: ")[2] for line in capfd.readouterr().err.splitlines()[1:]] == [
        "the folder is not empty, be it of unfinished files alone; -r removes all of it"
    ]
    assert run(["rm", "-r", "--json", f"{server.url}/d"]) == 0
    assert json.loads(capfd.readouterr().out) == {"file": f"{server.url}/d", "removed": True}
    assert list(there.iterdir()) == []


@pytest.mark.some(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_by_a_signal_it_says_how_to_go_on(
    number: signal.Signals, here: Path, there: Path, server: Served
) -> None:
    with (here / "huge").open("wb") as file:
        file.truncate(20_000_000_000)
    words = ["put", "huge", server.url]
    client = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
    until(lambda: any(part.stat().st_size for part in parts_in(there)))
    client.send_signal(number)
    _, said = client.communicate(timeout=PATIENCE)
    assert client.returncode == 128 + number
    assert said == f"stopped; to go on: jackfield put huge {server.url}\n"
    assert len(parts_in(there)) == 1
    assert not (there / "huge").exists()


def test_over_tls_with_an_authority_of_ones_own(
    here: Path, there: Path, certificates: Certificates, capfd: pytest.CaptureFixture[str]
) -> None:
    there.mkdir()
    (here / "long").write_bytes(LONG)
    served = command("serve", "files", str(there), "tls://127.0.0.1:0")
    process = subprocess.Popen(
        [*served, "--cert", certificates.cert, "--key", certificates.key],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = "tls://" + process.stdout.readline().split("tls://")[1].split("?")[0].strip()
        assert run(["put", "long", url]) == 1
        assert "certificate" in capfd.readouterr().err
        assert run(["put", "long", url, "--ca", certificates.ca]) == 0
        assert run(["get", f"{url}/long?ca={certificates.ca}", "--name", "back"]) == 0
    finally:
        process.kill()
        process.communicate()
    assert (here / "back").read_bytes() == LONG


def test_too_many_clients_are_told(here: Path, there: Path) -> None:
    with Served(there, "--max-connections", "1") as server:
        held = subprocess.Popen(
            command("put", "-", "--name", "x", server.url), stdin=subprocess.PIPE
        )
        try:
            until(lambda: parts_in(there))
            done = subprocess.run(
                command("ls", server.url), capture_output=True, text=True, check=False
            )
        finally:
            held.communicate(b"done", timeout=PATIENCE)
    assert done.returncode == 1
    assert "the server is full; try again later" in done.stderr
    assert done.stderr.count("\n") == 1
    assert held.returncode == 0
    assert (there / "x").read_bytes() == b"done"
