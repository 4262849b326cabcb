from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jackfield.cli.editor import LineEditor, Signal
from jackfield.visible import escaped, first_columns, last_columns, width

KEYS = """
    \x1b[A \x1b[B \x1b[C \x1b[D \x1b[H \x1bOF \x1b[3~ \x1bb \x1b[1;5C \x1b
    \x7f \r \x01 \x05 \x0b \x15 \x17 \x19 a word 世 🙂 e\u0301
"""

keys = st.lists(
    st.sampled_from([b" ", b"\t", *(key.encode() for key in KEYS.strip(" \n").split(" ") if key)])
    | st.binary(max_size=4),
    max_size=40,
)


@given(keys, st.randoms(use_true_random=False))
def test_any_cut_of_the_keys_gives_the_same_lines(pressed: list[bytes], chance: object) -> None:
    """How the bytes of keys are cut by reading makes no difference."""
    data = b"".join(pressed)
    whole, cut = LineEditor(), LineEditor()
    lines = whole.feed(data)
    pieces: list[str | Signal] = []
    for byte in data:
        pieces += cut.feed(bytes([byte]))
    assert pieces == lines
    assert (cut.text, cut.view(40)) == (whole.text, whole.view(40))


@given(keys, st.text(max_size=60), st.integers(8, 100))
def test_what_is_shown_fits_into_the_row(pressed: list[bytes], prompt: str, columns: int) -> None:
    """Prompt, text and cursor are within the columns there are, whatever was typed."""
    editor = LineEditor()
    editor.prompt = escaped(prompt).replace("\n", "")
    for key in pressed:
        editor.feed(key)
        shown_prompt, text, cursor = editor.view(columns)
        assert width(shown_prompt) + width(text) < columns
        assert width(shown_prompt) <= cursor < columns


@given(st.text())
def test_escaped_text_steers_no_terminal(text: str) -> None:
    """What is shown of a peer holds no control character but tab and line feed."""
    shown = escaped(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in shown)
    assert not any(0x7F <= ord(c) < 0xA0 for c in shown)
    assert escaped(shown) == shown
    shown.encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(0, 20))
def test_an_end_and_a_beginning_fit(text: str, columns: int) -> None:
    """The parts given are parts, and fit."""
    last, first = last_columns(text, columns), first_columns(text, columns)
    assert text.endswith(last)
    assert text.startswith(first)
    assert width(last) <= columns
    assert width(first) <= columns
