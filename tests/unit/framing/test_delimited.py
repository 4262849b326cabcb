from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError, MessageTooLong
from jackfield.testing import check_framing


@pytest.mark.parametrize("delimiter", [b"\0", b"\r\n\r\n", b"aa", b"aab", b"\xff" * 16])
def test_bytes_keep_the_laws(delimiter: bytes) -> None:
    check_framing(
        framing.delimited(delimiter, max_message=512),
        [b"", b"x", b"two\nlines", b"y\xfe" * 200],
        frame=64,
        garbage=[delimiter[:-1] * 3, delimiter * 3, delimiter[1:] + delimiter, b"a" * 9 + b"b"],
    )


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16-le"])
def test_text_keeps_the_laws(encoding: str) -> None:
    check_framing(
        framing.delimited(b"||", encoding, max_message=512),
        ["", "x", "中文", "a|b", "two\nlines"],
        frame=64,
        garbage=[b"good||\x81||\xff||"],
    )


def test_a_message_ends_at_its_delimiter() -> None:
    decoder = framing.delimited().decoder()

    assert decoder.feed(b"one\0two\n\0\0hal") == [b"one", b"two\n", b""]
    assert decoder.feed(b"f\0") == [b"half"]


def test_a_delimiter_may_come_in_two_parts() -> None:
    decoder = framing.delimited(b"\r\n\r\n").decoder()

    assert decoder.feed(b"head\r\n\r") == []
    assert decoder.feed(b"\nbody") == [b"head"]


def test_text_that_is_not_in_the_encoding_is_refused_after_what_is() -> None:
    decoder = framing.delimited(b"\0", "utf-8").decoder()

    assert decoder.feed("中".encode() + b"\0\xff\0never\0") == ["中"]
    assert isinstance(decoder.error, BadMessage)


@pytest.mark.parametrize("size", [3, 4, 5, 6])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_bound_is_on_the_message_without_its_delimiter(size: int, one_by_one: bool) -> None:
    decoder = framing.delimited(b"--", max_message=4).decoder()
    stream = b"a--" + b"x" * size + b"--"

    given = []
    for chunk in [stream[at : at + 1] for at in range(len(stream))] if one_by_one else [stream]:
        given += decoder.feed(chunk)

    assert given == ([b"a", b"x" * size] if size <= 4 else [b"a"])
    assert size <= 4 or isinstance(decoder.error, MessageTooLong)


@pytest.mark.parametrize(
    ("delimiter", "message"), [(b"\0", b"a\0b"), (b"aa", b"xa"), (b"--", b"x-"), (b"--", b"--")]
)
def test_a_message_that_would_end_early_is_not_sent(delimiter: bytes, message: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="would arrive as two"):
        framing.delimited(delimiter).encode(message)


def test_a_message_past_the_bound_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="past the bound of 4"):
        framing.delimited(max_message=4).encode(b"fives")
    with pytest.raises(LocalProtocolError, match="past the bound of 4"):
        framing.delimited(encoding="utf-8", max_message=4).encode("中文")


def test_a_message_of_another_type_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
        framing.delimited().encode("text")  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="is str, but this one is bytes"):
        framing.delimited(encoding="utf-8").encode(b"bytes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "message"),
    [(b"", b""), (b"x", b"x"), (b"x||", b"x"), (b"x||||", b"x||"), (b"a||b", b"a||b")],
)
def test_a_unit_loses_one_delimiter_and_comes_back_as_it_was(unit: bytes, message: bytes) -> None:
    octets, text = framing.delimited(b"||"), framing.delimited(b"||", "utf-8")

    assert octets.decode_unit(unit) == message
    assert text.decode_unit(unit) == message.decode()
    assert octets.decode_unit(octets.encode_unit(message)) == message
    assert text.decode_unit(text.encode_unit(message.decode())) == message.decode()


def test_a_unit_has_the_same_bound() -> None:
    with pytest.raises(MessageTooLong):
        framing.delimited(max_message=4).decode_unit(b"fives\0")


@pytest.mark.parametrize("delimiter", [b"", b"x" * 17, "\0"])
def test_a_delimiter_is_1_to_16_bytes(delimiter: bytes) -> None:
    with pytest.raises(ConfigurationError, match="1 to 16 bytes"):
        framing.delimited(delimiter)


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no text encoding called 'klingon'"):
        framing.delimited(encoding="klingon")


def test_a_refusal_is_one_message_if_it_can_be_one() -> None:
    assert framing.delimited().refusal("busy") == b"error: busy\0"
    assert framing.delimited(encoding="gbk").refusal("满😀") == "error: 满?\0".encode("gbk")
    assert framing.delimited(b" ").refusal("busy") == b"error: "  # as far as it goes
    assert framing.delimited(b"e").refusal("busy") == b""
