"""What the framings of text share: encodings by name, and errors that say what does not fit."""

from __future__ import annotations

import codecs

from jackfield.errors import BadMessage, ConfigurationError, LocalProtocolError
from jackfield.framing.base import refusal_text, wrong_type

_HIDING = frozenset({"utf-7", "unicode-escape", "raw-unicode-escape", "idna", "punycode"})
"""Encodings that can spell a line ending or a delimiter in other bytes, so that it gets by."""

FAITHFUL = frozenset(
    {"ascii", "big5", "cp1252", "cp949", "gb18030", "gb2312", "gbk", "iso8859-1", "utf-8"}
)
"""Encodings without state, in which no two characters have the same bytes.

So what is encoded decodes to the same, and LF is itself wherever it stands: a run of lines may
be coded at once. The other encodings may do as well, but are not proven to; what is sent in
them is looked at: Shift JIS, say, has one byte for the yen sign and the backslash.
"""


UNICODE = frozenset({"ascii", "utf-8"})
"""Encodings whose bytes are UTF-8's."""


def known_encoding(encoding: str) -> str:
    """Give the encoding's own name. Raises ConfigurationError for one unfit for messages."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"there is no text encoding called {encoding!r}; try 'utf-8' or 'gbk'"
        ) from None
    if name in _HIDING:
        raise ConfigurationError(
            f"in {name} the end of a message may hide in other bytes; use 'utf-8'"
        )
    return name


def decoded(data: bytes, encoding: str) -> str:
    """Decode the payload of one message. Raises BadMessage."""
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise BadMessage(
            f"a message that is not {encoding} ({error}); use the same encoding on both sides"
        ) from None


def encoded(message: str, encoding: str) -> bytes:
    """Encode one message. Raises LocalProtocolError."""
    try:
        data = message.encode(encoding)
        if encoding not in FAITHFUL and data.decode(encoding) != message:
            raise LocalProtocolError(
                f"a message that {encoding} would make into another; use 'utf-8'"
            )
        return data
    except UnicodeError as error:
        raise LocalProtocolError(
            f"a message that {encoding} cannot carry ({error}); use 'utf-8'"
        ) from None
    except AttributeError:
        raise wrong_type("str", message) from None


def refusal_in(encoding: str, reason: str) -> str:
    """Give the text of a refusal, with only those characters that `encoding` has."""
    return refusal_text(reason).encode(encoding, "replace").decode(encoding)
