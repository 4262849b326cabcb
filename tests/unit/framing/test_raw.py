from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import LocalProtocolError, MessageTooLong
from jackfield.framing.raw import CHUNK
from jackfield.testing import check_framing


def test_each_feed_is_a_message() -> None:
    decoder = framing.raw().decoder()

    assert decoder.feed(b"one") == [b"one"]
    assert decoder.feed(b"two") == [b"two"]
    assert decoder.feed(b"") == []
    decoder.finish()
    assert decoder.error is None


def test_raw_keeps_no_boundaries_and_so_breaks_the_laws() -> None:
    with pytest.raises(AssertionError, match="Raw breaks the law 'round trip'"):
        check_framing(framing.raw(max_message=512), [b"one", b"two"])
    with pytest.raises(AssertionError, match="Raw breaks the law 'any cut'"):
        check_framing(framing.raw(max_message=512), [b"one"])


def test_a_chunk_past_the_bound_arrives_in_parts() -> None:
    decoder = framing.raw(max_message=4).decoder()

    assert decoder.feed(b"0123456789") == [b"0123", b"4567", b"89"]


def test_a_read_is_not_to_be_sliced() -> None:
    decoder = framing.raw().decoder()

    assert decoder.need == CHUNK
    decoder.feed(b"x")
    assert decoder.need == CHUNK
    assert framing.raw(max_message=10).decoder().need == 10


def test_rest_gives_the_chunks_that_were_not_read() -> None:
    decoder = framing.raw(max_message=4).decoder()

    decoder.feed(b"0123456789")

    assert decoder.rest(3) == b"0123456789"
    assert decoder.rest(1) == b"89"
    assert decoder.rest(0) == b""


def test_bytes_are_sent_as_they_are() -> None:
    assert framing.raw(max_message=2).encode(b"longer") == b"longer"
    assert framing.raw().encode(bytearray(b"x")) == b"x"  # type: ignore[arg-type]


def test_nothing_cannot_be_sent_over_a_stream() -> None:
    with pytest.raises(LocalProtocolError, match="an empty chunk"):
        framing.raw().encode(b"")


def test_text_cannot_be_sent() -> None:
    with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
        framing.raw().encode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [b"", b"\n", b"text\r\n", b"\0"])
def test_a_unit_keeps_every_byte_and_may_be_empty(unit: bytes) -> None:
    raw = framing.raw()

    assert raw.decode_unit(unit) == unit
    assert raw.encode_unit(unit) == unit


def test_a_unit_past_the_bound_is_refused() -> None:
    with pytest.raises(MessageTooLong):
        framing.raw(max_message=4).decode_unit(b"fives")


def test_a_refusal_is_a_line_of_text() -> None:
    assert framing.raw().refusal("too many\nconnections") == b"error: too many connections\n"
