"""Names as DNS has them: checked label by label, in ASCII and in the script they are meant in.

The rules this file owns:

1. A name has labels of 1 to 63 bytes between its dots, and 253 in all (RFC 1035, section 2.3.4).
2. A label of other letters than ASCII's goes by IDNA 2008 (RFC 5891), after the mapping of
   capitals and wide letters that RFC 5895 leaves to whoever asks (UTS 46, not transitional).
3. Who reads an error finds in it which label is wrong, and where it stands.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from types import ModuleType

from jackfield.errors import ConfigurationError, NotationError

MOST_LABEL = 63
MOST_NAME = 253
"""Bytes of a label, and of a name with its dots, in ASCII."""

_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490, section 3.1: as keyboards give them
_WRONG = re.compile(r"[^A-Za-z0-9_-]")


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address; one with a zone is."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def to_ascii(name: str) -> str:
    """Give a name as it is asked for: in ASCII, without a final dot. Raises NotationError."""
    if not name or name == ".":
        raise NotationError("a name has at least one label", name, 0, len(name))
    if len(name) > 4 * MOST_NAME:
        text = f"a name of {len(name)} characters: {MOST_NAME} are the most"
        raise NotationError(text, name, MOST_NAME, len(name))
    done: list[str] = []
    start = 0
    labels = _DOTS.split(name)
    if not labels[-1]:
        labels.pop()
    for number, label in enumerate(labels, 1):
        try:
            done.append(_label(label))
        except _Wrong as wrong:
            which = f"label {number} of {len(labels)}, {label!r}," if label else f"label {number}"
            begin = start + wrong.start
            end = begin + wrong.length if wrong.length else start + len(label)
            text = f"{name}: {which} {wrong}"
            raise NotationError(text, name, begin, max(end, begin + 1)) from None
        start += len(label) + 1
    ascii_name = ".".join(done)
    if len(ascii_name) > MOST_NAME:
        text = f"a name of {len(ascii_name)} bytes: {MOST_NAME} are the most"
        raise NotationError(text, name, 0, len(name))
    return ascii_name


class _Wrong(Exception):
    """What is wrong with a label: from `start` on, so many characters; 0 for all of them."""

    def __init__(self, text: str, start: int = 0, length: int = 0) -> None:
        super().__init__(text)
        self.start = start
        self.length = length


def _label(label: str) -> str:
    """Give a label in ASCII. Raises _Wrong."""
    if not label:
        raise _Wrong("is empty: there is a dot too many")
    if len(label) > MOST_LABEL:
        raise _Wrong(f"has {len(label)} characters: {MOST_LABEL} are the most")
    if label.isascii():
        found = _WRONG.search(label)
        if found and label != "*":
            what = found[0]
            text = f"has {what!r} in it; a name is of letters, digits, - and _"
            raise _Wrong(text, found.start(), 1)
        if label.startswith("-") or label.endswith("-"):
            at = 0 if label.startswith("-") else len(label) - 1
            raise _Wrong("may not begin or end with -", at, 1)
        return label.lower()
    return _international(label)


def _international(label: str) -> str:
    idna = _idna()
    try:
        mapped = idna.uts46_remap(label, std3_rules=True, transitional=False)
        return str(idna.alabel(mapped), "ascii")
    except UnicodeError as error:  # which idna's own are
        position = re.search(r"position (\d+)", str(error))
        # A mapping may have moved it: then the label as a whole is pointed at.
        at = int(position[1]) - 1 if position and 0 < int(position[1]) <= len(label) else -1
        why = re.sub(r" at position \d+ (of|in) .*? (?=not allowed|is)", " ", str(error))
        text = f"is no name by IDNA 2008: {why}"
        raise _Wrong(text, max(0, at), 1 if at >= 0 else 0) from None


def to_unicode(name: str) -> str:
    """Give a name with those labels in their own script that are IDNA 2008's; never fails."""
    if "xn--" not in name.lower():
        return name
    return ".".join(map(_unicode_label, name.split(".")))


def both(name: str) -> str:
    """Give a name in ASCII, and behind it in its own script where that differs."""
    other = to_unicode(name)
    return name if other == name else f"{name} ({other})"


def _unicode_label(label: str) -> str:
    if not label.lower().startswith("xn--") or len(label) > MOST_LABEL:
        return label
    try:
        return str(_idna().ulabel(label))
    except (UnicodeError, ConfigurationError):
        return label


def _idna() -> ModuleType:
    try:
        import idna  # noqa: PLC0415  it is in an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "idna":
            raise
        raise ConfigurationError(
            "names in other letters than ASCII's need the package idna: "
            "pip install 'jackfield[tools]'"
        ) from None
    return idna
