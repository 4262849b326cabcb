"""JSON lines: one JSON value (RFC 8259) in UTF-8 on each line.

The rules this file owns:

1. A line ends at LF; CR LF is taken too. What is sent has LF, and no LF inside a value.
2. What arrives is bounded before it costs: `max_message` bytes, MAX_DEPTH levels of arrays and
   objects, as many digits in an integer as Python converts
   (`sys.get_int_max_str_digits()`, 4300 unless changed).
3. NaN and Infinity are no JSON (RFC 8259, section 6). Neither is sent nor taken, nor a number
   that a float cannot hold, such as 1e400: it would be Infinity.
4. Of a name that an object holds twice the last value counts.
5. An empty line is an error, not a value.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from itertools import accumulate
from typing import Any, NoReturn, TypeAlias

from jackfield.errors import BadMessage, LocalProtocolError
from jackfield.framing.base import Buffer, Cut, Framing, sendable
from jackfield.framing.lines import cut_line, line_of
from jackfield.framing.text import decoded

JSONValue: TypeAlias = Any
"""dict, list, str, int, float, bool or None. Which of them is the peer's choice."""

MAX_DEPTH = 100
"""Levels of arrays and objects in one value: far below what would exhaust a thread's stack."""

_NO_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.DOTALL)
"""What lies between brackets: strings, closed or not, and all else."""


class JSONLines(Framing[JSONValue]):
    """JSON values: dict, list, str, int, float, bool and None.

    Names of objects are str; a tuple is sent as an array.
    """

    name = "json"
    payload = "text"
    delimiter = b"\n"

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return cut_line(buffer, start, searched, self.max_message)

    def decode_unit(self, unit: bytes) -> JSONValue:
        text = decoded(line_of(unit, self.max_message), "utf-8")
        if _too_deep(text):
            raise BadMessage(f"JSON nested deeper than {MAX_DEPTH} levels")
        try:
            return _DECODER.decode(text)
        except ValueError as error:
            raise BadMessage(f"a line that is not JSON: {error}") from None

    def encode(self, message: JSONValue) -> bytes:
        return self.encode_unit(message) + b"\n"

    def encode_unit(self, message: JSONValue) -> bytes:
        try:
            text = _ENCODER.encode(message)
        except (TypeError, ValueError, RecursionError) as error:
            raise LocalProtocolError(f"a message that JSON cannot carry: {error}") from None
        if _too_deep(text):
            raise LocalProtocolError(
                f"a message nested deeper than {MAX_DEPTH} levels, which its receiver refuses"
            )
        try:
            data = text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON carries escaped
            data = json.dumps(message).encode()
        return sendable(data, self.max_message)

    def refusal(self, reason: str) -> bytes:
        room = max(0, self.max_message - len(json.dumps({"error": ""})))
        cut = reason[: room // 6]  # 6 bytes: a character that JSON escapes
        for text in (reason, cut):
            with contextlib.suppress(LocalProtocolError):
                return self.encode({"error": text})
        return b""


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _NO_BRACKETS.sub("", text)
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0) > (
        MAX_DEPTH
    )


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is past what a float can hold")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
