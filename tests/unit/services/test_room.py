from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from jackfield import framing
from jackfield.events import ConnectionEnded
from jackfield.limits import Limits
from jackfield.models.names import ModelName
from jackfield.service import find
from jackfield.services.room import MOST_TEXT
from tests.live import SEVERAL, Live, Peer


def name_of(peer: Peer) -> str:
    """Read the greeting; give who this peer is."""
    found = re.fullmatch(r"You are (.+); the others hear what you say\. q leaves\.", peer.line())
    assert found
    return found[1]


@pytest.mark.parametrize("model", SEVERAL)
def test_all_others_hear_who_came_what_was_said_and_who_went(model: ModelName) -> None:
    with Live(find("room"), "tcp://127.0.0.1:0", model=model) as live, live.connect() as ann:
        name_of(ann)
        ben = live.connect()
        ben_is = name_of(ben)
        assert ben_is == ben.name.removeprefix("tcp://")
        assert ann.line() == f"{ben_is} came"
        ben.send("hello", "", "   ", "bye")
        assert [ann.line(), ann.line()] == [f"{ben_is}: hello", f"{ben_is}: bye"]
        ben.send("q")
        assert ben.line() == ""
        ben.close()
        assert ann.line() == f"{ben_is} went"


def test_one_who_vanishes_has_gone_too() -> None:
    with Live(find("room"), "tcp://127.0.0.1:0") as live, live.connect() as ann:
        name_of(ann)
        with live.connect() as ben:
            ben_is = name_of(ben)
            ben.sock.sendall(b"half a li")
        assert [ann.line(), ann.line()] == [f"{ben_is} came", f"{ben_is} went"]


def test_peers_of_all_transports_meet_in_one_room(tmp_path: Path) -> None:
    urls = ("tcp://127.0.0.1:0", "udp://127.0.0.1:0", f"unix://{tmp_path}/s")
    with Live(find("room"), *urls) as live, live.connect(0) as tcp:
        name_of(tcp)
        with live.connect(1) as udp, live.connect(2) as unix:
            assert name_of(unix) == "guest 2"
            assert tcp.line() == "guest 2 came"
            udp.send("hi")
            udp_is = name_of(udp)
            for peer in (tcp, unix):
                assert [peer.line(), peer.line()] == [f"{udp_is} came", f"{udp_is}: hi"]
            unix.send("hi all")
            assert [tcp.line(), udp.line()] == ["guest 2: hi all"] * 2


def test_nobody_steers_anothers_terminal() -> None:
    with (
        Live(find("room"), "tcp://127.0.0.1:0") as live,
        live.connect() as ann,
        live.connect() as ben,
    ):
        name_of(ann)
        ben_is = name_of(ben)
        ann.line()
        ben.send("\x1b]0;owned\x07")
        assert ann.line() == f"{ben_is}: ?]0;owned?"


def test_what_is_too_long_to_pass_on_is_refused_and_breaks_nothing() -> None:
    with (
        Live(find("room"), "tcp://127.0.0.1:0") as live,
        live.connect() as ann,
        live.connect() as ben,
    ):
        name_of(ann)
        ben_is = name_of(ben)
        ann.line()
        assert ben.ask("x" * (MOST_TEXT + 1)) == "At most 4000 characters at a time, please."
        ben.send("字" * MOST_TEXT)
        assert ann.line() == f"{ben_is}: {'字' * MOST_TEXT}"


def test_one_who_stops_reading_is_dropped_and_slows_nobody() -> None:
    limits = Limits(outbox=10_000)
    with (
        Live(find("room"), "tcp://127.0.0.1:0?sndbuf=4096", limits=limits) as live,
        live.connect() as ann,
        live.connect() as ben,
        live.connect() as silent,
    ):
        name_of(ann)
        name_of(ben)
        silent_is = name_of(silent)
        assert ann.line().endswith(" came")
        lines = 0
        while not live.of(ConnectionEnded):
            ann.send("x" * MOST_TEXT)
            while not (heard := ben.line()).endswith("x"):
                assert heard.endswith((" came", " went"))
            lines += 1
        ended = live.of(ConnectionEnded)[0]
        assert ended.peer == f"tcp://{silent_is}"
        assert ended.reason == "it did not read what room 'room' sent it"
        assert lines > 1
        ann.send("still here")
        while not (heard := ben.line()).endswith(": still here"):
            assert heard == f"{silent_is} went"


def test_bytes_without_line_endings_over_raw() -> None:
    service = find("room", framing=framing.raw())
    with Live(service, f"unix:@jackfield-{os.getpid()}") as live, live.connect() as ann:
        assert ann.sock.recv(1000).startswith(b"You are guest 1;")
        with live.connect() as ben:
            assert ben.sock.recv(1000).startswith(b"You are guest 2;")
            assert ann.sock.recv(1000) == b"guest 2 came"
            ben.sock.sendall("小明".encode("gbk") + b"\n")
            assert ann.sock.recv(1000) == b"guest 2: " + "小明".encode("gbk")
