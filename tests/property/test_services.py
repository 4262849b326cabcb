"""Laws of what the small services make of what peers and operators write."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jackfield import framing
from jackfield.errors import ConfigurationError
from jackfield.logs import MOST_SHOWN, shown
from jackfield.service import find
from jackfield.services.greet import greeting
from jackfield.services.menu import Visit
from jackfield.services.menu.file import MOST_CHOICES, MOST_TEXT, Choice, Menu, Words, load
from jackfield.services.speech import Speech, plain
from jackfield.services.upper import Upper
from jackfield.visible import printable

ANYTHING = st.text(st.characters(), max_size=200)
"""Text with every code point there is, controls and surrogates included."""


@given(ANYTHING | st.binary(max_size=3000))
def test_shown(message: str | bytes) -> None:
    """Whatever a peer sends is shown as one piece of a line that steers no terminal."""
    text = shown(message)
    assert text.isprintable()
    assert text
    assert printable(text) == text
    assert len(text) <= MOST_SHOWN * 10 + 40


@given(ANYTHING)
def test_plain(text: str) -> None:
    """What one peer hears of another has no control character but the tab, and is as long."""
    safe = plain(text)
    assert len(safe) == len(text)
    assert not any(ord(c) < 32 and c != "\t" for c in safe)
    assert "\x7f" not in safe
    assert "\x9b" not in safe


@given(st.binary(max_size=300))
def test_hear(chunk: bytes) -> None:
    """What a service hears in bytes it can say back as the same bytes, less the blanks around."""
    speech = Speech.of(framing.raw(), "greet")
    heard = speech.hear(chunk)
    assert speech.message(heard) in chunk
    assert speech.hear(speech.message(heard)) == heard


ENCODINGS = st.sampled_from(["utf-8", "gbk", "latin-1", "big5", "shift_jis", "cp1252", "ascii"])


@given(ENCODINGS, st.binary(min_size=1, max_size=60), st.integers(1, 60))
def test_upper(encoding: str, line: bytes, most: int) -> None:
    """The answer to a line that can be received can be sent."""
    used = framing.lines(encoding, max_message=most)
    decoder = used.decoder()
    for message in decoder.feed(line.replace(b"\n", b"") + b"\n"):
        used.encode(Upper(used)(message))


@given(ANYTHING.map(lambda text: text.strip()))
def test_greeting(name: str) -> None:
    """A greeting is longer than its name by ten characters at the most, or asks for another."""
    assert greeting(name) == f"Hello, {name}!" or greeting(name).startswith("Please send a ")


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


def choices(deeper: st.SearchStrategy[Choice]) -> st.SearchStrategy[Choice]:
    """Give menus of such choices."""
    inner = st.lists(deeper, min_size=1, max_size=4).map(tuple)
    return st.builds(Choice, NAMES, choices=inner)


LEAVES = st.builds(Choice, NAMES, NAMES)
MENUS = choices(st.recursive(LEAVES, choices, max_leaves=8))


def toml(choice: Choice, key: str) -> str:
    """Write a choice as TOML."""
    lines = [f"[[{key}]]", f"name = {json.dumps(choice.name, ensure_ascii=False)}"]
    if choice.text:
        lines.append(f"text = {json.dumps(choice.text, ensure_ascii=False)}")
    return "\n".join([*lines, *(toml(inner, f"{key}.choice") for inner in choice.choices)])


def loaded(text: str | bytes) -> Menu:
    """Load what is written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "menu.toml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return load(str(path))


@given(MENUS)
def test_load(top: Choice) -> None:
    """A menu that is written to a file is read as it was."""
    title = f"title = {json.dumps(top.name, ensure_ascii=False)}\n"
    text = title + "\n".join(toml(choice, "choice") for choice in top.choices)
    assert loaded(text) == Menu(top, Words())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab\n\x1b", max_size=3),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "choice", "name", "text", "words", "back", '"\\n"']),
            deeper,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def as_toml(value: Any) -> str:
    """Write any value as TOML, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return json.dumps("null" if value is None else value)


@given(
    st.dictionaries(st.sampled_from(["title", "choice", "words"]), JSON).map(
        lambda table: "\n".join(f"{key} = {as_toml(value)}" for key, value in table.items())
    )
    | st.binary(max_size=100)
    | st.text("[]={}\"'abtitle\n.#1", max_size=60)
)
def test_load_of_anything(text: str | bytes) -> None:
    """Any file at all is a menu within its bounds, or is refused in one line."""
    refusal = ""
    try:
        menu = loaded(text)
    except ConfigurationError as error:
        refusal = str(error)
    if refusal:
        assert "menu.toml: " in refusal
        assert "\n" not in refusal
        return
    assert 1 <= len(menu.top.choices) <= MOST_CHOICES
    assert all(len(each) <= MOST_TEXT for each in menu.texts())


@given(
    st.sampled_from(["en", "zh"]),
    st.lists(st.sampled_from(["0", "1", "2", "3", "4", "5", "help", "back", "返回"]) | ANYTHING),
)
def test_visit(language: str, said: list[str]) -> None:
    """Whatever one says in a menu, each answer is a text of the menu or of its words."""
    handler: Any = find("menu", language=language).handler
    visit = Visit(handler.menu)
    for text in said:
        answer = visit.answer(text)
        if answer is not None:
            assert answer
            assert all(line.isprintable() for line in answer.split("\n"))
