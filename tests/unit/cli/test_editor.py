from __future__ import annotations

import pytest

from jackfield.cli.editor import MAX_LINE, LineEditor, Signal

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"


def typed(*keys: str) -> LineEditor:
    editor = LineEditor()
    for key in keys:
        assert editor.feed(key.encode()) == []
    return editor


@pytest.mark.parametrize(
    ("keys", "text", "column"),
    [
        ("abc", "abc", 3),
        (f"ac{LEFT}b", "abc", 2),
        (f"ac{LEFT}{LEFT}{LEFT}b", "bac", 1),
        (f"ab{RIGHT}c", "abc", 3),
        ("\x1bODab\x1bOC", "ab", 2),
        ("bc\x01a\x05d", "abcd", 4),
        ("bc\x1b[Ha\x1b[Fd", "abcd", 4),
        ("abc\x7f\x08", "a", 1),
        (f"abc{LEFT}{LEFT}\x1b[3~", "ac", 1),
        (f"abc{LEFT}\x04", "ab", 2),
        ("\x7f", "", 0),
        ("one two\x17three", "one three", 9),
        ("one two  \x1b\x7f!", "one !", 5),
        ("one two\x1bb\x0b", "one ", 4),
        ("one two\x1b[1;5D\x15", "two", 0),
        ("one two\x01\x1bf!", "one! two", 4),
        ("one  two\x01\x1b[1;5C\x1b[1;3C\x1bf!", "one  two!", 9),
        ("one two\x17\x19\x19", "one twotwo", 10),
        ("one two\x15\x19", "one two", 7),
        ("世界\x02!", "世!界", 3),
        ("a\tb", "a    b", 6),
        ("a\x1b[200~b\x1b[99;99Rc\x1b]d", "abcd", 4),
        ("a\x07\x00b\u202ec", "abc", 3),
        ("\u3000x", "\u3000x", 3),
    ],
)
def test_keys_do_what_readline_does(keys: str, text: str, column: int) -> None:
    editor = typed(keys)
    assert editor.view(80) == ("", text, column)


def test_enter_gives_the_line_and_begins_another() -> None:
    editor = LineEditor()
    assert editor.feed(b"one\rtwo\nthr") == ["one", "two"]
    assert editor.text == "thr"


def test_ctrl_d_is_the_end_in_an_empty_line_alone() -> None:
    editor = LineEditor()
    assert editor.feed(b"a\x02\x04\x04\x0c") == [Signal.END, Signal.CLEAR]


def test_lines_typed_before_come_back() -> None:
    editor = LineEditor()
    editor.feed(b"one\rtwo\rtwo\r\r")
    shown = []
    for key in (UP, UP, UP, DOWN, DOWN, DOWN):
        editor.feed(key.encode())
        shown.append(editor.text)
    assert shown == ["two", "one", "one", "two", "", ""]


def test_the_line_being_typed_is_kept_while_older_ones_are_shown() -> None:
    editor = LineEditor()
    editor.feed(f"old\rnew{UP}".encode())
    assert editor.text == "old"
    assert editor.feed(f"er{DOWN}".encode()) == []
    assert editor.text == "new"
    assert editor.feed(f"{UP}!\r".encode()) == ["old!"]


def test_a_lone_escape_waits_for_what_it_begins() -> None:
    editor = typed("one two\x1b")
    editor.feed(b"b")
    assert editor.view(80)[2] == 4
    editor.feed(b"\x1b\x1b[Dx")
    assert editor.text == "onex two"


def test_half_a_character_waits_for_the_rest() -> None:
    editor = LineEditor()
    editor.feed("世".encode()[:2])
    assert editor.text == ""
    editor.feed("世".encode()[2:])
    assert editor.text == "世"
    assert LineEditor("gbk").feed("世\n".encode("gbk")) == ["世"]


def test_a_line_has_a_bound() -> None:
    editor = LineEditor()
    editor.feed(b"x" * (MAX_LINE + 10))
    assert len(editor.text) == MAX_LINE


def test_a_long_line_shows_the_part_around_the_cursor() -> None:
    editor = typed("0123456789" * 3)
    editor.prompt = "> "
    assert editor.view(20) == ("> ", "34567890123456789", 19)
    editor.feed(b"\x01")
    assert editor.view(20) == ("> ", "01234567890123456", 2)
    editor.feed(RIGHT.encode() * 15)
    prompt, text, cursor = editor.view(20)
    assert (prompt + text)[cursor] == "5"


def test_a_long_prompt_leaves_room_to_type() -> None:
    editor = typed("abc")
    editor.prompt = "0123456789" * 3
    assert editor.view(20) == ("0123456789", "abc", 13)
