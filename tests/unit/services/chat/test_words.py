"""What may be said, and how people may be called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.services.chat import words
from jackfield.services.chat.words import NotSaid, clean, indexed, key_of, mentions_in, phrases_of

BAD_NAMES = [
    "",
    "   ",
    "a" * 33,
    "two words",
    "-x",
    ".x",
    "a/b",
    "a,b",
    "@ann",
    "#ann",
    "<b>",
    "a\nb",
    "a\x00b",
    "a\x1b[2J",
    "ann\u202e",
    "an\u200bn",
    "\u202eann",
    "😀",
    "all",
    "Everyone",
    "ＡＬＬ",
    "\ud800",
    "a'b",
    'a"b',
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(NotSaid):
        words.name_of(name)


@pytest.mark.parametrize("name", ["Ann", "ann-2", "li.wei", "王小明", "Ærøskøbing", "naïve", "_x"])
def test_a_name_stays_as_it_was_written(name: str) -> None:
    assert words.name_of(f" {name} ") == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann", "aNN"), ("ｂob", "Bob"), ("STRASSE", "straße"), ("é", "e\u0301"), ("ﬁ", "FI")],
)
def test_names_that_look_alike_are_one(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


@given(st.text(max_size=40))
def test_whatever_is_a_name_can_be_seen_and_keeps_its_key(text: str) -> None:
    try:
        name = words.name_of(text)
    except NotSaid:
        return
    assert name.isprintable()
    assert not any(unicodedata.category(char).startswith("C") for char in name)
    assert words.name_of(name) == name
    assert key_of(key_of(name)) == key_of(name)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_whatever_is_said_can_be_seen_and_sent(text: str) -> None:
    """Nothing unseen is left but what joins pictures; cleaning twice is cleaning once."""
    said = clean(text, lines=True)
    said.encode()
    assert clean(said, lines=True) == said
    for char in said:
        hidden = unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"
        assert not hidden
        assert (
            char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff"
        )
    one_line = clean(text, lines=False)
    assert "\n" not in one_line
    assert "\t" not in one_line


def test_a_family_stays_together() -> None:
    assert clean("👩\u200d👧 a\u200db", lines=False) == "👩\u200d👧 ab"


def test_line_endings_are_line_feeds() -> None:
    assert words.message_of("\r\n one\r\ntwo\rthree \n\n") == " one\ntwo\nthree"


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "x" * 4001])
def test_a_message_that_says_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(NotSaid):
        words.message_of(text)


def test_a_topic_is_one_line_and_may_be_empty() -> None:
    assert words.topic_of("one\ntwo") == "one two"
    assert words.topic_of(" ") == ""
    with pytest.raises(NotSaid):
        words.topic_of("x" * 201)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hello @Ann, and @bob.", {"ann", "bob"}),
        ("@王小明 你好", {"王小明"}),
        ("ann@example.org and @@x /@y", set()),
        ("@all", {"all"}),
    ],
)
def test_who_is_mentioned(text: str, names: set[str]) -> None:
    assert mentions_in(text) == names


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("Hello, World!", "hello world"),
        ("我在学Python3呢", "我 在 学 python3 呢"),
        ("snake_case-name", "snake case name"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("こんにちは", "こ ん に ち は"),
    ],
)
def test_words_are_divided_for_the_index(text: str, index: str) -> None:
    assert indexed(text) == index


def test_what_is_searched_for_is_phrases() -> None:
    assert phrases_of("你好 world") == [["你", "好"], ["world"]]
    assert phrases_of('a"b OR c*') == [["a", "b"], ["or"], ["c"]]
    assert phrases_of(" ... ") == []
    assert len(phrases_of("x " * 100)) == words.MOST_TERMS
