from __future__ import annotations

import codecs
import encodings.aliases
import random
from typing import Literal

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError, MessageTooLong
from jackfield.framing.text import FAITHFUL
from jackfield.testing import check_framing

TEXTS = ["", "a", "hello", "中文", "a\rb", "\tx \0", "x" * 300]
GARBAGE = [b"\r\n", b"\n\n\r\r\n", b"\xff\n", b"good\n\x81\nbad", b"x" * 513 + b"\r\n"]

OTHER_CHARACTERS = "".join(chr(code) for code in range(0x11000) if code not in {10, 13})
OTHER_BYTES = [bytes((octet,)) for octet in range(256) if octet not in {10, 13}]
OTHER_PAIRS = b"".join(one + two for one in OTHER_BYTES for two in OTHER_BYTES)


def usable() -> list[str]:
    """Give every encoding of Python's that lines take."""
    found = set()
    for name in [*encodings.aliases.aliases.values(), "utf-8-sig", "idna", "punycode", "charmap"]:
        try:
            found.add(framing.lines(name).encoding)
        except ConfigurationError:
            continue
    return sorted(found)


@pytest.mark.parametrize(
    ("encoding", "ending"),
    [("utf-8", "\n"), ("utf-8", "\r\n"), ("gbk", "\n"), ("iso2022_jp", "\n"), ("hz", "\r\n")],
)
def test_text_keeps_the_laws(encoding: str, ending: Literal["\n", "\r\n"]) -> None:
    lines = framing.lines(encoding, max_message=512, ending=ending)

    check_framing(lines, TEXTS, garbage=GARBAGE, frame=64)


def test_bytes_keep_the_laws() -> None:
    lines = framing.lines(None, max_message=512)

    check_framing(
        lines, [*(text.encode() for text in TEXTS), b"\xff\xfe"], garbage=GARBAGE, frame=64
    )


@pytest.mark.parametrize("encoding", ["utf-8", None])
def test_both_endings_are_taken_and_all_crs_before_them_dropped(encoding: str | None) -> None:
    decoder = (framing.lines() if encoding else framing.lines(None)).decoder()

    given = decoder.feed(b"lf\ncrlf\r\n\r\r\nin\rside\r\r\n")

    assert given in (["lf", "crlf", "", "in\rside"], [b"lf", b"crlf", b"", b"in\rside"])


def test_the_ending_that_is_sent_can_be_chosen() -> None:
    assert framing.lines().encode("x") == b"x\n"
    assert framing.lines(ending="\r\n").encode("x") == b"x\r\n"
    assert framing.lines(None, ending="\r\n").encode(b"x") == b"x\r\n"
    assert framing.lines(None).encode(bytearray(b"x")) == b"x\n"  # type: ignore[arg-type]


def test_text_is_in_its_encoding() -> None:
    assert framing.lines("gbk").encode("中文") == b"\xd6\xd0\xce\xc4\n"
    assert framing.lines("gbk").decoder().feed(b"\xd6\xd0\xce\xc4\n") == ["中文"]


def test_bytes_that_are_not_in_the_encoding_end_what_can_be_received() -> None:
    decoder = framing.lines().decoder()

    assert decoder.feed(b"good\n\xff bad\nnever\n") == ["good"]
    assert isinstance(decoder.error, BadMessage)
    assert "not utf-8" in str(decoder.error)
    assert "\n" not in str(decoder.error)


@pytest.mark.parametrize("size", [99, 100, 101, 102, 103])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "hz", None])
def test_the_bound_is_on_the_line_without_its_ending(
    size: int, ending: bytes, encoding: str | None
) -> None:
    lines = framing.lines(encoding, max_message=100) if encoding else None
    decoder = (lines or framing.lines(None, max_message=100)).decoder()
    line = b"x" * size

    given = decoder.feed(b"a\n" + line + ending + b"b\n")

    assert len(given) == (3 if size <= 100 else 1)
    assert (decoder.error is None) == (size <= 100)
    assert size <= 100 or isinstance(decoder.error, MessageTooLong)


def test_many_lines_within_the_bound_may_be_more_than_it_together() -> None:
    assert framing.lines(max_message=4).decoder().feed(b"four\n" * 9 + b"fi") == ["four"] * 9
    assert framing.lines(None, max_message=4).decoder().feed(b"four\n" * 9) == [b"four"] * 9


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("two\nlines", "would arrive as two"),
        ("ends\n", "would arrive as two"),
        ("ends\r", "ends with a carriage return"),
        ("x" * 101, "a message of 101 bytes, past the bound of 100"),
        ("中" * 34, "a message of 102 bytes, past the bound of 100"),
        ("\ud800", "that utf-8 cannot carry"),
    ],
)
def test_a_line_that_would_not_arrive_as_it_is_is_not_sent(line: str, why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        framing.lines(max_message=100).encode(line)
    if line.isprintable() or line.isspace() or line[-1] in "\r\ns":
        with pytest.raises(LocalProtocolError, match=why):
            framing.lines(None, max_message=100).encode(line.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "iso2022_kr"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", [[], [""], ["a", "가", "b"], ["in\rside"], ["x" * 50] * 9])
def test_lines_encoded_at_once_are_those_encoded_one_by_one(
    encoding: str, ending: Literal["\n", "\r\n"], lines: list[str]
) -> None:
    if encoding == "gbk":
        lines = [line.replace("가", "中") for line in lines]
    one = framing.lines(encoding, max_message=100, ending=ending)

    assert one.encode_all(lines) == b"".join(map(one.encode, lines))


@pytest.mark.parametrize("line", ["two\nlines", "ends\r", "x" * 101, "\ud800", b"bytes"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_one_that_cannot_be_sent_among_many_stops_them_all(
    line: str, ending: Literal["\n", "\r\n"]
) -> None:
    with pytest.raises(LocalProtocolError):
        framing.lines(max_message=100, ending=ending).encode_all(["good", line, "good"])


def test_a_message_of_another_type_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="is str, but this one is bytes"):
        framing.lines().encode(b"bytes")  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
        framing.lines(None).encode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoding", "character"), [("shift_jis", "¥"), ("euc_jp", "‾"), ("iso2022_jp", "\x1b")]
)
def test_a_character_that_would_arrive_as_another_is_not_sent(
    encoding: str, character: str
) -> None:
    lines = framing.lines(encoding)

    assert lines.decoder().feed(lines.encode("日本")) == ["日本"]
    with pytest.raises(LocalProtocolError):
        lines.encode(character)
    with pytest.raises(LocalProtocolError):
        lines.encode_unit(character)


def test_a_character_the_encoding_lacks_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="that gbk cannot carry"):
        framing.lines("gbk").encode("😀")


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        (b"", ""),
        (b"\n", ""),
        (b"x", "x"),
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b"two\nlines\n", "two\nlines"),
    ],
)
def test_a_unit_loses_one_line_ending_and_comes_back_as_it_was(unit: bytes, line: str) -> None:
    text, octets = framing.lines(), framing.lines(None)

    assert text.decode_unit(unit) == line
    assert octets.decode_unit(unit) == line.encode()
    assert text.decode_unit(text.encode_unit(line)) == line
    assert octets.decode_unit(octets.encode_unit(line.encode())) == line.encode()


def test_a_unit_has_the_same_bound() -> None:
    lines = framing.lines(max_message=4)

    assert lines.decode_unit(b"four\r\n") == "four"
    with pytest.raises(MessageTooLong, match="of 5 bytes, past the bound of 4"):
        lines.decode_unit(b"fives\n")
    with pytest.raises(LocalProtocolError, match="past the bound"):
        lines.encode_unit("fives")
    with pytest.raises(LocalProtocolError, match="carriage return"):
        lines.encode_unit("x\r")


def test_a_refusal_is_one_line_in_the_encoding() -> None:
    assert framing.lines().refusal("满\n了") == "error: 满 了\n".encode()
    assert framing.lines("gbk").refusal("满😀") == "error: 满?\n".encode("gbk")
    assert framing.lines(None).refusal("busy") == b"error: busy\n"


@pytest.mark.parametrize(
    ("most", "told"), [(1, "e"), (4, "erro"), (11, "error: a "), (12, "error: a 长")]
)
def test_a_refusal_past_the_bound_is_cut_to_fit(most: int, told: str) -> None:
    assert framing.lines(max_message=most).refusal("a 长 reason") == f"{told}\n".encode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp037", "utf-8-sig"])
def test_an_encoding_with_another_line_ending_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the byte 0x0A"):
        framing.lines(encoding)


@pytest.mark.parametrize("encoding", ["utf-7", "raw_unicode_escape", "idna"])
def test_an_encoding_that_can_hide_a_line_ending_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigurationError, match="may hide"):
        framing.lines(encoding)


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex", "undefined"])
def test_what_is_no_text_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no text encoding called '{encoding}'"):
        framing.lines(encoding)


def test_another_ending_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not with '\\\\r'"):
        framing.lines(ending="\r")  # type: ignore[call-overload]


@pytest.mark.parametrize("encoding", usable())
def test_in_every_encoding_taken_a_line_ending_is_itself_and_nothing_else(encoding: str) -> None:
    data = OTHER_CHARACTERS.encode(encoding, "ignore")

    assert b"\n" not in data
    assert b"\r" not in data
    for garbage in (OTHER_PAIRS, *(b"+AAo-", b"\\u000a", b"\\n", b"&#10;")):
        assert not {"\n", "\r"} & set(garbage.decode(encoding, "ignore"))


def test_gbk_and_utf_8_are_among_the_encodings_taken() -> None:
    assert {"utf-8", "gbk", "gb18030", "big5", "shift_jis", "iso8859-1"} <= set(usable())


@pytest.mark.parametrize("encoding", sorted(FAITHFUL))
def test_lines_decoded_at_once_are_those_decoded_one_by_one(encoding: str) -> None:
    assert codecs.lookup(encoding).name == encoding
    chance = random.Random(1)
    octets = [bytes((octet,)) for octet in range(256)]
    samples = [lead + tail for lead in octets for tail in (b"\n", b"0\n", b"\x810\n", b"~\n")]
    samples += [b"".join(chance.choices(octets, k=3)) + b"\n\n" for _ in range(3000)]
    for sample in samples:
        try:
            whole = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        assert whole.split("\n") == [line.decode(encoding) for line in sample.split(b"\n")]
