from __future__ import annotations

from typing import Any

import pytest

from jackfield.cli.messages import Incoming, Outgoing
from jackfield.errors import LocalProtocolError
from jackfield.framing.names import parse


@pytest.mark.parametrize(
    ("framing", "line", "message"),
    [
        ("raw", "hello", b"hello\n"),
        ("raw", "", b"\n"),
        ("lines", "世界", "世界"),
        ("lines:gbk", "世界", "世界"),
        ("lines:bytes", "世", "世".encode()),
        ("delimited:0x00,utf-8", "a", "a"),
        ("length:2", "", b""),
        ("netstring", "a b", b"a b"),
        ("fixed:3", "abc", b"abc"),
        ("json", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", "3", 3),
    ],
)
def test_a_line_typed_is_a_message(framing: str, line: str, message: Any) -> None:
    assert Outgoing(parse(framing)).typed(line) == message


@pytest.mark.parametrize(
    ("framing", "line", "says"),
    [
        ("json", b"{", "a line that is not JSON"),
        ("json", b"[" * 1000, "nested deeper"),
        ("lines", b"\xff", "a line that is not UTF-8"),
    ],
)
def test_a_line_that_is_no_message_is_refused(framing: str, line: bytes, says: str) -> None:
    with pytest.raises(LocalProtocolError, match=says):
        Outgoing(parse(framing)).read(line)


@pytest.mark.parametrize(
    ("framing", "line", "message"),
    [
        ("raw", "0x 48 69", b"Hi"),
        ("raw", "0x48:69:0a", b"Hi\n"),
        ("raw", "0x48 0x69", b"Hi"),
        ("raw", "0x", b""),
        ("raw", "48 69", b"48 69\n"),
        ("length:2", "0x00", b"\0"),
        ("lines", "0x48", "H"),
    ],
)
def test_hexadecimal_is_typed_after_0x(framing: str, line: str, message: Any) -> None:
    assert Outgoing(parse(framing), hexadecimal=True).typed(line) == message


def test_hexadecimal_that_is_none_is_refused() -> None:
    outgoing = Outgoing(parse("raw"), hexadecimal=True)
    with pytest.raises(LocalProtocolError, match="as in 0x 48 69 0a"):
        outgoing.typed("0x4")
    assert Outgoing(parse("raw")).typed("0x4") == b"0x4\n"


@pytest.mark.parametrize(
    ("framing", "message", "line"),
    [
        ("raw", b"\x1b\r\n\xff", b"\x1b\r\n\xff"),
        ("lines", "世\x1b", "世\x1b\n".encode()),
        ("length:2", b"\xff", b"\xff\n"),
        ("json", {"a": "世"}, '{"a":"世"}\n'.encode()),
    ],
)
def test_into_a_pipe_messages_go_as_they_are(framing: str, message: Any, line: bytes) -> None:
    incoming = Incoming(parse(framing), shown=False, hexadecimal=False)
    assert incoming.exact(message) == line
    assert incoming.end() == ""


def test_what_is_shown_is_safe_however_it_is_cut() -> None:
    data = "a\x1b[1mé\r\nb\rc\n世".encode()
    for size in range(1, len(data) + 1):
        incoming = Incoming(parse("raw"), shown=True, hexadecimal=False)
        parts = [incoming.text(data[at : at + size]) for at in range(0, len(data), size)]
        assert "".join(parts) + incoming.end() == "a\\x1b[1mé\nb\\rc\n世"


def test_the_end_shows_what_was_held_back() -> None:
    incoming = Incoming(parse("raw"), shown=True, hexadecimal=False)
    assert incoming.text(b"a\r") == "a"
    assert incoming.end() == "\\r"
    incoming = Incoming(parse("raw"), shown=True, hexadecimal=False)
    assert incoming.text("世".encode()[:2]) == ""
    assert incoming.end() == "\\xe4\\xb8"


def test_shown_messages_are_safe_lines() -> None:
    incoming = Incoming(parse("length:2"), shown=True, hexadecimal=False)
    assert incoming.text(b"\x1bx\xff") == "\\x1bx\\xff\n"
    assert incoming.exact(b"\x1bx") == b"\\x1bx\n"


def test_a_dump_is_that_of_hexdump() -> None:
    stream = Incoming(parse("raw"), shown=False, hexadecimal=True)
    assert stream.text(b"0123456789abcdef~") == (
        "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
        "00000010  7e                                                |~|\n"
    )
    assert stream.exact(b"\x7f").startswith(b"00000011  7f ")
    messages = Incoming(parse("lines"), shown=False, hexadecimal=True)
    for _ in range(2):
        assert messages.text("é").startswith("00000000  c3 a9 ")
    assert messages.text("").startswith("00000000   ")
    assert messages.end() == ""
