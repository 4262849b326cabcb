from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, LocalProtocolError, MessageTooLong
from jackfield.testing import check_framing

MESSAGES: list[str | bytes] = ["", b"", "text", b"bytes", "grün", b"\xff\0", "x" * 500]


def test_laws() -> None:
    check_framing(
        framing.text_or_binary(512), MESSAGES, garbage=[b"\0\0\0\0\1", b"\0\0\0\2\3a"], frame=64
    )


def test_what_is_no_message() -> None:
    text_or_binary = framing.text_or_binary(10)
    for unit in (b"", b"\3a", b"\1\xff"):
        with pytest.raises(BadMessage):
            text_or_binary.decode_unit(unit)
    with pytest.raises(MessageTooLong):
        text_or_binary.decode_unit(b"\2" + bytes(11))
    decoder = text_or_binary.decoder()
    decoder.feed(b"\0\0\0\x0c\2")
    assert isinstance(decoder.error, MessageTooLong)


def test_what_cannot_be_sent() -> None:
    text_or_binary = framing.text_or_binary(10)
    for message in ("\udcff", "ü" * 6, bytes(11), 5):
        with pytest.raises(LocalProtocolError):
            text_or_binary.encode(message)  # type: ignore[arg-type]  # that is the point
    assert text_or_binary.encode_unit(bytearray(b"a")) == b"\2a"  # type: ignore[arg-type]  # it is taken


def test_a_refusal_is_text() -> None:
    decoder = framing.text_or_binary().decoder()
    assert decoder.feed(framing.text_or_binary().refusal("full\nup")) == ["error: full up"]
