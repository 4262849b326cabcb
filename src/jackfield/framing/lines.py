"""Lines: text that ends with LF; CR LF is taken too.

The rules this file owns:

1. A line ends at LF; the CRs right before it are dropped. So every line that is received can
   be sent, and arrives as it was (but for a few codecs that decode what they do not encode).
2. A line holds no LF and ends with no CR: sending one that does is refused, for it would
   arrive as something else.
3. A line is text in the given encoding, or bytes when `encoding` is None. The encodings
   taken are those in which LF is the byte 0x0A and that byte is nothing else: UTF-8, GBK,
   GB 18030, Big5, Shift JIS, ISO 8859 and the like, but not UTF-16.
4. A stream that ends without a line ending ends inside a message: half a line is no line.
5. Over a transport that keeps boundaries a unit is one message: an ending after its last
   byte is dropped, and an LF within it is the sender's own, in either direction.
"""

from __future__ import annotations

from typing import AnyStr, Final, Literal, overload

from jackfield.errors import ConfigurationError, LocalProtocolError
from jackfield.framing.base import (
    DEFAULT_MAX_MESSAGE,
    Buffer,
    Cut,
    Framing,
    as_bytes,
    refusal_text,
    too_long,
    too_long_to_send,
)
from jackfield.framing.text import FAITHFUL, UNICODE, decoded, encoded, known_encoding, refusal_in

LF = 0x0A
CR = 0x0D

LONG = 1024
"""Characters from which on a line counts as long."""


class TextLines(Framing[str]):
    """Lines of text.

    encoding: any of Python's whose LF is the byte 0x0A.
    ending: what is sent after each line, LF or CR LF; both are always taken.
    """

    name = "lines"
    delimiter = b"\n"

    def __init__(
        self,
        encoding: str = "utf-8",
        max_message: int = DEFAULT_MAX_MESSAGE,
        ending: Literal["\n", "\r\n"] = "\n",
    ) -> None:
        super().__init__(max_message)
        self.encoding: Final = _checked_encoding(encoding)
        self._ending: Final = _checked_ending(ending)
        self._line_end: Final = ending
        if self.encoding in UNICODE:
            self.payload = "text"
        self._at_once: Final = self.encoding in FAITHFUL
        # bytes, an LF among them, of lines that need no second look as to their length; and none
        # do without where the encoding may alter text
        self._plain_max: Final = max_message + 1 if self._at_once else 0

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return cut_line(buffer, start, searched, self.max_message)

    def cut_all(self, data: bytes) -> tuple[list[str], int]:
        end = len(data)
        if data[-1] != LF:
            end = data.rfind(b"\n") + 1
            data = data[:end]
        if not 0 < end <= self._plain_max and not self._may_cut(data):
            return [], 0
        try:
            text = data.decode(self.encoding)
        except UnicodeDecodeError:
            return [], 0  # line by line, so that the good ones before the bad one are given
        lines = _split(text, "\n")
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        return lines, end

    def _may_cut(self, data: bytes) -> bool:
        """Whether lines can be decoded at once, of which there are none or much."""
        return bool(data) and self._at_once and _longest(data) <= self.max_message

    def decode_unit(self, unit: bytes) -> str:
        return decoded(line_of(unit, self.max_message), self.encoding)

    def encode(self, message: str) -> bytes:
        try:
            data = (message + self._line_end).encode(self.encoding)
            if len(data) <= self._plain_max and "\n" not in message and "\r" not in message:
                return data
        except (TypeError, UnicodeEncodeError):
            pass  # what follows says what is wrong
        return line_from(encoded(message, self.encoding), self.max_message) + self._ending

    def encode_all(self, messages: list[str]) -> bytes:
        if not self._at_once:
            return super().encode_all(messages)
        ending = self._line_end
        try:
            body = "".join(messages)
            data = ending.join((*messages, "")).encode(self.encoding)
        except (TypeError, UnicodeEncodeError):
            return super().encode_all(messages)
        if len(data) > self.max_message or "\n" in body or "\r" in body:
            return super().encode_all(messages)
        return data

    def encode_unit(self, message: str) -> bytes:
        return unit_from(encoded(message, self.encoding), self.max_message)

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_in(self.encoding, reason))


def _split(text: AnyStr, feed: AnyStr) -> list[AnyStr]:
    """Give the lines of a text that ends with a line feed."""
    end = text.find(feed)
    if end < LONG:
        lines = text.split(feed)
        lines.pop()
        return lines
    lines, at = [], 0  # find() skips over a long line many times faster than split() does
    while end >= 0:
        lines.append(text[at:end])
        at = end + 1
        end = text.find(feed, at)
    return lines


class ByteLines(Framing[bytes]):
    """Lines of bytes, in no encoding."""

    name = "lines"
    delimiter = b"\n"

    def __init__(
        self,
        max_message: int = DEFAULT_MAX_MESSAGE,
        ending: Literal["\n", "\r\n"] = "\n",
    ) -> None:
        super().__init__(max_message)
        self._ending: Final = _checked_ending(ending)

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return cut_line(buffer, start, searched, self.max_message)

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        end = data.rfind(b"\n") + 1
        if not end:
            return [], 0
        lines = _split(data[:end], b"\n")
        if end > self.max_message and max(map(len, lines)) > self.max_message:
            return [], 0
        if b"\r" in data:
            lines = [line.rstrip(b"\r") for line in lines]
        return lines, end

    def decode_unit(self, unit: bytes) -> bytes:
        return line_of(unit, self.max_message)

    def encode(self, message: bytes) -> bytes:
        if (
            type(message) is bytes
            and len(message) <= self.max_message
            and LF not in message
            and not message.endswith(b"\r")
        ):
            return message + self._ending
        return line_from(as_bytes(message), self.max_message) + self._ending

    def encode_unit(self, message: bytes) -> bytes:
        return unit_from(as_bytes(message), self.max_message)

    def refusal(self, reason: str) -> bytes:
        return self._refuse_with(refusal_text(reason).encode())


def cut_line(buffer: Buffer, start: int, searched: int, max_message: int) -> Cut | int:
    """Cut at the next LF, for every framing made of lines."""
    end = buffer.find(b"\n", searched)
    last = end if end >= 0 else len(buffer)
    if last - start > max_message + 1:  # 1: the CR of a line that just fits
        raise too_long(max_message)
    if end < 0:
        return last - start + 1
    while last > start and buffer[last - 1] == CR:
        last -= 1
    if last - start > max_message:
        raise too_long(max_message)
    return start, last, end + 1


def line_of(unit: bytes, max_message: int) -> bytes:
    """Drop the line ending of a unit; a line that was cut from a stream has none."""
    line = unit.removesuffix(b"\n").rstrip(b"\r")
    if len(line) > max_message:
        raise too_long(max_message, len(line))
    return line


def line_from(data: bytes, max_message: int) -> bytes:
    """Give `data` back if it can be sent as one line. Raises LocalProtocolError."""
    if LF in data:
        raise LocalProtocolError(
            "a line holds a line ending and would arrive as two; send it line by line"
        )
    return unit_from(data, max_message)


def unit_from(data: bytes, max_message: int) -> bytes:
    """Give the unit that `line_of()` turns into `data`. Raises LocalProtocolError."""
    if len(data) > max_message:
        raise too_long_to_send(max_message, len(data))
    if data.endswith(b"\r"):
        raise LocalProtocolError(
            "a line ends with a carriage return, which its receiver would drop; strip it first"
        )
    return data + b"\n" if data.endswith(b"\n") else data


def _longest(lines: bytes) -> int:
    return max(map(len, lines.split(b"\n")))


def _checked_ending(ending: str) -> bytes:
    if ending not in {"\n", "\r\n"}:
        raise ConfigurationError(f"a line ends with '\\n' or '\\r\\n', not with {ending!r}")
    return ending.encode()


def _checked_encoding(encoding: str) -> str:
    """Give the encoding's own name, or refuse one in which lines cannot be found."""
    name = known_encoding(encoding)
    if "\r\n".encode(name) != b"\r\n":
        raise ConfigurationError(
            f"in {name} a line ending is not the byte 0x0A, so lines cannot be found; use 'utf-8'"
        )
    return name


@overload
def lines(
    encoding: str = "utf-8", *, max_message: int = ..., ending: Literal["\n", "\r\n"] = ...
) -> TextLines: ...
@overload
def lines(
    encoding: None, *, max_message: int = ..., ending: Literal["\n", "\r\n"] = ...
) -> ByteLines: ...
def lines(
    encoding: str | None = "utf-8",
    *,
    max_message: int = DEFAULT_MAX_MESSAGE,
    ending: Literal["\n", "\r\n"] = "\n",
) -> TextLines | ByteLines:
    """Lines ending with LF or CR LF, of at most `max_message` bytes.

    encoding: what the text is in, GBK included; None gives bytes.
    ending: what is sent after each line.
    """
    if encoding is None:
        return ByteLines(max_message, ending)
    return TextLines(encoding, max_message, ending)
