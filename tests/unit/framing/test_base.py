from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import (
    BadMessage,
    ConfigurationError,
    IncompleteMessage,
    LocalProtocolError,
    MessageTooLong,
)
from jackfield.framing import base
from jackfield.testing import check_framing


class Paragraphs(base.Framing[bytes]):
    """A framing of one's own, as small as one can be."""

    name = "paragraphs"

    def cut(self, buffer: base.Buffer, start: int, searched: int) -> base.Cut | int:
        if buffer[start : start + 1] == b"!":
            raise BadMessage("a paragraph begins with an exclamation mark")
        end = buffer.find(b"\n\n", max(start, searched - 1))
        if (len(buffer) - 1 if end < 0 else end) - start > self.max_message:
            raise base.too_long(self.max_message)
        return (start, end, end + 2) if end >= 0 else len(buffer) - start + 1

    def encode(self, message: bytes) -> bytes:
        return base.sendable(message, self.max_message) + b"\n\n"


@pytest.mark.parametrize("max_message", [0, -1])
def test_a_framing_without_a_bound_is_refused(max_message: int) -> None:
    with pytest.raises(ConfigurationError, match=f"max_message is {max_message}"):
        Paragraphs(max_message)


def test_what_a_subclass_must_say_is_not_guessed() -> None:
    bare = base.Framing[bytes]()

    with pytest.raises(NotImplementedError):
        bare.cut(b"", 0, 0)
    with pytest.raises(NotImplementedError):
        bare.encode(b"")


def test_a_framing_of_ones_own_keeps_the_laws() -> None:
    check_framing(Paragraphs(512), [b"one", b"two\nlines", b"x" * 300, b""], frame=64)


def test_by_default_a_unit_is_the_message_within_the_bound() -> None:
    paragraphs = Paragraphs(4)

    assert paragraphs.decode_unit(b"four") == b"four"
    assert paragraphs.encode_unit(b"four") == b"four"
    with pytest.raises(MessageTooLong, match="of 5 bytes, past the bound of 4"):
        paragraphs.decode_unit(b"fives")
    with pytest.raises(LocalProtocolError, match="of 5 bytes, past the bound of 4"):
        paragraphs.encode_unit(b"fives")


def test_a_framing_has_no_way_to_refuse_unless_it_says_how() -> None:
    assert Paragraphs().refusal("busy") == b""


def test_a_decoder_of_a_cut_and_a_codec_has_nothing_to_send() -> None:
    assert Paragraphs().decoder().pending() == b""


def test_an_error_waits_behind_the_good_messages_and_ends_decoding() -> None:
    decoder = Paragraphs().decoder()

    assert decoder.feed(b"good\n\n!bad\n\n") == [b"good"]
    assert isinstance(decoder.error, BadMessage)
    assert decoder.attention
    assert decoder.feed(b"more\n\n") == []
    decoder.finish()
    assert isinstance(decoder.error, BadMessage)
    assert decoder.rest(1) == b"good\n\n!bad\n\n"


def test_an_error_after_part_of_a_message_was_kept_waits_too() -> None:
    decoder = Paragraphs().decoder()

    assert decoder.feed(b"a long beginning") == []
    assert decoder.feed(b"\n\n!bad") == [b"a long beginning"]
    assert isinstance(decoder.error, BadMessage)


def test_the_end_of_the_stream_inside_a_message_is_an_error() -> None:
    decoder = Paragraphs().decoder()

    decoder.feed(b"whole\n\nhalf")
    decoder.finish()

    assert isinstance(decoder.error, IncompleteMessage)
    assert decoder.attention
    assert "4 bytes into a message (framing paragraphs)" in str(decoder.error)


def test_the_end_of_the_stream_between_messages_is_none() -> None:
    decoder = Paragraphs().decoder()

    decoder.feed(b"whole\n\n")
    decoder.finish()

    assert decoder.error is None


def test_need_counts_down_what_the_next_message_still_lacks() -> None:
    decoder = framing.fixed(10).decoder()

    assert decoder.need == 1
    assert decoder.feed(b"12345678") == []
    assert decoder.need == 2
    assert decoder.feed(b"9") == []
    assert decoder.need == 1
    assert decoder.feed(b"0" + b"1234567890" + b"1") == [b"1234567890", b"1234567890"]
    assert decoder.need == 9
    assert decoder.feed(b"234567890") == [b"1234567890"]
    assert decoder.need == 1


def test_a_long_message_in_pieces_is_followed_by_many_short_ones() -> None:
    decoder = framing.lines().decoder()

    for _ in range(100):
        assert decoder.feed(b"0123456789") == []
    assert decoder.feed(b"\none\ntwo\nhal") == ["0123456789" * 100, "one", "two"]
    assert decoder.rest(1) == b"two\nhal"


def test_an_empty_feed_changes_nothing() -> None:
    decoder = framing.lines().decoder()

    assert decoder.feed(b"") == []
    assert decoder.feed(b"hal") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"f\n") == ["half"]


@pytest.mark.parametrize("unread", [0, 1, 2, 3])
def test_rest_gives_the_bytes_from_the_first_unread_message_on(unread: int) -> None:
    stream = b"one\ntwo\r\nthree\n\x80\xff not a line"
    decoder = framing.lines().decoder()

    assert decoder.feed(stream) == ["one", "two", "three"]
    assert decoder.rest(unread) == stream[(0, 4, 9, 15)[3 - unread] :]


def test_rest_of_a_decoder_that_got_nothing_is_nothing() -> None:
    assert framing.lines().decoder().rest(0) == b""


def test_what_follows_a_header_is_not_refused_before_the_handler_can_switch() -> None:
    decoder = framing.lines(max_message=16).decoder()

    assert decoder.feed(b"PUT 1000\n" + b"\xff" * 1000) == ["PUT 1000"]
    assert isinstance(decoder.error, MessageTooLong)  # which a handler that switches never meets
    assert decoder.rest(0) == b"\xff" * 1000


def test_bytes_of_messages_given_out_can_be_dropped() -> None:
    decoder = framing.lines().decoder()

    assert decoder.feed(b"x" * 999 + b"\n" + b"hal") == ["x" * 999]
    assert not decoder.attention
    assert decoder.feed(b"f" + b"\n" + b"y" * 1999 + b"\n" + b"hal") == ["half", "y" * 1999]
    assert decoder.attention
    decoder.drop()
    assert not decoder.attention
    assert decoder.rest(0) == b"hal"
    assert decoder.feed(b"f again\n") == ["half again"]


def test_a_long_message_in_pieces_can_be_dropped_once_it_is_used() -> None:
    decoder = framing.lines().decoder()

    assert decoder.feed(b"x" * 2000) == []
    assert not decoder.attention
    assert decoder.feed(b"\n") == ["x" * 2000]
    assert decoder.attention
    decoder.drop()
    assert decoder._buffer == b""


def test_dropping_forgets_no_error() -> None:
    decoder = Paragraphs().decoder()

    decoder.feed(b"good\n\n!bad")
    decoder.drop()

    assert decoder.attention
    assert isinstance(decoder.error, BadMessage)


def test_memory_of_a_decoder_is_one_message_and_one_feed() -> None:
    decoder = framing.lines(max_message=100).decoder()

    for _ in range(1000):
        decoder.feed(b"x" * 99 + b"\n" + b"y")
        assert len(decoder._buffer) <= 2 * 101
        decoder.feed(b"y" * 98)
        assert len(decoder._buffer) <= 2 * 101
        decoder.feed(b"\n")


def test_bytes_come_in_any_of_their_types() -> None:
    assert base.as_bytes(b"x") == b"x"
    assert base.as_bytes(bytearray(b"x")) == b"x"
    assert base.as_bytes(memoryview(b"x")) == b"x"
    with pytest.raises(LocalProtocolError, match="is bytes, but this one is str"):
        base.as_bytes("x")


def test_a_refusal_is_one_line_of_characters_that_exist() -> None:
    assert base.refusal_text("too\r\n many \udc80") == "error: too many ?"
