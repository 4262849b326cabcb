"""Keeping this machine's certificate from expiring while a server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from jackfield.errors import ConfigurationError
from jackfield.events import Events, Warned
from jackfield.net.ioloop import IOLoop
from jackfield.tls import authority

INTERVAL = 3600.0
"""Seconds between two looks."""


async def keep_renewed(
    io: IOLoop, cert: str, renewed: Callable[[], Awaitable[None]], events: Events
) -> None:
    """Have the local authority make the certificate anew when that is due, for as long as it runs.

    cert: its file. renewed: called when there is another. What goes wrong is told, and tried again.
    """
    fingerprint = authority.read(cert).fingerprint
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            await io.in_thread(authority.serving_files)
            now = authority.read(cert).fingerprint
            if now != fingerprint:
                await renewed()
                fingerprint = now
        except ConfigurationError as error:
            events.emit(Warned(f"the certificate cannot be renewed: {error}"))
