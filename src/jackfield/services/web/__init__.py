"""web: a folder over HTTP, read-only, or one text for every path."""

from __future__ import annotations

from typing import Any

from jackfield.errors import ConfigurationError
from jackfield.framing.http import HTTP
from jackfield.limits import Limits
from jackfield.service import Service
from jackfield.services.web.site import Shown, Site

LIMITS = Limits(first_message=8, idle=8, message_time=8, write_time=20)
"""Browsers ask at once, and come again when they want more: a slow or silent one only holds a
place. Twice a second is looked, so each holds to within ten seconds."""

LONGEST_TEXT = 1024 * 1024
"""Bytes of the text of `hello`."""


def make(
    *,
    folder: str | None = None,
    hello: str | None = None,
    auth: tuple[str, ...] = (),
    host: tuple[str, ...] = (),
    hidden: bool = False,
    follow_links: bool = False,
) -> Service[Any]:
    """Make the service.

    folder: what is served. hello: in place of one, a text that every path answers with; it is
    sent as HTML when it begins with `<`.
    auth: who may see it, each as NAME:sha256:HEX; all when empty.
    host: names that it answers to, beside addresses and localhost; any off loopback when empty.
    hidden: whether names that begin with a dot are served.
    follow_links: whether links may lead out of the folder.
    Raises ConfigurationError for what cannot be served.
    """
    if (folder is None) == (hello is None):
        raise ConfigurationError(
            "web serves a folder, or one text: jackfield serve web . tcp://127.0.0.1:8080, "
            "or with --hello TEXT in place of the folder"
        )
    if hello is not None and len(hello.encode()) > LONGEST_TEXT:
        raise ConfigurationError(f"--hello: a text of more than {LONGEST_TEXT} bytes")
    shown = Shown(folder, hello, auth, host, hidden, follow_links)
    return Service("web", Site(shown), HTTP("server"), LIMITS)
