from __future__ import annotations

import pickle

from jackfield import framing
from jackfield.service import find
from tests.live import Live


def test_bytes_come_back_as_they_went() -> None:
    data = bytes(range(256)) * 1000
    with Live(find("echo"), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.sock.sendall(data)
        peer.sock.shutdown(1)
        assert peer.rest() == data


def test_lines_come_back_as_lines() -> None:
    service = find("echo", framing=framing.lines(), once=True)
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        assert peer.ask("hello") == "hello"
        assert peer.line() == ""


def test_an_empty_datagram_is_echoed_too() -> None:
    with Live(find("echo"), "udp://127.0.0.1:0") as live, live.connect() as peer:
        peer.sock.send(b"")
        assert peer.sock.recv(10) == b""


def test_it_can_be_sent_to_a_process() -> None:
    service = find("echo", delay=1.0)
    assert pickle.loads(pickle.dumps(service)).handler == service.handler  # noqa: S301  our own
