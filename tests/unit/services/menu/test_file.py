from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.services.menu.file import (
    DEEPEST,
    MOST_BYTES,
    MOST_CHOICES,
    MOST_NAME,
    MOST_TEXT,
    Choice,
    Words,
    load,
)

TITLE = 'title = "T"\n'
CHOICE = '[[choice]]\nname = "A"\ntext = "a"\n'


def written(folder: Path, text: str | bytes) -> str:
    """Write a file; give its path."""
    path = folder / "menu.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_what_a_file_says(tmp_path: Path) -> None:
    text = (
        TITLE + CHOICE + '[[choice]]\nname="B"\n[[choice.choice]]\nname="C"\ntext="\\tc\\r\\nd "\n'
    )
    menu = load(written(tmp_path, f'{text}[words]\nback = "zurück"\n'))
    inner = Choice("C", text="c\nd")
    assert menu.top == Choice("T", choices=(Choice("A", "a"), Choice("B", choices=(inner,))))
    assert menu.words == Words(back="zurück")
    assert {"T", "A", "a", "B", "C", "c\nd", "zurück"} <= set(menu.texts())


def nested(depth: int) -> str:
    """Give a menu that nests so deep."""
    levels = "".join(
        f'[[{".".join(["choice"] * level)}]]\nname = "n"\n' for level in range(1, depth + 1)
    )
    return TITLE + levels + 'text = "t"\n'


BAD = [
    ("", r"title: is missing; write title = \"...\""),
    (CHOICE, "title: is missing"),
    (TITLE, r"choice: a menu has one or more tables \[\[choice\]\]"),
    (TITLE + "choice = []", "choice: a menu has one or more"),
    (TITLE + "choice = [1]", "choice: a menu has one or more"),
    (TITLE + "[choice]", "choice: a menu has one or more"),
    ("title = 1\n" + CHOICE, r"title: is no text; write it in quotes"),
    ('title = " "\n' + CHOICE, "title: is empty"),
    ('title = "a\\nb"\n' + CHOICE, "title: has more than one line"),
    ('title = "a\\u001b[31m"\n' + CHOICE, r"title: holds '\\x1b', which could steer"),
    (f'title = "{"x" * (MOST_NAME + 1)}"\n' + CHOICE, "title: 101 characters, where 100 are"),
    (TITLE + '[[choice]]\ntext = "a"', r"choice\[1\]\.name: is missing"),
    (TITLE + CHOICE + '[[choice]]\nname = "B"', r"choice\[2\]\.text: 'B' needs either a text or"),
    (TITLE + CHOICE + '[[choice.choice]]\nname="C"\ntext="c"', r"choice\[1\]\.text: 'A' needs"),
    (TITLE + '[[choice]]\nname="A"\ntxt = "a"', r"choice\[1\]\.txt: is unknown; did you mean text"),
    (
        TITLE + '[[choice]]\nname="A"\n[[choice.choice]]\nname="B"\ntext=1',
        r"choice\[1\]\.choice\[1\]\.text: is no text",
    ),
    (TITLE + '[[choice]]\nname="A"\nchoice=[]', r"choice\[1\]\.choice: a menu has one or more"),
    (
        TITLE + f'[[choice]]\nname="A"\ntext="{"x" * (MOST_TEXT + 1)}"',
        r"choice\[1\]\.text: 8001 characters, where 8000 are the most",
    ),
    (TITLE + CHOICE * (MOST_CHOICES + 1), "choice: 100 choices, more than the 99"),
    (nested(DEEPEST + 1), "menus nest more than 8 deep"),
    (TITLE + "words = 1\n" + CHOICE, r"words: is a table, written \[words\]"),
    (TITLE + CHOICE + '[words]\nbak = "b"', r"words\.bak: is unknown; did you mean back\?"),
    (TITLE + CHOICE + "[words]\nback = 1", r"words\.back: is no text"),
    ('"a\\nb" = 1', r"'a\\nb': is unknown; known are"),
    ("zzz = 1", "zzz: is unknown; known are title, choice, words"),
    ("title = ", "is not TOML: Invalid value"),
    (b"title = '\xff'", "is not UTF-8 at byte 9; save it as UTF-8"),
    ("x = " + "[" * 100_000, "nests too deep"),
    ("#" * (MOST_BYTES + 1), f"more than the {MOST_BYTES} bytes"),
]


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_one_line_that_names_file_and_key(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_the_bounds_themselves_are_good(tmp_path: Path) -> None:
    load(written(tmp_path, nested(DEEPEST)))
    load(written(tmp_path, TITLE + CHOICE * MOST_CHOICES))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file or directory \(ENOENT"):
        load(str(tmp_path / "none.toml"))
