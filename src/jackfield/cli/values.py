"""Kinds of values that several commands take."""

from __future__ import annotations

import re

import click

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)?")
_SIZE = re.compile(r"([0-9]{1,15})(?:([kKMGT])(?:i?B)?)?")
_SCALES = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Give the seconds of a time such as 1s, 250ms, 2m or 7d; without a unit it is in seconds."""
    if value is None:
        return None
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no time; write 1s, 250ms, 2m or 7d", ctx, param)
    number, unit = found.groups()
    return float(number) * _UNITS[unit or "s"]


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Give the bytes of a size such as 4096, 64K or 10MiB; each step is 1024."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if found is None or not int(found[1]):
        raise click.BadParameter(f"{value!r} is no size; write 4096, 64K or 10M", ctx, param)
    scale: int = 1024 ** _SCALES.get(found[2], 0)
    return int(found[1]) * scale
