from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, LocalProtocolError, MessageTooLong
from jackfield.testing import check_framing


@pytest.mark.parametrize("max_message", [9, 512])
def test_it_keeps_the_laws(max_message: int) -> None:
    check_framing(
        framing.netstring(max_message),
        [b"", b"x", b"1:,", b"\xff\0,,"],
        frame=64,
        garbage=[b"00:,", b"01:x,", b":,", b"1:xy", b"999999999999999999:", b"-1:,", b"1 :x,"],
    )


def test_netstrings_are_those_of_bernstein() -> None:
    netstring = framing.netstring()

    assert netstring.encode(b"hello world!") == b"12:hello world!,"
    assert netstring.encode(b"") == b"0:,"
    assert netstring.decoder().feed(b"12:hello world!,0:,1") == [b"hello world!", b""]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"00:,", "begins with its length and a colon.*not b'00'"),
        (b"01:x,", "not b'01'"),
        (b":,", "not b':'"),
        (b"hello", "not b'h'"),
        (b"1x", "not b'1x'"),
        (b"-1:,", "not b'-'"),
        (b"1:xy", "of 1 bytes that does not end with a comma"),
    ],
)
def test_what_is_no_netstring_is_refused(data: bytes, why: str) -> None:
    decoder = framing.netstring().decoder()

    assert decoder.feed(b"4:good," + data) == [b"good"]
    assert isinstance(decoder.error, BadMessage)
    with pytest.raises(BadMessage, match=why):
        raise decoder.error


@pytest.mark.parametrize("data", [b"101", b"101:", b"9" * 4096])
def test_a_length_past_the_bound_is_refused_as_soon_as_it_is_read(data: bytes) -> None:
    decoder = framing.netstring(max_message=100).decoder()

    assert decoder.feed(data) == []
    assert isinstance(decoder.error, MessageTooLong)


def test_need_is_what_the_message_lacks() -> None:
    decoder = framing.netstring().decoder()

    decoder.feed(b"100:")

    assert decoder.need == 101


def test_a_message_past_the_bound_or_of_another_type_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="past the bound of 4"):
        framing.netstring(max_message=4).encode(b"fives")
    with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
        framing.netstring().encode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [b"", b"\n", b"5:hello,"])
def test_a_unit_keeps_every_byte_and_has_no_length(unit: bytes) -> None:
    assert framing.netstring().decode_unit(unit) == unit
    assert framing.netstring().encode_unit(unit) == unit


def test_a_refusal_is_a_message_of_text() -> None:
    assert framing.netstring().refusal("busy") == b"11:error: busy,"
