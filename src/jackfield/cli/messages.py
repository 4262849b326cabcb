r"""Messages as people type and read them: between a framing's messages and text or bytes.

The rules this file owns:

1. With framing `raw` bytes go through as they are, both ways; a line typed is sent with its
   line feed. With any other framing a line is a message, and a message is a line.
2. A message that is neither text nor bytes is written as JSON.
3. For a terminal, what a peer sends is shown without control characters (`visible.py`),
   whatever the framing; `\r\n` ends a line as `\n` does.
4. A dump is that of `hexdump -C`: where, sixteen bytes in hexadecimal, and as ASCII.
"""

from __future__ import annotations

import codecs
from typing import Any

from jackfield.cli.pipes import output_encoding
from jackfield.errors import LocalProtocolError, RemoteProtocolError
from jackfield.framing.base import Framing
from jackfield.framing.raw import Raw
from jackfield.visible import escaped

_ROW = 16
_SPACES = bytes.maketrans(bytes(range(0x20)) + bytes(range(0x7F, 0x100)), b"." * 161)


class Outgoing:
    """Lines made messages.

    hexadecimal: whether a typed line may be bytes, written as `0x48 69`.
    """

    def __init__(self, framing: Framing[Any], *, hexadecimal: bool = False) -> None:
        self._framing = framing
        self._raw = isinstance(framing, Raw)
        self._json = framing.name == "json"
        self._text = not self._raw and not self._json and _carries_text(framing)
        self._hexadecimal = hexadecimal

    @property
    def is_raw(self) -> bool:
        """Whether bytes go as they are, so that there are no lines to read."""
        return self._raw

    def typed(self, line: str) -> Any:
        """Make a message of a line typed at a terminal. Raises LocalProtocolError."""
        if self._hexadecimal and line.startswith("0x"):
            data = _from_hexadecimal(line)
            return self._message(data) if not self._raw else data
        if self._raw:
            return f"{line}\n".encode(output_encoding(), "backslashreplace")
        return self._message(line.encode("utf-8", "backslashreplace"))

    def read(self, line: bytes) -> Any:
        """Make a message of a line read from a file or a pipe. Raises LocalProtocolError."""
        return self._message(line)

    def _message(self, data: bytes) -> Any:
        if self._json:
            try:
                return self._framing.decode_unit(data)
            except RemoteProtocolError as error:
                raise LocalProtocolError(f"{error}; not sent") from None
        if not self._text:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise LocalProtocolError(f"a line that is not UTF-8 ({error}); not sent") from None


def _carries_text(framing: Framing[Any]) -> bool:
    try:
        framing.encode_unit("")
    except LocalProtocolError:
        return False
    return True


def _from_hexadecimal(line: str) -> bytes:
    digits = line.replace("0x", " ").replace(":", " ")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise LocalProtocolError(
            "a line that begins with 0x is bytes in hexadecimal, as in 0x 48 69 0a; not sent"
        ) from None


class Incoming:
    """Messages made text or bytes.

    shown: whether it is a terminal that they go to, so that they must be safe there.
    hexadecimal: whether they are dumped.
    """

    def __init__(self, framing: Framing[Any], *, shown: bool, hexadecimal: bool) -> None:
        self._framing = framing
        self._stream = isinstance(framing, Raw)
        self._shown = shown
        self._hexadecimal = hexadecimal
        self._decoder = codecs.getincrementaldecoder(output_encoding())("backslashreplace")
        self._held = ""  # a carriage return that may belong to a line ending
        self._offset = 0

    def text(self, message: Any) -> str:
        """Give what to show of a message."""
        if self._hexadecimal:
            return self._dump(message)
        if self._stream:
            return self._safe(self._decoder.decode(message))
        return self._safe(self._line(message).decode("utf-8", "backslashreplace"))

    def exact(self, message: Any) -> bytes:
        """Give what to write of a message to a pipe."""
        if self._shown or self._hexadecimal:
            return self.text(message).encode(output_encoding(), "backslashreplace")
        return bytes(message) if self._stream else self._line(message)

    def end(self) -> str:
        """Give what was held back: half a character, half a line ending."""
        if self._hexadecimal or not self._shown:
            return ""
        rest = self._held + self._decoder.decode(b"", final=True)
        self._held = ""
        return escaped(rest)

    def _line(self, message: Any) -> bytes:
        if isinstance(message, bytes):
            return message + b"\n"
        if isinstance(message, str):
            return f"{message}\n".encode("utf-8", "surrogatepass")
        return self._framing.encode(message)

    def _safe(self, text: str) -> str:
        if not self._shown:
            return text
        text = (self._held + text).replace("\r\n", "\n")
        self._held = "\r" if text.endswith("\r") else ""
        return escaped(text.removesuffix("\r"))

    def _dump(self, message: Any) -> str:
        data = message if isinstance(message, bytes) else self._framing.encode_unit(message)
        start = self._offset if self._stream else 0
        self._offset += len(data)
        return "".join(
            _row(start + at, data[at : at + _ROW]) for at in range(0, max(1, len(data)), _ROW)
        )


def _row(offset: int, data: bytes) -> str:
    left, right = data[:8].hex(" "), data[8:].hex(" ")
    return f"{offset:08x}  {left:23}  {right:23}  |{data.translate(_SPACES).decode('ascii')}|\n"
