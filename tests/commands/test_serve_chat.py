"""`jackfield serve chat`: the chat alone, by lines and for terminal clients, for whoever comes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jackfield.cli.main import run
from tests.commands.people import Piped
from tests.commands.test_serve import TCP, Served
from tests.live import Peer


def until(peer: Peer, wanted: str) -> None:
    """Read line after line until there is one with this in it."""
    while wanted not in (line := peer.line()):
        assert line, f"{wanted!r} has not come"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "threads"], "chat has all its connections in one event loop: serve it by"),
        (["--model", "processes"], "chat has all its connections in one event loop: serve it by"),
        (["--model", "inline"], "model asyncio, not inline"),
        (["--workers", "2"], "chat has all its connections in one process; leave out workers"),
        (["--framing", "raw"], "chat has no option --framing; it takes none"),
        (["udp://127.0.0.1:0"], ": the chat needs a stream; serve it at tcp://"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "chat", TCP, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_people_talk_and_a_name_that_is_free_again_finds_nothing() -> None:
    with Served("chat", TCP) as served:
        with served.connect() as ann, served.connect() as bob:
            assert ann.line() == "What is your name?"
            ann.send("Ann")
            until(ann, "Hello, Ann")
            bob.send("ann", "Bob", "/join tea", "/join lobby", "hello")
            until(bob, "ann is here already; choose another name")
            until(bob, "Hello, Bob")
            until(ann, "Bob: hello")
            ann.send("/msg Bob psst", "/msg Nobody psst", "quit")
            until(ann, "guests have no direct conversations")
            ann.rest()
        with served.connect() as other:
            other.send("Ann", "/who", "/search hello", "quit")
            text = other.rest().decode()
            assert "Bob: hello" in text  # what was said in the lobby is everybody's
            assert "* 1 in lobby: Ann" in text
        assert served.stop()


def test_a_terminal_client_comes_by_websocket(tmp_path: Path) -> None:
    with Served("chat", TCP, "ws://127.0.0.1:0/") as served, served.connect() as ann:
        ann.send("Ann")
        until(ann, "Hello, Ann")
        url = str(served.endpoints[1])
        with Piped("chat", url, "--plain", "--name", "Bob", JACKFIELD_HOME=str(tmp_path)) as bob:
            bob.write("by the terminal\n")
            until(ann, "Bob: by the terminal")
            ann.send("by lines")
            bob.await_output("Ann: by lines")


def test_a_reload_splits_no_chat() -> None:
    with Served("chat", TCP) as served, served.connect() as ann:
        ann.send("Ann")
        until(ann, "Hello, Ann")
        served.process.send_signal(signal.SIGHUP)
        served.await_lines(1, " reloaded ")
        with served.connect() as bob:
            bob.send("Bob", "after the reload")
            until(ann, "Bob: after the reload")
