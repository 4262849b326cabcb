from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, ConfigurationError, IncompleteMessage, LocalProtocolError
from jackfield.testing import check_framing


@pytest.mark.parametrize("size", [1, 7, 64])
def test_it_keeps_the_laws(size: int) -> None:
    check_framing(framing.fixed(size), [b"a" * size, b"\n" * size, b"\0" * size], frame=64)


def test_messages_are_cut_by_their_size() -> None:
    decoder = framing.fixed(4).decoder()

    assert decoder.feed(b"fourFOURfo") == [b"four", b"FOUR"]
    assert decoder.need == 2
    assert decoder.feed(b"ur") == [b"four"]
    decoder.feed(b"x")
    decoder.finish()
    assert isinstance(decoder.error, IncompleteMessage)


@pytest.mark.parametrize("message", [b"", b"six", b"fives"])
def test_a_message_of_another_size_is_neither_sent_nor_taken(message: bytes) -> None:
    fixed = framing.fixed(4)

    with pytest.raises(LocalProtocolError, match=f"of {len(message)} bytes where each has 4"):
        fixed.encode(message)
    with pytest.raises(LocalProtocolError):
        fixed.encode_unit(message)
    with pytest.raises(BadMessage, match=f"of {len(message)} bytes where each has 4"):
        fixed.decode_unit(message)


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_1_or_more(size: int) -> None:
    with pytest.raises(ConfigurationError, match=f"a message of {size} bytes"):
        framing.fixed(size)


def test_there_is_no_way_to_say_why_a_peer_is_refused() -> None:
    assert framing.fixed(64).refusal("busy") == b""
