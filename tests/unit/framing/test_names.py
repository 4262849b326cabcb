from __future__ import annotations

import pytest

from jackfield import framing
from jackfield.errors import ConfigurationError

SAME = [
    ("raw", framing.raw()),
    ("lines", framing.lines()),
    ("lines:gbk", framing.lines("gbk")),
    ("lines:bytes", framing.lines(None)),
    ("delimited", framing.delimited()),
    ("delimited:0x0d0a", framing.delimited(b"\r\n")),
    ("delimited:0x00,utf-8", framing.delimited(b"\0", "utf-8")),
    ("fixed:64", framing.fixed(64)),
    ("length:4", framing.length_prefixed(4)),
    ("length:2,little", framing.length_prefixed(2, "little")),
    ("length:2,big", framing.length_prefixed(2)),
    ("length:4,itself", framing.length_prefixed(4, counts_itself=True)),
    ("length:8,little,itself", framing.length_prefixed(8, "little", counts_itself=True)),
    ("length:varint", framing.length_prefixed("varint")),
    ("netstring", framing.netstring()),
    ("json", framing.json_lines()),
]


@pytest.mark.parametrize(("text", "same"), SAME, ids=[text for text, _ in SAME])
def test_a_framing_goes_by_its_name(text: str, same: framing.Framing[object]) -> None:
    parsed = framing.parse(text)

    assert type(parsed) is type(same)
    assert vars(parsed) == vars(same)
    assert parsed.name == text.partition(":")[0]


@pytest.mark.parametrize("text", ["line", "jsn", "", "LINES", " raw", "header:>I", "klingon"])
def test_an_unknown_name_is_answered_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        framing.parse(text)

    said = str(caught.value)
    assert f"no framing called {text.partition(':')[0]!r}" in said
    assert "known are raw, lines, delimited, fixed, length, netstring, json" in said
    assert "\n" not in said
    assert ("did you mean 'lines'" in said) == (text == "line")
    assert ("did you mean 'json'" in said) == (text == "jsn")


@pytest.mark.parametrize(
    ("text", "problem", "right"),
    [
        ("raw:1", "what follows its name does not fit", "raw"),
        ("lines:", "no text encoding called ''", "lines:gbk"),
        ("lines:klingon", "no text encoding called 'klingon'", "lines:gbk"),
        ("lines:utf-8,gbk", "does not fit", "lines:gbk"),
        ("lines:utf-16", "is not the byte 0x0A", "lines:gbk"),
        ("delimited:|", "is hexadecimal and begins with 0x", "delimited:0x0d0a"),
        ("delimited:0x", "is 1 to 16 bytes", "delimited:0x0d0a"),
        ("delimited:0x0", "does not fit", "delimited:0x0d0a"),
        ("delimited:0x00,klingon", "no text encoding", "delimited:0x0d0a"),
        ("fixed", "does not fit", "fixed:64"),
        ("fixed:", "does not fit", "fixed:64"),
        ("fixed:0", "give a size of 1 or more", "fixed:64"),
        ("fixed:64,64", "does not fit", "fixed:64"),
        ("length", "does not fit", "length:2,little"),
        ("length:3", "1, 2, 4 or 8 bytes", "length:2,little"),
        ("length:four", "does not fit", "length:2,little"),
        (
            "length:4,middle",
            "come 'big' or 'little', and 'itself', not 'middle'",
            "length:2,little",
        ),
        ("length:4,big,little", "not 'big, little'", "length:2,little"),
        ("length:varint,itself", "does not count itself", "length:2,little"),
        ("netstring:1", "does not fit", "netstring"),
        ("json:x", "does not fit", "json"),
    ],
)
def test_what_is_wrong_is_said_with_a_right_one(text: str, problem: str, right: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        framing.parse(text)

    said = str(caught.value)
    assert said.startswith(f"framing {text!r}: ")
    assert problem in said
    assert said.endswith(f"a right one is {right!r}")
    assert "\n" not in said
    assert type(framing.parse(right)).__name__ != ""
