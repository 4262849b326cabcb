"""The options of a board's files: which folder, how much of it, and who may do what."""

from __future__ import annotations

import re
from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.services.files import KEEP

QUOTA = 10 * 1024**3
"""Bytes that all files of a board may have together, unless it is configured otherwise."""

_SIZE = re.compile(r"([1-9][0-9]{0,11})(?:([KMGT])(?:i?B)?)?")
_FLAGS = frozenset({"read_only", "no_remove", "guests"})

OPTIONS = ("folder", "quota", "max_file", "keep_parts", "read_only", "no_remove", "guests")
"""What they are called. guests: whether a guest of an open board may list and get files."""


def checked(key: str, value: Any) -> Any:
    """Give the value of an option as it is used. Raises ConfigurationError."""
    if key == "folder":
        if isinstance(value, str) and value and "\0" not in value:
            return value
        raise ConfigurationError("folder is a path")
    if key in _FLAGS:
        if isinstance(value, bool):
            return value
        raise ConfigurationError(f"{key} is true or false")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "keep_parts":
        if is_number and 0 < value < 1e10:
            return float(value)
        raise ConfigurationError("keep_parts is a number of seconds")
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        return int(found[1]) * 1024 ** " KMGT".index(found[2] or " ")
    if is_number and isinstance(value, int) and 0 < value < 1 << 62:
        return value
    raise ConfigurationError(f'{key} is a size: 4096, "64K" or "10G"')


def with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """Give the options with those that are left out, but for the folder."""
    quota = options.get("quota", QUOTA)
    usual = {"quota": quota, "max_file": quota, "keep_parts": KEEP}
    return usual | dict.fromkeys(_FLAGS, False) | options
