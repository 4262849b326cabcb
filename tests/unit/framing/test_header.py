from __future__ import annotations

from typing import Any

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError, MessageTooLong
from jackfield.framing import HeaderMessage
from jackfield.testing import check_framing


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (framing.header(">2sBI", length=2, adjust=-7, max_message=512), (b"JF", 1)),
        (framing.header("<HbxQ", length=0, max_message=512), (-1, 2**64 - 1)),
        (framing.header("!hBf", length=0, adjust=3, max_message=512), (255, 0.5)),
        (framing.header("=B", length=-1, max_message=255), ()),
    ],
)
def test_it_keeps_the_laws(header: framing.Framing[HeaderMessage], fields: tuple[Any, ...]) -> None:
    check_framing(
        header, [HeaderMessage(fields, payload) for payload in (b"", b"x", b"\n" * 99)], frame=64
    )


def test_the_length_field_is_filled_in_and_left_out() -> None:
    header = framing.header(">2sBI", length=2, adjust=-7)
    data = b"JF\x01\0\0\0\x0chello"

    assert header.encode(HeaderMessage((b"JF", 1), b"hello")) == data
    assert header.decoder().feed(data) == [HeaderMessage((b"JF", 1), b"hello")]
    (message,) = header.decoder().feed(data)
    assert message.fields == (b"JF", 1)
    assert message.payload == b"hello"


def test_a_plain_tuple_can_be_sent() -> None:
    header = framing.header(">BH", length=1)

    assert header.encode(([7], b"x")) == b"\x07\0\x01x"  # type: ignore[arg-type]


def test_a_length_may_count_less_than_what_follows() -> None:
    header = framing.header(">H", length=0, adjust=2)  # a length that leaves out a checksum

    assert header.encode(HeaderMessage((), b"dataCK")) == b"\0\x04dataCK"
    assert header.decoder().feed(b"\0\x04dataCK") == [HeaderMessage((), b"dataCK")]
    with pytest.raises(LocalProtocolError, match="cannot carry"):
        header.encode(HeaderMessage((), b"K"))


def test_a_length_less_than_its_own_part_is_refused() -> None:
    decoder = framing.header(">H", length=0, adjust=-2).decoder()

    assert decoder.feed(b"\0\x02\0\x01") == [HeaderMessage((), b"")]
    assert isinstance(decoder.error, BadMessage)
    assert "a length field of 1, which with -2 to add" in str(decoder.error)


def test_a_negative_length_is_refused() -> None:
    decoder = framing.header(">h", length=0).decoder()

    decoder.feed(b"\xff\xff")

    assert isinstance(decoder.error, BadMessage)


def test_a_length_past_the_bound_is_refused_before_any_of_its_payload_is_kept() -> None:
    decoder = framing.header(">BI", length=1, max_message=100).decoder()

    assert decoder.feed(b"\0\0\0\0\x01x" + b"\0\0\0\0\x65") == [HeaderMessage((0,), b"x")]
    assert isinstance(decoder.error, MessageTooLong)


def test_need_is_what_the_message_lacks() -> None:
    decoder = framing.header(">BI", length=1).decoder()

    decoder.feed(b"\0")
    assert decoder.need == 4
    decoder.feed(b"\0\0\0\x64")
    assert decoder.need == 100


@pytest.mark.parametrize(
    ("fields", "payload", "why"),
    [
        ((1,), b"", "cannot carry"),
        ((b"JF", 1, 1), b"", "cannot carry"),
        ((b"JF", 256), b"", "cannot carry"),
        (("JF", 1), b"", "cannot carry"),
        ((b"LONG", 1), b"", "has 2 bytes for b'LONG'"),
        ((b"JF", 1), b"x" * 101, "past the bound of 100"),
        ((b"JF", 1), "text", "is bytes, but this one is str"),
    ],
)
def test_what_would_not_arrive_as_it_is_is_not_sent(
    fields: tuple[Any, ...], payload: Any, why: str
) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        framing.header(">2sBI", length=2, max_message=100).encode(HeaderMessage(fields, payload))


def test_a_float_too_large_for_its_field_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="cannot carry"):
        framing.header(">fB", length=1).encode(HeaderMessage((1e300,), b""))


def test_a_payload_longer_than_the_length_field_can_say_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="cannot carry"):
        framing.header(">B", length=0).encode(HeaderMessage((), b"x" * 256))


@pytest.mark.parametrize("message", [b"bytes", 1, None, (1, b"x"), ((), b"x", 1)])
def test_a_message_of_another_shape_is_not_sent(message: Any) -> None:
    with pytest.raises(LocalProtocolError, match="HeaderMessage"):
        framing.header(">B", length=0).encode(message)


def test_short_bytes_in_a_field_are_padded_as_struct_does() -> None:
    header = framing.header(">4sB", length=1)

    (message,) = header.decoder().feed(header.encode(HeaderMessage((b"ab",), b"")))

    assert message.fields == (b"ab\0\0",)


def test_a_unit_holds_the_header_and_exactly_its_payload() -> None:
    header = framing.header(">BH", length=1)
    message = HeaderMessage((7,), b"hi\n")

    assert header.encode_unit(message) == b"\x07\0\x03hi\n"
    assert header.decode_unit(b"\x07\0\x03hi\n") == message
    with pytest.raises(BadMessage, match="announces 3 bytes, with 2 behind it"):
        header.decode_unit(b"\x07\0\x03hi")
    with pytest.raises(BadMessage, match="announces 3 bytes, with 4 behind it"):
        header.decode_unit(b"\x07\0\x03hi\n\n")
    with pytest.raises(BadMessage, match="shorter than its header of 3"):
        header.decode_unit(b"")


@pytest.mark.parametrize("format", ["2sBI", "@I", "", " >I"])
def test_a_format_without_a_byte_order_is_refused(format: str) -> None:  # noqa: A002
    with pytest.raises(ConfigurationError, match="no byte order"):
        framing.header(format, length=0)


@pytest.mark.parametrize("format", [">y", ">P", ">1"])
def test_what_is_no_struct_format_is_refused(format: str) -> None:  # noqa: A002
    with pytest.raises(ConfigurationError, match="no struct format"):
        framing.header(format, length=0)


@pytest.mark.parametrize("length", [0, 1, 2, 4, -2, -5])
def test_a_length_field_is_an_integer_of_the_header(length: int) -> None:
    with pytest.raises(ConfigurationError, match=r"no integer.*integers are at \[3\]"):
        framing.header(">2sf?I", length=length)


def test_there_is_no_way_to_say_why_a_peer_is_refused() -> None:
    assert framing.header(">B", length=0).refusal("busy") == b""
