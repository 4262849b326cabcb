from __future__ import annotations

import base64
import json
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jackfield import recording
from jackfield.endpoints import parse
from jackfield.errors import ConfigurationError
from jackfield.events import (
    BytesReceived,
    BytesSent,
    ConnectionEnded,
    ConnectionOpened,
    Event,
    Events,
    Warned,
)
from jackfield.framing.raw import Raw
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.recording import MOST_AT_ONCE, Recorder, read
from jackfield.service import Service, find
from tests import handlers
from tests.certificates import Certificates
from tests.live import ALL, Live, Peer, until

TCP = "tcp://127.0.0.1:0"
AT = parse("tcp://127.0.0.1:9999?nodelay=on")
PEER = "tcp://127.0.0.1:50000"
FIRST = '{"format": "jackfield recording", "version": 1, "began": 1.5}\n'


@contextmanager
def recorder(path: Path) -> Iterator[Events]:
    """Record what the test emits."""
    events = Events()
    made = Recorder(str(path))
    made.follow(events)
    yield events
    made.close()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_written_is_what_the_module_promises(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with recorder(path) as events:
        events.emit(ConnectionOpened(1, AT, PEER))
        events.emit(BytesReceived(1, PEER, b"hello\n"))
        events.emit(BytesSent(1, PEER, b"HELLO\n"))
        events.emit(ConnectionEnded(1, AT, PEER, "it left", 6, 6, 1, 1))
    first, *others = lines(path)
    assert first.pop("began")
    assert first == {"format": "jackfield recording", "version": 1}
    times = [other.pop("at") for other in others]
    assert times == sorted(times)  # type: ignore[type-var]
    assert others == [
        {"connection": 1, "what": "came", "peer": PEER, "endpoint": "tcp://127.0.0.1:9999"},
        {"connection": 1, "what": "received", "data": "aGVsbG8K"},
        {"connection": 1, "what": "sent", "data": "SEVMTE8K"},
        {"connection": 1, "what": "went", "reason": "it left"},
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with recorder(path) as events:
        assert read(str(path)) == []
        events.emit(ConnectionOpened(1, AT, PEER))
        events.emit(BytesReceived(1, PEER, b"x"))
        (one,) = read(str(path))
        assert [piece.data for piece in one.pieces] == [b"x"]
        assert one.went is None


def test_a_closed_recording_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with recorder(path) as events:
        pass
    events.emit(ConnectionOpened(1, AT, PEER))
    assert read(str(path)) == []


def test_what_is_long_becomes_several_lines_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "it"
    data = bytes(range(256)) * (10 * MOST_AT_ONCE // 1024)
    with recorder(path) as events:
        events.emit(ConnectionOpened(1, AT, PEER))
        events.emit(BytesReceived(1, PEER, data))
        events.emit(BytesSent(1, PEER, data))
    longest = max(map(len, path.read_bytes().splitlines()))
    assert longest < recording.LONGEST_LINE
    (one,) = read(str(path))
    assert b"".join(piece.data for piece in one.pieces) == data


def test_what_was_said_to_somebody_turned_away_belongs_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with (
        recorder(path) as events,
        Live(handlers.native, TCP, limits=Limits(connections=1), events=events) as live,
        live.connect() as one,
    ):
        assert one.ask("echo 1") == "1"
        with live.connect() as other:
            other.send("hello")
            assert "full" in other.line()
            other.rest()
        until(lambda: not live.server._admission.refused)
    assert [found.peer for found in read(str(path))] == [one_name(live)]


def one_name(live: Live) -> str:
    return live.of(ConnectionOpened)[0].peer


@pytest.mark.parametrize("url", ["tcp", "tls", "udp", "unix+seqpacket:@PID"])
@pytest.mark.parametrize("model", ALL)
def test_of_a_server(
    model: ModelName, url: str, certificates: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "it"
    where = {"tls": certificates.url()}.get(url, url if ":" in url else f"{url}://127.0.0.1:0")
    service: Service[str] = handlers.replying if model == "inline" else handlers.native
    with recorder(path) as events, Live(service, where, model=model, events=events) as live:
        at = live.endpoints[0]
        ending = b"" if at.keeps_boundaries else b"\n"
        with Peer(at, ca=certificates.ca) as peer:
            assert peer.ask("echo 1") == "1"
            assert peer.ask("echo 2") == "2"
        live.stop()
    (one,) = read(str(path))
    assert [piece.data for piece in one.pieces] == [b"echo 1" + ending, b"echo 2" + ending]
    first, second = (piece.at for piece in one.pieces)
    assert one.went is not None
    assert 0 <= first <= second <= one.went
    said = [line["data"] for line in lines(path) if line.get("what") == "sent"]
    sent = b"".join(base64.b64decode(str(data)) for data in said)
    assert sent == b"1" + ending + b"2" + ending
    assert "cert" not in one.endpoint


def test_much_that_is_written_at_once_over_tls_is_read(
    certificates: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "it"
    with (
        recorder(path) as events,
        Live(Service.reply("much", much, Raw()), certificates.url(), events=events) as live,
        Peer(live.endpoints[0], ca=certificates.ca) as peer,
    ):
        peer.sock.sendall(b"go")
        size = 0
        while size < 3_000_000:
            size += len(peer.sock.recv(1 << 16))
    (one,) = read(str(path))
    assert [piece.data for piece in one.pieces] == [b"go"]


def much(_: bytes) -> bytes:
    return b"x" * 3_000_000


# What cannot be written


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="it: is there already"):
        Recorder(str(path))
    assert path.read_text() == "precious"
    with pytest.raises(ConfigurationError, match=r"No such file or directory \(ENOENT\)"):
        Recorder(str(tmp_path / "none" / "it"))


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow past a size, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_without_room_for_its_first_line_there_is_no_recording(tmp_path: Path) -> None:
    with room_for(0), pytest.raises(ConfigurationError, match=r"it: File too large \(EFBIG\)"):
        Recorder(str(tmp_path / "it"))


def test_with_the_disk_full_it_ends_with_one_warning_and_reads_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "it"
    told: list[Event] = []
    events = Events()
    events.subscribe(Event, told.append)
    made = Recorder(str(path))
    made.follow(events)
    events.emit(ConnectionOpened(1, AT, PEER))
    with room_for(1000):
        for number in range(100):
            events.emit(BytesReceived(1, PEER, b"%d" % number))
    events.emit(BytesReceived(1, PEER, b"after"))  # there is room again: not for this one
    warned = [event for event in told if isinstance(event, Warned)]
    assert warned == [Warned(f"the recording ends here: {path}: File too large (EFBIG)")]
    made.close()
    (one,) = read(str(path))
    assert 5 < len(one.pieces) < 50
    assert [piece.data for piece in one.pieces] == [b"%d" % n for n in range(len(one.pieces))]


def test_with_the_disk_full_the_server_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with recorder(path) as events, Live(find("echo"), TCP, events=events) as live:
        with live.connect() as peer, room_for(3000):
            for _ in range(50):
                peer.sock.sendall(b"x" * 100)
                assert peer.sock.recv(100)
        live.await_event(ConnectionEnded)
        assert len(live.of(Warned)) == 1


# What is no recording


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "hello\n",
        "[]\n",
        "{}\n",
        FIRST[:-5],
        FIRST.replace("1,", "2,"),
        "[" * 100_000 + "\n",
        FIRST + "hello\n",
        FIRST + "[1]\n",
        FIRST + "\xff\n",
        FIRST + "[" * 100_000 + "\n",
        FIRST + "x" * (recording.LONGEST_LINE + 5) + "\n",
    ],
)
def test_a_file_of_another_kind_is_no_recording(content: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigurationError) as caught:
        read(str(path))
    why = f"{path} is no recording; `jackfield serve --record FILE` makes one"
    assert str(caught.value) == why


CAME = '{"at": 1, "connection": 1, "what": "came", "peer": "p", "endpoint": "e"}\n'


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"at": 1, "connection": 1, "what": "came"}',
        '{"at": 1, "connection": 2, "what": "received", "data": ""}',
        '{"at": 1, "connection": 1, "what": "received"}',
        '{"at": 1, "connection": 1, "what": "received", "data": "?"}',
        '{"at": 1, "connection": 1, "what": "received", "data": "字"}',
        '{"at": 1, "connection": 1, "what": "received", "data": 3}',
        '{"at": 1, "connection": 1, "what": "danced"}',
        '{"at": 1, "connection": 1, "what": []}',
        '{"at": "soon", "connection": 1, "what": "sent"}',
        '{"at": NaN, "connection": 1, "what": "sent"}',
        '{"at": 1e999, "connection": 1, "what": "sent"}',
        '{"at": 1, "connection": Infinity, "what": "sent"}',
        '{"at": 1, "connection": null, "what": "sent"}',
        f'{{"at": {"9" * 400}, "connection": 1, "what": "sent"}}',
    ],
)
def test_a_line_that_is_no_part_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text(FIRST + CAME + line + "\n")
    with pytest.raises(ConfigurationError) as caught:
        read(str(path))
    assert str(caught.value) == f"{path}, line 3: no part of a recording"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none: No such file or directory \(ENOENT\)"):
        read(str(tmp_path / "none"))
