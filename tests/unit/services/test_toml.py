from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.errors import ConfigurationError
from jackfield.services import toml
from jackfield.services.toml import At, Toml

TEXT = """\
# a comment with list = [{}]
name = "x"
[limits]
time = 3

[services.chat]
endpoints = ["a"]
limits = { connections = 20, idle = 3 }

[[allow]]
who = 1
[[allow]]
"who" = 2
what.ever = 3
"""
INLINE = """\
list = [
  { a = 1, b = 2 },
  # { a = 0 }
  { b = 2, a = 1 },
]
"""


@pytest.mark.parametrize(
    ("text", "at", "line"),
    [
        (TEXT, (), 1),
        (TEXT, ("name",), 2),
        (TEXT, ("limits",), 3),
        (TEXT, ("limits", "time"), 4),
        (TEXT, ("services", "chat", "endpoints"), 7),
        (TEXT, ("services", "chat", "limits", "idle"), 8),
        (TEXT, ("allow", 0, "who"), 11),
        (TEXT, ("allow", 1, "who"), 13),
        (TEXT, ("allow", 1, "ever"), 14),
        (TEXT, ("allow", 7), 10),
        (TEXT, ("nothing",), 1),
        (INLINE, ("list", 0, "b"), 2),
        (INLINE, ("list", 1), 4),
        (INLINE, ("list", 1, "a"), 4),
        (INLINE, ("list", 5), 1),
    ],
)
def test_it_tells_in_which_line_something_stands(text: str, at: At, line: int) -> None:
    found = Toml(text, "file")
    assert found.line_of(at) == line
    assert str(found.wrong(at, "no good")) == f"file, line {line}: no good"


def test_a_key_that_is_much_like_another_is_told_with_it() -> None:
    found = Toml("nmae = 1", "file")
    known = frozenset({"name", "path"})
    assert str(found.unknown((), "nmae", known, "it")) == (
        "file, line 1: it has no 'nmae'; did you mean name?"
    )
    assert str(found.unknown((), "zzz", known, "it")) == "file, line 1: it has no 'zzz'"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a = 1\nb = \n", "line 2: Invalid value"),
        (b"a = '", "line 1: "),
        (b"a = 1\n\xff", "line 2: this is no UTF-8"),
        (b"a = " + b"[" * 100_000, ""),
    ],
)
def test_what_is_none_is_told_with_the_file(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        toml.load(str(path))
    assert str(caught.value).startswith(f"{path}")
    assert says in str(caught.value)
