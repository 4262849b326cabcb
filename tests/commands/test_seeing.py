"""`jackfield serve` with --metrics, --dump, --json and --record, as who runs it sees it."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import stat
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from jackfield.endpoints import Endpoint, parse
from jackfield.logs import MOST_DUMPED, dumped
from jackfield.recording import read
from tests.certificates import Certificates
from tests.commands.people import Piped
from tests.commands.test_serve import Served
from tests.live import PATIENCE, Peer, children_of, until
from tests.seen import Counts, counts_of

TCP = "tcp://127.0.0.1:0"
UDP = "udp://127.0.0.1:0"
SEVERAL = ["asyncio", "threads", "processes"]


def curl(endpoint: Endpoint, path: str, *options: str) -> str:
    """What curl prints; it fails where the answer is no HTTP, or an error."""
    url = f"http://{endpoint.host}:{endpoint.port}{path}"
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *options, url]
    return subprocess.run(
        command, capture_output=True, timeout=PATIENCE, check=True, text=True
    ).stdout


def page_of(served: Served) -> Endpoint:
    """Where the metrics are: it begins to listen last."""
    return served.endpoints[-1]


def counts(served: Served, service: str = "greet") -> Counts:
    return counts_of(curl(page_of(served), "/metrics"), service)


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_metrics_and_connections_by_curl(model: str) -> None:
    arguments = ("greet", TCP, UDP, "--model", model, "--framing", "lines", "--metrics", TCP)
    with Served(*arguments) as served:
        assert counts(served)["connections",] == 0
        with served.connect(0) as tcp, served.connect(1) as udp:
            assert tcp.line() == "Welcome!"
            assert tcp.ask("Tracy") == "Hello, Tracy!"
            assert udp.ask("Tracy")
            until(lambda: counts(served)["received_messages_total",] == 2)
            found = counts(served)
            assert found["connections_opened_total", "tcp"] == 1
            assert found["connections_opened_total", "udp"] == 1
            assert found["received_bytes_total",] == len("Tracy\nTracy")
            (one, other) = json.loads(curl(page_of(served), "/connections"))
            name = tcp.name
            assert one["peer"] == name
            assert other["peer"] == udp.name
            assert one["state"] == "waiting"
            assert one["bytes_sent"] == len("Welcome!\nHello, Tracy!\n")
        served.await_lines(1, f"went      {name}")
        served.process.send_signal(signal.SIGHUP)
        served.await_lines(1, " reloaded ")
        assert counts(served)["reloads_total",] == 1
        out = served.stop()
    assert f"metrics listening on {page_of(served)}\n" in re.sub(" +", " ", out)
    assert out.count(" came ") == out.count(" went ") == 2  # nobody is told of who reads the page


def test_curl_asks_for_the_head_and_is_told_of_what_there_is_not() -> None:
    with Served("greet", TCP, "--metrics", TCP) as served:
        at = page_of(served)
        head = curl(at, "/metrics", "--head")
        assert head.startswith("HTTP/1.1 200 OK\n")
        with pytest.raises(subprocess.CalledProcessError) as caught:
            curl(at, "/nothing")
        assert "404" in caught.value.stderr
        with pytest.raises(subprocess.CalledProcessError) as caught:
            curl(at, "/metrics", "--data", "x")
        assert "405" in caught.value.stderr
        long = curl(at, "/", "--header", "X-Long: " + "x" * 10_000, "--no-fail", "--include")
        assert long.startswith("HTTP/1.1 431 ")
        served.stop()


@pytest.mark.long
def test_with_workers_what_one_has_moved_counts_when_it_is_killed() -> None:
    with Served("greet", TCP, "--workers", "2", "--metrics", TCP) as served:
        with served.connect() as one:
            assert one.line() == "Welcome!"
            assert one.ask("Tracy") == "Hello, Tracy!"
            found = counts(served)
            assert found["connections",] == found["connections_opened_total", "tcp"] == 1
            assert found["sent_bytes_total",] == len("Welcome!\nHello, Tracy!\n")
            (here,) = json.loads(curl(page_of(served), "/connections"))
            assert here["peer"] == one.name
            for worker in children_of(served.process.pid):
                os.kill(worker, signal.SIGKILL)
        until(lambda: counts(served)["workers_lost_total",] == 2)
        assert counts(served)["sent_bytes_total",] == found["sent_bytes_total",]
        served.stop()


def test_a_limit_that_was_passed_is_counted() -> None:
    with Served("greet", TCP, "--max-connections", "1", "--metrics", TCP) as served:
        with served.connect() as one:
            assert one.line() == "Welcome!"
            with served.connect() as other:
                assert "full" in other.line()
        until(lambda: counts(served)["connections_refused_total", "connections"] == 1)
        served.stop()


@pytest.mark.long
def test_metrics_where_nobody_can_be_served_end_the_command() -> None:
    with Served("greet", TCP) as taken:
        where = str(taken.endpoints[0])
        with Piped("serve", "greet", TCP, "--metrics", where) as command:
            status, out, err = command.finish()
        assert status == 1
        assert b" stopped" in out
        assert "127.0.0.1" in err
        taken.stop()


# --dump and --json


def test_what_is_dumped_is_there_in_hexadecimal_and_as_text() -> None:
    assert list(dumped(b"")) == []
    assert list(dumped(b"A\x00\xff~\x7f")) == [
        "000000  41 00 ff 7e 7f                                    |A..~.|"
    ]
    two = list(dumped(bytes(range(0x20, 0x38))))
    assert two == [
        "000000  20 21 22 23 24 25 26 27  28 29 2a 2b 2c 2d 2e 2f  | !\"#$%&'()*+,-./|",
        "000010  30 31 32 33 34 35 36 37                           |01234567|",
    ]
    assert len(list(dumped(bytes(MOST_DUMPED)))) == MOST_DUMPED // 16
    assert list(dumped(bytes(MOST_DUMPED + 3)))[-1] == "… (3 more bytes; --record FILE keeps them)"


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_dump_shows_bytes_inside_tls_too(
    scheme: str, model: str, certificates: Certificates
) -> None:
    files = ("--cert", certificates.cert, "--key", certificates.key) if scheme == "tls" else ()
    arguments = ("upper", f"{scheme}://127.0.0.1:0", "--framing", "lines", "--model", model)
    with Served(*arguments, "--dump", *files) as served:
        with Peer(served.endpoints[0], ca=certificates.ca) as peer:
            assert peer.ask("a\x1b[31mb") == "A\x1b[31MB"
        served.await_lines(1, " went ")
        out = served.stop()
    row = "    000000  {}                           |{}|\n"
    assert " received  8 bytes\n" + row.format("61 1b 5b 33 31 6d 62 0a", "a.[31mb.") in out
    assert " sent      8 bytes\n" + row.format("41 1b 5b 33 31 4d 42 0a", "A.[31MB.") in out
    assert "\x1b" not in out


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_what_is_long_is_cut_with_a_hint(model: str) -> None:
    data = b"x" * 40_000
    with Served("echo", "unix+seqpacket:@dump-" + str(os.getpid()), "--dump", "--model", model) as (
        served
    ):
        with served.connect() as peer:
            peer.sock.send(data)
            assert peer.sock.recv(1 << 17) == data
        served.await_lines(1, " went ")
        out = served.stop()
    sizes = [int(size) for size in re.findall(r" received  (\d+) bytes\n", out)]
    assert sizes == ([16384, 16384, 7232] if model == "processes" else [40_000])
    hints = [int(more) for more in re.findall(r"… \((\d+) more bytes; --record FILE", out)]
    assert hints == [size - MOST_DUMPED for size in sizes] * 2
    assert out.count("    000ff0  ") == len(sizes) * 2
    assert "    001000  " not in out


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_dump_as_json_has_all_bytes(model: str) -> None:
    data = bytes(range(256)) * 150
    with Piped("serve", "echo", TCP, "--json", "--dump", "--model", model) as command:
        command.await_output("\n")
        with Peer(parse(json.loads(command.read)["endpoint"])) as peer:
            peer.sock.sendall(data)
            read = b""
            while len(read) < len(data):
                read += peer.sock.recv(1 << 16)
        command.await_output("ConnectionEnded")
        command.process.send_signal(signal.SIGTERM)
        status, out, _ = command.finish()
    assert status == 0
    events = [json.loads(line) for line in out.splitlines()]
    for kind in ("BytesReceived", "BytesSent"):
        told = [event for event in events if event["event"] == kind]
        assert {event["number"] for event in told} == {1}
        assert b"".join(map(bytes_of, told)) == data
    assert not [event for event in events if event["event"].startswith("Message")]


def bytes_of(event: dict[str, Any]) -> bytes:
    return b64decode(event["data_base64"]) if "data_base64" in event else event["data"].encode()


# --record


@pytest.mark.some(1)
@pytest.mark.parametrize("model", SEVERAL)
def test_a_recording_of_a_server_that_was_killed_reads_well(model: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    with (
        Served("greet", TCP, UDP, "--model", model, "--record", str(path)) as served,
        served.connect(0) as tcp,
        served.connect(1) as udp,
    ):
        assert tcp.line() == "Welcome!"
        for number in range(20):
            assert tcp.ask(f"N{number}") == f"Hello, N{number}!"
        assert udp.ask("Tracy")
        until(lambda: sum(len(one.pieces) for one in read(str(path))) == 21)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait(PATIENCE)
        one, other = read(str(path))
        assert (one.peer, other.peer) == (tcp.name, udp.name)
        assert (one.endpoint, other.endpoint) == tuple(map(str, served.endpoints))
    assert [piece.data for piece in one.pieces] == [b"N%d\n" % n for n in range(20)]
    assert [piece.data for piece in other.pieces] == [b"Tracy"]
    assert one.went is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("precious")
    with Piped("serve", "greet", TCP, "--record", str(path)) as command:
        status, out, err = command.finish()
    assert (status, out) == (2, b"")
    assert err == f"jackfield: {path}: is there already; name another, or remove it first\n"
    assert path.read_text() == "precious"


def test_with_the_disk_full_the_recording_ends_and_the_server_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with Served("echo", TCP, "--framing", "lines", "--record", str(path)) as served:
        limit = served.process.pid, resource.RLIMIT_FSIZE
        before = resource.prlimit(*limit)
        resource.prlimit(*limit, (2000, before[1]))
        with served.connect() as peer:
            for number in range(100):
                assert peer.ask(f"{number}") == f"{number}"
        served.await_lines(1, " went ")
        resource.prlimit(*limit, before)  # for what measures this test
        out = served.stop()
    assert out.count(" warning ") == 1
    assert f"warning   the recording ends here: {path}: File too large (EFBIG)\n" in out
    (one,) = read(str(path))
    assert [piece.data for piece in one.pieces] == [b"%d\n" % n for n in range(len(one.pieces))]
    assert 2 < len(one.pieces) < 100
