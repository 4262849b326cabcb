"""Laws of how the chat's screen shows the texts of peers."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from jackfield.services.chat.terminal.wrapping import (
    MOST_MARKS,
    cut,
    seen,
    seen_line,
    width,
    wrapped,
)

ANY = st.text(st.characters(codec=None, exclude_categories=()))
"""Any text at all, surrogates among it."""

WRITING = st.text(
    st.sampled_from(
        "ab c. 你好，世界（）「」 한국어 ありがとう é e\u0301 ก็ "
        "👍🏽 👨\u200d👩\u200d👧 ❤\ufe0f 🇨🇳 \t\u3000-/"
    ),
    max_size=60,
)


@given(ANY | WRITING)
@example("\x1b]0;title\x07\x9b31m\u202eabc\u2066\ufeff")
@example("a\nb\tc\u3000d\xa0e")
def test_nothing_that_a_terminal_obeys_or_hides_is_shown(text: str) -> None:
    shown = seen(text)
    for char in shown:
        assert char.isprintable() or char in "\n\u3000", repr(char)
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs"} or char == "\n"
    assert "\n" not in seen_line(text)
    assert shown.encode().decode() == shown  # which surrogates would not be


@given(ANY | WRITING)
@example("\u3000\u200c\U0001f3fb")
@example("a\U0001f3fb\u200d\U0001f3fb\U0001f3fb")
def test_what_is_shown_is_shown_as_it_is_again(text: str) -> None:
    assert seen(seen(text)) == seen(text)


@given(st.text("abc 你e\u0301\u0302\u0330", max_size=40))
def test_no_character_has_more_marks_than_any_script_needs(text: str) -> None:
    marks = 0
    for char in seen(text):
        marks = marks + 1 if unicodedata.combining(char) else 0
        assert marks <= MOST_MARKS


@given(ANY | WRITING, st.integers(2, 40), st.integers(0, 40))
@example("你好世界", 3, 0)
@example("aaaaaaaaaa bb", 4, 4)
@example("    x", 3, 0)
@example("，，，，，，", 4, 0)
def test_lines_fit_and_nothing_but_spaces_is_left_out(text: str, columns: int, used: int) -> None:
    line = seen_line(text)
    used = min(used, columns)
    lines = wrapped(line, columns, used)
    assert lines
    assert width(lines[0]) <= columns - used
    assert all(width(one) <= columns for one in lines)
    assert "".join(lines).replace(" ", "") == line.replace(" ", "")
    # marks stay with what they stand on
    for one in lines[1:]:
        assert not one or width(one[0]) > 0 or line.startswith(one[0])


@given(st.lists(st.text("abcdef", min_size=1, max_size=8), min_size=1), st.integers(8, 30))
def test_words_that_fit_are_never_cut(words: list[str], columns: int) -> None:
    lines = wrapped(" ".join(words), columns)
    assert [word for line in lines for word in line.split()] == words


@given(ANY | WRITING, st.integers(0, 40))
def test_a_text_that_is_cut_fits_and_says_so(text: str, columns: int) -> None:
    line = seen_line(text)
    found = cut(line, columns)
    assert width(found) <= columns
    assert found in {line, ""} or found.endswith("…")


def test_chinese_breaks_anywhere_but_before_a_comma_and_after_a_bracket() -> None:
    assert wrapped("今天天气，很好", 8) == ["今天天", "气，很好"]
    assert wrapped("今天（天气）", 6) == ["今天", "（天", "气）"]
    assert wrapped("use 中文 words", 8) == ["use 中文", "words"]


def test_a_family_is_shown_as_its_people_and_a_thumb_without_its_tone() -> None:
    assert seen("👨\u200d👩\u200d👧 👍🏽 ❤\ufe0f 🏽") == "👨👩👧 👍 ❤ 🏽"
    assert seen("可爱\u202e的") == "可爱\\u202e的"
