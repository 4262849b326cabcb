from __future__ import annotations

import socket

import pytest

from jackfield import framing
from jackfield.errors import ConfigurationError
from jackfield.events import ConnectionEnded, HandlerFailed
from jackfield.service import find
from jackfield.services.greet import MOST_NAME, greeting
from tests.live import Live


@pytest.mark.parametrize("word", ["quit", "exit", "q", "Q"])
def test_a_conversation(word: str) -> None:
    with Live(find("greet"), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        assert peer.line() == "Welcome!"
        assert peer.ask("Tracy") == "Hello, Tracy!"
        assert peer.ask("  小明 ") == "Hello, 小明!"
        assert peer.ask("") == "Please send a name."
        peer.send(word)
        assert peer.line() == ""


def test_bare_sockets_get_what_they_expect_over_raw() -> None:
    service = find("greet", framing=framing.raw())
    with (
        Live(service, "tcp://127.0.0.1:0") as live,
        socket.create_connection((live.endpoints[0].host, live.endpoints[0].port)) as sock,
    ):
        sock.settimeout(20)
        assert sock.recv(1024) == b"Welcome!"
        for name in (b"Michael", b"Tracy", "小明".encode("gbk")):
            sock.sendall(name)
            assert sock.recv(1024) == b"Hello, " + name + b"!"
        sock.sendall(b"exit")
        assert sock.recv(1024) == b""


def test_datagrams_are_answered_one_by_one() -> None:
    with Live(find("greet"), "udp://127.0.0.1:0") as live, live.connect() as peer:
        assert peer.ask("Michael") == "Hello, Michael!"
        peer.send("quit")
        live.await_event(ConnectionEnded)  # the next datagram begins another session
        assert peer.ask("Tracy") == "Hello, Tracy!"


def test_once() -> None:
    with (
        Live(find("greet", once=True, delay=0.01), "tcp://127.0.0.1:0") as live,
        live.connect() as peer,
    ):
        assert peer.line() == "Welcome!"
        assert peer.ask("Tracy") == "Hello, Tracy!"
        assert peer.line() == ""


def test_a_name_too_long_to_greet_breaks_nothing() -> None:
    with Live(find("greet"), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.line()
        assert peer.ask("x" * 65536).startswith("Please send a shorter name")
        assert peer.ask("x" * MOST_NAME) == greeting("x" * MOST_NAME)
        assert not live.of(HandlerFailed)


def test_a_framing_without_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="greet speaks text"):
        find("greet", framing=framing.fixed(8))
