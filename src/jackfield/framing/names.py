"""Framings by name: what options such as `--framing` take.

A name, and after a colon what it needs, parts divided by commas::

    raw
    lines                    lines:gbk           lines:bytes
    delimited                delimited:0x0d0a    delimited:0x00,utf-8
    fixed:64
    length:4                 length:2,little     length:4,itself    length:varint
    netstring
    json
    text-or-binary

A delimiter is written in hexadecimal, and is NUL if it is left out; with an encoding the
messages are text. `itself` is for a length that counts its own bytes. `header` takes more than
a name can say, so it is for code alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.framing.base import Framing
from jackfield.framing.delimited import delimited
from jackfield.framing.fixed import Fixed
from jackfield.framing.json_lines import JSONLines
from jackfield.framing.length_prefixed import length_prefixed
from jackfield.framing.lines import lines
from jackfield.framing.netstring import Netstring
from jackfield.framing.raw import Raw
from jackfield.framing.text_or_binary import TextOrBinary


def parse(text: str) -> Framing[Any]:
    """Make the framing that `text` names, as the module's own text shows.

    Raises ConfigurationError, in one line with the known names.
    """
    name, colon, argument = text.partition(":")
    parts = argument.split(",") if colon else []
    known = _KNOWN.get(name)
    if known is None:
        raise ConfigurationError(_unknown(name))
    make, example = known
    try:
        return make(*parts)
    except ConfigurationError as error:
        problem = str(error)
    except (TypeError, ValueError):
        problem = "what follows its name does not fit"
    raise ConfigurationError(f"framing {text!r}: {problem}; a right one is {example!r}") from None


def _unknown(name: str) -> str:
    # Imported here: it takes 8 ms, which only a mistyped name should cost.
    from difflib import get_close_matches  # noqa: PLC0415

    close = get_close_matches(name, _KNOWN, n=1)
    hint = f"; did you mean {close[0]!r}" if close else ""
    return f"there is no framing called {name!r}{hint}; known are {', '.join(_KNOWN)}"


def _lines(encoding: str = "utf-8") -> Framing[Any]:
    return lines(None) if encoding == "bytes" else lines(encoding)


def _delimited(delimiter: str = "0x00", encoding: str | None = None) -> Framing[Any]:
    if not delimiter.startswith("0x"):
        raise ConfigurationError(
            f"a delimiter is hexadecimal and begins with 0x, not {delimiter!r}"
        )
    octets = bytes.fromhex(delimiter.removeprefix("0x"))
    return delimited(octets) if encoding is None else delimited(octets, encoding)


def _fixed(size: str) -> Framing[Any]:
    return Fixed(int(size))


def _length(size: str, *options: str) -> Framing[Any]:
    unknown = set(options) - {"big", "little", "itself"}
    if unknown or {"big", "little"} <= set(options):
        raise ConfigurationError(
            f"after the size come 'big' or 'little', and 'itself', not {', '.join(options)!r}"
        )
    return length_prefixed(
        "varint" if size == "varint" else int(size),  # type: ignore[arg-type]  # it is checked there
        "little" if "little" in options else "big",
        counts_itself="itself" in options,
    )


_KNOWN: dict[str, tuple[Callable[..., Framing[Any]], str]] = {
    "raw": (Raw, "raw"),
    "lines": (_lines, "lines:gbk"),
    "delimited": (_delimited, "delimited:0x0d0a"),
    "fixed": (_fixed, "fixed:64"),
    "length": (_length, "length:2,little"),
    "netstring": (Netstring, "netstring"),
    "json": (JSONLines, "json"),
    "text-or-binary": (TextOrBinary, "text-or-binary"),
}
"""What makes each framing from its parts, and one that is written right."""
