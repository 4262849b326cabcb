from __future__ import annotations

import pytest

from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError
from jackfield.framing import text


@pytest.mark.parametrize(
    ("given", "name"),
    [("UTF8", "utf-8"), ("GBK", "gbk"), ("cp936", "gbk"), ("latin1", "iso8859-1")],
)
def test_an_encoding_gets_its_own_name(given: str, name: str) -> None:
    assert text.known_encoding(given) == name


@pytest.mark.parametrize("encoding", ["", "klingon", "base64", "undefined", "utf 8\0"])
def test_what_is_no_text_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigurationError, match="no text encoding"):
        text.known_encoding(encoding)


@pytest.mark.parametrize("encoding", ["utf-7", "unicode_escape", "punycode", "idna"])
def test_an_encoding_in_which_an_end_can_hide_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigurationError, match="may hide"):
        text.known_encoding(encoding)


def test_errors_say_what_is_wrong_in_one_line() -> None:
    with pytest.raises(BadMessage, match=r"not utf-8 \(.*position 1.*same encoding on both sides"):
        text.decoded(b"a\xff", "utf-8")
    with pytest.raises(LocalProtocolError, match=r"that ascii cannot carry \(.*position 1.*utf-8"):
        text.encoded("aé", "ascii")
    with pytest.raises(LocalProtocolError, match="is str, but this one is bytes"):
        text.encoded(b"", "ascii")  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", sorted(text.FAITHFUL))
def test_what_is_called_faithful_decodes_to_what_was_encoded(encoding: str) -> None:
    known = "".join(map(chr, range(0x20000))).encode(encoding, "ignore").decode(encoding)

    assert len(known) > 100
    assert len(set(known)) == len(known)
    for character in known:
        assert character.encode(encoding).decode(encoding) == character


def test_what_would_arrive_as_another_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="shift_jis would make into another"):
        text.encoded("¥", "shift_jis")
    assert text.encoded("日本", "shift_jis") == "日本".encode("shift_jis")


def test_a_refusal_has_only_characters_of_its_encoding() -> None:
    assert text.refusal_in("gbk", "满😀") == "error: 满?"
    assert text.refusal_in("utf-8", "\udc80") == "error: ?"
