from __future__ import annotations

from typing import Literal

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError, MessageTooLong
from jackfield.framing.length_prefixed import varint
from jackfield.testing import check_framing

MESSAGES = [b"", b"x", b"hello\n", b"\xff" * 127, b"\0" * 128]
Size = Literal[1, 2, 4, 8, "varint"]


@pytest.mark.parametrize(
    ("size", "byteorder", "counts_itself"),
    [
        (1, "big", False),
        (1, "little", True),
        (2, "big", False),
        (2, "little", True),
        (4, "big", True),
        (4, "little", False),
        (8, "big", True),
        (8, "little", False),
    ],
)
def test_it_keeps_the_laws(
    size: Size, byteorder: Literal["big", "little"], counts_itself: bool
) -> None:
    prefixed = framing.length_prefixed(
        size, byteorder, counts_itself=counts_itself, max_message=512
    )

    check_framing(prefixed, MESSAGES, garbage=[b"\0" * 8, b"\x01" * 8, b"\x80" * 8], frame=64)


def test_a_varint_keeps_the_laws() -> None:
    check_framing(
        framing.length_prefixed("varint", max_message=512),
        [*MESSAGES, b"y" * 300],
        frame=64,
        garbage=[b"\x80" * 9 + b"\0", b"\x80" * 11, b"\x85\x00hello"],
    )


@pytest.mark.parametrize(
    ("size", "byteorder", "counts_itself", "expected"),
    [
        (1, "big", False, b"\x05hello"),
        (2, "big", False, b"\0\x05hello"),
        (2, "little", False, b"\x05\0hello"),
        (4, "big", False, b"\0\0\0\x05hello"),
        (4, "little", True, b"\x09\0\0\0hello"),
        (8, "big", True, b"\0\0\0\0\0\0\0\x0dhello"),
        ("varint", "big", False, b"\x05hello"),
    ],
)
def test_what_is_sent(
    size: Size, byteorder: Literal["big", "little"], counts_itself: bool, expected: bytes
) -> None:
    prefixed = framing.length_prefixed(size, byteorder, counts_itself=counts_itself)

    assert prefixed.encode(b"hello") == expected
    assert prefixed.decoder().feed(expected) == [b"hello"]


@pytest.mark.parametrize(
    ("number", "data"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (16384, b"\x80\x80\x01")],
)
def test_varints_are_those_of_protocol_buffers(number: int, data: bytes) -> None:
    assert varint(number) == data


def test_a_varint_may_be_longer_than_it_has_to_be_up_to_10_bytes() -> None:
    prefixed = framing.length_prefixed("varint")

    assert prefixed.decoder().feed(b"\x85" + b"\x80" * 8 + b"\0hello") == [b"hello"]
    decoder = prefixed.decoder()
    assert decoder.feed(b"\x85" + b"\x80" * 9 + b"\0hello") == []
    assert isinstance(decoder.error, BadMessage)


@pytest.mark.parametrize("size", [1, 2, 4, 8, "varint"])
def test_a_length_past_the_bound_is_refused_before_any_of_its_message_is_kept(size: Size) -> None:
    prefixed = framing.length_prefixed(size, max_message=100)
    head = varint(101) if size == "varint" else (101).to_bytes(size)
    decoder = prefixed.decoder()

    assert decoder.feed(prefixed.encode(b"good") + head) == [b"good"]
    assert isinstance(decoder.error, MessageTooLong)


def test_a_whole_message_past_the_bound_is_refused_too() -> None:
    decoder = framing.length_prefixed(1, max_message=4).decoder()

    assert decoder.feed(b"\x04four\x05fives\x04four") == [b"four"]
    assert isinstance(decoder.error, MessageTooLong)


def test_the_largest_length_there_is_asks_for_no_memory() -> None:
    decoder = framing.length_prefixed(8).decoder()

    assert decoder.feed(b"\xff" * 8) == []
    assert isinstance(decoder.error, MessageTooLong)


def test_a_length_that_counts_itself_and_is_smaller_is_refused() -> None:
    decoder = framing.length_prefixed(4, counts_itself=True).decoder()

    assert decoder.feed(b"\0\0\0\x04\0\0\0\x03") == [b""]
    assert isinstance(decoder.error, BadMessage)
    assert "a length of 3 that is to count its own 4 bytes" in str(decoder.error)


def test_need_is_what_the_message_lacks() -> None:
    decoder = framing.length_prefixed(4).decoder()

    decoder.feed(b"\0\0")
    assert decoder.need == 2
    decoder.feed(b"\0\x64")
    assert decoder.need == 100


def test_the_bound_is_no_more_than_the_length_can_say() -> None:
    assert framing.length_prefixed(1).max_message == 255
    assert framing.length_prefixed(1, counts_itself=True).max_message == 254
    assert framing.length_prefixed(2).max_message == 65535
    assert framing.length_prefixed(4).max_message == 65536
    with pytest.raises(LocalProtocolError, match="past the bound of 255"):
        framing.length_prefixed(1).encode(b"x" * 256)


def test_a_message_of_another_type_is_not_sent() -> None:
    for prefixed in (framing.length_prefixed(), framing.length_prefixed("varint")):
        with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
            prefixed.encode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [b"", b"\n", b"text\r\n"])
def test_a_unit_keeps_every_byte_and_has_no_length(unit: bytes) -> None:
    for prefixed in (framing.length_prefixed(), framing.length_prefixed("varint")):
        assert prefixed.decode_unit(unit) == unit
        assert prefixed.encode_unit(unit) == unit


def test_another_size_or_byte_order_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="1, 2, 4 or 8 bytes"):
        framing.length_prefixed(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'middle'"):
        framing.length_prefixed(4, "middle")  # type: ignore[arg-type]


def test_a_varint_has_no_options() -> None:
    with pytest.raises(ConfigurationError, match="neither option"):
        framing.length_prefixed("varint", "little")
    with pytest.raises(ConfigurationError, match="neither option"):
        framing.length_prefixed("varint", counts_itself=True)


def test_a_refusal_is_a_message_of_text() -> None:
    assert framing.length_prefixed(2).refusal("满") == b"\0\x0aerror: " + "满".encode()
    assert framing.length_prefixed("varint").refusal("no") == b"\x09error: no"
    assert framing.length_prefixed(1, max_message=4).refusal("no") == b"\x04erro"
