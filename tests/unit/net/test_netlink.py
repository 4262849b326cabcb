"""What the kernel says by netlink is cut into messages and attributes, whatever it is."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.net import netlink as module

ERROR, DONE = 2, 3


def message(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload


@given(st.binary(max_size=200))
def test_any_bytes_are_cut(data: bytes) -> None:
    """Whatever bytes hold, messages and attributes lie inside them."""
    assert sum(16 + len(payload) for _, _, payload in module.messages(data)) <= len(data)
    assert sum(4 + len(value) for value in module.attributes(data).values()) <= len(data)


@given(st.lists(st.tuples(st.integers(0, 99), st.binary(max_size=20)), max_size=9))
def test_messages_survive(told: list[tuple[int, bytes]]) -> None:
    """Messages joined as the kernel pads them are cut into the same messages."""
    data = b"".join(message(kind, payload) + b"\0" * (-len(payload) % 4) for kind, payload in told)
    assert [(kind, payload) for kind, _, payload in module.messages(data)] == told


def ask(*answers: bytes) -> tuple[bool, list[tuple[int, bytes]]]:
    """Ask a socket that has these answers."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told: list[tuple[int, bytes]] = []
    with ours, kernel:
        for answer in answers:
            kernel.send(answer)
        kernel.shutdown(socket.SHUT_WR)
        return module.ask_all(ours, 18, b"", told), told


def test_answers_are_read_until_the_last() -> None:
    assert ask(message(5, b"one!") + message(5, b"two!"), message(5, b"3"), message(DONE)) == (
        True,
        [(5, b"one!"), (5, b"two!"), (5, b"3")],
    )


def test_tables_that_changed_meanwhile_are_noticed() -> None:
    assert ask(message(5, b"1", flags=0x12), message(DONE)) == (False, [(5, b"1")])


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(OSError, match="does not tell"):
        ask(message(ERROR, struct.pack("=i", -1)))


def test_answers_that_end_early_are_an_error() -> None:
    with pytest.raises(OSError, match="does not end"):
        ask(message(5, b"1"))


def test_answers_without_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 40)
    with pytest.raises(OSError, match="does not end"):
        ask(*[message(5, b"1")] * 3)


def ask_one(*answers: bytes) -> tuple[int, bytes]:
    """Ask a socket that has these answers for one message."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, kernel:
        for answer in answers:
            kernel.send(answer)
        kernel.shutdown(socket.SHUT_WR)
        return module.ask_one(ours, 26, b"")


def test_one_message_is_given() -> None:
    assert ask_one(message(24, b"route") + message(24, b"more")) == (24, b"route")


def test_an_error_is_raised_by_its_number() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENETUNREACH)) as caught:
        ask_one(message(ERROR, struct.pack("=i", -errno.ENETUNREACH)))
    assert caught.value.errno == errno.ENETUNREACH


@pytest.mark.parametrize("number", [0, 7, -5000, -(2**31)])
def test_an_error_without_a_number_is_one_too(number: int) -> None:
    with pytest.raises(OSError, match="does not answer"):
        ask_one(message(ERROR, struct.pack("=i", number)))


@pytest.mark.parametrize("answers", [[], [b"short"]])
def test_no_answer_is_an_error(answers: list[bytes]) -> None:
    with pytest.raises(OSError, match="does not answer"):
        ask_one(*answers)


@given(st.integers(0, 0x3FFF), st.binary(max_size=40))
def test_an_attribute_survives(kind: int, value: bytes) -> None:
    """An attribute as it is asked by is cut into the same, and ends on a multiple of four."""
    made = module.attribute(kind, value)
    assert len(made) % 4 == 0
    assert module.attributes(made) == {kind: value}
