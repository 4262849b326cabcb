"""Kinds of values that several commands take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import click

from jackfield.endpoints import Endpoint, Transport

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Give the seconds of a time such as 1s, 250ms or 2m; without a unit it is in seconds."""
    if value is None:
        return None
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no time; write 1s, 250ms or 2m", ctx, param)
    number, unit = found.groups()
    return float(number) * _UNITS[unit or "s"]


def with_files(
    endpoints: Iterable[Endpoint], cert: str | None, key: str | None, ca: str | None
) -> list[Endpoint]:
    """Put the files that `--cert`, `--key` and `--ca` name into the endpoints that take them.

    Raises UsageError when there are files and no endpoint to take them.
    """
    found = []
    used = not (cert or key or ca)
    for endpoint in endpoints:
        if endpoint.transport is Transport.TLS:
            used = True
            had = endpoint.options
            files = replace(had, cert=cert or had.cert, key=key or had.key, ca=ca or had.ca)
            found.append(replace(endpoint, options=files))
        else:
            found.append(endpoint)
    if not used:
        raise click.UsageError("--cert, --key and --ca are for tls:// endpoints; there is none")
    return found
