"""The options --cert, --key and --ca of whoever deals with one endpoint."""

from __future__ import annotations

from dataclasses import replace

import click

from jackfield.endpoints import Endpoint


def with_files(endpoint: Endpoint, cert: str | None, key: str | None, ca: str | None) -> Endpoint:
    """Put the files into an endpoint of TLS. Raises click.UsageError for another."""
    if not (cert or key or ca):
        return endpoint
    if not endpoint.transport.uses_tls:
        what = "--cert, --key and --ca are for tls:// and wss://"
        raise click.UsageError(f"{what}, and this is {endpoint}")
    had = endpoint.options
    files = replace(had, cert=cert or had.cert, key=key or had.key, ca=ca or had.ca)
    return replace(endpoint, options=files)
