"""Lines: text that ends with LF; CR LF is taken too.

The rules this file owns:

1. A line ends at LF; the CRs right before it are dropped. So every line that is received can
   be sent, and arrives as it was.
2. A line holds no LF and ends with no CR: sending one that does is refused, for it would
   arrive as something else.
3. A line is text in the given encoding, or bytes when `encoding` is None. The encodings
   taken are those in which LF is the byte 0x0A and that byte is nothing else: UTF-8, GBK,
   GB 18030, Big5, Shift JIS, ISO 8859 and the like, but not UTF-16.
4. A stream that ends without a line ending ends inside a message: half a line is no line.
"""

from __future__ import annotations

import codecs
from typing import Literal, overload

from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError, MessageTooLong
from jackfield.framing.base import DEFAULT_MAX_MESSAGE, Buffer, Cut, Framing

_DECODES_WHOLE = frozenset({"utf-8", "ascii", "iso8859-1"})
"""Encodings in which a run of lines may be decoded at once: no state, LF only as LF."""


class TextLines(Framing[str]):
    """Lines of text.

    encoding: any of Python's whose LF is the byte 0x0A.
    ending: what is sent after each line, LF or CR LF; both are always taken.
    """

    name = "lines"

    def __init__(
        self,
        encoding: str = "utf-8",
        max_message: int = DEFAULT_MAX_MESSAGE,
        ending: Literal["\n", "\r\n"] = "\n",
    ) -> None:
        super().__init__(max_message)
        self.encoding = _checked(encoding)
        self._ending = _checked_ending(ending)
        self._whole = self.encoding in _DECODES_WHOLE

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return cut_line(buffer, start, searched, self.max_message)

    def cut_all(self, data: bytes) -> tuple[list[str], int]:
        end = data.rfind(b"\n") + 1
        if not end or not self._whole or end > self.max_message:
            return [], 0
        try:
            text = data[:end].decode(self.encoding)
        except UnicodeDecodeError:
            return [], 0  # line by line, so that the good ones before the bad one are given
        lines = text.split("\n")
        del lines[-1]
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        return lines, end

    def decode_unit(self, unit: bytes) -> str:
        try:
            return unit.removesuffix(b"\n").decode(self.encoding).rstrip("\r")
        except UnicodeDecodeError as error:
            msg = (
                f"a line that is not {self.encoding}: byte 0x{unit[error.start]:02x} "
                f"at offset {error.start}"
            )
            raise BadMessage(msg) from error

    def encode(self, message: str) -> bytes:
        data = message.encode(self.encoding)
        if len(data) <= self.max_message and b"\n" not in data and data[-1:] != b"\r":
            return data + self._ending
        raise unsendable(data, self.max_message)

    def encode_unit(self, message: str) -> bytes:
        return self.encode(message).removesuffix(self._ending)

    def refusal(self, reason: str) -> bytes:
        return f"error: {reason}".encode(self.encoding, "replace") + self._ending


class ByteLines(Framing[bytes]):
    """Lines of bytes, in no encoding."""

    name = "lines"

    def __init__(
        self,
        max_message: int = DEFAULT_MAX_MESSAGE,
        ending: Literal["\n", "\r\n"] = "\n",
    ) -> None:
        super().__init__(max_message)
        self._ending = _checked_ending(ending)

    def cut(self, buffer: Buffer, start: int, searched: int) -> Cut | int:
        return cut_line(buffer, start, searched, self.max_message)

    def cut_all(self, data: bytes) -> tuple[list[bytes], int]:
        end = data.rfind(b"\n") + 1
        if not end or end > self.max_message:
            return [], 0
        lines = data[:end].split(b"\n")
        del lines[-1]
        if b"\r" in data:
            lines = [line.rstrip(b"\r") for line in lines]
        return lines, end

    def decode_unit(self, unit: bytes) -> bytes:
        return unit.removesuffix(b"\n").rstrip(b"\r")

    def encode(self, message: bytes) -> bytes:
        if len(message) <= self.max_message and b"\n" not in message and message[-1:] != b"\r":
            return message + self._ending
        raise unsendable(message, self.max_message)

    def encode_unit(self, message: bytes) -> bytes:
        return self.encode(message).removesuffix(self._ending)

    def refusal(self, reason: str) -> bytes:
        return f"error: {reason}".encode() + self._ending


def cut_line(buffer: Buffer, start: int, searched: int, max_message: int) -> Cut | int:
    """Cut at the next LF, for every framing made of lines."""
    end = buffer.find(b"\n", searched)
    if end < 0:
        end = len(buffer)
        if end - start <= max_message + 1:  # room for the CR of a line that just fits
            return end - start + 1
    last = end
    while last > start and buffer[last - 1] == 0x0D:
        last -= 1
    if last - start > max_message:
        msg = f"a line longer than {max_message} bytes"
        raise MessageTooLong(msg)
    if end == len(buffer):
        return end - start + 1
    return start, last, end + 1


def unsendable(data: bytes, max_message: int) -> LocalProtocolError:
    """Say why these bytes cannot be sent as one line."""
    if len(data) > max_message:
        return LocalProtocolError(
            f"a line of {len(data)} bytes, past the bound of {max_message}; "
            "send it in parts, or give the framing a larger max_message on both sides"
        )
    if b"\n" in data:
        return LocalProtocolError(
            "a line holds a line ending and would arrive as two; send it line by line"
        )
    return LocalProtocolError(
        "a line ends with a carriage return, which its receiver would drop; strip it first"
    )


def _checked_ending(ending: str) -> bytes:
    if ending not in {"\n", "\r\n"}:
        msg = f"a line ends with '\\n' or '\\r\\n', not with {ending!r}"
        raise ConfigurationError(msg)
    return ending.encode()


def _checked(encoding: str) -> str:
    """Give the encoding's own name, or refuse one in which lines cannot be found."""
    try:
        name = codecs.lookup(encoding).name
        plain = "\n".encode(name) == b"\n" and "\r".encode(name) == b"\r"
    except (LookupError, UnicodeError):
        msg = f"there is no encoding called {encoding!r}; try 'utf-8' or 'gbk'"
        raise ConfigurationError(msg) from None
    if not plain:
        msg = f"in {name} a line ending is not the byte 0x0A, so lines cannot be found; use 'utf-8'"
        raise ConfigurationError(msg)
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
