from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from jackfield import framing
from jackfield.errors import BadMessage, LocalProtocolError, MessageTooLong
from jackfield.framing.json_lines import MAX_DEPTH
from jackfield.testing import check_framing

VALUES: list[Any] = [
    None,
    True,
    0,
    -1.5,
    "",
    "中文",
    "two\nlines",
    "\ud800",
    [],
    {"a": [1, {"b": None}]},
]


@pytest.fixture
def unlimited_digits() -> Iterator[None]:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(limit)


def refused(data: bytes) -> str:
    decoder = framing.json_lines().decoder()
    assert decoder.feed(b"1\n" + data + b"\n2\n") == [1]
    assert isinstance(decoder.error, BadMessage)
    assert "\n" not in str(decoder.error)
    return str(decoder.error)


def test_it_keeps_the_laws() -> None:
    check_framing(
        framing.json_lines(512),
        VALUES,
        frame=64,
        garbage=[b"NaN\n", b"1e999\n", b"[" * 500 + b"\n", b"1" * 512 + b"\n", b'"\\ud800"\n'],
    )


def test_a_value_is_a_line() -> None:
    json = framing.json_lines()

    assert json.encode({"name": "中文", "n": [1, 2]}) == '{"name":"中文","n":[1,2]}\n'.encode()
    assert json.decoder().feed(b'{"a": 1}\r\n [2] \n') == [{"a": 1}, [2]]


@pytest.mark.parametrize("name", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"[-1e400]"])
def test_what_is_no_number_is_refused(name: bytes) -> None:
    assert "not JSON" in refused(name)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), [-float("inf")]])
def test_what_is_no_number_is_not_sent(number: object) -> None:
    with pytest.raises(LocalProtocolError, match="JSON cannot carry"):
        framing.json_lines().encode(number)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"{", b"nul", b"1 2", b"'x'", b'"\t"', b"\xef\xbb\xbf1"]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    assert "not JSON" in refused(data)


def test_what_is_no_utf_8_is_refused() -> None:
    assert "not utf-8" in refused(b'"\xff"')


def test_an_integer_of_too_many_digits_is_refused() -> None:
    assert "digits" in refused(b"1" * 5000)


def test_an_integer_of_too_many_digits_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="JSON cannot carry"):
        framing.json_lines().encode(10**5000)


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_values_nest_so_deep_and_no_deeper(pair: str) -> None:
    def nested(levels: int) -> bytes:
        opening = "[" if pair == "[]" else '{"a":'
        return (opening * levels + "1" + pair[1] * levels).encode()

    json = framing.json_lines()
    (deep,) = json.decoder().feed(nested(MAX_DEPTH) + b"\n")
    assert json.encode(deep) == nested(MAX_DEPTH) + b"\n"
    assert "deeper than" in refused(nested(MAX_DEPTH + 1))
    assert "deeper than" in refused(b"[" * 60_000)
    with pytest.raises(LocalProtocolError, match="nested deeper"):
        json.encode([deep])


def test_a_value_that_contains_itself_is_not_sent() -> None:
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    for value in (circle, deep):
        with pytest.raises(LocalProtocolError, match="JSON cannot carry"):
            framing.json_lines().encode(value)


def test_brackets_side_by_side_or_in_strings_are_not_deep() -> None:
    json = framing.json_lines()
    flat: list[object] = [[{}] for _ in range(MAX_DEPTH)]
    text = '[{\\"' * MAX_DEPTH

    assert json.decoder().feed(json.encode(flat) + json.encode([text, [[]]])) == [
        flat,
        [text, [[]]],
    ]


@pytest.mark.parametrize("data", [b'"' * 65_535, b'"' + b'\\"' * 32_000, b'["\\' * 20_000])
def test_strings_that_do_not_end_are_told_from_brackets_in_one_pass(data: bytes) -> None:
    assert refused(b"[" + data)


def test_of_a_name_given_twice_the_last_value_counts() -> None:
    assert framing.json_lines().decoder().feed(b'{"a": 1, "a": 2}\n') == [{"a": 2}]


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), {(1, 2): 3}])
def test_what_json_has_not_is_not_sent(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="JSON cannot carry"):
        framing.json_lines().encode(value)


def test_the_bound_is_on_the_line() -> None:
    json = framing.json_lines(max_message=4)

    assert json.encode("ab") == b'"ab"\n'
    with pytest.raises(LocalProtocolError, match="past the bound of 4"):
        json.encode("abc")
    decoder = json.decoder()
    assert decoder.feed(b'"ab"\n"abc"\n') == ["ab"]
    assert isinstance(decoder.error, MessageTooLong)


def test_a_unit_is_a_value_whose_line_ending_is_dropped() -> None:
    json = framing.json_lines()

    assert json.encode_unit({"a": 1}) == b'{"a":1}'
    assert json.decode_unit(b'{"a":\n1}\r\n') == {"a": 1}
    with pytest.raises(BadMessage):
        json.decode_unit(b"")


def test_half_of_a_surrogate_pair_goes_and_comes_back() -> None:
    json = framing.json_lines()

    assert json.encode("\ud800") == b'"\\ud800"\n'
    assert json.decoder().feed(b'"\\ud800"\n') == ["\ud800"]


def test_a_refusal_is_an_object_with_the_error() -> None:
    assert framing.json_lines().refusal("too\nmany") == b'{"error":"too\\nmany"}\n'
    assert framing.json_lines(max_message=24).refusal("满" * 9) == '{"error":"满"}\n'.encode()
    assert framing.json_lines(max_message=9).refusal("no") == b""


@pytest.mark.usefixtures("unlimited_digits")
def test_with_pythons_limit_on_digits_lifted_the_bound_still_holds() -> None:
    assert framing.json_lines().decoder().feed(b"1" * 5000 + b"\n") == [int("1" * 5000)]
