from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from jackfield import events as happenings
from jackfield import logs
from jackfield.endpoints import parse
from jackfield.events import Event, Events, MessageReceived, MessageSent
from jackfield.logs import MOST_SHOWN, Log, Throttle, describe, record, shown

TCP = parse("tcp://127.0.0.1:9999?nodelay=on")
UNIX = parse("unix:///run/x.sock")
PEER = "tcp://127.0.0.1:50000"

LINES = [
    (happenings.Listening(TCP), "listening on tcp://127.0.0.1:9999"),
    (happenings.ConnectionOpened(7, TCP, PEER), "#7   came      tcp://127.0.0.1:50000"),
    (
        happenings.ConnectionOpened(7, UNIX, "unix:"),
        "#7   came      somebody on unix:///run/x.sock",
    ),
    (
        happenings.ConnectionEnded(7, TCP, PEER, "", 10, 20, 1, 2),
        "#7   went      tcp://127.0.0.1:50000; received 1, sent 2",
    ),
    (
        happenings.ConnectionEnded(7, TCP, PEER, "it left", 10, 20, 1, 2),
        "#7   went      tcp://127.0.0.1:50000: it left; received 1, sent 2",
    ),
    (happenings.Refused(TCP, PEER, "full"), "refused   tcp://127.0.0.1:50000: full"),
    (
        happenings.HandlerFailed(
            7, PEER, "ValueError: \x07\nx", "Traceback:\n  File\nValueError: \x07"
        ),
        (
            "#7   failed    its handler, by ValueError: \\x07\\nx\n"
            "    Traceback:\n      File\n    ValueError: \\x07"
        ),
    ),
    (
        happenings.ChildLost(PEER, 123, "was killed by SIGKILL"),
        "lost      process 123 and tcp://127.0.0.1:50000: was killed by SIGKILL",
    ),
    (
        happenings.ChildLost("", 123, "was killed by SIGKILL"),
        "lost      process 123 and nobody: was killed by SIGKILL",
    ),
    (
        happenings.DatagramsDropped(TCP, 1, "no room"),
        "dropped   1 datagram at tcp://127.0.0.1:9999: no room",
    ),
    (
        happenings.DatagramsDropped(TCP, 2, "no room"),
        "dropped   2 datagrams at tcp://127.0.0.1:9999: no room",
    ),
    (
        happenings.AcceptPaused(TCP, "no descriptor left (EMFILE)"),
        "paused    tcp://127.0.0.1:9999: no descriptor left (EMFILE); it goes on by itself",
    ),
    (
        happenings.AcceptResumed(TCP),
        "resumed   tcp://127.0.0.1:9999: peers are accepted again",
    ),
    (happenings.StoreChanged("full", "no room\x1b"), "store     full: no room\\x1b"),
    (happenings.StoreChanged("ok"), "store     keeps things again"),
    (happenings.Warned("one\ntwo"), "warning   one\n    two"),
    (happenings.Warned(""), "warning"),
    (
        happenings.Draining(2, 5.0),
        "stopping  2 connections may take 5 s; Ctrl-C again ends it at once",
    ),
    (happenings.Draining(0, 5.0), None),
    (
        happenings.Cut((PEER, "udp://[::1]:1")),
        f"cut       who was still there: {PEER}, udp://[::1]:1",
    ),
    (
        happenings.WorkerLost(2, 123, "was killed by SIGKILL"),
        "lost      worker 2, process 123: was killed by SIGKILL; another takes its place",
    ),
    (happenings.Suspended(), "suspended nobody is accepted until the server is resumed"),
    (happenings.Resumed(), "resumed   peers are accepted again"),
    (
        happenings.Reloaded(),
        "reloaded  certificates and configuration; they hold from now on",
    ),
    (happenings.Stopped(), "stopped"),
    (
        happenings.CommandStarted(7, PEER, "anna", "ls -l"),
        f"#7   runs      ls -l for anna, {PEER}",
    ),
    (
        happenings.CommandEnded(7, PEER, "anna", "ls -l", 0, None, "exit", 0, 0.25, 0, 29),
        f"#7   ran       ls -l for anna: status 0; 0.250 s, 0 bytes in, 29 bytes out, {PEER}",
    ),
    (
        happenings.CommandEnded(7, PEER, "me", "yes", None, "KILL", "timeout", 2, 1.5, 1, 2),
        (
            f"#7   ran       yes for me: by signal KILL, timeout, 2 processes killed; 1.500 s, "
            f"1 byte in, 2 bytes out, {PEER}"
        ),
    ),
    (
        happenings.CommandEnded(7, PEER, "me", "yes", None, None, "lost", 0, 0, 0, 0),
        (
            f"#7   ran       yes for me: nobody knows how, lost; 0.000 s, 0 bytes in, 0 bytes out, "
            f"{PEER}"
        ),
    ),
    (
        happenings.CommandRefused(7, PEER, "anna", "rm -r /", "rm is not allowed for anna"),
        f"#7   refused   rm -r / for anna, {PEER}: rm is not allowed for anna",
    ),
    (Event(), "event"),
]


def written(event: Event, name: str = "", **options: Any) -> str:
    """Give what a log writes on an event."""
    stream = io.StringIO()
    events = Events()
    Log(stream, **options).follow(events, name)
    events.emit(event)
    return stream.getvalue()


@pytest.mark.parametrize(("event", "line"), LINES, ids=range(len(LINES)))
def test_an_event_is_a_line_with_its_time(event: Event, line: str | None) -> None:
    text = written(event)
    if line is None:
        assert not text
    else:
        assert re.match(r"\d\d:\d\d:\d\d ", text)
        assert text[9:] == f"{line}\n"


def test_there_is_a_line_for_every_kind_of_event() -> None:
    kinds = {
        kind
        for kind in vars(happenings).values()
        if isinstance(kind, type) and issubclass(kind, Event)
    }
    shown_here = {type(event) for event, _ in LINES}
    # requests have a form of their own, which web servers share
    assert kinds - shown_here == {*happenings.BY_NAME, happenings.RequestAnswered}


def test_a_quiet_log_tells_of_trouble_and_where_it_listens_unless_told_otherwise() -> None:
    for where, told in ((True, 2), (False, 1)):
        stream = io.StringIO()
        events = Events()
        Log(stream).follow(events, quiet=True, where=where)
        for event in (
            happenings.Listening(TCP),
            happenings.ConnectionOpened(7, TCP, PEER),
            happenings.RequestAnswered(7, PEER, "GET", "/", "1.1", 200, 5, 0.1, "", "", ""),
            happenings.Refused(TCP, PEER, "full"),
        ):
            events.emit(event)
        assert len(stream.getvalue().splitlines()) == told


def test_a_flood_of_refusals_is_counted_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(logs, "Throttle", partial(Throttle, lambda: now[0]))
    for as_json in (False, True):
        stream = io.StringIO()
        events = Events()
        Log(stream, as_json=as_json).follow(events)
        for _ in range(1000):
            events.emit(happenings.Refused(TCP, PEER, "full", "connections"))
        events.emit(happenings.Refused(TCP, PEER, "too many", "connections_per_source"))
        assert len(stream.getvalue().splitlines()) == logs.BURST + 1
        now[0] += 1
        events.emit(happenings.Refused(TCP, PEER, "full", "connections"))
        last = stream.getvalue().splitlines()[-1]
        if as_json:
            assert json.loads(last)["left_out"] == 1000 - logs.BURST
        else:
            assert last.endswith(f"full (and {1000 - logs.BURST} more like it before)")
        events.emit(happenings.Refused(TCP, PEER, "full", "connections"))
        events.emit(happenings.Stopped())
        warning, _ = stream.getvalue().splitlines()[-2:]
        assert "1 more were left out: refused, connections" in warning


@pytest.mark.parametrize(
    "trouble",
    [
        happenings.Refused(TCP, PEER, "garbage"),
        happenings.DatagramsDropped(TCP, 1, "no room"),
        happenings.HandlerFailed(1, PEER, "ValueError", ""),
        happenings.ChildLost(PEER, 1, "died"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_counts_as_trouble_that_peers_can_bring_about(trouble: Event) -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    found = [throttle.left_out(trouble) for _ in range(logs.BURST + 5)]
    assert found == [0] * logs.BURST + [None] * 5
    assert throttle.left_out(happenings.ConnectionOpened(1, TCP, PEER)) == 0
    now[0] += 2
    assert [throttle.left_out(trouble) for _ in range(3)] == [5, 0, None]
    now[0] += 3600
    assert [throttle.left_out(trouble) for _ in range(logs.BURST + 1)][-2:] == [0, None]
    assert len(list(throttle.rest())) == 1
    assert list(throttle.rest()) == []


def test_several_servers_are_told_apart_and_the_end_of_one_is_no_news() -> None:
    assert written(happenings.Stopped(), "echo") == ""
    text = written(happenings.ConnectionOpened(7, TCP, PEER), "echo")
    assert text[9:] == "echo   #7   came      tcp://127.0.0.1:50000\n"


def test_bytes_are_counted_for_those_who_want_to_know_more() -> None:
    ended = happenings.ConnectionEnded(7, TCP, PEER, "", 10, 20, 1, 2)
    assert written(ended, verbose=True).endswith("received 1, sent 2 (10 and 20 bytes)\n")


def test_messages_are_shown_when_asked_for_and_cost_nothing_otherwise() -> None:
    events = Events()
    Log(io.StringIO()).follow(events)
    assert not events.wants(MessageReceived)
    text = written(MessageReceived(7, PEER, "hello\x1b[31m"), messages=True)
    assert text[9:] == "#7   received  hello\\x1b[31m\n"
    text = written(MessageSent(7, PEER, b"HELLO\n"), messages=True)
    assert text[9:] == "#7   sent      HELLO\\n\n"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "(empty)"),
        (b"", "(empty)"),
        ("你好 é", "你好 é"),
        ("a\r\n\t\0\x7f\x9b\u202e\u200b", r"a\r\n\t\x00\x7f\x9b\u202e\u200b"),
        ("\ud800", r"\ud800"),
        (b"\xff\xfea", r"\xff\xfea"),
        ({"a": [1, "\x1b"]}, r"{'a': [1, '\x1b']}"),
        ("x" * 1001, f"{'x' * MOST_SHOWN}… (1001 characters in all)"),
        (b"x" * 1001, f"{'x' * MOST_SHOWN}… (1001 bytes in all)"),
        ("x" * 1000, "x" * 1000),
    ],
    ids=range(10),
)
def test_how_a_message_is_shown(message: Any, text: str) -> None:
    assert shown(message) == text


def test_what_a_peer_chooses_never_reaches_the_terminal_as_it_is() -> None:
    evil = "\x1b]0;owned\x07\n12:00:00 stopped\r"
    for event in (
        happenings.ConnectionOpened(1, TCP, evil),
        happenings.ConnectionEnded(1, TCP, evil, evil, 0, 0, 0, 0),
        happenings.Refused(TCP, evil, evil),
        happenings.HandlerFailed(1, evil, evil, "Traceback"),
        MessageReceived(1, evil, evil),
    ):
        _, text, more = describe(event)
        assert text.isprintable()
        assert more in ([], ["Traceback"])


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (happenings.Listening(TCP), {"endpoint": str(TCP)}),
        (MessageReceived(7, PEER, "hi"), {"number": 7, "peer": PEER, "message": "hi"}),
        (MessageReceived(7, PEER, b"hi"), {"number": 7, "peer": PEER, "message": "hi"}),
        (MessageReceived(7, PEER, b"\xff"), {"number": 7, "peer": PEER, "message_base64": "/w=="}),
        (
            MessageReceived(7, PEER, {"a": None}),
            {"number": 7, "peer": PEER, "message": {"a": None}},
        ),
        (happenings.Cut(("a", "b")), {"peers": ["a", "b"]}),
        (happenings.Stopped(), {}),
    ],
    ids=range(7),
)
def test_an_event_as_json(event: Event, fields: dict[str, Any]) -> None:
    head = {"event": type(event).__name__, "time": "2026-01-02T03:04:05+00:00"}
    assert record(event, NOW) == head | fields
    assert record(event, NOW, "echo") == head | fields | {"service": "echo"}


def test_json_is_a_line_each_for_everything() -> None:
    text = written(happenings.Draining(0, 5.0), as_json=True)
    assert json.loads(text)["event"] == "Draining"
    assert text.count("\n") == 1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError("no space left on device")


@pytest.fixture(autouse=True)
def _usual_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colour_dims_the_time_and_marks_the_verb() -> None:
    stream = Terminal()
    events = Events()
    Log(stream).follow(events)
    events.emit(happenings.ConnectionOpened(7, TCP, PEER))
    assert re.fullmatch(
        r"\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m #7   \x1b\[32mcame     \x1b\[0m " + PEER + "\n",
        stream.getvalue(),
    )


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    events = Events()
    Log(Broken()).follow(events)
    events.emit(happenings.Stopped())


def test_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    events = Events()
    Log().follow(events)
    events.emit(happenings.Stopped())
    assert capsys.readouterr().err.endswith(" stopped\n")
    assert Log(sys.stdout) is not None
