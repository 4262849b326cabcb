from __future__ import annotations

import pickle
from typing import Any

import pytest

from jackfield import framing
from jackfield.service import find
from jackfield.services.upper import Upper
from tests.live import Live


@pytest.mark.parametrize(
    ("used", "message", "answer"),
    [
        (framing.lines(), "hello", "HELLO"),
        (framing.lines(), "é ß 你好", "É SS 你好"),
        (framing.lines("latin-1"), "é ÿ µ", "É ÿ µ".replace("É", "é")),  # Ÿ and Μ are not in it
        (framing.lines(max_message=7), "xŉŉŉ", "Xŉŉŉ"),  # ʼN is a byte longer than ŉ
        (framing.raw(), "aé".encode(), "Aé".encode()),
        (framing.raw(), b"\xc3", b"\xc3"),
        (framing.json_lines(), "word", "WORD"),
        (framing.json_lines(), {"a": 1}, {"a": 1}),
    ],
)
def test_what_is_turned(used: framing.Framing[Any], message: Any, answer: Any) -> None:
    assert Upper(used)(message) == answer
    used.encode(answer)


def test_one_chunk_one_reply_without_a_line_ending() -> None:
    service = find("upper", framing=framing.raw())
    with Live(service, "tcp://127.0.0.1:0") as live, live.connect() as peer:
        peer.sock.sendall(b"Tracy")
        assert peer.sock.recv(1024) == b"TRACY"


def test_options() -> None:
    with Live(find("upper", once=True), "tcp://127.0.0.1:0") as live, live.connect() as peer:
        assert peer.ask("hello") == "HELLO"
        assert peer.line() == ""


def test_it_can_be_sent_to_a_process() -> None:
    handler: Any = pickle.loads(pickle.dumps(find("upper"))).handler  # noqa: S301  our own
    assert handler.fn("hello") == "HELLO"
